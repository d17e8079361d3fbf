//! The daemon as the service manager runs it: a process with signals, a log, and a line back.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use goldthread::sim::clock::Clock;
use goldthread::sim::company::Person;
use goldthread::sim::servicenow::Ordered;
use goldthread::sim::stage::Stage;
use serde_json::Value;

/// Longer than any wait for something that must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Both simulated systems, and a folder with a configuration for them.
pub struct Desk {
    pub stage: Stage,
    pub folder: tempfile::TempDir,
}

impl Desk {
    /// A company that is looked at every second.
    pub fn set() -> Self {
        Self::polling("1s")
    }

    /// A company that is looked at this often.
    pub fn polling(poll: &str) -> Self {
        let stage = Stage::open(40, 7, Clock::new(), None).unwrap();
        stage.servicenow.set(|switches| {
            switches.approval_delay = Duration::ZERO;
            switches.order_delay = Duration::ZERO;
        });
        let folder = tempfile::tempdir().unwrap();
        let config = stage.config(folder.path()).unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let desk = Self { stage, folder };
        desk.rewrite_key("poll", &format!("{poll:?}"));
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes a text in the configuration.
    pub fn rewrite(&self, from: &str, to: &str) {
        let path = self.path("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "the configuration has no {from:?}: {text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Sets one key that stands in a line of its own.
    pub fn rewrite_key(&self, key: &str, value: &str) {
        let path = self.path("config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let begins = format!("{key} = ");
        assert!(text.lines().any(|line| line.starts_with(&begins)), "no {key} in {text}");
        let changed = |line: &str| {
            if line.starts_with(&begins) { format!("{begins}{value}") } else { line.to_owned() }
        };
        let lines: Vec<String> = text.lines().map(changed).collect();
        std::fs::write(path, lines.join("\n")).unwrap();
    }

    /// A newcomer's account is ordered and approved.
    pub fn join(&self, nth: usize) -> (Person, Ordered) {
        let people = self.stage.company.people();
        let person = people.iter().filter(|person| person.newcomer).nth(nth).unwrap().clone();
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

    pub fn is_closed(&self, order: &Ordered) -> bool {
        self.stage.servicenow.request(&order.number).unwrap().state == "3"
    }

    /// Starts the daemon.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// Starts the daemon with more in its environment.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Daemon {
        let socket = self.path("notify");
        let _ = std::fs::remove_file(&socket);
        let line = UnixDatagram::bind(&socket).unwrap();
        line.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let log = self.path("log");
        let process = program(&self.path("config.toml"), &["--log-format", "json", "run"])
            .env("NOTIFY_SOCKET", &socket)
            .env("RUST_LOG", "goldthread=debug")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Daemon { process, line, told: Vec::new(), log }
    }

    /// Runs another command beside the daemon.
    pub fn run(&self, arguments: &[&str]) -> Output {
        program(&self.path("config.toml"), arguments).output().unwrap()
    }
}

fn program(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldthread"));
    command.env_remove("RUST_LOG").arg("--config").arg(config).args(arguments);
    command
}

/// A running daemon; killed where a test ends early.
pub struct Daemon {
    process: Child,
    line: UnixDatagram,
    /// What it told the service manager so far.
    told: Vec<String>,
    log: PathBuf,
}

impl Daemon {
    /// What it told the service manager so far.
    pub fn told(&mut self) -> &[String] {
        let mut message = [0; 4096];
        while let Ok(length) = self.line.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            self.told.extend(text.lines().map(str::to_owned));
        }
        &self.told
    }

    /// Waits until it has told the service manager something.
    pub fn until_told(&mut self, what: &str) {
        until(what, || self.told().iter().any(|told| told.starts_with(what)));
    }

    /// Forgets what was told so far.
    pub fn forget(&mut self) {
        self.told();
        self.told.clear();
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Each line of the log.
    pub fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        // The last line may not be whole yet.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The messages of one level.
    pub fn said(&self, level: &str) -> Vec<String> {
        let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
        self.log().iter().filter(|event| event["level"] == level).map(message).collect()
    }

    /// Waits until something is said at a level.
    pub fn until_said(&self, level: &str, what: &str) {
        until(&format!("{level} {what}"), || self.said(level).iter().any(|m| m.contains(what)));
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Tells it to stop, and gives its status and how long that took.
    pub fn stop(mut self) -> (ExitStatus, Duration, Vec<Value>) {
        let asked = Instant::now();
        self.signal("TERM");
        let status = self.process.wait().unwrap();
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(10), "it took {took:?} to stop");
        assert!(self.told().iter().any(|told| told == "STOPPING=1"), "{:?}", self.told);
        (status, took, self.log())
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        until("it ends", || !self.is_running());
        self.process.wait().unwrap()
    }

    /// Ends it in the hardest way.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                std::fs::read_to_string(&self.log).unwrap_or_default().as_bytes(),
            );
        }
    }
}

/// Waits, for a bounded time.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let patience = Instant::now();
    while !so() {
        assert!(patience.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
