//! `SIGHUP`: the configuration and its credentials are read again, between two cycles.

use super::{Daemon, notify};
use crate::sync::Side;
use crate::sync::upstream::{prepare, take_over, try_side};

impl Daemon {
    /// Goes on by the configuration as it is in the file now, or says why not and keeps the old.
    pub(super) async fn reload(&mut self) {
        notify::reloading(false);
        self.renew().await;
        notify::ready();
    }

    /// The same without a word to the service manager, which waits for the start to be over.
    pub(super) async fn renew(&mut self) {
        match self.take_over_new().await {
            Ok(how) => tracing::info!("the configuration was read again: {how}"),
            Err(problem) => tracing::error!(
                "the configuration was read again and is refused, the old one stays in force: {problem}"
            ),
        }
    }

    async fn take_over_new(&mut self) -> Result<String, String> {
        let config = (self.load)()?;
        let old = &self.deps.config;
        let same = config.fingerprint == old.fingerprint;
        if config.metrics != old.metrics {
            return Err("another metrics.listen needs a restart".to_owned());
        }
        let renewed = prepare(&self.deps, config).map_err(|error| error.to_string())?;
        for side in [Side::ServiceNow, Side::Okta] {
            let answer = tokio::select! {
                answer = try_side(side, &renewed.servicenow, &renewed.okta) => answer,
                () = self.signals.stopped() => return Err("we are told to stop".to_owned()),
            };
            self.progress.tick();
            // A side that refuses the old credentials too gives no reason to keep them.
            if let Err(error) = answer
                && error.is_refused_sign_in()
                && !self.health.refuses_sign_in(side)
            {
                return Err(error.to_string());
            }
        }
        self.writers = take_over(&mut self.deps, renewed);
        self.watchdog.watch(&self.deps, &self.progress);
        self.backoff = None;
        Ok(if same {
            "it is as it was, its credentials were read again".to_owned()
        } else {
            "it is in force, and everything is read again by it".to_owned()
        })
    }
}
