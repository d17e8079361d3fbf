//! What Okta refuses, or nobody can read, of somebody who leaves: it is tried again soon, and seen by
//! every command meanwhile.

use goldthread::sim::faults::Fault;
use goldthread::sim::okta::NoRole;
use goldthread::sync::{Scope, watch_deadlines};

use super::bed::{Bed, logged};

const DEACTIVATE: &str = "/lifecycle/deactivate";

#[test]
fn a_deactivation_that_was_refused_once_is_tried_again_within_half_a_minute() {
    for status in [400, 403, 404] {
        let bed = Bed::of(40);
        bed.sync_full();
        bed.pass("1h");
        let leaver = bed.employee(0);
        let leave = bed.leave(&leaver);
        bed.stage.okta.faults().on("POST", DEACTIVATE, Fault::Status(status));
        assert!(bed.sync().needs_attention());
        assert_eq!(bed.status(&leaver), "ACTIVE");
        bed.pass("29s");
        assert!(!bed.sync().needs_attention());
        assert_eq!((bed.status(&leaver), bed.state(&leave)), ("DEPROVISIONED", "3".into()));
    }
}

#[test]
fn leavers_are_disabled_as_soon_as_a_role_is_back_that_was_gone_for_ten_minutes() {
    for status in [400, 403, 404] {
        let bed = Bed::of(40);
        bed.sync_full();
        bed.pass("1h");
        let leavers = [bed.employee(0), bed.employee(1)];
        let requests = leavers.each_ref().map(|it| bed.leave(it));
        bed.stage.okta.faults().on("POST", "/api/v1/users/", Fault::Status(status)).always();
        for _ in 0..21 {
            assert!(bed.sync().needs_attention());
            bed.pass("29s");
        }
        bed.stage.okta.faults().clear();
        bed.pass("29s");
        bed.sync();
        for (leaver, leave) in leavers.iter().zip(&requests) {
            assert_eq!((bed.status(leaver), bed.state(leave)), ("DEPROVISIONED", "3".into()));
        }
    }
}

#[test]
fn the_same_where_the_whole_role_is_gone() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.pass("1h");
    let (leaver, ours) =
        (bed.employee(0), bed.stage.okta.find("goldthread@example.com").unwrap().id);
    let leave = bed.leave(&leaver);
    bed.stage.okta.switch(|it| it.no_admin_role = NoRole::Forbidden);
    bed.stage.okta.set_roles(&ours, &[]);
    for _ in 0..21 {
        // Whether the side is in trouble, or each of its objects, is the same to a leaver.
        let ended = bed.try_sync_alone(&Scope::Changes);
        assert!(ended.is_err() || ended.is_ok_and(|report| report.needs_attention()));
        assert_ne!(bed.state(&leave), "3");
        bed.pass("29s");
    }
    bed.stage.okta.set_roles(&ours, &["SUPER_ADMIN"]);
    bed.pass("29s");
    bed.sync();
    assert_eq!((bed.status(&leaver), bed.state(&leave)), ("DEPROVISIONED", "3".into()));
}

#[test]
fn a_last_day_that_nobody_can_read_is_seen_by_every_command_and_breaches_its_target() {
    let bed = Bed::of(40);
    bed.sync_full();
    bed.pass("1h");
    bed.sync();
    let leave = bed.leave_on(&bed.employee(0), "30.11.2026");
    let number = leave.number.as_str();
    let (deps, writers) = bed.at_work();
    for (time, errors) in [("1s", 0), ("3m", 1), ("14m", 0), ("2m", 1), ("14m", 0), ("2m", 1)] {
        bed.pass(time);
        let (report, log) = logged(|| {
            let report = bed.cycle_of(&deps, &writers);
            watch_deadlines(&deps).unwrap();
            report
        });
        assert!(report.needs_attention());
        let ours = |line: &&String| line.contains("ERROR") && line.contains(number);
        assert_eq!(log.iter().filter(ours).count(), errors, "after {time}: {log:#?}");
        // Within its target it is for the requester, afterwards for whoever is on duty.
        let needs = bed.status_report().needs;
        let named = needs.iter().any(|need| need.request.as_deref() == Some(number));
        assert_eq!(named, time != "1s", "after {time}: {needs:#?}");
        let drift = bed.cached_drift();
        assert!(drift.differs() && drift.requests.iter().any(|it| it.number == number));
        assert!(bed.stuck().iter().any(|it| it.number == number));
    }
    assert_eq!(bed.status(&bed.employee(0)), "ACTIVE");
    assert_eq!(bed.comments(&leave).len(), 1, "the requester is told, once");
}
