//! The reader against the simulated org: what must hold between the two over real HTTP.

use std::time::Duration;

use serde_json::json;

use super::super::log::{Changed, rival};
use super::super::reader::AccountRead;
use super::super::{Auth, Connection, GoldenThread, OktaReader, OktaWriter, Settings};
use super::keys::ec_pair;
use crate::http::RetryPolicy;
use crate::model::{AccountId, GroupId, Step};
use crate::sim::clock::Clock;
use crate::sim::faults::Fault;
use crate::sim::http::Server;
use crate::sim::line::Latency;
use crate::sim::okta::{Okta, PublicKey, ServiceApp, Status};

/// An org with one administrator, Zoe who is none, and a group.
struct World {
    okta: Okta,
    server: Server,
    admin: String,
    zoe: AccountId,
    group: GroupId,
}

impl World {
    fn new() -> Self {
        let okta = Okta::new(Clock::new());
        let person = |login: &str| json!({"login": login, "email": login, "firstName": "Zoe", "lastName": "Okafor"});
        let admin = okta.add_user(&person("root@example.com"), Status::Active);
        okta.set_roles(&admin, &["SUPER_ADMIN"]);
        okta.register_token("token", &admin);
        let zoe = okta.add_user(&person("zoe@example.com"), Status::Active);
        let group = okta.add_group("Sales", "OKTA_GROUP");
        let server = okta.serve().unwrap();
        let (zoe, group) = (AccountId::parse(&zoe).unwrap(), GroupId::parse(&group).unwrap());
        Self { okta, server, admin, zoe, group }
    }

    fn settings(&self, auth: Auth) -> Settings {
        let retry = RetryPolicy {
            attempts: 2,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(5),
            ..RetryPolicy::default()
        };
        Settings { url: self.server.url.parse().unwrap(), auth, share: 1.0, retry }
    }

    /// With an SSWS token, which needs no scopes.
    fn reader(&self) -> OktaReader {
        let auth = Auth::Token { token: "token".to_owned().into() };
        OktaReader::new(Connection::new(self.settings(auth)).unwrap())
    }

    /// With a service app that was granted these scopes.
    fn reader_with(&self, scopes: &[&str]) -> OktaReader {
        let (pem, jwk) = ec_pair();
        self.okta.register_app(ServiceApp {
            client_id: "0oagoldthread".to_owned(),
            name: "Goldthread".to_owned(),
            keys: vec![PublicKey::from_jwk(&jwk).unwrap()],
            dpop: false,
            scopes: scopes.iter().map(|it| (*it).to_owned()).collect(),
            roles: vec!["SUPER_ADMIN".to_owned()],
        });
        let client_id = "0oagoldthread".to_owned();
        let auth = Auth::ServiceApp { client_id, key: pem.into(), dpop: false };
        OktaReader::new(Connection::read_only(self.settings(auth)).unwrap())
    }
}

const BARE: [&str; 2] = ["okta.users.read", "okta.groups.read"];

#[tokio::test]
async fn administrators_are_known_by_their_own_role_and_by_their_groups() {
    let world = World::new();
    let app = world.reader_with(&[&BARE[..], &["okta.roles.read"]].concat());
    for reader in [world.reader(), app] {
        let roles = async || {
            let account = reader.has_admin_role(&world.zoe).await.unwrap();
            (account, reader.group_has_admin_role(&world.group).await.unwrap())
        };
        assert_eq!(roles().await, (Some(false), Some(false)));
        world.okta.set_group_roles(world.group.as_str(), &["HELP_DESK_ADMIN"]);
        assert_eq!(roles().await, (Some(false), Some(true)));
        world.okta.add_member(world.group.as_str(), world.zoe.as_str());
        assert_eq!(roles().await, (Some(true), Some(true)));
        world.okta.remove_member(world.group.as_str(), world.zoe.as_str());
        world.okta.set_group_roles(world.group.as_str(), &[]);
        world.okta.set_roles(world.zoe.as_str(), &["READ_ONLY_ADMIN"]);
        assert_eq!(roles().await, (Some(true), Some(false)));
        world.okta.set_roles(world.zoe.as_str(), &[]);
    }
}

