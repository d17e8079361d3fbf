//! What many open items have in common: by one cause they are one set, with one name, one line in
//! every report and one event in the log, whether a decision lets them go or something else has to
//! change first.

use std::collections::BTreeMap;

use super::{
    AttributeRefusal, BlockedReason, Disposition, FactKey, HoldReason, OpenItem, StepKind, Subject,
    Undecidable,
};

/// The cause that open items share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedCause {
    /// The name of the set that they are.
    pub set: String,
    /// The group, by its id, or the attributes that all of it is about, where it is only these.
    pub about: Option<String>,
    /// The guard holds it: a set also where it is one alone.
    pub by_guard: bool,
}

impl OpenItem {
    /// The cause by which it belongs to a set; `None` for what is only reported or to be done, and
    /// for what has a cause of its own.
    pub fn shared_cause(&self) -> Option<SharedCause> {
        match self.disposition.enforced() {
            Disposition::Hold(reason) => {
                let of_guard = self.action.as_ref().and_then(|action| action.set);
                let named = |set| SharedCause { by_guard: true, ..SharedCause::named(set, None) };
                of_guard.map(|set| named(set.as_str())).or_else(|| of_hold(self, reason))
            }
            Disposition::Blocked(reason) => of_block(self, reason),
            _ => None,
        }
    }

    fn group(&self) -> Option<String> {
        let of_fact = || match &self.facts.first()?.key {
            FactKey::Membership(group) => Some(group),
            _ => None,
        };
        let of_action = self.action.as_ref().and_then(|action| action.group.as_ref());
        of_action.or_else(of_fact).map(|group| group.as_str().to_owned())
    }
}

impl SharedCause {
    /// Whether so many of it are one set: what nobody shares is none.
    pub fn is_set_of(&self, members: usize) -> bool {
        members > 1 || self.by_guard && members == 1
    }

    fn named(word: &str, about: Option<String>) -> Self {
        let mut set = word.to_owned();
        if let Some(part) = &about {
            // The name is typed: nothing in it may need quotes.
            let plain = |c: char| if c.is_alphanumeric() || "_.+".contains(c) { c } else { '-' };
            set.push('-');
            set.extend(part.chars().map(plain));
        }
        Self { set, about, by_guard: false }
    }

    /// By what would be done, and to what.
    fn of_action(word: &str, item: &OpenItem) -> Option<Self> {
        let action = item.action.as_ref()?;
        let attributes = || action.changes.keys().cloned().collect::<Vec<_>>().join("+");
        let about = match (&action.group, action.step) {
            (Some(group), _) => Some(group.as_str().to_owned()),
            (None, StepKind::Update) => Some(attributes()),
            (None, _) => None,
        };
        let step = action.step.as_str().replace('_', "-");
        Some(Self::named(&format!("{word}-{step}"), about))
    }

    /// By a text: who is told the same has the same cause.
    fn told(word: &str, text: &str) -> Self {
        // FNV-1a: a name that is the same in every version.
        let hash = text
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self::named(&format!("{word}-{:06x}", hash & 0x00ff_ffff), None)
    }
}

/// Items by the cause that they share, and those that share theirs with no other.
pub(crate) fn gather<T>(
    items: impl IntoIterator<Item = T>,
    item: impl Fn(&T) -> &OpenItem,
) -> (BTreeMap<SharedCause, Vec<T>>, Vec<T>) {
    let mut sets: BTreeMap<SharedCause, Vec<T>> = BTreeMap::new();
    let mut alone = Vec::new();
    for one in items {
        match item(&one).shared_cause() {
            Some(cause) => sets.entry(cause).or_default().push(one),
            None => alone.push(one),
        }
    }
    for (_, few) in sets.extract_if(.., |cause, members| !cause.is_set_of(members.len())) {
        alone.extend(few);
    }
    (sets, alone)
}

/// What a set of so many comes to, as the beginning of a sentence; with its name where that is not
/// said otherwise.
pub(crate) fn tally(members: usize, first: &OpenItem, set: Option<&str>) -> String {
    let (one, more, verbs) = match (&first.subject, first.disposition.enforced(), &first.action) {
        (Subject::Request(_), _, None) => {
            ("request", "requests", ["is not carried out", "are not carried out"])
        }
        (Subject::Record(_), ..) => ("record", "records", ["cannot be used"; 2]),
        (_, Disposition::Hold(_), Some(_)) => ("action", "actions", ["is held", "are held"]),
        (_, Disposition::Blocked(_), _) => ("difference", "differences", ["cannot be repaired"; 2]),
        _ => ("difference", "differences", ["waits", "wait"]),
    };
    let (noun, verb) = if members == 1 { (one, verbs[0]) } else { (more, verbs[1]) };
    match set {
        Some(set) if noun.starts_with("action") => {
            format!("{members} {noun} {verb} as the set {set}")
        }
        Some(set) => format!("{members} {noun} of the set {set} {verb}"),
        None => format!("{members} {noun} {verb}"),
    }
}

