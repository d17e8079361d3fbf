//! Every call of a cycle meets every fault.

use std::collections::BTreeSet;

use goldthread::engine::Scope;
use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use serde_json::{Value, json};

use super::day::{Day, each};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum System {
    ServiceNow,
    Okta,
}

/// One call of an undisturbed cycle.
#[derive(Clone, Debug)]
struct Call {
    system: System,
    /// How many calls to its system came before it.
    place: u64,
    method: String,
    path: String,
}

impl Call {
    fn reads(&self) -> bool {
        self.method == "GET"
    }

    /// The path with ids left out.
    fn shape(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let id = |part: &str| part.len() >= 20 || part.contains('@') || part.contains("%40");
        let parts = path.split('/').map(|part| if id(part) { "{id}" } else { part });
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let telling = |pair: &&str| {
            ["sysparm_fields=", "filter=", "search="].iter().any(|key| pair.starts_with(key))
        };
        let mut telling: Vec<&str> = query.split('&').filter(telling).collect();
        if query.contains("sys_id%3E") {
            telling.push("next page");
        }
        format!("{} {} {}", self.method, parts.collect::<Vec<_>>().join("/"), telling.join(" "))
    }
}

/// Which day, and which cycle of it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Full,
    Changes,
    /// Everything that can be asked for, with other ways to sign in and to close.
    Busy,
}

impl Kind {
    fn day(self) -> Day {
        match self {
            Self::Full | Self::Changes => Day::new(),
            Self::Busy => Day::busy(),
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Full => Scope::Full,
            Self::Changes | Self::Busy => Scope::Changes,
        }
    }
}

#[derive(Clone)]
struct Case {
    kind: Kind,
    call: Call,
    fault: (&'static str, Fault),
    always: bool,
}

impl Case {
    fn title(&self) -> String {
        let Call { system, place, .. } = &self.call;
        let always = if self.always { ", always" } else { "" };
        let (shape, fault) = (self.call.shape(), self.fault.0);
        format!("{:?} {system:?} {shape} #{place} {fault}{always}", self.kind)
    }
}

/// A fault, and whether it means no for good.
fn faults() -> Vec<(&'static str, Fault)> {
    let custom = |status, body: &Value| Fault::Custom(Response::json(status, body));
    let empty = |status| Fault::Custom(Response::empty(status));
    vec![
        ("400", Fault::Status(400)),
        ("401", Fault::Status(401)),
        ("403", Fault::Status(403)),
        ("404", Fault::Status(404)),
        ("409", Fault::Status(409)),
        ("429", Fault::TooManyRequests { reset_after_seconds: Some(1) }),
        ("429 without a reset", Fault::TooManyRequests { reset_after_seconds: None }),
        ("500", Fault::Status(500)),
        ("502", Fault::Status(502)),
        ("503", Fault::Status(503)),
        ("500 with a page", Fault::Custom(Response::html(500, "<h1>Oops</h1>"))),
        ("404 with a page", Fault::Custom(Response::html(404, "<h1>nginx</h1>"))),
        ("500 without a body", empty(500)),
        ("400 of another shape", custom(400, &json!(["no", {"message": 7}]))),
        ("409 of another shape", custom(409, &json!({"error": "conflict", "errorCode": 9}))),
        ("200 of another shape", custom(200, &json!({"unexpected": [1, null, {}]}))),
        ("202", custom(202, &json!({}))),
        ("redirect", Fault::Custom(Response::empty(302).with_header("Location", "/login"))),
        ("dropped before", Fault::DropBefore),
        ("dropped after", Fault::DropAfter),
        ("no answer in time", Fault::Silence),
        ("truncated", Fault::Truncate),
        ("cut JSON", Fault::CutJson),
        ("login page", Fault::Html200),
    ]
}

/// Whether the other side says no for good, or seems to say yes: then a complete read, or somebody,
/// has to see to it.
fn is_final(fault: &str) -> bool {
    const PASSING: [&str; 3] = ["429", "500", "502"];
    !PASSING.iter().any(|word| fault.starts_with(word))
        && fault.starts_with(|c: char| c.is_ascii_digit())
        && fault != "503"
}

/// The calls of one undisturbed cycle: each write, and of reads the first of its shape before,
/// between and after the writes to Okta.
fn calls(kind: Kind) -> Vec<Call> {
    let mut day = kind.day();
    day.faults(true).listen();
    day.faults(false).listen();
    let report = day.sync(&kind.scope()).expect("an undisturbed cycle");
    assert!(!report.needs_attention(), "{report:?}");
    assert_eq!(day.undone(), Vec::<String>::new());
    assert_eq!(day.wrong(), Vec::<String>::new());

    let mut calls = Vec::new();
    let heard =
        [(System::ServiceNow, day.faults(false).heard()), (System::Okta, day.faults(true).heard())];
    for (system, heard) in heard {
        let last_write = heard.iter().rposition(|(method, _)| method != "GET");
        let (mut written, mut seen) = (0, BTreeSet::new());
        for (place, (method, path)) in heard.into_iter().enumerate() {
            let call = Call { system, place: place as u64, method, path };
            written += usize::from(!call.reads());
            let phase = match written {
                0 => "before",
                _ if Some(place) < last_write => "between",
                _ => "after",
            };
            if !call.reads() || seen.insert((call.shape(), phase)) {
                calls.push(call);
            }
        }
    }
    calls
}

/// Every call meets every fault, once and always.
fn cases(kind: Kind) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut hurt = BTreeSet::new();
    for call in calls(kind) {
        let first = hurt.insert((call.system, call.shape()));
        for fault in faults() {
            for always in [false, true] {
                // Always is always, wherever it begins.
                if first || !always {
                    let (call, fault) = (call.clone(), fault.clone());
                    cases.push(Case { kind, call, fault, always });
                }
            }
        }
    }
    cases
}

