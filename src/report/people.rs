//! `people`: everybody with the account, and why there is none or why it cannot be told whose it is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Offline;
use crate::model::{Disposition, FactKey, HoldReason, OpenItem, Presence, SysId, Timestamp};
use crate::report::stamp;
use crate::store::{Mode, PersonRow, Store, StoreError};
use crate::sync::names::PersonNames;

/// Who is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeopleFilter {
    /// Everybody, and accounts of nobody.
    #[default]
    All,
    /// People without an account that is to be seen.
    WithoutAccount,
    /// Accounts without a person, and people outside `servicenow.users` with an account.
    Unmanaged,
    /// People of whom it cannot be told which account is theirs.
    Ambiguous,
}

/// A person, or an account that is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedPerson {
    /// Who it is; an account without a person has only its Okta names.
    pub person: PersonNames,
    /// Where the record is: `present`, `outside` of `servicenow.users`, `missing`, `hidden`,
    /// `vanished` or `gone`; `None` for an account without a person.
    pub presence: Option<&'static str>,
    /// The record is active; `None` for an account without a person.
    pub active: Option<bool>,
    /// The account's status, in lower case; `None` where there is none to be seen.
    pub status: Option<String>,
    /// `linked`, `without_account`, `unmanaged` or `ambiguous`.
    pub kind: &'static str,
    /// Why there is no account, why it is not managed, or why it cannot be told which it is.
    pub reason: Option<String>,
}

/// People in the order of their user names, then the accounts of nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PeopleList {
    /// Each person or account.
    pub people: Vec<ListedPerson>,
    /// How many more there are than were asked for.
    #[serde(skip)]
    pub left_out: usize,
    /// A cycle has ended, so that what is not listed is not there.
    #[serde(skip)]
    pub observed: bool,
}

/// Everybody whom the filter lets through, at most `limit` of them; nobody where there is no store
/// yet.
pub fn people(
    config: &Offline,
    filter: PeopleFilter,
    limit: Option<usize>,
    now: Timestamp,
) -> Result<PeopleList, StoreError> {
    if !Store::is_there(&config.store)? {
        return Ok(PeopleList::default());
    }
    let store = Store::open(&config.store, config.orgs.as_ref(), Mode::Read)?;
    let mut open: BTreeMap<SysId, Vec<OpenItem>> = BTreeMap::new();
    for stored in store.open_items().of_kind("person")? {
        if let Some(id) = stored.item.person() {
            open.entry(id.clone()).or_default().push(stored.item);
        }
    }
    let mut people: Vec<ListedPerson> = Vec::new();
    for row in store.people().with_accounts(now)? {
        people.extend(listed(&row, open.get(&row.id).map_or(&[], Vec::as_slice)));
    }
    for (id, status, login) in store.accounts().of_nobody()? {
        let okta_id = Some(id.as_str().to_owned());
        people.push(ListedPerson {
            person: PersonNames { login, okta_id, ..PersonNames::default() },
            presence: None,
            active: None,
            status: Some(status.as_str().to_lowercase()),
            kind: "unmanaged",
            reason: Some("no person in ServiceNow matches this account".to_owned()),
        });
    }
    people.retain(|person| filter.lets_through(person));
    let shown = people.len().min(limit.unwrap_or(usize::MAX));
    let left_out = people.len() - shown;
    people.truncate(shown);
    let observed = store.cycles().last_ended()?.is_some();
    Ok(PeopleList { people, left_out, observed })
}

impl PeopleFilter {
    fn lets_through(self, person: &ListedPerson) -> bool {
        match self {
            Self::All => true,
            Self::WithoutAccount => person.status.is_none(),
            Self::Unmanaged => person.kind == "unmanaged",
            Self::Ambiguous => person.kind == "ambiguous",
        }
    }
}

/// How somebody is listed; `None` for whoever is outside and has no account either.
fn listed(row: &PersonRow, open: &[OpenItem]) -> Option<ListedPerson> {
    let ambiguous = open.iter().find(|it| is_ambiguous(&it.disposition));
    let outside = row.presence == Presence::Outside;
    let (kind, reason) = match (ambiguous, &row.status) {
        (Some(item), _) => ("ambiguous", Some(item.reason())),
        (None, None) if outside => return None,
        (None, Some(_)) if outside => {
            ("unmanaged", Some("the person's record is outside `servicenow.users`".to_owned()))
        }
        (None, None) => ("without_account", Some(why_none(row, open))),
        (None, Some(_)) => ("linked", None),
    };
    Some(ListedPerson {
        person: PersonNames {
            sys_id: Some(row.id.as_str().to_owned()),
            user_name: Some(row.user_name.clone()),
            login: row.login.clone(),
            okta_id: row.link.as_ref().map(|id| id.as_str().to_owned()),
        },
        presence: Some(row.presence.as_str()),
        active: Some(row.active),
        status: row.status.as_ref().map(|status| status.as_str().to_lowercase()),
        kind,
        reason,
    })
}

