//! Outcome to status: the only place that picks one (receiver.md 2.1).

use millrace_http1::encode;
use millrace_http1::{Ending, Refusal};

/// Why a request was answered as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Liveness or readiness probe of the platform, or the control plane's probe of a known ingress.
    Healthy,
    /// Readiness before the first contract or while shutting down.
    NotReady,
    /// Neither POST nor a probe.
    MethodNotAllowed,
    /// No ingress for path and host.
    NoIngress,
    /// The body is not a valid event.
    BadEvent,
    /// Body or record larger than the producer's `max.request.size`.
    TooLarge,
    /// Kafka did not take the event, or not in time; or there was no room to wait.
    Unavailable,
    /// Kafka acknowledged.
    Accepted,
    /// The request itself is broken; the connection is closed.
    Refused(Refusal),
}

impl Verdict {
    /// The status; `too_large` is what the setting INGRESS_TOO_LARGE_STATUS asks for.
    pub(crate) fn status(self, too_large: u16) -> u16 {
        match self {
            Verdict::Healthy => 200,
            Verdict::NotReady | Verdict::Unavailable => 503,
            Verdict::MethodNotAllowed => 405,
            Verdict::NoIngress => 404,
            Verdict::BadEvent => 400,
            Verdict::TooLarge | Verdict::Refused(Refusal::BodyTooLarge) => too_large,
            Verdict::Accepted => 202,
            Verdict::Refused(refusal) => refusal.status(),
        }
    }

    /// A complete answer that needs no header of its own, ready made.
    pub(crate) fn ready_made(self, too_large: u16, ending: Ending) -> Option<&'static [u8]> {
        match self {
            Verdict::MethodNotAllowed => None,
            verdict => Some(encode::answer(verdict.status(too_large), ending)),
        }
    }
}

/// The answer with its extra headers: `allow` for a wrong method (receiver.md W34), the echoed
/// hash for the control plane's probe (receiver.md 2.3).
pub(crate) fn written(
    verdict: Verdict,
    too_large: u16,
    ending: Ending,
    probe_hash: Option<&[u8]>,
) -> Vec<u8> {
    let mut answer = Vec::with_capacity(128);
    let hash = probe_hash.map(|hash| ("k-network-hash", hash));
    let allow = (verdict == Verdict::MethodNotAllowed).then_some(("allow", b"POST".as_slice()));
    let headers: Vec<(&'static str, &[u8])> = hash.into_iter().chain(allow).collect();
    encode::write_answer(&mut answer, verdict.status(too_large), ending, &headers);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_its_status() {
        for (verdict, status) in [
            (Verdict::Healthy, 200),
            (Verdict::NotReady, 503),
            (Verdict::MethodNotAllowed, 405),
            (Verdict::NoIngress, 404),
            (Verdict::BadEvent, 400),
            (Verdict::TooLarge, 413),
            (Verdict::Unavailable, 503),
            (Verdict::Accepted, 202),
            (Verdict::Refused(Refusal::RequestLineTooLong), 414),
            (Verdict::Refused(Refusal::HeadersTooLarge), 431),
            (Verdict::Refused(Refusal::BodyTooLarge), 413),
            (Verdict::Refused(Refusal::BodyTimeout), 408),
        ] {
            assert_eq!(verdict.status(413), status, "{verdict:?}");
        }
        assert_eq!(Verdict::TooLarge.status(503), 503);
        assert_eq!(Verdict::Refused(Refusal::BodyTooLarge).status(503), 503);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_one() {
        let answer = written(Verdict::MethodNotAllowed, 413, Ending::KeepAlive, None);
        let text = String::from_utf8(answer).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\n\r\n"
        );
    }

    #[test]
    fn the_probe_hash_is_echoed() {
        let answer = written(Verdict::Healthy, 413, Ending::KeepAlive, Some(b"probe"));
        let text = String::from_utf8(answer).unwrap();
        assert_eq!(text, "HTTP/1.1 200 OK\r\nk-network-hash: probe\r\ncontent-length: 0\r\n\r\n");
    }
}
