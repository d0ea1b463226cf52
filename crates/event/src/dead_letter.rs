//! Why an event could not be delivered, as extensions for the dead letter sink (dispatcher.md 12).

use crate::data::push_base64;
use crate::draft::is_extension_name;
use crate::scratch::HEADER_PREFIX;

/// A failed delivery; see [`crate::Additions::failure`]. Holds copies, so that it outlives the
/// response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Header name with its prefix, and value; the last of a name counts.
    extensions: Vec<(String, String)>,
}

impl Failure {
    /// How many bytes of a response's body become `knativeerrordata`, at most.
    pub const BODY_BYTES_MAX: usize = 1024;

    /// No response, or one that was a success but no valid reply. `destination` is the egress's,
    /// verbatim, also when it was the reply's endpoint that failed.
    #[must_use]
    pub fn without_response(destination: &str) -> Self {
        let mut failure = Self { extensions: Vec::new() };
        failure.push("knativeerrordest", destination.to_owned());
        failure
    }

    /// The last attempt was answered with a failure. Of `body` the first
    /// [`Self::BODY_BYTES_MAX`] bytes count. Headers `kne-<name>` become extensions `<name>`;
    /// those that could not be one are ignored (dispatcher.md W10).
    #[must_use]
    pub fn with_response<'h>(
        destination: &str,
        status: u16,
        body: &[u8],
        headers: impl Iterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Self {
        let mut failure = Self { extensions: Vec::new() };
        for (name, value) in headers {
            if let Some(name) = error_extension(name) {
                failure.push(&name, header_text(value));
            }
        }
        // After the headers: a subscriber does not choose what stands in these.
        failure.push("knativeerrordest", destination.to_owned());
        failure.push("knativeerrorcode", status.to_string());
        let body = body.get(..Self::BODY_BYTES_MAX).unwrap_or(body);
        if !body.is_empty() {
            let mut data = String::new();
            push_base64(body, &mut data);
            failure.push("knativeerrordata", data);
        }
        failure
    }

    fn push(&mut self, name: &str, value: String) {
        self.extensions.push((format!("{HEADER_PREFIX}{name}"), value));
    }

    pub(crate) fn extensions(&self) -> &[(String, String)] {
        &self.extensions
    }
}

/// The extension that a response header `kne-<name>` asks for, lower-cased.
fn error_extension(header: &[u8]) -> Option<String> {
    let (prefix, name) = header.split_at_checked(4)?;
    if !prefix.eq_ignore_ascii_case(b"kne-") {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    is_extension_name(&name).then_some(name)
}

/// Java hands the bytes on unread. They are UTF-8 where anyone took care, so read as that
/// when possible they come out as what was meant.
fn header_text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extensions(failure: &Failure) -> Vec<(&str, &str)> {
        failure.extensions.iter().map(|(name, value)| (&name[..], &value[..])).collect()
    }

    #[test]
    fn a_failure_without_response_names_the_destination_only() {
        let failure = Failure::without_response("http://S/x");
        assert_eq!(extensions(&failure), [("ce_knativeerrordest", "http://S/x")]);
    }

    #[test]
    fn headers_become_extensions_where_their_names_allow() {
        let headers: [(&[u8], &[u8]); 9] = [
            (b"Kne-TestError", b"hello"),
            (b"something", b"nope"),
            (b"kne-my-header", b"x"),
            (b"kne-type", b"x"),
            (b"kne-", b"x"),
            (b"kne", b"x"),
            (b"kne-\xff", b"x"),
            (b"KNE-a", "ü".as_bytes()),
            (b"kne-b", b"\xfc"),
        ];
        let failure = Failure::with_response("d", 422, b"", headers.into_iter());
        let expected = [
            ("ce_testerror", "hello"),
            ("ce_a", "ü"),
            ("ce_b", "ü"),
            ("ce_knativeerrordest", "d"),
            ("ce_knativeerrorcode", "422"),
        ];
        assert_eq!(extensions(&failure), expected);
    }

    #[test]
    fn only_the_start_of_the_body_is_kept() {
        for (length, encoded) in [(1, 4), (1024, 1368), (1030, 1368)] {
            let body = vec![b'A'; length];
            let failure = Failure::with_response("d", 500, &body, std::iter::empty());
            let (name, value) = failure.extensions.last().unwrap();
            assert_eq!((&name[..], value.len()), ("ce_knativeerrordata", encoded));
        }
    }
}
