//! What can happen next in a world: one step at a time, drawn by its dice.

mod admin;
mod desk;
// Some steps are always possible, and yet all of them are of one shape.
#[allow(clippy::unnecessary_wraps)]
mod hr;
#[allow(clippy::unnecessary_wraps)]
mod sight;
#[allow(clippy::unnecessary_wraps)]
mod weather;

use super::world::{Kind, World};

/// A step: what was done, in words; none where there was nothing to do it with.
type Step = fn(&mut World) -> Option<String>;

/// Every step, with how often it is tried.
const STEPS: &[(u32, (&str, Step))] = &[
    (30, ("weather: cycle", weather::cycle)),
    (34, ("desk: order", desk::order)),
    (6, ("desk: decide", desk::decide)),
    (3, ("desk: withdraw", desk::withdraw)),
    (2, ("desk: reset", desk::reset)),
    (2, ("desk: edit", desk::edit)),
    (1, ("desk: archive", desk::archive)),
    (1, ("desk: close", desk::close)),
    (2, ("desk: back date", desk::back_date)),
    (1, ("hr: hire", hr::hire)),
    (3, ("hr: transfer", hr::transfer)),
    (2, ("hr: rename", hr::rename)),
    (2, ("hr: deactivate", hr::deactivate)),
    (2, ("hr: reactivate", hr::reactivate)),
    (1, ("hr: mistake", hr::mistake)),
    (8, ("hr: put right", hr::put_right)),
    (1, ("hr: double", hr::double)),
    (1, ("hr: empty", hr::empty)),
    (1, ("hr: delete", hr::delete)),
    (1, ("hr: behind", hr::behind)),
    (1, ("hr: hide", hr::hide)),
    (1, ("hr: hide inactive", hr::hide_inactive)),
    (2, ("hr: show", hr::show)),
    (1, ("hr: cut", hr::cut)),
    (3, ("admin: add member", admin::add_member)),
    (3, ("admin: remove member", admin::remove_member)),
    (2, ("admin: edit profile", admin::edit_profile)),
    (1, ("admin: suspend", admin::suspend)),
    (3, ("admin: lift", admin::lift)),
    (1, ("admin: deactivate", admin::deactivate)),
    (1, ("admin: delete", admin::delete)),
    (5, ("admin: activate", admin::activate)),
    (1, ("admin: make", admin::make)),
    (1, ("admin: rename group", admin::rename_group)),
    (1, ("admin: delete group", admin::delete_group)),
    (1, ("admin: lose role", admin::lose_role)),
    (1, ("admin: regain role", admin::regain_role)),
    (4, ("weather: turn", weather::turn)),
    (1, ("weather: commit late", weather::commit_late)),
    (2, ("weather: lag", weather::lag)),
    (4, ("weather: minutes", weather::minutes)),
    (2, ("weather: hours", weather::hours)),
    (2, ("weather: days", weather::days)),
    (2, ("weather: back", weather::back)),
    (2, ("weather: restart", weather::restart)),
];

/// What happens as well where the program's role reaches only a part of the org.
const SIGHT: &[(u32, (&str, Step))] = &[
    (12, ("sight: narrow", sight::narrow)),
    (5, ("sight: groups", sight::groups)),
    (5, ("sight: widen", sight::widen)),
    (6, ("sight: leave", sight::leave)),
];

/// The names of all steps.
pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(_, (name, _))| *name)
}

/// The names of the steps that change what the program's role reaches.
pub fn names_of_sight() -> impl Iterator<Item = &'static str> {
    SIGHT.iter().map(|(_, (name, _))| *name)
}

/// How it stands when the world begins.
pub fn begin(world: &mut World) {
    if world.dice.chance(0.6) {
        let what = weather::turn(world);
        world.played.extend(what);
    }
    if world.kind == Kind::NarrowRole && world.dice.chance(0.5) {
        let what = sight::narrow(world);
        world.played.extend(what);
    }
}

/// Plays the next step.
pub fn play(world: &mut World) {
    let narrow = world.kind == Kind::NarrowRole;
    loop {
        let sight = narrow && world.dice.chance(0.25);
        let (name, step) = world.dice.weighted(if sight { SIGHT } else { STEPS });
        if let Some(what) = step(world) {
            world.tally.steps += 1;
            world.tally.count(name);
            let at = world.stage.clock.now().format("%m-%d %H:%M:%S");
            world.played.push(format!("{at} {what}"));
            return;
        }
    }
}

pub use weather::{clear, describe};
