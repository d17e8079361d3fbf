//! Signals, kept until the loop has time for what they ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals as Arriving;
use tokio::sync::Notify;

use crate::sync::Scope;

/// What was asked for by a signal and has not been done yet. The same twice is one.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    reload: AtomicBool,
    changes: AtomicBool,
    full: AtomicBool,
    arrived: Notify,
}

impl Signals {
    /// Begins to listen, in a thread of its own.
    pub(crate) fn listen() -> std::io::Result<Arc<Self>> {
        let mut arriving = Arriving::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?;
        let signals = Arc::new(Self::default());
        let noted = Arc::clone(&signals);
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
        Ok(signals)
    }

    /// Set once `SIGTERM` or `SIGINT` came.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks for a cycle now, as `SIGUSR1` does.
    pub(crate) fn ask_for_cycle(&self) {
        self.changes.store(true, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    /// Gives what was asked for, and forgets it.
    pub(crate) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// The cycle that somebody wants now; asked once.
    pub(crate) fn take_cycle(&self) -> Option<Scope> {
        let changes = self.changes.swap(false, Ordering::Relaxed).then_some(Scope::Changes);
        self.full.swap(false, Ordering::Relaxed).then_some(Scope::Full).or(changes)
    }

    /// Whether somebody waits for the end of the cycle.
    pub(crate) fn any(&self) -> bool {
        let Self { changes, full, .. } = self;
        self.has_urgent() || [changes, full].iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    fn has_urgent(&self) -> bool {
        self.is_stopping() || self.is_to_reload()
    }

    pub(crate) fn is_to_reload(&self) -> bool {
        self.reload.load(Ordering::Relaxed)
    }

    /// Waits until any of them has come.
    pub(crate) async fn arrived(&self) {
        while !self.any() {
            self.arrived.notified().await;
        }
    }

    /// Waits until told to stop or to read the configuration again. The others are kept.
    pub(crate) async fn urgent(&self) {
        while !self.has_urgent() {
            self.arrived.notified().await;
        }
    }

    /// Waits until told to stop. The others are kept.
    pub(crate) async fn stopped(&self) {
        while !self.is_stopping() {
            self.arrived.notified().await;
        }
    }
}
