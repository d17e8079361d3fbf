//! How the two systems are, what of that is news, and how long to leave them alone.
//!
//! No clock and no log here: the time is an argument, and what is to be logged is given back.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::Timestamp;
use crate::reconcile::retry::gist;
use crate::store::SideState;
use crate::sync::Side;

/// A side that is down this long wakes somebody.
const LONG_FAILURE: chrono::Duration = chrono::Duration::minutes(15);
/// So many fresh sign-ins over so long must be refused before the credentials are blamed: an
/// instance that starts, or a gateway, refuses good ones too.
const MIN_REFUSALS: u32 = 3;
const MIN_REFUSED_FOR: chrono::Duration = chrono::Duration::minutes(1);
/// Between two sign-ins that are refused: a handful in a row locks an account.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// The same once the credentials are to blame.
const AFTER_REFUSALS: Duration = Duration::from_mins(5);

/// How both sides are, by what they answered last; in the order of [`Side`].
#[derive(Debug)]
pub(crate) struct UpstreamHealth([SideHealth; 2]);

#[derive(Debug)]
struct SideHealth {
    /// Since when it has been well, or has failed.
    since: Timestamp,
    failures: Option<Failures>,
}

/// In which way a side fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// It does not answer, or not as itself.
    #[default]
    Down,
    /// It refuses the credentials.
    Refused,
    /// It answers well, and what was asked of it cannot be done.
    Unworkable,
}

impl FailureKind {
    /// What a side does, as words after its name.
    fn words(self) -> &'static str {
        match self {
            Self::Down | Self::Refused => "is down",
            Self::Unworkable => "stops every cycle",
        }
    }
}

/// Failures of a side without a success in between.
#[derive(Debug, Default)]
struct Failures {
    kind: FailureKind,
    /// The text of the last one.
    text: String,
    /// The texts that were logged already, without their numbers.
    logged: BTreeSet<String>,
    /// Sign-ins that were refused.
    refusals: u32,
    first_refusal: Option<Timestamp>,
    /// It was logged that the credentials are to blame.
    credentials_blamed: bool,
    /// It was logged that this takes long.
    long_logged: bool,
}

/// A sentence to be logged. A warning should be looked at today; for an error, somebody should be
/// woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Info(String),
    Warn(String),
    Error(String),
}

