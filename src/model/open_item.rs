//! What is not as it should be, and why: a difference that waits, is blocked or only reported, with
//! the action that would remove it where there is one; a request that cannot be carried out; a name
//! or a rule of the configuration that cannot be used; a side in trouble.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BlockedReason, Cause, Change, Disposition, FactKey, GroupId, HoldReason, HoldSet, Origin,
    StepKind, SysId, Why,
};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenItem {
    /// Whom or what it is about.
    pub subject: Subject,
    /// The facts that differ, the most telling first; none where it is about no person.
    pub facts: Vec<OpenFact>,
    /// Where the desired fact comes from.
    pub origin: Origin,
    /// Why the two sides differ now.
    pub cause: Cause,
    /// The same in words, for where nothing stands in the way; `None` where something does.
    pub why: Option<Why>,
    /// What is done about it, and if nothing is, why.
    pub disposition: Disposition,
    /// The action that would remove it; `None` where no action could.
    pub action: Option<OpenAction>,
}

/// Whom or what an open item is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A person, with an account or without.
    Person(SysId),
    /// A requested item that is not carried out.
    Request(SysId),
    /// A `[[group]]` block, by its group's name as configured.
    Rule(String),
    /// Another name in the configuration, as it stands there.
    Name(String),
    /// One of the two systems, or something that it does not give.
    Side(String),
    /// A row of ServiceNow, by its table and id, or a group rule of Okta, by its id, that cannot be
    /// read or makes no sense.
    Record(String),
}

/// One fact that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFact {
    /// Which fact it is.
    pub key: FactKey,
    /// How it should be; `None` is null.
    pub desired: Option<String>,
    /// How it is; `None` is null.
    pub actual: Option<String>,
    /// Where the desired value comes from.
    pub origin: Origin,
    /// Why the two differ now.
    pub cause: Cause,
    /// The step that would remove it; `None` where none would.
    pub step: Option<StepKind>,
}

/// The action that would remove what is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAction {
    /// What makes it the same action in every cycle: a decision is about this.
    pub fingerprint: String,
    /// What it would do.
    pub step: StepKind,
    /// The group whose members it would change.
    pub group: Option<GroupId>,
    /// Groups that an account would get at its creation.
    pub groups: Vec<GroupId>,
    /// Profile attributes that it would write.
    pub changes: BTreeMap<String, Change>,
    /// The set that it waits in, where a whole kind of action does.
    pub set: Option<HoldSet>,
}

impl OpenItem {
    /// A name or a rule of the configuration that cannot be used, or a side that does not give what
    /// is needed.
    pub(crate) fn unusable(subject: Subject, why: String) -> Self {
        Self {
            subject,
            facts: Vec::new(),
            origin: Origin::None,
            cause: Cause::Rule,
            why: None,
            disposition: Disposition::Blocked(BlockedReason::Unusable(why)),
            action: None,
        }
    }

    /// The person whom it is about.
    pub fn person(&self) -> Option<&SysId> {
        match &self.subject {
            Subject::Person(id) => Some(id),
            _ => None,
        }
    }

    /// Why it is open, for a person to read.
    pub fn reason(&self) -> String {
        let why = || self.why.as_ref().map(ToString::to_string).unwrap_or_default();
        self.disposition.reason().unwrap_or_else(why)
    }

    /// A person decided that it is not to be heard of, or it comes after what was decided so.
    pub fn is_dismissed(&self) -> bool {
        matches!(&self.disposition, Disposition::Hold(HoldReason::Dismissed(_)))
    }

    /// What makes it the same item as one that was open before.
    pub fn identity(&self) -> String {
        if let Some(action) = &self.action {
            return format!("action {}", action.fingerprint);
        }
        let (kind, name) = self.subject.words();
        let fact = |it: &OpenFact| format!(" {} {}", it.key, it.origin);
        format!("{kind} {name}{}", self.facts.iter().map(fact).collect::<String>())
    }
}

impl Subject {
    /// Its kind and its id or name, as they are kept.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Person(id) => ("person", id.as_str()),
            Self::Request(id) => ("request", id.as_str()),
            Self::Rule(name) => ("rule", name),
            Self::Name(name) => ("name", name),
            Self::Side(name) => ("side", name),
            Self::Record(name) => ("record", name),
        }
    }

    /// Reads the two words back.
    pub fn from_words(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "person" => Self::Person(SysId::parse(name).ok()?),
            "request" => Self::Request(SysId::parse(name).ok()?),
            "rule" => Self::Rule(name.to_owned()),
            "name" => Self::Name(name.to_owned()),
            "side" => Self::Side(name.to_owned()),
            "record" => Self::Record(name.to_owned()),
            _ => return None,
        })
    }
}
