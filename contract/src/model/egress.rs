//! One subscriber of a resource: what it reads, what passes, where it goes.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Delivery, Endpoint, Filter, Reference};

/// What the dispatcher runs for one Trigger, Subscription or KafkaSource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Identity across contracts. Several may share a group: pods of one subscriber.
    pub uid: Arc<str>,
    /// Kafka `group.id`; not blank.
    pub consumer_group: String,
    /// The subscriber.
    pub destination: Endpoint,
    /// What happens with the event it answers.
    pub reply: Reply,
    /// Which events it gets.
    pub filter: Filter,
    /// Its own configuration if it has one, even empty, else the resource's, else the default.
    pub delivery: Delivery,
    /// In order, or as they come.
    pub order: DeliveryOrder,
    /// How record keys are read.
    pub key_type: KeyType,
    /// Trigger, KafkaSource or KafkaChannel, for labels and logs.
    pub reference: Reference,
    /// Share of the subscriber placed on this pod; feeds the rate limiter.
    pub virtual_replicas: NonZeroU32,
    /// Limit polling of an ordered egress.
    pub rate_limiter: bool,
    /// Export queue metrics of an ordered egress by partition.
    pub ordered_metrics: bool,
    /// Service account to request tokens for, in the namespace of the resource.
    pub service_account: Option<String>,
}

/// What happens with an event that the subscriber answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Written to the first topic of the resource; also when nothing is said.
    Topic,
    /// Thrown away.
    Discard,
    /// Sent there.
    Url(Endpoint),
}

/// How many events may be on their way at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryOrder {
    /// Many. Also what an unknown order means (contract.md 3).
    #[default]
    Unordered,
    /// One for each partition.
    Ordered,
}

/// How the key of a plain record becomes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// UTF-8. Also what an unknown type means (contract.md 3).
    #[default]
    String,
    /// Big-endian integer.
    Integer,
    /// Big-endian IEEE 754.
    Double,
    /// Any bytes.
    ByteArray,
}
