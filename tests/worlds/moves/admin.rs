//! Administrators of Okta, and another application that writes there.

use std::sync::Arc;

use goldthread::sim::okta::{NoRole, Status};
use serde_json::json;

use crate::world::{Meanwhile, World};

/// Somebody with an account: the person and the account.
fn somebody(world: &mut World) -> Option<(String, String)> {
    let there = |(id, _): &(&String, &String)| world.stage.okta.find(id).is_some();
    let accounts: Vec<(String, String)> = world
        .truth
        .owners
        .iter()
        .filter(there)
        .map(|(id, person)| (person.clone(), id.clone()))
        .collect();
    world.dice.pick(&accounts)
}

fn login(world: &World, account: &str) -> String {
    world.stage.okta.find(account).map(|it| it.text("login").to_owned()).unwrap_or_default()
}

fn group(world: &mut World) -> Option<(String, String)> {
    let all: Vec<(String, String)> =
        world.truth.groups.iter().map(|(name, id)| (name.clone(), id.clone())).collect();
    world.dice.pick(&all)
}

pub fn add_member(world: &mut World) -> Option<String> {
    let (person, account) = somebody(world)?;
    let (name, id) = group(world)?;
    world.truth.edited.insert(person);
    world.stage.okta.add_member(&id, &account);
    world.truth.by_hand.insert((name.clone(), account.clone()));
    Some(format!("an administrator added {} to {name}", login(world, &account)))
}

pub fn remove_member(world: &mut World) -> Option<String> {
    let (person, account) = somebody(world)?;
    let groups = world.stage.okta.find(&account)?.groups;
    let name = world.dice.pick(&groups)?;
    let id = world.stage.okta.group_id(&name)?;
    world.truth.edited.insert(person);
    world.stage.okta.remove_member(&id, &account);
    Some(format!("an administrator removed {} from {name}", login(world, &account)))
}

pub fn edit_profile(world: &mut World) -> Option<String> {
    let (person, account) = somebody(world)?;
    let number = world.dice.below(1000);
    world.truth.edited.insert(person);
    let before = login(world, &account);
    let change = match world.dice.below(3) {
        0 => json!({"department": "Elsewhere"}),
        1 => json!({"lastName": format!("Edited{number}")}),
        _ => json!({"login": format!("edited{number}@example.com")}),
    };
    world.stage.okta.set_profile(&account, &change);
    Some(format!("an administrator set {change} of {before}"))
}

fn set_status(world: &mut World, status: Status, from: &[Status]) -> Option<String> {
    let (_, account) = somebody(world)?;
    if !from.contains(&world.stage.okta.find(&account)?.status) {
        return None;
    }
    world.stage.okta.set_status(&account, status);
    world.truth.status_by_hand.insert(account.clone());
    Some(format!("an administrator made {} {}", login(world, &account), status.as_str()))
}

pub fn suspend(world: &mut World) -> Option<String> {
    set_status(world, Status::Suspended, &[Status::Active])
}

pub fn lift(world: &mut World) -> Option<String> {
    set_status(world, Status::Active, &[Status::Suspended])
}

pub fn deactivate(world: &mut World) -> Option<String> {
    let from = [Status::Active, Status::Suspended, Status::Provisioned];
    set_status(world, Status::Deprovisioned, &from)
}

pub fn delete(world: &mut World) -> Option<String> {
    let (_, account) = somebody(world)?;
    let name = login(world, &account);
    world.stage.okta.delete_user(&account);
    world.truth.status_by_hand.insert(account);
    Some(format!("an administrator deleted {name}"))
}

/// Somebody new signs in for the first time.
pub fn activate(world: &mut World) -> Option<String> {
    let (_, account) = somebody(world)?;
    if world.stage.okta.find(&account)?.status != Status::Provisioned {
        return None;
    }
    world.stage.okta.finish_activation(&account);
    Some(format!("{} signed in for the first time", login(world, &account)))
}

/// Somebody without an account gets one by hand.
pub fn make(world: &mut World) -> Option<String> {
    let person = without_account(world)?;
    let status = world.dice.pick(&[Status::Active, Status::Staged, Status::Suspended])?;
    let profile = profile_of(world, &person)?;
    let id = world.stage.okta.create_user(&profile, status);
    world.truth.owners.insert(id.clone(), person.clone());
    world.truth.status_by_hand.insert(id);
    world.truth.odd.insert(person.clone());
    Some(format!("an administrator made {} {}", status.as_str(), world.name_of(&person)))
}

fn without_account(world: &mut World) -> Option<String> {
    let without = |id: &&String| world.account_of(id).is_none();
    let people: Vec<String> = world.people.iter().filter(without).cloned().collect();
    world.dice.pick(&people)
}