fn is_ambiguous(disposition: &Disposition) -> bool {
    fn of(reason: &HoldReason) -> bool {
        match reason {
            HoldReason::Account(_) => true,
            HoldReason::After { reason, .. } => of(reason),
            _ => false,
        }
    }
    matches!(disposition.enforced(), Disposition::Hold(reason) if of(reason))
}

/// Why somebody has no account.
fn why_none(row: &PersonRow, open: &[OpenItem]) -> String {
    let about = |it: &&OpenItem| {
        it.facts.iter().any(|fact| matches!(fact.key, FactKey::Account | FactKey::Status))
    };
    let item = open.iter().find(about).or(open.first());
    match (&row.link, item, row.joins) {
        (_, Some(item), _) if item.disposition.is_apply() => {
            format!("about to be made: {}", item.reason())
        }
        (_, Some(item), _) => item.reason(),
        (Some(link), None, _) => {
            format!("the account {link} is not to be seen in Okta any more")
        }
        (None, None, Some(at)) => format!("a join comes into force at {}", stamp(at)),
        (None, None, None) if !row.active => "the record is inactive".to_owned(),
        (None, None, None) => "no join that is in force asks for one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::sys_id;
    use crate::model::{
        AccountConflict, AccountId, AccountStatus, Cause, OpenFact, Origin, Subject, Why,
    };

    fn jane() -> PersonRow {
        PersonRow {
            id: sys_id("p1"),
            presence: Presence::Present,
            user_name: "jane".to_owned(),
            active: true,
            link: None,
            status: None,
            login: None,
            joins: None,
        }
    }

    fn linked() -> PersonRow {
        PersonRow {
            link: Some(AccountId::parse("00u1").unwrap()),
            status: Some(AccountStatus::from_okta("ACTIVE")),
            login: Some("jane@example.com".to_owned()),
            ..jane()
        }
    }

    fn open(key: FactKey, disposition: Disposition) -> OpenItem {
        let fact = OpenFact {
            key,
            desired: None,
            actual: None,
            origin: Origin::None,
            cause: Cause::Record,
            step: None,
        };
        OpenItem {
            subject: Subject::Person(sys_id("p1")),
            facts: vec![fact],
            origin: Origin::None,
            cause: Cause::Record,
            why: Some(Why::Record),
            disposition,
            action: None,
        }
    }

    fn told(row: &PersonRow, open: &[OpenItem]) -> (&'static str, String) {
        let listed = listed(row, open).unwrap();
        (listed.kind, listed.reason.unwrap_or_default())
    }

    #[test]
    fn whoever_has_an_account_is_linked_and_nothing_is_to_be_said() {
        assert_eq!(told(&linked(), &[]), ("linked", String::new()));
    }

    #[test]
    fn whoever_has_none_is_told_why() {
        let at = "2026-06-08T00:00:00Z".parse().unwrap();
        let gone = PersonRow { status: None, ..linked() };
        let held = Disposition::Hold(HoldReason::RecordInactive);
        let about_status = open(FactKey::Status, held);
        for (row, open, why) in [
            (jane(), vec![], "no join that is in force asks for one"),
            (PersonRow { active: false, ..jane() }, vec![], "the record is inactive"),
            (PersonRow { joins: Some(at), ..jane() }, vec![], "at 2026-06-08T00:00:00Z"),
            (gone, vec![], "the account 00u1 is not to be seen in Okta any more"),
            (jane(), vec![about_status], "the person's record in ServiceNow is inactive"),
            (jane(), vec![open(FactKey::Account, Disposition::Apply)], "about to be made: "),
        ] {
            let (kind, told) = told(&row, &open);
            assert_eq!(kind, "without_account", "{why}");
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn an_account_that_may_be_somebody_elses_is_ambiguous_also_where_it_is_only_observed() {
        let conflict = AccountConflict::Several { by: "login".to_owned(), count: 2 };
        let hold = Disposition::Hold(HoldReason::Account(conflict));
        let observed = crate::model::Observed { would: hold.clone(), why: Why::Record };
        let observed =
            Disposition::Report(crate::model::ReportReason::Observed(Box::new(observed)));
        for disposition in [hold, observed] {
            let (kind, why) = told(&jane(), &[open(FactKey::Account, disposition)]);
            assert_eq!(kind, "ambiguous");
            assert!(why.contains("2 accounts match by login"), "{why}");
        }
    }

    #[test]
    fn whoever_is_outside_is_unmanaged_with_an_account_and_nobody_without() {
        let outside = |row| PersonRow { presence: Presence::Outside, ..row };
        assert_eq!(told(&outside(linked()), &[]).0, "unmanaged");
        assert_eq!(listed(&outside(jane()), &[]), None);
    }
}
