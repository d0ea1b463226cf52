//! Contract to routes and producers: what changed is made new, what did not survives.
//!
//! No I/O of its own: producers come from a [`ClientFactory`]. Each resource stands for itself; one
//! that cannot be served never holds up another (receiver.md W4, W16, W49).

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use millrace_contract::model::{Auth, ContentMode, Contract, Resource};

use crate::cluster::ClusterId;
use crate::routes::{Ingress, Routes};

/// Makes the producers of one cluster, one per shard. May block; not called on a shard.
pub(crate) trait ClientFactory {
    /// The producer of one shard.
    type Client;

    /// # Errors
    /// Why librdkafka refuses the configuration, in words for the log.
    fn create(&mut self, cluster: ClusterId, bootstrap: &str) -> Result<Vec<Self::Client>, String>;
}

/// Why a resource is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) uid: Arc<str>,
    /// `namespace/name` of the object.
    pub(crate) object: String,
    pub(crate) reason: String,
    /// Whether the same contract may work later.
    pub(crate) retry: bool,
    /// Whether its previous form is still served.
    pub(crate) previous_kept: bool,
}

/// What the shards are to be told.
#[derive(Debug)]
pub(crate) struct Update<C> {
    pub(crate) routes: Arc<Routes>,
    /// Producers that the routes use for the first time.
    pub(crate) created: Vec<(ClusterId, Vec<C>)>,
    /// Clusters that no route uses any more.
    pub(crate) dropped: Vec<ClusterId>,
    /// Resources that are gone or not served any more.
    pub(crate) removed: Vec<Arc<str>>,
    pub(crate) refused: Vec<Refused>,
}

/// What is served now.
#[derive(Debug, Default)]
pub(crate) struct Reconciler {
    served: Vec<Arc<Ingress>>,
    clusters: HashMap<Arc<str>, ClusterId>,
    next_cluster: u32,
}

impl Reconciler {
    /// Brings what is served in line with `contract`.
    pub(crate) fn apply<F: ClientFactory>(
        &mut self,
        contract: &Contract,
        clients: &mut F,
    ) -> Update<F::Client> {
        let before: HashMap<Arc<str>, Arc<Ingress>> =
            self.served.iter().map(|ingress| (ingress.uid.clone(), ingress.clone())).collect();
        let mut created = Vec::new();
        let mut refused = Vec::new();
        let mut failed: HashMap<Arc<str>, String> = HashMap::new();
        let mut after: HashMap<Arc<str>, Arc<Ingress>> = HashMap::new();
        let wanted = contract.resources.iter().filter(|resource| resource.ingress.is_some());
        for resource in wanted {
            let previous = before.get(&resource.uid);
            let ingress = supported(resource).map_err(|reason| (reason, false)).and_then(|()| {
                self.cluster(&resource.bootstrap_servers, clients, &mut created, &mut failed)
                    .map_err(|reason| (reason, true))
            });
            match ingress.map(|cluster| ingress_of(resource, cluster)) {
                Ok(Some(ingress)) => {
                    let ingress = match previous {
                        Some(previous) if **previous == ingress => previous.clone(),
                        _ => Arc::new(ingress),
                    };
                    after.insert(ingress.uid.clone(), ingress);
                }
                Ok(None) => {}
                Err((reason, retry)) => {
                    // A producer that cannot be made must not take a working route down. A resource
                    // that now asks for what we lack (a token, say) must not stay open without it.
                    let keep = previous.filter(|_| retry);
                    if let Some(previous) = keep {
                        after.insert(previous.uid.clone(), previous.clone());
                    }
                    refused.push(Refused {
                        uid: resource.uid.clone(),
                        object: object(resource),
                        reason,
                        retry,
                        previous_kept: keep.is_some(),
                    });
                }
            }
        }
        let removed = before.keys().filter(|uid| !after.contains_key(*uid)).cloned().collect();
        self.served = registration_order(&self.served, contract, after);
        Update {
            routes: Arc::new(Routes::new(self.served.clone())),
            created,
            dropped: self.drop_unused_clusters(),
            removed,
            refused,
        }
    }

    /// The cluster for these bootstrap servers; makes its producers at first sight. A failure is
    /// remembered for the rest of the pass, so that 1,000 resources do not try 1,000 times.
    fn cluster<F: ClientFactory>(
        &mut self,
        bootstrap: &Arc<str>,
        clients: &mut F,
        created: &mut Vec<(ClusterId, Vec<F::Client>)>,
        failed: &mut HashMap<Arc<str>, String>,
    ) -> Result<ClusterId, String> {
        if let Some(cluster) = self.clusters.get(bootstrap) {
            return Ok(*cluster);
        }
        if let Some(reason) = failed.get(bootstrap) {
            return Err(reason.clone());
        }
        let cluster = ClusterId(self.next_cluster);
        self.next_cluster = self.next_cluster.wrapping_add(1);
        match clients.create(cluster, bootstrap) {
            Ok(made) => {
                created.push((cluster, made));
                self.clusters.insert(bootstrap.clone(), cluster);
                Ok(cluster)
            }
            Err(reason) => {
                failed.insert(bootstrap.clone(), reason.clone());
                Err(reason)
            }
        }
    }

