//! The way to a server: how long it takes there and back, and how many calls are on it.
//!
//! Half of the time goes by before the app sees a call and half before its answer is sent, outside
//! of any lock, so that calls overlap as they do on a network.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::faults::{hash, is_on};

/// How long one call takes beside what the app itself takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Each call takes this long.
    pub fixed: Duration,
    /// And up to so much more, evenly spread.
    pub jitter: Duration,
    /// How much more it is depends only on this, the call, and how often it was made before.
    pub seed: u64,
}

impl Latency {
    /// The same for each call.
    pub fn of(fixed: Duration) -> Self {
        Self { fixed, ..Self::default() }
    }

    /// As `GOLDTHREAD_LATENCY` says, none where it does not.
    ///
    /// # Panics
    /// Where it says something that is no latency.
    pub fn wanted(seed: u64) -> Self {
        let text = std::env::var("GOLDTHREAD_LATENCY").unwrap_or_else(|_| "0".to_owned());
        let read = text.parse::<Self>().unwrap_or_else(|_| panic!("GOLDTHREAD_LATENCY={text}"));
        Self { seed, ..read }
    }

    /// And up to so much more.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration, seed: u64) -> Self {
        Self { jitter, seed, ..self }
    }
}

/// `250ms`, or `250ms+50ms` with jitter.
impl FromStr for Latency {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (fixed, jitter) = text.split_once('+').unwrap_or((text, "0"));
        let time = |text: &str| match text.trim() {
            "0" => Ok(Duration::ZERO),
            text => humantime::parse_duration(text),
        };
        Ok(Self { fixed: time(fixed)?, jitter: time(jitter)?, seed: 0 })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.fixed))?;
        if self.jitter.is_zero() {
            return Ok(());
        }
        write!(f, " + up to {}", humantime::format_duration(self.jitter))
    }
}

/// The way to one server.
#[derive(Debug, Default)]
pub struct Line {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    latency: Latency,
    endpoints: Vec<Endpoint>,
    /// How often each call was made, where that decides how long it takes.
    seen: HashMap<String, u64>,
    under_way: usize,
    most: usize,
}

#[derive(Debug)]
struct Endpoint {
    method: String,
    fragment: String,
    latency: Latency,
}

impl Line {
    /// From now on every call takes so long, but for those that [`Line::set_at`] speaks of.
    pub fn set(&self, latency: Latency) {
        self.lock().latency = latency;
    }

    /// From now on calls with this method (`*` is any) whose path and query contain `fragment` take
    /// so long instead. Of several that fit the first that was set counts.
    pub fn set_at(&self, method: &str, fragment: &str, latency: Latency) {
        let (method, fragment) = (method.to_owned(), fragment.to_owned());
        self.lock().endpoints.push(Endpoint { method, fragment, latency });
    }

    /// Forgets what was set for single endpoints.
    pub fn clear_endpoints(&self) {
        self.lock().endpoints.clear();
    }

    /// How many calls are under way.
    pub fn under_way(&self) -> usize {
        self.lock().under_way
    }

    /// How many were under way at once, at the most, since it was last asked.
    pub fn take_most(&self) -> usize {
        let mut inner = self.lock();
        let under_way = inner.under_way;
        std::mem::replace(&mut inner.most, under_way)
    }

    /// A call sets out.
    pub(super) fn enter(self: &Arc<Self>, method: &str, path_and_query: &str) -> UnderWay {
        let mut inner = self.lock();
        inner.under_way += 1;
        inner.most = inner.most.max(inner.under_way);
        let time = inner.draw(method, path_and_query);
        UnderWay { line: Arc::clone(self), time }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn draw(&mut self, method: &str, path_and_query: &str) -> Duration {
        let is_it = |it: &&Endpoint| is_on(&it.method, &it.fragment, false, method, path_and_query);
        let at = self.endpoints.iter().find(is_it).map(|it| it.latency);
        let Latency { fixed, jitter, seed } = at.unwrap_or(self.latency);
        if jitter.is_zero() {
            return fixed;
        }
        let call = format!("{method} {path_and_query}");
        let nth = self.seen.entry(call.clone()).or_insert(0);
        *nth += 1;
        let part = u32::try_from(hash(seed, &call, *nth) >> 32).unwrap_or(u32::MAX);
        fixed + jitter.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    line: Arc<Line>,
    time: Duration,
}

impl UnderWay {
    /// The way to the app.
    pub(super) async fn there(&self) {
        wait(self.time / 2).await;
    }

    /// The way of its answer.
    pub(super) async fn back(&self) {
        wait(self.time.saturating_sub(self.time / 2)).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.line.lock().under_way -= 1;
    }
}

async fn wait(time: Duration) {
    // Even a wait for nothing would last a tick.
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn drawn(line: &Line, method: &str, path: &str) -> Duration {
        line.lock().draw(method, path)
    }

    #[test]
    fn a_call_takes_what_was_set_for_all_or_for_its_endpoint() {
        let line = Line::default();
        assert_eq!(drawn(&line, "GET", "/a"), Duration::ZERO);
        line.set(Latency::of(MS * 250));
        line.set_at("GET", "/users/", Latency::of(MS * 30_000));
        assert_eq!(drawn(&line, "GET", "/a"), MS * 250);
        assert_eq!(drawn(&line, "GET", "/users/1?x"), MS * 30_000);
        assert_eq!(drawn(&line, "POST", "/users/1"), MS * 250);
        line.clear_endpoints();
        assert_eq!(drawn(&line, "GET", "/users/1"), MS * 250);
    }

    #[test]
    fn jitter_depends_on_the_seed_and_the_call_and_stays_within_its_bounds() {
        let run = |seed| {
            let line = Line::default();
            line.set(Latency::of(MS * 50).with_jitter(MS * 100, seed));
            (0..100).map(|_| drawn(&line, "GET", "/a")).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let times = run(1);
        assert!(times.iter().all(|time| (MS * 50..=MS * 150).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time < MS * 80));
        assert!(times.iter().any(|time| *time > MS * 120));
    }

    #[test]
    fn a_latency_is_read_as_people_write_it() {
        let read = |text: &str| text.parse::<Latency>().map(|it| it.to_string()).ok();
        assert_eq!(read("250ms").as_deref(), Some("250ms"));
        assert_eq!(read("250ms+50ms").as_deref(), Some("250ms + up to 50ms"));
        assert_eq!(read("0+1s").as_deref(), Some("0s + up to 1s"));
        assert_eq!("0".parse(), Ok(Latency::default()));
        assert_eq!(read("fast"), None);
    }
}
