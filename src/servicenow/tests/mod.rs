//! The client over real HTTP, against a responder that gives prepared answers in turn.

mod approvers;
mod batches;
mod reading;
mod requests;
mod signing;
mod writing;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Auth, Connection, ServiceNowReader, Settings};
use crate::http::RetryPolicy;

/// A prepared answer.
pub struct Reply {
    head: String,
    body: String,
    /// Announce more than is sent.
    cut: bool,
}

/// JSON with a status.
pub fn json(status: u16, body: &str) -> Reply {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json;charset=UTF-8\r\n");
    Reply { head, body: body.to_owned(), cut: false }
}

/// A list of rows, with the count that goes with it.
pub fn rows(total: u64, rows: &[String]) -> Reply {
    json(200, &format!(r#"{{"result":[{}]}}"#, rows.join(","))).with("X-Total-Count", total)
}

pub fn html(status: u16) -> Reply {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: text/html\r\n");
    Reply { head, body: "<html>instance-hibernating-page</html>".into(), cut: false }
}

pub fn failure(status: u16, message: &str) -> Reply {
    json(
        status,
        &format!(r#"{{"error":{{"message":"{message}","detail":"why"}},"status":"failure"}}"#),
    )
}

impl Reply {
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        write!(self.head, "{name}: {value}\r\n").unwrap();
        self
    }

    pub fn cut_off(mut self) -> Self {
        self.cut = true;
        self
    }
}

/// The other side: one answer for each call; after the last one it hangs up.
pub struct Responder {
    pub url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Responder {
    pub async fn with(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let call = receive(&mut stream).await;
                seen.lock().unwrap().push(call);
                let length = reply.body.len() + usize::from(reply.cut) * 10;
                let text = format!(
                    "{}Content-Length: {length}\r\nConnection: close\r\n\r\n{}",
                    reply.head, reply.body
                );
                stream.write_all(text.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { url, calls }
    }

    /// What was received: first line with the address decoded, headers, body.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn connection(&self, change: impl FnOnce(&mut Settings)) -> Connection {
        let mut settings = Settings {
            url: self.url.parse().unwrap(),
            auth: Auth::Basic { username: "svc".into(), password: "s3cret".into() },
            users: "active=true".into(),
            requests: String::new(),
            page_size: 2,
            share: 0.5,
            person_fields: ["department.name".to_owned()].into(),
            variables: ["employee".to_owned(), "end".to_owned()].into(),
            request_fields: BTreeSet::default(),
            items: [ITEM.to_owned()].into(),
            order_approval: false,
            state_done: "3".into(),
            retry: RetryPolicy {
                attempts: 5,
                first_wait: Duration::from_millis(1),
                longest_wait: Duration::from_millis(5),
                ..RetryPolicy::default()
            },
        };
        change(&mut settings);
        Connection::new(settings).unwrap()
    }

    pub fn reader(&self) -> ServiceNowReader {
        ServiceNowReader::new(self.connection(|_| ()))
    }
}

pub const ITEM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1";

async fn receive(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return decoded(&text);
            }
        }
        assert!(count > 0, "the call was cut off");
    }
}

/// Undoes the percent-encoding of the first line.
fn decoded(call: &str) -> String {
    let (line, rest) = call.split_once("\r\n").unwrap();
    let pairs = line.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<_> =
        url::form_urlencoded::parse(pairs.as_bytes()).map(|(k, v)| format!("{k}={v}")).collect();
    let path = line.split('?').next().unwrap();
    format!("{path} {}\r\n{rest}", query.join(" & "))
}

/// A row of people.
pub fn person(id: &str, extra: &str) -> String {
    format!(
        r#"{{"sys_id":"{id}","user_name":"u{id}","email":"u{id}@example.com","name":"N","active":"true",
            "department.name":"Sales","sys_updated_on":"2026-11-23 10:00:00","sys_mod_count":"3"{extra}}}"#
    )
}
