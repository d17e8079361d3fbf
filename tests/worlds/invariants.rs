//! What must hold in every world: after each cycle, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use goldthread::report::CycleReport;
use goldthread::sim::company::Operation;
use goldthread::sim::okta::{Status, Write};
use goldthread::sync::Scope;
use serde_json::Value;

use super::journal::{self, Entry, thread};
use super::moves::{clear, describe};
use super::truth::{Ask, Now, Snapshot, Standing, Wanted, Wish};
use super::world::{Ended, MAPPED, World};

/// `guard.max_disabled`, as it comes.
const MAX_DISABLED: usize = 5;

/// What a write to Okta was about.
struct Deed<'a> {
    action: &'static str,
    account: Option<&'a str>,
    group: Option<&'a str>,
}

/// Reads a write as an action; none where the program must never send it.
fn deed(write: &Write) -> Option<Deed<'_>> {
    let parts: Vec<&str> = write.path.trim_start_matches("/api/v1/").split('/').collect();
    let on = |action, account| Deed { action, account, group: None };
    Some(match (write.method.as_str(), parts.as_slice()) {
        ("POST", ["users"]) => on("create", None),
        ("POST", ["users", id]) => on("update", Some(*id)),
        ("POST", ["users", id, "lifecycle", word]) => {
            let word = match *word {
                "activate" => "activate",
                "reactivate" => "reactivate",
                "suspend" => "suspend",
                "unsuspend" => "unsuspend",
                "deactivate" => "deactivate",
                _ => return None,
            };
            on(word, Some(*id))
        }
        ("DELETE", ["users", id, "sessions"]) => on("clear_sessions", Some(*id)),
        ("PUT", ["groups", group, "users", id]) => {
            Deed { action: "add_member", account: Some(*id), group: Some(*group) }
        }
        ("DELETE", ["groups", group, "users", id]) => {
            Deed { action: "remove_member", account: Some(*id), group: Some(*group) }
        }
        _ => return None,
    })
}

/// Why a note tells nobody anything.
fn stale(ask: &Ask, now: &Now) -> Option<String> {
    let over = now.closed || matches!(now.standing, Standing::Withdrawn | Standing::Gone);
    let unasked = now.standing == Standing::Waiting && ask.clear;
    (over || unasked).then(|| format!("it is {:?}, closed: {}", now.standing, now.closed))
}

/// For each moment at which somebody was disabled, who was within a day from it.
fn busiest_days(entries: &[Entry]) -> BTreeMap<&str, BTreeSet<&str>> {
    let disabled: Vec<(DateTime<Utc>, &Entry)> = entries
        .iter()
        .filter(|it| it.outcome.as_deref() == Some("applied"))
        .filter(|it| matches!(it.action.as_str(), "suspend" | "deactivate"))
        .filter_map(|it| Some((it.at.parse().ok()?, it)))
        .collect();
    let day = TimeDelta::days(1);
    let within = |from: DateTime<Utc>| {
        let those = disabled.iter().filter(move |(at, _)| *at >= from && *at < from + day);
        those.map(|(_, entry)| entry.person.as_str()).collect()
    };
    disabled.iter().map(|(at, entry)| (entry.at.as_str(), within(*at))).collect()
}

