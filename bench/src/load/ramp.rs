//! The search for the highest rate within a bound.

/// The highest rate found good, if any: first doubling from `from`, then halving the gap until it is
/// at most `precision` (a share, 0.05 is 5 %) of the good rate. `good` is asked for each rate and
/// should be a whole measurement; an answer is asked a second time before a rate counts as bad, so
/// that one slow moment of the machine does not end the search.
///
/// # Errors
/// The first one that a measurement gives.
pub fn highest<E>(
    from: f64,
    to: f64,
    precision: f64,
    mut good: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Option<f64>, E> {
    let mut judged = |rate: f64| Ok(good(rate)? || good(rate)?);
    let (mut best, mut bad) = (None, None);
    let mut rate = from.min(to);
    while bad.is_none() {
        if !judged(rate)? {
            bad = Some(rate);
        } else {
            best = Some(rate);
            if rate >= to {
                return Ok(best);
            }
            rate = (rate * 2.0).min(to);
        }
    }
    while let (Some(low), Some(high)) = (best, bad) {
        if high - low <= low * precision {
            break;
        }
        let middle = (low + high) / 2.0;
        if judged(middle)? {
            best = Some(middle);
        } else {
            bad = Some(middle);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn search(limit: f64, from: f64, to: f64) -> (Option<f64>, usize) {
        let mut asked = 0;
        let found = highest::<Infallible>(from, to, 0.05, |rate| {
            asked += 1;
            Ok(rate <= limit)
        });
        let Ok(found) = found;
        (found, asked)
    }

    #[test]
    fn limit_is_found_within_the_precision() {
        for limit in [1_000.0, 1_700.0, 33_333.0, 120_000.0, 199_999.0] {
            let (found, asked) = search(limit, 1_000.0, 200_000.0);
            let found = found.unwrap();
            assert!(found <= limit && limit <= found * 1.051, "{found} for {limit}");
            assert!(asked < 30, "{asked}");
        }
    }

    #[test]
    fn bounds_of_the_search_are_kept() {
        assert_eq!(search(10.0, 1_000.0, 200_000.0).0, None);
        assert_eq!(search(1e9, 1_000.0, 150_000.0).0, Some(150_000.0));
    }

    #[test]
    fn one_slow_moment_does_not_end_the_search() {
        let mut asked = 0;
        let found = highest::<Infallible>(1_000.0, 64_000.0, 0.05, |rate| {
            asked += 1;
            Ok(asked != 3 && rate <= 50_000.0)
        });
        let Ok(found) = found;
        assert!(found.unwrap() > 47_000.0);
    }
}
