//! Settings as people write them: environment variables, Java `.properties` files and
//! mounted ConfigMap directories, read into plain values with every mistake collected.
//!
//! This crate knows how such text is spelled (as the Java data plane reads it) and how to
//! report what is wrong with it. It knows no setting by name: those live with the product
//! that acts on them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod nearest;
pub mod properties;
pub mod reader;
pub mod report;
pub mod secret;
pub mod source;
pub mod typed;

pub use properties::{Entry, Properties, PropertiesError};
pub use reader::Reader;
pub use report::{Finding, Origin, Report, Severity};
pub use source::{MountedDirectory, ProcessEnvironment, Source, Unreadable, Variables};
pub use typed::JavaValue;
