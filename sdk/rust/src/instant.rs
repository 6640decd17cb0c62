//! As much of RFC 3339 as the age of an operation needs.

use std::time::Duration;

/// The time from `earlier` to `later`; zero when they are the other way round.
///
/// # Panics
///
/// When one of them is no instant of the contract: `2026-01-31T08:00:00.000Z`.
pub(crate) fn between(earlier: &str, later: &str) -> Duration {
    since_epoch(later).saturating_sub(since_epoch(earlier))
}

fn since_epoch(instant: &str) -> Duration {
    parse(instant).unwrap_or_else(|| panic!("`{instant}` is no instant in UTC since 1970"))
}

fn parse(instant: &str) -> Option<Duration> {
    let (date, time) = instant.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let seconds = days_since_epoch(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(seconds, nanoseconds))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let numbers: Option<Vec<u64>> = text.split(separator).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// Days since 1970 in the Gregorian calendar. Years are counted from March, so that the leap day is
/// a year's last and the months before it add up the same every year.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    (year * 365 + leap_days + (153 * month + 2) / 5 + day - 1).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_apart_to_the_millisecond() {
        let table = [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z", 1),
            ("2024-02-28T23:59:59.500Z", "2024-03-01T00:00:00.000Z", 86_400_500),
            ("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z", 86_400_000),
            ("1970-01-01T00:00:00Z", "2026-01-31T08:00:00.000Z", 1_769_846_400_000),
            ("2026-01-31T08:00:00Z", "2026-01-31T07:00:00Z", 0),
        ];
        for (earlier, later, milliseconds) in table {
            assert_eq!(between(earlier, later).as_millis(), milliseconds, "{earlier} to {later}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in
            ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-01-31T08:00:00+01:00"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
