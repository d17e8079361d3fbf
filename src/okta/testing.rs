//! A loopback responder for tests: canned answers in order, one a connection, and what it saw.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{Auth, Connection, Settings};
use crate::http::RetryPolicy;

/// A pretended org. `{org}` in an answer becomes its address.
pub(super) struct Org {
    pub url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Verb, path and query.
    pub line: String,
    head: String,
    pub body: String,
}

impl Seen {
    /// A header's value; empty if it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

impl Org {
    /// Serves these answers, then only 418.
    pub async fn answering(replies: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut replies: VecDeque<String> = replies.into_iter().collect();
        let (log, org) = (Arc::clone(&seen), url.as_str().trim_end_matches('/').to_owned());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                log.lock().unwrap().push(request);
                let reply = replies.pop_front().unwrap_or_else(|| reply(418, &[], "{}"));
                stream.write_all(reply.replace("{org}", &org).as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self { url, seen }
    }

    /// An address at which nobody listens any more.
    pub async fn unreachable() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        Self { url, seen: Arc::default() }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// A connection with an SSWS token and waits of milliseconds.
    pub fn connect(&self) -> Connection {
        self.connect_with(Auth::Token { token: "s3cret-token".to_owned().into() })
    }

    pub fn connect_with(&self, auth: Auth) -> Connection {
        let retry = RetryPolicy {
            attempts: 4,
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_secs(5),
            ..RetryPolicy::default()
        };
        let settings = Settings { url: self.url.clone(), auth, share: 0.5, retry };
        Connection::new(settings).unwrap()
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
            let request = Seen { line, head: head.to_owned(), body: body.to_owned() };
            if body.len() >= request.header("content-length").parse().unwrap_or(0) {
                return Some(request);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// An answer with a JSON body.
pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mut head =
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\nX-Okta-Request-Id: reqTest\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    // `{org}` is longer or shorter once it is replaced, so the end of the body is the end of the
    // connection; only an answer with an announced length can be seen to be cut short.
    format!("{head}\r\n{body}")
}

/// An error in Okta's envelope.
pub(super) fn error(status: u16, code: &str, summary: &str, cause: &str) -> String {
    let causes = if cause.is_empty() {
        serde_json::json!([])
    } else {
        serde_json::json!([{"errorSummary": cause}])
    };
    let body = serde_json::json!({"errorCode": code, "errorSummary": summary, "errorLink": code,
        "errorId": "oae1", "errorCauses": causes});
    reply(status, &[], &body.to_string())
}

/// An account as Okta shows it; the login is `ID@example.com`.
pub(super) fn user(id: &str, status: &str) -> String {
    serde_json::json!({"id": id, "status": status, "lastUpdated": "2026-11-23T13:00:00.000Z",
        "profile": {"login": format!("{id}@example.com"), "department": "Sales"},
        "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}}})
    .to_string()
}
