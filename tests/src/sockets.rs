//! A process's TCP connections as the kernel knows them: what our own metrics could get wrong.

use std::collections::BTreeSet;
use std::fs;

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// The local ports of the process's established connections to a port, such as a broker's.
pub fn connections(pid: u32, remote_port: u16) -> BTreeSet<u16> {
    let sockets = in_state(pid, ESTABLISHED).into_iter();
    sockets.filter(|(_, remote)| *remote == remote_port).map(|(local, _)| local).collect()
}

/// The ports on which the process takes connections.
pub fn listening(pid: u32) -> BTreeSet<u16> {
    in_state(pid, LISTEN).into_iter().map(|(local, _)| local).collect()
}

/// Local and remote ports of the process's sockets in a state.
fn in_state(pid: u32, state: &str) -> Vec<(u16, u16)> {
    let own = socket_inodes(pid);
    let read = |table| fs::read_to_string(format!("/proc/{pid}/net/{table}"));
    // A kernel without IPv6 has no second table.
    let tables = read("tcp").expect("the process runs") + &read("tcp6").unwrap_or_default();
    tables
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = own.contains(*fields.get(9)?) && *fields.get(3)? == state;
            ours.then_some((port(fields.get(1)?)?, port(fields.get(2)?)?))
        })
        .collect()
}

fn port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

fn socket_inodes(pid: u32) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs");
    entries
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn sees_a_connection_of_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let expected = BTreeSet::from([client.local_addr().unwrap().port()]);
        assert_eq!(connections(std::process::id(), port), expected);
        assert!(listening(std::process::id()).contains(&port));
    }
}
