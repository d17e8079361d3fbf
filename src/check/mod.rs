//! `check`: everything that the configuration names, tried against both systems, in the order in
//! which it is best put right. Writes nothing.

mod okta;
mod servicenow;

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::http::RetryPolicy;
use crate::model::Timestamp;
use crate::store::{Mode, Store, StoreError};

/// Clocks that differ by more than this are worth a warning. Our own choice, far below the five
/// minutes for which the assertion of a service app is good.
const SKEW: chrono::Duration = chrono::Duration::seconds(30);

/// Somebody waits for the answer: one more try, and soon.
const RETRY: RetryPolicy = RetryPolicy {
    attempts: 2,
    first_wait: Duration::from_millis(500),
    longest_wait: Duration::from_secs(5),
    longest_call: Duration::from_secs(20),
};

/// What came of trying one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is as it should be.
    Fine,
    /// It works, and should be looked at.
    Warning,
    /// It does not work.
    Failed,
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => serializer.serialize_bool(true),
            Self::Warning => serializer.serialize_str("warning"),
            Self::Failed => serializer.serialize_bool(false),
        }
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// What came of it.
    #[serde(rename = "ok")]
    pub found: Found,
    /// What was found, for a person to read.
    pub detail: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// Everything that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// No check failed; warnings do not count.
    pub ok: bool,
    /// Each thing, in the order in which it was tried.
    pub checks: Vec<Check>,
}

/// What was found so far, told as it is found.
struct Findings<'a> {
    checks: Vec<Check>,
    tell: &'a mut dyn FnMut(&Check),
}

impl Findings<'_> {
    fn fine(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(Check { name, found: Found::Fine, detail: detail.into(), fix: None });
    }

    fn warn(&mut self, name: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        let (detail, fix) = (detail.into(), Some(fix.into()));
        self.add(Check { name, found: Found::Warning, detail, fix });
    }

    fn fail(&mut self, name: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        let (detail, fix) = (detail.into(), Some(fix.into()));
        self.add(Check { name, found: Found::Failed, detail, fix });
    }

    fn add(&mut self, check: Check) {
        (self.tell)(&check);
        self.checks.push(check);
    }
}

/// Tries everything that the configuration names against both systems, and says of each thing what
/// came of it as soon as it is known.
pub async fn check(
    config: Arc<Config>,
    clock: &dyn Fn() -> Timestamp,
    tell: &mut dyn FnMut(&Check),
) -> CheckReport {
    let mut found = Findings { checks: Vec::new(), tell };
    mode(&mut found, &config);
    store(&mut found, &config);
    let servicenow = servicenow::check(&mut found, &config, clock).await;
    okta::check(&mut found, &config, clock, servicenow.as_ref()).await;
    let ok = found.checks.iter().all(|check| check.found != Found::Failed);
    CheckReport { ok, checks: found.checks }
}

fn mode(found: &mut Findings<'_>, config: &Config) {
    if config.policy.observe {
        found.fine("mode", "observe: nothing is written until the configuration says \"enforce\"");
    } else {
        found.fine("mode", "enforce");
    }
}

fn store(found: &mut Findings<'_>, config: &Config) {
    const NAME: &str = "store";
    let path = &config.store.path;
    let shown = path.display();
    if let Ok(false) = Store::is_there(path) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder {
            Some(folder) if !folder.is_dir() => found.warn(
                NAME,
                format!("{} is not there", folder.display()),
                "start the service, which makes it (StateDirectory=), or create the folder",
            ),
            _ => found.fine(NAME, format!("the first cycle makes {shown}")),
        };
    }
    match Store::open(path, &config.orgs(), Mode::Read) {
        Ok(_) => found.fine(NAME, format!("{shown} can be read and belongs to these two systems")),
        Err(StoreError::Older { .. }) => found.fine(
            NAME,
            format!("{shown} is of an older version; the next cycle keeps a copy and updates it"),
        ),
        Err(error @ StoreError::Foreign { .. }) => found.fail(
            NAME,
            error.to_string(),
            "name another file under [store], or put the addresses right",
        ),
        Err(error) => found.fail(
            NAME,
            error.to_string(),
            "make the file readable to this account, or restore a copy made by `goldthread backup`",
        ),
    }
}

/// Tells how far the clocks are apart, where the other side says what time it is.
fn skew(
    found: &mut Findings<'_>,
    name: &'static str,
    theirs: Option<Timestamp>,
    clock: &dyn Fn() -> Timestamp,
) {
    let Some(theirs) = theirs else {
        return found.warn(
            name,
            "its answers carry no date, so the clocks cannot be compared",
            "let what stands between this machine and it pass the Date header on",
        );
    };
    let apart = clock() - theirs;
    if apart.abs() > SKEW {
        let (seconds, way) = (
            apart.num_seconds().abs(),
            if apart < chrono::Duration::zero() { "behind" } else { "ahead" },
        );
        found.warn(
            name,
            format!("this machine is {seconds} s {way}"),
            "set this machine's clock by the network: timedatectl set-ntp true",
        );
    } else {
        found.fine(name, "in step with this machine");
    }
}

/// The rest of a side, where it does not let us in.
fn not_tried(found: &mut Findings<'_>, name: &'static str) {
    found.warn(name, "not tried: the sign-in comes first", "see above, then check again");
}

/// A few names, for a sentence.
fn listed<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<T> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
