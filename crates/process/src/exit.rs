//! Exit codes of both programs, those of sysexits.h where it has one.

/// Flags that make no sense (EX_USAGE).
pub const USAGE: i32 = 64;
/// A panic: a bug (EX_SOFTWARE).
pub const PANIC: i32 = 70;
/// Settings with which the process cannot run (EX_CONFIG).
pub const CONFIG: i32 = 78;
/// A second signal while draining: 128 + SIGTERM, as a shell reports it.
pub const IMPATIENT: i32 = 143;
