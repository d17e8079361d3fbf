//! Faults on the way: scripted ones for a story, seeded ones for a storm.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::http::Response;
use super::line::Line;

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error of this code, worded as the simulated system words it; the app does not see the call.
    Status(u16),
    /// A 429, with the moment when the limit resets where it is given.
    TooManyRequests {
        /// Seconds from now until calls are accepted again.
        reset_after_seconds: Option<u64>,
    },
    /// The connection is cut before the app sees the call.
    DropBefore,
    /// The app carries the call out, then the connection is cut without an answer.
    DropAfter,
    /// The call is carried out; the answer announces its full length and breaks off halfway.
    Truncate,
    /// The call is carried out; the answer is complete HTTP around half of its JSON.
    CutJson,
    /// A login page with status 200; the app does not see the call.
    Html200,
    /// The call is carried out after this long.
    Delay(Duration),
    /// The call is carried out, and no answer ever comes, though the connection stays.
    Silence,
    /// This answer; the app does not see the call.
    Custom(Response),
    /// The call is carried out, and this is made of its answer.
    Altered(Alter),
    /// A list that goes on for so many bytes, of which no more are made than are taken; the app does
    /// not see the call.
    Flood(u64),
    /// Something happens before the app sees the call, which is carried out only where it is to be
    /// answered.
    Before(Hook),
    /// Something happens after the app carried the call out, before it is answered.
    After(Hook),
}

/// What becomes of an answer.
#[derive(Clone)]
pub struct Alter(Arc<dyn Fn(Response) -> Response + Send + Sync>);

impl Alter {
    /// The altered answer.
    pub fn apply(&self, response: Response) -> Response {
        (self.0)(response)
    }
}

impl fmt::Debug for Alter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alter")
    }
}

impl Fault {
    /// The call is carried out, and this is made of its answer.
    pub fn altered(alter: impl Fn(Response) -> Response + Send + Sync + 'static) -> Self {
        Self::Altered(Alter(Arc::new(alter)))
    }

    /// The call is carried out, and its JSON is changed on the way.
    pub fn reshaped(change: impl Fn(&mut serde_json::Value) + Send + Sync + 'static) -> Self {
        Self::altered(move |mut response| {
            if let Ok(mut value) = serde_json::from_slice(&response.body) {
                change(&mut value);
                response.body = value.to_string().into_bytes();
            }
            response
        })
    }

    /// The call is carried out, and this happens before its answer comes.
    pub fn meanwhile(event: impl Fn() + Send + Sync + 'static) -> Self {
        Self::After(Hook::new(move || {
            event();
            Onward::Answer
        }))
    }
}

/// Something that happens while a call is under way.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() -> Onward + Send + Sync>);

/// What becomes of the call after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// It goes on as if nothing had been.
    Answer,
    /// Its connection is cut.
    Cut,
}

impl Hook {
    /// This happens.
    pub fn new(act: impl Fn() -> Onward + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    /// Lets it happen.
    pub(super) fn run(&self) -> Onward {
        (self.0)()
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hook")
    }
}

/// The faults of one server: scripted rules are tried first, in the order they were made.
#[derive(Debug, Default)]
pub struct Faults {
    inner: Mutex<Inner>,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    next_rule: u64,
    seeded: Option<Seeded>,
    hits: usize,
    flooded: u64,
    heard: Option<Vec<(String, String)>>,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    method: String,
    fragment: String,
    fault: Fault,
    /// The path has to end with the fragment.
    ends: bool,
    skip: u64,
    left: u64,
}

#[derive(Debug)]
struct Seeded {
    seed: u64,
    probability: f64,
    kinds: Vec<Fault>,
    seen: HashMap<String, u64>,
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the way to this server takes, which is no fault, and who is on it.
    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The next call with this method (`*` is any) whose path and query contain `path_fragment` gets
    /// `fault`, once, unless the returned value says otherwise.
    pub fn on(&self, method: &str, path_fragment: &str, fault: Fault) -> Scripted<'_> {
        let mut inner = self.lock();
        let id = inner.next_rule;
        inner.next_rule += 1;
        inner.rules.push(Rule {
            id,
            method: method.to_owned(),
            fragment: path_fragment.to_owned(),
            fault,
            ends: false,
            skip: 0,
            left: 1,
        });
        Scripted { faults: self, id }
    }

    /// Each call gets one of `kinds` with this probability. Whether and which depends only on the
    /// seed, the method, the path with its query, and how often that was called before.
    pub fn seeded(&self, seed: u64, probability: f64, kinds: Vec<Fault>) {
        self.lock().seeded = Some(Seeded { seed, probability, kinds, seen: HashMap::new() });
    }

