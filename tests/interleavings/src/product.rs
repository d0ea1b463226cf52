//! The shipped files, as links.

pub mod balance;
pub mod budget;
pub mod credits;
pub mod link;
pub mod mailbox;
pub mod owner;
pub mod rate;
pub mod share;
pub mod topic;
