//! How many shards, and on which cores: settings, the affinity mask and the cgroup's CPU quota.
//!
//! A JVM sizes itself by the same two limits (platform.md 9.4, item 6). The quota is rounded up,
//! since a shard more costs little and a share of a core would lie idle.

use std::fs;
use std::io;
use std::path::Path;

use crate::sys;

pub mod cgroup;

/// What the settings ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CoreRequest {
    /// As many shards as the process may use cores.
    #[default]
    Auto,
    /// So many shards (at least 1), wherever the scheduler puts them.
    Count(usize),
    /// One shard on each of these cores.
    Cores(Vec<usize>),
}

/// Whether shards are bound to cores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pinning {
    /// Only if there is a shard for each core of the affinity mask, or the cores were listed.
    /// With fewer shards than cores, processes of one machine would all choose the same ones.
    #[default]
    Auto,
    /// Always; the first cores of the mask are taken.
    Always,
    /// Never.
    Never,
}

/// The shards to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// For each shard the core that it is bound to, or `None` if the scheduler chooses.
    pub shards: Vec<Option<usize>>,
    /// How this came about: a clause for a log line.
    pub reason: String,
}

/// Why the shards can't be laid out.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The kernel does not tell which cores we may use.
    #[error("the cores that this process may use can't be read: {0}")]
    Affinity(io::Error),
    /// A listed core is not ours.
    #[error("core {core} is listed but is not one that this process may use ({allowed:?})")]
    NotAllowed {
        /// The core of the list.
        core: usize,
        /// The cores of the affinity mask.
        allowed: Vec<usize>,
    },
    /// Nothing to run on.
    #[error("the list of cores is empty: list at least one core, or leave the setting out")]
    NoCores,
}

impl Topology {
    /// Lays out shards for this process: at most `shards_max` (at least 1) of them.
    pub fn detect(
        request: &CoreRequest,
        pinning: Pinning,
        shards_max: usize,
    ) -> Result<Self, TopologyError> {
        let allowed = sys::affinity().map_err(TopologyError::Affinity)?;
        let quota = cgroup::quota(Path::new("/"));
        Self::plan(request, pinning, shards_max, &allowed, quota)
    }

    /// The same from given facts: the cores of the affinity mask and the quota in cores.
    pub fn plan(
        request: &CoreRequest,
        pinning: Pinning,
        shards_max: usize,
        allowed: &[usize],
        quota: Option<f64>,
    ) -> Result<Self, TopologyError> {
        let shards_max = shards_max.max(1);
        let (count, reason) = match request {
            CoreRequest::Cores(cores) => return Self::listed(cores, pinning, allowed),
            CoreRequest::Count(count) => ((*count).max(1), "set by configuration".to_owned()),
            CoreRequest::Auto => automatic(allowed.len(), quota, shards_max),
        };
        let pinned = match pinning {
            Pinning::Never => false,
            Pinning::Auto => count == allowed.len(),
            Pinning::Always => true,
        };
        let core_of = |shard| if pinned { allowed.get(shard).copied() } else { None };
        Ok(Self { shards: (0..count).map(core_of).collect(), reason })
    }

    fn listed(cores: &[usize], pinning: Pinning, allowed: &[usize]) -> Result<Self, TopologyError> {
        if cores.is_empty() {
            return Err(TopologyError::NoCores);
        }
        if let Some(core) = cores.iter().find(|core| !allowed.contains(core)) {
            return Err(TopologyError::NotAllowed { core: *core, allowed: allowed.to_vec() });
        }
        let pin = |core: &usize| (pinning != Pinning::Never).then_some(*core);
        Ok(Self {
            shards: cores.iter().map(pin).collect(),
            reason: "cores listed by configuration".to_owned(),
        })
    }
}

fn automatic(cores: usize, quota: Option<f64>, shards_max: usize) -> (usize, String) {
    let by_quota = quota.map(round_up);
    let count = by_quota.map_or(cores, |by_quota| by_quota.min(cores)).clamp(1, shards_max);
    let quota =
        quota.map_or_else(|| "no CPU quota".to_owned(), |quota| format!("a CPU quota of {quota}"));
    (count, format!("{cores} cores allowed, {quota}, at most {shards_max} shards"))
}

/// A quota is positive and far below any integer limit, which the parser has seen to.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn round_up(quota: f64) -> usize {
    quota.ceil().max(1.0) as usize
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(cores: &[usize], quota: Option<f64>, shards_max: usize) -> Vec<Option<usize>> {
        Topology::plan(&CoreRequest::Auto, Pinning::Auto, shards_max, cores, quota).unwrap().shards
    }

    #[test]
    fn whole_machine_is_pinned_core_by_core() {
        assert_eq!(auto(&[0, 1, 4], None, 64), vec![Some(0), Some(1), Some(4)]);
    }

    #[test]
    fn quota_is_rounded_up_and_leaves_shards_unpinned() {
        assert_eq!(auto(&[0, 1, 2, 3], Some(1.5), 64), vec![None, None]);
        assert_eq!(auto(&[0, 1, 2, 3], Some(0.2), 64), vec![None]);
        assert_eq!(auto(&[0, 1], Some(16.0), 64), vec![Some(0), Some(1)]);
    }

    #[test]
    fn upper_bound_holds_and_is_at_least_one() {
        assert_eq!(auto(&[0, 1, 2, 3], None, 2), vec![None, None]);
        assert_eq!(auto(&[0, 1, 2, 3], None, 0), vec![None]);
    }

    #[test]
    fn listed_cores_must_be_ours() {
        let plan = |cores: &[usize]| {
            Topology::plan(&CoreRequest::Cores(cores.to_vec()), Pinning::Auto, 64, &[2, 3], None)
        };
        assert_eq!(plan(&[3, 2]).unwrap().shards, vec![Some(3), Some(2)]);
        assert!(matches!(plan(&[]), Err(TopologyError::NoCores)));
        assert!(matches!(plan(&[2, 5]), Err(TopologyError::NotAllowed { core: 5, .. })));
    }

    #[test]
    fn count_may_exceed_the_cores() {
        let plan = |count, pinning| {
            Topology::plan(&CoreRequest::Count(count), pinning, 1, &[0, 1], None).unwrap().shards
        };
        assert_eq!(plan(4, Pinning::Auto), vec![None; 4]);
        assert_eq!(plan(0, Pinning::Auto), vec![None]);
        assert_eq!(plan(3, Pinning::Always), vec![Some(0), Some(1), None]);
        assert_eq!(plan(2, Pinning::Never), vec![None, None]);
    }

    #[test]
    fn this_machine_has_a_layout() {
        let topology = Topology::detect(&CoreRequest::Auto, Pinning::Auto, 64).unwrap();
        assert!(!topology.shards.is_empty());
        assert!(topology.reason.contains("cores allowed"), "{}", topology.reason);
    }
}