impl World {
    fn blame(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// Looks at everything that was written since the last time, as of the beginning of the cycle
    /// that wrote it. `quiet` says that nobody else wrote meanwhile.
    pub fn look_at_writes(&mut self, before: &Snapshot, quiet: bool) {
        let writes = self.stage.okta.writes().split_off(self.looked_at);
        self.looked_at += writes.len();
        self.tally.writes += writes.len();
        if !writes.is_empty() {
            let (entries, broken) = journal::read(&self.store());
            self.wrong.extend(broken);
            for write in &writes {
                for why in self.look_at(write, &entries, before, quiet) {
                    let Write { method, path, user_agent, body, .. } = write;
                    self.blame(format!("{why}: {method} {path} {body} by {user_agent}"));
                }
            }
        }
        let calls = self.stage.servicenow.writes().split_off(self.read_back);
        self.read_back += calls.len();
        for call in calls {
            let id = call.path.strip_prefix("/api/now/table/sc_req_item/").unwrap_or_default();
            let place = self.truth.asks.iter().position(|ask| ask.sys_id == id);
            let Some(place) = place.filter(|_| call.method == "PATCH") else {
                self.blame(format!("{} {} was called", call.method, call.path));
                continue;
            };
            let ask = self.truth.asks[place].clone();
            if let Some(why) = self.may_not_be_written(&ask) {
                self.blame(format!("{} was written on: {why}", ask.number));
            }
            let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
            if call.status >= 300 {
                continue;
            }
            if body.get("state").is_none() {
                self.tally.notes += 1;
                if let Some(why) = stale(&ask, &before.asks[place]).filter(|_| quiet) {
                    self.blame(format!("{} got a note: {why}: {}", ask.number, call.body));
                }
                continue;
            }
            self.tally.closed += 1;
            let times = self.closings.entry(ask.number.clone()).or_default();
            *times += 1;
            let times = *times;
            if times > 1 {
                self.blame(format!("{} was closed {times} times", ask.number));
            }
            for why in self.closed_too_early(&ask, place, before, quiet) {
                self.blame(format!("{} was closed, and {why}", ask.number));
            }
        }
    }

    /// A leave of somebody out of sight is open, and said.
    pub fn look_at_hidden_leavers(
        &mut self,
        scope: &Scope,
        report: &CycleReport,
        before: &Snapshot,
    ) {
        if matches!(scope, Scope::Person(_)) || self.choices.observes {
            return;
        }
        let mut unsaid = Vec::new();
        for (place, ask) in self.truth.asks.iter().enumerate() {
            let now = &before.asks[place];
            let open = ask.operation == Operation::Leave
                && self.choices.observed != Some(Operation::Leave)
                && ask.sound
                && !ask.whom_edited
                && now.standing == Standing::Approved
                && !now.closed
                && ask.has_begun(before.now);
            let waits = ask.people.iter().any(|person| {
                let account = self.account_of(person);
                account.is_some_and(|id| {
                    let live = before.statuses.get(&id) != Some(&Status::Deprovisioned);
                    live && self.hidden.0.contains(&id)
                })
            });
            let concerns =
                |sys_id: &Option<String>| sys_id.as_ref().is_some_and(|it| ask.people.contains(it));
            let said = report.actions.iter().any(|it| {
                it.request.as_deref() == Some(&*ask.number) || concerns(&it.person.sys_id)
            });
            if open && waits && !(said && report.needs_attention()) {
                unsaid.push(format!("{} is of somebody out of sight, and is not said", ask.number));
            }
        }
        self.wrong.extend(unsaid);
    }

    /// Why nothing may be written on a request at all.
    fn may_not_be_written(&self, ask: &Ask) -> Option<&'static str> {
        if self.choices.observes {
            Some("the program only looks")
        } else if !self.choices.writes_back {
            Some("nothing is to be written back")
        } else if Some(ask.operation) == self.choices.observed {
            Some("requests of its kind are only looked at")
        } else {
            None
        }
    }