    /// Takes all faults away; the count of hits stays, and so does the line.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.rules.clear();
        inner.seeded = None;
    }

    /// How many calls met a fault so far.
    pub fn hits(&self) -> usize {
        self.lock().hits
    }

    /// How many bytes of [`Fault::Flood`] were taken so far.
    pub fn flooded(&self) -> u64 {
        self.lock().flooded
    }

    pub(super) fn count_flooded(&self, bytes: u64) {
        self.lock().flooded += bytes;
    }

    /// From now on remembers every call that comes.
    pub fn listen(&self) {
        self.lock().heard = Some(Vec::new());
    }

    /// The calls since [`Faults::listen`], those that met a fault included: the method, and the path
    /// with its query.
    pub fn heard(&self) -> Vec<(String, String)> {
        self.lock().heard.clone().unwrap_or_default()
    }

    /// The fault that the next call meets; counts it.
    pub fn next(&self, method: &str, path_and_query: &str) -> Option<Fault> {
        let mut inner = self.lock();
        if let Some(heard) = &mut inner.heard {
            heard.push((method.to_owned(), path_and_query.to_owned()));
        }
        let fault = inner
            .scripted(method, path_and_query)
            .or_else(|| inner.seeded.as_mut().and_then(|it| it.draw(method, path_and_query)));
        if fault.is_some() {
            inner.hits += 1;
        }
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn scripted(&mut self, method: &str, path_and_query: &str) -> Option<Fault> {
        for rule in &mut self.rules {
            let matches = is_on(&rule.method, &rule.fragment, rule.ends, method, path_and_query);
            if !matches || rule.left == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.left != u64::MAX {
                rule.left -= 1;
            }
            return Some(rule.fault.clone());
        }
        None
    }
}

/// Whether a call has this method (`*` is any), and a path and query that hold the fragment, or a
/// path that ends with it.
pub(super) fn is_on(
    wanted: &str,
    fragment: &str,
    ends: bool,
    method: &str,
    path_and_query: &str,
) -> bool {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let there = if ends { path.ends_with(fragment) } else { path_and_query.contains(fragment) };
    (wanted == "*" || wanted.eq_ignore_ascii_case(method)) && there
}

impl Seeded {
    fn draw(&mut self, method: &str, path_and_query: &str) -> Option<Fault> {
        if self.kinds.is_empty() {
            return None;
        }
        let call = format!("{method} {path_and_query}");
        let nth = self.seen.entry(call.clone()).or_insert(0);
        *nth += 1;
        let key = hash(self.seed, &call, *nth);
        let roll = f64::from(u32::try_from(key >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        if roll >= self.probability {
            return None;
        }
        let kinds = self.kinds.len() as u64;
        let index = usize::try_from((key & 0xffff_ffff) % kinds).unwrap_or(0);
        self.kinds.get(index).cloned()
    }
}

/// FNV-1a, then mixed: small, and the same on every machine and compiler.
pub(super) fn hash(seed: u64, call: &str, nth: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(call.bytes()).chain(nth.to_le_bytes());
    let mut key = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |key, byte| {
        (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

/// A scripted fault that was just made, to say how often and from when on it strikes.
#[derive(Debug)]
pub struct Scripted<'a> {
    faults: &'a Faults,
    id: u64,
}

impl Scripted<'_> {
    /// It strikes `n` times.
    #[allow(clippy::return_self_not_must_use)]
    pub fn times(self, n: u64) -> Self {
        self.change(|rule| rule.left = n);
        self
    }

    /// It strikes every time.
    #[allow(clippy::return_self_not_must_use)]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// It strikes where the path ends with the fragment: one object, and nothing below it.
    #[allow(clippy::return_self_not_must_use)]
    pub fn at_the_end(self) -> Self {
        self.change(|rule| rule.ends = true);
        self
    }

    /// It lets the first `k` matching calls pass.
    #[allow(clippy::return_self_not_must_use)]
    pub fn after(self, k: u64) -> Self {
        self.change(|rule| rule.skip = k);
        self
    }

    fn change(&self, act: impl FnOnce(&mut Rule)) {
        if let Some(rule) = self.faults.lock().rules.iter_mut().find(|rule| rule.id == self.id) {
            act(rule);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &Faults, path: &str, calls: usize) -> Vec<bool> {
        (0..calls).map(|_| faults.next("GET", path).is_some()).collect()
    }

    #[test]
    fn a_scripted_fault_strikes_after_k_calls_and_n_times() {
        let faults = Faults::new();
        faults.on("GET", "/users", Fault::DropBefore).after(1).times(2);
        assert_eq!(strikes(&faults, "/api/v1/users", 5), [false, true, true, false, false]);
        assert_eq!(strikes(&faults, "/api/v1/groups", 1), [false]);
        assert_eq!(faults.hits(), 2);
    }

    #[test]
    fn a_fault_of_one_object_leaves_what_is_below_it_alone() {
        let faults = Faults::new();
        faults.on("GET", "/users/00u1", Fault::Status(403)).always().at_the_end();
        for (path, strikes_there) in [
            ("/api/v1/users/00u1", true),
            ("/api/v1/users/00u1?fields=id", true),
            ("/api/v1/users/00u1/groups", false),
            ("/api/v1/users/00u12", false),
        ] {
            assert_eq!(strikes(&faults, path, 1), [strikes_there], "{path}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_gives_others() {
        let run = |seed| {
            let faults = Faults::new();
            faults.seeded(seed, 0.3, vec![Fault::DropAfter, Fault::Status(500)]);
            strikes(&faults, "/a", 200)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let struck = run(1).into_iter().filter(|hit| *hit).count();
        assert!((30..90).contains(&struck), "{struck}");
    }
}
