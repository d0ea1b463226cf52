//! The body of an answer: kept up to a bound, passed over beyond it.

use std::ops::Range;

use super::{BadResponse, ResponseHead};
use crate::{ChunkDecoder, Limits, Piece, ResponseFraming};

/// Reads one body that starts at a fixed place of the connection's buffer. What is kept lies
/// there in one piece; framing and what is beyond the bound is cut out at once, so the buffer
/// never holds more than head, kept body and one read.
#[derive(Clone, Debug)]
pub struct ResponseBody {
    rest: Rest,
    keep: usize,
    kept: usize,
    dropped: u64,
}

#[derive(Clone, Debug)]
enum Rest {
    Length(u64),
    Chunked(ChunkDecoder),
    UntilClose,
}

/// Answer of [`ResponseBody::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyProgress {
    /// Append more bytes to the buffer and feed again.
    NeedMore,
    /// The body is complete. `surplus`: the server has sent more than this answer, so its
    /// connection must not be used again.
    Done {
        /// Whether bytes followed the body.
        surplus: bool,
    },
}

impl ResponseBody {
    /// A reader for the body of `head` that keeps `keep` bytes. Of `limits` those on chunk
    /// extensions and trailers count.
    pub fn new(head: &ResponseHead, keep: usize, limits: &Limits) -> Self {
        let rest = match head.framing() {
            ResponseFraming::Empty => Rest::Length(0),
            ResponseFraming::Length(length) => Rest::Length(length),
            ResponseFraming::Chunked => {
                // Any size: what is kept is bounded here.
                Rest::Chunked(ChunkDecoder::new(&Limits { body_max: u64::MAX, ..*limits }))
            }
            ResponseFraming::UntilClose => Rest::UntilClose,
        };
        Self { rest, keep, kept: 0, dropped: 0 }
    }

    /// Looks at what has been appended to `buf`, and cuts it to what is kept. `start` is where the
    /// body starts, the same in each call.
    ///
    /// # Errors
    /// Broken chunks, and extensions or trailers beyond their bound.
    pub fn feed(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<BodyProgress, BadResponse> {
        let raw = start.saturating_add(self.kept).min(buf.len())..buf.len();
        let (over, passed) = match &mut self.rest {
            Rest::Length(left) => {
                let here = usize::try_from(*left).map_or(raw.len(), |left| left.min(raw.len()));
                *left = left.saturating_sub(here as u64);
                let over = *left == 0;
                let end = raw.start.saturating_add(here);
                self.take(buf, start, raw.start..end);
                (over, end)
            }
            Rest::UntilClose => {
                self.take(buf, start, raw.clone());
                (false, raw.end)
            }
            Rest::Chunked(_) => self.feed_chunks(buf, start, raw.clone())?,
        };
        buf.truncate(start.saturating_add(self.kept));
        let done = BodyProgress::Done { surplus: passed < raw.end };
        Ok(if over { done } else { BodyProgress::NeedMore })
    }

    /// Whether the body is over, and where its bytes end.
    fn feed_chunks(
        &mut self,
        buf: &mut [u8],
        start: usize,
        raw: Range<usize>,
    ) -> Result<(bool, usize), BadResponse> {
        let mut at = raw.start;
        loop {
            let Rest::Chunked(decoder) = &mut self.rest else { return Ok((false, at)) };
            match decoder.next(buf.get(at..).unwrap_or_default())? {
                Piece::NeedMore => return Ok((false, raw.end)),
                Piece::End(length) => return Ok((true, at.saturating_add(length))),
                Piece::Data(piece) => {
                    let from = at.saturating_add(piece.start)..at.saturating_add(piece.end);
                    at = from.end;
                    self.take(buf, start, from);
                }
            }
        }
    }

    /// Moves body bytes behind those that are kept, as far as there is room.
    fn take(&mut self, buf: &mut [u8], start: usize, from: Range<usize>) {
        let room = self.keep.saturating_sub(self.kept).min(from.len());
        let to = start.saturating_add(self.kept);
        if to != from.start && room > 0 {
            buf.copy_within(from.start..from.start.saturating_add(room), to);
        }
        self.kept = self.kept.saturating_add(room);
        self.dropped = self.dropped.saturating_add(from.len().saturating_sub(room) as u64);
    }

    /// The connection has ended: whether the body is complete by that.
    ///
    /// # Errors
    /// [`BadResponse::EndedEarly`] when it is not.
    pub fn end_of_stream(&self) -> Result<(), BadResponse> {
        match self.rest {
            Rest::UntilClose | Rest::Length(0) => Ok(()),
            Rest::Length(_) | Rest::Chunked(_) => Err(BadResponse::EndedEarly),
        }
    }

    /// Bytes of the body in the buffer, from the body's start.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Bytes of the body that were passed over so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether what is still to come is not kept any more.
    pub fn is_full(&self) -> bool {
        self.kept >= self.keep
    }

    /// Bytes that must still come as far as known; 1 where nothing is known. For sizing the
    /// buffer; the number is the server's word, so bound what is reserved by it.
    pub fn missing(&self) -> u64 {
        match &self.rest {
            Rest::Length(left) => *left,
            Rest::Chunked(decoder) => decoder.chunk_left().max(1),
            Rest::UntilClose => 1,
        }
    }
}
