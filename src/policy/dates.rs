//! Dates of requests: a pure date is a whole day in the configured zone, a date-time is UTC.

use chrono::{Days, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// Which end of a whole day is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// 00:00 of the day.
    Start,
    /// 24:00 of the day.
    End,
}

/// Reads a date or a date-time as ServiceNow stores them. Empty is `None`.
///
/// Fails with the text that cannot be read.
pub fn read(text: &str, zone: Tz, edge: Edge) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    for format in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, format) {
            return Ok(Some(moment.and_utc()));
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| match edge {
            Edge::Start => Some(day),
            Edge::End => day.checked_add_days(Days::new(1)),
        })
        .and_then(|day| midnight(day, zone))
        .map(Some)
        .ok_or_else(|| text.chars().take(40).collect())
}

/// The first moment of a day. Some zones skip midnight when summer time begins: the day then
/// starts at the first moment that exists; where midnight comes twice, at the first.
fn midnight(day: NaiveDate, zone: Tz) -> Option<Timestamp> {
    let start = day.and_hms_opt(0, 0, 0)?;
    (0..=8)
        .map(|quarter| start + chrono::Duration::minutes(15 * quarter))
        .find_map(|moment| zone.from_local_datetime(&moment).earliest())
        .map(|moment| moment.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: Tz, edge: Edge) -> String {
        read(text, zone, edge).unwrap().unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn a_last_day_ends_at_midnight_of_the_place_not_of_greenwich() {
        assert_eq!(at("2026-03-31", chrono_tz::Europe::Berlin, Edge::End), "2026-03-31T22:00:00Z");
        assert_eq!(at("2026-03-28", chrono_tz::Europe::Berlin, Edge::End), "2026-03-28T23:00:00Z");
        assert_eq!(at("2026-03-31", chrono_tz::UTC, Edge::Start), "2026-03-31T00:00:00Z");
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_by_summer_time_starts_at_one() {
        assert_eq!(
            at("2018-11-04", chrono_tz::America::Sao_Paulo, Edge::Start),
            "2018-11-04T03:00:00Z"
        );
    }

    #[test]
    fn a_date_time_is_utc_whatever_the_zone() {
        assert_eq!(
            at("2026-03-31 08:00:00", chrono_tz::Asia::Tokyo, Edge::End),
            "2026-03-31T08:00:00Z"
        );
    }

    #[test]
    fn nonsense_is_said_and_nothing_is_no_date() {
        assert_eq!(read("31.03.2026", chrono_tz::UTC, Edge::Start), Err("31.03.2026".to_owned()));
        assert_eq!(read("2026-02-30", chrono_tz::UTC, Edge::Start), Err("2026-02-30".to_owned()));
        assert_eq!(read("  ", chrono_tz::UTC, Edge::Start), Ok(None));
    }
}
