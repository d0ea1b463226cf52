//! Memory that a program may lock: little, also where root would be above the limit.

use std::process::Command;

/// `CAP_IPC_LOCK` in the masks of proc(5): who has it is above the limit (capabilities(7)).
const IPC_LOCK: u64 = 1 << 14;

/// The words to put in front of a program that is to lock so many bytes at most. Nothing, and a loud skip, where that
/// cannot be had: a container may neither grant the right to be above the limit nor the one to give it up.
pub fn at_most(bytes: u32) -> Option<Vec<String>> {
    let limit = format!("--memlock={bytes}:{bytes}");
    let limited = ["prlimit", &limit];
    // A change of rights takes away the signal that is to come with the test's end, so it is asked for again.
    let given_up = [
        "setpriv",
        "--bounding-set=-ipc_lock",
        "--inh-caps=-ipc_lock",
        "--pdeathsig",
        "KILL",
        "--",
    ];
    let both = [limited.as_slice(), &given_up].concat();
    let mut refused = Vec::new();
    for words in [limited.as_slice(), &both] {
        match obeys(words) {
            Ok(()) => return Some(words.iter().map(ToString::to_string).collect()),
            Err(why) => refused.push(why),
        }
    }
    eprintln!("SKIPPED: no program can be kept from locking memory here: {}", refused.join("; "));
    None
}

/// Whether a program behind these words has to keep to the limit.
fn obeys(words: &[&str]) -> Result<(), String> {
    let (first, rest) = words.split_first().ok_or("no words")?;
    let tried = Command::new(first).args(rest).args(["cat", "/proc/self/status"]).output();
    let output = tried.map_err(|error| format!("{first}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let status = String::from_utf8_lossy(&output.stdout);
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match mask {
        Some(mask) if mask & IPC_LOCK == 0 => Ok(()),
        _ => Err(format!("{first} leaves the right to lock more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_returned_holds() {
        let Some(words) = at_most(65_536) else { return };
        let (first, rest) = words.split_first().unwrap();
        let output = Command::new(first).args(rest).args(["cat", "/proc/self/limits"]).output();
        let limits = String::from_utf8(output.unwrap().stdout).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap();
        assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["65536", "65536"]);
    }

    #[test]
    fn a_command_that_fails_is_no_limit() {
        assert!(obeys(&["false"]).is_err());
        assert!(obeys(&["/nonexistent"]).is_err());
        assert!(obeys(&[]).is_err());
    }
}
