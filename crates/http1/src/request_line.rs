//! The request line: method, target, version (RFC 9112 3).

use crate::Refusal;
use crate::classes::{is_host, is_target, is_token};
use crate::span::Span;

/// The methods that the receiver tells apart (receiver.md 2.1). Case matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `GET`: probes.
    Get,
    /// `POST`: events.
    Post,
    /// Any other valid method name.
    #[default]
    Other,
}

/// The versions that we speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes unless asked to keep the connection, knows no chunks.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// The path without query; empty when an absolute target has none.
    pub(crate) path: Span,
    /// Host and port of an absolute target.
    pub(crate) authority: Option<Span>,
}

impl RequestLine {
    /// Reads `line`, a slice of `buf` without its line end.
    pub(crate) fn parse(buf: &[u8], line: &[u8]) -> Result<Self, Refusal> {
        let (method, rest) = split_once(line, b' ').ok_or(Refusal::RequestLine)?;
        if method.is_empty() || !is_token(method) {
            return Err(Refusal::RequestLine);
        }
        let (target, version) = split_once(rest, b' ').ok_or(Refusal::RequestLine)?;
        let version = read_version(version)?;
        if target.is_empty() || !is_target(target) {
            return Err(Refusal::Target);
        }
        let (path, authority) = split_target(method, target)?;
        let authority = authority.map(|authority| Span::of(buf, authority)).transpose()?;
        let method = match method {
            b"GET" => Method::Get,
            b"POST" => Method::Post,
            _ => Method::Other,
        };
        Ok(Self { method, version, path: Span::of(buf, path)?, authority })
    }
}

/// A well-formed version that we do not speak is 505, anything else is no request line at all:
/// HTTP/0.9 has none, and lower case is not HTTP.
fn read_version(version: &[u8]) -> Result<Version, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal::Version)
        }
        _ => Err(Refusal::RequestLine),
    }
}

