//! Base64 data as the Java receiver reads and writes it: standard alphabet, padding required.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json;

/// Bits after the last byte need not be zero: Java does not look at them.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Decodes the text of a JSON string, still with its escapes, into `out`, which must be empty.
pub(crate) fn decode_base64(
    text: &str,
    escaped: bool,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    const REFUSED: &str = "not base64 with the standard alphabet and padding";
    if !escaped && ENGINE.decode_vec(text, out).is_ok() {
        return Ok(());
    }
    // PHP escapes slashes and MIME encoders break lines, so there is a slower second try.
    let mut plain = String::new();
    json::unescape(text, &mut plain).map_err(|_| REFUSED)?;
    out.clear();
    ENGINE.decode_vec(without_breaks(&plain), out).map_err(|_| REFUSED)
}

/// Appends the base64 of `bytes`.
pub(crate) fn encode_base64(bytes: &[u8], out: &mut Vec<u8>) {
    // Whole groups of three encode on their own, so a small buffer serves any length.
    const GROUPS_BYTES: usize = 768;
    let mut buffer = [0; GROUPS_BYTES / 3 * 4];
    for groups in bytes.chunks(GROUPS_BYTES) {
        let length = ENGINE.encode_slice(groups, &mut buffer);
        let length = length.expect("four bytes of base64 for each three of a chunk");
        out.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
}

/// As [`encode_base64`], into text.
pub(crate) fn push_base64(bytes: &[u8], out: &mut String) {
    ENGINE.encode_string(bytes, out);
}

/// Drops blanks between groups of four, where the Java receiver ignores them; elsewhere they
/// stay and are refused.
fn without_breaks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    kept.extend(
        text.chars()
            .scan(0_usize, |count, char| {
                let is_break = char <= ' ' && count.is_multiple_of(4);
                *count = count.wrapping_add(usize::from(!is_break));
                Some(if is_break { None } else { Some(char) })
            })
            .flatten(),
    );
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r074_r075_base64_table() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("aGk=", b"hi"),
            ("aGl=", b"hi"),
            ("+/+/", b"\xfb\xff\xbf"),
            ("+\\/+\\/", b"\xfb\xff\xbf"),
            ("\\u0061Gk=", b"hi"),
            ("aGkh\\r\\naGk=\\n", b"hi!hi"),
        ] {
            let mut out = Vec::new();
            assert_eq!(decode_base64(text, text.contains('\\'), &mut out), Ok(()), "{text}");
            assert_eq!(out, bytes, "{text}");
        }
        for text in ["aGk", "a", "a===", "====", "aG k=", "-_-_", "aGk=x", "aGk=aGk=", "é"] {
            assert!(decode_base64(text, false, &mut Vec::new()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut text = Vec::new();
            encode_base64(&bytes, &mut text);
            prop_assert_eq!(text.clone(), ENGINE.encode(&bytes).into_bytes());
            let mut back = Vec::new();
            decode_base64(std::str::from_utf8(&text).unwrap(), false, &mut back).unwrap();
            prop_assert_eq!(back, bytes);
        }
    }
}
