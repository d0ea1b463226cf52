//! A Kafka record to an event: which mode it is in (dispatcher.md 5.2, 5.3).

use crate::additions::Additions;
use crate::binary::{Attributes, Charset};
use crate::draft::Draft;
use crate::error::{EventError, excerpt};
use crate::event::{Event, SpecVersion};
use crate::plain::PlainSource;
use crate::record::STRUCTURED_CONTENT_TYPE;
use crate::scratch::{HEADER_PREFIX, Scratch};
use crate::structured;

/// A record as it was consumed.
#[derive(Debug, Clone)]
pub struct Record<'a, H> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset within the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 where Kafka has none.
    pub timestamp_ms: i64,
    /// `None` for the null key.
    pub key: Option<&'a [u8]>,
    /// Name and value in record order; `None` for a null value.
    pub headers: H,
    /// `None` for the null value.
    pub value: Option<&'a [u8]>,
}

/// Decodes a record that must be an event, and makes the additions to it.
///
/// Header names count as written, except that what follows `ce_` may have any case. Values are
/// UTF-8; the last header of a name counts, headers of value null never do. The key plays no part.
///
/// # Errors
/// [`EventError`] when the record is not a valid event; the dispatcher discards it
/// (dispatcher.md 5.4).
pub fn decode_record<'a, H>(
    record: Record<'a, H>,
    additions: &Additions<'_>,
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, EventError>
where
    H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
{
    let mut draft = read(&record, scratch)?;
    additions.apply(&mut draft, record.partition, record.offset, scratch);
    Ok(draft.event(scratch))
}

/// As [`decode_record`]; what is not a valid event is wrapped into one that says where it came
/// from (dispatcher.md 5.5). Never fails.
pub fn decode_record_or_plain<'a, H>(
    record: Record<'a, H>,
    source: &PlainSource,
    additions: &Additions<'_>,
    scratch: &'a mut Scratch,
) -> Event<'a>
where
    H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
{
    let mut draft = match read(&record, scratch) {
        Ok(draft) => draft,
        Err(_) => source.wrap(&record, scratch),
    };
    additions.apply(&mut draft, record.partition, record.offset, scratch);
    draft.event(scratch)
}

fn read<'a, H>(record: &Record<'a, H>, scratch: &mut Scratch) -> Result<Draft<'a>, EventError>
where
    H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
{
    let value = record.value.unwrap_or_default();
    // Asking the client for a header costs more than reading it, and the version mostly stands first: what
    // follows it is read at once, and what is wrong with it counts only if the event is a binary one.
    let mut binary = BinaryHeaders::new(scratch);
    let (mut content_type, mut specversion, mut early) = (&b""[..], None, false);
    for (name, value) in headers(record) {
        match name {
            b"content-type" => content_type = value,
            b"ce_specversion" => specversion = Some(value),
            _ => {}
        }
        match specversion {
            Some(_) => binary.read(name, value, scratch),
            None => early = true,
        }
    }
    let mut draft = if is_structured(content_type) {
        structured::read_body(value, scratch)?
    } else if content_type.starts_with(b"application/cloudevents") {
        return Err(EventError::UnsupportedFormat { media_type: excerpt(content_type) });
    } else {
        let spec_version = SpecVersion::parse(specversion.ok_or(EventError::PlainRecord)?)?;
        if early {
            binary = BinaryHeaders::new(scratch);
            headers(record).for_each(|(name, value)| binary.read(name, value, scratch));
        }
        binary.read?;
        binary.attributes.into_draft(spec_version, value, scratch)?
    };
    draft.check(scratch)?;
    Ok(draft)
}

fn headers<'a, H>(record: &Record<'a, H>) -> impl Iterator<Item = (&'a [u8], &'a [u8])>
where
    H: Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
{
    record.headers.clone().filter_map(|(name, value)| Some((name, value?)))
}

/// The headers of a binary event as they come.
struct BinaryHeaders<'a> {
    attributes: Attributes<'a>,
    /// The first mistake.
    read: Result<(), EventError>,
}

impl<'a> BinaryHeaders<'a> {
    fn new(scratch: &mut Scratch) -> Self {
        scratch.reset();
        Self { attributes: Attributes::new(Charset::Utf8), read: Ok(()) }
    }

    #[inline]
    fn read(&mut self, name: &'a [u8], value: &'a [u8], scratch: &mut Scratch) {
        match name.strip_prefix(HEADER_PREFIX.as_bytes()) {
            Some([]) => {}
            Some(attribute) if self.read.is_ok() => {
                self.read = self.attributes.read(attribute, value, scratch);
            }
            None if name == b"content-type" => self.attributes.read_content_type(value),
            _ => {}
        }
    }
}

/// Java compares records' types to the letter; only HTTP is read leniently.
fn is_structured(content_type: &[u8]) -> bool {
    match content_type.strip_prefix(STRUCTURED_CONTENT_TYPE.as_bytes()) {
        Some(rest) => matches!(rest, [] | [b';', ..]),
        None => false,
    }
}
