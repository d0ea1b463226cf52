//! An HTTP request to an event: which mode it is in (receiver.md 3.1).

use crate::error::{EventError, excerpt};
use crate::event::Event;
use crate::scratch::Scratch;
use crate::{binary, media_type, structured};

/// Decodes one event from a request's headers, in the order received, and its whole body.
///
/// Header names may have any case; values are taken as they stand, bytes from 0x80 up as
/// Latin-1. The first `Content-Type` decides the mode; a batch is refused here
/// (see [`crate::decode_batch`]).
///
/// # Errors
/// [`EventError`] when the request is not a valid event; the receiver answers 400.
pub fn decode_http<'a, H>(
    headers: H,
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, EventError>
where
    H: Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    decode_http_within(b"", headers, body, scratch)
}

/// [`decode_http`] for headers whose values stand in `head`, all or some of them: whether they are
/// text is then looked at once, not for each. What it gives does not depend on `head`.
///
/// # Errors
/// As [`decode_http`].
pub fn decode_http_within<'a, H>(
    head: &'a [u8],
    headers: H,
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, EventError>
where
    H: Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    let content_type = headers
        .clone()
        .find(|(name, _)| binary::is_content_type(name))
        .map_or(&b""[..], |(_, value)| value);
    let draft = if media_type::is_structured(content_type) {
        structured::read_body(body, scratch)?
    } else if media_type::is_event_format(content_type) {
        return Err(EventError::UnsupportedFormat { media_type: excerpt(content_type) });
    } else {
        let draft = binary::read_http(headers, head, body, scratch)?;
        scratch.keep_last_extensions();
        draft
    };
    draft.finish(scratch)
}