/// Path (no query) and authority of a target in one of the four forms of RFC 9112 3.2. The
/// asterisk and the authority form are paths without a leading slash, which no route has.
fn split_target<'b>(
    method: &[u8],
    target: &'b [u8],
) -> Result<(&'b [u8], Option<&'b [u8]>), Refusal> {
    if method == b"CONNECT" {
        return if is_authority(target) { Ok((target, None)) } else { Err(Refusal::Target) };
    }
    if target.first() == Some(&b'/') {
        return Ok((without_query(target), None));
    }
    if target == b"*" {
        return Ok((target, None));
    }
    let rest = strip_scheme(target).ok_or(Refusal::Target)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(Refusal::Target)?;
    if !is_authority(authority) {
        return Err(Refusal::Target);
    }
    Ok((without_query(path), Some(authority)))
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn without_query(target: &[u8]) -> &[u8] {
    split_once(target, b'?').map_or(target, |(path, _)| path)
}

/// Whether `value` is a host with an optional port. User names, blanks, lists and percent signs
/// are not: what one reader takes for a host, another may not.
pub(crate) fn is_authority(value: &[u8]) -> bool {
    if let [b'[', rest @ ..] = value {
        return split_once(rest, b']').is_some_and(|(literal, rest)| {
            is_ip_literal(literal)
                && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
        });
    }
    match split_once(value, b':') {
        Some((host, port)) => !host.is_empty() && is_host(host) && is_port(port),
        None => !value.is_empty() && is_host(value),
    }
}

fn is_port(digits: &[u8]) -> bool {
    matches!(digits.len(), 1..=5) && digits.iter().all(u8::is_ascii_digit)
}

fn is_ip_literal(literal: &[u8]) -> bool {
    !literal.is_empty()
        && literal.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

pub(crate) fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = memchr::memchr(at, bytes)?;
    let (before, rest) = bytes.split_at_checked(position)?;
    Some((before, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_target() {
        type Target = Result<(&'static str, Option<&'static str>), Refusal>;
        let table: &[(&str, Target)] = &[
            ("POST /ns/a HTTP/1.1", Ok(("/ns/a", None))),
            ("POST /ns/a?x=/y HTTP/1.1", Ok(("/ns/a", None))),
            ("POST //h/a HTTP/1.1", Ok(("//h/a", None))),
            ("POST /%2e%2E/a HTTP/1.1", Ok(("/%2e%2E/a", None))),
            ("POST http://h:80/ns/a?q HTTP/1.1", Ok(("/ns/a", Some("h:80")))),
            ("POST HTTPS://h/ns/a HTTP/1.1", Ok(("/ns/a", Some("h")))),
            ("POST http://h HTTP/1.1", Ok(("", Some("h")))),
            ("POST http://h?q HTTP/1.1", Ok(("", Some("h")))),
            ("POST http://[::1]:8080/a HTTP/1.1", Ok(("/a", Some("[::1]:8080")))),
            ("OPTIONS * HTTP/1.1", Ok(("*", None))),
            ("CONNECT h:80 HTTP/1.1", Ok(("h:80", None))),
            ("CONNECT /ns/a HTTP/1.1", Err(Refusal::Target)),
            ("POST h:80 HTTP/1.1", Err(Refusal::Target)),
            ("POST ns/a HTTP/1.1", Err(Refusal::Target)),
            ("POST http:///ns/a HTTP/1.1", Err(Refusal::Target)),
            ("POST http://u@h/ns/a HTTP/1.1", Err(Refusal::Target)),
            ("POST ftp://h/ns/a HTTP/1.1", Err(Refusal::Target)),
            ("POST ?q HTTP/1.1", Err(Refusal::Target)),
            ("POST /a#b HTTP/1.1", Err(Refusal::Target)),
            ("POST /a?\"b HTTP/1.1", Err(Refusal::Target)),
            ("POST /a\u{7f} HTTP/1.1", Err(Refusal::Target)),
            ("POST /a\tb HTTP/1.1", Err(Refusal::Target)),
            ("POST /\u{e9} HTTP/1.1", Err(Refusal::Target)),
            ("CONNECT / a HTTP/1.1", Err(Refusal::RequestLine)),
        ];
        for (line, expected) in table {
            let bytes = line.as_bytes();
            let parsed = RequestLine::parse(bytes, bytes).map(|parsed| {
                let authority = parsed.authority.map(|authority| authority.bytes(bytes));
                (parsed.path.bytes(bytes), authority)
            });
            let expected = expected
                .map(|(path, authority)| (path.as_bytes(), authority.map(|host| host.as_bytes())));
            assert_eq!(parsed, expected, "{line}");
        }
    }

    #[test]
    fn methods_and_versions() {
        type Start = Result<(Method, Version), Refusal>;
        let table: &[(&str, Start)] = &[
            ("GET / HTTP/1.0", Ok((Method::Get, Version::Http10))),
            ("POST / HTTP/1.1", Ok((Method::Post, Version::Http11))),
            ("post / HTTP/1.1", Ok((Method::Other, Version::Http11))),
            ("M-SEARCH / HTTP/1.1", Ok((Method::Other, Version::Http11))),
            ("PRI * HTTP/2.0", Err(Refusal::Version)),
            ("GET / HTTP/1.2", Err(Refusal::Version)),
            ("GET / HTTP/0.9", Err(Refusal::Version)),
            ("GET / HTTP/11", Err(Refusal::RequestLine)),
            ("GET / HTTP/1.10", Err(Refusal::RequestLine)),
            ("GET / http/1.1", Err(Refusal::RequestLine)),
            ("GET /", Err(Refusal::RequestLine)),
            ("GET", Err(Refusal::RequestLine)),
            (" GET / HTTP/1.1", Err(Refusal::RequestLine)),
            ("GET  / HTTP/1.1", Err(Refusal::RequestLine)),
            ("GET /  HTTP/1.1", Err(Refusal::RequestLine)),
            ("GET / HTTP/1.1 ", Err(Refusal::RequestLine)),
            ("GET / a HTTP/1.1", Err(Refusal::RequestLine)),
            ("GET\t/ HTTP/1.1", Err(Refusal::RequestLine)),
            ("G@T / HTTP/1.1", Err(Refusal::RequestLine)),
            ("G\u{e9}T / HTTP/1.1", Err(Refusal::RequestLine)),
        ];
        for (line, expected) in table {
            let bytes = line.as_bytes();
            let parsed =
                RequestLine::parse(bytes, bytes).map(|parsed| (parsed.method, parsed.version));
            assert_eq!(parsed, *expected, "{line}");
        }
    }

    #[test]
    fn authorities() {
        for good in ["h", "h:1", "a.b-c_d:65535", "10.0.0.1:80", "[::1]", "[fe80::1.2.3.4]:8"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "h:", "h:x", "h:123456", "h:1:2", "u@h", "h/p", "a b", "a%41", "[", "[]",
            "[::1", "[::1]x", "[g]", "h\u{e9}", "h\\p",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }
}
