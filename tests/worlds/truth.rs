//! What is right in a world, worked out from what its people did, and not by the program.
//!
//! Where somebody did what no list shows (edited a request after its approval, back-dated a row),
//! the program may know or not, and both are right: that is [`Wish::Any`] and [`Wanted::Perhaps`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use goldthread::sim::company::Operation;
use goldthread::sim::okta::Status;
use goldthread::sim::stage::Stage;

/// A request as it was ordered.
#[derive(Debug, Clone)]
pub struct Ask {
    pub number: String,
    pub sys_id: String,
    pub operation: Operation,
    /// Approved by the order rather than by itself.
    pub by_order: bool,
    pub people: Vec<String>,
    /// The names of the groups when it was ordered.
    pub groups: Vec<String>,
    pub starts: Option<DateTime<Utc>>,
    pub ends: Option<DateTime<Utc>>,
    /// Nothing in it makes it impossible to carry out.
    pub sound: bool,
    /// Nobody changed it behind the program's back.
    pub clear: bool,
    /// Its form was edited to name somebody else.
    pub whom_edited: bool,
    /// Somebody closed it by hand.
    pub closed_by_hand: bool,
}

/// How an ask stands in ServiceNow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Approved,
    Withdrawn,
    Gone,
}

/// Everything that its people know of a world, beside what the simulators show.
#[derive(Debug, Default)]
pub struct Truth {
    pub asks: Vec<Ask>,
    /// Whose account is whose, by Okta id.
    pub owners: BTreeMap<String, String>,
    /// People of whose records the program may know something else than they say.
    pub doubts: BTreeSet<String>,
    /// People about whom the program may rightly do nothing: it is not clear who they are.
    pub odd: BTreeSet<String>,
    /// Somebody's manager may be known by an address that is not there any more.
    pub managers_in_doubt: bool,
    /// People whose records were inactive or gone at some time.
    pub once_inactive: BTreeSet<String>,
    /// Okta ids of the groups, by the names that they had first.
    pub groups: BTreeMap<String, String>,
    /// Group and account: memberships that were there from the beginning.
    pub seeded: BTreeSet<(String, String)>,
    /// Group and account: memberships that somebody made by hand.
    pub by_hand: BTreeSet<(String, String)>,
    /// Accounts whose status somebody changed by hand.
    pub status_by_hand: BTreeSet<String>,
    /// Groups that somebody renamed or deleted.
    pub changed_groups: BTreeSet<String>,
    /// Accounts that nobody may write to.
    pub protected: BTreeSet<String>,
    /// Names of groups that nobody may change.
    pub protected_groups: BTreeSet<String>,
    /// What is to become of an account whose record is inactive, as the configuration says it.
    pub inactive_record: &'static str,
    /// Requests of this kind are only looked at.
    pub observed: Option<Operation>,
    /// People whose accounts or memberships somebody changed by hand.
    pub edited: BTreeSet<String>,
    /// Accounts that the program made.
    pub made: BTreeSet<String>,
}

/// Where somebody's account should stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It cannot be told.
    Any,
    /// Nobody said anything: what is, stands.
    Unspoken,
    Active,
    /// Not suspended any more: a return makes no account, and brings none back.
    Lifted,
    Suspended,
    /// Out of use because of the record; of memberships nothing is said.
    Off,
    /// What is, stands, whatever was asked for: somebody has to look.
    Untouched,
    Deactivated,
}

/// Whether somebody should be in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Yes,
    Perhaps,
    No,
}

/// One request at a moment.
#[derive(Debug, Clone)]
pub struct Now {
    pub standing: Standing,
    pub closed: bool,
    order: (DateTime<Utc>, DateTime<Utc>, String),
}

/// One record at a moment.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub usable: bool,
    pub profile: BTreeMap<String, String>,
}

/// ServiceNow at a moment, as its people see it.
pub struct Snapshot {
    pub now: DateTime<Utc>,
    /// In the order of `Truth::asks`.
    pub asks: Vec<Now>,
    pub records: BTreeMap<String, Record>,
    /// How each account stands.
    pub statuses: BTreeMap<String, Status>,
}

