//! What has to change for a new contract: running egresses against the ones it asks for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Contract, Egress, Part, Reason, Rejection, Resource};

/// An egress with all of the contract that it depends on. What runs is remembered in this form, for
/// each egress by itself: one that cannot be started leaves the others as they are (dispatcher.md
/// 17, W33).
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it reads.
    pub resource: Arc<Resource>,
    /// What it does; one of [`Resource::egresses`].
    pub egress: Egress,
    /// PEM bundles of the contract. Order and duplicates mean nothing.
    pub bundles: Arc<[String]>,
}

/// What a new contract means for one `uid` of an egress.
#[derive(Clone, Debug)]
pub enum EgressStep {
    /// Does not run yet.
    Start(Wanted),
    /// Runs as it should.
    Keep(Arc<str>),
    /// Runs, and should in this other way; what is taken from now on is delivered in
    /// that way, and the group is not left.
    Update(Wanted),
    /// Runs, and has to end and start as this; it stands on another consumer.
    Restart(Wanted),
    /// Runs, and the contract still asks for it, but in a form that cannot be used: let it run on,
    /// like an ingress (contract.md 9, number 5).
    Hold {
        /// What runs.
        uid: Arc<str>,
        /// What is wrong with its successor.
        rejection: Rejection,
    },
    /// Runs and is no longer asked for.
    Stop(Arc<str>),
}

/// One step for each `uid` in `running` or in `next`: first those of `next` in its order, then the
/// rest of `running` in its order. `running` is what really runs, which is the last contract only if
/// all of it could be applied; each `uid` is in it once. Order within a contract has no effect.
pub fn egresses<'a>(
    running: impl IntoIterator<Item = &'a Wanted>,
    next: &Contract,
) -> Vec<EgressStep> {
    let running: Vec<_> = running.into_iter().collect();
    let running_by_uid: HashMap<_, _> = running.iter().map(|it| (it.uid(), *it)).collect();
    let rejected = Rejected::of(next);
    let mut asked = HashSet::new();
    let mut steps = Vec::with_capacity(running.len());
    for new in Wanted::all(next) {
        asked.insert(Arc::clone(new.uid()));
        let change = running_by_uid.get(new.uid()).map(|old| egress_change(old, &new));
        steps.push(match change {
            None => EgressStep::Start(new),
            Some(EgressChange::Keep) => EgressStep::Keep(Arc::clone(new.uid())),
            Some(EgressChange::Update) => EgressStep::Update(new),
            Some(EgressChange::Restart) => EgressStep::Restart(new),
        });
    }
    for old in running.into_iter().filter(|it| !asked.contains(it.uid())) {
        let uid = Arc::clone(old.uid());
        steps.push(match rejected.successor_of(old) {
            Some(rejection) => EgressStep::Hold { uid, rejection: rejection.clone() },
            None => EgressStep::Stop(uid),
        });
    }
    steps
}

/// What has to happen to a running egress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EgressChange {
    /// Nothing: it runs as it should.
    Keep,
    /// What is taken from now on is delivered in another way; the group is not left.
    Update,
    /// It ends and starts anew.
    Restart,
}

/// Compares what runs with what should run, under the same `uid`.
///
/// Java restarts an egress on any difference (dispatcher.md 2.3), and a restart rebalances its
/// group; here only what the consumer or the labels of the egress stand on asks for one. Unlike in
/// Java, feature flags count (W31). The ingress of the resource and its own delivery do not, as
/// far as [`Egress::delivery`] stays the same.
fn egress_change(running: &Wanted, next: &Wanted) -> EgressChange {
    if !same_consumer(running, next) {
        EgressChange::Restart
    } else if same_ways(running, next) {
        EgressChange::Keep
    } else {
        EgressChange::Update
    }
}

/// Cluster, credentials, group, topics, the order of delivery with its bounds, and the labels of
/// its numbers.
fn same_consumer(a: &Wanted, b: &Wanted) -> bool {
    let ((a_resource, a), (b_resource, b)) = ((&a.resource, &a.egress), (&b.resource, &b.egress));
    a_resource.topics == b_resource.topics
        && a_resource.bootstrap_servers == b_resource.bootstrap_servers
        && a_resource.auth == b_resource.auth
        && a.consumer_group == b.consumer_group
        && a.order == b.order
        && a.reference == b.reference
        && a.virtual_replicas == b.virtual_replicas
        && a.rate_limiter == b.rate_limiter
        && a.ordered_metrics == b.ordered_metrics
}

/// All the rest.
fn same_ways(a: &Wanted, b: &Wanted) -> bool {
    // Taken apart, so that a new field cannot be forgotten here.
    let Resource {
        uid,
        topics: _,
        bootstrap_servers: _,
        ingress: _,
        egresses: _,
        auth: _,
        overrides,
        reference,
        egress_config: _,
        event_type_autocreate,
    } = &*a.resource;
    let same_resource = *uid == b.resource.uid
        && *overrides == b.resource.overrides
        && *reference == b.resource.reference
        && *event_type_autocreate == b.resource.event_type_autocreate;
    same_resource && a.egress == b.egress && same_set(&a.bundles, &b.bundles)
}

/// Order and duplicates of bundles mean nothing.
fn same_set(a: &[String], b: &[String]) -> bool {
    a.iter().all(|bundle| b.contains(bundle)) && b.iter().all(|bundle| a.contains(bundle))
}

impl Wanted {
    /// All egresses of a contract, in its order.
    pub fn all(contract: &Contract) -> Vec<Self> {
        let bundles: Arc<[String]> = contract.trust_bundles.clone().into();
        let of_resource = |resource: &Arc<Resource>| {
            let wanted = |egress: &Egress| Self {
                resource: Arc::clone(resource),
                egress: egress.clone(),
                bundles: Arc::clone(&bundles),
            };
            resource.egresses.iter().map(wanted).collect::<Vec<_>>()
        };
        contract.resources.iter().flat_map(of_resource).collect()
    }

    /// The identity it is known by.
    pub fn uid(&self) -> &Arc<str> {
        &self.egress.uid
    }
}

/// What the contract asks for in a form that cannot be used. A duplicate is none of this: the
/// earlier entry with its `uid` speaks for it.
struct Rejected<'a> {
    egresses: HashMap<&'a str, &'a Rejection>,
    resources: HashMap<&'a str, &'a Rejection>,
}

impl<'a> Rejected<'a> {
    fn of(contract: &'a Contract) -> Self {
        let of_part = |part: Part| {
            let of_part = |it: &&Rejection| it.part == part && it.reason != Reason::DuplicateUid;
            let rejected = contract.rejected.iter().filter(of_part);
            rejected.map(|it| (it.uid.as_str(), it)).collect()
        };
        Self { egresses: of_part(Part::Egress), resources: of_part(Part::Resource) }
    }

    /// A resource that cannot be used takes all its egresses with it, and which these were is not
    /// known any more; one that ran from it is taken to be among them.
    fn successor_of(&self, running: &Wanted) -> Option<&'a Rejection> {
        let of_egress = self.egresses.get(&**running.uid());
        of_egress.or_else(|| self.resources.get(&*running.resource.uid)).copied()
    }
}

#[cfg(test)]
mod tests;