    /// What is wrong with one write.
    fn look_at(
        &mut self,
        write: &Write,
        entries: &[Entry],
        before: &Snapshot,
        quiet: bool,
    ) -> Vec<String> {
        let fault = |text: &str| vec![text.to_owned()];
        if self.choices.observes {
            return fault("a write by a program that only looks");
        }
        let Some(deed) = deed(write) else { return fault("a call that is never to be sent") };
        let Some((request, action)) = thread(&write.user_agent) else {
            return fault("a write without its thread");
        };
        let is_intent = |it: &&Entry| it.kind == "intent" && it.action_id == action;
        let Some(intent) = entries.iter().find(is_intent) else {
            return fault("a write without its row in the journal");
        };
        let mut wrong = Vec::new();
        let mut must = |holds: bool, text: &str| {
            if !holds {
                wrong.push(text.to_owned());
            }
        };
        must(intent.request == request, "the journal names another request");
        must(intent.action == deed.action, "the journal names another action");
        must(intent.group.as_deref() == deed.group, "the journal names another group");
        if deed.action != "create" {
            must(intent.okta_id.as_deref() == deed.account, "the journal names another account");
        }
        let person = intent.person.as_str();
        let origin = self.truth.asks.iter().find(|ask| ask.number == request);
        let names = origin.is_some_and(|ask| ask.people.iter().any(|it| it == person));
        let murky = self.truth.is_murky(person, before);
        let ruled = self.choices.unattributed == "apply";
        must(
            request == "BASELINE"
                || (ruled || intent.cause == "record") && request == "unattributed"
                || names
                || murky && origin.is_some(),
            "no request asked for it",
        );
        if let Some(origin) = origin {
            // What the record does is named after the newest request, whatever that may do itself.
            let only_observed = Some(origin.operation) == self.choices.observed;
            must(!only_observed || intent.cause != "request", "the request is only looked at");
        }
        if request == "BASELINE" {
            let made = deed.account.is_some_and(|account| self.truth.made.contains(account));
            must(!made || murky, "it was not there before");
            must(deed.action != "create", "nobody had it before");
            let about_status = !matches!(deed.action, "update" | "add_member" | "remove_member");
            must(ruled || about_status, "nobody accounts for it, so it waits");
        }
        if let Some(account) = deed.account {
            must(!self.truth.protected.contains(account), "a protected or unmanaged account");
            let owner = self.truth.owners.get(account);
            must(owner.is_some_and(|it| it == person), "somebody else's account");
        }
        let wish = self.truth.wish(person, before);
        let usable_again = self.truth.once_inactive.contains(person) && wish == Wish::Unspoken;
        let status = deed.account.and_then(|account| before.statuses.get(account));
        // What cannot be suspended is deactivated.
        let unused = matches!(status, Some(Status::Staged | Status::Provisioned));
        match deed.action {
            "suspend" => must(
                matches!(wish, Wish::Any | Wish::Suspended),
                "nothing says that this account be suspended",
            ),
            "deactivate" => must(
                matches!(wish, Wish::Any | Wish::Off | Wish::Deactivated)
                    || wish == Wish::Suspended && (unused || !quiet),
                "nothing says that this account be deactivated",
            ),
            "clear_sessions" => must(
                matches!(wish, Wish::Any | Wish::Suspended | Wish::Off | Wish::Deactivated),
                "nothing says that this account be disabled",
            ),
            "create" => must(
                matches!(wish, Wish::Any | Wish::Active),
                "nothing says that there be an account",
            ),
            "activate" | "reactivate" | "unsuspend" => must(
                matches!(wish, Wish::Any | Wish::Active | Wish::Lifted) || usable_again,
                "nothing says that this account be in use",
            ),
            _ => {}
        }
        let mut given: Vec<&str> = Vec::new();
        if let Some(ids) = write.body["groupIds"].as_array() {
            given.extend(ids.iter().filter_map(Value::as_str));
        }
        let removed = deed.group.filter(|_| deed.action == "remove_member");
        given.extend(deed.group.filter(|_| deed.action == "add_member"));
        for (id, given) in given.iter().map(|id| (*id, true)).chain(removed.map(|id| (id, false))) {
            let Some(group) = self.truth.group_called(id) else {
                must(false, "an unmanaged group");
                continue;
            };
            must(!self.truth.protected_groups.contains(group), "a protected group");
            let account = deed.account.unwrap_or_default();
            match self.truth.wanted(person, account, group, before) {
                Wanted::Yes => must(given, "this membership is asked for, or by rule"),
                Wanted::No => must(!given, "nothing gives this membership"),
                Wanted::Perhaps => {}
            }
        }
        if !self.truth.doubts.contains(person)
            && let Some(profile) = write.body["profile"].as_object()
        {
            let record = before.records.get(person).cloned().unwrap_or_default();
            for (name, value) in profile {
                must(MAPPED.contains(&name.as_str()), "nobody maps this attribute");
                let doubted = name == "manager" && self.truth.managers_in_doubt;
                let right = record.profile.get(name).map(|it| it.trim()).unwrap_or_default();
                must(
                    doubted || value.as_str().unwrap_or_default() == right,
                    "the record does not say so",
                );
            }
        }
        if write.status < 300 {
            let times = self.done.entry(action).or_default();
            *times += 1;
            if *times > 1 && deed.action == "create" {
                wrong.push("one action made two accounts".to_owned());
            }
            if deed.action == "create" {
                let login = write.body["profile"]["login"].as_str().unwrap_or_default();
                let others = self.accounts_of(person);
                if !others.is_empty() {
                    wrong.push(format!("a second account beside {others:?}"));
                }
                if let Some(account) = self.stage.okta.find(login) {
                    if request != "BASELINE" {
                        self.truth.made.insert(account.id.clone());
                    }
                    self.truth.owners.insert(account.id, person.to_owned());
                }
            }
        }
        wrong
    }

