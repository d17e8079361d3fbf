//! Every call of a cycle meets every fault.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sync::Scope;
use serde_json::{Value, json};

use super::day::{Day, each};
use super::picture::{differences, is_a_mail_to_who_came_back, picture};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum System {
    ServiceNow,
    Okta,
}

/// What is called in the cycles of these days, and what no fault may be left out for. What is not
/// called any more, or is called besides, is changed here on purpose.
const ENDPOINTS: &[(System, &str)] = &[
    (System::ServiceNow, "GET /api/now/table/sc_cat_item"),
    (System::ServiceNow, "GET /api/now/table/sc_req_item"),
    (System::ServiceNow, "GET /api/now/table/sc_req_item/{id}"),
    (System::ServiceNow, "GET /api/now/table/sc_task"),
    (System::ServiceNow, "GET /api/now/table/sys_journal_field"),
    (System::ServiceNow, "GET /api/now/table/sys_user"),
    (System::ServiceNow, "GET /api/now/table/sysapproval_approver"),
    (System::ServiceNow, "GET /api/now/table/u_okta_group"),
    (System::ServiceNow, "PATCH /api/now/table/sc_req_item/{id}"),
    (System::ServiceNow, "PATCH /api/now/table/sc_task/{id}"),
    (System::ServiceNow, "POST /oauth_token.do"),
    (System::Okta, "DELETE /api/v1/groups/{id}/users/{id}"),
    (System::Okta, "DELETE /api/v1/users/{id}/sessions"),
    (System::Okta, "GET /api/v1/groups"),
    (System::Okta, "GET /api/v1/groups/rules"),
    (System::Okta, "GET /api/v1/groups/{id}"),
    (System::Okta, "GET /api/v1/groups/{id}/roles"),
    (System::Okta, "GET /api/v1/groups/{id}/users"),
    (System::Okta, "GET /api/v1/meta/schemas/user/default"),
    (System::Okta, "GET /api/v1/users"),
    (System::Okta, "GET /api/v1/users/me"),
    (System::Okta, "GET /api/v1/users/{id}"),
    (System::Okta, "GET /api/v1/users/{id}/groups"),
    (System::Okta, "GET /api/v1/users/{id}/roles"),
    (System::Okta, "POST /api/v1/users"),
    (System::Okta, "POST /api/v1/users/{id}"),
    (System::Okta, "POST /api/v1/users/{id}/lifecycle/activate"),
    (System::Okta, "POST /api/v1/users/{id}/lifecycle/deactivate"),
    (System::Okta, "POST /api/v1/users/{id}/lifecycle/reactivate"),
    (System::Okta, "POST /api/v1/users/{id}/lifecycle/suspend"),
    (System::Okta, "POST /api/v1/users/{id}/lifecycle/unsuspend"),
    (System::Okta, "POST /oauth2/v1/token"),
    (System::Okta, "PUT /api/v1/groups/{id}/users/{id}"),
];

/// One call of an undisturbed cycle.
#[derive(Clone, Debug)]
struct Call {
    system: System,
    /// How many calls to its system came before it.
    place: u64,
    method: String,
    path: String,
    /// Its path is called once more after it.
    comes_again: bool,
}

impl Call {
    fn reads(&self) -> bool {
        self.method == "GET"
    }

    fn lists(&self) -> bool {
        let one = ["{id}", "/me", "/default"];
        self.reads() && !one.iter().any(|end| self.endpoint().ends_with(end))
    }

    fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The path with ids left out.
    fn endpoint(&self) -> String {
        let is_long = |part: &str| part.len() >= 20 && !part.starts_with("sysapproval_");
        let id = |part: &str| is_long(part) || part.contains('@') || part.contains("%40");
        let parts = self.bare_path().split('/').map(|part| if id(part) { "{id}" } else { part });
        format!("{} {}", self.method, parts.collect::<Vec<_>>().join("/"))
    }

