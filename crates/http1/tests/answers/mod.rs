//! A server's answer read without a socket: the loop that a client runs over this crate. Shared by
//! tests and fuzz targets.

use millrace_http1::Limits;
use millrace_http1::response::{BadResponse, BodyProgress, ResponseBody, ResponseHead};

/// What one answer comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What was kept of the body.
    pub(crate) body: Vec<u8>,
    /// Bytes of the body beyond that.
    pub(crate) dropped: u64,
    /// Whether the connection is good for another request.
    pub(crate) reusable: bool,
}

/// Reads the pieces, then the end of the stream. `None` when it came before the end of a head.
pub(crate) fn read<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    keep: usize,
    limits: &Limits,
) -> Result<Option<Answer>, BadResponse> {
    let mut pieces = pieces.into_iter();
    let mut buffer = Vec::new();
    let mut head = ResponseHead::new();
    let start = loop {
        match head.parse(&buffer, limits)? {
            Some(end) if head.is_interim() => drop(buffer.drain(..end)),
            Some(end) => break end,
            None => {
                assert!(buffer.len() < limits.head_bytes_max(), "a head without end");
                let Some(piece) = pieces.next() else { return Ok(None) };
                buffer.extend_from_slice(piece);
            }
        }
    };
    let mut body = ResponseBody::new(&head, keep, limits);
    let complete = loop {
        match body.feed(&mut buffer, start)? {
            BodyProgress::Done { surplus } => break Some(!surplus),
            BodyProgress::NeedMore => {}
        }
        assert!(body.kept() <= keep && buffer.len() <= start.saturating_add(keep), "kept too much");
        let Some(piece) = pieces.next() else { break None };
        buffer.extend_from_slice(piece);
    };
    if complete.is_none() {
        body.end_of_stream()?;
    }
    let clean = complete.unwrap_or(false) && pieces.all(<[u8]>::is_empty);
    Ok(Some(Answer {
        status: head.status(),
        body: buffer[start..start + body.kept()].to_vec(),
        dropped: body.dropped(),
        reusable: clean && head.keep_alive(),
    }))
}