fn of_hold(item: &OpenItem, reason: &HoldReason) -> Option<SharedCause> {
    use HoldReason as R;
    let by_action = |word| SharedCause::of_action(word, item);
    let named = |word| Some(SharedCause::named(word, None));
    match reason {
        R::InactiveRecord { .. } => by_action("inactive-record"),
        R::WithdrawnAfterEffect(_) => by_action("withdrawn"),
        R::Unattributed => by_action("unattributed"),
        R::Drift(_) => by_action("drift"),
        R::After { reason, .. } => of_hold(item, reason),
        R::NeedsAttribute(attribute) => match &**attribute {
            Disposition::Hold(reason) => of_hold(item, reason),
            Disposition::Blocked(reason) => of_block(item, reason),
            _ => None,
        },
        R::Undecidable(undecidable) => Some(of_undecidable(undecidable)),
        R::RecordInactive => named("record-inactive"),
        R::NoAccount => named("no-account"),
        R::AccountDeactivated => named("account-deactivated"),
        R::RequestWaits { kind, reason, .. } => match &item.subject {
            Subject::Record(_) => Some(SharedCause::told(kind, &without_ids(reason))),
            _ => Some(SharedCause::told(kind, reason)),
        },
        // Each is between this person and somebody else.
        R::Account(_)
        | R::LoginTaken
        | R::Contested { .. }
        | R::ClosedBeforeFirstSeen
        | R::Dismissed(_)
        | R::Limit(_)
        | R::ImplausibleRead(_)
        | R::EmptyStore
        | R::AfterObserved(_)
        | R::Recorded(_) => None,
    }
}

fn of_undecidable(undecidable: &Undecidable) -> SharedCause {
    use Undecidable as U;
    let about = |word, name: &String| SharedCause::named(word, Some(name.clone()));
    match undecidable {
        U::Outside => SharedCause::named("outside", None),
        U::Unreadable(unreadable) => SharedCause::told("unreadable", &without_ids(&unreadable.why)),
        U::OutOfSight => SharedCause::named("out-of-sight", None),
        U::RecordInactive => SharedCause::named("record-inactive", None),
        U::FieldHidden { field } => about("hidden", field),
        U::Attribute { attribute, .. } => about("expression", attribute),
        U::Empty { attribute } => about("empty", attribute),
        U::Rule { rule, .. } => about("rule", rule),
    }
}

fn of_block(item: &OpenItem, reason: &BlockedReason) -> Option<SharedCause> {
    use BlockedReason as R;
    let named = |word, about| Some(SharedCause::named(word, about));
    match reason {
        R::Refused(why) => Some(SharedCause::told("refused", &without_ids(why))),
        R::UnknownStatus => named("unknown-status", None),
        R::OnlyActiveIsSuspended => named("not-active", None),
        R::Attribute(refusal) => Some(of_attribute(refusal)),
        R::GroupDeleted => named("group-deleted", item.group()),
        R::GroupOwned(_) => named("group-owned", item.group()),
        R::Birthright { rule } => named("birthright", Some(rule.clone())),
        // A name, a rule, a side: each is one.
        R::Unusable(_) => None,
    }
}

fn of_attribute(refusal: &AttributeRefusal) -> SharedCause {
    use AttributeRefusal as R;
    let (word, name) = match refusal {
        R::Unknown(name) => ("no-attribute", name),
        R::ReadOnly(name) => ("read-only", name),
        R::OwnedElsewhere(name) => ("owned-elsewhere", name),
        R::Immutable(name) => ("immutable", name),
        R::Required(name) => ("required", name),
        R::Type { attribute, .. } => ("type", attribute),
        R::TooLong { attribute, .. } => ("too-long", attribute),
        R::Mastered { provider } => ("mastered", provider),
    };
    SharedCause::named(word, Some(name.clone()))
}

