//! Monotonic time as plain milliseconds and microseconds, cheap enough for each event.
//!
//! All functions share one zero point (boot), so their values can be compared.

use crate::sys;

/// Milliseconds, exact when read (about 25 ns a call).
pub fn now_ms() -> u64 {
    sys::monotonic_ns() / 1_000_000
}

/// Microseconds, exact when read (about 25 ns a call).
pub fn now_us() -> u64 {
    sys::monotonic_ns() / 1_000
}

/// Milliseconds as of the kernel's last tick: up to 10 ms behind [`now_ms`], never ahead, and
/// a few nanoseconds to read. For deadlines and timeouts.
pub fn coarse_ms() -> u64 {
    sys::monotonic_coarse_ns() / 1_000_000
}
