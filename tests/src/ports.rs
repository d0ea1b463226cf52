//! Free TCP ports for processes that must be told theirs before they start.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range the system takes for outgoing connections, and below that of `kafka.sh`.
const FIRST: u32 = 12_000;
const COUNT: u32 = 8_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port nobody listens on, given out once in this process.
///
/// Binding port 0 and releasing it would not do: our servers listen with `SO_REUSEPORT`, so two of them that got the
/// same port would both start and share the clients.
pub fn free() -> u16 {
    let spread = process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let candidate = FIRST + spread.wrapping_add(turn) % COUNT;
        let port = u16::try_from(candidate).expect("the range ends below 65,536");
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
