//! Makes the producers of a cluster, one for each shard, from the operator's properties.

use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use millrace_kafka::budget::{ByteBudget, ClusterBudget};
use millrace_kafka::properties::ProducerSettings;
use millrace_kafka::{Producer, ProducerOptions};
use millrace_shard::WakePair;
use millrace_shard::politeness::start_politely;

use crate::cluster::ClusterId;
use crate::housekeeping::Chore;
use crate::lane::NewLane;
use crate::reconcile::ClientFactory;

/// `batch.size` as shipped, which is Java's default: nobody has chosen it.
const JAVA_BATCH_SIZE: u32 = 16_384;
/// What it becomes with adaptive batching. Java packs a batch of each partition into one request,
/// librdkafka sends one batch a request: cut at 16 KiB, a burst would be a dozen small requests.
const BURST_BYTES: u32 = 1_000_000;

/// See the head of this file.
pub(crate) struct ProducerFactory {
    /// What the properties file says, or why no client can be made from it.
    pub(crate) settings: Result<ProducerSettings, String>,
    pub(crate) shards: usize,
    pub(crate) budget: ByteBudget,
    /// Whether anybody looks at the clients' statistics.
    pub(crate) statistics: bool,
    /// How long a record may wait for company when `linger.ms` is 0.
    pub(crate) batch_delay: Duration,
    pub(crate) chores: Sender<Chore>,
    /// Counts clients without a name of their own, as Java does.
    pub(crate) named: u32,
}

impl ClientFactory for ProducerFactory {
    type Client = NewLane;

    fn create(&mut self, _: ClusterId, bootstrap: &str) -> Result<Vec<NewLane>, String> {
        let settings = self.settings.clone()?;
        // All shards' clients of one configuration go by one name, as if they were one.
        let client_id = match &settings.client_id {
            Some(name) => name.clone(),
            None => {
                self.named = self.named.saturating_add(1);
                format!("producer-{}", self.named)
            }
        };
        let mut options = ProducerOptions::new(&settings, bootstrap, &client_id);
        if !self.statistics {
            options.pairs.push(("statistics.interval.ms".into(), "0".into()));
        }
        let batch_delay =
            Some(self.batch_delay).filter(|delay| settings.linger.is_zero() && !delay.is_zero());
        if batch_delay.is_some() && settings.batch_size == JAVA_BATCH_SIZE {
            options.pairs.push(("batch.size".into(), BURST_BYTES.to_string()));
        }
        let budget = self.budget.cluster();
        let one = |shard| self.one(shard, &options, &budget, batch_delay);
        (0..self.shards).map(one).collect()
    }
}

impl ProducerFactory {
    fn one(
        &self,
        shard: usize,
        options: &ProducerOptions,
        budget: &ClusterBudget,
        batch_delay: Option<Duration>,
    ) -> Result<NewLane, String> {
        let wake = WakePair::new()
            .map_err(|error| format!("no file descriptors for a producer's wake-ups: {error}"))?;
        let producer = start_politely(|| Producer::create(options, wake.writer.as_fd()))
            .map_err(|error| format!("no thread to make a producer: {error}"))?
            .map_err(|error| error.to_string())?;
        Ok(NewLane {
            producer,
            reader: wake.reader,
            budget: budget.clone(),
            chores: self.chores.clone(),
            client_id: options.client_id.clone(),
            shard,
            batch_delay,
        })
    }
}
