//! Whether our own clock can be trusted: what begins or ends by it would be wrong with it.

use crate::model::Timestamp;
use crate::sync::deps::Deps;
use crate::sync::error::{Result, SyncError};

/// What a wrong summer time makes is lived with; more would begin and end requests of other days.
const MOST_APART: chrono::Duration = chrono::Duration::hours(2);
/// A date further off than this is nobody's clock.
const NONSENSE: chrono::Duration = chrono::Duration::days(100 * 365);

/// Fails where both systems say that it is another time: one of them alone may be wrong itself.
pub(crate) fn check_clock(deps: &Deps) -> Result<()> {
    let theirs = [deps.servicenow.connection().server_date(), deps.okta.now()];
    how_wrong(deps.now(), theirs).map_or(Ok(()), |text| Err(SyncError::Clock(text)))
}

/// The same by what they said last, before much is asked. That may be from before an outage, so
/// they are asked again where it looks wrong.
pub(crate) async fn check_clock_first(deps: &Deps) -> Result<()> {
    if check_clock(deps).is_ok() {
        return Ok(());
    }
    deps.servicenow.whoami().await?;
    deps.okta.try_sign_in().await?;
    check_clock(deps)
}

fn how_wrong(ours: Timestamp, theirs: [Option<Timestamp>; 2]) -> Option<String> {
    let [Some(one), Some(other)] = theirs.map(|it| it.map(|it| ours - it)) else { return None };
    let nearer = if one.abs() < other.abs() { one } else { other };
    let agree = (one > chrono::Duration::zero()) == (other > chrono::Duration::zero());
    if !agree || nearer.abs() <= MOST_APART || nearer.abs() > NONSENSE {
        return None;
    }
    let way = if nearer > chrono::Duration::zero() { "ahead" } else { "behind" };
    let minutes = std::time::Duration::from_secs(nearer.num_minutes().unsigned_abs() * 60);
    Some(format!("{} {way}", humantime::format_duration(minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_is_wrong_when_both_others_say_so() {
        let now = at("2026-03-02T09:00:00Z");
        let wrong = |one: &str, other: &str| how_wrong(now, [Some(at(one)), Some(at(other))]);
        let (back, ahead) = ("2026-03-01T08:00:00Z", "2026-03-05T09:00:00Z");
        assert_eq!(wrong(back, back).as_deref(), Some("1day 1h ahead"));
        assert_eq!(wrong(ahead, ahead).as_deref(), Some("3days behind"));
        for (one, other) in [
            ("2026-03-02T10:00:00Z", ahead),
            (ahead, back),
            ("2026-03-02T07:30:00Z", "2026-03-02T07:30:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(wrong(one, other), None, "{one} {other}");
        }
        assert_eq!(how_wrong(now, [None, Some(at(back))]), None);
    }
}