    /// The endpoint with what is asked for there.
    fn shape(&self) -> String {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let telling = |pair: &&str| {
            ["sysparm_fields=", "filter=", "search="].iter().any(|key| pair.starts_with(key))
        };
        let mut telling: Vec<&str> = query.split('&').filter(telling).collect();
        if query.contains("sys_id%3E") {
            telling.push("next page");
        }
        format!("{} {}", self.endpoint(), telling.join(" "))
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

    /// What comes of the day when nothing goes wrong.
    fn right_end(self) -> &'static [String] {
        static ENDS: [OnceLock<Vec<String>>; 3] = [const { OnceLock::new() }; 3];
        ENDS[self as usize].get_or_init(|| {
            let mut day = self.day();
            assert_eq!(day.survive(&self.scope()), Vec::<String>::new());
            picture(&day.bed)
        })
    }
}

#[derive(Clone)]
struct Case {
    kind: Kind,
    call: Call,
    fault: &'static Trouble,
    always: bool,
}

impl Case {
    fn title(&self) -> String {
        let Call { system, place, .. } = &self.call;
        let always = if self.always { ", always" } else { "" };
        let (shape, fault) = (self.call.shape(), self.fault.name);
        format!("{:?} {system:?} {shape} #{place} {fault}{always}", self.kind)
    }
}

/// One way in which a call can go wrong.
struct Trouble {
    name: &'static str,
    fits: Fits,
    /// The other side says no for good, or seems to say yes: then a complete read, or somebody, has
    /// to see to it.
    is_final: bool,
    make: fn() -> Fault,
}

/// Which calls it can meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    Any,
    Lists,
    /// Lists that are read in pages, or again.
    TwoPages,
}

impl Trouble {
    const fn passing(name: &'static str, make: fn() -> Fault) -> Self {
        Self { name, fits: Fits::Any, is_final: false, make }
    }

    const fn lasting(name: &'static str, make: fn() -> Fault) -> Self {
        Self { name, fits: Fits::Any, is_final: true, make }
    }

    const fn of_lists(name: &'static str, fits: Fits, make: fn() -> Fault) -> Self {
        Self { name, fits, is_final: false, make }
    }

    fn can_meet(&self, call: &Call) -> bool {
        match self.fits {
            Fits::Any => true,
            Fits::Lists => call.lists(),
            Fits::TwoPages => call.lists() && call.comes_again,
        }
    }

    /// It looks like a yes to what nobody has seen.
    fn feigns(&self) -> bool {
        self.is_final && self.name.starts_with("20")
    }
}

const TROUBLES: &[Trouble] = &[
    Trouble::of_lists("half a list", Fits::Lists, || rows(half)),
    Trouble::of_lists("half a list and an error", Fits::Lists, half_and_an_error),
    Trouble::of_lists("each row twice", Fits::Lists, || rows(|list| list.extend(list.clone()))),
    Trouble::of_lists("a page twice", Fits::TwoPages, || {
        let first = Mutex::new(None::<Response>);
        Fault::altered(move |answer| first.lock().unwrap().get_or_insert(answer).clone())
    }),
    Trouble::of_lists("a page left out", Fits::TwoPages, || rows(Vec::clear)),
    Trouble::lasting("400", || Fault::Status(400)),
    Trouble::lasting("401", || Fault::Status(401)),
    Trouble::lasting("403", || Fault::Status(403)),
    Trouble::lasting("404", || Fault::Status(404)),
    Trouble::lasting("409", || Fault::Status(409)),
    Trouble::passing("429", || Fault::TooManyRequests { reset_after_seconds: Some(1) }),
    Trouble::passing("429 without a reset", || Fault::TooManyRequests {
        reset_after_seconds: None,
    }),
    Trouble::passing(UNTIL_2100, || Fault::TooManyRequests {
        reset_after_seconds: Some(74 * 365 * 86_400),
    }),
    Trouble::passing("429 until long ago", long_ago),
    Trouble::passing("500", || Fault::Status(500)),
    Trouble::passing("502", || Fault::Status(502)),
    Trouble::passing("503", || Fault::Status(503)),
    Trouble::passing("500 with a page", || Fault::Custom(Response::html(500, "<h1>Oops</h1>"))),
    Trouble::lasting("404 with a page", || Fault::Custom(Response::html(404, "<h1>nginx</h1>"))),
    Trouble::passing("500 without a body", || Fault::Custom(Response::empty(500))),
    Trouble::lasting("400 of another shape", || custom(400, &json!(["no", {"message": 7}]))),
    Trouble::lasting("409 of another shape", || {
        custom(409, &json!({"error": "conflict", "errorCode": 9}))
    }),
    Trouble::lasting("200 of another shape", || custom(200, &json!({"unexpected": [1, null, {}]}))),
    Trouble::lasting("200 with an empty list", || custom(200, &json!([]))),
    Trouble::lasting("200 without a body", || Fault::Custom(Response::empty(200))),
    Trouble::lasting("202", || custom(202, &json!({}))),
    Trouble::lasting("204", || Fault::Custom(Response::empty(204))),
    Trouble::passing("redirect", || {
        Fault::Custom(Response::empty(302).with_header("Location", "/login"))
    }),
    Trouble::passing("dropped before", || Fault::DropBefore),
    Trouble::passing("dropped after", || Fault::DropAfter),
    Trouble::passing(SILENCE, || Fault::Silence),
    Trouble::passing("truncated", || Fault::Truncate),
    Trouble::passing("cut JSON", || Fault::CutJson),
    Trouble::passing("login page", || Fault::Html200),
];

