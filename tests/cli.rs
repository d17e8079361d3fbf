//! The program as its users run it: arguments, exit statuses, what it prints, what it never prints.
#![cfg(feature = "sim")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::company::{Company, Person};
use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::servicenow::Ordered;
use goldthread::sim::stage::{OKTA_TOKEN, Stage};
use serde_json::Value;

/// Both simulated systems, and a folder with a configuration for them.
struct Desk {
    stage: Stage,
    folder: tempfile::TempDir,
}

impl Desk {
    fn set() -> Self {
        Self::of(60)
    }

    fn of(people: usize) -> Self {
        let stage = Stage::open(people, 7, Clock::new(), None).unwrap();
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = tempfile::tempdir().unwrap();
        let config = stage.config(folder.path()).unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        Self { stage, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn rewrite(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path()).unwrap();
        assert!(text.contains(from), "the configuration has no {from:?}");
        std::fs::write(self.path(), text.replacen(from, to, 1)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = program(Some(&self.path()), arguments);
        for secret in [OKTA_TOKEN, &self.stage.servicenow.credentials().password] {
            assert!(!text(&output.stdout).contains(secret), "a secret on standard output");
            assert!(!text(&output.stderr).contains(secret), "a secret on standard error");
        }
        output
    }

    fn newcomer(&self) -> Person {
        self.stage.company.people().iter().rev().find(|p| p.newcomer).unwrap().clone()
    }

    fn join(&self) -> (Person, Ordered) {
        let person = self.newcomer();
        let groups = self.stage.company.group_id("app-jira");
        let variables = [
            ("employee", person.sys_id.as_str()),
            ("start_date", "2020-01-01"),
            ("groups", &groups),
            ("action", "Add"),
        ];
        let order =
            self.stage.servicenow.order("Okta onboarding", &person.sys_id, &variables).unwrap();
        assert!(self.stage.servicenow.approve(&order.number));
        (person, order)
    }

    /// Somebody leaves, and nobody may be disabled without a yes.
    fn held_leave(&self) -> (Person, Ordered) {
        self.rewrite("[guard]\n", "[guard]\nmax_disabled = 0\n");
        assert_eq!(code(&self.run(&["sync"])), 0);
        let person = self.stage.company.people().iter().skip(1).find(|p| !p.newcomer).unwrap();
        let variables = [("employee", person.sys_id.as_str()), ("last_day", "2020-01-01")];
        let servicenow = &self.stage.servicenow;
        let order = servicenow.order("Okta offboarding", &person.sys_id, &variables).unwrap();
        assert!(servicenow.approve(&order.number));
        (person.clone(), order)
    }

    fn holds(&self) -> Vec<Value> {
        let output = self.run(&["hold", "list", "--format", "json"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let report = json(&output);
        assert_eq!(keys(&report), BTreeSet::from(["holds", "sets", "stuck"]));
        report["holds"].as_array().unwrap().clone()
    }

    fn writes(&self) -> usize {
        self.stage.okta.writes().len() + self.stage.servicenow.writes().len()
    }

    fn is_closed(&self, order: &Ordered) -> bool {
        self.stage.servicenow.request(&order.number).unwrap().state == "3"
    }
}

fn command(config: Option<&Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldthread"));
    command.env_remove("GOLDTHREAD_CONFIG").env_remove("RUST_LOG").args(arguments);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command
}

fn program(config: Option<&Path>, arguments: &[&str]) -> Output {
    command(config, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits, for a bounded time.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = Instant::now();
    while !so() {
        assert!(patience.elapsed() < Duration::from_mins(1), "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Sends `SIGTERM`.
fn stop(process: &Child) {
    let sent = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    assert!(sent.success());
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_demo_tells_its_story_and_ends_with_how_to_go_on() {
    let company = Company::new(3, 60);
    let joiner = company.people().iter().find(|person| person.newcomer).unwrap();
    let output = program(None, &["demo", "--people", "60", "--seed", "3"]);
    let told = text(&output.stdout);
    assert_eq!(code(&output), 0, "{told}\n{}", text(&output.stderr));
    for piece in [
        "RITM0010001",
        "not approved yet",
        &format!("created {}", joiner.email),
        "[goldthread:RITM0010001:done]",
        "moves",
        "by hand",
        "leaves",
        "with nothing to do writes nothing",
    ] {
        assert!(told.contains(piece), "no {piece:?} in\n{told}");
    }
    let (_, ending) = told.split_once("With your own systems").unwrap();
    for piece in ["config.toml", "observe", "plan", "sync", "run", "simulate"] {
        assert!(ending.contains(piece), "no {piece:?} in\n{ending}");
    }
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(!told.contains('\x1b'), "colour without a terminal");
}

#[test]
fn the_demo_works_where_everybody_has_an_account() {
    let everybody = |seed: &u64| !Company::new(*seed, 40).people().iter().any(|p| p.newcomer);
    let seed = (0..10_000).find(everybody).unwrap().to_string();
    let output = program(None, &["demo", "--people", "40", "--seed", &seed]);
    let told = text(&output.stdout);
    assert_eq!(code(&output), 0, "{told}\n{}", text(&output.stderr));
    assert!(told.contains("created robin.example@example.com"), "{told}");
}

#[test]
fn the_demo_leaves_no_folder_behind_also_when_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    let mut demo = command(None, &["demo", "--people", "2000"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the demo has a folder", || left() == 1);
    stop(&demo);
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_eq!(left(), 0);
}

#[test]
fn what_simulate_prints_is_a_configuration_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let printed = folder.path().join("printed.toml");
    let mut simulators = command(None, &["simulate", "--people", "40", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", folder.path())
        .stdout(std::fs::File::create(&printed).unwrap())
        .stderr(std::fs::File::create(folder.path().join("guide")).unwrap())
        .spawn()
        .unwrap();
    let guide = || std::fs::read_to_string(folder.path().join("guide")).unwrap();
    until("the guide is printed", || guide().contains("goldthread sync --full"));
    let output = program(Some(&printed), &["sync"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("nothing to do"));
    stop(&simulators);
    assert_eq!(simulators.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "its folder is gone");
}

#[test]
fn help_teaches_and_wrong_usage_is_64() {
    for (arguments, expected) in [
        (&["--help"][..], 0),
        (&["sync", "--help"], 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&[], 64),
        (&["snyc"], 64),
        (&["sync", "--full", "--person", "jane"], 64),
        (&["simulate", "--listen", "0.0.0.0:0"], 64),
        (&["simulate", "--latency", "slow"], 64),
        (&["explain"], 64),
        (&["check", "--help"], 0),
        (&["hold", "release", "--help"], 0),
        (&["hold"], 64),
        (&["hold", "release", "1"], 64),
        (&["hold", "release", "1", "--because", " \n"], 64),
        (&["hold", "release", "--because", "agreed"], 64),
        (&["hold", "release", "1", "--all", "--because", "agreed"], 64),
        (&["hold", "release", "--set", "x", "--all", "--because", "agreed"], 64),
        (&["hold", "release", "one", "--because", "agreed"], 64),
        (&["hold", "dismiss", "--because", "agreed"], 64),
        (&["hold", "dismiss", "--all", "--because", "agreed"], 64),
    ] {
        let output = program(None, arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(output.stdout.is_empty(), expected != 0, "{arguments:?}");
    }
    let help = text(&program(None, &["--help"]).stdout);
    assert!(help.contains("goldthread demo") && help.contains("EXIT STATUS"), "{help}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_one_message_and_78() {
    let output = program(Some(Path::new("/nowhere/config.toml")), &["sync"]);
    assert_eq!(code(&output), 78);
    assert!(text(&output.stderr).contains("/nowhere/config.toml"));

    let desk = Desk::set();
    desk.rewrite("[okta]", "[oktta]");
    let written = std::fs::read_to_string(desk.path()).unwrap();
    let line = 1 + written.lines().position(|line| line == "[oktta]").unwrap();
    let output = desk.run(&["sync"]);
    assert_eq!(code(&output), 78);
    let message = text(&output.stderr);
    assert!(
        message.contains(&format!("config.toml:{line}:"))
            && message.contains("did you mean `okta`"),
        "{message}"
    );
    assert_eq!(desk.writes(), 0);
}

/// What is spoilt on a desk before somebody syncs at it.
type Spoil<'a> = &'a (dyn Fn(&Desk) + Sync);

fn fails_clearly(name: &str, spoil: Spoil, expected: &str) {
    let desk = Desk::set();
    desk.join();
    desk.stage.servicenow.clear_calls();
    spoil(&desk);
    let output = desk.run(&["sync"]);
    let message = text(&output.stderr);
    assert_eq!(code(&output), 1, "{name}: {message}");
    assert!(message.contains(expected), "{name}: {message}");
    assert_eq!(message.lines().count(), 1, "{name}: {message}");
    assert!(output.stdout.is_empty(), "{name}");
    assert_eq!(desk.writes(), 0, "{name}");
}

#[test]
fn whatever_is_wrong_with_a_side_is_one_clear_message_and_nothing_is_written() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let page = || Fault::Custom(Response::html(200, "<html>Sign in</html>"));
    let cases: [(&str, Spoil, &str); 6] = [
        (
            "wrong ServiceNow password",
            &|desk| {
                std::fs::write(desk.folder.path().join("servicenow-password"), "wrong").unwrap();
            },
            "ServiceNow refused the sign-in",
        ),
        (
            "wrong Okta token",
            &|desk| std::fs::write(desk.folder.path().join("okta-token"), "wrong").unwrap(),
            "Okta refuses the sign-in",
        ),
        (
            "ServiceNow unreachable",
            &|desk| desk.rewrite(desk.stage.servicenow_url(), &closed),
            "ServiceNow cannot be reached",
        ),
        (
            "Okta unreachable",
            &|desk| desk.rewrite(desk.stage.okta_url(), &closed),
            "Okta cannot be reached",
        ),
        (
            "not ServiceNow at all",
            &|desk| {
                desk.stage.servicenow_faults.on("*", "/api", page()).always();
            },
            "page",
        ),
        (
            "not Okta at all",
            &|desk| {
                desk.stage.okta.faults().on("*", "/api", page()).always();
            },
            "a login page",
        ),
    ];
    // Each waits for a while before it gives up, so they wait together.
    std::thread::scope(|scope| {
        for (name, spoil, expected) in cases {
            scope.spawn(move || fails_clearly(name, spoil, expected));
        }
    });
}

#[test]
fn a_plan_and_a_drift_report_leave_no_trace() {
    let desk = Desk::set();
    let (person, order) = desk.join();
    desk.stage.servicenow.clear_calls();
    for arguments in [&["plan"][..], &["drift"]] {
        let output = desk.run(arguments);
        assert_eq!(code(&output), 2, "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(&order.number), "{}", text(&output.stdout));
    }
    assert_eq!(desk.writes(), 0);
    assert!(desk.stage.okta.find(&person.email).is_none());
    assert!(!desk.folder.path().join("goldthread.db").exists());
}

fn assert_keys_of_a_cycle(report: &Value) {
    assert_eq!(
        keys(report),
        BTreeSet::from(["cycle", "full", "quarantined", "actions", "summary", "calls", "seconds"])
    );
    assert_eq!(
        keys(&report["summary"]),
        BTreeSet::from(["planned", "applied", "failed", "held", "skipped"])
    );
    assert_eq!(keys(&report["calls"]), BTreeSet::from(["servicenow", "okta"]));
    for action in report["actions"].as_array().unwrap() {
        let documented = BTreeSet::from([
            "id",
            "request",
            "parent",
            "cause",
            "action",
            "person",
            "group",
            "changes",
            "outcome",
            "okta_request_id",
            "request_sys_id",
            "error",
        ]);
        assert_eq!(keys(action), documented, "{action}");
        assert_keys_of_a_person(&action["person"]);
        for change in action["changes"].as_object().unwrap().values() {
            assert_eq!(keys(change), BTreeSet::from(["from", "to"]));
        }
    }
}

fn assert_keys_of_a_person(person: &Value) {
    assert_eq!(keys(person), BTreeSet::from(["sys_id", "user_name", "login", "okta_id"]));
}

#[test]
fn sync_converges_and_json_has_exactly_the_documented_keys() {
    let desk = Desk::set();
    let (person, order) = desk.join();
    let planned = json(&desk.run(&["plan", "--format", "json"]));
    assert_eq!(planned["actions"][0]["outcome"], "planned");
    assert!(planned["actions"][0]["id"].is_null());
    assert_keys_of_a_cycle(&planned);
    let output = desk.run(&["sync", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let report = json(&output);
    assert_keys_of_a_cycle(&report);
    let action = &report["actions"][0];
    assert_eq!(action["request"], order.number);
    assert_eq!(action["changes"]["login"]["to"], person.email);
    assert!(action["error"].is_null() && action["okta_request_id"].is_string());
    assert!(desk.is_closed(&order));

    let before = desk.writes();
    let again = desk.run(&["sync"]);
    assert_eq!((code(&again), desk.writes()), (0, before), "{}", text(&again.stdout));
    assert!(text(&again.stdout).contains("nothing to do"));

    let account = desk.stage.okta.find(&person.email).unwrap();
    desk.stage.okta.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
    let output = desk.run(&["drift", "--format", "json"]);
    assert_eq!(code(&output), 2);
    let report = json(&output);
    assert_eq!(
        keys(&report),
        BTreeSet::from(["generated_at", "live", "summary", "requests", "items", "open"])
    );
    assert_eq!(
        keys(&report["summary"]),
        BTreeSet::from([
            "people",
            "in_sync",
            "drifted",
            "actions",
            "held",
            "stuck",
            "unmanaged",
            "quarantined"
        ])
    );
    let items = report["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["fact"] == "profile").unwrap();
    assert_keys_of_a_person(&item["person"]);
    assert_eq!(
        keys(item),
        BTreeSet::from([
            "person",
            "fact",
            "observed",
            "request_sys_id",
            "name",
            "desired",
            "actual",
            "request",
            "parent",
            "cause",
            "disposition",
            "action",
            "reason",
        ])
    );
    assert_eq!((&item["request"], &item["cause"]), (&order.number.clone().into(), &"drift".into()));
    assert_eq!(item["action"], "update");
}

#[test]
fn drift_from_the_last_observed_state_asks_nobody_and_goes_into_a_file() {
    let desk = Desk::set();
    let output = desk.run(&["drift", "--cached"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("goldthread sync"));
    desk.run(&["sync"]);
    let file = desk.folder.path().join("report.json");
    let output =
        desk.run(&["drift", "--cached", "--format", "json", "--output", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["live"], false);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let link = desk.folder.path().join("link");
    std::os::unix::fs::symlink(desk.path(), &link).unwrap();
    let before = std::fs::read(desk.path()).unwrap();
    let output = desk.run(&["drift", "--cached", "--output", link.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("symbolic link"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(desk.path()).unwrap(), before);
}

#[test]
fn one_person_can_be_handled_on_demand_and_a_stranger_is_named() {
    let desk = Desk::set();
    desk.run(&["sync"]);
    let (person, order) = desk.join();
    let output = desk.run(&["sync", "--person", &person.user_name]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(desk.is_closed(&order));
    let output = desk.run(&["sync", "--person", "nobody.at.all"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("nobody is called \"nobody.at.all\""));
}

#[test]
fn a_mistyped_address_does_not_claim_the_store() {
    let desk = Desk::set();
    let right = desk.stage.okta_url().to_owned();
    desk.rewrite(&right, "http://127.0.0.1:9");
    assert_eq!(code(&desk.run(&["sync"])), 1);
    desk.rewrite("http://127.0.0.1:9", &right);
    let output = desk.run(&["sync"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}

#[test]
fn a_store_of_other_systems_is_refused() {
    let desk = Desk::set();
    desk.run(&["sync"]);
    let other = Stage::open(10, 1, Clock::new(), None).unwrap();
    desk.rewrite(desk.stage.okta_url(), other.okta_url());
    let output = desk.run(&["sync"]);
    assert_eq!(code(&output), 78, "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("belongs to"));
}

#[test]
fn the_daemon_carries_out_a_request_keeps_the_store_and_stops_when_told() {
    let desk = Desk::set();
    let log = std::fs::File::create(desk.folder.path().join("log")).unwrap();
    let mut daemon = command(Some(&desk.path()), &["--log-format", "json", "run"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let (_, order) = desk.join();
    until("the request is carried out", || desk.is_closed(&order));

    let second = desk.run(&["sync"]);
    assert_eq!(code(&second), 1);
    assert!(text(&second.stderr).contains("in use by goldthread run"), "{}", text(&second.stderr));
    assert_eq!(code(&desk.run(&["drift"])), 0, "reading is possible meanwhile");

    let stopped = Instant::now();
    stop(&daemon);
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(10));

    let log = std::fs::read_to_string(desk.folder.path().join("log")).unwrap();
    let password = desk.stage.servicenow.credentials().password;
    assert!(!log.contains(OKTA_TOKEN) && !log.contains(&password), "{log}");
    let created = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["action"] == "create")
        .unwrap_or_else(|| panic!("{log}"));
    for (field, value) in
        [("request", order.number.as_str()), ("outcome", "applied"), ("cause", "request")]
    {
        assert_eq!(created[field], value, "{created}");
    }
    let sentence = created["message"].as_str().unwrap();
    assert!(sentence.starts_with(&format!("{}: created", order.number)), "{sentence}");
}

#[test]
fn where_nothing_waits_that_is_said_and_no_store_is_made() {
    let desk = Desk::set();
    let output = desk.run(&["hold", "list"]);
    assert_eq!((code(&output), text(&output.stdout).as_str()), (0, "Nothing waits for a yes.\n"));
    assert_eq!(desk.holds(), Vec::<Value>::new());
    let output = desk.run(&["hold", "release", "7", "8", "--because", "it was agreed"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("nothing waits under 7, 8"), "{}", text(&output.stderr));
    assert!(!desk.folder.path().join("goldthread.db").exists());
    assert_eq!(desk.writes(), 0);
}

#[test]
fn what_waits_is_listed_released_and_then_carried_out() {
    let desk = Desk::set();
    let (person, order) = desk.held_leave();
    let output = desk.run(&["sync"]);
    assert_eq!(code(&output), 2);
    assert!(text(&output.stdout).contains("goldthread hold list"), "{}", text(&output.stdout));

    // No credential is looked at, and neither system is called.
    let token = desk.folder.path().join("okta-token");
    std::fs::remove_file(&token).unwrap();
    let holds = desk.holds();
    assert_eq!(holds.len(), 3);
    for hold in &holds {
        assert_keys_of_a_person(&hold["person"]);
        assert_eq!(
            keys(hold),
            BTreeSet::from([
                "id",
                "since",
                "expires",
                "request",
                "request_sys_id",
                "parent",
                "cause",
                "action",
                "person",
                "group",
                "changes",
                "reason",
                "set",
                "released",
                "dismissed",
            ])
        );
        assert_eq!(
            (&hold["request"], &hold["set"]),
            (&order.number.clone().into(), &"max-disabled".into())
        );
        assert!(hold["released"].is_null() && hold["expires"].is_null());
        assert_eq!(hold["person"]["login"], person.email);
    }
    assert_eq!(holds[2]["action"], "remove_member");
    assert_eq!(holds[2]["group"], person.department);
    let list = text(&desk.run(&["hold", "list"]).stdout);
    for piece in ["Set max-disabled: 3 actions", &person.email, &order.number, "3 actions wait"] {
        assert!(list.contains(piece), "no {piece:?} in\n{list}");
    }
    let config = desk.path();
    let said = format!("goldthread --config {} hold release --set max-disabled", config.display());
    assert!(list.contains(&said), "{list}");

    let id = |at: usize| holds[at]["id"].to_string();
    let output = desk.run(&["hold", "release", &id(0), "4711", "--because", "agreed"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("nothing waits under 4711: nothing was released"));
    let output = desk.run(&["hold", "release", "--set", "max-disbaled", "--because", "agreed"]);
    assert_eq!(code(&output), 1);
    assert!(desk.holds().iter().all(|hold| hold["released"].is_null()), "all or nothing");

    let release =
        ["--log-format", "json", "hold", "release", &id(1), "--because", " HR\n said so "];
    let output = command(Some(&desk.path()), &release).env("SUDO_USER", "alice").output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("1 action released"), "{printed}");
    assert!(printed.contains(&format!("hold release {} {} --because", id(0), id(2))), "{printed}");
    let event: Value = serde_json::from_slice(&output.stderr).unwrap();
    let (request, login) = (order.number.as_str(), person.email.as_str());
    for (field, value) in
        [("request", request), ("action", "deactivate"), ("outcome", "released"), ("login", login)]
    {
        assert_eq!(event[field], value, "{event}");
    }
    assert!(event["message"].as_str().unwrap().ends_with(": HR said so"), "{event}");
    assert_eq!(event["because"], "HR said so");
    assert!(event["by"].is_string() && event["okta_user"].is_string(), "{event}");
    let released = &desk.holds()[1]["released"];
    assert_eq!(keys(released), BTreeSet::from(["by", "at", "because"]));
    let root = text(&Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0";
    assert_eq!(released["by"] == "alice", root, "only behind sudo is that name believed");
    assert!(desk.holds()[1]["expires"].is_string());

    let output = desk.run(&["hold", "release", "--all", "--because", "the rest of it"]);
    assert!(text(&output.stdout).contains("2 actions released"), "{}", text(&output.stdout));
    let output = desk.run(&["hold", "release", "--all", "--because", "once more"]);
    assert_eq!((code(&output), text(&output.stdout).contains("Nothing")), (0, true));

    std::fs::write(&token, OKTA_TOKEN).unwrap();
    let output = desk.run(&["sync"]);
    assert_eq!(code(&output), 0, "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains(": HR said so"), "who said yes is part of the thread");
    assert_eq!(desk.stage.okta.find(&person.email).unwrap().status.as_str(), "DEPROVISIONED");
    assert!(desk.is_closed(&order));
    assert_eq!(desk.holds(), Vec::<Value>::new());
}

#[test]
fn what_is_dismissed_is_out_of_the_list_and_of_the_exit_status() {
    let desk = Desk::set();
    let (person, order) = desk.held_leave();
    assert_eq!(code(&desk.run(&["sync"])), 2);
    let ids: Vec<String> = desk.holds().iter().map(|hold| hold["id"].to_string()).collect();
    let mut dismiss = vec!["hold", "dismiss", "--because", "the wrong person"];
    dismiss.extend(ids.iter().map(String::as_str));
    let output = desk.run(&dismiss);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("3 actions dismissed"));
    assert_eq!(desk.holds(), Vec::<Value>::new());
    let list = text(&desk.run(&["hold", "list"]).stdout);
    assert!(!list.contains("the wrong person") && list.contains("Nothing waits"), "{list}");
    let list = text(&desk.run(&["hold", "list", "--dismissed"]).stdout);
    assert!(list.contains("the wrong person") && list.contains("Nothing waits"), "{list}");
    for arguments in [&["sync", "--full"][..], &["plan", "--full"]] {
        let output = desk.run(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", text(&output.stdout));
    }
    let drift = text(&desk.run(&["drift"]).stdout);
    assert!(drift.contains(&order.number) && drift.contains("the wrong person"), "{drift}");
    assert_eq!(desk.stage.okta.find(&person.email).unwrap().status.as_str(), "ACTIVE");
}

#[test]
fn a_yes_is_given_while_the_daemon_runs() {
    let desk = Desk::set();
    let (person, order) = desk.held_leave();
    let mut daemon = command(Some(&desk.path()), &["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the leave waits", || desk.holds().len() == 3);
    let output = desk.run(&["hold", "release", "--set", "max-disabled", "--because", "agreed"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    until("the leave is carried out", || desk.is_closed(&order));
    assert_eq!(desk.stage.okta.find(&person.email).unwrap().status.as_str(), "DEPROVISIONED");
    stop(&daemon);
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}

#[test]
fn pausing_is_said_by_who_since_when_and_why_and_twice_is_no_second_decision() {
    let desk = Desk::set();
    let output = desk.run(&["pause", "--because", "look first"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("there is no store yet"), "{}", text(&output.stderr));
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let output = desk.run(&["resume"]);
    assert_eq!((code(&output), text(&output.stdout).contains("not paused")), (0, true));
    assert_eq!(code(&desk.run(&["pause"])), 64, "nobody pauses without a reason");

    assert_eq!(code(&desk.run(&["pause", "--because", "look first"])), 0);
    let output = desk.run(&["pause", "--because", "look again"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0);
    assert!(said.contains("paused by ") && said.contains(": look first"), "{said}");
    let store = rusqlite::Connection::open(desk.folder.path().join("goldthread.db")).unwrap();
    let words =
        || -> i64 { store.query_row("SELECT count(*) FROM brake", [], |row| row.get(0)).unwrap() };
    assert_eq!(words(), 1);

    let (_, order) = desk.join();
    let before = desk.writes();
    let output = desk.run(&["sync"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 2);
    assert!(said.starts_with("PAUSED by "), "{said}");
    let output = desk.run(&["plan"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 2);
    assert!(said.starts_with("PAUSED by ") && said.contains("create"), "{said}");
    let output = desk.run(&["sync", "--format", "json"]);
    assert_keys_of_a_cycle(&json(&output));
    assert!(text(&output.stderr).contains("paused by "), "{}", text(&output.stderr));
    assert_eq!(desk.writes(), before);

    let output = desk.run(&["resume", "--because", "it was right"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0);
    assert!(said.contains(": look first") && said.contains(" sync`"), "{said}");
    assert_eq!(code(&desk.run(&["sync"])), 0);
    assert!(desk.is_closed(&order));
    assert_eq!(words(), 2);
}

#[test]
fn a_quiet_drift_report_says_nothing_where_okta_is_right_and_else_a_line_each() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let output = desk.run(&["drift", "--cached", "--quiet"]);
    assert_eq!((code(&output), output.stdout.len()), (0, 0), "{}", text(&output.stdout));
    let (_, order) = desk.held_leave();
    desk.run(&["sync"]);
    let output = desk.run(&["drift", "--cached", "--quiet"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 2);
    assert!(said.lines().all(|line| line.contains(&order.number) || line.contains("QUARANTINE")));
    assert!(said.contains(": status should be deactivated, is active: hold: "), "{said}");
    assert_eq!(code(&desk.run(&["drift", "--quiet", "--format", "json"])), 64);
}

#[test]
fn a_person_is_explained_as_text_and_as_json() {
    let desk = Desk::set();
    let (person, order) = desk.join();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let okta_id = desk.stage.okta.find(&person.email).unwrap().id;
    let writes = desk.writes();
    for name in [&person.email, &person.user_name, &person.sys_id, &okta_id] {
        let output = desk.run(&["explain", name]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let told = text(&output.stdout);
        for piece in [&person.email, &*order.number, "app-jira", "birthright of"] {
            assert!(told.contains(piece), "no {piece:?} in\n{told}");
        }
    }
    let told = json(&desk.run(&["explain", &person.email, "--format", "json"]));
    for key in ["person", "status", "account", "facts", "requests", "holds"] {
        assert!(!told[key].is_null(), "{key}");
    }
    let fact = &told["facts"][0];
    let expected = [
        "fact", "name", "desired", "actual", "in_sync", "origin", "cause", "since", "reasons",
        "against",
    ];
    assert_eq!(keys(fact), BTreeSet::from(expected));
    let reason = &fact["reasons"][0];
    assert_eq!(keys(reason), BTreeSet::from(["kind", "request", "rule", "until", "text"]));
    let request = keys(&told["requests"][0]);
    for key in ["number", "parent", "operation", "state", "approval", "in_force", "starts", "ends"]
    {
        assert!(request.contains(key), "{key}");
    }
    let output = desk.run(&["explain", "nobody-at-all"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("nobody is called"), "{}", text(&output.stderr));
    assert_eq!(desk.writes(), writes, "to explain writes nothing");
}

#[test]
fn a_report_about_one_person_or_one_group_holds_nothing_else() {
    let desk = Desk::set();
    let (person, _) = desk.join();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let okta = &desk.stage.okta;
    let id = okta.find(&person.email).unwrap().id;
    let other = desk.stage.company.people().iter().skip(1).find(|p| !p.newcomer).unwrap();
    let other_id = okta.find(&other.email).unwrap().id;
    let pat = okta.acting_as("Pat Admin");
    pat.set_profile(&id, &serde_json::json!({"department": "Elsewhere"}));
    pat.remove_member(&okta.group_id("app-jira").unwrap(), &id);
    pat.set_profile(&other_id, &serde_json::json!({"department": "Elsewhere"}));

    let items = |arguments: &[&str]| {
        let report = json(&desk.run(&[&["drift", "--format", "json"], arguments].concat()));
        let items = report["items"].as_array().unwrap().clone();
        items.into_iter().filter(|item| item["disposition"] != "unmanaged").collect::<Vec<_>>()
    };
    assert_eq!(items(&[]).len(), 3);
    assert_eq!(items(&["--person", &person.user_name]).len(), 2);
    let of_group = items(&["--group", "app-jira"]);
    assert_eq!(of_group.len(), 1);
    assert_eq!(of_group[0]["name"], "app-jira");
    assert_eq!(items(&["--person", &other.email, "--group", "app-jira"]).len(), 0);
    let output = desk.run(&["drift", "--group", "no such group"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("no such group"), "{}", text(&output.stderr));

    let plan = json(&desk.run(&["plan", "--person", &person.email, "--format", "json"]));
    let actions = plan["actions"].as_array().unwrap();
    assert!(actions.iter().all(|it| it["person"]["login"] == person.email), "{actions:#?}");
    assert_eq!(actions.len(), 2);
    let output = desk.run(&["sync", "--person", &person.email]);
    assert_eq!(code(&output), 0, "{}", text(&output.stdout));
    assert_eq!(items(&["--person", &person.user_name]).len(), 0);
    assert_eq!(items(&["--person", &other.email]).len(), 1);
}

#[test]
fn every_way_to_sign_in_carries_out_a_request() {
    use goldthread::sim::okta::{PublicKey, ServiceApp};
    let scopes = [
        "okta.users.manage",
        "okta.groups.manage",
        "okta.logs.read",
        "okta.schemas.read",
        "okta.userTypes.read",
    ];
    for (dpop, servicenow) in [(true, "oauth"), (false, "api-key")] {
        let desk = Desk::set();
        let (pem, key) = PublicKey::pair().unwrap();
        desk.stage.okta.register_app(ServiceApp {
            client_id: "0oagoldthread".to_owned(),
            name: "Goldthread".to_owned(),
            keys: vec![key],
            dpop,
            scopes: scopes.map(str::to_owned).into_iter().collect(),
            roles: vec!["SUPER_ADMIN".to_owned()],
        });
        let file = |name: &str, content: &str| {
            std::fs::write(desk.folder.path().join(name), content).unwrap();
        };
        let credentials = desk.stage.servicenow.credentials();
        file("okta-key", &pem);
        file("servicenow-secret", &credentials.client_secret);
        file("servicenow-key", &credentials.api_key);
        let text = std::fs::read_to_string(desk.path()).unwrap();
        let mut auths = text.lines().filter(|line| line.starts_with("auth = "));
        let (old_servicenow, old_okta) = (auths.next().unwrap(), auths.next().unwrap());
        let okta = format!(
            "auth = {{ kind = \"service-app\", client_id = \"0oagoldthread\", key = \"file:okta-key\", dpop = {dpop} }}"
        );
        let new_servicenow = if servicenow == "oauth" {
            format!(
                "auth = {{ kind = \"oauth\", client_id = \"{}\", client_secret = \"file:servicenow-secret\" }}",
                credentials.client_id
            )
        } else {
            "auth = { kind = \"api-key\", key = \"file:servicenow-key\" }".to_owned()
        };
        desk.rewrite(old_servicenow, &new_servicenow);
        desk.rewrite(old_okta, &okta);

        let (person, order) = desk.join();
        let output = desk.run(&["sync"]);
        let told = self::text(&output.stderr);
        assert_eq!(code(&output), 0, "{servicenow}, dpop {dpop}: {told}");
        assert!(!told.contains("PRIVATE KEY") && !told.contains(&credentials.client_secret));
        assert!(desk.stage.okta.find(&person.email).is_some());
        assert!(desk.is_closed(&order));
    }
}

#[test]
fn check_tells_what_works_and_what_to_put_right() {
    let desk = Desk::set();
    let output = desk.run(&["check"]);
    let told = text(&output.stdout);
    assert_eq!(code(&output), 0, "{told}\n{}", text(&output.stderr));
    assert!(told.contains("ok    servicenow sign-in   as svc-goldthread"), "{told}");
    assert!(told.contains("warn  okta rights") && told.contains("-> use an app"), "{told}");
    assert!(told.trim_end().ends_with("It works; 4 warnings."), "{told}");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(!desk.folder.path().join("goldthread.db").exists(), "check made a store");

    desk.rewrite("item = \"Okta offboarding\"", "item = \"Okta ofboarding\"");
    let output = desk.run(&["check"]);
    let told = text(&output.stdout);
    assert_eq!(code(&output), 1, "{told}");
    assert!(told.contains("FAIL  catalog items") && told.contains("Okta ofboarding"), "{told}");
    assert!(told.contains("1 check failed"), "{told}");
}

#[test]
fn check_as_json_has_every_check_with_what_to_do() {
    let desk = Desk::set();
    desk.stage.okta.rename_group(&desk.stage.okta.group_id("Sales").unwrap(), "Selling");
    let output = desk.run(&["check", "--format", "json"]);
    assert_eq!(code(&output), 1);
    let report = json(&output);
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().unwrap();
    for check in checks {
        let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 4, "{check}");
        assert!(check["name"].is_string() && check["detail"].is_string(), "{check}");
        assert_eq!(check["fix"].is_string(), check["ok"] != true, "{check}");
    }
    let with = |ok: Value| checks.iter().filter(|check| check["ok"] == ok).count();
    assert!(with(true.into()) > 10 && with("warning".into()) > 0);
    assert_eq!(with(false.into()), 1, "{checks:#?}");

    desk.rewrite("mode = \"enforce\"", "mode = \"enforced\"");
    let output = desk.run(&["check", "--format", "json"]);
    assert_eq!(code(&output), 78);
    assert!(output.stdout.is_empty());
}

/// What acts on a terminal, in a line or on the direction of reading, and a line that is not ours.
const ODD: &str = "\u{1b}]0;x\u{7}\u{9b}2J\r\t\u{8}\u{7f}\u{85}\u{202e}\u{2066}\u{200f}\u{2028}\u{200b}\u{ad}\u{feff}\nRITM9999999: done";

/// Fails where anything of it acts, or begins a line.
fn nothing_acts(place: &str, shown: &str) {
    for c in ODD.chars().filter(|c| !c.is_ascii() || c.is_control()) {
        assert!(c == '\n' || !shown.contains(c), "{place} shows {c:?}: {shown:?}");
    }
    let forged = |line: &str| line.trim_start().starts_with("RITM9999999");
    assert!(!shown.lines().any(forged), "{place} has a line that is not ours: {shown}");
}

#[test]
fn nothing_that_anybody_wrote_acts_where_it_is_shown() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let (servicenow, okta) = (&desk.stage.servicenow, &desk.stage.okta);
    let mut employees =
        desk.stage.company.people().iter().skip(1).filter(|person| !person.newcomer).cloned();
    let (named, other) = (employees.next().unwrap(), employees.next().unwrap());
    let (sales, first_name) = (okta.group_id("Sales").unwrap(), format!("Zoë{ODD}"));
    servicenow.update_person(&named.sys_id, &[("first_name", &first_name)]);
    okta.rename_group(&sales, &format!("Sales{ODD}"));
    for person in [&named, &other] {
        okta.add_member(&sales, &okta.find(&person.email).unwrap().id);
        let engineering = okta.group_id("Engineering").unwrap();
        okta.add_member(&engineering, &okta.find(&person.email).unwrap().id);
    }
    let variables = [("action", "Add"), ("employee", ODD), ("groups", ODD), ("end_date", ODD)];
    let order = servicenow.order("Okta group access", &other.sys_id, &variables).unwrap();
    assert!(servicenow.approve(&order.number));

    let mut seen = String::new();
    let mut look = |arguments: &[&str]| {
        for log in ["text", "json"] {
            let output = desk.run(&[arguments, &["--log-format", log]].concat());
            let (printed, logged) = (text(&output.stdout), text(&output.stderr));
            assert!(code(&output) < 3, "{arguments:?}: {logged}");
            nothing_acts(&format!("{arguments:?}"), &printed);
            nothing_acts(&format!("the log of {arguments:?} as {log}"), &logged);
            seen.extend([printed, logged]);
        }
    };
    for format in ["text", "json"] {
        look(&["plan", "--full", "--format", format]);
        look(&["explain", &named.user_name, "--format", format]);
        look(&["explain", &other.user_name, "--format", format]);
    }
    look(&["drift"]);
    look(&["drift", "--format", "json"]);
    // What is wanted is what was said, not how it is shown.
    let drift = json(&desk.run(&["drift", "--format", "json"]));
    let wanted = |item: &Value| item["desired"] == first_name.as_str();
    assert!(drift["items"].as_array().unwrap().iter().any(wanted), "{drift}");
    look(&["sync", "--full"]);
    look(&["sync", "--full", "--format", "json"]);
    look(&["hold", "list"]);
    look(&["hold", "list", "--format", "json"]);
    look(&["status"]);
    let notes = servicenow.notes(&order.number);
    assert!(!notes.is_empty());
    for note in &notes {
        nothing_acts("a note", note);
    }
    for part in ["Zoë\\u{1b}]0;x\\u{7}", "Sales\\u{1b}]0;x", "\\u202e"] {
        assert!(seen.contains(part), "{part} was never shown");
    }
}

#[test]
fn the_lists_behind_the_numbers_need_the_store_alone() {
    let desk = Desk::set();
    for arguments in [["requests", "--stuck"], ["people", "--ambiguous"]] {
        let output = desk.run(&arguments);
        assert_eq!(code(&output), 0);
        assert!(text(&output.stdout).starts_with("Nothing has been observed yet"));
    }
    assert!(!desk.folder.path().join("goldthread.db").exists());

    let (_, order) = desk.join();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    std::fs::remove_file(desk.folder.path().join("okta-token")).unwrap();
    let list = |arguments: &[&str]| {
        let output = desk.run(arguments);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        output
    };
    let requests = json(&list(&["requests", "--format", "json"]));
    assert_eq!(keys(&requests), BTreeSet::from(["requests"]));
    let [request] = requests["requests"].as_array().unwrap().as_slice() else { panic!("one") };
    let expected = [
        "number",
        "request_sys_id",
        "parent",
        "operation",
        "person",
        "since",
        "reason",
        "needs",
        "state",
        "approval",
        "starts",
        "ends",
        "done",
    ];
    assert_eq!(keys(request), BTreeSet::from(expected));
    assert_eq!((&request["number"], &request["done"]), (&order.number.into(), &"done".into()));
    assert_keys_of_a_person(&request["person"]);
    for (arguments, said) in [
        (["requests", "--stuck"], "No request is stuck: "),
        (["requests", "--pending"], "Every request that is in force is done."),
        (["people", "--ambiguous"], "Of everybody it can be told which account is theirs."),
    ] {
        assert!(text(&list(&arguments).stdout).starts_with(said), "{arguments:?}");
    }

    let people = json(&list(&["people", "--format", "json"]));
    assert_eq!(keys(&people), BTreeSet::from(["people"]));
    let people = people["people"].as_array().unwrap();
    assert!(people.len() >= 60, "{}", people.len());
    let expected = ["person", "presence", "active", "status", "kind", "reason"];
    assert_eq!(keys(&people[0]), BTreeSet::from(expected));
    assert_keys_of_a_person(&people[0]["person"]);
    let page = text(&list(&["people"]).stdout);
    assert!(page.lines().count() <= 40, "{page}");
    assert!(page.contains("30 of them shown: --limit N shows more"), "{page}");
    assert_eq!(code(&desk.run(&["people", "--ambiguous", "--unmanaged"])), 64);
}

/// How often it warned.
fn warnings(output: &Output) -> usize {
    let log = text(&output.stderr);
    log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count()
}

/// What everybody's actions that wait come to: one page, one warning, one thing to decide about.
fn is_one_set_on_every_page(desk: &Desk, set: &str, action: &str) {
    let waits = format!("goldthread --config {} hold list {set}", desk.path().display());
    let see = format!("held as the set {set}: ");
    for (arguments, status, said) in [
        (&["sync"][..], 2, format!("held as the set {set}")),
        (&["sync", "--full"], 2, format!("held as the set {set}")),
        (&["plan"], 2, format!("held as the set {set}")),
        (&["hold", "list"], 0, waits.clone()),
        (&["status"], 2, format!("hold list {set}")),
        (&["status", "--quiet"], 2, format!("hold list {set}")),
        (&["drift", "--cached", "--quiet"], 2, see.clone()),
        (&["drift", "--cached"], 2, format!("see `{waits}`")),
        (&["drift"], 2, see),
        (&["hold", "show", "1"], 0, format!("It is one of the set {set}")),
        (&["people"], 0, "30 of them shown".to_owned()),
        (&["requests"], 0, "No request".to_owned()),
    ] {
        let output = desk.run(arguments);
        let page = text(&output.stdout);
        assert_eq!(code(&output), status, "{arguments:?}: {}", text(&output.stderr));
        assert!(page.lines().count() <= 40, "{arguments:?}:\n{page}");
        assert!(page.contains(&said), "{arguments:?}: no {said:?} in\n{page}");
        // Only when it begins.
        let expected = usize::from(arguments == ["sync"]);
        assert_eq!(warnings(&output), expected, "{arguments:?}:\n{}", text(&output.stderr));
    }
    let list = json(&desk.run(&["hold", "list", "--format", "json"]));
    let sets = list["sets"].as_array().unwrap();
    let number = list["holds"].as_array().unwrap().len();
    assert_eq!((sets.len(), &sets[0]["id"]), (1, &set.into()));
    assert_eq!((&sets[0]["count"], &sets[0]["action"]), (&number.into(), &action.into()));
    assert!(number > 50, "{number}");
}

#[test]
fn a_changed_mapping_of_everybody_is_one_set_on_every_page() {
    let desk = Desk::of(300);
    assert_eq!(code(&desk.run(&["sync"])), 0);
    desk.rewrite("\"user.department.name\"", "\"'Unit ' + user.department.name\"");
    is_one_set_on_every_page(&desk, "unattributed-update-department", "update");
}

#[test]
fn a_crossed_limit_is_one_set_on_every_page() {
    let desk = Desk::set();
    desk.rewrite(
        "[guard]\n",
        "[attribution]\nunattributed = \"apply\"\n\n[guard]\nmax_changed = 5\n",
    );
    assert_eq!(code(&desk.run(&["sync"])), 0);
    desk.rewrite("\"user.department.name\"", "\"'Unit ' + user.department.name\"");
    is_one_set_on_every_page(&desk, "max-changed", "update");
}

#[test]
fn what_is_blocked_for_one_cause_is_one_set_on_every_page() {
    let desk = Desk::of(120);
    assert_eq!(code(&desk.run(&["sync"])), 0);
    // Okta's schema has no such attribute.
    desk.rewrite("manager = ", "costCentre = \"user.department.name\"\nmanager = ");
    let set = "no-attribute-costCentre";
    for (arguments, status) in [
        (&["sync"][..], 2),
        (&["sync", "--full"], 2),
        (&["plan"], 2),
        (&["status"], 2),
        (&["drift", "--cached"], 2),
        (&["hold", "list"], 0),
    ] {
        let output = desk.run(arguments);
        let page = text(&output.stdout);
        assert_eq!(code(&output), status, "{arguments:?}: {}", text(&output.stderr));
        assert!(page.lines().count() <= 40, "{arguments:?}:\n{page}");
        assert_eq!(page.matches("has no attribute").count(), 1, "{arguments:?}:\n{page}");
        assert!(page.contains(set), "{arguments:?}:\n{page}");
        let expected = usize::from(arguments == ["sync"]);
        assert_eq!(warnings(&output), expected, "{arguments:?}:\n{}", text(&output.stderr));
    }
    let list = json(&desk.run(&["hold", "list", "--format", "json"]));
    assert_eq!(list["holds"].as_array().unwrap().len(), 0, "no decision ends it");
    let [one] = list["sets"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&one["id"], &one["disposition"]), (&set.into(), &"blocked".into()));
    assert_eq!((&one["needs"], &one["name"]), (&"administrator".into(), &"costCentre".into()));
    let number = one["count"].as_u64().unwrap();
    assert!(number > 90, "{number}");
    let whole = json(&desk.run(&["hold", "list", set, "--format", "json"]));
    assert_eq!(whole["holds"].as_array().unwrap().len() as u64, number);
    let page = text(&desk.run(&["hold", "list", set]).stdout);
    assert!(!page.contains("hold release") && page.lines().count() > 90, "{page}");
    let output = desk.run(&["hold", "release", "--set", set, "--because", "go"]);
    assert_eq!(code(&output), 1, "{}", text(&output.stdout));
}

#[test]
fn whoever_joins_a_set_later_wakes_nobody_again() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let okta = &desk.stage.okta;
    let group = okta.group_id("Sales").unwrap();
    let strangers: Vec<String> = okta
        .accounts()
        .into_iter()
        .filter(|it| it.groups == ["Engineering"])
        .map(|it| it.id)
        .collect();
    let pat = okta.acting_as("Pat Admin");
    let put = |many: &[String]| many.iter().for_each(|id| pat.add_member(&group, id));
    put(&strangers[..4]);
    let output = desk.run(&["sync"]);
    let set = format!("unattributed-remove-member-{group}");
    let log = text(&output.stderr);
    assert!(log.contains(&format!("4 actions are held as the set {set}")), "{log}");
    assert_eq!(warnings(&output), 1, "{log}");

    put(&strangers[4..6]);
    let output = desk.run(&["sync"]);
    let log = text(&output.stderr);
    assert_eq!(warnings(&output), 0, "{log}");
    assert_eq!(log.matches(&format!("the set {set} grew from 4 to 6")).count(), 1, "{log}");

    strangers[..3].iter().for_each(|id| pat.remove_member(&group, id));
    let log = text(&desk.run(&["sync"]).stderr);
    assert!(log.contains(&format!("the set {set} shrank from 6 to 3")), "{log}");
    strangers[3..6].iter().for_each(|id| pat.remove_member(&group, id));
    let log = text(&desk.run(&["sync"]).stderr);
    assert!(log.contains(&format!("the set {set} is over")), "{log}");
}

#[test]
fn what_only_reads_the_store_needs_no_more_of_the_file_than_where_it_is() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    for (from, to) in
        [("poll = \"1s\"", "poll = \"soon\""), ("email = \"user.email\"", "email = \"user.(\"")]
    {
        desk.rewrite(from, to);
        for arguments in [
            &["drift", "--cached"][..],
            &["drift", "--cached", "--quiet"],
            &["status"],
            &["requests"],
            &["people"],
            &["hold", "list"],
            &["backup", desk.folder.path().join(format!("copy-{}", to.len())).to_str().unwrap()],
        ] {
            let output = desk.run(arguments);
            let expected = if arguments[0] == "status" { 2 } else { 0 };
            assert_eq!(code(&output), expected, "{arguments:?}: {}", text(&output.stderr));
            assert!(text(&output.stderr).contains("this command goes on"), "{arguments:?}");
        }
        assert_eq!(code(&desk.run(&["drift"])), 78);
        desk.rewrite(to, from);
    }
}

#[test]
fn with_a_mistake_in_the_configuration_it_is_explained_what_was_decided_last() {
    let desk = Desk::set();
    let (from, to) = ("email = \"user.email\"", "email = \"user.(\"");
    desk.rewrite(from, to);
    assert_eq!(code(&desk.run(&["explain", "RITM0010001"])), 78, "nothing is known of anybody yet");
    desk.rewrite(to, from);
    let (person, order) = desk.join();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let (leaver, leave) = desk.held_leave();
    assert_eq!(code(&desk.run(&["sync"])), 2);
    let live = json(&desk.run(&["explain", &person.email, "--format", "json"]));
    desk.rewrite(from, to);
    for (about, pieces) in [
        (&person.email, ["department: Sales", "membership app-jira: member", &*order.number]),
        (&order.number, ["asks for     join: ", "it is        done since ", "approved by "]),
        (&leaver.email, ["status: deactivated, is active", "- held: ", &*leave.number]),
        (&leave.number, ["asks for     leave: ", "it is        pending since ", "- held: "]),
    ] {
        let output = desk.run(&["explain", about]);
        let (told, warned) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(code(&output), 0, "{about}: {warned}");
        assert!(warned.contains("config.toml:") && warned.contains("decided and observed last"));
        let pieces = pieces.iter().map(|piece| piece.replace("Sales", &person.department));
        for piece in pieces {
            assert!(told.contains(&piece), "no {piece:?} in\n{told}");
        }
        assert!(told.contains("in sync (as last observed)"), "{told}");
    }
    let told = json(&desk.run(&["explain", &person.email, "--format", "json"]));
    assert_eq!(keys(&told), keys(&live));
    for key in ["person", "status", "account", "requests"] {
        assert_eq!(told[key], live[key], "{key}");
    }
    let fact = |of: &Value, name: &str| {
        let facts = of["facts"].as_array().unwrap();
        let fact = facts.iter().find(|it| it["name"] == name).unwrap();
        ["desired", "actual", "in_sync", "origin", "since"].map(|key| fact[key].clone())
    };
    for name in ["department", "app-jira"] {
        assert_eq!(fact(&told, name), fact(&live, name), "{name}");
    }
    let output = desk.run(&["explain", "nobody.here"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("nobody is called"), "{}", text(&output.stderr));
}

#[test]
fn a_request_is_explained_with_its_people_and_who_approved_it() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let (person, order) = desk.join();
    // Nobody has read it before.
    let told = text(&desk.run(&["explain", &order.number]).stdout);
    assert!(told.contains("it is        pending since"), "{told}");
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let writes = desk.writes();
    let output = desk.run(&["explain", &order.number]);
    let told = text(&output.stdout);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for piece in [
        &*order.number,
        ": Okta onboarding",
        &format!("asks for     join: {}", person.email),
        "groups       app-jira",
        "approval     approved by ",
        "it is        done since ",
        "birthright of",
    ] {
        assert!(told.contains(piece), "no {piece:?} in\n{told}");
    }
    let told = json(&desk.run(&["explain", &order.number, "--format", "json"]));
    assert_eq!(keys(&told), BTreeSet::from(["request", "people"]));
    let (request, people) = (&told["request"], told["people"].as_array().unwrap());
    assert_eq!((&request["number"], &request["done"]), (&order.number.into(), &"done".into()));
    assert!(!request["approvers"].as_array().unwrap().is_empty(), "{request}");
    assert_eq!((people.len(), &people[0]["person"]["login"]), (1, &person.email.into()));

    let output = desk.run(&["explain", "RITM9999999"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("no request RITM9999999"), "{}", text(&output.stderr));
    assert_eq!(desk.writes(), writes, "to explain writes nothing");
}

#[test]
fn a_request_that_is_stuck_is_explained_with_who_is_needed() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let person = desk.stage.company.people().iter().skip(1).find(|p| !p.newcomer).unwrap();
    let variables = [("employee", person.sys_id.as_str()), ("last_day", "30.11.2026")];
    let servicenow = &desk.stage.servicenow;
    let order = servicenow.order("Okta offboarding", &person.sys_id, &variables).unwrap();
    assert!(servicenow.approve(&order.number));
    assert_eq!(code(&desk.run(&["sync"])), 2);
    let told = text(&desk.run(&["explain", &order.number]).stdout);
    for piece in
        ["asks for     leave: ", "it is        stuck since ", "30.11.2026", "(needs: requester)"]
    {
        assert!(told.contains(piece), "no {piece:?} in\n{told}");
    }
    let told = text(&desk.run(&["requests", "--stuck"]).stdout);
    assert!(told.contains(&order.number) && told.contains("30.11.2026"), "{told}");
}

#[test]
fn where_a_name_fits_several_people_all_are_explained() {
    let desk = Desk::set();
    assert_eq!(code(&desk.run(&["sync"])), 0);
    let mut people = desk.stage.company.people().iter().skip(1).filter(|it| !it.newcomer);
    let (one, other) = (people.next().unwrap(), people.next().unwrap());
    desk.stage.servicenow.update_person(&other.sys_id, &[("email", &one.email)]);
    desk.run(&["sync"]);
    let told = json(&desk.run(&["explain", &one.email, "--format", "json"]));
    assert_eq!(keys(&told), BTreeSet::from(["people"]));
    let told = told["people"].as_array().unwrap();
    let ids: BTreeSet<&str> =
        told.iter().filter_map(|it| it["person"]["sys_id"].as_str()).collect();
    assert_eq!(ids, BTreeSet::from([&*one.sys_id, &*other.sys_id]));
    let told = text(&desk.run(&["explain", &one.email]).stdout);
    assert!(told.starts_with("2 people fit\n"), "{told}");
}
