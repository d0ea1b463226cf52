//! The faults of a network, and the seeded choice of one.

use std::fmt;
use std::time::Duration;

use crate::schedule::Seed;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In good order, for both parties: FIN.
    Cut,
    /// RST, to both parties.
    Reset,
}

/// The direction in which bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// Which connections a break is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// The one at that place among the open ones, counted round and round.
    One(u64),
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Open connections end once so many more bytes have gone that way; when none is open, the next one.
    Break { how: Ending, which: Which, flow: Flow, after: u64 },
    /// For so long nothing passes and no connection is answered, but none ends.
    BlackHole(Duration),
    /// For so long all that is read comes later by `by`.
    Delay { by: Duration, lasts: Duration },
}

/// Of a break's bytes: beyond one request, answer or record.
const AFTER_MAX: u64 = 4_096;
/// Of a black hole or a delay, in milliseconds.
const LASTS_MIN: u64 = 100;
const LASTS_MAX: u64 = 5_000;

impl Fault {
    /// The fault for a place in a schedule: 35 % cuts, 35 % resets, 20 % black holes and 10 % delays of 0.1 to 5 s,
    /// short ones more often than long ones.
    pub fn drawn(seed: Seed, place: &[u64]) -> Self {
        let draw = |bound, what| seed.below(bound, &[place, &[what]].concat());
        let lasts =
            LASTS_MIN + (LASTS_MAX - LASTS_MIN) * draw(1_000, 1) * draw(1_000, 2) / 1_000_000;
        let lasts = Duration::from_millis(lasts);
        let how = match draw(100, 0) {
            0..35 => Ending::Cut,
            35..70 => Ending::Reset,
            70..90 => return Self::BlackHole(lasts),
            _ => return Self::Delay { by: Duration::from_millis(5 + draw(95, 3)), lasts },
        };
        let which = if draw(3, 4) == 0 { Which::All } else { Which::One(draw(u64::MAX, 5)) };
        let flow = if draw(2, 6) == 0 { Flow::Up } else { Flow::Down };
        Self::Break { how, which, flow, after: draw(AFTER_MAX, 7) }
    }

    /// How long it lasts of itself.
    pub fn lasts(&self) -> Duration {
        match self {
            Self::Break { .. } => Duration::ZERO,
            Self::BlackHole(lasts) | Self::Delay { lasts, .. } => *lasts,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Break { how, which, flow, after } => {
                let which = if *which == Which::All { "all" } else { "one" };
                write!(f, "{how:?} of {which} at byte {after} {flow:?}")
            }
            Self::BlackHole(lasts) => write!(f, "black hole for {lasts:.1?}"),
            Self::Delay { by, lasts } => write!(f, "delay by {by:.0?} for {lasts:.1?}"),
        }
    }
}
