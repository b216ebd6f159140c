//! Boundaries in zones with and without daylight saving, and on clocks that are set.

use jiff::civil::{DateTime, datetime};
use proptest::prelude::*;

use super::super::period::local;
use super::*;

fn parse(text: &str) -> Period {
    text.parse::<Schedule>().unwrap_or_else(|error| panic!("{error}")).period
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn seconds(at: DateTime, zone: &TimeZone) -> i64 {
    at.to_zoned(zone.clone()).unwrap().timestamp().as_second()
}

/// The local times, with their offsets in hours, of the first boundaries after a local time.
fn boundaries(schedule: &str, zone_name: &str, after: DateTime, count: usize) -> Vec<String> {
    let (period, zone) = (parse(schedule), zone(zone_name));
    let next = |after_s: &i64| Some(period.next(*after_s, &zone));
    let boundaries = std::iter::successors(next(&seconds(after, &zone)), next).take(count);
    boundaries.map(|at| local(at, &zone).strftime("%m-%d %H:%M%:::z").to_string()).collect()
}

#[test]
fn a_boundary_comes_once_a_day_when_clocks_change() {
    let spring = datetime(2026, 3, 28, 12, 0, 0, 0);
    assert_eq!(
        boundaries("midnight", "Europe/Berlin", spring, 2),
        ["03-29 00:00+01", "03-30 00:00+02"]
    );
    // 02:30 is left out on that day, and comes twice in autumn.
    assert_eq!(
        boundaries("02:30", "Europe/Berlin", spring, 3),
        ["03-29 03:30+02", "03-30 02:30+02", "03-31 02:30+02"]
    );
    let autumn = datetime(2026, 10, 24, 12, 0, 0, 0);
    assert_eq!(
        boundaries("02:30", "Europe/Berlin", autumn, 2),
        ["10-25 02:30+02", "10-26 02:30+01"]
    );
    // The clock goes from 00:00 to 01:00 there, and back from 01:00 to 00:00.
    let spring = datetime(2026, 3, 7, 12, 0, 0, 0);
    assert_eq!(
        boundaries("midnight", "America/Havana", spring, 2),
        ["03-08 01:00-04", "03-09 00:00-04"]
    );
    let autumn = datetime(2026, 10, 31, 12, 0, 0, 0);
    assert_eq!(
        boundaries("midnight", "America/Havana", autumn, 2),
        ["11-01 00:00-04", "11-02 00:00-05"]
    );
}

#[test]
fn full_hours_are_those_of_the_local_clock() {
    let autumn = datetime(2026, 10, 25, 1, 30, 0, 0);
    assert_eq!(
        boundaries("hourly", "Europe/Berlin", autumn, 3),
        ["10-25 02:00+02", "10-25 02:00+01", "10-25 03:00+01"]
    );
    // Half an hour back, and half an hour forth.
    let autumn = datetime(2026, 4, 5, 0, 30, 0, 0);
    assert_eq!(
        boundaries("hourly", "Australia/Lord_Howe", autumn, 3),
        ["04-05 01:00+11", "04-05 02:00+10:30", "04-05 03:00+10:30"]
    );
    let spring = datetime(2026, 10, 4, 1, 30, 0, 0);
    assert_eq!(
        boundaries("hourly", "Australia/Lord_Howe", spring, 2),
        ["10-04 03:00+11", "10-04 04:00+11"]
    );
}

#[test]
fn weeks_begin_on_their_day() {
    let tuesday = datetime(2026, 11, 24, 4, 30, 0, 0);
    assert_eq!(boundaries("tue 04:30", "UTC", tuesday, 2), ["12-01 04:30+00", "12-08 04:30+00"]);
    assert_eq!(boundaries("tue 04:31", "UTC", tuesday, 2), ["11-24 04:31+00", "12-01 04:31+00"]);
    assert_eq!(boundaries("mon", "UTC", tuesday, 1), ["11-30 00:00+00"]);
}

#[test]
fn the_end_of_the_calendar_is_no_end() {
    for text in ["midnight", "hourly", "sun", "every 36525d"] {
        for time_s in [i64::MIN, -1, i64::MAX / 2] {
            let mut timer = Timer::in_zone(parse(text), zone("Europe/Berlin"), time_s.max(-1));
            timer.is_due(time_s);
            timer.stamp();
        }
    }
}

#[test]
fn a_clock_that_is_set_back_brings_no_boundary_twice() {
    let midnight_s = 20_000 * DAY_S;
    let mut timer = Timer::in_zone(parse("midnight"), TimeZone::UTC, midnight_s - 100);
    assert!(!timer.is_due(midnight_s - 1));
    assert!(timer.is_due(midnight_s));
    timer.rotated(midnight_s);
    assert!(!timer.is_due(midnight_s - 50));
    assert!(!timer.is_due(midnight_s + 50));
    assert!(timer.is_due(midnight_s + DAY_S));
}

#[test]
fn a_clock_that_was_years_ahead_does_not_keep_a_log_from_rotating() {
    let midnight_s = 20_000 * DAY_S;
    let mut timer = Timer::in_zone(parse("midnight"), TimeZone::UTC, midnight_s - 100);
    let ahead_s = midnight_s + 700 * DAY_S;
    assert!(timer.is_due(ahead_s));
    timer.rotated(ahead_s);
    // The boundary of that day is done with.
    assert!(!timer.is_due(midnight_s - 50));
    assert!(!timer.is_due(midnight_s));
    assert!(timer.is_due(midnight_s + DAY_S));
}

fn any_schedule() -> impl Strategy<Value = Period> {
    let texts =
        ["midnight", "02:30", "00:30", "hourly", "mon", "sun 02:30", "every 90s", "every 1d"];
    prop::sample::select(texts.to_vec()).prop_map(parse)
}

proptest! {
    /// However a clock goes, forward and back, in zones whose days have 23 and 25 hours.
    #[test]
    fn no_boundary_rotates_twice_and_none_is_forgotten(
        period in any_schedule(),
        zone_name in prop::sample::select(vec!["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]),
        // Half a year from a month before a change of clocks on.
        start_s in 1_772_000_000_i64..1_790_000_000,
        steps in prop::collection::vec(prop_oneof![1..100_i64, 1..200_000_i64, -200_000..0_i64], 1..60),
    ) {
        let zone = zone(zone_name);
        let mut timer = Timer::in_zone(period, zone.clone(), start_s);
        let (mut now_s, mut rotated_at) = (start_s, Vec::new());
        for step_s in steps {
            let before_s = now_s;
            now_s += step_s;
            // A clock that only goes forward misses no boundary.
            let missed = step_s > 0 && now_s >= timer.boundary_s;
            if timer.is_due(now_s) {
                rotated_at.push(timer.boundary_s);
                timer.rotated(now_s);
            } else {
                prop_assert!(!missed, "{before_s} {now_s}");
            }
            prop_assert!(timer.boundary_s > timer.began_s);
        }
        let unique: std::collections::BTreeSet<_> = rotated_at.iter().collect();
        prop_assert_eq!(unique.len(), rotated_at.len(), "{:?}", rotated_at);
    }
}
