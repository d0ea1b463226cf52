//! Repeated log lines, limited to one in ten seconds with a count of those left out.
//!
//! [`limited!`](crate::limited) guards one place in the code, a [`KeyedLimit`] one line per key,
//! for example per path or per resource.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines of the same place and key.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Keys a [`KeyedLimit`] remembers; beyond them all new keys share one window.
const KEYS_MAX: usize = 1_024;
/// Longer keys are cut: a key may be a path from a request.
const KEY_BYTES_MAX: usize = 256;

/// Lines left out by all limits of the process, for the metric.
pub(crate) static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Logs like `tracing::warn!` and its kin, at most once in ten seconds from this place; the line
/// then says `suppressed=N` if N were left out before it.
///
/// `limited!(warn, topic, "Kafka is slow.")`, with a target as
/// `limited!(warn, target: "librdkafka", "…")`, by key as
/// `limited!(by LIMIT, key; warn, path, "No such path.")` where `LIMIT` is a static
/// [`KeyedLimit`](crate::limit::KeyedLimit).
#[macro_export]
macro_rules! limited {
    (by $limit:expr, $key:expr; $level:ident, $($rest:tt)+) => {
        if $crate::tracing::enabled!($crate::limited!(@level $level))
            && let Some(pass) = $limit.pass($key)
        {
            $crate::tracing::$level!(suppressed = pass.suppressed(), $($rest)+);
        }
    };
    ($level:ident, target: $target:expr, $($rest:tt)+) => {{
        static LIMIT: $crate::limit::RateLimit = $crate::limit::RateLimit::new();
        if $crate::tracing::enabled!(target: $target, $crate::limited!(@level $level))
            && let Some(pass) = LIMIT.pass()
        {
            $crate::tracing::$level!(target: $target, suppressed = pass.suppressed(), $($rest)+);
        }
    }};
    (@level error) => { $crate::tracing::Level::ERROR };
    (@level warn) => { $crate::tracing::Level::WARN };
    (@level info) => { $crate::tracing::Level::INFO };
    (@level debug) => { $crate::tracing::Level::DEBUG };
    (@level trace) => { $crate::tracing::Level::TRACE };
    ($level:ident, $($rest:tt)+) => {{
        static LIMIT: $crate::limit::RateLimit = $crate::limit::RateLimit::new();
        if $crate::tracing::enabled!($crate::limited!(@level $level))
            && let Some(pass) = LIMIT.pass()
        {
            $crate::tracing::$level!(suppressed = pass.suppressed(), $($rest)+);
        }
    }};
}

/// Leave to write one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass(u64);

impl Pass {
    /// How many lines were left out since the last; none if it is the first in a while.
    pub fn suppressed(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

/// The limit of one place in the code. Any thread may ask; it does not lock.
#[derive(Debug)]
pub struct RateLimit {
    /// Milliseconds since the start at which the next line may go.
    next_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl RateLimit {
    /// Lets the first line pass.
    pub const fn new() -> Self {
        Self { next_ms: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Whether a line may be written now; counts it as left out if not.
    pub fn pass(&self) -> Option<Pass> {
        self.pass_at(now_ms())
    }

    fn pass_at(&self, now_ms: u64) -> Option<Pass> {
        let open = |next: u64| (now_ms >= next).then(|| now_ms.saturating_add(window_ms()));
        if self.next_ms.fetch_update(Relaxed, Relaxed, open).is_ok() {
            return Some(Pass(self.suppressed.swap(0, Relaxed)));
        }
        self.suppressed.fetch_add(1, Relaxed);
        SUPPRESSED.fetch_add(1, Relaxed);
        None
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new()
    }
}

/// A limit for each key, with a bounded number of keys. It locks, so it is not for the path of a
/// successful event.
#[derive(Debug)]
pub struct KeyedLimit {
    keys: Mutex<BTreeMap<Box<str>, RateLimit>>,
    others: RateLimit,
}

impl KeyedLimit {
    /// Without keys; each lets its first line pass.
    pub const fn new() -> Self {
        Self { keys: Mutex::new(BTreeMap::new()), others: RateLimit::new() }
    }

    /// Whether a line about `key` may be written now.
    pub fn pass(&self, key: &str) -> Option<Pass> {
        self.pass_at(key, now_ms())
    }

    fn pass_at(&self, key: &str, now_ms: u64) -> Option<Pass> {
        let key = key.get(..key.floor_char_boundary(KEY_BYTES_MAX)).unwrap_or(key);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = keys.get(key) {
            return limit.pass_at(now_ms);
        }
        if keys.len() >= KEYS_MAX {
            // Keys at rest have nothing to hold back. Looking for them is dear with a full map,
            // so only do it when the shared window lets a line through.
            let pass = self.others.pass_at(now_ms)?;
            keys.retain(|_, limit| limit.next_ms.load(Relaxed) > now_ms);
            return Some(pass);
        }
        let limit = RateLimit::new();
        let pass = limit.pass_at(now_ms);
        keys.insert(key.into(), limit);
        pass
    }
}

impl Default for KeyedLimit {
    fn default() -> Self {
        Self::new()
    }
}

fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

const fn window_ms() -> u64 {
    WINDOW.as_secs() * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_and_a_count() {
        let limit = RateLimit::new();
        assert_eq!(limit.pass_at(0), Some(Pass(0)));
        for ms in [0, 1, 9_999] {
            assert_eq!(limit.pass_at(ms), None);
        }
        let second = limit.pass_at(10_000);
        assert_eq!(second, Some(Pass(3)));
        assert_eq!(second.and_then(Pass::suppressed), Some(3));
        assert_eq!(limit.pass_at(20_000).map(Pass::suppressed), Some(None));
    }

    #[test]
    fn keys_do_not_hold_back_each_other() {
        let limit = KeyedLimit::new();
        assert!(limit.pass_at("a", 5).is_some());
        assert!(limit.pass_at("b", 5).is_some());
        assert!(limit.pass_at("a", 6).is_none());
        assert_eq!(limit.pass_at("a", 10_005), Some(Pass(1)));
    }

    #[test]
    fn number_and_length_of_keys_are_bounded() {
        let limit = KeyedLimit::new();
        for n in 0..KEYS_MAX {
            assert!(limit.pass_at(&format!("{n}"), 0).is_some());
        }
        assert!(limit.pass_at("one too many", 0).is_some());
        assert!(limit.pass_at("two too many", 0).is_none());
        assert_eq!(limit.keys.lock().unwrap().len(), KEYS_MAX);
        // Ten seconds later the old keys make room, and the next line says what was left out.
        assert_eq!(limit.pass_at("three", 10_000), Some(Pass(1)));
        assert!(limit.pass_at(&"ü".repeat(1_000), 10_000).is_some());
        let keys = limit.keys.lock().unwrap();
        assert!(keys.len() == 1 && keys.keys().all(|key| key.len() <= KEY_BYTES_MAX));
    }

    #[test]
    fn threads_get_one_pass_between_them() {
        let limit = RateLimit::new();
        let passes = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| limit.pass_at(1).is_some()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(passes, 1);
        assert_eq!(limit.pass_at(10_001), Some(Pass(3_999)));
    }
}
