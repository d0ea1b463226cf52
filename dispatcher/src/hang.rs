//! Makes a partition, its lane or its whole shard hang: for the test of the stall detector, and in no
//! program without the feature `testing`.
//!
//! `MILLRACE_TEST_HANG=KIND:TOPIC:PARTITION:FILE` holds up a `record` before its delivery, the `lane`
//! before it takes records, or the `shard` with everything on it, for as long as the file exists.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use millrace_shard::sleep;

use crate::link::Link;

const VARIABLE: &str = "MILLRACE_TEST_HANG";
const LOOK: Duration = Duration::from_millis(50);

/// What to hold up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Record,
    Lane,
    Shard,
}

struct Hang {
    kind: Kind,
    topic: String,
    partition: i32,
    file: PathBuf,
}

/// Before the delivery of a record.
pub(crate) async fn record(link: &Link) {
    while is_held(Kind::Record, link) {
        sleep(LOOK).await;
    }
    while is_held(Kind::Shard, link) {
        std::thread::sleep(LOOK);
    }
}

/// Before a lane takes records.
pub(crate) async fn lane(link: &Link) {
    while is_held(Kind::Lane, link) {
        sleep(LOOK).await;
    }
}

fn is_held(kind: Kind, link: &Link) -> bool {
    hang().is_some_and(|hang| {
        hang.kind == kind
            && hang.partition == link.partition
            && *hang.topic == *link.topic
            && hang.file.exists()
    })
}

fn hang() -> Option<&'static Hang> {
    static HANG: OnceLock<Option<Hang>> = OnceLock::new();
    HANG.get_or_init(|| parse(&std::env::var(VARIABLE).ok()?)).as_ref()
}

fn parse(text: &str) -> Option<Hang> {
    let mut parts = text.splitn(4, ':');
    let kind = match parts.next()? {
        "record" => Kind::Record,
        "lane" => Kind::Lane,
        "shard" => Kind::Shard,
        _ => return None,
    };
    let (topic, partition) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    Some(Hang { kind, topic, partition, file: parts.next()?.into() })
}
