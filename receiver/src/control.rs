//! The control thread's work on the contract: read, reconcile, tell the shards, try again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use millrace_contract::Contract;
use millrace_contract::watch::Update as FileUpdate;
use millrace_observe::names::RESOURCES;
use millrace_observe::{Registry, SharedGauge};
use millrace_process::intake::Intake;
use millrace_shard::Mailbox;

use crate::clients::ProducerFactory;
use crate::lane::NewLane;
use crate::reconcile::{Reconciler, Refused, Update};
use crate::serve::Command;
use crate::shard::{self, Common};

/// How long the shards may take to swap their routes before somebody should know.
const APPLY_WITHIN: Duration = Duration::from_secs(10);
/// Waiting for room in a shard's mailbox.
const MAILBOX_RETRY: Duration = Duration::from_millis(1);

/// See the head of this file.
pub(crate) struct Control {
    pub(crate) reconciler: Reconciler,
    pub(crate) factory: ProducerFactory,
    pub(crate) shards: Vec<Mailbox<Command>>,
    pub(crate) common: Arc<Common>,
    pub(crate) intake: Intake,
    pub(crate) numbers: Numbers,
    /// In force, or to be tried again.
    pub(crate) contract: Option<Arc<Contract>>,
    /// What was refused in the last pass, so that a retry does not repeat it in the log.
    pub(crate) refused: Vec<Refused>,
}

/// What is shown of the contract.
pub(crate) struct Numbers {
    served: SharedGauge,
    rejected: SharedGauge,
}

impl Numbers {
    pub(crate) fn new(registry: &Registry) -> Numbers {
        Numbers {
            served: registry.shared_gauge(&RESOURCES, &[("state", "served")]),
            rejected: registry.shared_gauge(&RESOURCES, &[("state", "rejected")]),
        }
    }
}

impl Control {
    /// Takes a new state of the contract file over. Blocks until the shards have it.
    pub(crate) fn file_changed(&mut self, update: FileUpdate) {
        if let Some(contract) = self.intake.take(update) {
            self.contract = Some(contract);
            self.refused.clear();
            self.reconcile();
        }
        self.common.ready.store(true, Ordering::Relaxed);
    }

    /// Whether the contract in force should be tried again after a while.
    pub(crate) fn wants_retry(&self) -> bool {
        self.refused.iter().any(|refused| refused.retry)
    }

    /// Brings the shards in line with the contract in force.
    pub(crate) fn reconcile(&mut self) {
        let Some(contract) = self.contract.clone() else { return };
        let update = self.reconciler.apply(&contract, &mut self.factory);
        let served = update.routes.ingresses().len();
        for refused in &update.refused {
            if !self.refused.contains(refused) {
                tracing::error!(
                    resource.uid = %refused.uid,
                    resource = refused.object,
                    error = refused.reason,
                    retry = refused.retry,
                    previousKept = refused.previous_kept,
                    "A resource of the contract is not served."
                );
            }
        }
        let wants_event_types =
            contract.resources.iter().filter(|resource| resource.event_type_autocreate).count();
        if wants_event_types > 0 {
            tracing::warn!(
                resources = wants_event_types,
                "EventType objects are wanted, but this version does not create any."
            );
        }
        self.numbers.served.set(served as i64);
        self.numbers
            .rejected
            .set(contract.rejected.len().saturating_add(update.refused.len()) as i64);
        self.refused = update.refused.clone();
        self.tell_shards(update);
    }

    fn tell_shards(&mut self, update: Update<NewLane>) {
        let Update { routes, created, dropped, removed, .. } = update;
        let mut created: Vec<_> =
            created.into_iter().map(|(cluster, lanes)| (cluster, lanes.into_iter())).collect();
        let (applied, acknowledgements) = channel();
        for mailbox in &self.shards {
            let update = shard::Update {
                routes: routes.clone(),
                created: created
                    .iter_mut()
                    .filter_map(|(cluster, lanes)| Some((*cluster, lanes.next()?)))
                    .collect(),
                dropped: dropped.clone(),
            };
            let mut command = Command::Apply { update, applied: applied.clone() };
            while let Err(back) = mailbox.try_send(command) {
                if matches!(back, millrace_shard::TrySendError::Closed(_)) {
                    return;
                }
                command = back.into_inner();
                std::thread::sleep(MAILBOX_RETRY);
            }
        }
        drop(applied);
        let deadline = Instant::now() + APPLY_WITHIN;
        for _ in &self.shards {
            let left = deadline.saturating_duration_since(Instant::now());
            if acknowledgements.recv_timeout(left).is_err() {
                tracing::error!("A shard has not taken the new routes over within ten seconds.");
                break;
            }
        }
        for uid in removed {
            self.common.registry.remove_owner(&uid);
        }
    }
}
