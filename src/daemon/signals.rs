//! Signals, kept until the loop has time for what they ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals as Arriving;
use tokio::sync::Notify;

use crate::sync::Scope;

/// What was asked for by a signal and has not been done yet. The same twice is one.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    pending: Arc<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    stop: Arc<AtomicBool>,
    reload: AtomicBool,
    changes: AtomicBool,
    full: AtomicBool,
    arrived: Notify,
}

impl Signals {
    /// Begins to listen, in a thread of its own.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let mut arriving = Arriving::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let pending = Arc::new(Pending::default());
        let noted = Arc::clone(&pending);
        // It lives as long as the process, and has nothing to clean up.
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in arriving.forever() {
                let flag = match signal {
                    SIGHUP => &noted.reload,
                    SIGUSR1 => &noted.changes,
                    SIGUSR2 => &noted.full,
                    _ => &*noted.stop,
                };
                flag.store(true, Ordering::Relaxed);
                noted.arrived.notify_one();
            }
        })?;
        Ok(Self { pending })
    }

    /// Set once `SIGTERM` or `SIGINT` came.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.pending.stop)
    }

    /// Whether `SIGTERM` or `SIGINT` came.
    pub(crate) fn is_stopping(&self) -> bool {
        self.pending.stop.load(Ordering::Relaxed)
    }

    /// Whether to read the configuration again; asked once.
    pub(crate) fn take_reload(&self) -> bool {
        self.pending.reload.swap(false, Ordering::Relaxed)
    }

    /// The cycle that somebody wants now; asked once.
    pub(crate) fn take_cycle(&self) -> Option<Scope> {
        let changes = self.pending.changes.swap(false, Ordering::Relaxed);
        if self.pending.full.swap(false, Ordering::Relaxed) {
            return Some(Scope::Full);
        }
        changes.then_some(Scope::Changes)
    }

    fn any(&self) -> bool {
        let Pending { changes, full, .. } = &*self.pending;
        self.has_urgent() || [changes, full].iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    fn has_urgent(&self) -> bool {
        self.is_stopping() || self.is_to_reload()
    }

    /// Whether the configuration waits to be read again.
    pub(crate) fn is_to_reload(&self) -> bool {
        self.pending.reload.load(Ordering::Relaxed)
    }

    /// Waits until any of them has come.
    pub(crate) async fn arrived(&self) {
        while !self.any() {
            self.pending.arrived.notified().await;
        }
    }

    /// Waits until told to stop or to read the configuration again. The others are kept.
    pub(crate) async fn urgent(&self) {
        while !self.has_urgent() {
            self.pending.arrived.notified().await;
        }
    }

    /// Waits until told to stop. The others are kept.
    pub(crate) async fn stopped(&self) {
        while !self.is_stopping() {
            self.pending.arrived.notified().await;
        }
    }
}
