//! The routing snapshot: path and host to ingress, built once per contract and swapped whole.
//!
//! Pure: nothing here does I/O. A shard resolves every request on the snapshot that it holds, so an
//! ingress present before and after an update is never missing in between (receiver.md W4, W50).

use std::sync::Arc;

use hashbrown::HashMap;
use millrace_event::ContentMode;

use crate::cluster::ClusterId;

/// One served ingress.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ingress {
    /// `Resource.uid`.
    pub(crate) uid: Arc<str>,
    /// `Resource.reference`: labels of the dispatch metric.
    pub(crate) kind: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    /// `topics[0]`.
    pub(crate) topic: Arc<str>,
    /// How the event is written to Kafka.
    pub(crate) mode: ContentMode,
    /// Which producer configuration it uses.
    pub(crate) cluster: ClusterId,
    /// Verbatim `ingress.path`, if usable.
    pub(crate) path: Option<Box<str>>,
    /// Verbatim `ingress.host`, if any.
    pub(crate) host: Option<Box<str>>,
}

/// Position of an ingress in its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IngressIndex(pub(crate) usize);

/// Longest name a Host header may carry to be compared in the lenient way (RFC 1035 2.3.4).
const HOST_MAX: usize = 255;

/// All routes of one contract.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    ingresses: Vec<Arc<Ingress>>,
    paths: HashMap<Box<[u8]>, IngressIndex>,
    hosts: HashMap<Box<[u8]>, IngressIndex>,
    /// Lower-case, without port and trailing dot, with the cluster-local short forms.
    lenient_hosts: HashMap<Box<[u8]>, IngressIndex>,
}

impl Routes {
    /// Builds the maps. Where two ingresses claim one path or host the later in `ingresses` wins;
    /// the other comes back as soon as the winner is gone (receiver.md W41).
    pub(crate) fn new(ingresses: Vec<Arc<Ingress>>) -> Routes {
        let mut routes = Routes { ingresses, ..Routes::default() };
        for (position, ingress) in routes.ingresses.iter().enumerate() {
            let index = IngressIndex(position);
            if let Some(path) = &ingress.path {
                routes.paths.insert(path.as_bytes().into(), index);
            }
            if let Some(host) = &ingress.host {
                routes.hosts.insert(host.as_bytes().into(), index);
                for form in lenient_forms(host) {
                    routes.lenient_hosts.insert(form.into_bytes().into(), index);
                }
            }
        }
        routes
    }

    /// All ingresses, by index.
    pub(crate) fn ingresses(&self) -> &[Arc<Ingress>] {
        &self.ingresses
    }

    /// Path first, without one trailing slash, then host: exactly, then leniently
    /// (receiver.md 2.2, W7). `path` is raw: not decoded, without query.
    pub(crate) fn find(&self, path: &[u8], host: Option<&[u8]>) -> Option<IngressIndex> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if let Some(index) = self.paths.get(path) {
            return Some(*index);
        }
        let host = host?;
        if self.hosts.is_empty() {
            return None;
        }
        if let Some(index) = self.hosts.get(host) {
            return Some(*index);
        }
        let mut storage = [0; HOST_MAX];
        self.lenient_hosts.get(lenient(host, &mut storage)?).copied()
    }
}

/// Lower case, no port, no trailing dot. None when it is too long to be a host name.
fn lenient<'b>(host: &[u8], storage: &'b mut [u8; HOST_MAX]) -> Option<&'b [u8]> {
    let host = without_port(host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    let target = storage.get_mut(..host.len())?;
    target.copy_from_slice(host);
    target.make_ascii_lowercase();
    Some(target)
}

fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        _ => host,
    }
}

/// The full name and, for a cluster-local service name `<service>.<namespace>.svc…`, the forms that
/// Kubernetes' search domains let clients use.
fn lenient_forms(host: &str) -> Vec<String> {
    let mut storage = [0; HOST_MAX];
    let Some(full) = lenient(host.as_bytes(), &mut storage) else { return Vec::new() };
    let full = String::from_utf8_lossy(full).into_owned();
    let labels: Vec<&str> = full.split('.').collect();
    match labels.as_slice() {
        [service, namespace, "svc", ..] => {
            let short = format!("{service}.{namespace}");
            vec![format!("{short}.svc"), short, full]
        }
        _ => vec![full],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(uid: &str, path: &str, host: &str) -> Arc<Ingress> {
        let some = |text: &str| (!text.is_empty()).then(|| text.into());
        Arc::new(Ingress {
            uid: uid.into(),
            kind: "Broker".into(),
            namespace: "ns".into(),
            name: uid.into(),
            topic: "t".into(),
            mode: ContentMode::Binary,
            cluster: ClusterId(0),
            path: some(path),
            host: some(host),
        })
    }

    const CHANNEL: &str = "c-kn-channel.ns.svc.cluster.local";

    fn find<'r>(routes: &'r Routes, path: &str, host: Option<&str>) -> Option<&'r str> {
        let index = routes.find(path.as_bytes(), host.map(str::as_bytes))?;
        Some(&routes.ingresses()[index.0].uid)
    }

    #[test]
    fn path_wins_over_host_and_one_slash_is_stripped() {
        let routes = Routes::new(vec![ingress("a", "/ns/a", ""), ingress("c", "/ns/c", CHANNEL)]);
        assert_eq!(find(&routes, "/ns/a", None), Some("a"));
        assert_eq!(find(&routes, "/ns/a/", None), Some("a"));
        assert_eq!(find(&routes, "/ns/a//", None), None);
        assert_eq!(find(&routes, "/ns/%61", None), None);
        assert_eq!(find(&routes, "/ns/a/sub", Some("other")), None);
        assert_eq!(find(&routes, "/ns/a", Some(CHANNEL)), Some("a"));
        assert_eq!(find(&routes, "/whatever", Some(CHANNEL)), Some("c"));
        assert_eq!(find(&routes, "/", Some(CHANNEL)), Some("c"));
        assert_eq!(find(&routes, "/", None), None);
    }

    #[test]
    fn hosts_are_compared_without_case_port_and_trailing_dot() {
        let routes = Routes::new(vec![ingress("c", "", CHANNEL)]);
        for host in [
            "C-KN-CHANNEL.ns.svc.cluster.local:80",
            "c-kn-channel.ns.svc.cluster.local.",
            "c-kn-channel.ns.svc.cluster.local.:8080",
            "c-kn-channel.ns",
            "c-kn-channel.ns.svc",
            "c-kn-channel.ns.svc:80",
        ] {
            assert_eq!(find(&routes, "/", Some(host)), Some("c"), "{host}");
        }
        for host in ["c-kn-channel", "c-kn-channel.ns.svc.other", "x", "", ":80", &"a".repeat(300)]
        {
            assert_eq!(find(&routes, "/", Some(host)), None, "{host}");
        }
    }

    #[test]
    fn the_later_claim_wins_and_the_earlier_returns() {
        let (first, second) = (ingress("first", "/ns/a", ""), ingress("second", "/ns/a", ""));
        let routes = Routes::new(vec![first.clone(), second]);
        assert_eq!(find(&routes, "/ns/a", None), Some("second"));
        let routes = Routes::new(vec![first]);
        assert_eq!(find(&routes, "/ns/a", None), Some("first"));
    }

    #[test]
    fn an_exact_host_beats_another_ones_short_form() {
        let routes =
            Routes::new(vec![ingress("short", "", "c-kn-channel.ns"), ingress("c", "", CHANNEL)]);
        assert_eq!(find(&routes, "/", Some("c-kn-channel.ns")), Some("short"));
    }
}
