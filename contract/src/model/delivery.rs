//! How an event is delivered: to whom, how often, and what happens when it fails.

/// Time for one attempt when the contract says nothing, in milliseconds.
pub const TIMEOUT_MS_DEFAULT: u64 = 600_000;

/// Retries, waits and the dead letter address of an egress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where events go that could not be delivered; `None` drops them.
    pub dead_letter: Option<Endpoint>,
    /// Retries after the first attempt.
    pub retries: u32,
    /// How waits grow.
    pub backoff: Backoff,
    /// First wait, in milliseconds; 0 retries at once.
    pub backoff_delay_ms: u64,
    /// Time for one attempt, in milliseconds; never 0.
    pub timeout_ms: u64,
    /// How the event is written into the request.
    pub format: Format,
}

impl Default for Delivery {
    /// What an egress without any configuration gets: one attempt, no dead letter.
    fn default() -> Self {
        Self {
            dead_letter: None,
            retries: 0,
            backoff: Backoff::Exponential,
            backoff_delay_ms: 0,
            timeout_ms: TIMEOUT_MS_DEFAULT,
            format: Format::Binary,
        }
    }
}

/// How an event is written into the request to a subscriber (dispatcher.md 17, W28).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Attributes in headers. Also what an unknown format means.
    #[default]
    Binary,
    /// All in one JSON object.
    Json,
}

/// How the wait between attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles each time. Also what an unknown policy means (contract.md 3).
    #[default]
    Exponential,
    /// Grows by the delay each time.
    Linear,
}

/// An HTTP address and what is needed to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Not blank; not checked further here.
    pub url: String,
    /// PEM certificates trusted in addition.
    pub ca_certs: Option<String>,
    /// Send a bearer token for this audience.
    pub audience: Option<String>,
}

impl Endpoint {
    /// `None` when the URL is blank.
    pub fn new(url: String, ca_certs: String, audience: String) -> Option<Self> {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let known = !url.trim().is_empty();
        known.then(|| Self { url, ca_certs: given(ca_certs), audience: given(audience) })
    }
}
