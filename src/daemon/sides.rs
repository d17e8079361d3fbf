//! How the two systems are, what of that is news, and how long to leave them alone.
//!
//! No clock and no log here: the time is an argument, and what is to be said is given back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::Timestamp;
use crate::reconcile::retry::gist;
use crate::sync::Side;

/// A side that is down this long wakes somebody.
const LONG: chrono::Duration = chrono::Duration::minutes(15);
/// So many fresh sign-ins over so long must be refused before the credentials are blamed: an
/// instance that starts, or a gateway, refuses good ones too.
const REFUSALS: u32 = 3;
const REFUSED_FOR: chrono::Duration = chrono::Duration::minutes(1);
/// Between two sign-ins that are refused: a handful in a row locks an account.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// The same once the credentials are to blame.
const AFTER_REFUSALS: Duration = Duration::from_mins(5);

/// How both sides are.
#[derive(Debug)]
pub struct Sides {
    servicenow: Condition,
    okta: Condition,
}

#[derive(Debug)]
struct Condition {
    since: Timestamp,
    trouble: Option<Trouble>,
}

/// What is wrong with a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It does not answer, or not as itself.
    Down,
    /// It refuses the credentials.
    Refused,
    /// It answers well, and what was asked of it cannot be done.
    Unworkable,
}

impl Kind {
    /// What a side does, as words after its name.
    fn words(self) -> &'static str {
        match self {
            Self::Down | Self::Refused => "is down",
            Self::Unworkable => "stops every cycle",
        }
    }
}

#[derive(Debug)]
struct Trouble {
    kind: Kind,
    text: String,
    /// What was said of it already, without its numbers.
    said: BTreeSet<String>,
    refusals: u32,
    first_refusal: Option<Timestamp>,
    /// The credentials were blamed.
    blamed: bool,
    /// It was said that this takes long.
    long: bool,
}

/// How loud something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the record.
    Info,
    /// Wants somebody today.
    Warn,
    /// Wakes somebody.
    Error,
}

/// Something to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// What.
    pub text: String,
}

impl Notice {
    fn new(level: Level, text: String) -> Self {
        Self { level, text }
    }
}

impl Sides {
    /// Both are taken to be up until one of them is not.
    pub fn new(now: Timestamp) -> Self {
        let up = || Condition { since: now, trouble: None };
        Self { servicenow: up(), okta: up() }
    }

    /// A side answered.
    pub fn good(&mut self, side: Side, now: Timestamp) -> Option<Notice> {
        let condition = self.of(side);
        condition.trouble.take()?;
        let took = words(now - condition.since);
        condition.since = now;
        Some(Notice::new(Level::Info, format!("{side} is back after {took}")))
    }

    /// A side did not, or refused the credentials.
    pub fn bad(&mut self, side: Side, kind: Kind, text: &str, now: Timestamp) -> Option<Notice> {
        let condition = self.of(side);
        let begins = condition.trouble.is_none();
        if begins {
            condition.since = now;
        }
        let trouble = condition.trouble.get_or_insert_with(|| Trouble {
            kind,
            text: String::new(),
            said: BTreeSet::new(),
            refusals: 0,
            first_refusal: None,
            blamed: false,
            long: false,
        });
        text.clone_into(&mut trouble.text);
        let news = trouble.said.insert(gist(text));
        trouble.kind = kind;
        if kind == Kind::Refused {
            trouble.refusals += 1;
            let first = *trouble.first_refusal.get_or_insert(now);
            if trouble.refusals >= REFUSALS && now - first >= REFUSED_FOR && !trouble.blamed {
                trouble.blamed = true;
                return Some(Notice::new(
                    Level::Error,
                    format!(
                        "{side} refuses our credentials, {} times over {}: {text}; put them right \
                         and reload (restart, if they are systemd credentials)",
                        trouble.refusals,
                        words(now - first)
                    ),
                ));
            }
        }
        let again = "nothing is lost, and it is tried again by itself";
        match (begins, news) {
            (true, _) => {
                let text = format!("{side} {}: {text}; {again}", kind.words());
                Some(Notice::new(Level::Warn, text))
            }
            (false, true) => {
                Some(Notice::new(Level::Warn, format!("{side} {} still: {text}", kind.words())))
            }
            (false, false) => None,
        }
    }

    /// What is to be said because time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for side in [Side::ServiceNow, Side::Okta] {
            let condition = self.of(side);
            let lasts = now - condition.since;
            let Some(trouble) = &mut condition.trouble else { continue };
            if lasts >= LONG && !trouble.long {
                trouble.long = true;
                let since = words(lasts);
                let text = match trouble.kind {
                    Kind::Down | Kind::Refused => format!("{side} has been down for {since}"),
                    Kind::Unworkable => format!("{side} has stopped every cycle for {since}"),
                };
                let text = format!("{text}: {}", trouble.text);
                notices.push(Notice::new(Level::Error, text));
            }
        }
        notices
    }

    /// Since when a side is as it is, and what is wrong with it.
    pub fn condition(&self, side: Side) -> (Timestamp, Option<&str>) {
        let condition = self.one(side);
        (condition.since, condition.trouble.as_ref().map(|trouble| trouble.text.as_str()))
    }

    /// Whether a side's last answers refused the credentials.
    pub fn is_refused(&self, side: Side) -> bool {
        let condition = self.one(side);
        condition.trouble.as_ref().is_some_and(|trouble| trouble.refusals > 0)
    }

    /// How long to leave them alone because credentials are refused.
    pub fn pause(&self) -> Option<Duration> {
        [&self.servicenow, &self.okta]
            .into_iter()
            .filter_map(|condition| condition.trouble.as_ref())
            .filter(|trouble| trouble.refusals > 0)
            .map(|trouble| if trouble.blamed { AFTER_REFUSALS } else { AFTER_REFUSAL })
            .max()
    }

    /// In a few words, where one of them is down.
    pub fn degraded(&self) -> Option<String> {
        let down: Vec<String> = [Side::ServiceNow, Side::Okta]
            .into_iter()
            .filter_map(|side| {
                let condition = self.one(side);
                let Trouble { kind, text, .. } = condition.trouble.as_ref()?;
                let since = condition.since.format("%Y-%m-%d %H:%M:%S");
                Some(format!("{side} {} since {since} UTC ({text})", kind.words()))
            })
            .collect();
        (!down.is_empty()).then(|| down.join("; "))
    }

    fn one(&self, side: Side) -> &Condition {
        match side {
            Side::ServiceNow => &self.servicenow,
            Side::Okta => &self.okta,
        }
    }

    fn of(&mut self, side: Side) -> &mut Condition {
        match side {
            Side::ServiceNow => &mut self.servicenow,
            Side::Okta => &mut self.okta,
        }
    }
}

