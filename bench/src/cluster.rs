//! The embedded Kafka: librdkafka's mock cluster, its topics, and commands that make it fail on purpose.

use std::str::FromStr;

use millrace_kafka::testing::{
    MockCluster, RECORD_BYTES_MAX_PER_PARTITION, RECORDS_MAX_PER_PARTITION, TestingError, api_key,
};
use thiserror::Error;

/// What everyone must know before trusting it with data.
pub fn warning() -> String {
    format!(
        "This is librdkafka's mock cluster, for trying out and for tests only: records live in memory, a partition \
         keeps the newest {} MiB or {RECORDS_MAX_PER_PARTITION} records, and there is no TLS, SASL or admin API.",
        RECORD_BYTES_MAX_PER_PARTITION / (1024 * 1024)
    )
}

/// A topic to make, written `NAME:PARTITIONS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
}

impl NewTopic {
    pub fn create(&self, cluster: &MockCluster) -> Result<(), TestingError> {
        cluster.create_topic(&self.name, self.partitions)
    }
}

/// Why a topic or a command was not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotUnderstood {
    #[error("topic {0:?}: write NAME:PARTITIONS with 1 to 1000 partitions")]
    Topic(String),
    #[error(
        "command {0:?}: use topic NAME:PARTITIONS | topic-error NAME CODE | down [BROKER] | up [BROKER] | delay MS [BROKER] | leader TOPIC PARTITION BROKER | coordinator GROUP BROKER | fail produce|metadata|fetch|commit CODE... | heal produce|metadata|fetch|commit"
    )]
    Command(String),
}

impl FromStr for NewTopic {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, NotUnderstood> {
        let topic = text.rsplit_once(':').and_then(|(name, partitions)| {
            let partitions = partitions.parse().ok().filter(|count| (1..=1000).contains(count))?;
            (!name.is_empty()).then(|| Self { name: name.to_owned(), partitions })
        });
        topic.ok_or_else(|| NotUnderstood::Topic(text.to_owned()))
    }
}

/// One line on standard input of `embedded-kafka`. Brokers count from 1; -1 is all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Topic(NewTopic),
    /// Metadata requests for the topic get this Kafka error code; 0 ends it.
    TopicError(String, i32),
    Down(i32),
    Up(i32),
    /// Each answer of the broker is late by so many milliseconds.
    Delay(i32, i32),
    /// The broker leads the partition from now on.
    Leader(String, i32, i32),
    /// The broker coordinates the consumer group from now on.
    Coordinator(String, i32),
    /// The next requests of that kind fail, one for each code.
    Fail(i16, Vec<i32>),
    /// No more requests of that kind fail.
    Heal(i16),
}

impl Command {
    pub fn run(&self, cluster: &MockCluster) -> Result<(), TestingError> {
        match self {
            Self::Topic(topic) => topic.create(cluster),
            Self::TopicError(topic, code) => cluster.topic_error(topic, *code),
            Self::Down(broker) => cluster.broker_down(*broker),
            Self::Up(broker) => cluster.broker_up(*broker),
            Self::Delay(ms, broker) => cluster.round_trip_time(*broker, *ms),
            Self::Leader(topic, partition, broker) => cluster.leader(topic, *partition, *broker),
            Self::Coordinator(group, broker) => cluster.coordinator(group, *broker),
            Self::Fail(api, codes) => {
                cluster.push_request_errors(*api, codes);
                Ok(())
            }
            Self::Heal(api) => {
                cluster.clear_request_errors(*api);
                Ok(())
            }
        }
    }
}

impl FromStr for Command {
    type Err = NotUnderstood;

    fn from_str(line: &str) -> Result<Self, NotUnderstood> {
        let refused = || NotUnderstood::Command(line.to_owned());
        let words: Vec<&str> = line.split_whitespace().collect();
        let broker =
            |word: Option<&&str>| word.map_or(Ok(-1), |word| word.parse().map_err(|_| refused()));
        let number = |word: &str| word.parse().map_err(|_| refused());
        match words.as_slice() {
            ["topic", topic] => Ok(Self::Topic(topic.parse()?)),
            ["topic-error", topic, code] => {
                Ok(Self::TopicError((*topic).to_owned(), number(code)?))
            }
            ["down", rest @ ..] if rest.len() < 2 => Ok(Self::Down(broker(rest.first())?)),
            ["up", rest @ ..] if rest.len() < 2 => Ok(Self::Up(broker(rest.first())?)),
            ["delay", ms, rest @ ..] if rest.len() < 2 => {
                Ok(Self::Delay(number(ms)?, broker(rest.first())?))
            }
            ["leader", topic, partition, broker] => {
                Ok(Self::Leader((*topic).to_owned(), number(partition)?, number(broker)?))
            }
            ["coordinator", group, broker] => {
                Ok(Self::Coordinator((*group).to_owned(), number(broker)?))
            }
            ["fail", api, codes @ ..] if !codes.is_empty() => {
                let api = api_of(api).ok_or_else(refused)?;
                let codes: Result<Vec<i32>, _> = codes.iter().map(|code| number(code)).collect();
                Ok(Self::Fail(api, codes?))
            }
            ["heal", api] => Ok(Self::Heal(api_of(api).ok_or_else(refused)?)),
            _ => Err(refused()),
        }
    }
}

fn api_of(name: &str) -> Option<i16> {
    match name {
        "produce" => Some(api_key::PRODUCE),
        "fetch" => Some(api_key::FETCH),
        "metadata" => Some(api_key::METADATA),
        "commit" => Some(api_key::OFFSET_COMMIT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_mistakes_are_named() {
        let topic = |name: &str, partitions| NewTopic { name: name.to_owned(), partitions };
        let good = [
            ("topic a.b:3", Command::Topic(topic("a.b", 3))),
            ("topic-error t 3", Command::TopicError("t".into(), 3)),
            ("down", Command::Down(-1)),
            (" up 2 ", Command::Up(2)),
            ("delay 20 1", Command::Delay(20, 1)),
            ("leader t 3 2", Command::Leader("t".into(), 3, 2)),
            ("coordinator g 2", Command::Coordinator("g".into(), 2)),
            ("fail commit 16", Command::Fail(api_key::OFFSET_COMMIT, vec![16])),
            ("heal commit", Command::Heal(api_key::OFFSET_COMMIT)),
            ("fail produce -195 7", Command::Fail(api_key::PRODUCE, vec![-195, 7])),
        ];
        for (line, command) in good {
            assert_eq!(line.parse(), Ok(command), "{line}");
        }
        for line in [
            "",
            "topic a",
            "topic :3",
            "topic a:0",
            "down x",
            "up 1 2",
            "delay",
            "leader t 1",
            "coordinator g",
            "heal",
            "fail produce",
            "fail x 1",
        ] {
            assert!(line.parse::<Command>().is_err(), "{line}");
        }
    }
}
