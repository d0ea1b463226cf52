//! The registry as the settings want it, its endpoint, and what both programs say in it.

use millrace_observe::names::{BUILD_INFO, IO_DRIVER, SHARDS};
use millrace_observe::{Registry, RegistryOptions, admin};
use millrace_shard::{Driver, Shards, Topology};

use crate::env::CommonEnv;
use crate::observability::{MetricsEndpoint, Observability};

/// The registry of the process; it keeps nothing if nothing is exported.
pub fn registry(env: &CommonEnv, observability: &Observability) -> Registry {
    Registry::new(RegistryOptions {
        enabled: endpoint(env, observability).is_some(),
        publish_quantiles: env.metrics.publish_quantiles,
        kafka_clients: !env.metrics.disable_kafka_clients,
        ..RegistryOptions::default()
    })
}

/// Where metrics are served, if they are: not where TLS was asked for, which is not available.
pub fn endpoint<'a>(
    env: &CommonEnv,
    observability: &'a Observability,
) -> Option<&'a MetricsEndpoint> {
    observability.metrics.as_ref().filter(|_| !env.metrics.tls)
}

/// Serves the page until dropped; ends at once if none is wanted.
pub async fn serve(env: &CommonEnv, observability: &Observability, registry: Registry) {
    if let Some(MetricsEndpoint { port, path }) = endpoint(env, observability) {
        admin::run(&env.metrics.host.to_string(), *port, path, registry).await;
    }
}

/// Says in metrics what runs: build, shards, their io driver.
pub fn describe<T: Send + 'static>(
    registry: &Registry,
    shards: &Shards<T>,
    topology: &Topology,
    librdkafka: &str,
) {
    let count = topology.shards.len();
    registry.observe(&SHARDS, &[], move || count as f64);
    let commit = option_env!("MILLRACE_COMMIT").unwrap_or("unknown");
    let version = env!("CARGO_PKG_VERSION");
    registry
        .info(&BUILD_INFO, &[("commit", commit), ("librdkafka", librdkafka), ("version", version)]);
    if let Some(report) = shards.reports().first() {
        let driver = match report.driver {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        };
        registry.info(&IO_DRIVER, &[("driver", driver), ("reason", &report.reason)]);
    }
}
