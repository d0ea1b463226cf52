//! Sixteen bytes at a time: how far the usual bytes reach, so that only the others are looked at one
//! by one.

use wide::u8x16;

/// How many bytes from the start on are no control bytes, tab included; the last
/// bytes, fewer than sixteen, are not looked at and not counted.
#[inline]
pub(crate) fn without_controls(bytes: &[u8]) -> usize {
    usual(bytes, |block| is_within(block, b' ' - 1) | block.simd_eq(u8x16::splat(0x7f)))
}

/// How many bytes from the start on are letters, digits and hyphens, as nearly all names of headers;
/// the last bytes, fewer than sixteen, are not looked at and not counted.
#[inline]
pub(crate) fn usual_name_length(bytes: &[u8]) -> usize {
    usual(bytes, |block| {
        let letters = is_within((block | u8x16::splat(b' ')) - u8x16::splat(b'a'), b'z' - b'a');
        let digits = is_within(block - u8x16::splat(b'0'), b'9' - b'0');
        !(letters | digits | block.simd_eq(u8x16::splat(b'-')))
    })
}

/// Marks the bytes from 0 to `most`.
#[inline]
fn is_within(block: u8x16, most: u8) -> u8x16 {
    block.min(u8x16::splat(most)).simd_eq(block)
}

/// How many bytes stand before the first that `unusual` marks.
#[inline]
fn usual(bytes: &[u8], unusual: impl Fn(u8x16) -> u8x16) -> usize {
    let (blocks, _) = bytes.as_chunks::<16>();
    for (at, block) in blocks.iter().enumerate() {
        let found = unusual(u8x16::new(*block)).to_bitmask();
        if found != 0 {
            return at * 16 + found.trailing_zeros() as usize;
        }
    }
    blocks.len() * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_known_in_each_place() {
        for byte in 0..=u8::MAX {
            for at in 0..32 {
                let mut bytes = [b'a'; 33];
                bytes[at] = byte;
                let expected = if byte.is_ascii_control() { at } else { 32 };
                assert_eq!(without_controls(&bytes), expected, "{byte:#x} at {at}");
                let is_usual = byte.is_ascii_alphanumeric() || byte == b'-';
                let expected = if is_usual { 32 } else { at };
                assert_eq!(usual_name_length(&bytes), expected, "{byte:#x} at {at}");
            }
        }
    }
}
