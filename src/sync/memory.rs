//! What only this process knows. The next one finds it out anew, and nothing is wrong until then.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tokio::sync::OnceCell;

use crate::model::{AccountId, SysId, Timestamp};
use crate::reconcile::retry::pause_after;

/// What only this process knows.
#[derive(Default)]
pub(crate) struct Memory {
    /// The Okta account that we sign in as, if it is one: asked once for each connection.
    pub(crate) own_account: OnceCell<Option<AccountId>>,
    /// The rows that were set aside, by id, and why: each is named once.
    set_aside: RefCell<BTreeMap<String, String>>,
    /// Requests that could not be written on: how often in a row, and when that was tried last.
    unwritten: RefCell<BTreeMap<SysId, (u32, Timestamp)>>,
}

impl Memory {
    /// Remembers why a row was set aside, and says whether that is news.
    pub(crate) fn set_aside(&self, id: &str, why: &str) -> bool {
        let before = self.set_aside.borrow_mut().insert(id.to_owned(), why.to_owned());
        before.as_deref() != Some(why)
    }

    /// Whether a request is left alone for a while: writing on it failed, and is not tried again in
    /// every cycle.
    pub(crate) fn backs_off(&self, request: &SysId, now: Timestamp) -> bool {
        self.unwritten.borrow().get(request).is_some_and(|(times, at)| {
            (now - *at).to_std().is_ok_and(|waited| waited < pause_after(*times, false))
        })
    }

    pub(crate) fn note_written(&self, request: &SysId) {
        self.unwritten.borrow_mut().remove(request);
    }

    pub(crate) fn note_unwritten(&self, request: &SysId, now: Timestamp) {
        let mut unwritten = self.unwritten.borrow_mut();
        let (times, at) = unwritten.entry(request.clone()).or_insert((0, now));
        (*times, *at) = (*times + 1, now);
    }
}
