//! Media types: which event format a request has, and whether data counts as JSON.

/// `application/cloudevents-batch+json`: compared without case, blanks or parameters.
#[must_use]
pub fn is_batch(content_type: &[u8]) -> bool {
    essence(content_type).eq_ignore_ascii_case(b"application/cloudevents-batch+json")
}

/// `application/cloudevents+json` (receiver.md 3.1 rule 1, lenient as in W24).
pub(crate) fn is_structured(content_type: &[u8]) -> bool {
    essence(content_type).eq_ignore_ascii_case(b"application/cloudevents+json")
}

/// Any CloudEvents format, known or not (receiver.md 3.1 rule 2).
pub(crate) fn is_event_format(content_type: &[u8]) -> bool {
    const PREFIX: &[u8] = b"application/cloudevents";
    let head = content_type.trim_ascii_start().get(..PREFIX.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(PREFIX))
}

/// Whether structured `data` of this type may be any JSON value: `*/json` and `*/*+json` (W24).
pub(crate) fn is_json_input(content_type: &str) -> bool {
    let essence = essence(content_type.as_bytes());
    let Some(slash) = essence.iter().position(|&byte| byte == b'/') else { return false };
    let subtype = essence.get(slash.saturating_add(1)..).unwrap_or_default();
    let suffix = subtype.rsplit(|&byte| byte == b'+').next().unwrap_or_default();
    suffix.eq_ignore_ascii_case(b"json")
}

/// Whether bytes of this type are pasted as JSON into a structured record. Narrower than the
/// test on input so that what consumers find in a topic keeps its shape (receiver.md 3.4, W24):
/// `(application|text)/` then optionally letters and `+`, then `json`, then parameters.
pub(crate) fn is_json_output(content_type: &str) -> bool {
    let rest = content_type.strip_prefix("application/");
    let Some(subtype) = rest.or_else(|| content_type.strip_prefix("text/")) else { return false };
    let after_prefix = match subtype.split_once('+') {
        Some((word, rest)) if is_word(word) => rest,
        _ => subtype,
    };
    let Some(parameters) = after_prefix.strip_prefix("json") else { return false };
    parameters.is_empty() || (parameters.starts_with(';') && !parameters.contains(LINE_ENDS))
}

/// The line terminators that a dot does not match in a Java pattern.
const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The media type without parameters and surrounding blanks.
fn essence(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    content_type.get(..end).unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart_without_case_and_blanks() {
        for yes in [
            "application/cloudevents+json",
            "Application/CloudEvents+JSON",
            " application/cloudevents+json ; charset=utf-8",
        ] {
            assert!(is_structured(yes.as_bytes()), "{yes}");
        }
        for no in ["application/cloudevents", "application/cloudevents+json2", "application/json"] {
            assert!(!is_structured(no.as_bytes()), "{no}");
        }
        assert!(is_batch(b"application/CloudEvents-batch+json; charset=utf-8"));
        assert!(!is_batch(b"application/cloudevents+json"));
        assert!(is_event_format(b"APPLICATION/cloudevents+avro"));
        assert!(!is_event_format(b"application/cloudevent"));
    }

    #[test]
    fn json_on_input_is_any_json_suffix() {
        for yes in ["application/json", "TEXT/JSON; x=y", "application/vnd.x+json", "a/b+c+json"] {
            assert!(is_json_input(yes), "{yes}");
        }
        for no in ["", "json", "text/plain", "application/jsonp", "application/json+xml", "a/xjson"]
        {
            assert!(!is_json_input(no), "{no}");
        }
    }

    #[test]
    fn json_on_output_follows_the_narrow_pattern() {
        for yes in [
            "application/json",
            "text/json",
            "application/json;charset=utf-8",
            "application/json;;a=b; ",
            "application/cloudevents+json",
        ] {
            assert!(is_json_output(yes), "{yes}");
        }
        for no in [
            "",
            "Application/json",
            "application/json ; charset=utf-8",
            "application/vnd.x+json",
            "application/x-y+json",
            "application/a1+json",
            "application/+json",
            "application/a+b+json",
            "application/json;\n",
            "image/json",
            "application/jsonx",
            " application/json",
        ] {
            assert!(!is_json_output(no), "{no}");
        }
    }
}
