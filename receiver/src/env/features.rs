//! The directory of `config-features` (platform.md 7.1). A missing one is a cluster without
//! feature flags, not a reason to stop (receiver.md, W38).

use std::path::Path;

use millrace_settings::{MountedDirectory, Reader, Report};

const AUTHENTICATION_OIDC: &str = "authentication-oidc";

/// The flags that the receiver reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Tokens are to be verified where a resource has an audience.
    pub(crate) authentication_oidc: bool,
}

impl Features {
    /// Reads the flags; warns about one that is on and not available.
    pub(crate) fn read(directory: Option<&Path>, report: &mut Report) -> Self {
        let Some(directory) = directory else { return Self::default() };
        let source = MountedDirectory(directory.to_owned());
        let mut read = Reader::new(&source, report);
        let text = read.optional(AUTHENTICATION_OIDC).unwrap_or_default();
        let authentication_oidc = text.eq_ignore_ascii_case("enabled");
        if authentication_oidc {
            let message = "tokens cannot be verified yet: resources with an audience are refused";
            read.warn(AUTHENTICATION_OIDC, Some(&text), message);
        }
        Self { authentication_oidc }
    }
}
