//! What the configuration needs of Okta.

mod groups;

use std::collections::BTreeMap;

use super::{Findings, RETRY, listed, not_tried, skew};
use crate::config::Config;
use crate::model::{AccountId, Operation, Timestamp};
use crate::okta::{AccountRead, Attribute, Connection, Identity, OktaError, OktaReader, Settings};
use crate::policy::{Accounts, Policy};
use crate::servicenow::ServiceNowReader;

const SIGN_IN: &str = "okta sign-in";
const SCOPES: &str = "okta scopes";
const RIGHTS: &str = "okta rights";
const PROFILE: &str = "okta profile";

/// What a service app can do without, and what that costs.
const BESIDES: [(&str, &str); 3] = [
    ("okta.logs.read", "changes made in Okta are found by a slower way, and not who made them"),
    ("okta.schemas.read", "what the profile can hold is only learned from Okta's refusals"),
    (
        "okta.roles.read",
        "administrators are not recognised: name them all under guard.protected_users",
    ),
];

/// Scopes that are never asked for, and whose grant would let a stolen key do more.
const TOO_MUCH: [&str; 6] = [
    "okta.roles.manage",
    "okta.apps.manage",
    "okta.policies.manage",
    "okta.idps.manage",
    "okta.clients.manage",
    "okta.apiTokens.manage",
];

/// Administrator roles that may do more than keep people and groups.
const LARGE_ROLES: [&str; 4] =
    ["SUPER_ADMIN", "ORG_ADMIN", "API_ACCESS_MANAGEMENT_ADMIN", "APP_ADMIN"];

/// Tries everything. ServiceNow, where it lets us in, knows some of the protected people.
pub(super) async fn check(
    found: &mut Findings<'_>,
    config: &Config,
    clock: &dyn Fn() -> Timestamp,
    servicenow: Option<&ServiceNowReader>,
) {
    let Some((reader, own)) = sign_in(found, config).await else {
        return not_tried(found, "okta, the rest");
    };
    skew(found, "okta clock", reader.connection().org_time(), clock);
    rights(found, &reader, &own).await;
    if accounts(found, &reader).await {
        groups::sight(found, &reader).await;
    }
    profile(found, config, &reader).await;
    protected_users(found, config, &reader, servicenow).await;
    groups::check(found, config, &reader).await;
}

/// What to do about an error.
fn advice(error: &OktaError) -> &'static str {
    match error {
        OktaError::Unreachable { .. } | OktaError::NoAnswer { .. } => {
            "see whether okta.url is right and reachable from this machine"
        }
        OktaError::RateLimited { .. } => "check again in a minute",
        OktaError::SignIn { .. } | OktaError::Setup(_) => {
            "see whether the app or the token is active and this is its credential; then put \
             [okta] auth right"
        }
        OktaError::Forbidden(refusal) if refusal.missing_scope.is_some() => {
            "grant the scope to the app in Okta, under Okta API Scopes"
        }
        _ => {
            "give the app or the token's owner an admin role whose resource set holds all people \
             and groups, to view and manage users, to view groups and manage their membership"
        }
    }
}

async fn sign_in(found: &mut Findings<'_>, config: &Config) -> Option<(OktaReader, Identity)> {
    let attempt = |connection: Result<Connection, OktaError>| async {
        let reader = OktaReader::new(connection?);
        reader.try_sign_in().await?;
        let own = reader.identity().await?;
        Ok::<_, OktaError>((reader, own))
    };
    let settings = Settings { retry: RETRY, ..config.okta.clone() };
    let writing = attempt(Connection::new(settings.clone())).await;
    let may_write = writing.is_ok();
    let signed_in = match writing {
        // Perhaps it may look and not write.
        Err(error @ OktaError::SignIn { .. }) => {
            match attempt(Connection::read_only(settings)).await {
                Ok((reader, own @ Identity::App(_))) => Ok((reader, own)),
                _ => Err(error),
            }
        }
        writing => writing,
    };
    let (reader, own) = match signed_in {
        Ok(signed_in) => signed_in,
        Err(error) => {
            found.fail(SIGN_IN, error.to_string(), advice(&error));
            return None;
        }
    };
    match &own {
        Identity::Account(_) => found.fine(SIGN_IN, "by an API token"),
        Identity::App(client_id) => found.fine(SIGN_IN, format!("as the app {client_id}")),
    }
    scopes(found, config, &reader, may_write).await;
    Some((reader, own))
}

