//! The client behind a group consumer, kept alive by whatever still points into it.

use std::ptr::NonNull;

use rdkafka_sys as sys;

use super::text;
use crate::consumer::Wake;

/// An owned client. Everything that points into it (queues, messages) holds an `Arc` of it, so it
/// ends after them. Its end blocks and can happen wherever the last message is dropped, a shard
/// included: it goes to a thread of its own.
pub(super) struct Handle(NonNull<sys::rd_kafka_t>);

// SAFETY: librdkafka's client may be used from any thread, by several at once.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// # Safety
    /// `rk` is a live client that nobody else destroys.
    pub(super) unsafe fn own(rk: NonNull<sys::rd_kafka_t>) -> Self {
        crate::consumer::reaper::born();
        Self(rk)
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.0.as_ptr()
    }

    /// librdkafka's name of the client, for logs.
    pub(super) fn name(&self) -> String {
        // SAFETY: the client is alive; the name never changes and is copied.
        unsafe { text(sys::rd_kafka_name(self.0.as_ptr())) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        crate::consumer::reaper::bury(Doomed(self.0));
    }
}

/// A client that nothing points into any more.
pub(crate) struct Doomed(NonNull<sys::rd_kafka_t>);

// SAFETY: as for `Handle`.
unsafe impl Send for Doomed {}

impl Doomed {
    /// Ends the client; blocks until its threads have ended. Does not leave the group: whoever
    /// wants that has closed the consumer before.
    pub(crate) fn destroy(self) {
        let flags = sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE;
        // SAFETY: the last handle is gone, so nothing points into the client; destroyed once.
        unsafe { sys::rd_kafka_destroy_flags(self.0.as_ptr(), flags) };
    }
}

/// A queue reference whose wake-up calls a Rust function.
pub(super) struct WakingQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Boxed: librdkafka holds its address until the wake-up is disabled.
    opaque: NonNull<Wake>,
}

// SAFETY: librdkafka locks the queue; the wake function is `Send + Sync` and only called.
unsafe impl Send for WakingQueue {}
// SAFETY: as above.
unsafe impl Sync for WakingQueue {}

impl WakingQueue {
    /// # Safety
    /// `queue` is a reference that nobody else destroys, of a client that outlives this value.
    pub(super) unsafe fn own(queue: NonNull<sys::rd_kafka_queue_t>, wake: Wake) -> Self {
        Self { queue, opaque: NonNull::from(Box::leak(Box::new(wake))) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// Calls the function whenever the queue stops being empty. A queue has one such function; the
    /// last one set counts.
    pub(super) fn enable(&self) {
        // SAFETY: the queue is alive; the callback fits the declared type; the boxed function
        // stays where it is until `drop`, which comes after the wake-up is disabled.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(
                self.queue.as_ptr(),
                Some(call),
                self.opaque.as_ptr().cast(),
            );
        }
    }

    /// Ends the calls of whichever function the queue has. librdkafka calls it under the queue's
    /// lock and takes that lock here, so when this returns no call is running.
    pub(super) fn disable(&self) {
        // SAFETY: the queue is alive; no callback ends the wake-ups.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, std::ptr::null_mut());
        }
    }

    /// Calls the function from here.
    pub(super) fn wake(&self) {
        // SAFETY: boxed by `own`, freed by `drop`, never changed.
        let wake = unsafe { self.opaque.as_ref() };
        wake();
    }
}

impl Drop for WakingQueue {
    /// The owner has called `disable`, unless it never called `enable`.
    fn drop(&mut self) {
        // SAFETY: ours, last use.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
        // SAFETY: boxed by `own`; with the wake-up disabled nobody else knows the address.
        drop(unsafe { Box::from_raw(self.opaque.as_ptr()) });
    }
}

/// Runs on librdkafka's threads under the queue's lock. A panic ends the process: it cannot pass
/// through C.
///
/// # Safety
/// Only librdkafka calls it, with the opaque given to `enable`.
unsafe extern "C" fn call(_: *mut sys::rd_kafka_t, opaque: *mut std::ffi::c_void) {
    // SAFETY: the box lives as long as the wake-up is enabled.
    let wake = unsafe { &*opaque.cast::<Wake>() };
    wake();
}