/// What a side said, but for the object that it was said about.
fn without_ids(text: &str) -> String {
    let is_name = |word: &&str| {
        let long = word.len() >= 15 && word.bytes().any(|byte| byte.is_ascii_digit());
        !long && !word.contains('@')
    };
    text.split_whitespace().filter(is_name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::sys_id;
    use crate::model::{Cause, GroupId, Needs, OpenFact, Origin};

    fn open(person: &str, key: FactKey, disposition: Disposition) -> OpenItem {
        let (origin, cause) = (Origin::None, Cause::Rule);
        let (desired, actual, step) = (Some("x".to_owned()), None, None);
        OpenItem {
            subject: Subject::Person(sys_id(person)),
            facts: vec![OpenFact { key, desired, actual, origin: Origin::None, cause, step }],
            origin,
            cause,
            why: None,
            disposition,
            action: None,
        }
    }

    fn profile(name: &str) -> FactKey {
        FactKey::Profile(name.to_owned())
    }

    fn group(id: &str) -> FactKey {
        FactKey::Membership(GroupId::parse(id).unwrap())
    }

    fn blocked(reason: BlockedReason) -> Disposition {
        Disposition::Blocked(reason)
    }

    fn undecidable(reason: Undecidable) -> Disposition {
        Disposition::Hold(HoldReason::Undecidable(reason))
    }

    #[test]
    fn whoever_is_in_the_way_of_one_cause_is_one_set_with_a_name_that_can_be_typed() {
        let department = || AttributeRefusal::Unknown("department".to_owned());
        let refused = |id: &str| format!("Okta refused to add {id} to 00g1: 403 E0000006");
        for (key, disposition, name) in [
            (
                profile("department"),
                blocked(BlockedReason::Attribute(department())),
                "no-attribute-department",
            ),
            (
                FactKey::Account,
                Disposition::Hold(HoldReason::NeedsAttribute(Box::new(blocked(
                    BlockedReason::Attribute(department()),
                )))),
                "no-attribute-department",
            ),
            (group("00g1"), blocked(BlockedReason::GroupDeleted), "group-deleted-00g1"),
            (
                group("00g1"),
                blocked(BlockedReason::Birthright { rule: "Sales & Co".to_owned() }),
                "birthright-Sales---Co",
            ),
            (
                group("00g1"),
                undecidable(Undecidable::Rule {
                    rule: "Sales".to_owned(),
                    why: "it is".to_owned(),
                }),
                "rule-Sales",
            ),
            (
                profile("manager"),
                undecidable(Undecidable::FieldHidden { field: "manager.email".to_owned() }),
                "hidden-manager.email",
            ),
        ] {
            let items = ["p1", "p2"].map(|person| open(person, key.clone(), disposition.clone()));
            let (sets, alone) = gather(&items, |item| *item);
            assert_eq!((sets.len(), alone.len()), (1, 0), "{name}");
            assert_eq!(sets.keys().next().unwrap().set, name);
        }
        let texts = ["00uabcdefghijkl1", "00uabcdefghijkl2"].map(refused);
        let items =
            texts.map(|why| open("p1", group("00g1"), blocked(BlockedReason::Refused(why))));
        assert_eq!(gather(&items, |item| *item).0.len(), 1, "the ids are not the cause");
    }

    #[test]
    fn other_causes_and_one_alone_are_no_set() {
        let group_of = |id: &str| open("p1", group(id), blocked(BlockedReason::GroupDeleted));
        let waits = |reason: &str| OpenItem {
            subject: Subject::Request(sys_id("r1")),
            ..open(
                "p1",
                FactKey::Account,
                Disposition::Hold(HoldReason::RequestWaits {
                    kind: "person-unknown".to_owned(),
                    reason: reason.to_owned(),
                    needs: Needs::Requester,
                }),
            )
        };
        let items = [group_of("00g1"), group_of("00g2"), waits("no jane"), waits("no joe")];
        let (sets, alone) = gather(&items, |item| *item);
        assert_eq!((sets.len(), alone.len()), (0, 4));
        let items = [waits("no jane"), waits("no jane")];
        let (sets, _) = gather(&items, |item| *item);
        assert_eq!(sets.len(), 1, "who is told the same has the same cause");
    }

    #[test]
    fn a_set_says_what_it_is_a_set_of() {
        let item = open("p1", group("00g1"), blocked(BlockedReason::GroupDeleted));
        assert_eq!(
            tally(300, &item, Some("gone")),
            "300 differences of the set gone cannot be repaired"
        );
        assert_eq!(tally(1, &item, None), "1 difference cannot be repaired");
    }
}
