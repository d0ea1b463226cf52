//! Reads `Retry-After`: seconds, or a date in one of the three forms of HTTP.

/// How long an answer asks to wait, in milliseconds, from the value of its `Retry-After` (RFC 9110,
/// 10.2.3). `now_ms` is the time since 1970 in milliseconds; a date in the past is a wait of 0.
/// `None` for a value that is neither; RFC 9110 5.6.7 says what a date may look like.
pub fn retry_after_ms(value: &[u8], now_ms: u64) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.is_empty() {
            return None;
        }
        // Only digits, so the only mistake left is that there are too many of them.
        return Some(text.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000));
    }
    Some(date_ms(text, now_ms)?.saturating_sub(now_ms))
}

/// Milliseconds from 1970 to a date. Days of the week are not compared with it.
fn date_ms(text: &str, now_ms: u64) -> Option<u64> {
    let mut parts = [""; 6];
    let given = text.split([' ', ',', '-']).filter(|part| !part.is_empty());
    for (at, part) in given.enumerate() {
        *parts.get_mut(at)? = part;
    }
    let (year, month, day, time) = match parts {
        // Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, time, "GMT"] => (year, month, day, time),
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year, ""] => (year, month, day, time),
        _ => return None,
    };
    let year = match (year.len(), number(year)?) {
        (2, short) => full_year(short, now_ms),
        (4, year) => year,
        _ => return None,
    };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    let mut clock = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// At most four digits, so that nothing computed from them can overflow.
fn number(digits: &str) -> Option<u64> {
    let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The year with these last two digits that is at most 50 years ahead (RFC 9110, 5.6.7).
fn full_year(short: u64, now_ms: u64) -> u64 {
    let this_year = 1970 + now_ms / (365_2425 * 24 * 60 * 60 / 10);
    let in_this_century = this_year / 100 * 100 + short;
    if in_this_century > this_year + 50 { in_this_century - 100 } else { in_this_century }
}

/// Days from 1 January 1970 to a day of the Gregorian calendar that is not before it.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years counted from March, so that the leap day is the last one of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 1 March of year 0 and 1 January 1970.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOVEMBER_1994: u64 = 784_111_777_000;

    #[test]
    fn seconds() {
        let read = |text: &str| retry_after_ms(text.as_bytes(), 0);
        assert_eq!(read("30"), Some(30_000));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn the_three_forms_of_a_date() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let read = |now| retry_after_ms(text.as_bytes(), now);
            assert_eq!(read(NOVEMBER_1994 - 5000), Some(5000), "{text}");
            assert_eq!(read(NOVEMBER_1994 + 5000), Some(0), "{text}");
        }
    }

    #[test]
    fn leap_days_and_ends_of_years() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0_u64),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(retry_after_ms(text.as_bytes(), 0), Some(seconds * 1000), "{text}");
        }
    }

    #[test]
    fn two_digits_of_a_year_are_at_most_fifty_ahead() {
        assert_eq!(full_year(44, NOVEMBER_1994), 1944);
        assert_eq!(full_year(94, NOVEMBER_1994), 1994);
        assert_eq!(full_year(10, 1_700_000_000_000), 2010);
        assert_eq!(full_year(73, 1_700_000_000_000), 2073);
        assert_eq!(full_year(74, 1_700_000_000_000), 1974);
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            " ",
            "-1",
            "1.5",
            "+3",
            "soon",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
        ] {
            assert_eq!(retry_after_ms(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(retry_after_ms(b"\xFF", 0), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value: Vec<u8>, now_ms: u64) {
            let _ = retry_after_ms(&value, now_ms);
        }

        #[test]
        fn nothing_like_a_date_makes_it_panic(text in "[A-Z][a-z]{2},? [0-9]{1,4}[ -][JFMAND][a-z]{2}[ -][0-9]{1,4} [0-9:]{1,10} GMT", now_ms: u64) {
            let _ = retry_after_ms(text.as_bytes(), now_ms);
        }
    }
}
