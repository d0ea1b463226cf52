//! From the contract to running egresses: what starts, what changes its ways, what starts anew, what
//! ends. One egress that cannot run stops no other.

use std::sync::Arc;
use std::time::Instant;

use millrace_contract::diff::{EgressStep, Wanted, egresses};
use millrace_kafka::properties::ConsumerSettings;
use millrace_kafka::{Consumer, ConsumerOptions, ProducerOptions};
use millrace_shard::politeness::start_politely;

use super::assign::tell;
use super::files::{self, NoFiles};
use super::member::Member;
use super::{Groups, RETRY, Word};
use crate::kafka_numbers::Commits;
use crate::plan::{Plan, PlanError, ReplyPlan};
use crate::replies;
use crate::seat::EgressSeat;
use crate::shard::Command;

/// Java's bound when the file has no `max.poll.records` (dispatcher.md 8.1).
const POLL_RECORDS: u32 = 50;
/// librdkafka's default is true, and so is Java's.
const METRICS_PUSH: &str = "enable.metrics.push";

/// Why an egress cannot be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Files(#[from] NoFiles),
    #[error("the consumer properties file cannot be used: {0}")]
    Settings(String),
    #[error("the consumer cannot be made: {0}")]
    Consumer(#[from] millrace_kafka::CreateError),
    #[error("the consumer cannot be made: {0}")]
    Thread(#[from] std::io::Error),
    #[error("the topics cannot be subscribed to: {0}")]
    Subscribe(millrace_kafka::GroupTrouble),
}

impl Groups {
    /// Brings what runs in line with the contract in force.
    pub(super) fn reconcile(&mut self) {
        let Some(contract) = self.contract.clone() else { return };
        self.refused.clear();
        self.starts.forget_waiting();
        // What follows an egress that is ending is decided anew.
        for member in self.members.values_mut() {
            if let Some(closing) = &mut member.closing {
                closing.next = None;
            }
        }
        let running = self.members.values().filter(|member| member.closing.is_none());
        let steps = egresses(running.map(|member| &member.wanted), &contract);
        for step in steps {
            self.take(step);
        }
        if !self.refused.is_empty() {
            self.retry_at = Some(Instant::now() + RETRY);
        }
    }

    fn take(&mut self, step: EgressStep) {
        let drain = self.settings.drain;
        let id_of = |uid: &Arc<str>| self.by_uid.get(uid).copied();
        match step {
            EgressStep::Keep(_) => {}
            EgressStep::Start(wanted) => {
                match id_of(wanted.uid()).and_then(|id| self.members.get_mut(&id)) {
                    // It comes back when the old one has gone.
                    Some(Member { closing: Some(closing), .. }) => {
                        closing.next = Some(Box::new(wanted));
                    }
                    _ => self.start(&wanted),
                }
            }
            EgressStep::Update(wanted) => {
                let Some(id) = id_of(wanted.uid()) else { return };
                match Plan::build(&wanted, &self.settings.plan) {
                    Ok(plan) => self.update(id, wanted, plan),
                    Err(error) => {
                        // What the contract says now cannot be done, and what it said before is not
                        // wanted any more: the records wait in Kafka.
                        self.refuse(&wanted.egress.uid, &error);
                        self.close(id, drain, None);
                    }
                }
            }
            EgressStep::Restart(wanted) => {
                let Some(id) = id_of(wanted.uid()) else { return };
                self.close(id, drain, Some(Box::new(wanted)));
            }
            // What is wanted now cannot be read (it was reported when the contract came), so the last
            // that could be read stays in force.
            EgressStep::Hold { .. } => {}
            EgressStep::Stop(uid) => {
                let Some(id) = id_of(&uid) else { return };
                self.close(id, drain, None);
            }
        }
    }

    /// Another filter, destination or delivery: the group is not left.
    fn update(&mut self, id: u64, wanted: Wanted, plan: Plan) {
        let plan = Arc::new(plan);
        let Some(member) = self.members.get_mut(&id) else { return };
        member.wanted = wanted;
        member.plan = plan.clone();
        tracing::info!(consumerGroup = %plan.group, trigger = %plan.name(), "An egress has changed.");
        let shards: Vec<usize> = member.lanes.iter().map(|lane| lane.shard).collect();
        for shard in shards {
            self.ensure_replies(shard, &plan);
        }
        for shard in &self.shards {
            tell(&shard.commands, Command::Update { member: id, plan: plan.clone() });
        }
        self.drop_unused_replies();
    }

    /// Starts an egress when its turn comes, or notes why not.
    pub(super) fn start(&mut self, wanted: &Wanted) {
        if self.draining || self.starts.wait(wanted) {
            return;
        }
        if let Err(error) = self.try_start(wanted) {
            self.refuse(&wanted.egress.uid, &error);
            self.retry_at.get_or_insert(Instant::now() + RETRY);
        }
    }

    /// Notes why an egress does not run, and says it once in the log.
    fn refuse(&mut self, uid: &Arc<str>, error: &dyn std::error::Error) {
        let reason = error.to_string();
        if self.told.get(uid) != Some(&reason) {
            tracing::error!(egress.uid = %uid, error = reason,
                "An egress of the contract does not run; it is tried again every five seconds.");
            self.told.insert(uid.clone(), reason.clone());
        }
        self.refused.insert(uid.clone(), reason);
    }

    fn try_start(&mut self, wanted: &Wanted) -> Result<(), StartError> {
        let plan = Arc::new(Plan::build(wanted, &self.settings.plan)?);
        files::room(self.starts.on_their_way())?;
        let settings = self.settings.consumer.as_ref();
        let settings = settings.map_err(|reason| StartError::Settings(reason.clone()))?;
        let batch = settings.max_poll_records.unwrap_or(POLL_RECORDS);
        let interval = settings.auto_commit_interval;
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let options = self.consumer_options(settings, &plan);
        let words = self.words.clone();
        let wake = Arc::new(move || {
            let _ = words.send(Word::Consumer { member: id });
        });
        // The threads of the client shall not preempt shards when woken.
        let consumer = start_politely(|| Consumer::create(&options, wake))??;
        consumer
            .subscribe(plan.topics.iter().map(|topic| &**topic))
            .map_err(StartError::Subscribe)?;
        let owner = self.registry.owner(&plan.uid);
        let seats = self.shards.len();
        let seat = Arc::new(EgressSeat::new(id, owner, batch, seats, &plan));
        let now = Instant::now();
        let meters = self.numbers.egress(&seat.owner, &plan.label);
        self.told.remove(&plan.uid);
        self.by_uid.insert(plan.uid.clone(), id);
        self.starts.begin(id, plan.bootstrap.clone(), now);
        tracing::info!(consumerGroup = %plan.group, trigger = %plan.name(),
            destination = plan.destination, ordered = plan.ordered, "An egress starts.");
        self.members.insert(
            id,
            Member {
                wanted: wanted.clone(),
                plan,
                seat,
                consumer,
                lanes: Vec::new(),
                revoking: None,
                closing: None,
                committing: None,
                next_commit: now + interval,
                commit_not_before: now,
                later: Default::default(),
                meters,
                client_id: options.client_id.into(),
                commits: Commits::default(),
            },
        );
        // What came before the wake-ups were set up raises none.
        self.serve(id);
        Ok(())
    }

    fn consumer_options(&self, settings: &ConsumerSettings, plan: &Plan) -> ConsumerOptions {
        let egresses = self.contract.iter().flat_map(|contract| &contract.resources);
        let egresses = egresses.map(|resource| resource.egresses.len()).sum();
        let options = ConsumerOptions::new(settings, &plan.bootstrap, &plan.group);
        let mut options = options.among(settings, egresses);
        options.max_poll_interval_ms = plan.max_poll_interval_ms;
        if !self.settings.statistics {
            options.pairs.push(("statistics.interval.ms".into(), "0".into()));
        }
        // To be able to push its metrics to a broker that asks for them (KIP-714), a client keeps histograms of all its
        // connections, asked or not: as much memory as all the rest of it.
        if !options.pairs.iter().any(|(key, _)| key == METRICS_PUSH) {
            options.pairs.push((METRICS_PUSH.into(), "false".into()));
        }
        options
    }

    /// Gives a shard the producer that replies to topics of this egress need.
    pub(super) fn ensure_replies(&mut self, shard: usize, plan: &Plan) {
        if !matches!(plan.reply, ReplyPlan::Topic(_)) {
            return;
        }
        let key = (shard, plan.bootstrap.clone());
        if self.reply_producers.contains(&key) {
            return;
        }
        let settings = match &self.settings.producer {
            Ok(settings) => settings,
            Err(reason) => {
                tracing::error!(trigger = %plan.name(), error = reason,
                    "Replies cannot be written: the producer properties file cannot be used.");
                return;
            }
        };
        let options = ProducerOptions::new(settings, &plan.bootstrap, "millrace-replies");
        let chores = self.chores.clone();
        let created = start_politely(|| replies::create(&options, chores));
        match created {
            Ok(Ok(new)) => {
                self.reply_producers.insert(key);
                if let Some(shard) = self.shards.get(shard) {
                    tell(&shard.commands, Command::Replies(Box::new(new)));
                }
            }
            Ok(Err(error)) => tracing::error!(trigger = %plan.name(), error = %error,
                "Replies cannot be written: their producer cannot be made."),
            Err(error) => tracing::error!(trigger = %plan.name(), error = %error,
                "Replies cannot be written: their producer cannot be made."),
        }
    }

    /// Lets producers go whose last egress has ended.
    pub(super) fn drop_unused_replies(&mut self) {
        let members = &self.members;
        let used = |bootstrap: &Arc<str>| {
            members.values().any(|member| {
                member.plan.bootstrap == *bootstrap
                    && matches!(member.plan.reply, ReplyPlan::Topic(_))
            })
        };
        let unused: Vec<_> = self
            .reply_producers
            .iter()
            .filter(|(_, bootstrap)| !used(bootstrap))
            .cloned()
            .collect();
        for key in unused {
            self.reply_producers.remove(&key);
            if let Some(shard) = self.shards.get(key.0) {
                tell(&shard.commands, Command::DropReplies { bootstrap: key.1 });
            }
        }
    }
}
