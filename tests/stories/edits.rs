//! Requests that are edited after their approval to what cannot be used: that is said with what is
//! wrong, nobody can say yes to it, and whoever dismisses it lets go on what was approved.

use goldthread::sim::company::Person;
use goldthread::sim::servicenow::Ordered;
use goldthread::store::{HoldSelection, NotDecided, Verdict};

use super::bed::{Bed, logged};

/// An edit of an approved join that makes no sense, and the words that say so.
struct Edit {
    /// What the configuration says instead of what it usually does.
    configured: Option<(&'static str, &'static str)>,
    variable: &'static str,
    value: &'static str,
    key: &'static str,
    said: &'static str,
}

const EDITS: [Edit; 6] = [
    Edit {
        configured: None,
        variable: "start_date",
        value: "next Monday",
        key: "starts",
        said: "the start date \"next Monday\" is not a date; write it like 2026-11-30",
    },
    Edit {
        configured: None,
        variable: "end_date",
        value: "2026-03-01",
        key: "ends",
        said: "it ends before it starts",
    },
    Edit {
        configured: None,
        variable: "employee",
        value: "nobody.here",
        key: "person",
        said: "\"nobody.here\" is not a person that ServiceNow knows",
    },
    Edit {
        configured: None,
        variable: "groups",
        value: "0123456789abcdef0123456789abcdef",
        key: "groups",
        said: "the list of groups has no entry",
    },
    Edit {
        configured: Some((
            "starts = \"variables.start_date\"",
            "starts = \"variables.start_date.contains('-') ? variables.start_date : \
             string(int(variables.start_date))\"",
        )),
        variable: "start_date",
        value: "soon",
        key: "starts",
        said: "cannot be evaluated (`starts`: ",
    },
    Edit {
        configured: Some((
            "when = \"variables.action == 'Add'\"\noperation = \"join\"",
            "when = \"variables.action == 'Add' || int(variables.action) > 1\"\noperation = \"join\"",
        )),
        variable: "action",
        value: "+",
        key: "operation",
        said: "cannot be evaluated (`when`: ",
    },
];

/// An approved join from March 10 on, edited to that.
fn edited(edit: &Edit) -> (Bed, Person, Ordered) {
    let mut bed = Bed::of(60);
    if let Some((from, to)) = edit.configured {
        bed = bed.configure(from, to);
    }
    bed.sync_full();
    let newcomer = bed.newcomer(0);
    let groups = bed.groups(&["app-jira"]);
    let answers = [
        ("employee", newcomer.sys_id.as_str()),
        ("action", "Add"),
        ("start_date", "2026-03-10"),
        ("groups", &groups),
    ];
    let request = bed.approved("Okta onboarding", &newcomer, &answers);
    assert!(!bed.sync().needs_attention(), "{}", edit.said);
    bed.edit(&request, edit.variable, edit.value);
    bed.pass("2h");
    (bed, newcomer, request)
}

fn the_only_one(bed: &Bed) -> goldthread::report::HoldView {
    let waiting = bed.waiting();
    let [edit] = waiting.as_slice() else { panic!("{waiting:#?}") };
    edit.clone()
}

#[test]
fn what_an_edit_makes_unusable_is_named_and_nobody_can_say_yes_to_it() {
    for edit in EDITS {
        let (bed, newcomer, request) = edited(&edit);
        let (_, log) = logged(|| bed.sync_full());
        // Who is not known yet may be soon.
        bed.pass("61m");
        bed.sync();
        let held = the_only_one(&bed);
        assert_eq!(held.request.as_deref(), Some(request.number.as_str()));
        let changed: Vec<&str> = held.changes.keys().map(String::as_str).collect();
        assert_eq!(changed, [edit.key], "{}", edit.said);
        let notes = bed.notes(&request).concat();
        for text in [&held.reason, &notes] {
            assert!(text.contains("changed after approval, to what cannot be used"), "{text}");
            assert!(text.contains(edit.said), "no {:?} in {text}", edit.said);
        }
        assert!(log.iter().any(|line| line.contains(edit.said)), "{log:#?}");

        let one = HoldSelection::Ids(vec![held.id]);
        match bed.say(&one, Verdict::Release).unwrap_err() {
            NotDecided::Unusable(id, why) => assert!(id == held.id && why.contains(edit.said)),
            NotDecided::Unknown(ids) => panic!("{ids:?}"),
        }
        assert!(bed.release(&HoldSelection::All).is_empty());
        bed.at("2026-03-10T00:00:30Z");
        for full in [false, true] {
            let report = if full { bed.sync_full() } else { bed.sync() };
            assert!(report.needs_attention(), "{}", edit.said);
            assert_eq!(the_only_one(&bed).id, held.id, "it is the same all the time");
        }
        assert_eq!(bed.notes(&request).len(), 1, "{:?}", bed.notes(&request));
        assert!(bed.account(&newcomer).is_none(), "{}", edit.said);
    }
}

#[test]
fn whoever_dismisses_it_lets_go_on_what_was_approved() {
    for edit in EDITS {
        let (bed, newcomer, request) = edited(&edit);
        bed.sync();
        bed.dismiss(the_only_one(&bed).id);
        assert!(!bed.sync().needs_attention(), "{}", edit.said);
        assert_eq!(bed.waiting().len(), 0);
        bed.at("2026-03-10T00:00:30Z");
        assert!(!bed.sync_full().needs_attention(), "{}", edit.said);
        assert!(bed.is_in(&newcomer, "app-jira"), "{}", edit.said);
        assert_eq!(bed.state(&request), "3", "{}", edit.said);
    }
}

#[test]
fn once_it_is_mended_it_waits_for_a_yes_and_once_it_is_taken_back_for_nothing() {
    for taken_back in [true, false] {
        let (bed, newcomer, request) = edited(&EDITS[4]);
        bed.sync();
        let unusable = the_only_one(&bed).id;
        let mended = if taken_back { "2026-03-10" } else { "2026-03-02" };
        bed.edit(&request, "start_date", mended);
        bed.pass("2m");
        assert_eq!(bed.sync().needs_attention(), !taken_back);
        if !taken_back {
            let id = the_only_one(&bed).id;
            assert_ne!(id, unusable, "it is another edit");
            bed.release(&HoldSelection::Ids(vec![id]));
            assert!(!bed.sync().needs_attention());
        }
        assert_eq!(bed.account(&newcomer).is_some(), !taken_back);
        assert_eq!(bed.waiting().len(), 0);
    }
}

#[test]
fn a_yes_to_what_cannot_be_used_by_the_time_it_counts_changes_nothing() {
    let bed = Bed::of(60);
    bed.sync_full();
    let (leaver, other) = (bed.employee(0), bed.employee(1));
    let leave = bed.leave_on(&leaver, "2026-03-20");
    bed.sync();
    bed.edit(&leave, "employee", &other.user_name);
    bed.sync_full();
    bed.release(&HoldSelection::Ids(vec![the_only_one(&bed).id]));
    // Before it counts somebody else has the same name.
    let third = bed.employee(2);
    bed.record(&third, &[("user_name", &other.user_name)]);
    let report = bed.sync();
    assert!(report.needs_attention());
    assert!(the_only_one(&bed).reason.contains("more than one person"));
    bed.dismiss(the_only_one(&bed).id);
    bed.at("2026-03-21T00:00:30Z");
    bed.sync();
    assert_eq!(bed.status(&leaver), "DEPROVISIONED", "what was approved was not lost");
    assert_eq!((bed.status(&other), bed.status(&third)), ("ACTIVE", "ACTIVE"));
}
