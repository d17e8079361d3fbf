//! What decisions about any person need beside that person: what is protected, what the names of
//! the configuration mean, what Okta's profile can hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, EngineError};
use crate::model::{AccountId, Group, GroupId, Person, Step, SysId};
use crate::okta::{Attribute, Identity, OktaError};
use crate::policy::desire::identify;
use crate::policy::{Accounts, Policy};
use crate::reconcile::guard::{PlanApproval, Protected};
use crate::reconcile::schema::{Schema, Slot};
use crate::servicenow::ServiceNowError;
use crate::store::{AttributeRow, RoleHolder, StoreError};

const ADMIN_TEXT: &str = "the account holds an Okta administrator role";
/// How long an answer about an account's roles is believed.
const ROLES_LAST: chrono::Duration = chrono::Duration::minutes(10);

/// An identifying attribute and its value, folded, to the people who would get it.
pub(super) type Claims = BTreeMap<(String, String), BTreeSet<SysId>>;

/// What decisions about any person need beside that person.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) protected: Protected,
    pub(super) groups: BTreeMap<GroupId, Group>,
    /// Per `[[group]]` block, the group's id; `None` where Okta has no such group.
    pub(super) rule_groups: Vec<Option<GroupId>>,
    pub(super) schema: Schema,
    /// By what people without an account would be identified.
    pub(super) claims: Claims,
}

impl Engine {
    /// Names in the configuration mean the group that they were first seen to name.
    pub(super) fn pin_groups(&self) -> Result<(), EngineError> {
        for rule in &self.config.policy.groups {
            self.pin_group(&rule.name)?;
        }
        for name in &self.config.limits.protected_groups {
            self.pin_group(name)?;
        }
        Ok(())
    }

    fn pin_group(&self, name: &str) -> Result<Option<GroupId>, StoreError> {
        if let Some(id) = self.store.names().group(name)? {
            return Ok(Some(id));
        }
        let found = self.store.groups().called(name)?;
        match found.as_slice() {
            [group] => {
                self.store.names().insert_group(name, &group.id)?;
                Ok(Some(group.id.clone()))
            }
            _ => Ok(None),
        }
    }

    /// Names of catalog items mean the item that they were first seen to name.
    pub(super) async fn resolve_items(&self) -> Result<(), EngineError> {
        let known = self.store.names().items()?;
        self.servicenow.items_known(&known).await?;
        Ok(())
    }

    /// Remembers them, once both systems have answered.
    pub(super) async fn pin_items(&self) -> Result<(), EngineError> {
        for item in self.servicenow.items().await? {
            self.store.names().insert_item(&item.configured_as, &item.sys_id)?;
        }
        Ok(())
    }

