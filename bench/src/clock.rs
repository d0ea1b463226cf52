//! The clock of all measurements: nanoseconds that never go back, the same in every process of a machine.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// One second in the unit of this module.
pub const SECOND: u64 = 1_000_000_000;
/// One millisecond in the unit of this module.
pub const MILLISECOND: u64 = 1_000_000;

/// Nanoseconds since the machine was started.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(SECOND).saturating_add(rest)
}

/// A length of time for the system's calls.
pub(crate) fn timespec(ns: u64) -> Timespec {
    // Both fit: ten thousand years are less than 2^63 seconds, and a rest is below 10^9.
    let tv_sec = i64::try_from(ns / SECOND).unwrap_or(i64::MAX);
    let tv_nsec = i64::try_from(ns % SECOND).unwrap_or(0);
    Timespec { tv_sec, tv_nsec }
}

/// A length of time in words that fit its size.
pub fn words(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", value / 1e3),
        1_000_000..SECOND => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

/// Now in UTC as RFC 3339 writes it, to the second.
pub fn utc_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    utc(since.map_or(0, |since| since.as_secs()))
}

/// Howard Hinnant's days-to-civil conversion, for times after 1970.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Values from `date -u -d @N`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn times_are_written_in_their_unit() {
        assert_eq!(
            [999, 1_500, 2_340_000, 2_500_000_000].map(words),
            ["999 ns", "1.5 µs", "2.34 ms", "2.50 s"]
        );
    }
}
