//! An organization with a past: requests that people carried out and closed long ago, and hands
//! that changed Okta since.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, TimeDelta, Utc};
use goldthread::model::HoldSet;
use goldthread::report::CycleReport;
use goldthread::sim::company::{Operation, Order, Person};
use goldthread::sim::okta::Status;
use goldthread::store::{HeldAction, Mode, Orgs, Store};
use serde_json::json;

use super::bed::{Bed, applied};

const STATUS: &str = "status";
const PROFILE: &str = "profile";
const MEMBERSHIP: &str = "membership";

/// A fact as reports spell it: its kind and its name, which is empty for a status.
type Fact = (&'static str, String);

/// A line of the drift report: whose, which fact, by which request, what is done about it.
type Line = (String, Fact, String, &'static str);

/// The service desk that carried every request out by hand, and its books.
struct Desk {
    bed: Bed,
    people: BTreeMap<String, Person>,
    departments: BTreeMap<String, String>,
    /// Per person and fact, the request that spoke of it last.
    books: BTreeMap<(String, Fact), (String, Operation)>,
    /// The grants that a membership stands on.
    grants: BTreeMap<(String, String), BTreeSet<String>>,
    /// When which of them end.
    ends: BTreeSet<(DateTime<Utc>, String, String, String)>,
}

impl Desk {
    /// A company in which so many orders were placed, approved, carried out and closed complete in
    /// the past two years.
    fn after_two_years(bed: Bed, orders: usize) -> Self {
        let people = bed.stage.company.people().iter();
        let people: BTreeMap<_, _> = people.map(|it| (it.sys_id.clone(), it.clone())).collect();
        let departments =
            people.iter().map(|(id, it)| (id.clone(), it.department.clone())).collect();
        let mut desk = Self {
            bed,
            people,
            departments,
            books: BTreeMap::new(),
            grants: BTreeMap::new(),
            ends: BTreeSet::new(),
        };
        let today = desk.bed.stage.clock.now();
        let step = TimeDelta::days(700) / i32::try_from(orders).unwrap();
        let mut at = today - TimeDelta::days(730);
        let drawn = desk.bed.stage.company.random_requests(23, orders, today.date_naive());
        for mut order in drawn {
            at += step;
            desk.end_until(at);
            desk.bed.stage.clock.freeze(at);
            let ends = date(&mut order, at);
            let servicenow = &desk.bed.stage.servicenow;
            let number = desk.bed.stage.company.place(&order, servicenow).unwrap().number;
            assert!(servicenow.approve(&number));
            desk.carry_out(&order, &number, ends);
            assert!(desk.bed.stage.servicenow.close(&number));
        }
        desk.end_until(today);
        desk.bed.stage.clock.freeze(today);
        desk
    }

    fn note(&mut self, person: &str, fact: (&'static str, &str), by: (&str, Operation)) {
        let key = (person.to_owned(), (fact.0, fact.1.to_owned()));
        self.books.insert(key, (by.0.to_owned(), by.1));
    }

    fn carry_out(&mut self, order: &Order, number: &str, ends: Option<DateTime<Utc>>) {
        let by = (number, order.operation);
        for person in &order.people {
            match order.operation {
                Operation::Join => {
                    self.let_in(person);
                    self.note(person, (STATUS, ""), by);
                    self.place(person, None, by);
                }
                Operation::Move => self.place(person, order.department, by),
                Operation::Leave => self.let_go(person, by),
                Operation::Suspend => self.set_status(person, Status::Suspended, by),
                Operation::Resume => self.set_status(person, Status::Active, by),
                Operation::Grant | Operation::Revoke => {}
            }
            for group in &order.groups {
                let key = (person.clone(), (*group).to_owned());
                if order.operation == Operation::Revoke {
                    self.grants.remove(&key);
                    self.remove(person, group);
                } else {
                    self.add(person, group);
                    if let Some(ends) = ends {
                        self.ends.insert((ends, key.0.clone(), key.1.clone(), number.to_owned()));
                    }
                    self.grants.entry(key).or_default().insert(number.to_owned());
                }
                self.note(person, (MEMBERSHIP, group), by);
            }
        }
    }

    /// What was given for a time is taken when that is over, unless it was given otherwise too.
    fn end_until(&mut self, now: DateTime<Utc>) {
        while let Some((at, person, group, number)) = self.ends.first().cloned() {
            if at > now {
                return;
            }
            self.ends.pop_first();
            let key = (person, group);
            let Some(approval) = self.grants.get_mut(&key) else { continue };
            if !approval.remove(&number) {
                continue;
            }
            let newest = approval.last().cloned();
            let (person, group) = key;
            if let Some(newest) = newest {
                self.note(&person, (MEMBERSHIP, &group), (&newest, Operation::Grant));
            } else {
                self.bed.stage.clock.freeze(at);
                self.remove(&person, &group);
            }
        }
    }

    fn let_in(&self, person: &str) {
        if let Some(account) = self.bed.account(&self.people[person]) {
            self.bed.stage.okta.set_status(&account.id, Status::Active);
        } else {
            let profile = json!(self.people[person].okta_profile());
            self.bed.stage.okta.create_user(&profile, Status::Active);
        }
    }

    /// Moves somebody to a department and into its group.
    fn place(&mut self, person: &str, to: Option<&str>, by: (&str, Operation)) {
        let from = self.departments[person].clone();
        let to = to.unwrap_or(&from).to_owned();
        self.set_profile(person, &json!({"department": to}));
        self.remove(person, &from);
        self.add(person, &to);
        self.note(person, (PROFILE, "department"), by);
        self.books.remove(&(person.to_owned(), (MEMBERSHIP, from)));
        self.note(person, (MEMBERSHIP, &to), by);
        self.departments.insert(person.to_owned(), to);
    }

    fn let_go(&mut self, person: &str, by: (&str, Operation)) {
        for group in self.bed.account(&self.people[person]).unwrap().groups {
            self.remove(person, &group);
        }
        self.books.retain(|(whose, _), _| whose != person);
        self.grants.retain(|(whose, _), _| whose != person);
        self.set_status(person, Status::Deprovisioned, by);
    }

    fn set_status(&mut self, person: &str, status: Status, by: (&str, Operation)) {
        self.bed.stage.okta.set_status(&self.account(person), status);
        self.note(person, (STATUS, ""), by);
    }

    fn account(&self, person: &str) -> String {
        self.bed.account(&self.people[person]).unwrap().id
    }

    fn set_profile(&self, person: &str, changes: &serde_json::Value) {
        self.bed.stage.okta.set_profile(&self.account(person), changes);
    }

    fn add(&self, person: &str, group: &str) {
        self.bed.stage.okta.add_member(&self.bed.okta_group(group), &self.account(person));
    }

    fn remove(&self, person: &str, group: &str) {
        self.bed.stage.okta.remove_member(&self.bed.okta_group(group), &self.account(person));
    }
}

/// Writes the dates of that day into an order. Some of what is given for a time has ended since;
/// says when.
fn date(order: &mut Order, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let day = at.date_naive();
    for (name, value) in &mut order.variables {
        match name.as_str() {
            "start_date" | "starts" => *value = day.to_string(),
            "last_day" => *value = (day - Days::new(1)).to_string(),
            _ => {}
        }
    }
    let temporary = order.operation == Operation::Grant;
    let end = order.variables.get_mut("end_date").filter(|end| temporary && !end.is_empty())?;
    let last = day + Days::new(60);
    *end = last.to_string();
    Some((last + Days::new(1)).and_hms_opt(0, 0, 0).unwrap().and_utc())
}

/// What hands changed in Okta afterwards, and what is to be said of it.
#[derive(Default)]
struct Meddling {
    touched: BTreeSet<String>,
    lines: BTreeSet<Line>,
    /// Actions that would undo what contradicts a closed request.
    held: usize,
    /// Actions that would undo what contradicts no request.
    unattributed: usize,
}

impl Meddling {
    fn expect(&mut self, person: &str, fact: (&'static str, &str), by: &str, actions: usize) {
        let disposition = if actions == 0 { "report" } else { "hold" };
        let fact = (fact.0, fact.1.to_owned());
        assert!(
            self.lines.insert((person.to_owned(), fact, by.to_owned(), disposition)),
            "{person} is touched twice"
        );
        self.held += actions;
    }
}

impl Desk {
    /// Every so many requests, the newest word of one is contradicted by hand.
    fn meddle(&self, contradictions: usize) -> Meddling {
        let mut meddling = Meddling::default();
        let mut words: BTreeMap<&str, Vec<(&str, &Fact, Operation)>> = BTreeMap::new();
        for ((person, fact), (number, operation)) in &self.books {
            words.entry(number).or_default().push((person, fact, *operation));
        }
        let mut done = 0;
        let mut turns: BTreeMap<Operation, usize> = BTreeMap::new();
        for (number, words) in words {
            if done == contradictions {
                break;
            }
            let Some((person, _, operation)) =
                words.iter().find(|(person, ..)| !meddling.touched.contains(*person))
            else {
                continue;
            };
            let facts: Vec<&Fact> =
                words.iter().filter(|(whose, ..)| whose == person).map(|word| word.1).collect();
            let turn = turns.entry(*operation).or_default();
            let pick = facts[*turn % facts.len()];
            self.contradict(person, pick, *operation, number, *turn, &mut meddling);
            meddling.touched.insert((*person).to_owned());
            *turn += 1;
            done += 1;
        }
        assert_eq!(done, contradictions);
        for operation in turns.keys() {
            assert!(turns[operation] > 5, "{operation:?}: {turns:?}");
        }
        self.meddle_where_nothing_was_asked(&mut meddling);
        meddling
    }

    /// Contradicts one word of a request.
    fn contradict(
        &self,
        person: &str,
        fact: &Fact,
        operation: Operation,
        number: &str,
        turn: usize,
        meddling: &mut Meddling,
    ) {
        let okta = self.bed.stage.okta.acting_as("Pat Admin");
        let account = self.account(person);
        match (fact.0, operation) {
            (STATUS, Operation::Leave) => {
                if turn % 3 != 1 {
                    okta.set_status(&account, Status::Active);
                    meddling.expect(person, (STATUS, ""), number, 2);
                }
                if !turn.is_multiple_of(3) {
                    self.add(person, "Sales");
                    meddling.expect(person, (MEMBERSHIP, "Sales"), number, 1);
                }
            }
            (STATUS, Operation::Join) if turn.is_multiple_of(3) => {
                // No request explains the suspension, so it is nothing to lift.
                okta.set_status(&account, Status::Suspended);
                meddling.expect(person, (STATUS, ""), number, 0);
            }
            (STATUS, Operation::Join) if turn % 3 == 1 => {
                okta.set_status(&account, Status::Deprovisioned);
                meddling.expect(person, (STATUS, ""), number, 2);
            }
            (STATUS, Operation::Join) => {
                meddling.expect(person, ("account", ""), number, 1);
                // They would come with the account, in the same call.
                for (group, by) in self.memberships(person) {
                    meddling.expect(person, (MEMBERSHIP, group), by, 1);
                    meddling.held -= 1;
                }
                okta.delete_user(&account);
            }
            (STATUS, Operation::Suspend) => {
                okta.set_status(&account, Status::Active);
                meddling.expect(person, (STATUS, ""), number, 1);
            }
            (STATUS, _) => {
                okta.set_status(&account, Status::Suspended);
                meddling.expect(person, (STATUS, ""), number, 1);
            }
            (PROFILE, _) => {
                self.set_profile(person, &json!({"department": "Elsewhere"}));
                meddling.expect(person, (PROFILE, "department"), number, 1);
            }
            _ => {
                let group = &fact.1;
                if self.is_member(person, group) {
                    self.remove(person, group);
                } else {
                    self.add(person, group);
                }
                meddling.expect(person, (MEMBERSHIP, group), number, 1);
            }
        }
    }

    fn is_member(&self, person: &str, group: &str) -> bool {
        self.bed.account(&self.people[person]).unwrap().groups.iter().any(|name| name == group)
    }

    /// What somebody is in by a request, with its number.
    fn memberships<'a>(&'a self, person: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.books
            .iter()
            .filter(move |((whose, fact), _)| {
                whose == person && fact.0 == MEMBERSHIP && self.is_member(person, &fact.1)
            })
            .map(|((_, fact), (number, _))| (fact.1.as_str(), number.as_str()))
    }

    /// Of some people nobody ever asked anything: what they are in is theirs, and a profile that
    /// differs from the record needs somebody's yes.
    fn meddle_where_nothing_was_asked(&self, meddling: &mut Meddling) {
        let spoken_of: BTreeSet<&String> = self.books.keys().map(|(person, _)| person).collect();
        let silent = self.people.values().filter(|person| {
            !spoken_of.contains(&person.sys_id) && self.bed.account(person).is_some()
        });
        for (place, person) in silent.take(50).enumerate() {
            if place % 2 == 0 {
                self.add(&person.sys_id, "app-netsuite");
                continue;
            }
            self.set_profile(&person.sys_id, &json!({"department": "Elsewhere"}));
            meddling.expect(&person.sys_id, (PROFILE, "department"), "BASELINE", 1);
            meddling.held -= 1;
            meddling.unattributed += 1;
        }
    }
}

/// The holds that the store remembers.
fn holds(bed: &Bed) -> Vec<HeldAction> {
    let orgs = Orgs {
        servicenow: bed.stage.servicenow_url().to_owned(),
        okta: bed.stage.okta_url().to_owned(),
    };
    let path = bed.folder.path().join("goldthread.db");
    let store = Store::open(&path, &orgs, Mode::Scratch).unwrap();
    store.open_items().actions(bed.stage.clock.now()).unwrap()
}

fn lines(bed: &Bed) -> BTreeSet<Line> {
    let lines = bed.differences().into_iter().map(|item| {
        let fact = (item.fact, item.name.unwrap_or_default());
        let request = item.request.unwrap_or_default();
        (item.person.sys_id.unwrap(), fact, request, item.disposition)
    });
    lines.collect()
}

/// A company with a past and what hands did to it: a thousand accounts, 600 closed requests and
/// 200 contradictions, so many times.
fn old_company(mode: &str, times: usize) -> (Bed, Meddling) {
    let bed = Bed::of(1100 * times);
    let bed = bed.configure("mode = \"enforce\"", &format!("mode = \"{mode}\""));
    bed.pass("14 days");
    let desk = Desk::after_two_years(bed, 600 * times);
    assert!(desk.bed.stage.okta.user_count() > 1000 * times);
    let meddling = desk.meddle(200 * times);
    desk.bed.pass("1h");
    desk.bed.forget_calls();
    (desk.bed, meddling)
}

fn assert_held(report: &CycleReport, meddling: &Meddling) {
    assert!(report.needs_attention());
    assert_eq!(report.quarantined, None);
    let summary = report.summary;
    assert_eq!(summary.held, meddling.held + meddling.unattributed);
    assert_eq!((summary.planned, summary.applied, summary.failed, summary.skipped), (0, 0, 0, 0));
}

/// Says what is missing and what is too much, rather than all of both.
fn assert_lines(found: &BTreeSet<Line>, expected: &BTreeSet<Line>) {
    let missing: Vec<_> = expected.difference(found).take(10).collect();
    let surplus: Vec<_> = found.difference(expected).take(10).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nsurplus {surplus:#?}");
}

fn in_the_set(bed: &Bed) -> usize {
    let holds = holds(bed);
    holds.iter().filter(|hold| hold.action.set == Some(HoldSet::ClosedRequests)).count()
}

#[test]
fn an_organization_whose_hands_contradict_a_third_of_its_requests_is_taken_over_without_a_write() {
    let (bed, meddling) = old_company("enforce", 5);
    let first = bed.sync();
    assert!(first.full);
    assert_held(&first, &meddling);
    let second = bed.sync();
    assert!(!second.full);
    assert_held(&second, &meddling);
    assert_held(&bed.sync_full(), &meddling);

    assert_lines(&lines(&bed), &meddling.lines);
    assert_eq!(in_the_set(&bed), meddling.held);
    assert_eq!(holds(&bed).len(), meddling.held + meddling.unattributed);
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn an_organization_that_is_only_observed_at_first_is_held_when_that_ends_and_never_written_to() {
    let (bed, meddling) = old_company("observe", 2);
    let report = bed.sync();
    assert!(report.needs_attention());
    assert_eq!((report.summary.held, report.summary.applied), (0, 0));
    assert_eq!(report.summary.skipped, meddling.held + meddling.unattributed);
    assert_eq!(holds(&bed), []);
    // What enforcing would do is said, and in every plan.
    assert_lines(&lines(&bed), &meddling.lines);
    assert!(bed.differences().iter().all(|item| item.observed || item.disposition == "report"));
    let plan = bed.plan();
    assert_eq!((plan.summary.held, plan.summary.planned), (report.summary.skipped, 0));

    let bed = bed.configure("mode = \"observe\"", "mode = \"enforce\"");
    assert_held(&bed.sync_full(), &meddling);
    assert_eq!(in_the_set(&bed), meddling.held);
    assert_eq!(bed.writes(), Vec::<String>::new());
}

#[test]
fn new_requests_are_carried_out_while_what_contradicts_the_old_ones_stays_held() {
    let (bed, meddling) = old_company("enforce", 2);
    bed.sync();
    let person = |id: &str| bed.stage.company.person(id).unwrap().clone();
    let is_in = |person: &Person, group: &str| {
        let account = bed.account(person).unwrap();
        account.status == Status::Active && account.groups.iter().any(|name| name == group)
    };
    // Whose access was given by a request and taken by a hand.
    let mut robbed = meddling.lines.iter().filter_map(|(who, (kind, group), ..)| {
        let who = person(who);
        let asked = *kind == MEMBERSHIP && group.starts_with("app-");
        let active = bed.account(&who).is_some_and(|it| it.status == Status::Active);
        (asked && active && !is_in(&who, group) && !is_in(&who, "VPN Users"))
            .then(|| (who, group.clone()))
    });
    let (leaver, _) = robbed.next().unwrap();
    let (asker, _) = robbed.next().unwrap();
    let (again, group) = robbed.next().unwrap();
    let mut calm = bed.stage.company.people().iter().skip(1).filter(|person| {
        !meddling.touched.contains(&person.sys_id)
            && bed.account(person).is_some_and(|it| it.status == Status::Active)
            && !is_in(person, "VPN Users")
    });
    let (calm_leaver, calm_asker) = (calm.next().unwrap(), calm.next().unwrap());
    let everybody = |but: &[&Person]| {
        let mut accounts = bed.stage.okta.accounts();
        accounts.retain(|it| but.iter().all(|person| person.email != it.text("login")));
        accounts
    };
    let five = [&leaver, &asker, &again, calm_leaver, calm_asker];
    let before = everybody(&five);
    let of_leaver = holds(&bed)
        .iter()
        .filter(|hold| hold.person.as_ref().is_some_and(|it| it.as_str() == leaver.sys_id))
        .count();
    assert_eq!(of_leaver, 1);

    let requests = [
        bed.leave(&leaver),
        bed.access("Add", &asker, &["VPN Users"], ""),
        bed.access("Add", &again, &[&group], ""),
        bed.leave(calm_leaver),
        bed.access("Add", calm_asker, &["VPN Users"], ""),
    ];
    let report = bed.sync();
    assert_eq!(report.quarantined, None);
    assert!(
        applied(&report).iter().all(|line| requests.iter().any(|it| line.contains(&it.number))),
        "{:?}",
        applied(&report)
    );
    // The leaver's hold went with the leaver, and the one of access that was asked for again.
    assert_eq!(report.summary.held, meddling.held + meddling.unattributed - 2);
    for request in &requests {
        assert_eq!(bed.state(request), "3");
    }
    for person in [&leaver, calm_leaver] {
        let account = bed.account(person).unwrap();
        assert_eq!((account.status, account.groups), (Status::Deprovisioned, Vec::new()));
    }
    assert!(is_in(&asker, "VPN Users") && is_in(calm_asker, "VPN Users") && is_in(&again, &group));
    assert_eq!(everybody(&five), before);

    bed.forget_calls();
    let quiet = bed.sync_full();
    assert_eq!(quiet.summary.held, meddling.held + meddling.unattributed - 2);
    assert_eq!(in_the_set(&bed), meddling.held - 2);
    assert_eq!(bed.writes(), Vec::<String>::new());
}

/// A group that a rule gives to engineers and takes from nobody.
const ADDITIVE: &str = "[[group]]
name = \"app-datadog\"
when = \"user.department.name == 'Engineering'\"
members = \"additive\"

[[group]]
name = \"Engineering\"";

fn lose_the_store(bed: &Bed) {
    for entry in std::fs::read_dir(bed.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("goldthread.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_store_lost_in_the_middle_of_everything_is_rebuilt_without_a_write() {
    let bed = Bed::of(200)
        .configure("[[group]]\nname = \"Engineering\"", ADDITIVE)
        .configure("[guard]\n", "[guard]\nmax_disabled = 50\n");
    let datadog = bed.okta_group("app-datadog");
    for person in bed.stage.company.people() {
        if let Some(account) = bed.account(person)
            && person.department == "Engineering"
        {
            bed.stage.okta.seed_member(&datadog, &account.id);
        }
    }
    let everybody = bed.stage.company.people();
    let mut newcomers = everybody.iter().filter(|person| person.newcomer);
    let mut engineers =
        everybody.iter().skip(1).filter(|it| !it.newcomer && it.department == "Engineering");
    let mut others =
        everybody.iter().skip(1).filter(|it| !it.newcomer && it.department != "Engineering");
    let mut next = || others.next().unwrap();
    let for_person = |person: &Person, day: (&'static str, &'static str)| {
        [("employee", person.sys_id.clone()), (day.0, day.1.to_owned())]
    };
    let order = |item: &str, person: &Person, day: (&'static str, &'static str)| {
        let variables = for_person(person, day);
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        bed.approved(item, person, &variables)
    };

    // A day of every operation.
    let joiners: Vec<&Person> = newcomers.by_ref().take(4).collect();
    for joiner in &joiners {
        bed.join(joiner, &["app-jira"]);
    }
    let intern = newcomers.next().unwrap();
    let variables = [("start_date", "2026-03-02"), ("end_date", "2026-03-05"), ("action", "Add")];
    let employee = [("employee", intern.sys_id.as_str())];
    bed.approved("Okta onboarding", intern, &[&employee[..], &variables[..]].concat());
    let (leaver, rehired, away, returned, mover) =
        (next(), next(), next(), next(), engineers.next().unwrap());
    bed.leave(leaver);
    bed.access("Add", rehired, &["VPN Users"], "");
    bed.leave(rehired);
    order("Leave of absence", away, ("starts", "2026-03-01"));
    order("Leave of absence", returned, ("starts", "2026-03-01"));
    let finance = bed.stage.company.department_id("Finance");
    bed.stage.servicenow.update_person(&mover.sys_id, &[("department", &finance)]);
    order("Change of position", mover, ("reason", "A new team"));
    let (lasting, short, over, revoked, withdrawn) = (next(), next(), next(), next(), next());
    bed.access("Add", lasting, &["app-figma"], "");
    bed.access("Add", short, &["app-figma"], "2026-03-30");
    bed.access("Add", over, &["app-figma"], "2026-03-04");
    bed.access("Add", revoked, &["app-figma", "app-jira"], "");
    let mistake = bed.access("Add", withdrawn, &["app-netsuite"], "");
    assert!(!bed.sync().needs_attention());
    assert!(bed.account(withdrawn).unwrap().groups.contains(&"app-netsuite".to_owned()));

    // And what followed from it.
    bed.stage.clock.freeze("2026-03-09T09:00:00Z".parse().unwrap());
    bed.join(rehired, &["app-gitlab"]);
    order("Return from leave", returned, ("starts", "2026-03-09"));
    bed.access("Remove", revoked, &["app-jira"], "");
    assert!(bed.stage.servicenow.cancel(&mistake.number));
    assert!(!bed.sync().needs_attention());
    assert!(!bed.sync_full().needs_attention());
    assert_eq!(bed.differences(), []);
    let is_in = |person: &Person, group: &str| {
        bed.account(person).unwrap().groups.iter().any(|name| name == group)
    };
    assert!(is_in(mover, "app-datadog") && !is_in(mover, "Engineering"));
    assert!(!is_in(withdrawn, "app-netsuite") && !is_in(over, "app-figma"));
    assert_eq!(bed.account(intern).unwrap().status, Status::Deprovisioned);

    // Two differences that nobody settles.
    let suspended = bed.account(joiners[0]).unwrap().id;
    bed.stage.okta.finish_activation(&suspended);
    bed.stage.okta.set_status(&suspended, Status::Suspended);
    let silent = bed.account(next()).unwrap().id;
    bed.stage.okta.set_profile(&silent, &json!({"department": "Elsewhere"}));
    bed.sync_full();
    let before = lines(&bed);
    assert_eq!(before.len(), 2, "{before:#?}");

    lose_the_store(&bed);
    bed.forget_calls();
    assert!(bed.sync().full);
    bed.sync();
    bed.sync_full();
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert_lines(&lines(&bed), &before);

    // What was given for a time ends in time, though nobody remembers giving it.
    bed.stage.clock.freeze("2026-03-31T00:00:30Z".parse().unwrap());
    bed.sync();
    assert!(is_in(lasting, "app-figma") && !is_in(short, "app-figma"));
    assert_lines(&lines(&bed), &before);
}