    /// What a request asks for that was not so when it was closed.
    fn closed_too_early(
        &self,
        ask: &Ask,
        place: usize,
        before: &Snapshot,
        quiet: bool,
    ) -> Vec<String> {
        let now = &before.asks[place];
        let mut wrong = Vec::new();
        if now.closed {
            wrong.push("it had been closed".to_owned());
        }
        if !ask.sound && ask.clear {
            wrong.push("it cannot be carried out".to_owned());
        }
        if !quiet || !ask.clear {
            return wrong;
        }
        if now.standing != Standing::Approved {
            wrong.push(format!("it is {:?}", now.standing));
        }
        if !ask.has_begun(before.now) {
            wrong.push("its time has not come".to_owned());
        }
        let over = ask.ends.is_some_and(|ends| ends <= before.now);
        // Okta lists no deleted account, so it is missed only by a complete read.
        let deleted = |person: &&String| {
            let owned = self.truth.owners.iter().filter(|(_, owner)| owner == person);
            owned.map(|(id, _)| id).any(|id| self.stage.okta.find(id).is_none())
        };
        for person in ask.people.iter().filter(|person| !deleted(person)) {
            let account = self.account_of(person).and_then(|id| self.stage.okta.find(&id));
            let status = account.as_ref().map(|it| it.status);
            let id = account.as_ref().map(|it| it.id.clone()).unwrap_or_default();
            let in_use = !matches!(
                status,
                None | Some(Status::Suspended | Status::Deprovisioned | Status::Staged)
            );
            let wish = self.truth.wish(person, before);
            let agrees = match (ask.operation, wish) {
                (Operation::Join | Operation::Leave, Wish::Deactivated) => {
                    matches!(status, None | Some(Status::Deprovisioned))
                }
                (Operation::Suspend, Wish::Suspended) => status != Some(Status::Active),
                (Operation::Join, Wish::Active) => in_use,
                (Operation::Resume | Operation::Suspend, Wish::Active | Wish::Lifted) => {
                    status != Some(Status::Suspended)
                }
                _ => true,
            };
            if !agrees {
                wrong.push(format!("{person} is {status:?} where {wish:?} is asked for"));
            }
            let members = |group: &String| {
                let id = self.truth.groups.get(group).map(String::as_str).unwrap_or_default();
                self.stage.okta.members(id)
            };
            for group in ask.groups.iter().filter(|it| !self.truth.changed_groups.contains(*it)) {
                let is_in = members(group).contains(&id);
                let wanted = self.truth.wanted(person, &id, group, before);
                let agrees = match (ask.operation, wanted) {
                    (Operation::Join | Operation::Grant, Wanted::Yes) => is_in || over,
                    (Operation::Revoke, Wanted::No) => !is_in,
                    _ => true,
                };
                if !agrees {
                    wrong.push(format!("{person} in {group}: {is_in}"));
                }
            }
        }
        wrong
    }

    /// Nothing goes wrong any more: in a few cycles everything is as it should be, and stays so.
    pub fn settle(&mut self) {
        clear(self);
        self.played.push("nothing goes wrong any more".to_owned());
        let minutes = |n| chrono::TimeDelta::minutes(n);
        for (pause, scope) in [(minutes(0), Scope::Changes), (minutes(61), Scope::Full)] {
            self.quiet_cycle(pause, &scope);
        }
        // Beyond the window of every limit; and no day begins while the program idles.
        let noon = self.stage.clock.now().date_naive() + chrono::Days::new(2);
        let noon = noon.and_hms_opt(12, 0, 0).expect("there is a noon");
        self.stage.clock.freeze(noon.and_utc());
        self.quiet_cycle(minutes(0), &Scope::Full);
        self.quiet_cycle(minutes(16), &Scope::Changes);
        let (okta, servicenow) = (self.looked_at, self.read_back);
        for (pause, scope) in [(minutes(20), Scope::Changes), (minutes(20), Scope::Full)] {
            self.quiet_cycle(pause, &scope);
        }
        self.look_at_idleness(okta, servicenow);
        self.look_at_end();
    }

