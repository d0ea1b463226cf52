//! A body in the connection's buffer: brings it into one piece, or reads past it.

use std::ops::Range;

use crate::{BodyFraming, ChunkDecoder, Head, Limits, Piece, Refusal};

/// Reads one body that starts at a fixed place of the connection's buffer.
#[derive(Clone, Debug)]
pub struct BodyReader {
    kind: Kind,
    /// Bytes that are still missing as far as known, at least 1 while the body is open.
    missing: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Length(u64),
    /// `data` is what was decoded so far, counted from the body's start.
    Chunked {
        decoder: ChunkDecoder,
        data: Range<usize>,
    },
}

/// Answer of [`BodyReader::feed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Append more bytes to the buffer and feed again.
    NeedMore,
    /// The whole body is at `body`, in one piece. The next request starts at `next`.
    Done {
        /// Where the body is in the buffer.
        body: Range<usize>,
        /// First byte behind the body and its framing.
        next: usize,
    },
}

/// Answer of [`BodyReader::decode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Cut the buffer to `keep` bytes, append what comes next there, and go on.
    NeedMore {
        /// Length of the buffer's useful part.
        keep: usize,
    },
    /// As [`Progress::Done`].
    Done {
        /// Where the body is in the buffer.
        body: Range<usize>,
        /// First byte behind the body and its framing.
        next: usize,
    },
}

impl BodyReader {
    /// A reader for a body with this framing.
    ///
    /// # Errors
    /// [`Refusal::BodyTooLarge`] when the length that was announced is over `body_max`.
    pub fn new(framing: BodyFraming, limits: &Limits) -> Result<Self, Refusal> {
        Ok(match framing {
            BodyFraming::Empty => Self { kind: Kind::Length(0), missing: 0 },
            BodyFraming::Length(length) if length > limits.body_max => {
                return Err(Refusal::BodyTooLarge);
            }
            BodyFraming::Length(length) => Self { kind: Kind::Length(length), missing: length },
            BodyFraming::Chunked => {
                let decoder = ChunkDecoder::new(limits);
                Self { kind: Kind::Chunked { decoder, data: 0..0 }, missing: 1 }
            }
        })
    }

    /// Looks at what has been appended to `buf`. `start` is where the body starts, the same in
    /// each call. Chunks are decoded in place and their framing is cut out of `buf` at once, so
    /// the buffer never holds more than head, decoded body and one read. A body in one chunk is
    /// not moved.
    ///
    /// # Errors
    /// As [`ChunkDecoder::next`].
    pub fn feed(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<Progress, Refusal> {
        Ok(match self.decode(buf, start)? {
            Step::NeedMore { keep } => {
                buf.truncate(keep);
                Progress::NeedMore
            }
            Step::Done { body, next } => Progress::Done { body, next },
        })
    }

    /// As [`BodyReader::feed`], for a buffer that is not a `Vec`: the caller does the cutting.
    ///
    /// # Errors
    /// As [`ChunkDecoder::next`].
    pub fn decode(&mut self, buf: &mut [u8], start: usize) -> Result<Step, Refusal> {
        match &mut self.kind {
            Kind::Length(length) => {
                let have = buf.len().saturating_sub(start);
                self.missing = length.saturating_sub(have as u64);
                if self.missing > 0 {
                    return Ok(Step::NeedMore { keep: buf.len() });
                }
                // Not more than `have`, so it fits.
                let end = start.saturating_add(usize::try_from(*length).unwrap_or(have));
                Ok(Step::Done { body: start..end, next: end })
            }
            Kind::Chunked { decoder, data } => {
                let step = decode_chunks(decoder, data, buf, start)?;
                self.missing = match step {
                    Step::NeedMore { .. } => decoder.chunk_left().max(1),
                    Step::Done { .. } => 0,
                };
                Ok(step)
            }
        }
    }

    /// Bytes that must still come as far as known: all of them for a length, those of the open
    /// chunk for chunks. At least 1 while the body is open. Meant for sizing the buffer; the
    /// number is the client's word, so bound what is reserved by it.
    pub fn missing(&self) -> u64 {
        self.missing
    }
}

fn decode_chunks(
    decoder: &mut ChunkDecoder,
    data: &mut Range<usize>,
    buf: &mut [u8],
    start: usize,
) -> Result<Step, Refusal> {
    let mut at = start.saturating_add(data.end);
    loop {
        match decoder.next(buf.get(at..).unwrap_or_default())? {
            Piece::NeedMore => return Ok(Step::NeedMore { keep: start.saturating_add(data.end) }),
            Piece::End(length) => {
                let body = start.saturating_add(data.start)..start.saturating_add(data.end);
                return Ok(Step::Done { body, next: at.saturating_add(length) });
            }
            Piece::Data(piece) => {
                let from = at.saturating_add(piece.start)..at.saturating_add(piece.end);
                at = from.end;
                if data.start == data.end {
                    // The body starts where its first chunk lies.
                    *data = from.start.saturating_sub(start)..from.end.saturating_sub(start);
                } else {
                    let to = start.saturating_add(data.end);
                    data.end = data.end.saturating_add(piece.len());
                    buf.copy_within(from, to);
                }
            }
        }
    }
}

/// Reads past a body that nobody wants, so that an answer given before it (404, 405, 401) does
/// not cost the connection (receiver.md W37). Stores nothing.
#[derive(Clone, Debug)]
pub struct Drain {
    rest: Rest,
    budget: u64,
}

#[derive(Clone, Debug)]
enum Rest {
    Length(u64),
    Chunked(ChunkDecoder),
}

/// Answer of [`Drain::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Read more and feed again.
    NeedMore,
    /// The body is passed; the next request starts at `next`.
    Done {
        /// First byte behind the body.
        next: usize,
    },
    /// Too long or broken: close the connection.
    GiveUp,
}

