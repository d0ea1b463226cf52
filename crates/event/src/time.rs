//! The `time` attribute: ISO-8601 with offset as Java reads and writes it (receiver.md 3.3).

use std::fmt::Write as _;

/// A date-time with offset, every field checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: i32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nano: u32,
    offset_seconds: i32,
}

impl Timestamp {
    /// Reads a date-time; on refusal the rule that was broken.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = Rest(text.as_bytes());
        let year = rest.year().ok_or("the year needs four digits, or a sign and more")?;
        rest.expect(b'-').ok_or("no '-' after the year")?;
        let month = rest.two_digits().ok_or("the month needs two digits")?;
        rest.expect(b'-').ok_or("no '-' after the month")?;
        let day = rest.two_digits().ok_or("the day needs two digits")?;
        if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
            return Err("no such day in the calendar");
        }
        rest.expect_letter(b't').ok_or("no 'T' after the date")?;
        let hour = rest.two_digits().ok_or("the hour needs two digits")?;
        rest.expect(b':').ok_or("no ':' after the hour")?;
        let minute = rest.two_digits().ok_or("the minute needs two digits")?;
        let (second, nano) = rest.seconds()?;
        if hour > 23 || minute > 59 || second > 59 {
            return Err("no such time of day");
        }
        let offset_seconds = rest.offset()?;
        if !rest.0.is_empty() {
            return Err("text after the offset");
        }
        Ok(Self { year, month, day, hour, minute, second, nano, offset_seconds })
    }

    /// The instant so many milliseconds after 1970 began, in UTC; any number will do.
    pub(crate) fn from_epoch_ms(ms: i64) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
        let clock_ms = ms.rem_euclid(DAY_MS);
        Self {
            // 64 bits of milliseconds end within 300 million years.
            year: year as i32,
            month,
            day,
            hour: (clock_ms / 3_600_000) as u8,
            minute: (clock_ms / 60_000 % 60) as u8,
            second: (clock_ms / 1_000 % 60) as u8,
            nano: (clock_ms % 1_000) as u32 * 1_000_000,
            offset_seconds: 0,
        }
    }

    /// Whether the text this was read from is the record's form already. Told only of times in
    /// UTC, which nearly all are; for others the answer is no.
    pub(crate) fn is_written_form(text: &str) -> bool {
        let Some((start, end)) = text.as_bytes().split_at_checked("2020-01-01T10:00:00".len())
        else {
            return false;
        };
        let fraction_fits = match end {
            [b'Z'] => true,
            [b'.', .., last, b'Z'] => matches!(last, b'1'..=b'9'),
            _ => false,
        };
        fraction_fits
            && start.first().is_some_and(u8::is_ascii_digit)
            && start.get(10) == Some(&b'T')
    }

    /// Appends the record's form: seconds always, fraction without trailing zeros, `Z` for no
    /// offset.
    pub(crate) fn write(&self, out: &mut String) {
        write_date(i64::from(self.year), self.month, self.day, out);
        write_clock(self.hour, self.minute, self.second, out);
        if self.nano != 0 {
            out.push('.');
            let mut nano = self.nano;
            let mut unit = 100_000_000;
            while nano != 0 {
                push_digit(nano / unit, out);
                nano %= unit;
                unit /= 10;
            }
        }
        if self.offset_seconds == 0 {
            out.push('Z');
            return;
        }
        out.push(if self.offset_seconds < 0 { '-' } else { '+' });
        let offset = self.offset_seconds.unsigned_abs();
        push_two(offset / 3600, out);
        out.push(':');
        push_two(offset / 60 % 60, out);
        if !offset.is_multiple_of(60) {
            out.push(':');
            push_two(offset % 60, out);
        }
    }

    /// Appends the instant in UTC with 0, 3, 6 or 9 fraction digits, as filters see it
    /// (receiver.md 7.4).
    pub(crate) fn write_instant(&self, out: &mut String) {
        let clock =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
                - i64::from(self.offset_seconds);
        let days = days_from_civil(i64::from(self.year), self.month, self.day);
        let (year, month, day) = civil_from_days(days + clock.div_euclid(86_400));
        write_date(year, month, day, out);
        let clock = clock.rem_euclid(86_400);
        write_clock((clock / 3600) as u8, (clock / 60 % 60) as u8, (clock % 60) as u8, out);
        let (digits, fraction) = match self.nano {
            0 => (0, 0),
            nano if nano % 1_000_000 == 0 => (3, nano / 1_000_000),
            nano if nano % 1_000 == 0 => (6, nano / 1_000),
            nano => (9, nano),
        };
        if digits != 0 {
            // Writing to a String cannot fail.
            let _ = write!(out, ".{fraction:0digits$}");
        }
        out.push('Z');
    }
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// Four digits, or a sign and what may follow it.
    fn year(&mut self) -> Option<i32> {
        match self.0.first()? {
            b'+' => self.signed_year(5, 1),
            b'-' => self.signed_year(4, -1),
            _ => {
                let century = self.two_digits()?;
                let of_century = self.two_digits()?;
                Some(i32::from(century) * 100 + i32::from(of_century))
            }
        }
    }

    /// At most ten digits, not all zero after a minus.
    fn signed_year(&mut self, digits_min: usize, sign: i64) -> Option<i32> {
        let digits = self.0.get(1..)?;
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(digits_min..=10).contains(&count) {
            return None;
        }
        let (digits, after) = digits.split_at_checked(count)?;
        let year = digits.iter().fold(0_i64, |year, digit| year * 10 + i64::from(digit - b'0'));
        // Java's calendar ends there, and has no negative zero.
        if year > 999_999_999 || (sign < 0 && year == 0) {
            return None;
        }
        self.0 = after;
        i32::try_from(year * sign).ok()
    }

    /// Nothing, `:ss`, or `:ss.` with up to nine digits.
    fn seconds(&mut self) -> Result<(u8, u32), &'static str> {
        if self.expect(b':').is_none() {
            return Ok((0, 0));
        }
        let second = self.two_digits().ok_or("the second needs two digits")?;
        if self.expect(b'.').is_none() {
            return Ok((second, 0));
        }
        let mut nano = 0;
        let mut unit = 100_000_000;
        while let [digit @ b'0'..=b'9', after @ ..] = self.0 {
            if unit == 0 {
                return Err("more than nine fraction digits");
            }
            nano += u32::from(digit - b'0') * unit;
            unit /= 10;
            self.0 = after;
        }
        Ok((second, nano))
    }

    /// `Z`, or a sign with hours and optional `:mm` and `:ss`, in seconds.
    fn offset(&mut self) -> Result<i32, &'static str> {
        const MISSING: &str = "no offset (Z or +hh:mm) after the time";
        if self.expect_letter(b'z').is_some() {
            return Ok(0);
        }
        let sign = if self.expect(b'+').is_some() {
            1
        } else {
            self.expect(b'-').ok_or(MISSING)?;
            -1
        };
        let hours = self.two_digits().ok_or(MISSING)?;
        let mut offset = i32::from(hours) * 3600;
        for unit in [60, 1] {
            if self.expect(b':').is_none() {
                break;
            }
            let part = self.two_digits().filter(|&part| part < 60).ok_or("malformed offset")?;
            offset += i32::from(part) * unit;
        }
        if offset > 18 * 3600 {
            return Err("the offset is beyond 18 hours");
        }
        Ok(sign * offset)
    }

    fn two_digits(&mut self) -> Option<u8> {
        match self.0 {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', after @ ..] => {
                self.0 = after;
                Some((tens - b'0') * 10 + (ones - b'0'))
            }
            _ => None,
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn expect_letter(&mut self, lower: u8) -> Option<()> {
        self.expect(lower).or_else(|| self.expect(lower.to_ascii_uppercase()))
    }
}

fn days_in(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01; years are counted from March so that the leap day comes last.
fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let year_of_era = year.rem_euclid(400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

fn write_date(year: i64, month: u8, day: u8, out: &mut String) {
    if let 0..=9999 = year {
        push_two((year / 100) as u32, out);
        push_two((year % 100) as u32, out);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}{:04}", if year < 0 { '-' } else { '+' }, year.unsigned_abs());
    }
    out.push('-');
    push_two(month.into(), out);
    out.push('-');
    push_two(day.into(), out);
}

fn write_clock(hour: u8, minute: u8, second: u8, out: &mut String) {
    out.push('T');
    push_two(hour.into(), out);
    out.push(':');
    push_two(minute.into(), out);
    out.push(':');
    push_two(second.into(), out);
}

fn push_two(number: u32, out: &mut String) {
    push_digit(number / 10, out);
    push_digit(number % 10, out);
}

fn push_digit(digit: u32, out: &mut String) {
    out.push(char::from_digit(digit, 10).unwrap_or('0'));
}

#[cfg(test)]
mod tests;
