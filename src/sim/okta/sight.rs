//! What a caller with a limited admin role sees of the org, and features that the org lacks.

use std::collections::BTreeSet;

use super::errors::Problem;
use super::state::{Group, State, User};

/// What an admin role lets its holder see. Whoever calls always sees itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    #[default]
    All,
    /// These groups and whoever belongs to one of them. Everyone is among them only if it is named.
    Groups(BTreeSet<String>),
    /// Everything but these users, these groups, and Everyone.
    AllBut {
        /// Ids of users.
        users: BTreeSet<String>,
        /// Ids of groups.
        groups: BTreeSet<String>,
    },
}

impl Sight {
    /// Everything but these users, and Everyone.
    pub fn without_users<T: Into<String>>(users: impl IntoIterator<Item = T>) -> Self {
        let users = users.into_iter().map(Into::into).collect();
        Self::AllBut { users, groups: BTreeSet::new() }
    }
}

/// How an object outside the role answers by its id or login: lists leave it out either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfSight {
    /// 404 `E0000007`, as if it did not exist.
    #[default]
    NotFound,
    /// 403 `E0000006`.
    Forbidden,
}

/// Something that an org may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Group rules.
    Rules,
    /// The roles of users, groups and apps.
    Roles,
    /// The System Log.
    Logs,
    /// The profile schema.
    Schema,
}

/// How it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureOff {
    /// 401 `E0000015`, although the sign-in is good.
    Disabled,
    /// 404 `E0000008`.
    NoSuchPath,
}

impl State {
    /// Whether the caller's role reaches this user.
    pub(super) fn sees_user(&self, id: &str) -> bool {
        match &self.switches.sight {
            Sight::All => true,
            Sight::Groups(seen) => {
                self.groups_of.get(id).is_some_and(|groups| !groups.is_disjoint(seen))
            }
            Sight::AllBut { users, .. } => !users.contains(id),
        }
    }

    /// Whether the caller's role reaches this group.
    pub(super) fn sees_group(&self, id: &str) -> bool {
        match &self.switches.sight {
            Sight::All => true,
            Sight::Groups(seen) => seen.contains(id),
            Sight::AllBut { groups, .. } => id != self.everyone && !groups.contains(id),
        }
    }

    /// Those of a list that the caller's role reaches.
    pub(super) fn is_visible(&self, user: &User) -> bool {
        self.sees_user(&user.id)
    }

    /// The same of groups.
    pub(super) fn is_visible_group(&self, group: &Group) -> bool {
        self.sees_group(&group.id)
    }

    /// Refuses a call about what the caller's role does not reach. What is not there at all is for
    /// the call itself to say.
    pub(super) fn check_sight(&self, path: &[&str], caller: Option<&str>) -> Result<(), Problem> {
        let (user, group) = match path {
            ["users", id, ..] => (Some(*id), None),
            ["groups", group, "users", user] => (Some(*user), Some(*group)),
            ["groups", id, ..] if *id != "rules" => (None, Some(*id)),
            _ => return Ok(()),
        };
        let refused = |id: &str, kind: &str| match self.switches.out_of_sight {
            OutOfSight::NotFound => Problem::missing(id, kind),
            OutOfSight::Forbidden => Problem::new("E0000006"),
        };
        let user = user.and_then(|id| Some((id, self.find_user(id).ok()?)));
        if let Some((id, _)) =
            user.filter(|(_, user)| !self.is_visible(user) && caller != Some(user.id.as_str()))
        {
            return Err(refused(id, "User"));
        }
        match group.filter(|id| self.groups.contains_key(*id) && !self.sees_group(id)) {
            Some(id) => Err(refused(id, "UserGroup")),
            None => Ok(()),
        }
    }

    /// Refuses a call for a feature that the org does not have.
    pub(super) fn check_feature(&self, path: &[&str]) -> Result<(), Problem> {
        let feature = match path {
            ["api", "v1", "groups", "rules", ..] => Feature::Rules,
            ["api", "v1", "users" | "groups", _, "roles"] | ["oauth2", ..] => Feature::Roles,
            ["api", "v1", "logs"] => Feature::Logs,
            ["api", "v1", "meta", "schemas", ..] => Feature::Schema,
            _ => return Ok(()),
        };
        match self.switches.features_off.get(&feature) {
            None => Ok(()),
            Some(FeatureOff::Disabled) => Err(Problem::new("E0000015")),
            Some(FeatureOff::NoSuchPath) => Err(Problem::new("E0000008")),
        }
    }
}
