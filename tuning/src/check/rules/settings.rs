//! Settings that work against each other.

use super::Scene;
use crate::check::Program;
use crate::check::finding::{Said, note, warning};

/// `batch.size` as shipped. Without `linger.ms` the receiver replaces it; with it, it holds.
const SHIPPED_BATCH: u64 = 16_384;
/// `max.request.size` as shipped: the largest record.
const RECORD_BYTES: u64 = 1 << 20;
/// `queued.max.messages.kbytes` in bytes.
const QUEUED_BYTES: u64 = 128 << 10;

pub(super) fn linger_small_batches(scene: &Scene<'_>) -> Option<Said> {
    let wanted = scene.wanted;
    if wanted.program != Program::Receiver
        || wanted.linger_ms == 0
        || wanted.batch_size > SHIPPED_BATCH
    {
        return None;
    }
    warning(
        format!(
            "linger.ms={} switches the adaptive batching off, and batch.size={} then cuts what has gathered into \
             requests of a dozen events, each on its own.",
            wanted.linger_ms, wanted.batch_size
        ),
        "Set linger.ms=0 and PRODUCER_BATCH_DELAY_US instead; or batch.size=1000000 with it.",
    )
}

pub(super) fn budget_below_record(scene: &Scene<'_>) -> Option<Said> {
    let (wanted, clusters) = (scene.wanted, scene.wanted.clusters.max(1));
    // Half is common, the other half is guaranteed in equal shares.
    let share = wanted.buffer_memory / 2 / clusters;
    if wanted.program != Program::Receiver || share >= RECORD_BYTES {
        return None;
    }
    warning(
        format!(
            "buffer.memory={} guarantees each of {clusters} clusters {} KiB, less than one record may have: while \
             another cluster is slow, large events to the others are answered 503.",
            wanted.buffer_memory,
            share / 1024
        ),
        format!("Set buffer.memory to {} or more.", 2 * RECORD_BYTES * clusters),
    )
}

pub(super) fn pool_below_window(scene: &Scene<'_>) -> Option<Said> {
    let wanted = scene.wanted;
    if wanted.program != Program::Dispatcher || wanted.pool >= wanted.in_flight {
        return None;
    }
    note(
        format!(
            "maxPoolSize={} is less than max.poll.records={}: the rest of what an unordered egress has in flight \
             waits for a connection, and each of {} shards gets its part of the pool.",
            wanted.pool, wanted.in_flight, wanted.shards
        ),
        "Raise maxPoolSize, unless it is meant to protect subscribers.",
    )
}

pub(super) fn fetch_over_queue(scene: &Scene<'_>) -> Option<Said> {
    let wanted = scene.wanted;
    if wanted.program != Program::Dispatcher || wanted.fetch_bytes <= 4 * QUEUED_BYTES {
        return None;
    }
    note(
        format!(
            "max.partition.fetch.bytes={}: a partition that stands still holds that much, beyond the 128 KiB to which \
             what is fetched ahead is bounded otherwise.",
            wanted.fetch_bytes
        ),
        "Keep 65536 unless records are large.",
    )
}
