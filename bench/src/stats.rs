//! Medians of paired ratios, and when a difference is none.

use serde::Serialize;

/// How sure an interval around a median must be, as far as there are enough values for it: five
/// values give 93.75 % with their extremes.
const SURE: f64 = 0.93;

/// What repeated measurements of one thing tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// The narrowest interval of two of the values that holds the true median with a probability of
    /// 93 %, whatever the distribution (the extremes where there are too few values).
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// Of at least one value; all zero without any.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Self::default();
        };
        let cut = trimmed(sorted.len());
        let at = |index: usize| sorted.get(index).copied().unwrap_or(min);
        Self {
            median: median(&sorted),
            min,
            max,
            low: at(cut),
            high: at(sorted.len().saturating_sub(1).saturating_sub(cut)),
        }
    }

    /// For ratios: whether "equal" is as good an explanation.
    pub fn is_noise(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }

    /// The median with its extremes.
    pub fn words(&self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.min, self.max)
    }
}

/// Ratios of values measured side by side.
pub fn ratios(over: &[f64], under: &[f64]) -> Vec<f64> {
    let pairs = over.iter().zip(under).filter(|(_, under)| **under > 0.0);
    pairs.map(|(over, under)| over / under).collect()
}

fn median(sorted: &[f64]) -> f64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => at(count / 2),
        count => (at(count / 2 - 1) + at(count / 2)) / 2.0,
    }
}

/// How many values at each end may be left out: the sign test's distribution-free interval.
fn trimmed(count: usize) -> usize {
    // P(fewer than k+1 of n fair coins) on both sides must be at most 1 - SURE.
    let (mut cut, mut outside, mut choose) = (0, 0.0, 1.0_f64);
    let all = 2.0_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    for k in 0..count / 2 {
        outside += 2.0 * choose / all;
        if 1.0 - outside < SURE {
            break;
        }
        cut = k;
        choose = choose * (count - k) as f64 / (k + 1) as f64;
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_the_sign_test() {
        // Tables of the confidence interval for a median: n, left out at each end.
        for (count, cut) in
            [(1, 0), (4, 0), (5, 0), (7, 0), (8, 0), (9, 1), (10, 1), (12, 2), (20, 5)]
        {
            assert_eq!(trimmed(count), cut, "{count}");
        }
    }

    #[test]
    fn spread_of_odd_and_even_counts() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of(&[]), Spread::default());
        assert_eq!(Spread::of(&[1.5]).words(2), "1.50 (1.50 to 1.50)");
    }

    #[test]
    fn a_difference_within_the_spread_is_noise() {
        assert!(Spread::of(&[0.97, 1.01, 1.03, 0.99, 1.02]).is_noise());
        assert!(
            Spread::of(&[1.1, 1.2, 1.05, 1.3, 0.99]).is_noise(),
            "one of five is on the other side"
        );
        assert!(!Spread::of(&[1.1, 1.2, 1.05, 1.3, 1.02]).is_noise());
        assert!(!Spread::of(&[0.8, 0.9, 0.95, 0.7, 0.99]).is_noise());
        // One outlier among ten does not hide a difference.
        let mut many = vec![1.2; 9];
        many.push(0.5);
        assert!(!Spread::of(&many).is_noise());
    }

    #[test]
    fn equal_programs_are_called_noise_most_of_the_time() {
        // A fixed sequence of fair coins (xorshift), five pairs each: both sides differ by chance only.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut wrong = 0;
        for _ in 0..2_000 {
            let pairs: Vec<f64> = (0..5)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    0.8 + 0.4 * (state >> 11) as f64 / (1_u64 << 53) as f64
                })
                .collect();
            wrong += u32::from(!Spread::of(&pairs).is_noise());
        }
        // 2 of 32 outcomes of five coins are all on one side: 125 of 2,000.
        assert!((80..180).contains(&wrong), "{wrong}");
    }

    #[test]
    fn ratios_leave_out_what_was_not_measured() {
        assert_eq!(ratios(&[2.0, 3.0, 4.0], &[1.0, 0.0, 2.0]), [2.0, 2.0]);
    }
}
