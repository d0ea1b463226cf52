//! The chunked coding (RFC 9112 7.1): finds data between the framing, byte by byte, strictly.

use std::ops::Range;

use crate::classes::is_token;
use crate::{Limits, Refusal};

/// Reads one chunked body. Counts sizes, extensions and trailers over the whole body.
///
/// Stricter than the RFC in one point: no blanks between a chunk size and what follows. They are
/// the classic way to make two readers disagree, and no client writes them.
#[derive(Clone, Debug)]
pub struct ChunkDecoder {
    state: State,
    digits: u8,
    /// Size of the chunk being read, then its bytes not yet seen.
    chunk_left: u64,
    body_left: u64,
    ext_left: usize,
    trailer_left: usize,
    trailer_lines_left: usize,
}

/// What the decoder found at the start of the bytes it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it was framing; go on with new bytes.
    NeedMore,
    /// Body bytes at this place, at least one; go on behind them.
    Data(Range<usize>),
    /// The body is over; the next request starts here.
    End(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    Quoted,
    QuotedPair,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Over,
}

/// 16 hexadecimal digits fill 64 bits; a 17th would overflow (CVE-2021-32714).
const DIGITS_MAX: u8 = 16;

impl ChunkDecoder {
    /// A decoder for one body.
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State::Size,
            digits: 0,
            chunk_left: 0,
            body_left: limits.body_max,
            ext_left: limits.chunk_ext_max,
            trailer_left: limits.trailer_max,
            trailer_lines_left: limits.headers_max,
        }
    }

    /// Looks at `raw`, the bytes that follow those of the call before, up to the next body bytes.
    ///
    /// # Errors
    /// A broken or oversized chunk, extension or trailer; a body over `body_max`, as soon as the
    /// size of the chunk that goes over it is read.
    pub fn next(&mut self, raw: &[u8]) -> Result<Piece, Refusal> {
        for (at, byte) in raw.iter().enumerate() {
            if self.state == State::Data {
                return Ok(Piece::Data(self.take_data(at, raw.len())));
            }
            self.state = self.step(*byte)?;
            if self.state == State::Over {
                return Ok(Piece::End(at.saturating_add(1)));
            }
        }
        Ok(Piece::NeedMore)
    }

    /// Body bytes that the open chunk still has to bring.
    pub fn chunk_left(&self) -> u64 {
        if self.state == State::Data { self.chunk_left } else { 0 }
    }

    fn take_data(&mut self, at: usize, raw_len: usize) -> Range<usize> {
        let here = raw_len.saturating_sub(at);
        let taken = usize::try_from(self.chunk_left).map_or(here, |left| left.min(here));
        self.chunk_left = self.chunk_left.saturating_sub(taken as u64);
        if self.chunk_left == 0 {
            self.state = State::DataCr;
        }
        at..at.saturating_add(taken)
    }

    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match self.state {
            State::Size => self.size(byte),
            State::Extension | State::Quoted | State::QuotedPair => self.extension(byte),
            State::SizeLf => self.size_over(byte),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size),
            State::DataCr | State::DataLf => Err(Refusal::ChunkEnd),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf => self.trailer(byte),
            // Data is taken in runs, and nothing is read after the end.
            State::Data | State::Over => Err(Refusal::ChunkEnd),
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, Refusal> {
        let digit = match byte {
            b'\r' if self.digits > 0 => return Ok(State::SizeLf),
            b';' if self.digits > 0 => return self.extension(byte),
            _ => char::from(byte).to_digit(16).ok_or(Refusal::ChunkSize)?,
        };
        if self.digits == DIGITS_MAX {
            return Err(Refusal::ChunkSize);
        }
        self.digits = self.digits.saturating_add(1);
        self.chunk_left = self
            .chunk_left
            .checked_mul(16)
            .and_then(|size| size.checked_add(u64::from(digit)))
            .ok_or(Refusal::ChunkSize)?;
        Ok(State::Size)
    }

    /// Extensions mean nothing to us; only their end matters. A quoted value cannot hold a line
    /// end, so an open quote there is an attempt to hide one.
    fn extension(&mut self, byte: u8) -> Result<State, Refusal> {
        if byte == b'\r' && self.state == State::Extension {
            return Ok(State::SizeLf);
        }
        if byte != b'\t' && byte.is_ascii_control() {
            return Err(Refusal::ChunkExtension);
        }
        self.ext_left = self.ext_left.checked_sub(1).ok_or(Refusal::ChunkExtensionsTooLong)?;
        Ok(match (self.state, byte) {
            (State::Quoted, b'\\') => State::QuotedPair,
            (State::Quoted, b'"') => State::Extension,
            (State::Quoted | State::QuotedPair, _) => State::Quoted,
            (_, b'"') => State::Quoted,
            _ => State::Extension,
        })
    }

    fn size_over(&mut self, byte: u8) -> Result<State, Refusal> {
        if byte != b'\n' {
            return Err(Refusal::ChunkSize);
        }
        self.digits = 0;
        if self.chunk_left == 0 {
            return Ok(State::TrailerStart);
        }
        self.body_left =
            self.body_left.checked_sub(self.chunk_left).ok_or(Refusal::BodyTooLarge)?;
        Ok(State::Data)
    }

    /// Trailers must look like headers and are dropped: nothing they say counts.
    fn trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => return Ok(State::EndLf),
            (State::EndLf, b'\n') => return Ok(State::Over),
            (State::TrailerStart, _) => {
                let left = self.trailer_lines_left.checked_sub(1);
                self.trailer_lines_left = left.ok_or(Refusal::TrailersTooLarge)?;
            }
            _ => {}
        }
        self.trailer_left = self.trailer_left.checked_sub(1).ok_or(Refusal::TrailersTooLarge)?;
        match (self.state, byte) {
            (State::TrailerStart | State::TrailerName, byte) if is_token(&[byte]) => {
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if byte == b'\t' || !byte.is_ascii_control() => {
                Ok(State::TrailerValue)
            }
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            _ => Err(Refusal::Trailer),
        }
    }
}
