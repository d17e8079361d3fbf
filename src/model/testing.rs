//! People, requests and accounts for the tests of decisions: Jane Doe of Sales, whose account
//! agrees with her record until a test changes one thing.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Account, AccountHistory, AccountId, AccountStatus, Actual, Approval, Approver, Candidate,
    Facts, GroupId, Link, Operation, Origin, Person, PersonState, Presence, Record, Request,
    RequestNumber, RequestRef, RequestState, ResolvedRequest, StatusChange, StepKind, SysId, Terms,
    Timestamp,
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Noon of a day.
pub(crate) fn noon(day: &str) -> Timestamp {
    at(&format!("{day}T12:00:00Z"))
}

pub(crate) fn group(id: &str) -> GroupId {
    GroupId::parse(id).expect("a group id")
}

pub(crate) fn account_id(id: &str) -> AccountId {
    AccountId::parse(id).expect("an account id")
}

pub(crate) fn sys_id(id: &str) -> SysId {
    SysId::parse(id).expect("a sys_id")
}

pub(crate) fn origin(number: &str) -> Origin {
    Origin::Request(reference(number))
}

pub(crate) fn reference(number: &str) -> RequestRef {
    RequestRef { number: RequestNumber::parse(number).expect("a number"), parent: None }
}

pub(crate) fn record(fields: &[(&str, &str)]) -> Record {
    fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn jane() -> Person {
    Person {
        sys_id: sys_id("p1"),
        presence: Presence::Present,
        record: record(&[
            ("user_name", "jane"),
            ("email", "jane@example.com"),
            ("name", "Jane Doe"),
            ("active", "true"),
            ("department", "d1"),
            ("department.name", "Sales"),
        ]),
        updated_on: String::new(),
        mod_count: 1,
    }
}

/// A row of a requested item, and the `sys_id` of its order.
pub(crate) fn ordered_item(id: &str, number: &str, order: &str) -> Request {
    let morning = at("2026-06-01T08:00:00Z");
    Request {
        sys_id: sys_id(id),
        reference: reference(number),
        order: order.to_owned(),
        item: "i1".to_owned(),
        item_name: "Leave of absence".to_owned(),
        state: RequestState::Open,
        approval: "approved".to_owned(),
        order_approval: "approved".to_owned(),
        requested_for: "p1".to_owned(),
        opened_at: morning,
        created_at: morning,
        variables: Record::new(),
        fields: Record::new(),
        updated_on: String::new(),
        mod_count: 1,
    }
}

/// Somebody who approved in this second of a minute.
pub(crate) fn approver(name: &str, second: u32) -> Approver {
    Approver {
        row: sys_id(&format!("row-{name}-{second}")),
        sys_id: format!("id-of-{name}"),
        user_name: name.to_owned(),
        email: format!("{name}@example.com"),
        state: "approved".to_owned(),
        at: Some(at(&format!("2026-06-01T11:59:{second:02}Z"))),
        updated_by: name.to_owned(),
        group: String::new(),
    }
}

/// An approved request for Jane that is in force from the morning of a day on.
pub(crate) fn request(number: &str, operation: Operation, day: &str) -> ResolvedRequest {
    let morning = at(&format!("{day}T08:00:00Z"));
    ResolvedRequest {
        reference: reference(number),
        terms: Terms {
            operation,
            people: vec![sys_id("p1")],
            groups: Vec::new(),
            starts: Some(morning),
            ends: None,
        },
        approval: Approval::Approved,
        effective: morning,
        created_at: morning,
        closed_before_first_seen: false,
        closed: false,
        observe: false,
        took_effect: false,
    }
}

pub(crate) fn with_groups(mut request: ResolvedRequest, groups: &[&str]) -> ResolvedRequest {
    request.terms.groups = groups.iter().map(|id| group(id)).collect();
    request
}

pub(crate) fn until(mut request: ResolvedRequest, day: &str) -> ResolvedRequest {
    request.terms.ends = Some(at(&format!("{day}T00:00:00Z")));
    request
}

/// It took effect, and is closed complete.
pub(crate) fn done(mut request: ResolvedRequest) -> ResolvedRequest {
    (request.closed, request.took_effect) = (true, true);
    request
}

pub(crate) fn account(id: &str, status: AccountStatus) -> Account {
    let profile =
        [("login", "jane@example.com"), ("email", "jane@example.com"), ("department", "Sales")];
    Account {
        id: account_id(id),
        status,
        transitioning: None,
        profile: profile.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        provider: "OKTA".to_owned(),
        last_updated: String::new(),
    }
}

/// Jane without an account.
pub(crate) fn newcomer(requests: &[ResolvedRequest]) -> PersonState {
    PersonState {
        person: jane(),
        requests: requests.to_vec(),
        link: None,
        actual: Actual::default(),
        candidates: Vec::new(),
        baseline: BTreeSet::new(),
        known: Facts::new(),
        history: AccountHistory::default(),
        unreadable: None,
        record_unreadable: None,
    }
}

/// Jane with an account that was made for her, in a status and in groups.
pub(crate) fn employee(
    status: AccountStatus,
    groups: &[&str],
    requests: &[ResolvedRequest],
) -> PersonState {
    let link = Link {
        account: account_id("u1"),
        origin: Origin::Baseline,
        since: at("2026-01-01T00:00:00Z"),
        created_here: true,
    };
    PersonState {
        link: Some(link),
        actual: Actual {
            account: Some(account("u1", status)),
            groups: groups.iter().map(|id| group(id)).collect(),
        },
        ..newcomer(requests)
    }
}

/// The last thing that was done here about an account's status.
pub(crate) fn last(step: StepKind, request: &str, cause: super::Cause) -> AccountHistory {
    let at = at("2026-01-01T00:00:00Z");
    let last = Some(StatusChange { step, request: request.to_owned(), cause, at });
    AccountHistory { last, ..AccountHistory::default() }
}

/// An account that may be Jane's.
pub(crate) fn candidate(id: &str, attributes: &[(&str, &str)], taken: bool) -> Candidate {
    let profile: BTreeMap<String, String> = record(attributes);
    Candidate { account: Account { profile, ..account(id, AccountStatus::Active) }, taken }
}
