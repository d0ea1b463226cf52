//! The URI reference check of the Java receiver (receiver.md 3.3).
//!
//! The grammar is RFC 2396 with RFC 2732 addresses, and the deviations of `java.net.URI`:
//! visible characters outside ASCII stand for themselves, an empty authority is fine when
//! something follows it, and an authority that is no server name may be any registry name.

/// Whether the text is a URI reference; on refusal the rule that was broken.
pub(crate) fn check(uri: &str) -> Result<(), &'static str> {
    // Most sources are a plain absolute path, which one pass settles.
    if let [b'/', rest @ ..] = uri.as_bytes()
        && rest.first() != Some(&b'/')
        && rest.iter().all(|&byte| has(byte, PATH))
    {
        return Ok(());
    }
    let (before_fragment, fragment) = match uri.split_once('#') {
        Some((before, fragment)) => (before, Some(fragment)),
        None => (uri, None),
    };
    match scheme_and_rest(before_fragment)? {
        Some("") => return Err("nothing after the scheme"),
        Some(hierarchical) if hierarchical.starts_with('/') => {
            check_hierarchical(hierarchical, fragment.is_some())?;
        }
        Some(opaque) => check_chars(opaque, URIC, "illegal character")?,
        None => check_hierarchical(before_fragment, fragment.is_some())?,
    }
    fragment.map_or(Ok(()), |fragment| check_chars(fragment, URIC, "illegal character in fragment"))
}

/// What follows the scheme, or `None` when there is no scheme.
fn scheme_and_rest(uri: &str) -> Result<Option<&str>, &'static str> {
    let Some(at) = uri.bytes().position(|byte| matches!(byte, b':' | b'/' | b'?')) else {
        return Ok(None);
    };
    let (scheme, rest) = uri.split_at(at);
    let Some(rest) = rest.strip_prefix(':') else { return Ok(None) };
    match scheme.as_bytes() {
        [] => Err("no scheme before the colon"),
        [first, others @ ..]
            if first.is_ascii_alphabetic()
                && others.iter().all(|&byte| has(byte, ALNUM) || b"+-.".contains(&byte)) =>
        {
            Ok(Some(rest))
        }
        _ => Err("illegal character in the scheme"),
    }
}

/// `[//authority]path[?query]`.
fn check_hierarchical(text: &str, fragment_follows: bool) -> Result<(), &'static str> {
    let mut path = text;
    if let Some(after) = text.strip_prefix("//") {
        let end = after.bytes().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
        let (authority, rest) = after.split_at(end);
        if !authority.is_empty() {
            check_authority(authority)?;
        } else if rest.is_empty() && !fragment_follows {
            return Err("no authority after the slashes");
        }
        path = rest;
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    check_chars(path, PATH, "illegal character in the path")?;
    check_chars(query, URIC, "illegal character in the query")
}

/// Without brackets any registry name passes, which includes every server name. With brackets
/// it must be a server whose host is an IPv6 address.
fn check_authority(authority: &str) -> Result<(), &'static str> {
    if !authority.bytes().any(|byte| matches!(byte, b'[' | b']')) {
        return check_chars(authority, REGISTRY, "illegal character in the authority");
    }
    const MALFORMED: &str = "malformed IPv6 address in the authority";
    let (user, host_and_port) = match authority.split_once('@') {
        Some((user, rest)) => (user, rest),
        None => ("", authority),
    };
    check_chars(user, USER, "illegal character in the user info")?;
    let inside = host_and_port.strip_prefix('[').ok_or(MALFORMED)?;
    let (address, port) = inside.split_once(']').ok_or(MALFORMED)?;
    check_ipv6(address).ok_or(MALFORMED)?;
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some("") => Ok(()),
        Some(digits)
            if digits.bytes().all(|byte| byte.is_ascii_digit())
                && digits.parse::<i32>().is_ok() =>
        {
            Ok(())
        }
        _ => Err("malformed port"),
    }
}

/// An address with an optional scope: `fe80::1%eth0`.
fn check_ipv6(text: &str) -> Option<()> {
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    address.parse::<std::net::Ipv6Addr>().ok()?;
    let scope_fits = scope.is_none_or(|scope| {
        !scope.is_empty() && scope.bytes().all(|byte| has(byte, ALNUM) || b"_.".contains(&byte))
    });
    scope_fits.then_some(())
}

/// Every character is of the class, an escape `%hh`, or visible and outside ASCII.
fn check_chars(text: &str, class: u8, illegal: &'static str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !has(byte, class)) {
        let special = rest.get(at..).unwrap_or_default();
        let mut chars = special.chars();
        match chars.next() {
            Some('%') => match special.as_bytes() {
                [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = special.get(3..).unwrap_or_default();
                    continue;
                }
                _ => return Err("percent sign without two hex digits"),
            },
            Some(other) if !other.is_ascii() && is_visible(other) => rest = chars.as_str(),
            _ => return Err(illegal),
        }
    }
    Ok(())
}

/// Neither a space nor a control character in Java's reading of Unicode.
fn is_visible(outside_ascii: char) -> bool {
    !matches!(
        outside_ascii,
        '\u{80}'..='\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

// Classes of ASCII characters, a bit each; RFC 2396 appendix A.
const ALNUM: u8 = 1;
const USER: u8 = 2;
const REGISTRY: u8 = 4;
const PATH: u8 = 8;
const URIC: u8 = 16;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    mark(&mut table, b"0123456789", ALNUM | USER | REGISTRY | PATH | URIC);
    mark(&mut table, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", ALNUM | USER | REGISTRY | PATH | URIC);
    mark(&mut table, b"abcdefghijklmnopqrstuvwxyz", ALNUM | USER | REGISTRY | PATH | URIC);
    mark(&mut table, b"-_.!~*'()", USER | REGISTRY | PATH | URIC);
    mark(&mut table, b";:&=+$,", USER | REGISTRY | PATH | URIC);
    mark(&mut table, b"@", REGISTRY | PATH | URIC);
    mark(&mut table, b"/", PATH | URIC);
    mark(&mut table, b"?[]", URIC);
    table
}

const fn mark(table: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= class;
        at += 1;
    }
}

static CLASSES: [u8; 256] = classes();

fn has(byte: u8, class: u8) -> bool {
    // A byte always indexes a table of 256.
    CLASSES[usize::from(byte)] & class != 0
}

#[cfg(test)]
mod tests;
