//! Queues of connections that wait, socket buffers, ports.

use super::Scene;
use crate::check::Program;
use crate::check::finding::{Said, warning};

/// What the Java program's HTTP library asks for.
const BACKLOG: u64 = 1_024;
/// A closed connection keeps its port for so many seconds (TIME_WAIT).
const TIME_WAIT_S: u64 = 60;

fn is_receiver(scene: &Scene<'_>) -> bool {
    scene.wanted.program == Program::Receiver
}

pub(super) fn accept_queue(scene: &Scene<'_>) -> Option<Said> {
    let somaxconn = scene.facts.somaxconn.filter(|_| is_receiver(scene))?;
    let need = scene.wanted.backlog.unwrap_or(BACKLOG);
    if somaxconn >= need {
        return None;
    }
    warning(
        format!(
            "Of connections that wait to be accepted net.core.somaxconn keeps {somaxconn} for each shard; {need} {}. \
             The rest of a burst is dropped and tries again after a second.",
            if scene.wanted.backlog.is_some() {
                "are asked for (acceptBacklog)"
            } else {
                "would be usual"
            }
        ),
        format!(
            "Set net.core.somaxconn={} (a namespaced sysctl: securityContext.sysctls).",
            need.max(4_096)
        ),
    )
}

pub(super) fn syn_queue(scene: &Scene<'_>) -> Option<Said> {
    let facts = scene.facts;
    let backlog = facts.syn_backlog.filter(|_| is_receiver(scene))?;
    // With cookies a full queue costs options, not connections.
    if facts.syncookies? != 0 || backlog >= BACKLOG {
        return None;
    }
    warning(
        format!(
            "net.ipv4.tcp_max_syn_backlog is {backlog} and SYN cookies are off: a burst of new connections, or a \
             flood, keeps others out."
        ),
        format!("Set net.ipv4.tcp_syncookies=1, and net.ipv4.tcp_max_syn_backlog={}.", 4 * BACKLOG),
    )
}

pub(super) fn socket_buffers(scene: &Scene<'_>) -> Option<Said> {
    let facts = scene.facts;
    let cut = scene.wanted.buffers.iter().find_map(|buffer| {
        let (max, name) = if buffer.receives {
            (facts.receive_buffer_max?, "net.core.rmem_max")
        } else {
            (facts.send_buffer_max?, "net.core.wmem_max")
        };
        (buffer.bytes > max).then_some((buffer, max, name))
    });
    let (buffer, max, name) = cut?;
    warning(
        format!("{}={} is cut to {max} by {name}, without a word.", buffer.setting, buffer.bytes),
        format!(
            "Set {name}={} on the node; or write -1, and the kernel sizes the buffer by itself up to tcp_{}.",
            buffer.bytes,
            if buffer.receives { "rmem" } else { "wmem" }
        ),
    )
}

pub(super) fn local_ports(scene: &Scene<'_>) -> Option<Said> {
    if is_receiver(scene) {
        return None;
    }
    let (first, last) = scene.facts.local_ports?;
    let (ports, need) = ((last + 1).saturating_sub(first), 2 * scene.wanted.connections());
    if ports >= need {
        return None;
    }
    warning(
        format!(
            "There are {ports} local ports; {} egresses may have {} connections, to one address if all subscribers \
             stand behind one gateway, and a restart needs as many again.",
            scene.wanted.egresses,
            scene.wanted.connections()
        ),
        "Set net.ipv4.ip_local_port_range=\"1024 65535\" (a namespaced sysctl), lower maxPoolSize, or spread the \
         egresses over more pods.",
    )
}

pub(super) fn port_reuse(scene: &Scene<'_>) -> Option<Said> {
    let facts = scene.facts;
    if is_receiver(scene) || scene.wanted.keep_alive || facts.reuse_ports? == 1 {
        return None;
    }
    let (first, last) = facts.local_ports?;
    let rate = (last + 1).saturating_sub(first) / TIME_WAIT_S;
    warning(
        format!(
            "keepAlive=false makes a connection for each event, and closed ones keep their port for {TIME_WAIT_S} s: \
             no more than {rate} events a second to one address."
        ),
        "Leave keepAlive on; else set net.ipv4.tcp_tw_reuse=1.",
    )
}
