//! What has to change for a new contract: running ingresses against the ones it asks for, and
//! running egresses, see [`egresses`].

mod egress;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Contract, Part, Reason, Rejection, Resource};

pub use egress::{EgressStep, Wanted, egresses};

/// What a new contract means for one `uid` with an ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Not running yet.
    Added(Arc<Resource>),
    /// Runs with other content; see [`same_ingress`].
    Changed {
        /// What runs.
        old: Arc<Resource>,
        /// What should run.
        new: Arc<Resource>,
    },
    /// Runs as it should; this is the running one.
    Unchanged(Arc<Resource>),
    /// Runs, and the contract still asks for it, but in a form that cannot be used. A working route
    /// is not dropped because its successor failed (contract.md 9, number 5): let it run on.
    Kept {
        /// What runs.
        running: Arc<Resource>,
        /// What is wrong with its successor.
        rejection: Rejection,
    },
    /// Runs and is no longer asked for, or no longer has an ingress.
    Removed(Arc<Resource>),
}

impl Change {
    /// The identity it is about.
    pub fn uid(&self) -> &Arc<str> {
        match self {
            Self::Added(resource) | Self::Unchanged(resource) | Self::Removed(resource) => {
                &resource.uid
            }
            Self::Changed { new, .. } => &new.uid,
            Self::Kept { running, .. } => &running.uid,
        }
    }
}

/// One change for each `uid` that has an ingress in `running` or in `next`: first those of `next`
/// in its order, then the rest of `running` in its order. `running` is what really runs, which is
/// the last contract only if all of it could be applied. Order within a contract has no effect.
pub fn ingresses<'a>(
    running: impl IntoIterator<Item = &'a Arc<Resource>>,
    next: &Contract,
) -> Vec<Change> {
    let running: Vec<_> = running.into_iter().filter(|it| it.ingress.is_some()).collect();
    let running_by_uid: HashMap<_, _> = running.iter().map(|it| (&it.uid, *it)).collect();
    let rejected = rejected_ingresses(next);
    let mut asked = HashSet::new();
    let mut changes = Vec::with_capacity(running.len().max(next.resources.len()));
    for new in next.resources.iter().filter(|it| it.ingress.is_some()) {
        asked.insert(&new.uid);
        changes.push(match running_by_uid.get(&new.uid) {
            None => Change::Added(Arc::clone(new)),
            Some(old) if same_ingress(old, new) => Change::Unchanged(Arc::clone(old)),
            Some(old) => Change::Changed { old: Arc::clone(old), new: Arc::clone(new) },
        });
    }
    for old in running.into_iter().filter(|it| !asked.contains(&it.uid)) {
        let running = Arc::clone(old);
        changes.push(match rejected.get(&*old.uid) {
            Some(rejection) => Change::Kept { running, rejection: (*rejection).clone() },
            None => Change::Removed(running),
        });
    }
    changes
}

/// Whether a receiver sees no difference (contract.md 7.4). Unlike Java the feature flags count
/// (contract.md 9, number 6); egresses do not, they are the dispatcher's.
pub fn same_ingress(a: &Resource, b: &Resource) -> bool {
    // Taken apart, so that a new field cannot be forgotten here.
    let Resource {
        uid,
        topics,
        bootstrap_servers,
        ingress,
        egresses: _,
        auth,
        overrides,
        reference,
        egress_config,
        event_type_autocreate,
    } = a;
    *uid == b.uid
        && *topics == b.topics
        && *bootstrap_servers == b.bootstrap_servers
        && *ingress == b.ingress
        && *auth == b.auth
        && *overrides == b.overrides
        && *reference == b.reference
        && *egress_config == b.egress_config
        && *event_type_autocreate == b.event_type_autocreate
}

/// Ingresses that the contract asks for in a form that cannot be used. A duplicate is none of
/// these: the earlier entry with its `uid` speaks for it.
fn rejected_ingresses(contract: &Contract) -> HashMap<&str, &Rejection> {
    let is_ingress = |it: &&Rejection| it.part != Part::Egress && it.reason != Reason::DuplicateUid;
    contract.rejected.iter().filter(is_ingress).map(|it| (it.uid.as_str(), it)).collect()
}

#[cfg(test)]
mod tests;
