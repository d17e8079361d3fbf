//! Random companies with everything that goes wrong in one: each world grows from one seed, the
//! real program works in it over real HTTP, and what must never happen does not.
#![cfg(feature = "sim")]

mod dice;
mod fleet;
mod invariants;
mod journal;
mod kills;
mod moves;
mod truth;
mod world;

/// A few hundred worlds, always the same ones.
#[test]
fn in_no_world_does_the_program_harm_and_in_each_it_comes_to_rest() {
    let (tally, failures) = fleet::many(1, 200, fleet::FEW);
    let first = failures.first().map(|failure| failure.text.as_str());
    assert!(first.is_none(), "{} worlds went wrong\n{}", failures.len(), first.unwrap_or_default());
    // They are worth something only while much happens in them.
    assert!(tally.faults > 0 && tally.kills > 0 && tally.closed > 0, "{tally:?}");
}

/// The world of `GOLDTHREAD_SEED`, with its steps told.
#[test]
fn one_world() {
    fleet::told(fleet::number("GOLDTHREAD_SEED").unwrap_or(1));
}

/// As many worlds as `GOLDTHREAD_WORLDS` says, from `GOLDTHREAD_FIRST_SEED` on.
#[test]
#[ignore = "for as long as wanted"]
fn as_many_worlds_as_wanted() {
    let count = fleet::number("GOLDTHREAD_WORLDS").unwrap_or(3000);
    let first = fleet::number("GOLDTHREAD_FIRST_SEED").unwrap_or(1000);
    let begun = std::time::Instant::now();
    let (tally, failures) = fleet::many(first, count, 24);
    #[expect(clippy::print_stdout, reason = "the totals are what it is for")]
    {
        for failure in &failures {
            println!("{}\n", failure.text);
        }
        let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
        println!("{tally:#?}\n{:.0} s; failing seeds: {seeds:?}", begun.elapsed().as_secs_f64());
    }
    assert!(failures.is_empty(), "{} worlds went wrong", failures.len());
}