impl Drain {
    /// A drain of at most `budget` bytes, framing included, for the body of `head`. `None` when
    /// the connection must be closed instead: the body is known to be longer, or the client was
    /// told not to send it (`continued` is false although it waits for `100 Continue`), so that
    /// its next bytes could be either a body or a request.
    pub fn new(head: &Head, continued: bool, budget: u64, limits: &Limits) -> Option<Self> {
        if head.expects_continue() && !continued {
            return None;
        }
        let rest = match head.framing() {
            BodyFraming::Empty => Rest::Length(0),
            BodyFraming::Length(length) if length > budget => return None,
            BodyFraming::Length(length) => Rest::Length(length),
            BodyFraming::Chunked => {
                Rest::Chunked(ChunkDecoder::new(&Limits { body_max: budget, ..*limits }))
            }
        };
        Some(Self { rest, budget })
    }

    /// Passes over the bytes of `buf` from `start` on; they are cut off when they all belong to
    /// the body.
    pub fn feed(&mut self, buf: &mut Vec<u8>, start: usize) -> Drained {
        let here = buf.get(start..).unwrap_or_default();
        let passed = match &mut self.rest {
            Rest::Length(length) => pass_length(length, here),
            Rest::Chunked(decoder) => pass_chunks(decoder, here),
        };
        match passed {
            Ok(Some(length)) if length as u64 <= self.budget => {
                Drained::Done { next: start.saturating_add(length) }
            }
            Ok(None) if here.len() as u64 <= self.budget => {
                self.budget = self.budget.saturating_sub(here.len() as u64);
                buf.truncate(start);
                Drained::NeedMore
            }
            _ => Drained::GiveUp,
        }
    }
}

/// `Some(n)`: the body ends after `n` more bytes. `None`: all of `here` belongs to it.
fn pass_length(length: &mut u64, here: &[u8]) -> Result<Option<usize>, Refusal> {
    if let Ok(left) = usize::try_from(*length)
        && left <= here.len()
    {
        return Ok(Some(left));
    }
    *length = length.saturating_sub(here.len() as u64);
    Ok(None)
}

fn pass_chunks(decoder: &mut ChunkDecoder, here: &[u8]) -> Result<Option<usize>, Refusal> {
    let mut at = 0usize;
    loop {
        match decoder.next(here.get(at..).unwrap_or_default())? {
            Piece::NeedMore => return Ok(None),
            Piece::Data(piece) => at = at.saturating_add(piece.end),
            Piece::End(length) => return Ok(Some(at.saturating_add(length))),
        }
    }
}

#[cfg(test)]
mod tests;
