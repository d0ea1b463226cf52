//! What a request asks for, by its head alone: probe, event, or an answer at once
//! (receiver.md 2.1, rows 1 to 4).

use std::rc::Rc;

use millrace_http1::{Head, Method};

use crate::respond::Verdict;
use crate::route::Route;
use crate::shard::Shard;

/// What to do with a request.
pub(crate) enum Decision {
    /// Answer at once; the body is not wanted.
    Answer(Verdict),
    /// Answer the control plane's probe of a known ingress, with its hash echoed.
    Probe(Option<Vec<u8>>),
    /// Read the body and hand the event to this ingress.
    Event(Rc<Route>),
}

/// Decides in the order of the Java data plane: platform probes, method, route, control-plane
/// probe. Authorisation has its place behind the route, before the body is read.
pub(crate) fn decide(shard: &Shard, head: &Head, buffer: &[u8]) -> Decision {
    let path = head.path(buffer);
    let method = head.method();
    if method == Method::Get {
        if path == shard.common.liveness.as_bytes() {
            return Decision::Answer(Verdict::Healthy);
        }
        if path == shard.common.readiness.as_bytes() {
            let verdict = if shard.is_ready() { Verdict::Healthy } else { Verdict::NotReady };
            return Decision::Answer(verdict);
        }
    }
    let probed = method == Method::Get && head.header(buffer, "k-network-probe") == Some(b"probe");
    if method != Method::Post && !probed {
        return Decision::Answer(Verdict::MethodNotAllowed);
    }
    let Some(route) = shard.route(path, head.host(buffer)) else {
        return Decision::Answer(Verdict::NoIngress);
    };
    if probed {
        return Decision::Probe(head.header(buffer, "k-network-hash").map(<[u8]>::to_vec));
    }
    Decision::Event(route)
}
