//! Administrator roles: our own, and those that put an account or a group out of reach.

use super::error::OktaError;
use super::reader::{Identity, OktaReader};
use super::wire;
use crate::model::{AccountId, GroupId};

impl OktaReader {
    /// The administrator roles that we have, by their types such as `SUPER_ADMIN`; `None` where
    /// they cannot be read. A custom role is of type `CUSTOM`
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/guides/roles/>).
    pub(crate) async fn own_roles(&self, own: &Identity) -> Result<Option<Vec<String>>, OktaError> {
        let segments = match own {
            Identity::Account(account) => ["api", "v1", "users", account.id.as_str(), "roles"],
            Identity::App(client_id) => ["oauth2", "v1", "clients", client_id, "roles"],
        };
        self.roles_at("read our own admin roles", &segments).await
    }

    /// Whether an account holds an Okta administrator role, by itself or through a group; `None`
    /// where that cannot be read. Roles that come through a group are listed with `assignmentType`
    /// `GROUP`, and the scope is `okta.roles.read`
    /// (<https://developer.okta.com/docs/api/openapi/okta-management/guides/roles/>,
    /// <https://developer.okta.com/docs/concepts/role-assignment/>).
    pub(crate) async fn has_admin_role(
        &self,
        account: &AccountId,
    ) -> Result<Option<bool>, OktaError> {
        self.has_roles("read the admin roles of the account", "users", account.as_str()).await
    }

    /// Whether a group makes its members Okta administrators; `None` where that cannot be read.
    pub(crate) async fn group_has_admin_role(
        &self,
        group: &GroupId,
    ) -> Result<Option<bool>, OktaError> {
        self.has_roles("read the admin roles of the group", "groups", group.as_str()).await
    }

    async fn has_roles(
        &self,
        operation: &'static str,
        family: &str,
        id: &str,
    ) -> Result<Option<bool>, OktaError> {
        let roles = self.roles_at(operation, &["api", "v1", family, id, "roles"]).await;
        let roles = roles.map_err(|error| error.about(id))?;
        Ok(roles.map(|roles| !roles.is_empty()))
    }

    async fn roles_at(
        &self,
        operation: &'static str,
        segments: &[&str],
    ) -> Result<Option<Vec<String>>, OktaError> {
        let url = self.connection().url(segments, &[]);
        let roles = self.connection().page(operation, url, wire::role).await;
        match roles.and_then(|roles| roles.whole(operation)) {
            Ok(roles) => Ok(Some(roles)),
            Err(error) if error.is_transient() => Err(error),
            Err(OktaError::Forbidden(_) | OktaError::NotFound(_) | OktaError::Refused(_)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
