//! Lanes of several shards at one token bucket.

use std::num::NonZeroU32;
use std::sync::Arc;

use loom::thread;

use super::explore;
use crate::product::rate::RateLimiter;

/// Three tokens, two shards that want two each, one of which gives one back.
pub fn no_token_is_given_twice_or_lost() {
    explore(|| {
        let limiter = Arc::new(RateLimiter::new(NonZeroU32::new(3).unwrap(), NonZeroU32::MIN));
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                let taken = limiter.take(2, 1_000);
                limiter.give_back(taken.min(1));
                (taken, taken.min(1))
            })
        };
        let own = limiter.take(2, 1_000);
        let (taken, back) = other.join().unwrap();
        assert!(taken + own >= 3 && taken + own - back <= 3, "{taken} and {own}, {back} back");
        let left = limiter.take(9, 1_000);
        assert_eq!(taken + own - back + left, 3);
    });
}
