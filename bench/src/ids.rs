//! The ids of generated events: who sent it, as which, and when it was due.
//!
//! `RRRRRRRR-SSSS-NNNNNNNNNN-TTTTTTTTTTTTTTTT`, all hexadecimal: the run (its upper half tells the
//! machine's boot apart), the stream (one connection, which sends one request at a time), the number
//! of the event within its stream from 0, and the planned send time on [`crate::clock`]. The width is
//! fixed, so that the sender writes an id in place.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of an id.
pub const ID_BYTES: usize = 8 + 1 + 4 + 1 + 10 + 1 + 16;
/// Streams of a run.
pub const STREAMS_MAX: usize = 1 << 16;
/// Where the parts that change begin.
const STREAM_AT: usize = 9;
const NUMBER_AT: usize = 14;
const TIME_AT: usize = 25;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What an id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId {
    pub run: u32,
    pub stream: u16,
    pub number: u64,
    /// Nanoseconds on [`crate::clock`] of the sender's machine.
    pub planned_ns: u64,
}

/// The number of a new run.
pub fn new_run() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mixed = (since.as_nanos() as u64) ^ (u64::from(std::process::id()) << 32);
    u32::from(boot()) << 16 | u32::from(fold(mixed))
}

impl EventId {
    /// Reads an id; `None` when it is not one of ours.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let dashes = [STREAM_AT, NUMBER_AT, TIME_AT].map(|at| text.get(at - 1));
        if text.len() != ID_BYTES || dashes.iter().any(|byte| *byte != Some(&b'-')) {
            return None;
        }
        let part = |from: usize, to: usize| read_hex(text.get(from..to)?);
        Some(Self {
            run: u32::try_from(part(0, STREAM_AT - 1)?).ok()?,
            stream: u16::try_from(part(STREAM_AT, NUMBER_AT - 1)?).ok()?,
            number: part(NUMBER_AT, TIME_AT - 1)?,
            planned_ns: part(TIME_AT, ID_BYTES)?,
        })
    }

    /// Writes it over [`ID_BYTES`] bytes.
    pub fn write(&self, into: &mut [u8]) {
        into.fill(b'-');
        write_hex(into, 0, 8, u64::from(self.run));
        self.write_changing(into);
    }

    /// The same where the run stands there already.
    pub(crate) fn write_changing(&self, into: &mut [u8]) {
        write_hex(into, STREAM_AT, 4, u64::from(self.stream));
        write_hex(into, NUMBER_AT, 10, self.number);
        write_hex(into, TIME_AT, 16, self.planned_ns);
    }

    /// Whether its time can be compared with this machine's clock.
    pub fn is_of_this_boot(&self) -> bool {
        self.run >> 16 == u32::from(boot())
    }
}

/// Writes the lowest digits of a number; what does not fit into `into` is left out.
pub(crate) fn write_hex(into: &mut [u8], at: usize, digits: usize, mut value: u64) {
    let Some(place) = into.get_mut(at..at.saturating_add(digits)) else { return };
    for byte in place.iter_mut().rev() {
        *byte = DIGITS[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = (*byte as char).to_digit(16).filter(|_| !byte.is_ascii_uppercase())?;
        Some(value << 4 | u64::from(digit))
    })
}

fn boot() -> u16 {
    static BOOT: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // FNV-1a.
        fold(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    })
}

fn fold(value: u64) -> u16 {
    (value ^ value >> 16 ^ value >> 32 ^ value >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_read_as_it_was_written() {
        let id = EventId { run: new_run(), stream: 65_535, number: 0xff_ffff_ffff, planned_ns: 7 };
        let mut text = [0_u8; ID_BYTES];
        id.write(&mut text);
        assert_eq!(EventId::parse(&text), Some(id));
        assert!(id.is_of_this_boot());
        assert!(!EventId { run: id.run ^ 1 << 20, ..id }.is_of_this_boot());
    }

    #[test]
    fn other_ids_are_none_of_ours() {
        let text = "00c0ffee-0001-0000000002-0000000000000003";
        let parsed = EventId::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (parsed.run, parsed.stream, parsed.number, parsed.planned_ns),
            (0xc0ffee, 1, 2, 3)
        );
        for other in [
            "",
            "1",
            "3f1c2d4e-5a6b-7c8d-9e0f-112233445566",
            "00C0FFEE-0001-0000000002-0000000000000003",
            "00c0ffee-0001-0000000002-000000000000000g",
            "00c0ffee-0001-0000000002-00000000000000030",
            "00c0ffee00001-0000000002-0000000000000003",
        ] {
            assert_eq!(EventId::parse(other.as_bytes()), None, "{other}");
        }
    }
}
