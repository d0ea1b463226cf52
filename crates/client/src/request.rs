//! A request as bytes: what is the same for all of a target, and what each adds.

use std::time::Duration;

use crate::options::ClientOptions;
use crate::target::Target;

/// One request. The pieces are sent from where they lie; nothing is copied.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// Header lines of this request, each ended by CRLF, without `host`, `content-length` and the
    /// pool's own. Trusted.
    pub headers: &'r [u8],
    /// The body. `None` sends no `content-length` (dispatcher.md 9.1); empty sends `0`.
    pub body: Option<&'r [u8]>,
    /// How much of the answer's body is wanted.
    pub keep: Keep,
    /// The time for the whole attempt: waiting for a connection, connecting, sending, and the
    /// answer. Noticed up to about 110 ms late, never early.
    pub timeout: Duration,
}

/// How many bytes of an answer's body are kept, by its status (dispatcher.md W17). The rest is
/// read past if it is short, else the connection is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Of an answer below 300.
    pub success: usize,
    /// Of any other.
    pub failure: usize,
}

/// Request line and the headers that each request to a target has.
pub(crate) fn prefix(options: &ClientOptions, target: &Target, headers: &[u8]) -> Vec<u8> {
    let mut prefix =
        format!("POST {} HTTP/1.1\r\nhost: {}\r\n", target.path_and_query(), target.authority())
            .into_bytes();
    if let Some(agent) = &options.user_agent {
        prefix.extend_from_slice(b"user-agent: ");
        prefix.extend(agent.bytes().filter(|byte| matches!(byte, b' '..=b'~')));
        prefix.extend_from_slice(b"\r\n");
    }
    if !options.keep_alive {
        prefix.extend_from_slice(b"connection: close\r\n");
    }
    prefix.extend_from_slice(headers);
    prefix
}

/// The last lines of a request's head, written without an allocation.
pub(crate) struct HeadEnd {
    bytes: [u8; 48],
}

impl Default for HeadEnd {
    fn default() -> Self {
        Self { bytes: [0; 48] }
    }
}

impl HeadEnd {
    pub(crate) fn write(&mut self, body: Option<&[u8]>) -> &[u8] {
        let Some(body) = body else { return b"\r\n" };
        const NAME: &[u8] = b"content-length: ";
        const END: &[u8] = b"\r\n\r\n";
        let mut left = body.len();
        let digits = std::iter::from_fn(|| {
            let digit = b'0' | u8::try_from(left.checked_rem(10)?).ok()?;
            left /= 10;
            Some((digit, left == 0))
        });
        // Backwards from the end, where the digits come out in order: at most 20 of them, so that
        // all fits.
        let mut at = self.bytes.iter_mut().rev();
        let mut used = 0_usize;
        let mut put = |byte: u8| {
            if let Some(place) = at.next() {
                *place = byte;
                used = used.saturating_add(1);
            }
        };
        END.iter().rev().for_each(|byte| put(*byte));
        for (digit, is_last) in digits {
            put(digit);
            if is_last {
                break;
            }
        }
        NAME.iter().rev().for_each(|byte| put(*byte));
        let start = self.bytes.len().saturating_sub(used);
        self.bytes.get(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_with_the_length_of_a_body() {
        assert_eq!(HeadEnd::default().write(None), b"\r\n");
        assert_eq!(HeadEnd::default().write(Some(b"")), b"content-length: 0\r\n\r\n");
        for length in [3, 10, 99, 100, 1_048_576] {
            let body = vec![0; length];
            let expected = format!("content-length: {length}\r\n\r\n");
            assert_eq!(HeadEnd::default().write(Some(&body)), expected.as_bytes());
        }
    }
}