#[tokio::test]
async fn without_the_scope_roles_are_unknown_and_the_app_still_signs_in() {
    let world = World::new();
    world.okta.set_roles(world.zoe.as_str(), &["SUPER_ADMIN"]);
    let reader = world.reader_with(&[&BARE[..], &["okta.logs.read"]].concat());
    assert_eq!(reader.has_admin_role(&world.zoe).await.unwrap(), None);
    assert_eq!(reader.group_has_admin_role(&world.group).await.unwrap(), None);
    assert!(reader.account(&world.zoe).await.unwrap().there().unwrap().is_some());
    let granted = reader.connection().granted_scopes().await.unwrap();
    assert_eq!(granted.len(), 3, "{granted:?}");
    assert!(granted.iter().any(|scope| scope == "okta.logs.read"));
}

#[tokio::test]
async fn the_roles_of_what_is_not_there_are_unknown() {
    let world = World::new();
    let reader = world.reader();
    let nobody = AccountId::parse("00uNobody").unwrap();
    assert_eq!(reader.has_admin_role(&nobody).await.unwrap(), None);
    let nothing = GroupId::parse("00gNothing").unwrap();
    assert_eq!(reader.group_has_admin_role(&nothing).await.unwrap(), None);
}

const THREAD: GoldenThread<'_> = GoldenThread { request: "RITM0010001", action: 4711 };

/// Before everything that happens in these tests.
fn earlier() -> crate::model::Timestamp {
    chrono::Utc::now() - chrono::TimeDelta::hours(1)
}

#[tokio::test]
async fn who_changed_an_account_is_read_from_the_log() {
    let world = World::new();
    let (zoe, group) = (world.zoe.as_str(), world.group.as_str());
    let writer = OktaWriter::new(world.reader().connection().clone());
    for step in [Step::Suspend, Step::AddMember { group: world.group.clone() }] {
        writer.perform(&step, Some(&world.zoe), &THREAD).await;
    }
    let pat = world.okta.acting_as("Pat Admin");
    pat.set_status(zoe, Status::Active);
    world.okta.acting_as("Sam Helper").remove_member(group, zoe);
    let other = world.okta.add_group("Support", "OKTA_GROUP");
    pat.add_member(&other, zoe);
    pat.rename_group(group, "Sellers");

    let events = world.reader().changes_of(&world.zoe, earlier()).await.unwrap().unwrap();
    let kinds: Vec<_> =
        events.iter().map(|event| (event.event_type.as_str(), event.is_ours())).collect();
    assert_eq!(
        kinds,
        [
            ("user.lifecycle.suspend", true),
            ("group.user_membership.add", true),
            ("user.lifecycle.unsuspend", false),
            ("group.user_membership.remove", false),
            ("group.user_membership.add", false),
        ]
    );
    let ours = &events[0];
    assert!(ours.user_agent.as_ref().unwrap().ends_with("(RITM0010001; action 4711)"));
    let answered = world.okta.writes()[0].request_id.clone();
    assert_eq!(
        (ours.transaction_id.as_ref(), ours.request_id.as_ref()),
        (Some(&answered), Some(&answered))
    );
    let target = events[3].targets.iter().find(|target| target.kind == "UserGroup").unwrap();
    assert_eq!((target.id.as_str(), target.name.as_str()), (group, "Sales"));

    let named = |what| rival(&events, what);
    assert_eq!(named(Changed::Status).as_deref(), Some("Pat Admin"));
    assert_eq!(named(Changed::Membership(&world.group)).as_deref(), Some("Sam Helper"));
    assert_eq!(named(Changed::Profile), None);
}

