//! What the program's role in Okta reaches: some accounts and groups fall out of it, and come back.

use std::collections::BTreeSet;

use goldthread::sim::company::Operation;
use goldthread::sim::okta::{OutOfSight, Sight};

use super::desk;
use crate::world::World;

/// What is out of sight now: accounts and groups.
fn hidden(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    world.hidden.clone()
}

fn hide(world: &mut World, users: BTreeSet<String>, groups: BTreeSet<String>) {
    let how = if world.dice.chance(0.7) { OutOfSight::NotFound } else { OutOfSight::Forbidden };
    world.hidden = (users.clone(), groups.clone());
    let sight = if users.is_empty() && groups.is_empty() {
        Sight::All
    } else {
        Sight::AllBut { users, groups }
    };
    world.stage.okta.switch(|it| (it.sight, it.out_of_sight) = (sight, how));
}

/// Accounts of people, all those that there are; never the program's own.
fn accounts(world: &World) -> Vec<String> {
    let there = |id: &&String| world.stage.okta.find(id).is_some();
    world.truth.owners.keys().filter(there).cloned().collect()
}

/// One or two accounts fall out of sight, or half of them at once.
pub fn narrow(world: &mut World) -> Option<String> {
    let all = accounts(world);
    let (mut users, groups) = hidden(world);
    if world.dice.chance(0.15) {
        users.extend(all.iter().step_by(2).cloned());
    } else {
        for _ in 0..=world.dice.below(2) {
            users.extend(world.dice.pick(&all));
        }
    }
    let text = format!("out of sight: {users:?}");
    hide(world, users, groups);
    Some(text)
}

/// A group falls out of sight.
pub fn groups(world: &mut World) -> Option<String> {
    let all: Vec<String> = world.truth.groups.values().cloned().collect();
    let (users, mut groups) = hidden(world);
    groups.extend(world.dice.pick(&all));
    let text = format!("groups out of sight: {groups:?}");
    hide(world, users, groups);
    Some(text)
}

/// The role reaches everything again, or all groups.
pub fn widen(world: &mut World) -> Option<String> {
    let (users, _) = hidden(world);
    let users = if world.dice.chance(0.7) { BTreeSet::new() } else { users };
    let text = format!("in sight but for {users:?}");
    hide(world, users, BTreeSet::new());
    Some(text)
}

/// Somebody leaves whose account is out of sight.
pub fn leave(world: &mut World) -> Option<String> {
    let (users, _) = hidden(world);
    let owner = |id: &String| world.truth.owners.get(id).cloned();
    let people: Vec<String> = users.iter().filter_map(owner).collect();
    let person = world.dice.pick(&people)?;
    desk::order_for(world, Operation::Leave, person)
}

/// Everything is in sight.
pub fn clear(world: &mut World) {
    hide(world, BTreeSet::new(), BTreeSet::new());
}