/// A few of them: each shape of call meets a fault or two, others than the shape before it.
fn some(kind: Kind) -> Vec<Case> {
    let all = cases(kind);
    let mut some: Vec<Case> = Vec::new();
    let mut seen = BTreeSet::new();
    // Faults that are waited for are left to the whole matrix.
    let quick = |case: &&Case| case.fault.0 != "no answer in time" && !case.always;
    for (turn, call) in calls(kind).into_iter().enumerate() {
        if !seen.insert((call.system, call.shape())) {
            continue;
        }
        let mine: Vec<&Case> = all
            .iter()
            .filter(|case| case.call.place == call.place && case.call.system == call.system)
            .filter(quick)
            .collect();
        let count = if call.reads() { 1 } else { 2 };
        let chosen = (0..count).map(|nth| mine[(7 * turn + 11 * nth) % mine.len()].clone());
        some.extend(chosen);
    }
    some
}

/// Everything that is wrong with how one case went.
fn run(case: &Case) -> Vec<String> {
    let mut day = case.kind.day();
    let (name, fault) = &case.fault;
    day.refused = is_final(name);
    let faults = day.faults(case.call.system == System::Okta);
    if case.always {
        let path = case.call.path.split('?').next().unwrap_or_default();
        faults.on(&case.call.method, path, fault.clone()).always();
    } else {
        faults.on("*", "", fault.clone()).after(case.call.place);
    }
    let before = faults.hits();
    let mut problems = day.survive(&case.kind.scope());
    if day.faults(case.call.system == System::Okta).hits() == before {
        problems.push("the fault met no call".to_owned());
    }
    problems
}

fn run_all(cases: &[Case]) {
    each(cases, Case::title, run);
}

#[test]
fn a_full_cycle_survives_a_fault_in_any_call() {
    run_all(&some(Kind::Full));
}

#[test]
fn a_cycle_of_changes_survives_a_fault_in_any_call() {
    run_all(&some(Kind::Busy));
}

#[test]
#[ignore = "takes minutes: cargo test --test faults -- --ignored"]
fn every_full_cycle_survives_every_fault_in_every_call() {
    run_all(&cases(Kind::Full));
}

#[test]
#[ignore = "takes minutes: cargo test --test faults -- --ignored"]
fn every_cycle_of_changes_survives_every_fault_in_every_call() {
    run_all(&[cases(Kind::Changes), cases(Kind::Busy)].concat());
}
