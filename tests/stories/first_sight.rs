//! What was out of sight when a group came under management, or when an account was linked: what is
//! found once it is seen was there at take-over, and what is done by hand afterwards is not.

use std::collections::BTreeSet;

use goldthread::sim::company::Person;
use goldthread::sim::okta::{OutOfSight, Sight, Status};

use super::bed::{Bed, applied};

const BOTH: [OutOfSight; 2] = [OutOfSight::NotFound, OutOfSight::Forbidden];
const GROUP: &str = "app-jira";

/// A company where what nobody asked for is removed.
fn bed() -> Bed {
    Bed::of(20).with("attribution", "unattributed = \"apply\"")
}

/// From now on the role reaches neither these accounts, nor these groups, nor Everyone.
fn hide(bed: &Bed, people: &[&Person], groups: &[&str], how: OutOfSight) {
    let users: BTreeSet<String> = people.iter().map(|it| bed.account(it).unwrap().id).collect();
    let groups: BTreeSet<String> = groups.iter().map(|name| bed.okta_group(name)).collect();
    bed.stage.okta.switch(|it| {
        it.sight = Sight::AllBut { users, groups };
        it.out_of_sight = how;
    });
}

fn show(bed: &Bed) {
    bed.stage.okta.switch(|it| it.sight = Sight::All);
}

/// Somebody is in the group from before it is managed.
fn was_there(bed: &Bed, person: &Person) {
    bed.stage.okta.seed_member(&bed.okta_group(GROUP), &bed.account(person).unwrap().id);
}

/// An administrator adds somebody to the group.
fn add(bed: &Bed, person: &Person) {
    let pat = bed.stage.okta.acting_as("Pat Admin");
    pat.add_member(&bed.okta_group(GROUP), &bed.account(person).unwrap().id);
}

/// The group comes under management, because somebody else is given it.
fn manage(bed: &Bed, full: bool) {
    bed.access("Add", &bed.employee(5), &[GROUP], "");
    if full {
        bed.sync_full()
    } else {
        bed.sync()
    };
    assert!(bed.is_in(&bed.employee(5), GROUP));
}

/// Cycles go by of which each looks at somebody.
fn looked_at(bed: &Bed, person: &Person, full: bool) {
    bed.record(person, &[("first_name", "Another")]);
    if full {
        bed.sync_full()
    } else {
        bed.sync()
    };
    bed.pass("10m");
    bed.sync_full();
}

#[test]
fn whoever_was_out_of_sight_when_a_group_came_under_management_stays_in_it() {
    for how in BOTH {
        for full in [false, true] {
            let bed = bed();
            let [hidden, other] = [0, 1].map(|it| bed.employee(it));
            was_there(&bed, &hidden);
            bed.sync_full();
            bed.pass("1h");
            hide(&bed, &[&hidden, &other], &[], how);
            manage(&bed, full);
            bed.pass("10m");
            show(&bed);
            looked_at(&bed, &hidden, full);
            assert!(bed.is_in(&hidden, GROUP), "{how:?}, full: {full}");
            // Who was not in it then is put out when somebody adds them.
            looked_at(&bed, &other, full);
            add(&bed, &other);
            bed.sync();
            assert!(!bed.is_in(&other, GROUP), "{how:?}, full: {full}");
            bed.nothing_happens();
        }
    }
}

#[test]
fn once_seen_outside_a_group_nobody_is_in_it_from_before() {
    for full in [false, true] {
        let bed = bed();
        let hidden = bed.employee(0);
        bed.sync_full();
        hide(&bed, &[&hidden], &[], OutOfSight::NotFound);
        manage(&bed, false);
        show(&bed);
        looked_at(&bed, &hidden, full);
        add(&bed, &hidden);
        let report = bed.sync();
        assert_eq!(applied(&report), ["BASELINE remove_member"], "full: {full}");
        assert!(!bed.is_in(&hidden, GROUP));
    }
}

/// Where everybody is in sight nothing is in doubt.
#[test]
fn whoever_is_added_by_hand_right_after_a_group_came_under_management_is_put_out() {
    let bed = bed();
    let person = bed.employee(0);
    bed.sync_full();
    manage(&bed, false);
    add(&bed, &person);
    assert_eq!(applied(&bed.sync()), ["BASELINE remove_member"]);
}

/// A membership that a request gave for a time is not there for good because nobody saw it.
#[test]
fn what_was_given_for_a_time_to_somebody_out_of_sight_ends_all_the_same() {
    let bed = bed();
    let hidden = bed.employee(0);
    bed.sync_full();
    hide(&bed, &[&hidden], &[], OutOfSight::NotFound);
    bed.access("Add", &hidden, &[GROUP], "2026-03-05");
    bed.sync();
    was_there(&bed, &hidden);
    show(&bed);
    looked_at(&bed, &hidden, false);
    assert!(bed.is_in(&hidden, GROUP));
    bed.at("2026-03-07T00:00:00Z");
    bed.sync();
    assert!(!bed.is_in(&hidden, GROUP));
}

/// The same seen from the other side: the group is managed, and out of sight when somebody is linked.
#[test]
fn whoever_is_linked_while_a_group_is_out_of_sight_stays_in_it() {
    for how in BOTH {
        for full in [false, true] {
            let bed = bed();
            bed.sync_full();
            manage(&bed, false);
            bed.pass("1h");
            hide(&bed, &[], &[GROUP], how);
            let account = bed.handmade("E9001", "zoe@example.com", Status::Active);
            bed.stage.okta.seed_member(&bed.okta_group(GROUP), &account);
            let zoe = bed.hired("Zoe", "E9001", "zoe@example.com");
            if full {
                bed.sync_full()
            } else {
                bed.sync()
            };
            bed.pass("10m");
            show(&bed);
            looked_at(&bed, &zoe, full);
            assert!(bed.is_in(&zoe, GROUP), "{how:?}, full: {full}");
            let pat = bed.stage.okta.acting_as("Pat Admin");
            pat.remove_member(&bed.okta_group(GROUP), &account);
            bed.sync();
            assert!(bed.is_in(&zoe, GROUP), "what was there at take-over is put back");
        }
    }
}

/// The members of a group are refused, to credentials that see everybody.
#[test]
fn whoever_is_linked_by_the_lists_while_the_members_of_a_group_are_refused_stays_in_it() {
    let bed = bed();
    bed.sync_full();
    manage(&bed, false);
    bed.pass("1h");
    let group = bed.okta_group(GROUP);
    let path = format!("/api/v1/groups/{group}/users");
    let account = bed.handmade("E9001", "zoe@example.com", Status::Active);
    bed.stage.okta.seed_member(&group, &account);
    let zoe = bed.hired("Zoe", "E9001", "zoe@example.com");
    let refused = goldthread::sim::faults::Fault::Status(400);
    let _ = bed.stage.okta.faults().on("GET", &path, refused).always();
    bed.sync_full();
    bed.stage.okta.faults().clear();
    bed.pass("1h");
    looked_at(&bed, &zoe, true);
    assert!(bed.is_in(&zoe, GROUP));
}
