//! The settings files that the upstream manifests ship (platform.md 3.1 and 7.3), for everything that lays out a pod.

/// `config-kafka-<kind>-producer.properties`.
pub const PRODUCER_PROPERTIES: &str = include_str!("../config/producer.properties");
/// `config-kafka-<kind>-httpserver.properties`.
pub const HTTP_SERVER_PROPERTIES: &str = include_str!("../config/httpserver.properties");
/// `config.xml` of `kafka-config-logging`.
pub const LOGBACK: &str = include_str!("../config/logback.xml");
/// `config-kafka-broker-consumer.properties`.
pub const CONSUMER_PROPERTIES: &str = include_str!("../config/consumer.properties");
/// `config-kafka-broker-webclient.properties`.
pub const WEB_CLIENT_PROPERTIES: &str = include_str!("../config/webclient.properties");
