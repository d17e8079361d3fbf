//! A small HTTP/1.1 server on loopback, in a thread of its own, that puts faults around an [`App`].

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::sync::oneshot;

use super::faults::{Fault, Faults, Onward};

/// One call as an app sees it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The parts of the path between slashes, percent-decoded; empty parts are left out.
    pub segments: Vec<String>,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers, with lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// The query as it was sent, without the question mark.
    pub raw_query: String,
}

impl Request {
    /// The first query parameter of this name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as form fields.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// One answer of an app.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers; a name may come several times. `Content-Length` is added by the server.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a JSON body.
    pub fn json(status: u16, value: &Value) -> Self {
        Self { status, headers: Vec::new(), body: value.to_string().into_bytes() }
            .with_header("Content-Type", "application/json;charset=UTF-8")
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// An answer with a page.
    pub fn html(status: u16, page: &str) -> Self {
        Self { status, headers: Vec::new(), body: page.as_bytes().to_vec() }
            .with_header("Content-Type", "text/html;charset=UTF-8")
    }

    /// This answer with one more header line.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A simulated system.
pub trait App: Send + Sync + 'static {
    /// Carries one call out. `base_url` is the server's own address, for links.
    fn handle(&self, request: &Request, base_url: &str) -> Response;

    /// How this system words an error of that status when [`Fault::Status`] strikes.
    fn fault_body(&self, status: u16) -> Response {
        Response::json(status, &serde_json::json!({"error": status}))
    }

    /// How this system says that a limit is reached when [`Fault::TooManyRequests`] strikes.
    fn too_many_requests(&self, reset_after_seconds: Option<u64>) -> Response {
        let response = self.fault_body(429);
        match reset_after_seconds {
            Some(seconds) => response.with_header("Retry-After", seconds.to_string()),
            None => response,
        }
    }

    /// The page that comes instead of an answer when [`Fault::Html200`] strikes.
    fn login_page(&self) -> Response {
        Response::html(200, "<!doctype html><title>Sign In</title><form>Sign in</form>")
    }
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens, for example `http://127.0.0.1:40123`.
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `app` on `listen` (port 0 picks a free one), which must be a loopback address.
    pub fn start(listen: SocketAddr, app: Arc<dyn App>, faults: Arc<Faults>) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            let why = "a simulator listens on loopback addresses only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let site = Arc::new(Site { app, faults, url: url.clone() });
        let serve = move || {
            runtime.block_on(async move {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    tokio::select! {
                        () = accept(listener, site) => {}
                        _ = stopped => {}
                    }
                }
            });
        };
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(serve)?;
        Ok(Self { url, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Site {
    app: Arc<dyn App>,
    faults: Arc<Faults>,
    url: String,
}

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection cut by a scripted fault")]
struct Cut;

async fn accept(listener: tokio::net::TcpListener, site: Arc<Site>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let service = service_fn(move |incoming| answer(Arc::clone(&site), incoming));
            let mut http = hyper::server::conn::http1::Builder::new();
            // An error here is a client that went away, or a cut that was asked for.
            let _ =
                http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    site: Arc<Site>,
    incoming: hyper::Request<Incoming>,
) -> Result<hyper::Response<Outgoing>, Cut> {
    let (head, body) = incoming.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes().to_vec();
    let request = read(&head, body);
    let whole = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let under_way = site.faults.line().enter(&request.method, whole);
    under_way.there().await;
    let answer = carry_out(&site, &request, whole).await;
    under_way.back().await;
    answer
}

/// Lets the app see the call, with whatever fault it meets.
async fn carry_out(
    site: &Site,
    request: &Request,
    whole: &str,
) -> Result<hyper::Response<Outgoing>, Cut> {
    let handle = || site.app.handle(request, &site.url);
    let response = match site.faults.next(&request.method, whole) {
        None => handle(),
        Some(Fault::Status(status)) => site.app.fault_body(status),
        Some(Fault::TooManyRequests { reset_after_seconds }) => {
            site.app.too_many_requests(reset_after_seconds)
        }
        Some(Fault::DropBefore) => return Err(Cut),
        Some(Fault::DropAfter) => {
            handle();
            return Err(Cut);
        }
        Some(Fault::Truncate) => return Ok(write(handle(), true)),
        Some(Fault::CutJson) => {
            let mut response = handle();
            response.body.truncate(response.body.len() / 2);
            response
        }
        Some(Fault::Html200) => site.app.login_page(),
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            handle()
        }
        Some(Fault::Silence) => {
            handle();
            std::future::pending().await
        }
        Some(Fault::Custom(response)) => response,
        Some(Fault::Altered(alter)) => alter.apply(handle()),
        Some(Fault::Flood(bytes)) => {
            let body = Outgoing::Flood { left: bytes, faults: Arc::clone(&site.faults) };
            let response = hyper::Response::builder().header("Content-Type", "application/json");
            return response.body(body).map_err(|_| Cut);
        }
        Some(Fault::Before(hook)) => match hook.run() {
            Onward::Answer => handle(),
            Onward::Cut => return Err(Cut),
        },
        Some(Fault::After(hook)) => {
            let response = handle();
            match hook.run() {
                Onward::Answer => response,
                Onward::Cut => return Err(Cut),
            }
        }
    };
    Ok(write(response, false))
}

fn read(head: &hyper::http::request::Parts, body: Vec<u8>) -> Request {
    let path = head.uri.path().to_owned();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Request {
        method: head.method.as_str().to_owned(),
        segments: path.split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect(),
        query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
        headers: head.headers.iter().map(header).collect(),
        path,
        body,
        raw_query,
    }
}

/// Decodes `%41`; unlike in a query, `+`, `&` and `=` stand for themselves.
fn percent_decoded(part: &str) -> String {
    let escaped = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let mut decoded = url::form_urlencoded::parse(escaped.as_bytes());
    decoded.next().map_or_else(String::new, |(name, _)| name.into_owned())
}

fn write(response: Response, cut: bool) -> hyper::Response<Outgoing> {
    let length = response.body.len();
    let mut data = response.body;
    if cut {
        data.truncate(length / 2);
    }
    let body = Outgoing::Whole { data: Some(Bytes::from(data)), length, cut, flushed: false };
    let mut built = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        built = built.header(name, value);
    }
    built.body(body).unwrap_or_else(|_| {
        let body = Outgoing::Whole { data: None, length: 0, cut: false, flushed: false };
        let mut broken = hyper::Response::new(body);
        *broken.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}

/// A piece of a list without an end.
static FLOOD: [u8; 32 * 1024] = [b'['; 32 * 1024];

/// A body that can announce more than it sends, or be made while it is sent.
enum Outgoing {
    Whole { data: Option<Bytes>, length: usize, cut: bool, flushed: bool },
    Flood { left: u64, faults: Arc<Faults> },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Flood { left: 0, .. } => Poll::Ready(None),
            Self::Flood { left, faults } => {
                let piece = (*left).min(FLOOD.len() as u64);
                *left -= piece;
                faults.count_flooded(piece);
                let piece = usize::try_from(piece).unwrap_or(FLOOD.len());
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FLOOD[..piece])))))
            }
            Self::Whole { data, cut, flushed, .. } => match data.take() {
                Some(data) if !data.is_empty() => Poll::Ready(Some(Ok(Frame::data(data)))),
                // One pause, so that what came before is on the wire when the connection is cut.
                _ if *cut && !*flushed => {
                    *flushed = true;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                _ if *cut => Poll::Ready(Some(Err(Cut))),
                _ => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { data, cut, .. } => !cut && data.as_ref().is_none_or(Bytes::is_empty),
            Self::Flood { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { length, .. } => SizeHint::with_exact(*length as u64),
            // Sent in chunks, so that nobody is told beforehand.
            Self::Flood { .. } => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::sim::line::Latency;

    struct Echo;

    impl App for Echo {
        fn handle(&self, request: &Request, _: &str) -> Response {
            Response::json(
                200,
                &json!({"segments": request.segments, "query": request.query, "pad": "x".repeat(99)}),
            )
            .with_header("Link", "<a>; rel=\"self\"")
            .with_header("Link", "<b>; rel=\"next\"")
        }
    }

    fn start() -> (Server, Arc<Faults>) {
        let faults = Arc::new(Faults::new());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(listen, Arc::new(Echo), Arc::clone(&faults)).expect("a server");
        (server, faults)
    }

    #[tokio::test]
    async fn a_call_is_decoded_and_each_header_line_is_kept() {
        let (server, _) = start();
        let url = format!("{}/a%2Fb+c&d/e?q=1%2B1+x", server.url);
        let response = reqwest::get(url).await.expect("an answer");
        assert_eq!(response.headers().get_all("link").iter().count(), 2);
        let body: Value = response.json().await.expect("json");
        assert_eq!(body["segments"], json!(["a/b+c&d", "e"]));
        assert_eq!(body["query"], json!([["q", "1+1 x"]]));
    }

    #[tokio::test]
    async fn each_fault_looks_to_a_client_as_it_should() {
        let (server, faults) = start();
        let get = async || reqwest::get(format!("{}/x", server.url)).await;
        faults.on("GET", "/x", Fault::DropBefore);
        assert!(get().await.is_err());
        faults.on("GET", "/x", Fault::DropAfter);
        assert!(get().await.is_err());
        faults.on("GET", "/x", Fault::Truncate);
        let cut = get().await.expect("headers");
        assert!(cut.content_length().is_some_and(|length| length > 100));
        assert!(cut.bytes().await.is_err());
        faults.on("GET", "/x", Fault::CutJson);
        let body = get().await.expect("headers").text().await.expect("a body");
        assert!(serde_json::from_str::<Value>(&body).is_err());
        faults.on("GET", "/x", Fault::Status(503));
        assert_eq!(get().await.expect("an answer").status(), 503);
        faults.on("GET", "/x", Fault::Html200);
        assert!(get().await.expect("an answer").text().await.expect("text").contains("Sign In"));
        faults.on("GET", "/x", Fault::altered(|it| it.with_header("X-Late", "yes")));
        assert!(get().await.expect("an answer").headers().contains_key("x-late"));
        faults.on("GET", "/x", Fault::Flood(100_000));
        let flood = get().await.expect("headers");
        assert_eq!(flood.content_length(), None);
        assert_eq!(flood.bytes().await.expect("a body").len(), 100_000);
        faults.on("GET", "/x", Fault::Silence);
        let patience = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, get()).await.is_err());
        assert_eq!((faults.hits(), faults.flooded()), (9, 100_000));
        assert_eq!(get().await.expect("an answer").status(), 200);
    }

    #[tokio::test]
    async fn each_call_takes_its_time_and_calls_overlap() {
        let (server, faults) = start();
        let fixed = Duration::from_millis(50);
        faults.line().set(Latency::of(fixed).with_jitter(Duration::from_millis(10), 1));
        let slow = "/slow";
        faults.line().set_at("GET", slow, Latency::of(Duration::from_secs(30)));
        let never = tokio::spawn(reqwest::get(format!("{}{slow}", server.url)));
        let begun = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for nth in 0..20 {
            let url = format!("{}/x/{nth}", server.url);
            calls.spawn(async move {
                let begun = Instant::now();
                assert!(reqwest::get(url).await.is_ok_and(|it| it.status() == 200));
                begun.elapsed()
            });
        }
        let took = calls.join_all().await;
        assert!(took.iter().all(|it| *it >= fixed), "{took:?}");
        assert!(begun.elapsed() < fixed * 20, "{:?}", begun.elapsed());
        assert!(faults.line().take_most() > 1);
        assert!(!never.is_finished(), "the slow endpoint keeps nobody else waiting");
        assert_eq!(faults.hits(), 0);
        never.abort();
    }

    #[test]
    fn only_loopback_addresses_are_bound() {
        let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(Server::start(everywhere, Arc::new(Echo), Arc::default()).is_err());
    }
}