async fn scopes(found: &mut Findings<'_>, config: &Config, reader: &OktaReader, may_write: bool) {
    // A token has no scopes: its owner's role decides.
    let Some(granted) = reader.connection().granted_scopes().await else { return };
    if !may_write {
        let detail = "okta.users.manage and okta.groups.manage are not both granted";
        let fix = "grant both to the app in Okta, under Okta API Scopes";
        if config.policy.observe {
            found.warn(SCOPES, format!("{detail}: enough to observe, not to enforce"), fix);
        } else {
            found.fail(SCOPES, format!("{detail}: nothing can be written"), fix);
        }
    }
    let mut all = may_write;
    for (scope, cost) in BESIDES {
        let wider = scope.replace(".read", ".manage");
        if !granted.iter().any(|have| have == scope || *have == wider) {
            all = false;
            found.warn(
                SCOPES,
                format!("{scope} is not granted: {cost}"),
                "grant it to the app in Okta, under Okta API Scopes",
            );
        }
    }
    if all {
        found.fine(SCOPES, "all that are of use are granted");
    }
}

/// Whether the credentials can do more than they need.
async fn rights(found: &mut Findings<'_>, reader: &OktaReader, own: &Identity) {
    let mut extra = Vec::new();
    for scope in TOO_MUCH {
        if let Ok(Some(true)) = reader.connection().would_get_scope(scope).await {
            extra.push(scope);
        }
    }
    let fine = extra.is_empty();
    if !fine {
        found.warn(
            RIGHTS,
            format!("more than is needed is granted: {}", listed(extra)),
            "revoke these scopes in Okta, under Okta API Scopes",
        );
    }
    let Ok(Some(roles)) = reader.own_roles(own).await else {
        return found.warn(
            RIGHTS,
            "our own admin roles cannot be read, so nobody can tell whether they are too many",
            "grant okta.roles.read, or compare the roles by hand: no more is needed than to view \
             and manage users, and to view groups and manage their membership",
        );
    };
    let large: Vec<&str> =
        LARGE_ROLES.into_iter().filter(|role| roles.iter().any(|have| have == role)).collect();
    if !large.is_empty() {
        let whose = match own {
            Identity::Account(_) => "the token's owner",
            Identity::App(_) => "the app",
        };
        found.warn(
            RIGHTS,
            format!("more than is needed: {whose} is {}", listed(large)),
            "use an app or owner with a custom role: view and manage users, view groups and manage \
             their membership, over the people and groups that are managed",
        );
    } else if roles.is_empty() && matches!(own, Identity::App(_)) {
        found.warn(
            RIGHTS,
            "the app has no admin role; if it sees people all the same, every app of this org is a \
             super administrator",
            "switch \"Public client app admins\" off in Okta, and give the app a custom role",
        );
    } else if fine {
        found.fine(RIGHTS, "no more than is needed");
    }
}

/// Whether any account can be seen.
async fn accounts(found: &mut Findings<'_>, reader: &OktaReader) -> bool {
    const NAME: &str = "okta accounts";
    let seen = reader.sees_accounts().await;
    match &seen {
        Ok(true) => found.fine(NAME, "visible"),
        Ok(false) => found.fail(
            NAME,
            "none can be seen: the credentials have no admin role, or one over nobody",
            "give the app or the token's owner an admin role whose resource set holds all people",
        ),
        Err(error) => found.fail(NAME, error.to_string(), advice(error)),
    }
    seen.unwrap_or(false)
}

async fn profile(found: &mut Findings<'_>, config: &Config, reader: &OktaReader) {
    let attributes = match reader.schema().await {
        Ok(attributes) => attributes,
        Err(error) if error.is_withheld() || matches!(error, OktaError::NotFound(_)) => {
            return found.warn(
                PROFILE,
                format!("what it can hold cannot be read ({error})"),
                "grant okta.schemas.read to the app, or compare the attributes by hand",
            );
        }
        Err(error) => return found.fail(PROFILE, error.to_string(), advice(&error)),
    };
    let before = found.checks.len();
    check_profile(found, &config.policy, &attributes);
    if found.checks.len() == before {
        let count = config.policy.profile.len();
        found.fine(PROFILE, format!("all {count} attributes can be written"));
    }
}

