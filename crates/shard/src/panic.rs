//! What happens when a shard panics: say so with what is known, then end the process.
//!
//! A panic is a bug (architecture.md 5, invariant 3). The hook works whether panics unwind or
//! abort, since it runs before either.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Once};

use crate::spawn::ShardId;

/// Called on the panicking shard, after the log line.
pub(crate) type OnPanic = Arc<dyn Fn(&ShardPanic) + Send + Sync>;

/// What is known of a shard's panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPanic {
    /// The shard.
    pub shard: ShardId,
    /// What it said.
    pub message: String,
    /// File, line and column.
    pub location: String,
}

thread_local! {
    static WATCHED: RefCell<Option<(ShardId, OnPanic)>> = const { RefCell::new(None) };
}

/// From now on a panic of this thread is one of that shard.
pub(crate) fn watch(shard: ShardId, on_panic: OnPanic) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            previous(info);
            report(info);
        }));
    });
    WATCHED.set(Some((shard, on_panic)));
}

fn report(info: &PanicHookInfo<'_>) {
    // Taken, so that a panic within the report does not come back here.
    let watched = WATCHED.try_with(|watched| watched.try_borrow_mut().ok()?.take());
    let Ok(Some((shard, on_panic))) = watched else {
        return;
    };
    let panic = ShardPanic {
        shard,
        message: info.payload_as_str().unwrap_or("no message").to_owned(),
        location: info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string),
    };
    tracing::error!(
        shard = shard.0,
        panic.message = panic.message,
        panic.location = panic.location,
        "A shard panicked, which is a bug; the process ends."
    );
    on_panic(&panic);
}
