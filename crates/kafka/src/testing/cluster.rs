//! The mock cluster: start it, make topics, let it fail on purpose.

use super::TestingError;
use crate::ffi::mock::Mock;

/// Bytes that a mock partition keeps; older record batches are dropped.
pub const RECORD_BYTES_MAX_PER_PARTITION: usize = 5 * 1024 * 1024;
/// Records that a mock partition keeps; older record batches are dropped.
pub const RECORDS_MAX_PER_PARTITION: usize = 100_000;

/// How long a new group waits for more members, so that they share the first assignment. Kafka's
/// default, three seconds, would be most of a test.
const REBALANCE_DELAY_MS: i32 = 50;

/// Kafka protocol request numbers, for [`MockCluster::push_request_errors`] and [`MockCluster::requests`].
pub mod api_key {
    /// Records from a producer.
    pub const PRODUCE: i16 = 0;
    /// Records to a consumer.
    pub const FETCH: i16 = 1;
    /// Topics, partitions and their leaders.
    pub const METADATA: i16 = 3;
    /// Offsets of a group, to note.
    pub const OFFSET_COMMIT: i16 = 8;
    /// A member that enters a group.
    pub const JOIN_GROUP: i16 = 11;
    /// A member that leaves its group.
    pub const LEAVE_GROUP: i16 = 13;
}

/// Kafka brokers in this process, on loopback; gone when dropped.
///
/// `Send`, not `Sync`: steer it from one thread at a time. Broker ids count from 1; -1 means all.
pub struct MockCluster(Mock);

impl MockCluster {
    /// Starts that many brokers on ports chosen by the system.
    ///
    /// # Errors
    /// When librdkafka cannot make its client or open the ports.
    pub fn start(brokers: i32) -> Result<Self, TestingError> {
        let mock = Mock::start(brokers)?;
        mock.rebalance_delay(REBALANCE_DELAY_MS);
        Ok(Self(mock))
    }

    /// `host:port` of every broker, separated by commas.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Makes a topic. Topics are also made with 4 partitions when a producer first asks for them.
    ///
    /// # Errors
    /// When the topic exists.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), TestingError> {
        refused(self.0.create_topic(name, partitions), || format!("creating topic {name}"))
    }

    /// Answers metadata requests for this topic with a Kafka error code; 0 ends it. Error 3
    /// (unknown topic) makes a topic look missing although the mock would create it.
    ///
    /// # Errors
    /// When the code is none that librdkafka knows.
    pub fn topic_error(&self, name: &str, code: i32) -> Result<(), TestingError> {
        refused(self.0.topic_error(name, code), || format!("setting an error for topic {name}"))
    }

    /// Cuts the broker's connections and takes no new ones. Leaders stay where they are.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn broker_down(&self, broker: i32) -> Result<(), TestingError> {
        refused(self.0.broker_down(broker), || format!("taking broker {broker} down"))
    }

    /// Lets the broker take connections again.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn broker_up(&self, broker: i32) -> Result<(), TestingError> {
        refused(self.0.broker_up(broker), || format!("bringing broker {broker} up"))
    }

    /// Delays every answer of the broker by that many milliseconds.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn round_trip_time(&self, broker: i32, ms: i32) -> Result<(), TestingError> {
        refused(self.0.round_trip_time(broker, ms), || format!("delaying broker {broker}"))
    }

    /// Moves a partition to a leader; -1 leaves it without one. Makes the topic when missing.
    ///
    /// A produce request of version 10 for a partition without a leader ends the process: the mock
    /// wants to name the leader in its answer. See [`MockCluster::api_version_max`].
    ///
    /// # Errors
    /// When there is no such broker or partition.
    pub fn leader(&self, topic: &str, partition: i32, broker: i32) -> Result<(), TestingError> {
        refused(self.0.leader(topic, partition, broker), || {
            format!("making broker {broker} the leader of {topic}/{partition}")
        })
    }

    /// Lets the brokers speak no higher version of that kind of request. For clients that connect
    /// after that.
    ///
    /// # Errors
    /// When the mock knows no such kind.
    pub fn api_version_max(&self, api_key: i16, version: i16) -> Result<(), TestingError> {
        refused(self.0.api_version_max(api_key, version), || {
            format!("holding requests of kind {api_key} at version {version}")
        })
    }

    /// Moves a consumer group to another coordinator, which knows all of the group at once.
    ///
    /// # Errors
    /// When the name is none.
    pub fn coordinator(&self, group: &str, broker: i32) -> Result<(), TestingError> {
        refused(self.0.coordinator(group, broker), || {
            format!("making broker {broker} the coordinator of {group}")
        })
    }

    /// Fails the next requests of that kind, one for each code, in this order. Codes are Kafka's;
    /// -195 (librdkafka's transport failure) cuts the connection.
    pub fn push_request_errors(&self, api_key: i16, codes: &[i32]) {
        self.0.push_request_errors(api_key, codes);
    }

    /// Forgets the errors that are still to come for that kind of request.
    pub fn clear_request_errors(&self, api_key: i16) {
        self.0.clear_request_errors(api_key);
    }

    /// Starts to remember requests for [`MockCluster::requests`]. They are kept without bound.
    pub fn track_requests(&self) {
        self.0.track_requests();
    }

    /// The [`api_key`] of each request since tracking began.
    #[must_use]
    pub fn requests(&self) -> Vec<i16> {
        self.0.requests()
    }
}

fn refused(result: Result<(), String>, what: impl FnOnce() -> String) -> Result<(), TestingError> {
    result.map_err(|reason| TestingError::Refused { what: what(), reason })
}