impl UpstreamHealth {
    /// Both are taken to be up until one of them is not.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self([Side::ServiceNow, Side::Okta].map(|_| SideHealth { since: now, failures: None }))
    }

    /// A side answered as it should.
    pub(crate) fn success(&mut self, side: Side, now: Timestamp) -> Option<Notice> {
        let health = &mut self.0[side as usize];
        health.failures.take()?;
        let took = words(now - health.since);
        health.since = now;
        Some(Notice::Info(format!("{side} is back after {took}")))
    }

    /// A side did not answer, refused the credentials, or cannot do what was asked. `asked` is the part
    /// of the text that says what that was: calls go out side by side, and whichever fails first is
    /// no other trouble.
    pub(crate) fn failure(
        &mut self,
        side: Side,
        kind: FailureKind,
        (text, asked): (&str, &str),
        now: Timestamp,
    ) -> Option<Notice> {
        let health = &mut self.0[side as usize];
        let begins = health.failures.is_none();
        if begins {
            health.since = now;
        }
        let failures = health.failures.get_or_insert_default();
        text.clone_into(&mut failures.text);
        let is_new = failures.logged.insert(gist(&text.replacen(asked, "", 1)));
        failures.kind = kind;
        if kind == FailureKind::Refused {
            failures.refusals += 1;
            let first = *failures.first_refusal.get_or_insert(now);
            if failures.refusals >= MIN_REFUSALS
                && now - first >= MIN_REFUSED_FOR
                && !failures.credentials_blamed
            {
                failures.credentials_blamed = true;
                return Some(Notice::Error(format!(
                    "{side} refuses our credentials, {} times over {}: {text}; put them right and \
                     reload (restart, if they are systemd credentials)",
                    failures.refusals,
                    words(now - first)
                )));
            }
        }
        let does = kind.words();
        let begun =
            || format!("{side} {does}: {text}; nothing is lost, and it is tried again by itself");
        let still = || format!("{side} {does} still: {text}");
        is_new.then(|| Notice::Warn(if begins { begun() } else { still() }))
    }

    /// What is to be logged because time has passed.
    pub(crate) fn overdue(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for side in [Side::ServiceNow, Side::Okta] {
            let health = &mut self.0[side as usize];
            let lasts = now - health.since;
            let Some(failures) = &mut health.failures else { continue };
            if lasts >= LONG_FAILURE && !failures.long_logged {
                failures.long_logged = true;
                let has_done = match failures.kind {
                    FailureKind::Down | FailureKind::Refused => "has been down",
                    FailureKind::Unworkable => "has stopped every cycle",
                };
                let (lasts, text) = (words(lasts), &failures.text);
                notices.push(Notice::Error(format!("{side} {has_done} for {lasts}: {text}")));
            }
        }
        notices
    }

    /// Since when a side is as it is, and what is wrong with it.
    pub(crate) fn state(&self, side: Side) -> SideState {
        let SideHealth { since, failures } = &self.0[side as usize];
        let error = failures.as_ref().map(|failures| failures.text.clone());
        SideState { since: *since, error }
    }

    /// Whether a side's last answers refused the credentials.
    pub(crate) fn refuses_sign_in(&self, side: Side) -> bool {
        self.0[side as usize].failures.as_ref().is_some_and(|failures| failures.refusals > 0)
    }

    /// How long to leave them alone because credentials are refused.
    pub(crate) fn sign_in_pause(&self) -> Option<Duration> {
        let failures = self.0.iter().filter_map(|health| health.failures.as_ref());
        let refused = failures.filter(|failures| failures.refusals > 0);
        refused.map(|it| if it.credentials_blamed { AFTER_REFUSALS } else { AFTER_REFUSAL }).max()
    }

    /// In a few words, where one of them is down.
    pub(crate) fn degraded(&self) -> Option<String> {
        let down = [Side::ServiceNow, Side::Okta].into_iter().filter_map(|side| {
            let SideHealth { since, failures } = &self.0[side as usize];
            let Failures { kind, text, .. } = failures.as_ref()?;
            let since = since.format("%Y-%m-%d %H:%M:%S");
            Some(format!("{side} {} since {since} UTC ({text})", kind.words()))
        });
        let down: Vec<String> = down.collect();
        (!down.is_empty()).then(|| down.join("; "))
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
        let mut health = UpstreamHealth::new(noon());
        let side = Side::ServiceNow;
        let begins = health.failure(side, FailureKind::Down, (DOWN, ""), noon()).unwrap();
        assert!(matches!(&begins, Notice::Warn(text) if text.starts_with("ServiceNow is down: ")));
        for minute in 1..15 {
            let now = noon() + seconds(60 * minute);
            assert_eq!(health.failure(side, FailureKind::Down, (DOWN, ""), now), None);
            assert_eq!(health.overdue(now), []);
        }
        let other = "ServiceNow's rate limit asks us to wait 30 s";
        assert!(
            health.failure(side, FailureKind::Down, (other, ""), noon() + seconds(870)).is_some()
        );
        let same = "ServiceNow's rate limit asks us to wait 29 s";
        assert_eq!(
            health.failure(side, FailureKind::Down, (same, ""), noon() + seconds(880)),
            None
        );
        assert_eq!(
            health.failure(side, FailureKind::Down, (DOWN, ""), noon() + seconds(890)),
            None,
            "said before"
        );

        let long = health.overdue(noon() + seconds(900));
        assert!(matches!(&long[..], [Notice::Error(_)]));
        assert_eq!(health.overdue(noon() + seconds(2000)), [], "once");
        assert!(health.degraded().unwrap().contains("down since 2026-11-23 12:00:00 UTC"));

        let back = health.success(side, noon() + seconds(2100)).unwrap();
        assert_eq!(back, Notice::Info("ServiceNow is back after 35m".to_owned()));
        assert_eq!(health.success(side, noon() + seconds(2200)), None);
        assert_eq!(health.degraded(), None);
    }

    #[test]
    fn credentials_are_blamed_after_three_refusals_over_a_minute_and_then_tried_seldom() {
        let mut health = UpstreamHealth::new(noon());
        let refused = "Okta refuses the sign-in: invalid token";
        let first =
            health.failure(Side::Okta, FailureKind::Refused, (refused, ""), noon()).unwrap();
        assert!(matches!(first, Notice::Warn(_)));
        assert_eq!(health.sign_in_pause(), Some(Duration::from_secs(30)));
        assert_eq!(
            health.failure(Side::Okta, FailureKind::Refused, (refused, ""), noon() + seconds(1)),
            None
        );
        assert_eq!(
            health.failure(Side::Okta, FailureKind::Refused, (refused, ""), noon() + seconds(2)),
            None,
            "too soon"
        );
        let loud = health
            .failure(Side::Okta, FailureKind::Refused, (refused, ""), noon() + seconds(60))
            .unwrap();
        assert!(matches!(&loud, Notice::Error(text) if text.contains("4 times over 1m")));
        assert_eq!(health.sign_in_pause(), Some(Duration::from_mins(5)));
        assert_eq!(
            health.failure(Side::Okta, FailureKind::Refused, (refused, ""), noon() + seconds(400)),
            None,
            "once"
        );
        assert!(health.success(Side::Okta, noon() + seconds(700)).is_some());
        assert_eq!(health.sign_in_pause(), None);
    }

    #[test]
    fn one_refusal_between_good_answers_proves_nothing() {
        let mut health = UpstreamHealth::new(noon());
        for hour in 0..5 {
            let now = noon() + seconds(3600 * hour);
            let notice = health
                .failure(Side::ServiceNow, FailureKind::Refused, ("refused the sign-in", ""), now)
                .unwrap();
            assert!(matches!(notice, Notice::Warn(_)));
            health.success(Side::ServiceNow, now + seconds(30));
        }
    }

    #[test]
    fn the_same_trouble_is_no_news_whichever_call_it_meets_first() {
        let mut health = UpstreamHealth::new(noon());
        let mut meets = |asked: &str, why: &str| {
            let text = format!("Okta refused to {asked}: {why}");
            health.failure(Side::Okta, FailureKind::Down, (&text, asked), noon()).is_some()
        };
        assert!(meets("search the accounts", "read-only mode"));
        assert!(!meets("list the groups whose members changed", "read-only mode"));
        assert!(meets("search the accounts", "it is being moved"), "another trouble");
    }

    #[test]
    fn a_side_that_answers_well_is_not_called_down() {
        let mut health = UpstreamHealth::new(noon());
        let mistyped = "ServiceNow: no catalog item is called \"Okta onbording\"";
        let side = Side::ServiceNow;
        let begins = health.failure(side, FailureKind::Unworkable, (mistyped, ""), noon()).unwrap();
        let expected = "ServiceNow stops every cycle: ";
        assert!(matches!(begins, Notice::Warn(text) if text.starts_with(expected)));
        assert!(!health.degraded().unwrap().contains("down"));
        let long = health.overdue(noon() + seconds(900));
        assert!(matches!(&long[..], [Notice::Error(text)] if !text.contains("down")));
    }
}