    fn drop_unused_clusters(&mut self) -> Vec<ClusterId> {
        let used: HashSet<ClusterId> = self.served.iter().map(|ingress| ingress.cluster).collect();
        let mut dropped = Vec::new();
        self.clusters.retain(|_, cluster| {
            let keep = used.contains(cluster);
            if !keep {
                dropped.push(*cluster);
            }
            keep
        });
        dropped
    }
}

/// Registration order: those served before in their old order, then the new ones as the file has
/// them. The later one of two that claim a path wins, and file order carries no meaning
/// (contract.md 2.1), so it must not decide between old and new.
fn registration_order(
    before: &[Arc<Ingress>],
    contract: &Contract,
    mut after: HashMap<Arc<str>, Arc<Ingress>>,
) -> Vec<Arc<Ingress>> {
    let known = before.iter().map(|ingress| &ingress.uid);
    let uids: Vec<&Arc<str>> = known.chain(contract.resources.iter().map(|r| &r.uid)).collect();
    uids.into_iter().filter_map(|uid| after.remove(uid)).collect()
}

/// What this receiver can serve. The place of what it lacks stays visible here.
fn supported(resource: &Resource) -> Result<(), String> {
    match &resource.auth {
        Auth::Absent => {}
        _ => {
            return Err("it names a Kubernetes secret with Kafka credentials, which this version \
                        cannot read"
                .into());
        }
    }
    match resource.ingress.as_ref().and_then(|ingress| ingress.audience.as_ref()) {
        Some(audience) => Err(format!(
            "its ingress asks for a bearer token for audience {audience:?}, which this version \
             cannot verify"
        )),
        None => Ok(()),
    }
}

fn ingress_of(resource: &Resource, cluster: ClusterId) -> Option<Ingress> {
    let ingress = resource.ingress.as_ref()?;
    Some(Ingress {
        uid: resource.uid.clone(),
        kind: resource.reference.kind.as_str().into(),
        namespace: resource.reference.namespace.as_str().into(),
        name: resource.reference.name.as_str().into(),
        topic: resource.topics.first().clone(),
        mode: match ingress.content_mode {
            ContentMode::Binary => millrace_event::ContentMode::Binary,
            ContentMode::Structured => millrace_event::ContentMode::Structured,
        },
        cluster,
        path: ingress.route.path().map(|path| (**path).into()),
        host: ingress.route.host().map(|host| (**host).into()),
    })
}

