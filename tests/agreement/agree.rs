//! Every command reads the one list of what is open, and the list is what deciding about everybody
//! anew gives: looked at after a cycle that ended well, in stories and in worlds.

use std::collections::BTreeSet;

use goldthread::config::Config;
use goldthread::model::Disposition;
use goldthread::report::{
    self, CycleReport, DriftItem, DriftReport, DriftSummary, HoldFilter, ListedPerson,
    PeopleFilter, RequestFilter, StatusReport,
};
use goldthread::store::{StoredItem, Verdict};
use goldthread::sync::{self, Deps};

type Now = chrono::DateTime<chrono::Utc>;

/// What is open, as it is kept: a line for each item.
fn open_list(deps: &Deps, now: Now) -> BTreeSet<String> {
    let all = deps.open_items(now).unwrap().into_iter();
    let said_no = |it: &StoredItem| it.said.as_ref().is_some_and(|it| it.word == Verdict::Dismiss);
    let weight = |it: &StoredItem| match &it.item.disposition {
        _ if it.item.is_dismissed() || said_no(it) => "dismissed",
        it if it.is_observed() => "observed",
        Disposition::Report(_) | Disposition::Protected(_) => "told",
        _ => "counts",
    };
    all.map(|it| format!("{}: {}", it.item.identity(), weight(&it))).collect()
}

/// Where the commands disagree after a cycle that ended with this report; empty where they agree.
/// `deps` belong to somebody who only reads.
pub async fn disagreements(
    deps: &Deps,
    config: &Config,
    now: Now,
    report: &CycleReport,
) -> Vec<String> {
    let offline = config.offline();
    let kept = open_list(deps, now);
    let cached = report::drift(deps, None, None, None).unwrap();
    let plan = sync::plan_from_store(deps).await.unwrap();
    let anew = report::drift(deps, Some(&plan), None, None).unwrap();
    let planned = report::planned(deps, &plan).unwrap();
    let status = report::status(&offline, now).unwrap();
    let mut wrong = Wrong(Vec::new());
    wrong.unless_alike("what is kept, and what is decided anew", &kept, &open_list(deps, now));
    wrong.unless_alike("drift --cached, and drift", &lines(&cached), &lines(&anew));
    wrong.unless_same("drift --cached, and drift", &numbers(&cached), &numbers(&anew));

    let holds = report::holds(&offline, &HoldFilter::default(), now).unwrap();
    let undecided = holds.holds.iter().filter(|hold| hold.released.is_none()).count();
    let stuck = holds.stuck.len();
    wrong.unless_same("hold list, and drift: held", &holds.holds.len(), &cached.summary.held);
    wrong.unless_same("hold list, and status: held", &Some(undecided as u64), &status.held);
    wrong.unless_same("hold list, and drift: stuck", &stuck, &cached.summary.stuck);
    wrong.unless_same("hold list, and status: stuck", &Some(stuck as u64), &status.stuck);
    let listed = |filter| {
        let requests = report::requests(&offline, filter, None, now).unwrap().requests;
        Some(requests.len() as u64)
    };
    wrong.unless_same("requests, and status: stuck", &listed(RequestFilter::Stuck), &status.stuck);
    let pending = listed(RequestFilter::Pending);
    wrong.unless_same("requests, and status: pending", &pending, &status.pending);
    let people = |filter| report::people(&offline, filter, None, now).unwrap().people;
    let nobodys = |it: &&ListedPerson| it.person.sys_id.is_none();
    let unmanaged = people(PeopleFilter::Unmanaged).iter().filter(nobodys).count();
    wrong.unless_same("people, and drift: unmanaged", &unmanaged, &cached.summary.unmanaged);

    wrong.unless(
        "a full sync would end as this one",
        report.summary.failed > 0
            || report.paused.is_some()
            || report.needs_attention() == planned.needs_attention(),
    );
    // What a pause keeps from being written on a request is said, and is no difference.
    wrong.unless(
        "sync needs somebody, so drift differs",
        !report.needs_attention()
            || report.summary.failed > 0
            || report.paused.is_some()
            || cached.differs(),
    );
    wrong.unless(
        "more is open than what is only reported, so sync needs somebody",
        report.needs_attention() || !kept.iter().any(|it| counts(it)),
    );
    wrong.unless(
        "hold list has an action, so sync needs somebody",
        report.needs_attention() || undecided == 0,
    );
    wrong.unless(
        "status needs somebody for what is open, so sync does",
        report.needs_attention() || !needs_for_open(&status),
    );
    wrong.0
}

/// What a report says of each fact, and of each request.
fn lines(drift: &DriftReport) -> BTreeSet<String> {
    let fact = |it: &DriftItem| {
        let DriftItem { person, fact, name, desired, actual, disposition, .. } = it;
        let name = name.as_deref().unwrap_or_default();
        let who = person.user_name.as_ref().or(person.login.as_ref());
        let what = match *disposition {
            // That Okta refused to disable an account is not kept: whoever decides tries again.
            "blocked" if *fact == "status" => "apply",
            other => other,
        };
        format!("{who:?} {fact} {name}: {desired:?}, {actual:?}: {what}")
    };
    let requests = drift.requests.iter().map(|it| it.number.clone());
    drift.items.iter().map(fact).chain(requests).collect()
}

/// What a report counts, but for how much would be done.
fn numbers(drift: &DriftReport) -> [usize; 6] {
    let DriftSummary { people, in_sync, drifted, held, stuck, unmanaged, .. } = drift.summary;
    [people, in_sync, drifted, held, stuck, unmanaged]
}

/// Whether something is open that is neither only reported nor dismissed. What a request waits for
/// may need nobody.
fn counts(item: &str) -> bool {
    let weighs = item.ends_with(": counts") || item.ends_with(": observed");
    weighs && !item.starts_with("request ")
}

fn needs_for_open(status: &StatusReport) -> bool {
    let of_items = ["held", "blocked", "request", "rule", "name", "record"];
    status.needs.iter().any(|need| of_items.contains(&need.kind))
}

struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, what: &str, holds: bool) {
        if !holds {
            self.0.push(format!("it does not hold that {what}"));
        }
    }

    fn unless_same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, one: &T, other: &T) {
        if one != other {
            self.0.push(format!("{what}: {one:?}, and {other:?}"));
        }
    }

    fn unless_alike(&mut self, what: &str, one: &BTreeSet<String>, other: &BTreeSet<String>) {
        let only = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect::<Vec<_>>();
        if one != other {
            let (one, other) = (only(one, other), only(other, one));
            self.0.push(format!("{what}: only {one:#?}, and only {other:#?}"));
        }
    }
}