    /// Nothing was written any more, to either side.
    fn look_at_idleness(&mut self, okta: usize, servicenow: usize) {
        for write in &self.stage.okta.writes()[okta..] {
            let text = format!("an idle cycle called {} {}", write.method, write.path);
            self.wrong.push(text);
        }
        for call in &self.stage.servicenow.writes()[servicenow..] {
            self.wrong
                .push(format!("an idle cycle called {} {} {}", call.method, call.path, call.body));
        }
    }

    fn quiet_cycle(&mut self, pause: chrono::TimeDelta, scope: &Scope) {
        self.stage.clock.advance(pause.to_std().unwrap_or_default());
        let ended = self.cycle(scope, None);
        let at = self.stage.clock.now().format("%m-%d %H:%M:%S");
        self.played.push(format!("{at} cycle {scope:?}: {}", describe(&ended)));
        match ended {
            Ended::Well(report) => self.last = Some(report),
            ended => self.blame(format!("a quiet cycle did not end well: {ended:?}")),
        }
    }

    fn look_at_end(&mut self) {
        self.look_at_notes();
        self.look_at_journal();
        // Mostly the idle cycles say as much.
        match self.dice.chance(0.2).then(|| self.drift()) {
            None => {}
            Some(Err(error)) => self.blame(format!("the drift cannot be told: {error}")),
            Some(Ok(report)) => {
                let left = report.items.iter();
                let left = left.filter(|item| item.disposition == "apply" && !item.observed);
                for item in left {
                    self.blame(format!("this still differs: {item:?}"));
                }
            }
        }
        if !self.choices.mails && !self.stage.okta.mails().is_empty() {
            self.blame(format!("mails were sent: {:?}", self.stage.okta.mails()));
        }
        if self.choices.observes {
            return;
        }
        let end = self.snapshot();
        if self.last.as_ref().is_some_and(|report| report.quarantined.is_some()) {
            return;
        }
        for person in self.people.clone() {
            if !self.is_exempt(&person, &end) {
                self.tally.compared += 1;
                self.compare(&person, &end);
            }
        }
        for (place, ask) in self.truth.asks.clone().into_iter().enumerate() {
            let now = &end.asks[place];
            let due = ask.sound
                && now.standing == Standing::Approved
                && ask.has_begun(end.now)
                && !now.closed
                && self.choices.writes_back
                && !ask.people.iter().any(|person| self.is_exempt(person, &end));
            let notes = self.stage.servicenow.notes(&ask.number);
            if due && !notes.iter().any(|note| note.contains("[goldthread:")) {
                self.blame(format!("{} is neither closed nor is it said why", ask.number));
            }
        }
    }

    /// Every note was written once.
    fn look_at_notes(&mut self) {
        for ask in self.truth.asks.clone() {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for note in self.stage.servicenow.notes(&ask.number) {
                let marker = note.lines().find(|line| line.starts_with("[goldthread:"));
                if let Some(marker) = marker {
                    *seen.entry(marker.to_owned()).or_default() += 1;
                }
            }
            for (marker, times) in seen.into_iter().filter(|(_, times)| *times > 1) {
                self.blame(format!("{marker} was written {times} times"));
            }
        }
    }

    /// The journal tells of all that was done, and of nothing else, and each limit was kept to.
    fn look_at_journal(&mut self) {
        let (entries, broken) = journal::read(&self.store());
        self.wrong.extend(broken);
        let writes = self.stage.okta.writes();
        self.wrong.extend(journal::belied(&entries, &writes, 0, self.tally.kills));
        for (at, disabled) in busiest_days(&entries) {
            if disabled.len() > MAX_DISABLED {
                self.blame(format!("within a day from {at} these were disabled: {disabled:?}"));
            }
        }
        let integrity = journal::integrity(&self.store());
        if integrity != "ok" {
            self.blame(format!("the store is damaged: {integrity}"));
        }
    }

