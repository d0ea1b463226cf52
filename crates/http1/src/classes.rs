//! Which bytes may stand where: one table, one bit per class.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_control_byte_but_tab_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for length in 1..20 {
                for at in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let expected = !byte.is_ascii_control() || byte == b'\t';
                    assert_eq!(is_value(&bytes), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }
}
