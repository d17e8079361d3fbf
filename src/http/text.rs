//! Reading answers as texts: is this JSON at all, what does the other side say, what time is it
//! there.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::Answer;

/// Why the body of an answer is not the JSON that an API gives. Nothing of the body is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotJson {
    /// A web page: a login, a notice of a proxy, an instance that sleeps.
    Html,
    /// Something else, by its `Content-Type`.
    Other,
    /// It says that it is JSON, and is broken, cut off or of another shape.
    Broken,
}

pub(crate) fn says_json(answer: &Answer) -> bool {
    answer
        .header("content-type")
        .is_some_and(|kind| kind.split(';').next().unwrap_or("").trim().ends_with("json"))
}

/// Reads the body as JSON, where the answer says that it is.
pub(crate) fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, NotJson> {
    let html = answer.body.trim_ascii_start().starts_with(b"<")
        || answer.header("content-type").is_some_and(|kind| kind.contains("html"));
    if html {
        return Err(NotJson::Html);
    }
    if !says_json(answer) {
        return Err(NotJson::Other);
    }
    // The parser's message would quote the answer.
    serde_json::from_slice(&answer.body).map_err(|_| NotJson::Broken)
}

/// A text of the other side, fit to stand in an error: one line, without control characters, at
/// most `longest` characters and then `…`.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    if text.chars().nth(longest).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

/// The `Date` header: the clock of whoever answered, to the second.
pub(crate) fn date(answer: &Answer) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(answer.header("date")?).ok().map(|date| date.with_timezone(&Utc))
}

/// The clock of the other side as of its last answer.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(AtomicI64);

impl ServerClock {
    /// Learns from an answer that certainly came from the other side, not from something in
    /// between.
    pub(crate) fn learn(&self, answer: &Answer) {
        if let Some(date) = date(answer) {
            self.0.store(date.timestamp(), Ordering::Relaxed);
        }
    }

    /// What it showed; `None` before the first answer with a date.
    pub(crate) fn now(&self) -> Option<DateTime<Utc>> {
        let seconds = Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != 0)?;
        DateTime::from_timestamp(seconds, 0)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn answer(kind: &'static str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert("date", HeaderValue::from_static("Mon, 23 Nov 2026 09:00:00 GMT"));
        Answer { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_json_that_says_so_is_read() {
        let read = |kind, body| json::<Vec<u8>>(&answer(kind, body));
        assert_eq!(read("application/json; charset=utf-8", "[1]"), Ok(vec![1]));
        assert_eq!(read("application/problem+json", "[1]"), Ok(vec![1]));
        assert_eq!(read("text/html", "<html>"), Err(NotJson::Html));
        assert_eq!(read("application/json", " <html>"), Err(NotJson::Html));
        assert_eq!(read("text/plain", "[1]"), Err(NotJson::Other));
        assert_eq!(read("application/json", "[1"), Err(NotJson::Broken));
    }

    #[test]
    fn what_the_other_side_says_is_one_short_line() {
        assert_eq!(one_line(" a\u{7}b\nc ", 10), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(one_line("abc", 3), "abc");
    }

    #[test]
    fn the_clock_of_the_other_side_is_that_of_its_last_answer() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        clock.learn(&answer("text/plain", ""));
        assert_eq!(clock.now().unwrap().to_rfc3339(), "2026-11-23T09:00:00+00:00");
    }
}