/// What somebody's requests come to.
#[derive(Debug, Default)]
struct Folded {
    status: Option<Wish>,
    granted: BTreeMap<String, BTreeSet<usize>>,
    revoked: BTreeSet<String>,
    ended: bool,
    placed: bool,
    joined: bool,
}

impl Ask {
    /// Whether its `starts` has come. When it was opened is for the order among requests alone.
    pub fn has_begun(&self, now: DateTime<Utc>) -> bool {
        self.starts.is_none_or(|starts| starts <= now)
    }
}

impl Snapshot {
    pub fn take(stage: &Stage, truth: &Truth, people: &[String]) -> Self {
        let now = stage.clock.now();
        let asks = truth.asks.iter().map(|ask| stand(stage, ask)).collect();
        let records = people.iter().map(|id| (id.clone(), record(stage, id))).collect();
        let accounts = stage.okta.accounts().into_iter();
        let statuses = accounts.map(|account| (account.id, account.status)).collect();
        Self { now, asks, records, statuses }
    }
}

fn moment(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map_or(DateTime::UNIX_EPOCH, |it| it.and_utc())
}

fn stand(stage: &Stage, ask: &Ask) -> Now {
    let of = |column: &str| stage.servicenow.value("sc_req_item", &ask.sys_id, column);
    let opened = moment(&of("opened_at"));
    let effective = ask.starts.map_or(opened, |starts| starts.max(opened));
    let view = stage.servicenow.request(&ask.number);
    let standing = match &view {
        None => Standing::Gone,
        Some(view) => {
            let called_off = |text: &str| matches!(text, "rejected" | "cancelled");
            let approval = if ask.by_order { &view.order_approval } else { &view.approval };
            if matches!(view.state.as_str(), "4" | "7")
                || called_off(&view.approval)
                || called_off(&view.order_approval)
            {
                Standing::Withdrawn
            } else if approval == "approved" || ask.operation == Operation::Resume {
                Standing::Approved
            } else {
                Standing::Waiting
            }
        }
    };
    let closed = view.is_some_and(|view| matches!(view.state.as_str(), "3" | "4" | "7"));
    let order = (effective, moment(&of("sys_created_on")), ask.number.clone());
    Now { standing, closed, order }
}

fn record(stage: &Stage, id: &str) -> Record {
    let of = |column: &str| stage.servicenow.value("sys_user", id, column);
    if of("sys_id").is_empty() {
        return Record::default();
    }
    let department = stage.servicenow.value("cmn_department", &of("department"), "name");
    let manager = stage.servicenow.value("sys_user", &of("manager"), "email");
    let profile = [
        ("login", of("email")),
        ("email", of("email")),
        ("firstName", of("first_name")),
        ("lastName", of("last_name")),
        ("employeeNumber", of("employee_number")),
        ("department", department),
        ("manager", manager),
    ];
    let profile = profile.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Record { usable: of("active") == "true", profile }
}

