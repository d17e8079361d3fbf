//! The lists behind the numbers: how far each request is, and whose account is whose.

use goldthread::report::{ListedPerson, ListedRequest, PeopleFilter, RequestFilter};
use goldthread::sim::company::Person;
use goldthread::sim::okta::Status;
use goldthread::sim::servicenow::Ordered;

use super::bed::Bed;

fn numbers(listed: &[ListedRequest]) -> Vec<&str> {
    listed.iter().map(|it| it.request.number.as_str()).collect()
}

/// How far a request is, and why.
fn progress(bed: &Bed, ordered: &Ordered) -> (&'static str, String) {
    let all = bed.requests(RequestFilter::All);
    let mine = all.into_iter().find(|it| it.request.number == ordered.number);
    let mine = mine.unwrap_or_else(|| panic!("{} is not listed", ordered.number));
    (mine.done, mine.request.reason)
}

fn listed(bed: &Bed, filter: PeopleFilter, person: &Person) -> Option<ListedPerson> {
    let user_name = Some(person.user_name.clone());
    bed.people(filter).into_iter().find(|it| it.person.user_name == user_name)
}

#[test]
fn each_request_says_how_far_it_is_and_stuck_ones_come_first() {
    let bed = Bed::of(60);
    bed.sync();
    assert_eq!(bed.requests(RequestFilter::All), []);
    let done = bed.join(&bed.newcomer(0), &[]);
    let ahead = bed.join_on(&bed.newcomer(1), "2026-04-01", "");
    let groups = bed.groups(&["app-jira"]);
    let who = bed.employee(3);
    let asked = [("action", "Add"), ("employee", &*who.sys_id), ("groups", &groups)];
    let unapproved = bed.ordered("Okta group access", &who, &asked);
    let stuck = bed.leave_on(&bed.employee(1), "31.02.2026");
    bed.sync();

    assert_eq!(progress(&bed, &done), ("done", "done".to_owned()));
    let (is, why) = progress(&bed, &ahead);
    assert_eq!((is, why.contains("in force from 2026-0")), ("waiting", true), "{why}");
    let (is, why) = progress(&bed, &unapproved);
    assert_eq!((is, &*why), ("waiting", "it waits for its approval"));
    let (is, why) = progress(&bed, &stuck);
    assert_eq!((is, why.contains("31.02.2026")), ("stuck", true), "{why}");

    assert_eq!(numbers(&bed.requests(RequestFilter::Stuck)), [&*stuck.number]);
    assert_eq!(numbers(&bed.requests(RequestFilter::Pending)), [&*stuck.number]);
    assert_eq!(numbers(&bed.requests(RequestFilter::Done)), [&*done.number]);
    let all = bed.requests(RequestFilter::All);
    assert_eq!((all.len(), &all[0].request.number), (4, &stuck.number));
    assert_eq!(all[0].request.needs, "requester");
    assert_eq!((all[0].approval, all[0].state), ("approved", "open"));
}

#[test]
fn what_was_called_off_or_overtaken_is_neither_pending_nor_done() {
    let bed = Bed::of(60);
    bed.sync();
    let employee = bed.employee(0);
    let called_off = bed.ordered(
        "Okta offboarding",
        &bed.employee(1),
        &[("employee", &bed.employee(1).sys_id), ("last_day", "2020-01-01")],
    );
    bed.stage.servicenow.reject(&called_off.number);
    let away = bed.away(&employee, "2026-03-01", "");
    let left = bed.leave(&employee);
    bed.sync();
    assert_eq!(progress(&bed, &called_off).0, "withdrawn");
    let (is, why) = progress(&bed, &away);
    assert_eq!((is, &*why), ("overtaken", "a later request asks for something else"));
    assert_eq!(progress(&bed, &left).0, "done");
    assert_eq!(bed.requests(RequestFilter::Pending), []);
}

#[test]
fn people_are_listed_with_their_account_or_why_there_is_none() {
    let bed = Bed::of(60);
    let handmade = bed.handmade("", "robot@example.com", Status::Active);
    let (twin, newcomer) = (bed.hired("Nora", "880001", "nora@example.com"), bed.newcomer(0));
    bed.handmade("880001", "nora.one@example.com", Status::Active);
    bed.handmade("880001", "nora.two@example.com", Status::Active);
    bed.join(&twin, &[]);
    bed.sync();

    let employee = listed(&bed, PeopleFilter::All, &bed.employee(0)).unwrap();
    assert_eq!((employee.kind, employee.status.as_deref()), ("linked", Some("active")));
    let newcomer = listed(&bed, PeopleFilter::WithoutAccount, &newcomer).unwrap();
    let why = newcomer.reason.unwrap();
    assert_eq!(
        (newcomer.kind, &*why),
        ("without_account", "no join that is in force asks for one")
    );
    let twin = listed(&bed, PeopleFilter::Ambiguous, &twin).unwrap();
    assert!(twin.reason.as_ref().unwrap().contains("2 accounts match"), "{twin:?}");
    assert_eq!(bed.people(PeopleFilter::Ambiguous), std::slice::from_ref(&twin));
    assert!(bed.people(PeopleFilter::WithoutAccount).contains(&twin), "nor has she one");

    let unmanaged = bed.people(PeopleFilter::Unmanaged);
    assert!(unmanaged.iter().any(|it| it.person.okta_id.as_ref() == Some(&handmade)));
    assert!(unmanaged.iter().all(|it| it.presence.is_none() && it.person.sys_id.is_none()));
}

#[test]
fn whoever_is_to_join_later_is_without_an_account_until_then() {
    let bed = Bed::of(60);
    bed.sync();
    let newcomer = bed.newcomer(1);
    bed.join_on(&newcomer, "2026-04-01", "");
    bed.sync();
    let later = listed(&bed, PeopleFilter::WithoutAccount, &newcomer).unwrap();
    assert!(
        later.reason.as_ref().unwrap().starts_with("a join comes into force at 2026-0"),
        "{later:?}"
    );
    bed.at("2026-04-01T09:00:00Z");
    bed.sync();
    assert_eq!(listed(&bed, PeopleFilter::WithoutAccount, &newcomer), None);
    assert_eq!(listed(&bed, PeopleFilter::All, &newcomer).unwrap().kind, "linked");
}