/// A span of time for people, in whole seconds.
fn words(span: chrono::Duration) -> String {
    let seconds = u64::try_from(span.num_seconds()).unwrap_or(0);
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str = "ServiceNow cannot be reached: Connection refused (os error 111)";

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn seconds(count: i64) -> chrono::Duration {
        chrono::Duration::seconds(count)
    }

    #[test]
    fn an_outage_is_said_when_it_begins_when_it_changes_when_it_lasts_and_when_it_ends() {
        let mut sides = Sides::new(noon());
        let side = Side::ServiceNow;
        let begins = sides.bad(side, Kind::Down, DOWN, noon()).unwrap();
        assert_eq!(begins.level, Level::Warn);
        assert!(begins.text.starts_with("ServiceNow is down: "), "{}", begins.text);
        for minute in 1..15 {
            let now = noon() + seconds(60 * minute);
            assert_eq!(sides.bad(side, Kind::Down, DOWN, now), None);
            assert_eq!(sides.tick(now), []);
        }
        let other = "ServiceNow's rate limit asks us to wait 30 s";
        assert!(sides.bad(side, Kind::Down, other, noon() + seconds(870)).is_some());
        let same = "ServiceNow's rate limit asks us to wait 29 s";
        assert_eq!(sides.bad(side, Kind::Down, same, noon() + seconds(880)), None);
        assert_eq!(sides.bad(side, Kind::Down, DOWN, noon() + seconds(890)), None, "said before");

        let long = sides.tick(noon() + seconds(900));
        assert_eq!(long.len(), 1);
        assert_eq!(long[0].level, Level::Error);
        assert_eq!(sides.tick(noon() + seconds(2000)), [], "once");
        assert!(sides.degraded().unwrap().contains("down since 2026-11-23 12:00:00 UTC"));

        let back = sides.good(side, noon() + seconds(2100)).unwrap();
        assert_eq!(back, Notice::new(Level::Info, "ServiceNow is back after 35m".to_owned()));
        assert_eq!(sides.good(side, noon() + seconds(2200)), None);
        assert_eq!(sides.degraded(), None);
    }

    #[test]
    fn credentials_are_blamed_after_three_refusals_over_a_minute_and_then_tried_seldom() {
        let mut sides = Sides::new(noon());
        let refused = "Okta refuses the sign-in: invalid token";
        let first = sides.bad(Side::Okta, Kind::Refused, refused, noon()).unwrap();
        assert_eq!(first.level, Level::Warn);
        assert_eq!(sides.pause(), Some(Duration::from_secs(30)));
        assert_eq!(sides.bad(Side::Okta, Kind::Refused, refused, noon() + seconds(1)), None);
        assert_eq!(
            sides.bad(Side::Okta, Kind::Refused, refused, noon() + seconds(2)),
            None,
            "too soon"
        );
        let loud = sides.bad(Side::Okta, Kind::Refused, refused, noon() + seconds(60)).unwrap();
        assert_eq!(loud.level, Level::Error);
        assert!(loud.text.contains("4 times over 1m"), "{}", loud.text);
        assert_eq!(sides.pause(), Some(Duration::from_mins(5)));
        assert_eq!(
            sides.bad(Side::Okta, Kind::Refused, refused, noon() + seconds(400)),
            None,
            "once"
        );
        assert!(sides.good(Side::Okta, noon() + seconds(700)).is_some());
        assert_eq!(sides.pause(), None);
    }

    #[test]
    fn one_refusal_between_good_answers_proves_nothing() {
        let mut sides = Sides::new(noon());
        for hour in 0..5 {
            let now = noon() + seconds(3600 * hour);
            let notice =
                sides.bad(Side::ServiceNow, Kind::Refused, "refused the sign-in", now).unwrap();
            assert_eq!(notice.level, Level::Warn);
            sides.good(Side::ServiceNow, now + seconds(30));
        }
    }

    #[test]
    fn a_side_that_answers_well_is_not_called_down() {
        let mut sides = Sides::new(noon());
        let mistyped = "ServiceNow: no catalog item is called \"Okta onbording\"";
        let side = Side::ServiceNow;
        let begins = sides.bad(side, Kind::Unworkable, mistyped, noon()).unwrap();
        assert!(begins.text.starts_with("ServiceNow stops every cycle: "), "{}", begins.text);
        assert!(!sides.degraded().unwrap().contains("down"));
        let long = sides.tick(noon() + seconds(900));
        assert!(!long[0].text.contains("down"), "{}", long[0].text);
    }
}
