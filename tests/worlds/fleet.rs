//! Many worlds, one after the other on each processor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::moves;
use super::world::{Kind, Tally, World};

/// The steps of a world that is one of a few hundred.
pub const FEW: usize = 16;

/// A world that went wrong, as somebody reads it who has to find out why.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    /// What went wrong first.
    pub what: String,
    /// How to see it again.
    pub again: String,
    pub text: String,
}

/// All that went wrong: each world with its one command, and the first of them in full.
pub fn told_of(failures: &[Failure]) -> String {
    let line = |it: &Failure| format!("world {}: {}\n  {}", it.seed, it.what, it.again);
    let lines: Vec<String> = failures.iter().map(line).collect();
    let first = failures.first().map(|failure| failure.text.as_str()).unwrap_or_default();
    format!("{} worlds went wrong\n{}\n\n{first}", failures.len(), lines.join("\n"))
}

/// How many steps a world has, where `GOLDTHREAD_STEPS` does not say.
fn steps(otherwise: usize) -> usize {
    number("GOLDTHREAD_STEPS").and_then(|it| usize::try_from(it).ok()).unwrap_or(otherwise)
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Grows one world, plays it, and looks at what became of it.
pub fn one(kind: Kind, seed: u64, steps: usize) -> Result<(Tally, Vec<String>), Failure> {
    let mut played = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, kind);
        moves::begin(&mut world);
        for _ in 0..steps {
            moves::play(&mut world);
            played.clone_from(&world.played);
            if !world.wrong.is_empty() {
                return (world.tally, world.wrong);
            }
        }
        world.settle();
        played.clone_from(&world.played);
        (world.tally, world.wrong)
    }));
    let (tally, wrong) = match result {
        Ok(found) => found,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            (Tally::default(), vec![format!("it panicked: {}", text.unwrap_or_default())])
        }
    };
    if wrong.is_empty() {
        return Ok((tally, played));
    }
    let again = format!(
        "GOLDTHREAD_SEED={seed} GOLDTHREAD_STEPS={steps} cargo test --test worlds {} -- \
         --nocapture",
        match kind {
            Kind::Common => "one_world",
            Kind::NarrowRole => "one_narrow_world",
        }
    );
    let text = format!(
        "world {seed} went wrong:\n  {}\nafter these steps:\n  {}\nagain: {again}",
        wrong.join("\n  "),
        played.join("\n  ")
    );
    let what = wrong.into_iter().next().unwrap_or_default();
    Err(Failure { seed, what, again, text })
}

/// So many worlds from this seed on.
pub fn many(kind: Kind, first: u64, count: u64, steps_each: usize) -> (Tally, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let sum = Mutex::new((Tally::default(), Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= count {
                        return;
                    }
                    let result = one(kind, first + at, steps(steps_each));
                    let mut sum = sum.lock().unwrap();
                    match result {
                        Ok((tally, _)) => sum.0.add(&tally),
                        Err(failure) => sum.1.push(failure),
                    }
                }
            });
        }
    });
    let (tally, mut failures) = sum.into_inner().unwrap();
    failures.sort_by_key(|failure| failure.seed);
    (tally, failures)
}

/// Plays the world of one seed and tells its steps.
pub fn told(kind: Kind, seed: u64) {
    match one(kind, seed, steps(FEW)) {
        Ok((tally, played)) => {
            #[expect(clippy::print_stdout, reason = "that is what it is for")]
            {
                println!("world {seed} went well: {tally:?}\n  {}", played.join("\n  "));
            }
        }
        Err(failure) => panic!("{}", failure.text),
    }
}
