//! A piece of a buffer as two numbers, so that the buffer may move while the piece is known.

use crate::Refusal;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where `part` lies in `buf`. `part` must be a slice of `buf`; anything else is refused as a
    /// head too large to count.
    #[inline]
    pub(crate) fn of(buf: &[u8], part: &[u8]) -> Result<Self, Refusal> {
        let start = (part.as_ptr() as usize).wrapping_sub(buf.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Ok(Self { start, end }),
            _ => Err(Refusal::HeadersTooLarge),
        }
    }

    /// The bytes; empty when `buf` is not the buffer that the span was made from.
    #[inline]
    pub(crate) fn bytes(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}
