//! Values that several command lines of `bench` take.

use std::str::FromStr;
use std::time::Duration;

use rustix::thread::CpuSet;

/// A list of CPUs, written 0-3,6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<usize>);

/// A span of rates, written FROM..TO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub from: f64,
    pub to: f64,
}

/// A length of time, written 500us, 20ms, 10s or 2m; a bare number is seconds.
///
/// # Errors
/// When it is written otherwise, is negative or longer than a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("", 1.0)];
    let number = |(unit, factor): &(&str, f64)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    };
    let seconds =
        units.iter().find_map(number).filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write 500us, 20ms, 10s or 2m, at most a day".to_owned())
}

impl FromStr for Cpus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?}: write CPUs as 0-3,6");
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let from: usize = from.parse().map_err(|_| refused())?;
            let to: usize = to.parse().map_err(|_| refused())?;
            if from > to || to >= CpuSet::MAX_CPU {
                return Err(refused());
            }
            cpus.extend(from..=to);
        }
        Ok(Self(cpus))
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text
            .split_once("..")
            .and_then(|(from, to)| Some(Self { from: from.parse().ok()?, to: to.parse().ok()? }));
        range
            .filter(|range| range.from >= 1.0 && range.from <= range.to && range.to <= 1e9)
            .ok_or_else(|| format!("{text:?}: write FROM..TO in requests a second"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, us) in [
            ("500us", 500),
            ("20ms", 20_000),
            ("1.5s", 1_500_000),
            ("2m", 120_000_000),
            ("3", 3_000_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(us)), "{text}");
        }
        for text in ["", "s", "-1s", "1h", "1e9s", "NaN", "infs", "1 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_and_ranges() {
        assert_eq!("0-2,6".parse(), Ok(Cpus(vec![0, 1, 2, 6])));
        for text in ["", "a", "3-1", "1,", "0-99999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
        assert_eq!("10..2e3".parse(), Ok(Range { from: 10.0, to: 2_000.0 }));
        for text in ["10", "10..", "5..1", "0..5", "1..inf"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
