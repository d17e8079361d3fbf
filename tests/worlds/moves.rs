//! What can happen next in a world: one step at a time, drawn by its dice.

mod admin;
mod desk;
// Some steps are always possible, and yet all of them are of one shape.
#[allow(clippy::unnecessary_wraps)]
mod hr;
#[allow(clippy::unnecessary_wraps)]
mod weather;

use super::world::World;

/// A step: what was done, in words; none where there was nothing to do it with.
type Step = fn(&mut World) -> Option<String>;

/// Every step, with how often it is tried.
const STEPS: &[(u32, Step)] = &[
    (30, weather::cycle),
    (34, desk::order),
    (6, desk::decide),
    (3, desk::withdraw),
    (2, desk::reset),
    (2, desk::edit),
    (1, desk::archive),
    (1, desk::close),
    (2, desk::back_date),
    (1, hr::hire),
    (3, hr::transfer),
    (2, hr::rename),
    (2, hr::deactivate),
    (2, hr::reactivate),
    (1, hr::double),
    (1, hr::empty),
    (1, hr::delete),
    (1, hr::behind),
    (1, hr::hide),
    (1, hr::hide_inactive),
    (2, hr::show),
    (1, hr::cut),
    (3, admin::add_member),
    (3, admin::remove_member),
    (2, admin::edit_profile),
    (1, admin::suspend),
    (1, admin::lift),
    (1, admin::deactivate),
    (1, admin::delete),
    (2, admin::activate),
    (1, admin::make),
    (1, admin::rename_group),
    (1, admin::delete_group),
    (1, admin::lose_role),
    (1, admin::regain_role),
    (4, weather::turn),
    (1, weather::commit_late),
    (2, weather::lag),
    (4, weather::minutes),
    (2, weather::hours),
    (2, weather::days),
    (2, weather::back),
    (2, weather::restart),
];

/// How it stands when the world begins.
pub fn begin(world: &mut World) {
    if world.dice.chance(0.6) {
        let what = weather::turn(world);
        world.played.extend(what);
    }
}

/// Plays the next step.
pub fn play(world: &mut World) {
    loop {
        let step = world.dice.weighted(STEPS);
        if let Some(what) = step(world) {
            world.tally.steps += 1;
            let at = world.stage.clock.now().format("%m-%d %H:%M:%S");
            world.played.push(format!("{at} {what}"));
            return;
        }
    }
}

pub use weather::{clear, describe};
