//! A connection that breaks on one object again and again stops nobody else; one that breaks
//! whatever is asked for is a side in trouble, and then nothing is concluded.

use goldthread::sim::faults::{Fault, Faults};
use goldthread::sync::Scope;

use super::alone::{Bad, account_id, beside_in, others};
use super::bed::{Bed, logged};

/// How a connection breaks.
fn breaks() -> [Fault; 3] {
    [Fault::DropBefore, Fault::Silence, Fault::Truncate]
}

/// For each way: three others are done in the same cycle, and this is left alone, named, and done when
/// it is mended.
fn each_way(strike: impl Fn(&mut Bed, Fault) -> Bad) {
    for fault in breaks() {
        beside_in(Bed::of(40).impatient(), &Scope::Changes, |bed| strike(bed, fault));
    }
}

#[test]
fn a_leaver_s_account_on_which_every_connection_breaks() {
    each_way(|bed, fault| {
        let id = account_id(bed, 0);
        bed.stage.okta.faults().on("GET", &format!("/users/{id}"), fault).always();
        let leave = bed.leave(&bed.employee(0));
        Bad::request(leave, |bed| bed.stage.okta.faults().clear()).about(&id)
    });
}

#[test]
fn the_members_of_a_group_on_which_every_connection_breaks() {
    each_way(|bed, fault| {
        let members = format!("/groups/{}/users", bed.okta_group("app-figma"));
        bed.stage.okta.faults().on("GET", &members, fault).always();
        let grant = bed.access("Add", &bed.employee(0), &["app-figma"], "");
        Bad::request(grant, |bed| bed.stage.okta.faults().clear()).about(&account_id(bed, 0))
    });
}

/// Others are done in the same cycle, it is named, and all is well a while after it is mended.
fn beside_a_row_that_breaks(of: impl Fn(&mut Bed) -> (String, String), meanwhile: impl Fn(&Bed)) {
    for fault in breaks() {
        let mut bed = Bed::of(40).impatient();
        bed.sync_full();
        let (row, name) = of(&mut bed);
        bed.stage.servicenow_faults.on("GET", &row, fault.clone()).always();
        let others = others(&bed);
        let (report, log) = logged(|| bed.sync());
        for other in &others {
            assert_eq!(bed.state(other), "3", "{fault:?}: {:#?}\n{log:#?}", report.actions);
        }
        assert!(bed.stage.servicenow_faults.hits() > 0, "{fault:?}: nobody asked for it");
        assert!(report.needs_attention(), "{fault:?}: nobody is needed");
        assert!(log.iter().any(|line| line.contains(&name)), "{fault:?}: {log:#?}");
        meanwhile(&bed);
        bed.stage.servicenow_faults.clear();
        bed.pass("1m");
        let report = bed.sync();
        assert!(!report.needs_attention(), "{fault:?}: {:#?}", report.actions);
    }
}

#[test]
fn a_person_s_row_on_which_every_connection_breaks() {
    beside_a_row_that_breaks(
        |bed| {
            // What is shown of them may change with their manager's row.
            let manager = bed.stage.company.people()[0].clone();
            bed.record(&manager, &[("last_name", "Newname")]);
            bed.moved(&manager);
            let id = bed.employee(0).sys_id;
            (format!("/sys_user/{id}"), id)
        },
        |bed| {
            let open = bed.cached_drift().open;
            assert!(open.iter().any(|it| it.text.contains(&bed.employee(0).sys_id)), "{open:?}");
        },
    );
}

#[test]
fn a_request_s_row_on_which_every_connection_breaks() {
    beside_a_row_that_breaks(
        |bed| {
            let leave = bed.leave(&bed.employee(0));
            (leave.sys_id, leave.number)
        },
        // The list said that it is approved; only the note waits.
        |bed| assert_eq!(bed.status(&bed.employee(0)), "DEPROVISIONED"),
    );
}

/// Everything that is asked of a side breaks from some call of the cycle on.
fn a_side_that_breaks(side: &str, calls: &[u64], faults: impl Fn(&Bed) -> &Faults) {
    let cases = calls.iter().map(|after| (Fault::DropBefore, *after));
    for (fault, after) in cases.chain([(Fault::Silence, 1), (Fault::Truncate, 2)]) {
        let bed = Bed::of(40).impatient();
        bed.sync_full();
        let leaves: Vec<_> = (0..4).map(|place| bed.leave(&bed.employee(place))).collect();
        faults(&bed).on("*", "", fault.clone()).after(after).always();
        let hits = faults(&bed).hits();
        let failed = bed.try_sync_alone(&Scope::Changes).map(|_| ());
        let tried = faults(&bed).hits() - hits;
        let failed = failed.expect_err("it is down");
        assert!(failed.to_string().contains(side), "{fault:?} {after}: {failed}");
        // No more than what failed first, and what could be read before.
        assert!(tried <= 12, "{fault:?} {after}: {tried} calls");
        assert_eq!(bed.writes(), Vec::<String>::new());
        let open = bed.cached_drift();
        let said = format!("{:?} {:?}", open.items, open.open);
        assert!(!said.contains("no answer"), "something was concluded: {said}");
        faults(&bed).clear();
        bed.sync();
        let waits = leaves.iter().find(|leave| bed.state(leave) != "3");
        assert!(waits.is_none(), "{fault:?} {after}: {waits:?}, {:#?}", bed.waiting());
    }
}

#[test]
fn an_okta_that_breaks_on_everything_is_down_and_nothing_is_concluded() {
    a_side_that_breaks("Okta", &[0, 3, 9], |bed| bed.stage.okta.faults());
}

#[test]
fn a_servicenow_that_breaks_on_everything_is_down_and_nothing_is_concluded() {
    a_side_that_breaks("ServiceNow", &[0, 1, 2], |bed| &bed.stage.servicenow_faults);
}
