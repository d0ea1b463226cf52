//! What a consumer group has committed, who is in it, and where it is to begin.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::wait::{SOON, until, within};
use crate::wire::{Body, Link};

const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const FIND_COORDINATOR: i16 = 10;
const DESCRIBE_GROUPS: i16 = 15;
/// A group that is loading or that nobody coordinates yet.
const NOT_YET: [i16; 3] = [14, 15, 16];

/// Asks a cluster about groups; every question is a connection of its own.
#[derive(Clone, Debug)]
pub struct Groups {
    bootstrap: String,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`.
    pub state: String,
    /// The assignor that the members agreed on.
    pub protocol: String,
    /// Member id and client id.
    pub members: BTreeMap<String, String>,
}

impl Groups {
    pub fn of(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned() }
    }

    /// Commits for a group that has no members, in one request for all partitions from 0 on.
    ///
    /// # Panics
    /// When the cluster does not take it, after a while.
    pub fn begin_at(&self, group: &str, topic: &str, offsets: &[i64]) {
        until(&format!("{group} to begin at {offsets:?} of {topic}"), SOON, || {
            self.commit(group, topic, offsets).expect("the cluster answers")
        });
    }

    /// What the group has committed for a partition; `None` when nothing.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        until(&format!("the offset of {group} in {topic}-{partition}"), SOON, || {
            self.fetch(group, topic, partition).ok().flatten()
        })
    }

    /// Waits until the group has committed exactly that offset: the `C=n` of dispatcher.md 18.
    ///
    /// # Panics
    /// When it never does, with what it has committed instead, and at once when it is beyond.
    pub fn settles_at(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let committed = || self.committed(group, topic, partition).unwrap_or(-1);
        let reached = within(SOON, || Some(committed()).filter(|now| *now >= offset));
        let now = reached.unwrap_or_else(committed);
        assert_eq!(now, offset, "what {group} has committed for {topic}-{partition}");
    }

    /// What the coordinator says of a group. Real clusters only: the mock does not answer it.
    pub fn describe(&self, group: &str) -> Description {
        until(&format!("a description of {group}"), SOON, || {
            self.try_describe(group).expect("a real cluster answers")
        })
    }

    /// Waits until the group has settled with so many members, and returns them.
    pub fn settles_with(&self, group: &str, members: usize, limit: Duration) -> Description {
        let wanted = if members == 0 { "Empty" } else { "Stable" };
        let mut last = None;
        let found = within(limit, || {
            let description = self.describe(group);
            let settled = description.members.len() == members
                && (description.state == wanted || members == 0 && description.state == "Dead");
            last = Some(description.clone());
            settled.then_some(description)
        });
        found.unwrap_or_else(|| panic!("{group} never had {members} members at rest: {last:?}"))
    }

    /// `None` while there is no coordinator.
    fn commit(&self, group: &str, topic: &str, offsets: &[i64]) -> io::Result<Option<()>> {
        let Some(mut link) = self.coordinator(group)? else { return Ok(None) };
        let mut body = Body::default();
        // No generation, no member, the broker's retention: a commit from outside the group.
        body.text(Some(group)).i32(-1).text(Some("")).i64(-1).i32(1).text(Some(topic));
        body.i32(i32::try_from(offsets.len()).map_err(io::Error::other)?);
        for (partition, offset) in (0..).zip(offsets) {
            body.i32(partition).i64(*offset).text(Some(""));
        }
        let mut answer = link.ask(OFFSET_COMMIT, 2, &body)?;
        let (_topics, _name) = (answer.i32()?, answer.text()?);
        for _ in 0..answer.i32()? {
            let partition = answer.i32()?;
            match answer.i16()? {
                0 => {}
                // A topic made a moment ago may be unknown there yet.
                code if code == 3 || NOT_YET.contains(&code) => return Ok(None),
                code => {
                    return Err(io::Error::other(format!(
                        "{group} in {topic}-{partition}: Kafka error {code}"
                    )));
                }
            }
        }
        Ok(Some(()))
    }

    /// Outer `None`: no coordinator yet; inner one: nothing committed.
    fn fetch(&self, group: &str, topic: &str, partition: i32) -> io::Result<Option<Option<i64>>> {
        let Some(mut link) = self.coordinator(group)? else { return Ok(None) };
        let mut body = Body::default();
        body.text(Some(group)).i32(1).text(Some(topic)).i32(1).i32(partition);
        let mut answer = link.ask(OFFSET_FETCH, 1, &body)?;
        let (_topics, _name, _partitions, _index) =
            (answer.i32()?, answer.text()?, answer.i32()?, answer.i32()?);
        let (offset, _metadata) = (answer.i64()?, answer.text()?);
        match answer.i16()? {
            0 => Ok(Some((offset >= 0).then_some(offset))),
            _ => Ok(None),
        }
    }

    fn try_describe(&self, group: &str) -> io::Result<Option<Description>> {
        let Some(mut link) = self.coordinator(group)? else { return Ok(None) };
        let mut body = Body::default();
        body.i32(1).text(Some(group));
        let mut answer = link.ask(DESCRIBE_GROUPS, 0, &body)?;
        let (_groups, code, _name) = (answer.i32()?, answer.i16()?, answer.text()?);
        if code != 0 {
            return Ok(None);
        }
        let (state, _kind, protocol) = (answer.text()?, answer.text()?, answer.text()?);
        let mut members = BTreeMap::new();
        for _ in 0..answer.i32()? {
            let (member, client) = (answer.text()?, answer.text()?);
            let (_host, _metadata, _assignment) =
                (answer.text()?, answer.bytes()?, answer.bytes()?);
            members.insert(member, client);
        }
        Ok(Some(Description { state, protocol, members }))
    }

    /// A connection to the coordinator, once there is one: asking is what makes Kafka's offsets topic.
    fn coordinator(&self, group: &str) -> io::Result<Option<Link>> {
        let mut link = Link::open(&self.bootstrap)?;
        let mut body = Body::default();
        body.text(Some(group));
        let mut answer = link.ask(FIND_COORDINATOR, 0, &body)?;
        if answer.i16()? != 0 {
            return Ok(None);
        }
        let (_node, host, port) = (answer.i32()?, answer.text()?, answer.i32()?);
        let coordinator = format!("{host}:{port}");
        if coordinator == self.bootstrap {
            Ok(Some(link))
        } else {
            Link::open(&coordinator).map(Some)
        }
    }
}
