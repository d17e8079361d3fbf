//! Every call of a cycle meets every fault.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use goldthread::engine::Scope;
use goldthread::sim::faults::Fault;

use super::day::Day;

/// Waiting takes no processor, and some faults make the program wait.
const WORKERS: usize = 6;

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

#[derive(Clone)]
struct Case {
    scope: Scope,
    call: Call,
    fault: (&'static str, Fault),
    always: bool,
}

fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("429", Fault::TooManyRequests { reset_after_seconds: Some(1) }),
        ("500", Fault::Status(500)),
        ("503", Fault::Status(503)),
        ("dropped before", Fault::DropBefore),
        ("dropped after", Fault::DropAfter),
        ("truncated", Fault::Truncate),
        ("cut JSON", Fault::CutJson),
        ("login page", Fault::Html200),
    ]
}

/// The calls of one undisturbed cycle: each write, and of reads the first of its shape before,
/// between and after the writes to Okta.
fn calls(scope: &Scope) -> Vec<Call> {
    let mut day = Day::new();
    day.faults(true).listen();
    day.faults(false).listen();
    let report = day.sync(scope).expect("an undisturbed cycle");
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

/// Every write meets every fault. So does every read in the whole matrix, once and always; of its
/// many cases, `some` keeps two for each read, others for the next one.
fn cases(scope: &Scope, some: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut hurt = BTreeSet::new();
    for (at, call) in calls(scope).into_iter().enumerate() {
        let reads = call.reads();
        let lasts = reads && hurt.insert((call.system, call.shape()));
        for always in [false, true] {
            let faults = faults();
            let turn = |kind: usize| (kind + 5 * at + usize::from(always)) % faults.len() < 2;
            for (kind, fault) in faults.iter().enumerate() {
                let chosen = !reads || !some || turn(kind);
                if chosen && (lasts || !always) {
                    let (scope, call, fault) = (scope.clone(), call.clone(), fault.clone());
                    cases.push(Case { scope, call, fault, always });
                }
            }
        }
    }
    cases
}

/// Everything that is wrong with how one case went.
fn run(case: &Case) -> Vec<String> {
    let mut day = Day::new();
    let faults = day.faults(case.call.system == System::Okta);
    let (_, fault) = &case.fault;
    if case.always {
        let path = case.call.path.split('?').next().unwrap_or_default();
        faults.on(&case.call.method, path, fault.clone()).always();
    } else {
        faults.on("*", "", fault.clone()).after(case.call.place);
    }
    let before = faults.hits();
    let mut problems = day.survive(&case.scope);
    if day.faults(case.call.system == System::Okta).hits() == before {
        problems.push("the fault met no call".to_owned());
    }
    problems
}

fn run_all(cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let problems = run(case);
                    if !problems.is_empty() {
                        let always = if case.always { ", always" } else { "" };
                        let title = format!(
                            "{:?} {} #{} {}{always}",
                            case.call.system,
                            case.call.shape(),
                            case.call.place,
                            case.fault.0
                        );
                        failures
                            .lock()
                            .unwrap()
                            .push(format!("{title}\n    {}", problems.join("\n    ")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

#[test]
fn a_full_cycle_survives_faults_in_every_call() {
    run_all(&cases(&Scope::Full, true));
}

#[test]
fn a_cycle_of_changes_survives_faults_in_every_call() {
    run_all(&cases(&Scope::Changes, true));
}

#[test]
#[ignore = "takes minutes: cargo test --test faults -- --ignored"]
fn every_cycle_survives_every_fault_in_every_call() {
    run_all(&[cases(&Scope::Full, false), cases(&Scope::Changes, false)].concat());
}
