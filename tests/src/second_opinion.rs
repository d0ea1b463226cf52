//! What a reader that nobody here wrote, Python's confluent-kafka, finds in a topic and in the commits of its groups.
//!
//! The oracle's books say what must be there; the harness's own clients have said that it is. This one has to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::oracle::{Id, Oracle};
use crate::python;

/// See the head of this file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondOpinion {
    pub records: usize,
    /// Of the events in the records.
    pub ids: BTreeSet<Id>,
    /// The next offset of each partition.
    pub ends: BTreeMap<i32, i64>,
    /// By group and partition.
    pub committed: BTreeMap<(String, i32), i64>,
}

impl SecondOpinion {
    /// Reads a topic from its beginning, and what the groups have committed. `None`, and a loud skip, without Python.
    ///
    /// # Panics
    /// When the reader fails, or prints what it should not.
    pub fn of(bootstrap: &str, topic: &str, groups: &[&str]) -> Option<Self> {
        let mut script = python::script("second_opinion.py")?;
        let output = script.args([bootstrap, topic]).args(groups).output().expect("Python runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the second reader failed: {complaint}");
        let text = String::from_utf8(output.stdout).expect("it prints ASCII");
        Some(Self::parse(&text).unwrap_or_else(|line| panic!("the second reader said {line:?}")))
    }

    /// The reader's lines, or the first one that is odd.
    fn parse(text: &str) -> Result<Self, String> {
        let (mut opinion, mut done) = (Self::default(), false);
        for line in text.lines() {
            let odd = |_| line.to_owned();
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["record", id] => {
                    opinion.ids.insert(id.parse().map_err(odd)?);
                    opinion.records += 1;
                }
                ["end", partition, offset] => {
                    let offset = offset.parse().map_err(|_| line.to_owned())?;
                    opinion.ends.insert(partition.parse().map_err(|_| line.to_owned())?, offset);
                }
                ["committed", group, partition, offset] => {
                    let partition = partition.parse().map_err(|_| line.to_owned())?;
                    let offset = offset.parse().map_err(|_| line.to_owned())?;
                    opinion.committed.insert((group.to_owned(), partition), offset);
                }
                ["done"] => done = true,
                _ => return Err(line.to_owned()),
            }
        }
        if done { Ok(opinion) } else { Err("no last line".to_owned()) }
    }

    /// Every owed event is in the topic, as is every one that was delivered and no other, and every group has committed
    /// the end of every partition.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn assert_agrees_with(&self, oracle: &Oracle) {
        let absent: Vec<Id> =
            oracle.owed().into_iter().filter(|id| !self.ids.contains(id)).take(20).collect();
        assert!(absent.is_empty(), "owed, and not in the topic: {absent:?}");
        assert_eq!(self.ids.len(), oracle.delivered(), "events in the topic, and delivered");
        assert!(!self.committed.is_empty(), "no commits were read");
        for ((group, partition), offset) in &self.committed {
            let end = self.ends.get(partition);
            assert_eq!(
                Some(offset),
                end,
                "commit of {group} in partition {partition}, and its end"
            );
        }
    }
}

/// Words for people, such as `a second reader found 4 records of 3 events, 8 commits at the end`.
impl fmt::Display for SecondOpinion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_end = self
            .committed
            .iter()
            .filter(|((_, partition), offset)| self.ends.get(partition) == Some(offset))
            .count();
        let (records, events, commits) = (self.records, self.ids.len(), self.committed.len());
        write!(
            f,
            "a second reader found {records} records of {events} events, {at_end} of {commits} commits at the end"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "end 0 3\nrecord 1-0\nrecord 1-1\nrecord 1-1\ncommitted g 0 3\ndone\n";

    fn oracle(numbers: u64) -> Oracle {
        let oracle = Oracle::default();
        for number in 0..numbers {
            oracle.owe(Id { key: 1, number });
            oracle.done(Id { key: 1, number });
        }
        oracle
    }

    #[test]
    fn agrees_when_all_is_there() {
        let opinion = SecondOpinion::parse(TEXT).unwrap();
        opinion.assert_agrees_with(&oracle(2));
        let words = "a second reader found 3 records of 2 events, 1 of 1 commits at the end";
        assert_eq!(opinion.to_string(), words);
    }

    #[test]
    #[should_panic(expected = "owed, and not in the topic: [Id { key: 1, number: 2 }]")]
    fn sees_what_is_missing() {
        SecondOpinion::parse(TEXT).unwrap().assert_agrees_with(&oracle(3));
    }

    #[test]
    #[should_panic(expected = "commit of g in partition 0")]
    fn sees_a_commit_that_is_behind() {
        let behind = TEXT.replace("g 0 3", "g 0 2");
        SecondOpinion::parse(&behind).unwrap().assert_agrees_with(&oracle(2));
    }

    #[test]
    fn half_a_report_is_none() {
        assert!(SecondOpinion::parse("end 0 3\nrecord 1-0\n").is_err());
        assert!(SecondOpinion::parse("record x\ndone\n").is_err());
    }
}
