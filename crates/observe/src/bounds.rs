//! Histogram bounds: the seven of the Java data plane, and Micrometer's fine set on demand.

use std::collections::BTreeSet;

/// Upper bounds in milliseconds (receiver.md 9.2); `+Inf` comes on top.
pub const LATENCY_BOUNDS_MS: [u64; 6] = [50, 100, 500, 1_000, 5_000, 10_000];

/// Sorted finite upper bounds of a latency histogram; `fine` is METRICS_PUBLISH_QUANTILES.
pub(crate) fn latency_bounds(fine: bool) -> Vec<u64> {
    let mut bounds = BTreeSet::from(LATENCY_BOUNDS_MS);
    if fine {
        bounds.extend(percentile_bounds());
    }
    bounds.into_iter().collect()
}

/// Micrometer's percentile histogram: 1, 2, 3, then from each power of four to the next in steps
/// of a third of it. A summary without expected minimum and maximum (as Java's is) gets them all.
fn percentile_bounds() -> impl Iterator<Item = u64> {
    let powers = (2..=60).step_by(2).flat_map(|exponent| {
        let from = 1u64 << exponent;
        let step = from / 3;
        (from..4 * from - step).step_by(usize::try_from(step).unwrap_or(usize::MAX))
    });
    [1, 2, 3].into_iter().chain(powers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_bounds_are_those_of_the_java_data_plane() {
        assert_eq!(latency_bounds(false), LATENCY_BOUNDS_MS);
    }

    #[test]
    fn fine_bounds_are_micrometers() {
        let all: Vec<u64> = percentile_bounds().collect();
        // Micrometer documents 276 buckets, one of them +Inf.
        assert_eq!(all.len(), 275);
        let first =
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 21, 26, 31, 36, 41, 46, 51, 56];
        assert_eq!(all[..23], first);
        assert_eq!(all[23..27], [64, 85, 106, 127]);
        assert!(all.is_sorted());
        // The last one as Micrometer prints it: 4.2273788502251054E18.
        assert_eq!(*all.last().unwrap() as f64, 4.227_378_850_225_105_4e18);
    }

    #[test]
    fn fine_bounds_hold_the_default_ones_once() {
        let all = latency_bounds(true);
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(LATENCY_BOUNDS_MS.iter().all(|bound| all.contains(bound)));
    }
}
