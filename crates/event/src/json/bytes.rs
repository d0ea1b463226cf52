//! What the bytes of a block are, a bit for each, the lowest for the first.

use wide::u8x16;

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// Masks of the bytes that mean something in JSON.
pub(super) struct Bytes {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    /// Below the space; of these the [`Self::line_blank`] are blanks.
    pub(super) control: u64,
    /// Tab, line feed and carriage return.
    pub(super) line_blank: u64,
    pub(super) space: u64,
    /// `{` and `[`.
    pub(super) opening: u64,
    /// `}` and `]`.
    pub(super) closing: u64,
    pub(super) colon: u64,
    pub(super) comma: u64,
    pub(super) digit: u64,
    pub(super) zero: u64,
    pub(super) minus: u64,
    pub(super) plus: u64,
    pub(super) point: u64,
    /// `e` and `E`.
    pub(super) exponent: u64,
}

impl Bytes {
    #[inline(always)]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let bytes = Quarters::of(block);
        let control = bytes.within(0, 0x1f);
        // Most JSON has no lines.
        let line_blank = match control {
            0 => 0,
            _ => bytes.equal(b'\t') | bytes.equal(b'\n') | bytes.equal(b'\r'),
        };
        // The bit that tells braces from square brackets, and lower case from upper.
        let lowered = bytes.with(0x20);
        Self {
            quote: bytes.equal(b'"'),
            backslash: bytes.equal(b'\\'),
            control,
            line_blank,
            space: bytes.equal(b' '),
            opening: lowered.equal(b'{'),
            closing: lowered.equal(b'}'),
            colon: bytes.equal(b':'),
            comma: bytes.equal(b','),
            digit: bytes.within(b'0', 9),
            zero: bytes.equal(b'0'),
            minus: bytes.equal(b'-'),
            plus: bytes.equal(b'+'),
            point: bytes.equal(b'.'),
            exponent: lowered.equal(b'e'),
        }
    }
}

/// A block in four registers.
#[derive(Clone, Copy)]
struct Quarters([u8x16; 4]);

impl Quarters {
    #[inline(always)]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut registers = [u8x16::ZERO; 4];
        for (register, quarter) in registers.iter_mut().zip(block.as_chunks().0) {
            *register = u8x16::new(*quarter);
        }
        Self(registers)
    }

    #[inline(always)]
    fn mask(self, test: impl Fn(u8x16) -> u8x16) -> u64 {
        let [a, b, c, d] = self.0.map(|quarter| u64::from(test(quarter).to_bitmask()));
        a | b << 16 | c << 32 | d << 48
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        let byte = u8x16::splat(byte);
        self.mask(|quarter| quarter.simd_eq(byte))
    }

    /// `first` and the `more` bytes after it.
    #[inline(always)]
    fn within(self, first: u8, more: u8) -> u64 {
        let (first, more) = (u8x16::splat(first), u8x16::splat(more));
        self.mask(|quarter| {
            let distance = quarter - first;
            distance.min(more).simd_eq(distance)
        })
    }

    /// Each byte with these bits set.
    #[inline(always)]
    fn with(self, bits: u8) -> Self {
        let bits = u8x16::splat(bits);
        Self(self.0.map(|quarter| quarter | bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_what_it_is_at_each_place() {
        for byte in 0..=u8::MAX {
            for at in 0..BLOCK {
                for around in [0, 0xff, !byte] {
                    let mut block = [around; BLOCK];
                    block[at] = byte;
                    let bytes = Bytes::of(&block);
                    let is = |mask: u64, these: &[u8]| {
                        assert_eq!(mask >> at & 1 == 1, these.contains(&byte), "{byte} at {at}");
                    };
                    is(bytes.quote, b"\"");
                    is(bytes.backslash, b"\\");
                    is(bytes.control, &(0..0x20).collect::<Vec<_>>());
                    is(bytes.line_blank, b"\t\n\r");
                    is(bytes.space, b" ");
                    is(bytes.opening, b"{[");
                    is(bytes.closing, b"}]");
                    is(bytes.colon, b":");
                    is(bytes.comma, b",");
                    is(bytes.digit, b"0123456789");
                    is(bytes.zero, b"0");
                    is(bytes.minus, b"-");
                    is(bytes.plus, b"+");
                    is(bytes.point, b".");
                    is(bytes.exponent, b"eE");
                }
            }
        }
    }
}
