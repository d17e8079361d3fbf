//! Time, the network, the process, and the program's own cycles.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::TimeDelta;
use goldthread::report::CycleReport;
use goldthread::sync::Scope;

use super::{admin, hr, sight};
use crate::world::{Ended, Kind, Meanwhile, Weather, World};

/// The program runs a cycle, and maybe does not get to the end of it.
pub fn cycle(world: &mut World) -> Option<String> {
    let person = world.dice.pick(&world.people)?;
    let scope = world.dice.weighted(&[(14, 0_u8), (5, 1), (1, 2)]);
    let scope = match scope {
        0 => Scope::Changes,
        1 => Scope::Full,
        _ => Scope::Person(person),
    };
    let mut text = format!("cycle {scope:?}");
    let meanwhile = match world.dice.below(10) {
        0 | 1 => {
            let okta = world.dice.chance(0.6);
            let most = world.dice.weighted(&[(3, 8), (2, 20), (1, 60)]);
            let call = world.dice.below(most);
            let carried_out = world.dice.chance(0.5);
            let side = if okta { "Okta" } else { "ServiceNow" };
            let when = if carried_out { "after" } else { "before" };
            let _ = write!(text, ", killed {when} call {call} to {side}");
            Some(Meanwhile::Killed { okta, call, carried_out })
        }
        2 | 3 => rival(world).map(|(meanwhile, what)| {
            let _ = write!(text, ", {what}");
            meanwhile
        }),
        _ => None,
    };
    let ended = world.cycle(&scope, meanwhile);
    if let Ended::Well(report) = &ended
        && report.full
    {
        world.begun = true;
    }
    Some(format!("{text}: {}", describe(&ended)))
}

fn rival(world: &mut World) -> Option<(Meanwhile, String)> {
    if world.dice.chance(0.35) { hr::meanwhile(world) } else { admin::rival(world) }
}

/// How a cycle ended, in words.
pub fn describe(ended: &Ended) -> String {
    match ended {
        Ended::Killed => "killed".to_owned(),
        Ended::Failed(why) => format!("failed: {why}"),
        Ended::Well(report) => actions(report),
    }
}

fn actions(report: &CycleReport) -> String {
    let line = |action: &goldthread::report::ActionReport| {
        let (request, group) = (action.request.as_deref(), action.group.as_deref());
        format!(
            "\n      {} {} of {} {} for {} by {} {}",
            action.outcome,
            action.action.unwrap_or("-"),
            action.person.name(),
            group.unwrap_or(""),
            request.unwrap_or("-"),
            action.cause,
            action.error.as_deref().unwrap_or("")
        )
    };
    let lines: String = report.actions.iter().map(line).collect();
    let quarantined = report.quarantined.as_deref().unwrap_or("");
    format!("{} {quarantined}{lines}", report.outcome())
}

/// The ways get worse or better.
pub fn turn(world: &mut World) -> Option<String> {
    let draw = |world: &mut World| world.dice.weighted(&[(2, 0.0), (3, 0.02), (3, 0.06), (1, 0.2)]);
    world.weather = Weather { okta: draw(world), servicenow: draw(world) };
    Some(format!("{:?}", world.weather))
}

/// Rows of ServiceNow can be seen only some time after their stamp.
pub fn commit_late(world: &mut World) -> Option<String> {
    let seconds = world.dice.pick(&[0, 0, 5, 30])?;
    world.stage.servicenow.set(|it| it.commit_delay = Duration::from_secs(seconds));
    Some(format!("ServiceNow commits {seconds} s late"))
}

/// Okta's search shows what was some time ago.
pub fn lag(world: &mut World) -> Option<String> {
    let seconds = world.dice.pick(&[0, 2, 10, 60])?;
    world.stage.okta.switch(|it| it.index_lag = Duration::from_secs(seconds));
    Some(format!("Okta's search lags {seconds} s behind"))
}

fn pass(world: &mut World, seconds: u64) -> Option<String> {
    world.stage.clock.advance(Duration::from_secs(seconds));
    Some(format!("{} pass", humantime::format_duration(Duration::from_secs(seconds))))
}

pub fn minutes(world: &mut World) -> Option<String> {
    let minutes = 1 + world.dice.below(40);
    pass(world, 60 * minutes)
}

pub fn hours(world: &mut World) -> Option<String> {
    let hours = 1 + world.dice.below(9);
    pass(world, 3600 * hours)
}

pub fn days(world: &mut World) -> Option<String> {
    let days = 1 + world.dice.below(3);
    pass(world, 86_400 * days)
}

/// The clock is set back a little.
pub fn back(world: &mut World) -> Option<String> {
    if std::mem::replace(&mut world.set_back, true) {
        return None;
    }
    let seconds = 1 + i64::try_from(world.dice.below(80)).unwrap_or(0);
    let at = world.stage.clock.now() - TimeDelta::seconds(seconds);
    world.stage.clock.freeze(at);
    Some(format!("the clock is set back by {seconds} s"))
}

pub fn restart(world: &mut World) -> Option<String> {
    world.restart();
    Some("the program is started again".to_owned())
}

/// Everything is as it should be, outside the program.
pub fn clear(world: &mut World) {
    world.weather = Weather::default();
    world.stage.okta.switch(|it| it.index_lag = Duration::ZERO);
    if world.kind == Kind::NarrowRole {
        sight::clear(world);
    }
    let _ = (admin::regain_role(world), hr::show(world), hr::put_right(world));
    world.stage.servicenow.set(|it| {
        it.commit_delay = Duration::ZERO;
        it.cut_list = None;
    });
    // What was written late is there by now.
    world.stage.clock.advance(Duration::from_mins(1));
}
