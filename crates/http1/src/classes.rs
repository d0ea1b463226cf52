//! Which bytes may stand where: one table, one bit per class.

use crate::blocks;

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const HOST: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        let alphanumeric = byte.is_ascii_alphanumeric();
        let mut class = 0;
        if alphanumeric || contains(b"!#$%&'*+-.^_`|~", byte) {
            class |= TOKEN;
        }
        if byte.is_ascii_graphic() && !contains(b"\"#<>`", byte) {
            class |= TARGET;
        }
        if alphanumeric || contains(b"-._~!$&'()*+,;=", byte) {
            class |= HOST;
        }
        classes[byte as usize] = class;
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

const fn contains(set: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether all are bytes of a token, as in methods and header names (RFC 9110 5.6.2).
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    have(bytes, TOKEN)
}

/// Whether all may stand in a target: visible ASCII, but no fragment and none of the four that
/// must be percent-encoded and that other servers refuse.
#[inline]
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    have(bytes, TARGET)
}

/// Whether all may stand in a host name: unreserved and sub-delims of RFC 3986 3.2.2, without
/// percent encoding.
#[inline]
pub(crate) fn is_host(bytes: &[u8]) -> bool {
    have(bytes, HOST)
}

/// Without an early exit: bad bytes are rare, and the loop is unrolled this way.
#[inline]
fn have(bytes: &[u8], class: u8) -> bool {
    let common = bytes
        .iter()
        // A table of 256 holds each byte; the compiler drops the check.
        .filter_map(|byte| CLASSES.get(usize::from(*byte)))
        .fold(class, |common, classes| common & classes);
    common != 0
}

/// Whether bytes may be the value of a header: no control bytes but tab; high bytes may stay
/// (RFC 9110 5.5). Without an early exit, so that it compiles to vector code.
#[inline]
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |found, byte| found | is_control(*byte))
}

#[inline]
fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
}

/// How many bytes from the start on are a token.
#[inline]
pub(crate) fn token_length(bytes: &[u8]) -> usize {
    let at = blocks::usual_name_length(bytes);
    let rest = bytes.get(at..).unwrap_or_default();
    let class = |byte: &u8| CLASSES.get(usize::from(*byte)).copied().unwrap_or(0);
    let found = rest.iter().position(|byte| class(byte) & TOKEN == 0).unwrap_or(rest.len());
    at.wrapping_add(found)
}

/// How many bytes from the start on may be the value of a header.
#[inline]
pub(crate) fn value_length(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let clean = blocks::without_controls(rest);
        let rest = rest.get(clean..).unwrap_or_default();
        let found = rest.iter().position(|byte| is_control(*byte) || *byte == b'\t');
        let found = found.unwrap_or(rest.len());
        at = at.wrapping_add(clean).wrapping_add(found);
        if rest.get(found) != Some(&b'\t') {
            return at;
        }
        at = at.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_at_the_first_other_byte_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for filler in [b'a', b'Z', b'9', b'-', b'_', b'~'] {
                for length in 0..20 {
                    for at in 0..length {
                        let mut bytes = vec![filler; length];
                        bytes[at] = byte;
                        let expected = if is_token(&[byte]) { length } else { at };
                        assert_eq!(token_length(&bytes), expected, "{byte:#x} at {at} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_end_at_the_first_control_byte_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for filler in [b'a', b'\t', b' ', b'~', 0x80, 0xff] {
                for length in 0..20 {
                    for at in 0..length {
                        let mut bytes = vec![filler; length];
                        bytes[at] = byte;
                        let expected = if is_control(byte) { at } else { length };
                        assert_eq!(value_length(&bytes), expected, "{byte:#x} at {at} of {length}");
                        assert_eq!(is_value(&bytes), expected == length);
                    }
                }
            }
        }
    }
}
