//! What must hold in every world: after each cycle, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use goldthread::engine::Scope;
use goldthread::sim::company::Operation;
use goldthread::sim::okta::{Status, Write};
use serde_json::Value;

use super::journal::{self, Entry, thread};
use super::moves::{clear, describe};
use super::truth::{Ask, Snapshot, Standing, Wanted, Wish};
use super::world::{Ended, World};

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
                for why in self.look_at(write, &entries, before) {
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
            let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
            if body.get("state").is_none() || call.status >= 300 {
                continue;
            }
            self.tally.closed += 1;
            let ask = self.truth.asks[place].clone();
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

    /// What is wrong with one write.
    fn look_at(&mut self, write: &Write, entries: &[Entry], before: &Snapshot) -> Vec<String> {
        let fault = |text: &str| vec![text.to_owned()];
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
        must(
            request == "BASELINE" || names || murky && origin.is_some(),
            "no request asked for it",
        );
        if let Some(account) = deed.account {
            must(!self.truth.protected.contains(account), "a protected or unmanaged account");
            let owner = self.truth.owners.get(account);
            must(owner.is_some_and(|it| it == person), "somebody else's account");
        }
        let wish = self.truth.wish(person, before);
        let usable_again = self.truth.once_inactive.contains(person) && wish == Wish::Unspoken;
        match deed.action {
            "suspend" | "deactivate" | "clear_sessions" => must(
                matches!(wish, Wish::Any | Wish::Suspended | Wish::Deactivated),
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
        for person in &ask.people {
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
        for write in &self.stage.okta.writes()[okta..] {
            let text = format!("an idle cycle called {} {}", write.method, write.path);
            self.wrong.push(text);
        }
        for call in &self.stage.servicenow.writes()[servicenow..] {
            self.wrong
                .push(format!("an idle cycle called {} {} {}", call.method, call.path, call.body));
        }
        self.look_at_end();
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
                for item in report.items.iter().filter(|item| item.disposition == "apply") {
                    self.blame(format!("this still differs: {item:?}"));
                }
            }
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

    /// What the journal says was done was done, by the call whose id it names.
    fn look_at_journal(&mut self) {
        let (entries, broken) = journal::read(&self.store());
        self.wrong.extend(broken);
        let writes = self.stage.okta.writes();
        for entry in entries.iter().filter(|it| it.outcome.as_deref() == Some("applied")) {
            let id = entry.okta_request_id.as_deref();
            let told = writes.iter().any(|write| {
                Some(write.request_id.as_str()) == id
                    && write.status < 300
                    && thread(&write.user_agent).is_some_and(|(_, it)| it == entry.action_id)
            });
            if !told {
                self.blame(format!("the journal tells of what was not done: {entry:?}"));
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

    /// Somebody of whom everything is known is as everything says.
    fn compare(&mut self, person: &str, end: &Snapshot) {
        let wish = self.truth.wish(person, end);
        let account = self.account_of(person).and_then(|id| self.stage.okta.find(&id));
        let status = account.as_ref().map(|it| it.status);
        let right = match wish {
            Wish::Any | Wish::Unspoken => true,
            Wish::Lifted => status != Some(Status::Suspended),
            Wish::Active => !matches!(
                status,
                None | Some(Status::Suspended | Status::Deprovisioned | Status::Staged)
            ),
            Wish::Suspended => {
                matches!(status, None | Some(Status::Suspended | Status::Deprovisioned))
            }
            Wish::Deactivated => matches!(status, None | Some(Status::Deprovisioned)),
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
