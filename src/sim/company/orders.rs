//! Orders that make sense one after the other.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Company, catalog};
use crate::sim::servicenow::{Ordered, ServiceNow};

/// What an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Somebody joins.
    Join,
    /// Somebody changes position.
    Move,
    /// Somebody leaves.
    Leave,
    /// Somebody is away for a while.
    Suspend,
    /// Somebody is back.
    Resume,
    /// Access is added.
    Grant,
    /// Access is taken away.
    Revoke,
}

/// One order as somebody fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it asks for.
    pub operation: Operation,
    /// The catalog item's name.
    pub item: &'static str,
    /// The `sys_id`s of the people concerned; the first is the one that it is requested for.
    pub people: Vec<String>,
    /// The names of the groups asked for.
    pub groups: Vec<&'static str>,
    /// The department that the people move to, for a move.
    pub department: Option<&'static str>,
    /// The variables as the form stores them.
    pub variables: BTreeMap<String, String>,
}

impl Order {
    /// Places the order; none where the instance does not have the item. No record of a person changes.
    pub fn place(&self, on: &ServiceNow) -> Option<Ordered> {
        let person = self.people.first()?;
        on.order_several(&[(self.item, person, self.variables.clone())])
    }
}

/// How somebody stands after the orders so far.
#[derive(Clone, Debug, Default)]
struct Standing {
    here: bool,
    away: bool,
    groups: BTreeSet<&'static str>,
}

impl Company {
    /// HR changes the records as a move wants it, then the order is placed.
    pub fn place(&self, order: &Order, on: &ServiceNow) -> Option<Ordered> {
        if let Some(department) = order.department {
            for person in &order.people {
                on.update_person(person, &[("department", &self.department_id(department))]);
            }
        }
        order.place(on)
    }

    /// So many orders that fit one another: who leaves had joined, who returns was away, what is taken
    /// away was there. All dates are in force on `today`, but some `end_date`s, which are long after it.
    pub fn random_requests(&self, seed: u64, orders: usize, today: NaiveDate) -> Vec<Order> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut standings: Vec<Standing> = self
            .people
            .iter()
            .map(|person| Standing { here: !person.newcomer, ..Standing::default() })
            .collect();
        (0..orders).map(|_| self.next_order(&mut random, &mut standings, today)).collect()
    }

    fn next_order(
        &self,
        random: &mut StdRng,
        standings: &mut [Standing],
        today: NaiveDate,
    ) -> Order {
        // The chief stays and never asks.
        let at = if standings.len() > 1 { random.random_range(1..standings.len()) } else { 0 };
        let standing = &standings[at];
        let operation = if !standing.here {
            Operation::Join
        } else if standing.away {
            Operation::Resume
        } else {
            match random.random_range(0..20) {
                0..2 => Operation::Leave,
                2..4 => Operation::Suspend,
                4..8 => Operation::Move,
                8..12 if !standing.groups.is_empty() => Operation::Revoke,
                _ => Operation::Grant,
            }
        };
        let mut people = vec![at];
        if operation == Operation::Grant && random.random_bool(0.2) {
            let other = random.random_range(0..standings.len());
            if other != at && other != 0 && standings[other].here && !standings[other].away {
                people.push(other);
            }
        }
        let bulk = operation == Operation::Join && random.random_bool(0.2);
        if bulk {
            let others = (1..standings.len()).filter(|it| *it != at && !standings[*it].here);
            people.extend(others.take(3));
        }
        let groups = match operation {
            Operation::Join | Operation::Grant => two_of(random, &self.access_groups()),
            Operation::Revoke => {
                two_of(random, &standing.groups.iter().copied().collect::<Vec<_>>())
            }
            _ => Vec::new(),
        };
        for person in &people {
            let standing = &mut standings[*person];
            match operation {
                Operation::Join => standing.here = true,
                Operation::Leave => *standing = Standing::default(),
                Operation::Suspend => standing.away = true,
                Operation::Resume => standing.away = false,
                Operation::Move | Operation::Grant | Operation::Revoke => {}
            }
            for group in &groups {
                if operation == Operation::Revoke {
                    standing.groups.remove(group);
                } else {
                    standing.groups.insert(group);
                }
            }
        }
        self.filled_in(random, operation, bulk, &people, groups, today)
    }

    fn filled_in(
        &self,
        random: &mut StdRng,
        operation: Operation,
        bulk: bool,
        people: &[usize],
        groups: Vec<&'static str>,
        today: NaiveDate,
    ) -> Order {
        let people: Vec<String> = people.iter().map(|at| self.people[*at].sys_id.clone()).collect();
        let ids: Vec<String> = groups.iter().map(|it| self.group_id(it)).collect();
        let joined = people.join(",");
        let past = today - Days::new(random.random_range(1..5));
        let later = today + Days::new(random.random_range(300..600));
        let end = if random.random_bool(0.2) { later.to_string() } else { String::new() };
        let text = str::to_owned;
        let (item, variables) = match operation {
            Operation::Join if bulk => (
                catalog::BULK,
                vec![
                    ("employees", joined),
                    ("start_date", past.to_string()),
                    ("groups", ids.join(",")),
                ],
            ),
            Operation::Join => (
                catalog::ONBOARDING,
                vec![
                    ("employee", joined),
                    ("start_date", past.to_string()),
                    ("end_date", end),
                    ("groups", ids.join(",")),
                    ("action", text("Add")),
                ],
            ),
            Operation::Leave => {
                (catalog::OFFBOARDING, vec![("employee", joined), ("last_day", past.to_string())])
            }
            Operation::Move => (
                catalog::POSITION,
                vec![("employee", joined), ("reason", text("New team\nfrom next week on"))],
            ),
            Operation::Suspend => (
                catalog::LEAVE,
                vec![("employee", joined), ("starts", past.to_string()), ("ends", String::new())],
            ),
            Operation::Resume => {
                (catalog::RETURN, vec![("employee", joined), ("starts", past.to_string())])
            }
            Operation::Grant => (
                catalog::ACCESS,
                vec![
                    ("action", text("Add")),
                    ("employee", joined),
                    ("groups", ids.join(",")),
                    ("end_date", end),
                ],
            ),
            Operation::Revoke => (
                catalog::ACCESS,
                vec![("action", text("Remove")), ("employee", joined), ("groups", ids.join(","))],
            ),
        };
        let department = (operation == Operation::Move).then(|| super::weighted(random));
        Order {
            operation,
            item,
            department,
            people,
            groups,
            variables: variables.into_iter().map(|(name, value)| (text(name), value)).collect(),
        }
    }
}

/// One or two of these.
fn two_of(random: &mut StdRng, from: &[&'static str]) -> Vec<&'static str> {
    let wanted = random.random_range(1..3);
    from.choose_multiple(random, wanted).copied().collect()
}