/// It is believed for an hour, which no test has: the program is started again.
const UNTIL_2100: &str = "429 until the year 2100";
/// It is waited for.
const SILENCE: &str = "no answer in time";

fn custom(status: u16, body: &Value) -> Fault {
    Fault::Custom(Response::json(status, body))
}

/// As either system words a reset.
fn long_ago() -> Fault {
    let refusal =
        Response::json(429, &json!({"errorCode": "E0000047", "error": {"message": "no"}}))
            .with_header("Date", "Mon, 02 Mar 2026 09:00:00 GMT")
            .with_header("X-Rate-Limit-Limit", "600")
            .with_header("X-Rate-Limit-Remaining", "0")
            .with_header("X-Rate-Limit-Reset", "1000000000")
            .with_header("X-RateLimit-Reset", "1000000000")
            .with_header("Retry-After", "-60");
    Fault::Custom(refusal)
}

/// What a fault makes of the rows of an answer. What is no list is left as it is.
fn rows(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Fault {
    body(move |body| {
        let list = match body {
            Value::Object(body) => body.get_mut("result").and_then(Value::as_array_mut),
            other => other.as_array_mut(),
        };
        list.into_iter().for_each(&change);
    })
}

fn body(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Fault {
    Fault::altered(move |mut answer| {
        if let Ok(mut body) = serde_json::from_slice(&answer.body) {
            change(&mut body);
            answer.body = body.to_string().into_bytes();
        }
        answer
    })
}

fn half(list: &mut Vec<Value>) {
    list.truncate(list.len() / 2);
}

/// As ServiceNow answers with 200 when a quota is reached in the middle of a list, and as a gateway
/// might do it to Okta.
fn half_and_an_error() -> Fault {
    body(|body| match body {
        Value::Array(list) => {
            half(list);
            list.push(json!({"errorCode": "E0000009", "errorSummary": "Internal Server Error"}));
        }
        other => {
            if let Some(list) = other["result"].as_array_mut() {
                half(list);
                other["error"] =
                    json!({"message": "Transaction cancelled", "detail": "maximum time"});
                other["status"] = json!("failure");
            }
        }
    })
}

/// The calls of one undisturbed cycle: each write, and of reads the first of its shape before,
/// between and after the writes to Okta.
fn calls(kind: Kind) -> Vec<Call> {
    let mut day = kind.day();
    day.faults(true).listen();
    day.faults(false).listen();
    let report = day.sync(&kind.scope()).expect("an undisturbed cycle");
    assert!(!report.needs_attention(), "{report:?}");
    assert_eq!(day.withdrawn(), Vec::<String>::new());
    assert_eq!(day.wrong(), Vec::<String>::new());

    let mut calls = Vec::new();
    let heard =
        [(System::ServiceNow, day.faults(false).heard()), (System::Okta, day.faults(true).heard())];
    for (system, heard) in heard {
        let last_write = heard.iter().rposition(|(method, _)| method != "GET");
        let (mut written, mut seen) = (0, BTreeSet::new());
        let bare = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        for (place, (method, path)) in heard.iter().cloned().enumerate() {
            let mut later = heard.iter().skip(place + 1);
            let comes_again =
                later.any(|(verb, other)| *verb == method && bare(other) == bare(&path));
            let call = Call { system, place: place as u64, method, path, comes_again };
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
        for fault in TROUBLES.iter().filter(|it| it.can_meet(&call)) {
            for always in [false, true] {
                // Always is always, wherever it begins.
                if first || !always {
                    cases.push(Case { kind, call: call.clone(), fault, always });
                }
            }
        }
    }
    cases
}

/// A few of them: each shape of call meets a fault or two, the next ones after those of the shape
/// before it, so that no fault is left out.
fn some(kind: Kind) -> Vec<Case> {
    let mut some: Vec<Case> = Vec::new();
    let mut seen = BTreeSet::new();
    // Faults that are waited for are left to the whole matrix.
    let quick = TROUBLES.iter().filter(|it| it.name != SILENCE);
    let mut turn = quick.cycle().skip(TROUBLES.len() / 2 * kind as usize);
    let mut passed_over: Vec<&'static Trouble> = Vec::new();
    for call in calls(kind) {
        if !seen.insert((call.system, call.shape())) {
            continue;
        }
        for _ in 0..if call.reads() { 1 } else { 2 } {
            let waiting = passed_over.iter().position(|it| it.can_meet(&call));
            let fault = match waiting {
                Some(place) => passed_over.remove(place),
                None => loop {
                    let fault = turn.next().expect("there is no end of them");
                    if fault.can_meet(&call) {
                        break fault;
                    }
                    passed_over.push(fault);
                },
            };
            some.push(Case { kind, call: call.clone(), fault, always: false });
        }
    }
    some
}

/// Everything that is wrong with how one case went.
fn run(case: &Case) -> Vec<String> {
    let mut day = case.kind.day();
    let Case { call, fault, .. } = case;
    day.refused = fault.is_final;
    day.feigned = fault.feigns();
    day.waits = fault.name == UNTIL_2100;
    let faults = day.faults(call.system == System::Okta);
    let (path, strikes) = (call.bare_path(), (fault.make)());
    match fault.fits {
        // The first page is as it is, and comes instead of the next one, too.
        Fits::TwoPages if !case.always => drop(faults.on(&call.method, path, strikes).times(2)),
        _ if case.always => drop(faults.on(&call.method, path, strikes).always()),
        _ => drop(faults.on("*", "", strikes).after(call.place)),
    }
    let before = faults.hits();
    let mut problems = day.survive(&case.kind.scope());
    if day.faults(call.system == System::Okta).hits() == before {
        problems.push("the fault met no call".to_owned());
    }
    let mut differences = differences(case.kind.right_end(), &picture(&day.bed));
    if let Some(person) = day.who_came_back() {
        differences.retain(|it| !(is_a_mail_to_who_came_back(it) && it.contains(&person.email)));
    }
    problems.extend(differences);
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

#[test]
fn no_endpoint_and_no_fault_is_left_out() {
    let kinds = [Kind::Full, Kind::Changes, Kind::Busy];
    let called: BTreeSet<(System, String)> =
        kinds.into_iter().flat_map(calls).map(|call| (call.system, call.endpoint())).collect();
    let expected: BTreeSet<(System, String)> =
        ENDPOINTS.iter().map(|(system, endpoint)| (*system, (*endpoint).to_owned())).collect();
    assert_eq!(called, expected);

    // Neither by what is tried in every run.
    let tried = [some(Kind::Full), some(Kind::Busy)].concat();
    let reached: BTreeSet<(System, String)> =
        tried.iter().map(|case| (case.call.system, case.call.endpoint())).collect();
    assert_eq!(reached, expected);
    let met: BTreeSet<&str> = tried.iter().map(|case| case.fault.name).collect();
    let left_out: Vec<&str> =
        TROUBLES.iter().map(|it| it.name).filter(|name| !met.contains(name)).collect();
    assert_eq!(left_out, [SILENCE], "it is waited for, and left to the whole matrix");
}
