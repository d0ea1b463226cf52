//! A record's key as text, by the type its egress gives keys (dispatcher.md 5.1, 5.5).

mod number;

use std::fmt::Write as _;

use crate::data::push_base64;

/// What the bytes of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyType {
    /// UTF-8; malformed bytes become U+FFFD.
    #[default]
    String,
    /// Four bytes: a signed number, big end first. Other lengths are read as a string.
    Integer,
    /// Four or eight bytes: a float or a double, big end first. Other lengths are read as a
    /// string.
    Double,
    /// Any bytes.
    ByteArray,
}

impl KeyType {
    /// Appends the key in its text form: numbers as Java writes them, bytes as base64.
    pub(crate) fn push_text(self, key: &[u8], out: &mut String) {
        match (self, key) {
            (Self::Integer, &[a, b, c, d]) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "{}", i32::from_be_bytes([a, b, c, d]));
            }
            (Self::Double, &[a, b, c, d]) => {
                number::push_float(f32::from_be_bytes([a, b, c, d]), out);
            }
            (Self::Double, &[a, b, c, d, e, f, g, h]) => {
                number::push_double(f64::from_be_bytes([a, b, c, d, e, f, g, h]), out);
            }
            (Self::ByteArray, bytes) => push_base64(bytes, out),
            (Self::String | Self::Integer | Self::Double, bytes) => {
                out.push_str(&String::from_utf8_lossy(bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key_type: KeyType, key: &[u8]) -> String {
        let mut out = String::new();
        key_type.push_text(key, &mut out);
        out
    }

    #[test]
    fn d031_to_d035_keys_by_type() {
        use KeyType::{ByteArray, Double, Integer, String};
        for (key_type, key, expected) in [
            (String, &b"0"[..], "0"),
            (String, "gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (String, b"a\xff\xc3b", "a\u{fffd}\u{fffd}b"),
            (Integer, &[0, 0, 0, 7], "7"),
            (Integer, &[0xff, 0xff, 0xff, 0xff], "-1"),
            (Integer, &[0x80, 0, 0, 0], "-2147483648"),
            (Integer, &[0, 0, 0, 0, 0, 0, 0, 7], "\0\0\0\0\0\0\0\u{7}"),
            (Integer, b"abc", "abc"),
            (Double, &[0x3f, 0xc0, 0, 0], "1.5"),
            (Double, &[0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18], "3.141592653589793"),
            (Double, b"abc", "abc"),
            (ByteArray, &[1, 2, 3, 4], "AQIDBA=="),
            (ByteArray, b"\xfb\xff\xbf", "+/+/"),
        ] {
            assert_eq!(text(key_type, key), expected, "{key_type:?} {key:?}");
        }
    }
}
