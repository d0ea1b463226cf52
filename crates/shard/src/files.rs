//! How many files and sockets this process may have open.

use std::io;

use crate::sys;

/// Raises the limit as far as the process may, as a JVM does at its start: many systems keep the soft
/// limit at 1,024 for programs that could not do with more. Gives the limit in force.
///
/// # Errors
/// When the kernel does not tell the limit.
pub fn raise_limit() -> io::Result<u64> {
    sys::raise_open_files()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_limit().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let mut columns = line.split_whitespace().map(|column| column.parse::<u64>().ok());
        assert_eq!(columns.next(), Some(Some(raised)));
        assert_eq!(columns.next(), Some(Some(raised)));
    }
}
