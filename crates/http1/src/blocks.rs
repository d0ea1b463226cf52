//! A header line, sixteen bytes at a time: where the name and the line end, if all of it is as usual.

use wide::u8x16;

/// Looked at in one go: most lines are shorter.
const WINDOW: usize = 64;
/// Names as long as this are left to others; so are those with bytes besides letters, digits and hyphens.
const NAME_MAX: usize = 32;

/// The parts of a header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes before the colon, at least one.
    pub(crate) name_bytes: usize,
    /// Bytes before CR LF.
    pub(crate) content_bytes: usize,
}

impl Shape {
    /// Of the line at the start of `bytes`. Name and value then have no byte that they may not have.
    /// `None` if the line is not whole, not right or not usual: then it is to be looked at as any other.
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let (unusual, mut controls) = windowed(bytes, |window| {
            let [name, ..] = window.as_chunks::<NAME_MAX>().0 else { return (0, 0) };
            (mask(name, is_unusual_in_a_name), mask(window, is_control))
        });
        let name_bytes = unusual.trailing_zeros() as usize;
        if !(1..NAME_MAX).contains(&name_bytes) || bytes.get(name_bytes) != Some(&b':') {
            return None;
        }
        let mut content_bytes = 0_usize;
        while controls == 0 {
            content_bytes = content_bytes.saturating_add(WINDOW);
            controls = windowed(bytes.get(content_bytes..)?, |window| mask(window, is_control));
        }
        content_bytes = content_bytes.saturating_add(controls.trailing_zeros() as usize);
        bytes
            .get(content_bytes..)?
            .starts_with(b"\r\n")
            .then_some(Self { name_bytes, content_bytes })
    }
}

/// Looks at the first bytes. Zeros stand for what is missing: they are control bytes, so the line ends there
/// and not in CR LF.
#[inline]
fn windowed<R>(bytes: &[u8], look: impl Fn(&[u8; WINDOW]) -> R) -> R {
    match bytes.first_chunk() {
        Some(window) => look(window),
        None => look(&padded(bytes)),
    }
}

#[cold]
fn padded(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    if let Some(start) = window.get_mut(..bytes.len()) {
        start.copy_from_slice(bytes);
    }
    window
}

/// A bit for each byte that `marks` marks, the first the lowest.
#[inline]
fn mask(bytes: &[u8], marks: impl Fn(u8x16) -> u8x16) -> u64 {
    let (blocks, _) = bytes.as_chunks::<16>();
    blocks
        .iter()
        .rev()
        .fold(0, |mask, block| mask << 16 | u64::from(marks(u8x16::new(*block)).to_bitmask()))
}

/// Tab among them: a value may have it, but seldom does.
#[inline]
fn is_control(block: u8x16) -> u8x16 {
    is_within(block, b' ' - 1) | block.simd_eq(u8x16::splat(0x7f))
}

#[inline]
fn is_unusual_in_a_name(block: u8x16) -> u8x16 {
    let letters = is_within((block | u8x16::splat(b' ')) - u8x16::splat(b'a'), b'z' - b'a');
    let digits = is_within(block - u8x16::splat(b'0'), b'9' - b'0');
    !(letters | digits | block.simd_eq(u8x16::splat(b'-')))
}

/// Marks the bytes from 0 to `most`.
#[inline]
fn is_within(block: u8x16, most: u8) -> u8x16 {
    block.min(u8x16::splat(most)).simd_eq(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(name_bytes: usize, content_bytes: usize) -> Option<Shape> {
        Some(Shape { name_bytes, content_bytes })
    }

    #[test]
    fn each_byte_is_known_in_each_place() {
        for byte in 0..=u8::MAX {
            for at in 0..140 {
                let mut line = vec![b'a'; 140];
                line[20] = b':';
                line.extend(b"\r\nbehind");
                line[at] = byte;
                let usual = match at {
                    0..20 => byte.is_ascii_alphanumeric() || byte == b'-',
                    20 => byte == b':',
                    _ => !byte.is_ascii_control(),
                };
                let expected = match (at, byte) {
                    (1..20, b':') => shape(at, 140),
                    _ => shape(20, 140).filter(|_| usual),
                };
                assert_eq!(Shape::of(&line), expected, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn lines_of_each_length_end_where_they_end() {
        for name in 0..70 {
            for value in [0, 1, 2, 10, 30, 31, 32, 33, 60, 61, 62, 63, 64, 65, 126, 127, 128, 200] {
                let content = format!("{}:{}", "n".repeat(name), "v".repeat(value));
                let expected = shape(name, content.len()).filter(|_| (1..NAME_MAX).contains(&name));
                for behind in ["", "\r", "\r\n", &"b".repeat(100)] {
                    let line = format!("{content}\r\n{behind}");
                    assert_eq!(Shape::of(line.as_bytes()), expected, "{line:?}");
                    let line = format!("{content}\n\r{behind}");
                    assert_eq!(Shape::of(line.as_bytes()), None, "{line:?}");
                }
                for cut in ["", "\r"] {
                    let line = format!("{content}{cut}");
                    assert_eq!(Shape::of(line.as_bytes()), None, "{line:?}");
                }
            }
        }
    }
}