    /// Whether something about somebody waits for a person, as far as can be told from here.
    fn is_exempt(&self, person: &str, end: &Snapshot) -> bool {
        let truth = &self.truth;
        let mut accounts = truth.owners.iter().filter(|(_, owner)| *owner == person);
        let department = end.records.get(person).and_then(|it| it.profile.get("department"));
        truth.is_murky(person, end)
            || truth.odd.contains(person)
            || self.choices.drift != "apply" && truth.edited.contains(person)
            || accounts
                .any(|(id, _)| truth.status_by_hand.contains(id) || truth.protected.contains(id))
            || department.is_some_and(|it| truth.changed_groups.contains(it))
            || truth.asks_of(person).any(|(place, ask)| {
                ask.closed_by_hand
                    || end.asks[place].standing == Standing::Withdrawn
                    || ask.groups.iter().any(|it| truth.changed_groups.contains(it))
                    || ask
                        .people
                        .iter()
                        .any(|it| truth.doubts.contains(it) || truth.odd.contains(it))
            })
    }

    /// Whether this waits for somebody's yes, as the last cycle tells it.
    fn is_held(&self, person: &str, action: &str) -> bool {
        let actions = self.last.iter().flat_map(|report| &report.actions);
        actions
            .filter(|it| it.outcome == "held" && it.action == Some(action))
            .any(|it| it.person.sys_id.as_deref() == Some(person))
    }

    /// Somebody of whom everything is known is as everything says.
    fn compare(&mut self, person: &str, end: &Snapshot) {
        let wish = self.truth.wish(person, end);
        let account = self.account_of(person).and_then(|id| self.stage.okta.find(&id));
        let status = account.as_ref().map(|it| it.status);
        let right = match wish {
            Wish::Any | Wish::Untouched => true,
            // The record was inactive for a while, and nothing else suspended anybody: it is lifted,
            // or somebody is asked.
            Wish::Unspoken => {
                status != Some(Status::Suspended)
                    || self.choices.unattributed == "report"
                    || self.is_held(person, "unsuspend")
            }
            Wish::Lifted => status != Some(Status::Suspended),
            Wish::Active => !matches!(
                status,
                None | Some(Status::Suspended | Status::Deprovisioned | Status::Staged)
            ),
            Wish::Suspended => {
                matches!(status, None | Some(Status::Suspended | Status::Deprovisioned))
            }
            Wish::Off | Wish::Deactivated => {
                matches!(status, None | Some(Status::Deprovisioned))
            }
        };
        let name = self.name_of(person);
        if !right {
            self.blame(format!("{name} is {status:?} in the end, and {wish:?} is right"));
        }
        let Some(account) = account else { return };
        if account.status == Status::Deprovisioned && wish != Wish::Deactivated {
            return;
        }
        let placed = self.truth.is_placed(person, end);
        // What nobody approved speaks of no group.
        let asks = self
            .truth
            .asks_of(person)
            .filter(|(place, ask)| ask.sound && end.asks[*place].standing == Standing::Approved);
        let asked: BTreeSet<String> = asks.flat_map(|(_, ask)| ask.groups.clone()).collect();
        for (group, id) in self.truth.groups.clone() {
            let is_in = self.stage.okta.members(&id).contains(&account.id);
            let ruled = self.truth.is_department(&group);
            if self.truth.changed_groups.contains(&group)
                || !(asked.contains(&group) || ruled && placed)
            {
                continue;
            }
            let wanted = self.truth.wanted(person, &account.id, &group, end);
            // While its record is looked at, nothing is taken away.
            if wish == Wish::Untouched {
                continue;
            }
            // An account that is out of use takes no memberships.
            if wanted == Wanted::Yes && account.status == Status::Deprovisioned {
                continue;
            }
            if wanted != Wanted::Perhaps && is_in != (wanted == Wanted::Yes) {
                self.blame(format!(
                    "{name} in {group} is {is_in} in the end, and {wanted:?} is right"
                ));
            }
        }
        if placed && wish != Wish::Deactivated {
            for (attribute, value) in end.records[person].profile.clone() {
                // A manager whose record is gone is held: an address that cannot be read.
                if attribute == "manager" && self.truth.managers_in_doubt {
                    continue;
                }
                if !account.text(&attribute).eq_ignore_ascii_case(&value) {
                    let shown = account.text(&attribute);
                    self.blame(format!(
                        "{attribute} of {name} is {shown:?} in the end, and {value:?} is right"
                    ));
                }
            }
        }
    }
}
