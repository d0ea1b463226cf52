//! Latencies: a histogram with three digits from 100 ns to an hour, and what is told of it.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

const LOWEST_NS: u64 = 100;
const HIGHEST_NS: u64 = 3_600 * crate::clock::SECOND;
const DIGITS: u8 = 3;

/// The percentiles that a curve is drawn through, as far as there are samples for them.
const CURVE: [f64; 22] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5,
    99.9, 99.95, 99.99, 99.999, 99.9999, 99.99999,
];

/// Latencies in nanoseconds.
#[derive(Clone)]
pub struct Latency(Histogram<u64>);

/// The usual figures of a distribution, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub samples: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// One point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentile {
    /// 0 to 100.
    pub percent: f64,
    pub us: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS)
                .expect("the bounds are constants that the histogram accepts"),
        )
    }
}

impl Latency {
    /// Counts one; longer than an hour counts as an hour.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// Takes all samples of another one over.
    pub fn add(&mut self, other: &Self) {
        // Same bounds, so nothing can be out of range.
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok());
    }

    /// How many were counted.
    pub fn samples(&self) -> u64 {
        self.0.len()
    }

    /// The value below which so many percent lie, in nanoseconds; 0 without samples.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.value_at_quantile(percent / 100.0) }
    }

    pub fn summary(&self) -> Summary {
        let at = |percent| micros(self.percentile_ns(percent));
        Summary {
            samples: self.samples(),
            mean_us: if self.0.is_empty() { 0.0 } else { self.0.mean() / 1e3 },
            p50_us: at(50.0),
            p90_us: at(90.0),
            p99_us: at(99.0),
            p999_us: at(99.9),
            max_us: micros(self.0.max()),
        }
    }

    /// The curve up to the highest percentile above which at least one sample lies, and the maximum.
    pub fn curve(&self) -> Vec<Percentile> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let told = |percent: &f64| (100.0 - percent) / 100.0 * self.samples() as f64 >= 0.999;
        let point = |percent: f64| Percentile { percent, us: micros(self.percentile_ns(percent)) };
        let mut curve: Vec<_> = CURVE.iter().copied().filter(told).map(point).collect();
        curve.push(Percentile { percent: 100.0, us: micros(self.0.max()) });
        curve
    }
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_distribution_has_its_percentiles_within_the_resolution() {
        let mut latency = Latency::default();
        // 1 µs to 1 s, each microsecond once: the percentile p is p % of a second.
        (1..=1_000_000_u64).for_each(|us| latency.record(us * 1_000));
        for percent in [1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0] {
            let (got, exact) = (latency.percentile_ns(percent) as f64, percent * 1e7);
            assert!((got / exact - 1.0).abs() < 2e-3, "p{percent}: {got}, not {exact}");
        }
        let mean = latency.summary().mean_us;
        assert!((mean / 500_000.5 - 1.0).abs() < 2e-3, "{mean}");
    }

    #[test]
    fn exponential_distribution_has_its_tail() {
        let mut latency = Latency::default();
        let samples = 200_000_u32;
        // By inverting the distribution function at evenly spaced points; mean 1 ms.
        for index in 0..samples {
            let uniform = (f64::from(index) + 0.5) / f64::from(samples);
            latency.record((-(1.0 - uniform).ln() * 1e6) as u64);
        }
        for percent in [50.0, 90.0, 99.0, 99.9] {
            let exact = -(1.0 - percent / 100.0_f64).ln() * 1e6;
            let got = latency.percentile_ns(percent) as f64;
            assert!((got / exact - 1.0).abs() < 5e-3, "p{percent}: {got}, not {exact}");
        }
    }

    #[test]
    fn two_modes_stay_apart_and_adding_is_the_same_as_recording() {
        let (mut fast, mut slow) = (Latency::default(), Latency::default());
        (0..990).for_each(|_| fast.record(200_000));
        (0..10).for_each(|_| slow.record(50_000_000));
        fast.add(&slow);
        assert_eq!(fast.samples(), 1_000);
        assert!((199_000..201_000).contains(&fast.percentile_ns(98.9)));
        assert!((49_900_000..50_100_000).contains(&fast.percentile_ns(99.1)));
    }

    #[test]
    fn curve_tells_no_percentile_without_samples_above_it() {
        let mut latency = Latency::default();
        assert!(latency.curve().is_empty());
        (1..=1_000).for_each(|ms| latency.record(ms * 1_000_000));
        let percents: Vec<f64> = latency.curve().iter().map(|point| point.percent).collect();
        assert_eq!(percents[percents.len() - 3..], [99.5, 99.9, 100.0]);
        assert!(latency.curve().windows(2).all(|pair| pair[0].us <= pair[1].us));
    }
}