/// The profile that somebody would get; none where the login is missing or taken.
fn profile_of(world: &World, person: &str) -> Option<serde_json::Value> {
    let of = |column: &str| world.stage.servicenow.value("sys_user", person, column);
    let mail = of("email");
    if mail.is_empty() || world.stage.okta.find(&mail).is_some() {
        return None;
    }
    Some(json!({"login": mail, "email": mail, "firstName": "Made", "lastName": "By Hand",
        "employeeNumber": of("employee_number"), "title": "by hand"}))
}

/// A group gets another name, which the configuration may have used.
pub fn rename_group(world: &mut World) -> Option<String> {
    // Names are learnt in the first complete cycle: before it, a new name is another group.
    if !world.begun || !world.dice.chance(0.5) {
        return None;
    }
    let (name, id) = group(world)?;
    if world.truth.changed_groups.contains(&name) {
        return None;
    }
    world.stage.okta.rename_group(&id, &format!("{name} (old)"));
    world.truth.changed_groups.insert(name.clone());
    Some(format!("an administrator renamed the group {name}"))
}

pub fn delete_group(world: &mut World) -> Option<String> {
    if !world.dice.chance(0.5) {
        return None;
    }
    let (name, id) = group(world)?;
    world.stage.okta.delete_group(&id);
    world.truth.changed_groups.insert(name.clone());
    Some(format!("an administrator deleted the group {name}"))
}

/// Another application that writes to the same accounts while the program is at work.
pub fn rival(world: &mut World) -> Option<(Meanwhile, String)> {
    let most = world.dice.weighted(&[(3, 8), (2, 20), (1, 60)]);
    let call = world.dice.below(most);
    let okta = world.stage.okta.acting_as("Another App");
    if world.dice.chance(0.2)
        && let Some(person) = without_account(world)
        && let Some(profile) = profile_of(world, &person)
    {
        world.truth.odd.insert(person.clone());
        let born = Arc::clone(&world.born);
        let name = world.name_of(&person);
        let act = move || {
            let login = profile["login"].as_str().unwrap_or_default();
            if okta.find(login).is_none() {
                let id = okta.create_user(&profile, Status::Active);
                born.lock().unwrap().push((id, person.clone()));
            }
        };
        let text = format!("another application makes {name} before call {call}");
        let act = Arc::new(act);
        return Some((Meanwhile::Rival { okta: true, call, act, concerns: Vec::new() }, text));
    }
    let (person, account) = somebody(world)?;
    let (name, id) = group(world)?;
    world.truth.odd.insert(person);
    let who = login(world, &account);
    let key = (name.clone(), account.clone());
    let (what, act): (String, Arc<dyn Fn() + Send + Sync>) = match world.dice.below(5) {
        0 | 1 => {
            world.truth.by_hand.insert(key);
            (format!("adds {who} to {name}"), Arc::new(move || okta.add_member(&id, &account)))
        }
        2 => (
            format!("removes {who} from {name}"),
            Arc::new(move || okta.remove_member(&id, &account)),
        ),
        3 => {
            let change = json!({"department": "Rival"});
            let text = format!("sets {change} of {who}");
            (text, Arc::new(move || okta.set_profile(&account, &change)))
        }
        _ => {
            world.truth.status_by_hand.insert(account.clone());
            let act = move || {
                let status = okta.find(&account).map(|it| it.status);
                match status {
                    Some(Status::Active) => okta.set_status(&account, Status::Suspended),
                    Some(Status::Suspended) => okta.set_status(&account, Status::Active),
                    _ => {}
                }
            };
            (format!("suspends {who}, or lifts it,"), Arc::new(act))
        }
    };
    let text = format!("another application {what} before call {call}");
    Some((Meanwhile::Rival { okta: true, call, act, concerns: Vec::new() }, text))
}

/// The program's own account loses its role: it sees nothing any more, and may not be told so.
pub fn lose_role(world: &mut World) -> Option<String> {
    let owner = world.stage.okta.find("goldthread@example.com")?;
    world.stage.okta.set_roles(&owner.id, &[]);
    let empty = world.dice.chance(0.7);
    let answer = if empty { NoRole::EmptyLists } else { NoRole::Forbidden };
    world.stage.okta.switch(|it| it.no_admin_role = answer);
    Some(format!("the program lost its role in Okta: {answer:?}"))
}

pub fn regain_role(world: &mut World) -> Option<String> {
    let owner = world.stage.okta.find("goldthread@example.com")?;
    world.stage.okta.set_roles(&owner.id, &["SUPER_ADMIN"]);
    Some("the program has its role in Okta".to_owned())
}