fn object(resource: &Resource) -> String {
    format!("{}/{}", resource.reference.namespace, resource.reference.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes one client a cluster; refuses what its list says.
    #[derive(Default)]
    struct Factory {
        made: Vec<String>,
        refuse: Vec<&'static str>,
    }

    impl ClientFactory for Factory {
        type Client = ();

        fn create(&mut self, _: ClusterId, bootstrap: &str) -> Result<Vec<()>, String> {
            self.made.push(bootstrap.to_owned());
            if self.refuse.contains(&bootstrap) { Err("refused".into()) } else { Ok(vec![()]) }
        }
    }

    fn contract(resources: &[(&str, &str, &str)]) -> Contract {
        let resources: Vec<String> = resources
            .iter()
            .map(|(uid, path, bootstrap)| {
                format!(
                    r#"{{"uid":"{uid}","topics":["t-{uid}"],"bootstrapServers":"{bootstrap}",
                        "ingress":{{"path":"{path}"}},"reference":{{"name":"{uid}","namespace":"ns"}}}}"#
                )
            })
            .collect();
        parse(&format!(r#"{{"generation":"1","resources":[{}]}}"#, resources.join(",")))
    }

    fn parse(text: &str) -> Contract {
        Contract::parse(text.as_bytes()).unwrap().contract
    }

    fn find(update: &Update<()>, path: &str) -> Option<String> {
        let index = update.routes.find(path.as_bytes(), None)?;
        Some(update.routes.ingresses()[index.0].uid.to_string())
    }

    #[test]
    fn equal_servers_share_one_cluster_and_an_unchanged_contract_makes_nothing() {
        let (mut reconciler, mut factory) = (Reconciler::default(), Factory::default());
        let two = contract(&[("a", "/ns/a", "k:1"), ("b", "/ns/b", "k:1")]);
        let first = reconciler.apply(&two, &mut factory);
        assert_eq!((factory.made.len(), first.created.len()), (1, 1));
        let again = reconciler.apply(&two, &mut factory);
        assert_eq!((factory.made.len(), again.created.len(), again.dropped.len()), (1, 0, 0));
        for (old, new) in first.routes.ingresses().iter().zip(again.routes.ingresses()) {
            assert!(Arc::ptr_eq(old, new), "an unchanged ingress is the same one");
        }
    }

    #[test]
    fn a_cluster_is_dropped_with_its_last_ingress() {
        let (mut reconciler, mut factory) = (Reconciler::default(), Factory::default());
        reconciler.apply(&contract(&[("a", "/a", "k:1"), ("b", "/b", "k:2")]), &mut factory);
        let update = reconciler.apply(&contract(&[("a", "/a", "k:1")]), &mut factory);
        assert_eq!(update.dropped, [ClusterId(1)]);
        assert_eq!(update.removed, [Arc::from("b")]);
        let update = reconciler.apply(&contract(&[("a", "/a", "k:3")]), &mut factory);
        assert_eq!(update.dropped, [ClusterId(0)]);
        assert_eq!(update.created.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ClusterId(2)]);
    }

    #[test]
    fn a_failing_cluster_harms_no_other_and_is_tried_once_a_pass() {
        let mut factory = Factory { refuse: vec!["bad:1"], ..Factory::default() };
        let mut reconciler = Reconciler::default();
        let update = reconciler.apply(
            &contract(&[("a", "/a", "bad:1"), ("b", "/b", "bad:1"), ("c", "/c", "k:1")]),
            &mut factory,
        );
        assert_eq!(factory.made, ["bad:1", "k:1"]);
        assert_eq!(update.refused.len(), 2);
        assert!(update.refused.iter().all(|refused| refused.retry && !refused.previous_kept));
        assert_eq!(find(&update, "/c").as_deref(), Some("c"));
        assert_eq!(find(&update, "/a"), None);
    }

    #[test]
    fn a_working_route_stays_when_its_new_producer_cannot_be_made() {
        let mut factory = Factory { refuse: vec!["bad:1"], ..Factory::default() };
        let mut reconciler = Reconciler::default();
        reconciler.apply(&contract(&[("a", "/a", "k:1")]), &mut factory);
        let update = reconciler.apply(&contract(&[("a", "/a", "bad:1")]), &mut factory);
        assert!(update.refused[0].previous_kept);
        assert_eq!(find(&update, "/a").as_deref(), Some("a"));
        assert!(update.dropped.is_empty());
    }

    #[test]
    fn what_needs_credentials_or_tokens_is_refused_and_never_left_open() {
        let (mut reconciler, mut factory) = (Reconciler::default(), Factory::default());
        reconciler.apply(&contract(&[("a", "/a", "k:1"), ("b", "/b", "k:1")]), &mut factory);
        let update = reconciler.apply(
            &parse(
                r#"{"generation":"2","resources":[
                  {"uid":"a","topics":["t"],"bootstrapServers":"k:1",
                   "ingress":{"path":"/a","audience":"x"}},
                  {"uid":"b","topics":["t"],"bootstrapServers":"k:1","ingress":{"path":"/b"},
                   "authSecret":{"namespace":"n","name":"s","version":"1"}}]}"#,
            ),
            &mut factory,
        );
        assert_eq!(find(&update, "/a"), None);
        assert_eq!(find(&update, "/b"), None);
        let reasons: Vec<&str> = update.refused.iter().map(|r| r.reason.as_str()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("audience \"x\"")), "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.contains("secret")), "{reasons:?}");
    }

    #[test]
    fn of_two_that_claim_a_path_the_newcomer_wins_wherever_the_file_has_it() {
        let (mut reconciler, mut factory) = (Reconciler::default(), Factory::default());
        reconciler.apply(&contract(&[("old", "/a", "k:1")]), &mut factory);
        let update = reconciler
            .apply(&contract(&[("new", "/a", "k:1"), ("old", "/a", "k:1")]), &mut factory);
        assert_eq!(find(&update, "/a").as_deref(), Some("new"));
        let update = reconciler.apply(&contract(&[("old", "/a", "k:1")]), &mut factory);
        assert_eq!(find(&update, "/a").as_deref(), Some("old"));
    }

    #[test]
    fn a_recreated_object_keeps_its_path() {
        let (mut reconciler, mut factory) = (Reconciler::default(), Factory::default());
        reconciler.apply(&contract(&[("old", "/a", "k:1")]), &mut factory);
        let update = reconciler.apply(&contract(&[("new", "/a", "k:1")]), &mut factory);
        assert_eq!(find(&update, "/a").as_deref(), Some("new"));
        assert!(update.created.is_empty(), "its producers survive");
    }
}
