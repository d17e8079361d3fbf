//! Random companies with everything that goes wrong in one: each world grows from one seed, the
//! real program works in it over real HTTP, and what must never happen does not.
#![cfg(feature = "sim")]

#[path = "../agreement/agree.rs"]
mod agree;
mod choices;
mod dice;
mod fleet;
mod invariants;
mod journal;
mod kills;
mod moves;
mod truth;
mod world;

use world::{Kind, Tally};

/// What is counted, how, and how much of it there is at least.
type Floor = (&'static str, fn(&Tally) -> usize, usize);

/// How much happens at least in so many worlds: they are worth something only while it does.
const FLOORS: [Floor; 9] = [
    ("cycles", |it| it.cycles, 1500),
    ("failed cycles", |it| it.failed_cycles, 80),
    ("faults", |it| it.faults, 300),
    ("kills", |it| it.kills, 50),
    ("rivals", |it| it.rivals, 50),
    ("writes", |it| it.writes, 500),
    ("closed requests", |it| it.closed, 200),
    ("notes", |it| it.notes, 100),
    ("people compared in the end", |it| it.compared, 500),
];

/// A few hundred worlds, always the same ones.
#[test]
fn in_no_world_does_the_program_harm_and_in_each_it_comes_to_rest() {
    let (tally, failures) = fleet::many(Kind::Common, 1, 220, fleet::FEW);
    assert!(failures.is_empty(), "{}", fleet::told_of(&failures));
    let found = |name: &str| tally.ingredients.get(name).copied().unwrap_or(0);
    let missing: Vec<&str> =
        moves::names().chain(choices::NAMES).filter(|name| found(name) == 0).collect();
    assert!(missing.is_empty(), "these never happened: {missing:?}\n{tally:#?}");
    for (what, count, least) in FLOORS {
        let count = count(&tally);
        assert!(count >= least, "only {count} {what} instead of {least}\n{tally:#?}");
    }
}

/// The world of `GOLDTHREAD_SEED`, with its steps told.
#[test]
fn one_world() {
    fleet::told(Kind::Common, fleet::number("GOLDTHREAD_SEED").unwrap_or(1));
}

/// The same where the program's role reaches only some of the accounts and groups, and others from
/// one step to the next.
#[test]
fn in_no_world_is_what_is_out_of_sight_taken_for_gone() {
    let (tally, failures) = fleet::many(Kind::NarrowRole, 1, 60, fleet::FEW);
    assert!(failures.is_empty(), "{}", fleet::told_of(&failures));
    let found = |name: &str| tally.ingredients.get(name).copied().unwrap_or(0);
    let missing: Vec<&str> = moves::names_of_sight().filter(|name| found(name) == 0).collect();
    assert!(missing.is_empty(), "these never happened: {missing:?}\n{tally:#?}");
    assert!(tally.closed >= 40 && tally.compared >= 100, "{tally:#?}");
}

/// The world of that kind of `GOLDTHREAD_SEED`, with its steps told.
#[test]
fn one_narrow_world() {
    fleet::told(Kind::NarrowRole, fleet::number("GOLDTHREAD_SEED").unwrap_or(1));
}

/// As many worlds as `GOLDTHREAD_WORLDS` says, from `GOLDTHREAD_FIRST_SEED` on; with
/// `GOLDTHREAD_NARROW` those whose role reaches only a part.
#[test]
#[ignore = "for as long as wanted"]
fn as_many_worlds_as_wanted() {
    let count = fleet::number("GOLDTHREAD_WORLDS").unwrap_or(3000);
    let first = fleet::number("GOLDTHREAD_FIRST_SEED").unwrap_or(1000);
    let narrow = std::env::var_os("GOLDTHREAD_NARROW").is_some();
    let kind = if narrow { Kind::NarrowRole } else { Kind::Common };
    let begun = std::time::Instant::now();
    let (tally, failures) = fleet::many(kind, first, count, 24);
    #[expect(clippy::print_stdout, reason = "the totals are what it is for")]
    {
        for failure in &failures {
            println!("{}\n", failure.text);
        }
        println!("{tally:#?}\n{:.0} s", begun.elapsed().as_secs_f64());
    }
    assert!(failures.is_empty(), "{}", fleet::told_of(&failures));
}
