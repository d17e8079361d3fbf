//! The reader against the simulated org: what must hold between the two over real HTTP.

use std::time::Duration;

use serde_json::json;

use super::super::{Auth, Connection, OktaReader, Settings};
use super::keys::ec_pair;
use crate::http::Patience;
use crate::model::{AccountId, GroupId};
use crate::sim::clock::Clock;
use crate::sim::http::Server;
use crate::sim::okta::{Okta, PublicKey, ServiceApp, Status};

/// An org with one administrator, Zoe who is none, and a group.
struct World {
    okta: Okta,
    server: Server,
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
        Self { okta, server, zoe, group }
    }

    fn settings(&self, auth: Auth) -> Settings {
        let patience = Patience {
            attempts: 2,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(5),
        };
        Settings { url: self.server.url.parse().unwrap(), auth, share: 1.0, patience }
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
    assert!(reader.account(&world.zoe).await.unwrap().is_some());
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
