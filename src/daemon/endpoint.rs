//! `metrics.listen`: metrics, and whether the daemon is alive and ready, over HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::metrics::Metrics;
use super::notify::Watchdog;

/// A loop that has not moved for so long is not alive.
const STILL: Duration = Duration::from_mins(3);
/// Whoever wants metrics opens few connections.
const CONNECTIONS: usize = 16;
/// A call must have come by then, and a connection is over then.
const HEADERS: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(30);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the endpoint tells, as the loop last left it.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) metrics: Metrics,
    /// Why the daemon is not ready, where it is not.
    unready: Mutex<Option<String>>,
    watchdog: Arc<Watchdog>,
    /// The ticks that were seen last, and when they had changed.
    moved: Mutex<(Vec<u64>, Instant)>,
}

impl Published {
    /// Nothing measured, and not ready.
    pub(crate) fn new(watchdog: Arc<Watchdog>) -> Self {
        Self {
            metrics: Metrics::default(),
            unready: Mutex::new(Some("starting".to_owned())),
            moved: Mutex::new((Vec::new(), Instant::now())),
            watchdog,
        }
    }

    /// Why the daemon is not ready from now on, or that it is.
    pub(crate) fn set_unready(&self, reason: Option<String>) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn is_alive(&self) -> bool {
        let ticks = self.watchdog.ticks();
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.0 != ticks {
            *moved = (ticks, Instant::now());
        }
        moved.1.elapsed() < STILL
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            answer.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("a list of methods"));
            return answer;
        }
        match path {
            "/metrics" => respond(StatusCode::OK, OPENMETRICS, self.metrics.text()),
            "/livez" if self.is_alive() => plain(StatusCode::OK, "alive\n"),
            "/livez" => plain(StatusCode::SERVICE_UNAVAILABLE, "the loop stands still\n"),
            "/readyz" => match &*self.unready.lock().unwrap_or_else(PoisonError::into_inner) {
                None => plain(StatusCode::OK, "ready\n"),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{why}\n")),
            },
            _ => plain(StatusCode::NOT_FOUND, "here are /metrics, /livez and /readyz\n"),
        }
    }
}

/// Listens, and answers from what is published until the set of tasks is dropped.
pub(crate) async fn open(
    listen: SocketAddr,
    published: &Arc<Published>,
    tasks: &mut JoinSet<()>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
    tasks.spawn(serve(listener, Arc::clone(published)));
    Ok(())
}

async fn serve(listener: TcpListener, published: Arc<Published>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, say: others need the time to give some back.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let published = Arc::clone(&published);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = published.answer(request.method(), request.uri().path());
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever asks wrongly or leaves in between is no business of ours.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(slot);
        });
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    respond(status, TEXT, text.to_owned())
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, kind.parse().expect("a content type"));
    headers.insert(CACHE_CONTROL, "no-store".parse().expect("a cache directive"));
    answer
}
