//! The partitioner that librdkafka calls for every record: keys as in Java, the rest by our choice.

use std::cell::Cell;
use std::ffi::c_void;

use rdkafka_sys as sys;

use crate::topic::{Choice, TopicState};

thread_local! {
    /// Set while this thread is inside `rd_kafka_produceva`, taken back by the partitioner. Still
    /// set afterwards means that the record waits for the topic's metadata.
    static PRODUCING: Cell<bool> = const { Cell::new(false) };
}

/// A partition that no topic has: librdkafka then fails the record instead of sending it.
const NO_PARTITION: i32 = i32::MAX;

/// Runs a produce call and tells whether it reached the partitioner.
pub(super) fn observe<T>(produce: impl FnOnce() -> T) -> (T, bool) {
    PRODUCING.set(true);
    let result = produce();
    (result, !PRODUCING.replace(false))
}

/// The callback. It runs on the shard inside `rd_kafka_produceva`, and on librdkafka's main thread
/// for records that waited for metadata; both hold the topic's lock. A panic would abort, not
/// unwind into C.
///
/// # Safety
/// `state` points to the `TopicState` given at the topic's creation, which the client keeps until
/// after `rd_kafka_destroy`; librdkafka vouches for the rest.
pub(super) unsafe extern "C" fn partition(
    topic: *const sys::rd_kafka_topic_t,
    key: *const c_void,
    key_len: usize,
    count: i32,
    state: *mut c_void,
    opaque: *mut c_void,
) -> i32 {
    // SAFETY: see above; only shared references to a state of atomics are ever made.
    let state = unsafe { &*state.cast_const().cast::<TopicState>() };
    let waited = !PRODUCING.replace(false);
    if waited && state.is_late(super::client::stamp_ms(opaque)) {
        return NO_PARTITION;
    }
    state.learn(count);
    // SAFETY: called from the partitioner, with its own topic, which is what the call demands.
    let available =
        |partition| unsafe { sys::rd_kafka_topic_partition_available(topic, partition) } != 0;
    match state.choose(!key.is_null(), count, available) {
        Choice::Partition(partition) => partition,
        Choice::KeyHash => {
            // SAFETY: the key has its length and the count is positive.
            unsafe {
                sys::rd_kafka_msg_partitioner_murmur2(
                    topic,
                    key,
                    key_len,
                    count,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        }
        Choice::Random => {
            // SAFETY: called from the partitioner, with its own topic.
            unsafe {
                sys::rd_kafka_msg_partitioner_random(
                    topic,
                    key,
                    key_len,
                    count,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            }
        }
    }
}
