//! What both programs do with news of the contract file: log it, count it, and pass on a contract
//! that is to be applied.

use std::sync::Arc;

use millrace_contract::Contract;
use millrace_contract::watch::Update;
use millrace_observe::names::{CONTRACT_GENERATION, CONTRACT_UPDATES};
use millrace_observe::{Registry, SharedGauge};

/// What makes a contract a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newness {
    /// Any difference.
    Content,
    /// Another generation, a smaller one too. Other content under the same generation is passed
    /// over (dispatcher.md 2.1).
    Generation,
}

/// See the head of this file.
pub struct Intake {
    newness: Newness,
    registry: Registry,
    shown: SharedGauge,
    generation: Option<u64>,
}

impl Intake {
    /// Nothing was taken in yet.
    pub fn new(registry: &Registry, newness: Newness) -> Intake {
        Intake {
            newness,
            registry: registry.clone(),
            shown: registry.shared_gauge(&CONTRACT_GENERATION, &[]),
            generation: None,
        }
    }

    /// The contract to apply, if the news is one.
    pub fn take(&mut self, update: Update) -> Option<Arc<Contract>> {
        match update {
            Update::Contract { contract, warnings } => {
                for warning in warnings.iter() {
                    tracing::warn!(%warning, "The contract is odd.");
                }
                return self.contract(contract);
            }
            Update::Restored { generation } => {
                tracing::info!(
                    contractGeneration = generation,
                    "The contract file is again the one in force."
                );
            }
            Update::Empty => {
                self.count("empty");
                tracing::info!("The contract file is empty, as after a fresh installation.");
            }
            Update::Missing => {
                self.count("missing");
                tracing::warn!("There is no contract file; what was read before stays in force.");
            }
            Update::Unreadable(error) => {
                self.count("unreadable");
                tracing::warn!(error = %error, "The contract file cannot be read; what was read before stays in force.");
            }
            Update::Malformed(error) => {
                self.count("malformed");
                tracing::error!(error = %error, "The contract file cannot be parsed; what was read before stays in force.");
            }
        }
        None
    }

    fn contract(&mut self, contract: Arc<Contract>) -> Option<Arc<Contract>> {
        let generation = contract.generation;
        if self.newness == Newness::Generation && self.generation == Some(generation) {
            self.count("ignored");
            tracing::warn!(
                contractGeneration = generation,
                "The contract has changed but not its generation; what was read before stays in force."
            );
            return None;
        }
        self.count("applied");
        tracing::info!(
            contractGeneration = generation,
            resources = contract.resources.len(),
            "The contract has changed."
        );
        for rejection in &contract.rejected {
            tracing::error!(error = %rejection, "A resource of the contract is not served.");
        }
        self.shown.set(generation as i64);
        self.generation = Some(generation);
        Some(contract)
    }

    fn count(&self, outcome: &str) {
        self.registry.shared_counter(&CONTRACT_UPDATES, &[("outcome", outcome)]).inc();
    }
}

#[cfg(test)]
mod tests {
    use millrace_observe::RegistryOptions;

    use super::*;

    fn contract(generation: u64) -> Update {
        let contract = Contract { generation, ..Contract::default() };
        Update::Contract { contract: Arc::new(contract), warnings: Default::default() }
    }

    fn taken(newness: Newness, generations: &[u64]) -> (Vec<u64>, String) {
        let registry = Registry::new(RegistryOptions::default());
        let mut intake = Intake::new(&registry, newness);
        let taken = generations
            .iter()
            .filter_map(|generation| Some(intake.take(contract(*generation))?.generation))
            .collect();
        assert!(intake.take(Update::Missing).is_none());
        (taken, registry.render())
    }

    #[test]
    fn generation_decides_for_the_one_and_content_for_the_other() {
        let (taken_by_generation, page) = taken(Newness::Generation, &[0, 0, 5, 5, 3]);
        assert_eq!(taken_by_generation, [0, 5, 3]);
        for line in [
            "millrace_contract_generation 3.0\n",
            "millrace_contract_updates_total{outcome=\"applied\",} 3.0\n",
            "millrace_contract_updates_total{outcome=\"ignored\",} 2.0\n",
            "millrace_contract_updates_total{outcome=\"missing\",} 1.0\n",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
        assert_eq!(taken(Newness::Content, &[0, 0, 5, 5, 3]).0, [0, 0, 5, 5, 3]);
    }
}
