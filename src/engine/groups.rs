//! Groups: which there are, who is in them, and which of them Okta's own rules keep.

use std::collections::BTreeSet;

use super::{Engine, EngineError};
use crate::model::{AccountId, Group, GroupId};
use crate::okta::OktaError;
use crate::store::{GroupRules, StoreError};

/// Which groups a rule feeds, as far as that can be told.
enum Fed {
    These(BTreeSet<GroupId>),
    /// As was last known. Of a group that is new it cannot be told where `in_doubt`.
    AsBefore {
        in_doubt: bool,
    },
}

impl Engine {
    /// Reads all groups, and which of them a rule feeds.
    pub(super) async fn read_groups(&self, cycle: i64) -> Result<(), EngineError> {
        let fed = self.read_rules(true).await?;
        let groups = self.okta.groups().await?;
        self.keep_groups(&groups, &fed, cycle)?;
        (self.progress)("groups", groups.len());
        // Okta announces no count: with a page that was skipped, what is known of its groups would
        // go, and who was given one for a time would later be found in it as if from the start.
        for id in self.store.groups().managed_unseen(cycle)? {
            if let Some(group) = self.okta.group(&id).await? {
                self.store.groups().upsert_one(&group, false, cycle)?;
            }
        }
        Ok(self.store.groups().delete_unseen(cycle)?)
    }

    /// Groups that were not known, found by a name or an id.
    pub(super) async fn meet_groups(
        &self,
        groups: &[Group],
        cycle: i64,
    ) -> Result<(), EngineError> {
        if groups.is_empty() {
            return Ok(());
        }
        let fed = self.read_rules(false).await?;
        Ok(self.keep_groups(groups, &fed, cycle)?)
    }

    fn keep_groups(&self, groups: &[Group], fed: &Fed, cycle: i64) -> Result<(), StoreError> {
        // A membership that a rule may decide is left alone until that can be told.
        let in_doubt = matches!(fed, Fed::AsBefore { in_doubt: true });
        self.store.atomically(|| {
            self.store.groups().upsert(groups, in_doubt, cycle)?;
            match fed {
                Fed::These(fed) => self.store.groups().replace_rule_fed(fed),
                Fed::AsBefore { .. } => Ok(()),
            }
        })
    }

    /// Reads the group rules. A read that is refused says nothing, and one that shows none where
    /// there were some is believed only when a second complete one in a row says the same.
    async fn read_rules(&self, complete: bool) -> Result<Fed, EngineError> {
        let before = self.store.state().group_rules()?;
        let Some(rules) = self.okta.group_rules().await? else {
            // Credentials that never could are for `check` to complain about.
            let in_doubt = before.is_some() || self.store.groups().any_rule_fed()?;
            if in_doubt {
                self.doubt_rules(GroupRules::Hidden, "may not be read any more")?;
            }
            return Ok(Fed::AsBefore { in_doubt });
        };
        if rules.count == 0 && self.store.groups().any_rule_fed()? {
            if !complete {
                let again = self.okta.group_rules().await?;
                let in_doubt = again.is_none_or(|rules| rules.count > 0);
                return Ok(Fed::AsBefore { in_doubt });
            }
            if before != Some(GroupRules::NoneOnce) {
                self.doubt_rules(GroupRules::NoneOnce, "are none at all now")?;
                return Ok(Fed::AsBefore { in_doubt: true });
            }
        }
        self.store.state().set_group_rules(GroupRules::Read)?;
        Ok(Fed::These(rules.fed))
    }

    /// Says so once, when it begins.
    fn doubt_rules(&self, rules: GroupRules, what: &str) -> Result<(), StoreError> {
        if self.store.state().group_rules()? != Some(rules) {
            tracing::warn!(
                "Okta's group rules {what}: the groups that they fed are left alone as before"
            );
            self.store.state().set_group_rules(rules)?;
        }
        Ok(())
    }

    /// Reads who is in a managed group.
    pub(super) async fn read_members(&self, group: &GroupId) -> Result<(), EngineError> {
        let asked_at = self.now();
        let members = self.members(group).await?;
        (self.progress)("group members", members.len());
        Ok(self.store.groups().replace_members(group, &members, asked_at)?)
    }

    pub(super) async fn members(&self, group: &GroupId) -> Result<Vec<AccountId>, EngineError> {
        let mut members: Vec<AccountId> = Vec::new();
        let read = self
            .okta
            .members(group, &mut |page| -> Result<(), EngineError> {
                members.extend(page.into_iter().map(|member| member.id));
                Ok(())
            })
            .await;
        match read {
            Ok(()) => Ok(members),
            Err(EngineError::Okta(OktaError::NotFound(_))) => {
                if self.okta.group(group).await?.is_some() {
                    return Err(OktaError::Unbelievable {
                        operation: "list the members of a group",
                        why: format!("{group} is there, and its members are said not to be"),
                    }
                    .into());
                }
                // Deleted between the list and this read: the next list will not hold it.
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts a group under management. Its present members are what was there at take-over.
    pub(super) async fn manage(&self, group: &GroupId) -> Result<(), EngineError> {
        if self.store.groups().managed()?.contains_key(group) {
            return Ok(());
        }
        // Read first: what was there at take-over is only known once. And twice: with a page that
        // was skipped somebody would later be in the group for no reason, and lose it.
        let mut members: BTreeSet<AccountId> = self.members(group).await?.into_iter().collect();
        members.extend(self.members(group).await?);
        let members: Vec<AccountId> = members.into_iter().collect();
        (self.progress)("group members", members.len());
        self.store.atomically(|| {
            self.store.groups().take_over(group, &members)?;
            self.store.links().insert_group_baseline(group)
        })?;
        Ok(())
    }
}