impl Truth {
    /// The asks that name somebody, with their places.
    pub fn asks_of<'a>(&'a self, person: &'a str) -> impl Iterator<Item = (usize, &'a Ask)> {
        let names = move |ask: &&Ask| ask.people.iter().any(|it| it == person);
        self.asks.iter().enumerate().filter(move |(_, ask)| names(ask))
    }

    /// Whether something happened about somebody that the program may not have seen.
    pub fn is_murky(&self, person: &str, at: &Snapshot) -> bool {
        self.doubts.contains(person)
            || self.asks_of(person).any(|(place, ask)| {
                !ask.clear
                    || at.asks[place].standing == Standing::Gone
                    || self.observed == Some(ask.operation)
            })
    }

    fn fold(&self, person: &str, at: &Snapshot) -> Folded {
        let mut asks: Vec<(usize, &Ask)> = self
            .asks_of(person)
            .filter(|(place, ask)| {
                let now = &at.asks[*place];
                ask.sound && now.standing == Standing::Approved && ask.has_begun(at.now)
            })
            .collect();
        asks.sort_by(|a, b| at.asks[a.0].order.cmp(&at.asks[b.0].order));
        let mut folded = Folded::default();
        for (place, ask) in asks {
            let over = ask.ends.is_some_and(|ends| ends <= at.now);
            let gone = folded.status == Some(Wish::Deactivated);
            match ask.operation {
                Operation::Leave => folded.leave(),
                Operation::Join if over => folded.leave(),
                Operation::Join => {
                    folded.status = Some(Wish::Active);
                    folded.placed = true;
                    folded.joined = true;
                }
                Operation::Move => folded.placed = true,
                Operation::Suspend if !gone => {
                    folded.status = Some(if over { Wish::Active } else { Wish::Suspended });
                }
                Operation::Resume if !gone => folded.status = Some(Wish::Active),
                Operation::Revoke => {
                    for group in &ask.groups {
                        folded.granted.remove(group);
                        folded.revoked.insert(group.clone());
                    }
                }
                Operation::Suspend | Operation::Resume | Operation::Grant => {}
            }
            if matches!(ask.operation, Operation::Join | Operation::Grant) && !over {
                for group in &ask.groups {
                    folded.granted.entry(group.clone()).or_default().insert(place);
                }
            }
        }
        folded
    }

    /// Where somebody's account should stand.
    pub fn wish(&self, person: &str, at: &Snapshot) -> Wish {
        if self.is_murky(person, at) {
            return Wish::Any;
        }
        let folded = self.fold(person, at);
        let usable = at.records.get(person).is_some_and(|record| record.usable);
        match folded.status {
            Some(Wish::Deactivated) => Wish::Deactivated,
            _ if !usable => match (self.inactive_record, folded.status) {
                ("deactivate", _) => Wish::Off,
                ("suspend", _) | (_, Some(Wish::Suspended)) => Wish::Suspended,
                _ => Wish::Untouched,
            },
            Some(Wish::Active) if !folded.joined => Wish::Lifted,
            Some(wish) => wish,
            None => Wish::Unspoken,
        }
    }

    /// Whether a join or a move says what somebody's profile and birthright come from.
    pub fn is_placed(&self, person: &str, at: &Snapshot) -> bool {
        self.fold(person, at).placed
    }

    /// Whether somebody should be in a group, by the group's first name.
    pub fn wanted(&self, person: &str, account: &str, group: &str, at: &Snapshot) -> Wanted {
        if self.is_murky(person, at) {
            return Wanted::Perhaps;
        }
        let folded = self.fold(person, at);
        let record = at.records.get(person).cloned().unwrap_or_default();
        if self.is_department(group) {
            let belongs = record.usable && record.profile["department"] == group;
            let gone = folded.status == Some(Wish::Deactivated);
            return if belongs && !gone { Wanted::Yes } else { Wanted::No };
        }
        if folded.granted.contains_key(group) {
            return Wanted::Yes;
        }
        let adopted = !folded.ended && !folded.revoked.contains(group);
        let place = (group.to_owned(), account.to_owned());
        // What a request gives as well may be there because of it: then it goes with the request.
        let gives = |ask: &Ask| matches!(ask.operation, Operation::Join | Operation::Grant);
        let explained =
            self.asks_of(person).any(|(_, ask)| gives(ask) && ask.groups.contains(&place.0));
        // Whoever is hired again on a deactivated account gets what is asked for now.
        let rehired = self.status_by_hand.contains(&place.1)
            && self.asks_of(person).any(|(_, ask)| ask.operation == Operation::Join);
        let explained = explained || rehired;
        if adopted && explained && self.seeded.contains(&place) {
            Wanted::Perhaps
        } else if adopted && self.seeded.contains(&place) {
            Wanted::Yes
        } else if adopted && self.by_hand.contains(&place) {
            // It counts where the account or the group came under management after it.
            Wanted::Perhaps
        } else {
            Wanted::No
        }
    }

    /// Whether a group is somebody's by what the record says.
    pub fn is_department(&self, group: &str) -> bool {
        self.groups.contains_key(group) && !group.contains('-') && group != "VPN Users"
    }

    /// The first name of a group.
    pub fn group_called(&self, okta_id: &str) -> Option<&str> {
        self.groups.iter().find(|(_, id)| *id == okta_id).map(|(name, _)| name.as_str())
    }
}

impl Folded {
    fn leave(&mut self) {
        *self = Self { status: Some(Wish::Deactivated), ended: true, ..Self::default() };
    }
}
