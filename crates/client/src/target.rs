//! Where requests go: a URL, parsed once (dispatcher.md 9.1).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use millrace_settings::secret::user_info_end;

/// The URL of a subscriber, dead letter sink or reply sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Without user-info and fragment.
    url: Arc<str>,
    host: Host,
    port: u16,
    host_header: Box<str>,
    path_and_query: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    Name(Arc<str>),
}

/// Why a URL is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// TLS is not spoken yet.
    #[error("URL \"{url}\": https is not supported yet; use an http URL")]
    Https {
        /// The URL.
        url: String,
    },
    /// Another scheme, or none.
    #[error("URL \"{url}\" must be absolute and start with http://")]
    Scheme {
        /// The URL.
        url: String,
    },
    /// No host, or one that is neither a name nor an address.
    #[error("URL \"{url}\" has no usable host: a name, an IPv4 address or an [IPv6] address")]
    Host {
        /// The URL.
        url: String,
    },
    /// The port is not one.
    #[error("URL \"{url}\" has a port that is not a number from 1 to 65535")]
    Port {
        /// The URL.
        url: String,
    },
    /// A byte that would break the request line.
    #[error(
        "URL \"{url}\" has a blank, a control character or one beyond ASCII: percent-encode it"
    )]
    Character {
        /// The URL.
        url: String,
    },
}

const HTTP_PORT: u16 = 80;
/// RFC 1035 2.3.4, with a trailing dot.
const NAME_BYTES_MAX: usize = 254;

impl Target {
    /// Reads an absolute `http` URL. User-info and fragment are ignored; path and query are used
    /// as written.
    ///
    /// # Errors
    /// Names the URL and what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let given = || shown(url);
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Character { url: given() });
        }
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| TargetError::Scheme { url: given() })?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(TargetError::Https { url: given() });
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(TargetError::Scheme { url: given() });
        }
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host_text, port_text) =
            split_port(authority).ok_or_else(|| TargetError::Host { url: given() })?;
        let host = read_host(host_text).ok_or_else(|| TargetError::Host { url: given() })?;
        let port = read_port(port_text).ok_or_else(|| TargetError::Port { url: given() })?;
        let host_header = match port {
            HTTP_PORT => host_text.to_owned(),
            port => format!("{host_text}:{port}"),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path_and_query = format!("{slash}{path}");
        Ok(Self {
            url: format!("http://{host_header}{path_and_query}").into(),
            host,
            port,
            host_header: host_header.into(),
            path_and_query: path_and_query.into(),
        })
    }

    /// The URL without user-info and fragment, for messages.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Host and port as the Host header names them; targets that agree in it can share connections.
    pub fn authority(&self) -> &str {
        &self.host_header
    }

    pub(crate) fn shared_url(&self) -> Arc<str> {
        Arc::clone(&self.url)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.path_and_query
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url)
    }
}

/// The URL for a message: without a password, on one line.
fn shown(url: &str) -> String {
    let authority_start = match url.find("://") {
        Some(at) => at.saturating_add(3),
        None => url.len().saturating_sub(url.trim_start_matches('/').len()),
    };
    let (scheme, rest) = url.split_at_checked(authority_start).unwrap_or(("", url));
    let host = user_info_end(rest).and_then(|end| rest.get(end..)).unwrap_or(rest);
    format!("{scheme}{host}").escape_debug().to_string()
}

/// The host with its brackets, and what follows its colon.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')?.checked_add(1)?;
        let (host, rest) = authority.split_at_checked(end)?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    Some(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn read_host(text: &str) -> Option<Host> {
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(Host::Address(literal.parse::<Ipv6Addr>().ok()?.into()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let is_name_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
    (fits && text.bytes().all(is_name_byte)).then(|| Host::Name(text.into()))
}

/// An empty port is the default one (RFC 3986 3.2.3).
fn read_port(text: Option<&str>) -> Option<u16> {
    match text {
        None | Some("") => Some(HTTP_PORT),
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let table = [
            ("http://h", "h", 80, "h", "/"),
            ("http://h/", "h", 80, "h", "/"),
            ("HTTP://h:80/a", "h", 80, "h", "/a"),
            ("http://h:/a", "h", 80, "h", "/a"),
            ("http://h:8080/a/b?c=d&e=%20", "h", 8080, "h:8080", "/a/b?c=d&e=%20"),
            ("http://h?x=/y", "h", 80, "h", "/?x=/y"),
            ("http://user:pa@ss@h/a#frag?x", "h", 80, "h", "/a"),
            ("http://h#frag", "h", 80, "h", "/"),
            ("http://h//a/../b", "h", 80, "h", "//a/../b"),
            (
                "http://a.b-c_d.svc.cluster.local./x",
                "a.b-c_d.svc.cluster.local.",
                80,
                "a.b-c_d.svc.cluster.local.",
                "/x",
            ),
        ];
        for (url, host, port, header, path) in table {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.host, Host::Name(host.into()), "{url}");
            assert_eq!((target.port, &*target.host_header), (port, header), "{url}");
            assert_eq!(&*target.path_and_query, path, "{url}");
        }
    }

    #[test]
    fn addresses_are_no_names() {
        let table = [
            ("http://127.0.0.1:9/a", "127.0.0.1", "127.0.0.1:9"),
            ("http://[::1]/a", "::1", "[::1]"),
            ("http://u@[fd00::1.2.3.4]:8/a", "fd00::102:304", "[fd00::1.2.3.4]:8"),
        ];
        for (url, address, header) in table {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.host, Host::Address(address.parse().unwrap()), "{url}");
            assert_eq!(&*target.host_header, header, "{url}");
        }
    }

    #[test]
    fn what_is_no_target_is_said() {
        let table = [
            ("https://h/", "https is not supported yet"),
            ("ftp://h/", "must be absolute"),
            ("h/a", "must be absolute"),
            ("", "must be absolute"),
            ("http:h", "must be absolute"),
            ("http://", "no usable host"),
            ("http:///a", "no usable host"),
            ("http://:80/", "no usable host"),
            ("http://a%41/", "no usable host"),
            ("http://[::1", "no usable host"),
            ("http://[::1]x/", "no usable host"),
            ("http://[fe80::1%25eth0]/", "no usable host"),
            ("http://[127.0.0.1]/", "no usable host"),
            ("http://h:0/", "1 to 65535"),
            ("http://h:65536/", "1 to 65535"),
            ("http://h:+80/", "1 to 65535"),
            ("http://h:80:80/", "1 to 65535"),
            ("http://h/a b", "percent-encode"),
            ("http://h/\r\nx: y", "percent-encode"),
            ("http://h/\u{e9}", "percent-encode"),
        ];
        for (url, words) in table {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains(words), "{url:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn passwords_are_in_no_message() {
        let error = Target::parse("https://me:secret@h/a").unwrap_err().to_string();
        assert!(error.contains("https://h/a") && !error.contains("secret"), "{error}");
        for url in ["ftp://me:se/secret@h/a", "ftp://me:se@secret/x@h/a", "//me:secret@h/a"] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains("//h/a") && !error.contains("se"), "{error}");
        }
        let target = Target::parse("http://me:secret@h/a#x").unwrap();
        assert_eq!(target.to_string(), "http://h/a");
    }
}
