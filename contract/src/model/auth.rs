//! How to log in to Kafka: which secrets, which of their keys. Fetching them is not done here.

use super::Reference;

/// Credentials for the brokers (platform.md 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None: plaintext, no secret. Also when the contract says nothing.
    #[default]
    Absent,
    /// One secret in our format, which names the protocol itself.
    Secret(SecretRef),
    /// A protocol, and fields picked from several secrets in order, where the later one wins.
    Multi {
        /// How to talk to the brokers.
        protocol: Protocol,
        /// Which keys of which secrets; may be empty.
        secrets: Vec<SecretKeys>,
    },
}

impl Auth {
    /// Nothing but a plaintext connection is asked for, so no secret is needed. True for
    /// `multiAuthSecret: {}` too, which every KafkaSource without auth carries.
    pub fn is_plaintext(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Secret(_) => false,
            Self::Multi { protocol, secrets } => {
                *protocol == Protocol::Plaintext && secrets.is_empty()
            }
        }
    }
}

/// A secret with a namespace and a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef(Reference);

impl SecretRef {
    /// `None` when namespace or name is blank.
    pub fn new(reference: Reference) -> Option<Self> {
        let named = !reference.namespace.trim().is_empty() && !reference.name.trim().is_empty();
        named.then_some(Self(reference))
    }

    /// Where it is.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `resourceVersion` that the control plane has seen; another one means other content.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// All that the contract says about it.
    pub fn reference(&self) -> &Reference {
        &self.0
    }
}

/// Keys of one secret and what each holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeys {
    /// The secret.
    pub secret: SecretRef,
    /// In contract order.
    pub keys: Vec<KeyField>,
}

/// One key of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyField {
    /// Key in the secret's data.
    pub key: String,
    /// What its value is used for.
    pub field: SecretField,
}

/// How to talk to the brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Neither encrypted nor authenticated; absent in JSON.
    #[default]
    Plaintext,
    /// Login without encryption.
    SaslPlaintext,
    /// Encrypted, perhaps with a client certificate.
    Ssl,
    /// Login over an encrypted connection.
    SaslSsl,
}

/// What a value from a secret is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretField {
    /// SASL mechanism; absent in JSON.
    #[default]
    SaslMechanism,
    /// Trusted certificates, PEM.
    CaCrt,
    /// Client certificate, PEM.
    UserCrt,
    /// Client key, PEM.
    UserKey,
    /// SASL user.
    User,
    /// SASL password.
    Password,
    /// Used by the control plane only.
    Type,
    /// Used for AWS MSK.
    TokenProvider,
    /// Used for AWS MSK.
    RoleArn,
}
