//! Names for producer configurations.

/// One distinct client configuration: what is left of it once the properties file is fixed is the
/// bootstrap servers. Never used again after its producers are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClusterId(pub(crate) u32);
