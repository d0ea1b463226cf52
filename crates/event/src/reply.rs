//! What a subscriber's answer says (dispatcher.md 11).

use crate::error::EventError;
use crate::event::{Event, ExtValue};
use crate::http::decode_http;
use crate::scratch::Scratch;

/// The content of a successful response.
#[derive(Debug, Clone)]
pub enum Reply<'a> {
    /// An event to forward.
    Event(Event<'a>),
    /// No event and no body: a success without a reply.
    Nothing,
    /// A body that is no valid event, which fails the delivery.
    Garbage(EventError),
}

/// Reads a successful response by the rules for requests, see [`decode_http`].
pub fn decode_reply<'a, H>(headers: H, body: &'a [u8], scratch: &'a mut Scratch) -> Reply<'a>
where
    H: Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    match decode_http(headers, body, scratch) {
        Ok(event) => Reply::Event(event),
        Err(_) if body.is_empty() => Reply::Nothing,
        Err(EventError::NotCloudEvent) => Reply::Garbage(EventError::PlainReply),
        Err(error) => Reply::Garbage(error),
    }
}

impl<'a> Event<'a> {
    /// The key of a reply's record, as [`Event::key`]; but a `partitionkey` that is not a string
    /// fails the delivery, as Java cannot make a key of it (dispatcher.md 11).
    ///
    /// # Errors
    /// [`EventError::AttributeType`] for a number or a boolean.
    pub fn reply_key(&self) -> Result<Option<&'a [u8]>, EventError> {
        match self.extensions().find(|(name, _)| *name == "partitionkey") {
            None => Ok(None),
            Some((_, ExtValue::Text(key))) => Ok(Some(key.as_bytes())),
            Some(_) => Err(EventError::AttributeType {
                attribute: "partitionkey".into(),
                expected: "a string, to be the record's key",
            }),
        }
    }
}