/// What stands between the mapping and Okta's profile.
fn check_profile(found: &mut Findings<'_>, policy: &Policy, attributes: &[Attribute]) {
    let known: BTreeMap<&str, &Attribute> =
        attributes.iter().map(|attribute| (attribute.name.as_str(), attribute)).collect();
    for name in policy.profile.keys().chain(&policy.anchor) {
        let Some(attribute) = known.get(name.as_str()) else {
            found.fail(
                PROFILE,
                format!("there is no attribute {name:?}"),
                "correct the name (case counts), or add the attribute in Okta's Profile Editor",
            );
            continue;
        };
        if attribute.mutability == "READ_ONLY" || attribute.master == "OVERRIDE" {
            found.fail(
                PROFILE,
                format!("{name} is read-only, or another system owns its value"),
                "take it out of [profile], or let Okta own it in the Profile Editor",
            );
        } else if !attribute.kind.is_empty() && attribute.kind != "string" {
            found.fail(
                PROFILE,
                format!("{name} holds a {}, and the mapping gives text", attribute.kind),
                "take it out of [profile], or make a text attribute for it",
            );
        } else if attribute.mutability == "IMMUTABLE" {
            found.warn(
                PROFILE,
                format!("{name} can be set once and never changed"),
                "let it be changed in Okta's Profile Editor",
            );
        }
    }
    if let Some(attribute) = policy.anchor.as_ref().and_then(|name| known.get(name.as_str()))
        && !attribute.unique
    {
        found.warn(
            PROFILE,
            format!("the anchor {} is not unique", attribute.name),
            "make it unique in Okta's Profile Editor, so that no two accounts share a person",
        );
    }
    let creates = policy.accounts == Accounts::Active
        || policy.requests.iter().any(|rule| rule.operation == Operation::Join);
    let unmapped: Vec<&str> = attributes
        .iter()
        .filter(|attribute| attribute.required && !policy.profile.contains_key(&attribute.name))
        .map(|attribute| attribute.name.as_str())
        .collect();
    if creates && !unmapped.is_empty() {
        found.fail(
            PROFILE,
            format!("Okta demands of every new account: {}", listed(unmapped)),
            "map them under [profile], or make them optional in Okta's Profile Editor",
        );
    }
}

async fn protected_users(
    found: &mut Findings<'_>,
    config: &Config,
    reader: &OktaReader,
    servicenow: Option<&ServiceNowReader>,
) {
    const NAME: &str = "protected users";
    let names = &config.limits.protected_users;
    if names.is_empty() {
        return found.warn(
            NAME,
            "none: also the account for emergencies can be disabled by a request",
            "name those under guard.protected_users that must always work",
        );
    }
    let mut absent = Vec::new();
    for name in names {
        match is_somebody(name.trim(), reader, servicenow).await {
            Ok(true) => {}
            Ok(false) => absent.push(name),
            Err(why) => return found.fail(NAME, why, "see above, then check again"),
        }
    }
    if absent.is_empty() {
        found.fine(NAME, format!("all {} are there", names.len()));
    } else {
        found.warn(
            NAME,
            format!("nobody has this login, e-mail or id: {}", listed(absent)),
            "correct the name: a misspelt one protects nobody",
        );
    }
}

async fn is_somebody(
    name: &str,
    okta: &OktaReader,
    servicenow: Option<&ServiceNowReader>,
) -> Result<bool, String> {
    let said = |error: OktaError| error.to_string();
    if let Ok(id) = AccountId::parse(name)
        && okta.account(&id).await.and_then(AccountRead::there).map_err(said)?.is_some()
    {
        return Ok(true);
    }
    if okta.account_by_login(name).await.map_err(said)?.found().is_some()
        || !okta.accounts_where("email", name).await.map_err(said)?.found().is_empty()
    {
        return Ok(true);
    }
    let Some(servicenow) = servicenow else { return Ok(false) };
    let people = servicenow.people_by(name).await.map_err(|error| error.to_string())?.found();
    Ok(!people.is_empty())
}