#[tokio::test]
async fn only_what_happened_since_then_is_read() {
    let world = World::new();
    world.okta.clock().freeze("2031-05-05T09:00:00Z".parse().unwrap());
    world.okta.set_status(world.zoe.as_str(), Status::Suspended);
    world.okta.clock().advance(Duration::from_hours(48));
    let between = world.okta.clock().now();
    world.okta.clock().advance(Duration::from_hours(48));
    world.okta.set_status(world.zoe.as_str(), Status::Active);
    // A token dies of thirty days without use.
    world.okta.register_token("token", &world.admin);
    let reader = world.reader();
    // An answer of any kind tells the org's time, which is years from ours.
    reader.account(&world.zoe).await.unwrap();
    let events = reader.changes_of(&world.zoe, between).await.unwrap().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(kinds, ["user.lifecycle.unsuspend"]);
}

#[tokio::test]
async fn more_than_one_page_of_the_log_is_read_and_its_bucket_is_watched() {
    let world = World::new();
    for number in 0..1500 {
        world.okta.set_profile(world.zoe.as_str(), &json!({"title": number.to_string()}));
    }
    let reader = world.reader();
    let events = reader.changes_of(&world.zoe, earlier()).await.unwrap().unwrap();
    assert_eq!(events.len(), 1500);
    assert!(events.is_sorted_by_key(|event| event.at));
    let budget = reader.connection().budget();
    assert!(budget.iter().any(|bucket| bucket.bucket == "/api/v1/logs"), "{budget:?}");
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_unknown_and_not_an_error() {
    let world = World::new();
    world.okta.set_status(world.zoe.as_str(), Status::Suspended);
    let without_scope = world.reader_with(&[&BARE[..], &["okta.roles.read"]].concat());
    assert_eq!(without_scope.changes_of(&world.zoe, earlier()).await.unwrap(), None);
    assert!(without_scope.account(&world.zoe).await.unwrap().there().unwrap().is_some());

    world.okta.register_token("token", world.zoe.as_str());
    assert_eq!(world.reader().changes_of(&world.zoe, earlier()).await.unwrap(), None);

    let with_scope = world.reader_with(&[&BARE[..], &["okta.logs.read"]].concat());
    assert_eq!(with_scope.changes_of(&world.zoe, earlier()).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn no_more_than_ten_calls_are_under_way_at_once() {
    let world = World::new();
    let line = world.okta.faults().line();
    line.set(Latency::of(Duration::from_millis(20)));
    let (reader, zoe) = (world.reader(), &world.zoe);
    let mut reads = tokio::task::JoinSet::new();
    for nth in 0..50 {
        let reader = if nth % 2 == 0 { reader.clone() } else { reader.urgently() };
        let zoe = zoe.clone();
        reads.spawn(async move { reader.account(&zoe).await.unwrap().there().unwrap() });
    }
    let read = reads.join_all().await;
    assert_eq!(read.iter().flatten().count(), 50);
    let most = line.take_most();
    assert!((2..=10).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_leaver_is_disabled_while_everybody_else_waits_for_an_answer() {
    let world = World::new();
    let person =
        |login: &str| json!({"login": login, "email": login, "firstName": "A", "lastName": "B"});
    let leaver = world.okta.add_user(&person("leaver@example.com"), Status::Active);
    let leaver = AccountId::parse(&leaver).unwrap();
    world.okta.faults().on("GET", world.zoe.as_str(), Fault::Silence).always();
    let reader = world.reader();
    let writer = OktaWriter::new(reader.connection().clone());
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (reader, zoe) = (reader.clone(), world.zoe.clone());
        waiting.spawn(async move { reader.account(&zoe).await.is_ok() });
    }
    while world.okta.faults().line().under_way() < 9 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(reader.urgently().account(&leaver).await.unwrap(), AccountRead::There(_)));
    let thread = GoldenThread { request: "RITM1", action: 1 };
    let performed = writer.perform(&Step::Suspend, Some(&leaver), &thread).await;
    assert!(performed.error.is_none(), "{performed:?}");
    assert_eq!(world.okta.faults().line().under_way(), 9, "one place is kept for leavers");
}