    /// Says so where a configured name of an item has come to mean another one.
    pub(super) async fn check_items(&self) -> Result<(), EngineError> {
        for (name, id) in self.store.names().items()? {
            let doubt = match self.servicenow.item_called(&name).await {
                Ok(item) if item.sys_id == id => continue,
                Ok(item) => format!("another item ({}) has that name now", item.sys_id),
                Err(ServiceNowError::Unresolved { why }) => why,
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(
                "the catalog item {name:?} still means {id}: {doubt}; name it by its sys_id"
            );
        }
        Ok(())
    }

    /// Accounts that an action would touch and that hold an administrator role are never written
    /// to from then on. Says whom that concerns.
    pub(super) async fn find_admins(
        &self,
        verdict: &PlanApproval,
        surroundings: &mut Surroundings,
    ) -> Result<BTreeSet<SysId>, EngineError> {
        let mut concerned = BTreeSet::new();
        for approved in verdict.approved.actions() {
            let action = &approved.planned.action;
            if let Some(account) = &action.account
                && !surroundings.protected.accounts.contains_key(account)
                && self.is_admin(account).await?
            {
                surroundings.protected.accounts.insert(account.clone(), ADMIN_TEXT.to_owned());
                concerned.insert(action.person.clone());
            }
            for group in groups_of(&action.step) {
                if self.makes_admins(group).await? {
                    surroundings.protected.groups.insert(group.clone());
                    concerned.insert(action.person.clone());
                }
            }
        }
        Ok(concerned)
    }

    async fn is_admin(&self, account: &AccountId) -> Result<bool, EngineError> {
        let (roles, holder, now) = (self.store.roles(), RoleHolder::Account(account), self.now());
        if let Some(holds) = roles.known(holder, now, ROLES_LAST)? {
            return Ok(holds);
        }
        let holds = self.okta.has_admin_role(account).await?;
        roles.set(holder, holds, now)?;
        Ok(holds.unwrap_or(false))
    }

    /// Whether the members of a group are administrators by it.
    async fn makes_admins(&self, group: &GroupId) -> Result<bool, EngineError> {
        let (roles, holder, now) = (self.store.roles(), RoleHolder::Group(group), self.now());
        if let Some(holds) = roles.known(holder, now, ROLES_LAST)? {
            return Ok(holds);
        }
        let holds = self.okta.group_has_admin_role(group).await?;
        roles.set(holder, holds, now)?;
        Ok(holds.unwrap_or(false))
    }

    /// Whoever was seen to hold an administrator role and holds none any more is one of many again. An
    /// answer of a moment ago stands: an empty one may be a passing fault.
    pub(super) async fn release_admins(&self) -> Result<(), EngineError> {
        let (roles, now) = (self.store.roles(), self.now());
        for account in roles.accounts()? {
            let holder = RoleHolder::Account(&account);
            if roles.known(holder, now, ROLES_LAST)?.is_none() {
                roles.set(holder, self.okta.has_admin_role(&account).await?, now)?;
            }
        }
        for group in roles.groups()? {
            let holder = RoleHolder::Group(&group);
            if roles.known(holder, now, ROLES_LAST)?.is_none() {
                roles.set(holder, self.okta.group_has_admin_role(&group).await?, now)?;
            }
        }
        Ok(roles.forget(now - ROLES_LAST)?)
    }

    /// `ask` allows to ask the two systems for what is not known yet.
    pub(super) async fn surroundings(&self, ask: bool) -> Result<Surroundings, EngineError> {
        let rule_groups = self.rule_groups(ask).await?;
        let protected = self.protected(ask).await?;
        let groups = self.store.groups().managed()?;
        let (schema, claims) = (self.known_schema()?, self.claims()?);
        Ok(Surroundings { protected, groups, rule_groups, schema, claims })
    }

    async fn rule_groups(&self, ask: bool) -> Result<Vec<Option<GroupId>>, EngineError> {
        let mut rule_groups = Vec::new();
        let mut unusable = Vec::new();
        for rule in &self.config.policy.groups {
            let group = self.pin_group(&rule.name)?;
            match &group {
                Some(id) if self.store.groups().get(id)?.is_some() => {
                    if ask {
                        self.manage(id).await?;
                    }
                }
                Some(id) => unusable.push(format!(
                    "the group {:?} ({id}) was deleted in Okta; another one of that name has to \
                     be named by its id",
                    rule.name
                )),
                None => unusable.push(format!(
                    "no group in Okta is called {:?}, or several are; name it by its id",
                    rule.name
                )),
            }
            rule_groups.push(group);
        }
        // Once when it begins and once when it changes, not in every cycle.
        let said = unusable.join("; ");
        if self.store.state().unusable_rules()? != said {
            for text in &unusable {
                tracing::warn!("{text}; its rule is left out");
            }
            self.store.state().set_unusable_rules(&said)?;
        }
        Ok(rule_groups)
    }

    async fn protected(&self, ask: bool) -> Result<Protected, EngineError> {
        let limits = &self.config.limits;
        let mut protected = Protected {
            users: limits.protected_users.iter().map(|text| text.trim().to_lowercase()).collect(),
            ..Protected::default()
        };
        for name in &limits.protected_groups {
            protected.groups.extend(self.pin_group(name)?);
            protected.groups.extend(self.store.groups().called(name)?.into_iter().map(|g| g.id));
        }
        for name in &limits.protected_users {
            let mut pinned = self.store.names().users(name)?;
            if pinned.is_empty() {
                pinned = self.ids_of(name)?;
                pinned.iter().try_for_each(|id| self.store.names().insert_user(name, id))?;
            }
            protected.users.extend(pinned.iter().map(|id| id.to_lowercase()));
        }
        for id in self.store.roles().accounts()? {
            protected.accounts.entry(id).or_insert_with(|| ADMIN_TEXT.to_owned());
        }
        protected.groups.extend(self.store.roles().groups()?);
        if ask {
            let own = self.own_account.get_or_try_init(|| self.read_own_account()).await?;
            self.store.state().set_own_account(own.as_ref())?;
        }
        if let Some(id) = self.store.state().own_account()? {
            protected.accounts.insert(id, "Goldthread signs in as this account".to_owned());
        }
        Ok(protected)
    }

    /// The ids of the accounts and people that a name stands for now.
    fn ids_of(&self, name: &str) -> Result<BTreeSet<String>, StoreError> {
        let people = self.store.people().called(name)?;
        let mut ids: BTreeSet<String> = people.iter().map(|id| id.as_str().to_owned()).collect();
        for attribute in ["login", "email"] {
            let accounts = self.store.accounts().having(attribute, name)?;
            ids.extend(accounts.iter().map(|account| account.id.as_str().to_owned()));
        }
        Ok(ids)
    }

    async fn read_own_account(&self) -> Result<Option<AccountId>, EngineError> {
        Ok(match self.okta.identity().await? {
            Identity::Account(account) => Some(account.id),
            Identity::App(_) => None,
        })
    }

    /// By what everybody who may get an account would be identified.
    fn claims(&self) -> Result<Claims, StoreError> {
        let everybody = self.config.policy.accounts == Accounts::Active;
        let mut claims = Claims::new();
        for id in self.store.people().without_account(everybody)? {
            let Some(person) = self.store.people().get(&id)?.filter(Person::is_active) else {
                continue;
            };
            for claim in claims_of(&person, &self.config.policy) {
                claims.entry(claim).or_default().insert(id.clone());
            }
        }
        Ok(claims)
    }

    /// Reads what Okta's profile can hold, where the credential may.
    pub(super) async fn read_schema(&self) -> Result<(), EngineError> {
        let schema = match self.okta.schema().await {
            Ok(attributes) => Some(attributes.into_iter().map(attribute_row).collect::<Vec<_>>()),
            Err(OktaError::Forbidden(_) | OktaError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(self.store.profile_schema().replace(schema.as_deref())?)
    }

    fn known_schema(&self) -> Result<Schema, StoreError> {
        let attributes = self.store.profile_schema().attributes()?;
        Ok(Schema(attributes.map(|known| known.into_iter().map(slot).collect())))
    }
}

/// The groups that a step changes the members of.
fn groups_of(step: &Step) -> &[GroupId] {
    match step {
        Step::Create { groups, .. } => groups,
        Step::AddMember { group } | Step::RemoveMember { group } => std::slice::from_ref(group),
        _ => &[],
    }
}

fn slot(row: AttributeRow) -> (String, Slot) {
    let AttributeRow {
        name,
        max_length,
        other_type,
        read_only,
        immutable,
        mastered_elsewhere,
        required,
    } = row;
    let slot = Slot { max_length, other_type, read_only, immutable, mastered_elsewhere, required };
    (name, slot)
}

fn attribute_row(attribute: Attribute) -> AttributeRow {
    let text = attribute.kind.is_empty() || attribute.kind == "string";
    AttributeRow {
        name: attribute.name,
        max_length: attribute.max_length.filter(|max| *max > 0),
        other_type: (!text).then_some(attribute.kind),
        read_only: attribute.mutability == "READ_ONLY",
        immutable: attribute.mutability == "IMMUTABLE",
        mastered_elsewhere: attribute.master == "OVERRIDE",
        required: attribute.required,
    }
}

/// By what one person would be identified.
pub(super) fn claims_of(person: &Person, policy: &Policy) -> BTreeSet<(String, String)> {
    let (keys, login) = identify(person, policy);
    let login = login.map(|login| ("login".to_owned(), login));
    keys.into_iter()
        .chain(login)
        .filter(|(_, value)| !value.is_empty())
        .map(|(attribute, value)| (attribute, value.to_lowercase()))
        .collect()
}
