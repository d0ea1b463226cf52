//! A producing librdkafka client, and the payloads lent to it until their delivery reports.
//!
//! The payloads live here, next to the client, because that is what makes lending them sound: a
//! buffer leaves the table only with its report, or after `rd_kafka_destroy` has joined every
//! thread that could read it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka_sys as sys;
use slab::Slab;
use sys::{rd_kafka_vtype_t as Vtype, rd_kafka_vu_s__bindgen_ty_1 as Part};

use super::conf::Config;
use super::event::{Event, Happening};
use super::headers::Headers;
use super::{c_string, code, error_text, partitioner, raw, start_of};
use crate::error::CreateError;
use crate::producer::Payload;
use crate::topic::{Partitioning, Topic, TopicState, now_ms};

/// The message opaque holds a time stamp above a table index of 32 bits each.
const _: () = assert!(size_of::<usize>() == 8, "a 64-bit target is needed");

/// Numbers the clients of this process, so that a topic handle can name its own.
static CLIENTS: AtomicU64 = AtomicU64::new(1);

/// An owned client. `Send`, not `Sync`.
pub(crate) struct Client {
    rk: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    id: u64,
    born: Instant,
    in_flight: RefCell<Slab<Lent>>,
    /// The event that the last poll left half read.
    pending: Cell<Option<Event>>,
    polling: Cell<bool>,
    topics: RefCell<Topics>,
    /// Ours, so that librdkafka can never write to a descriptor that has become something else.
    wake: OwnedFd,
}

// SAFETY: librdkafka's handles may be used from any thread; everything else here is `Send`, and
// the raw pointers are used only by the one thread that holds the client.
unsafe impl Send for Client {}

/// A payload in flight. The vector may move within the table, its heap block does not.
struct Lent {
    token: u64,
    payload: Payload,
}

#[derive(Default)]
struct Topics {
    by_name: HashMap<String, usize>,
    /// Never shrinks: librdkafka may hold a state's address until the client is destroyed.
    slots: Vec<Slot>,
}

struct Slot {
    state: Arc<TopicState>,
    handle: Option<NonNull<sys::rd_kafka_topic_t>>,
}

/// A delivery report with its payload.
pub(crate) struct Settled {
    pub(crate) token: u64,
    pub(crate) payload: Payload,
    pub(crate) code: i32,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What one poll hands out.
pub(crate) enum News {
    Settled(Settled),
    Error { code: i32, text: String, fatal: bool },
    Statistics(String),
}

impl Client {
    pub(crate) fn new(conf: Config, wake: BorrowedFd<'_>) -> Result<Self, CreateError> {
        let wake = wake
            .try_clone_to_owned()
            .map_err(|error| CreateError::Wake { reason: error.to_string() })?;
        let events = sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_STATS;
        // SAFETY: the conf is ours and alive.
        unsafe { sys::rd_kafka_conf_set_events(conf.as_ptr(), events) };
        // SAFETY: as above; the callback fits the declared type and outlives the client.
        unsafe { sys::rd_kafka_conf_set_log_cb(conf.as_ptr(), Some(super::log::forward)) };
        let rk = conf.into_client(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER)?;
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_get_main(rk.as_ptr()) };
        let queue = NonNull::new(queue).expect("every client has a main queue");
        // SAFETY: the queue is alive; the one byte is copied; the descriptor stays open until the
        // client is destroyed.
        unsafe {
            sys::rd_kafka_queue_io_event_enable(
                queue.as_ptr(),
                wake.as_raw_fd(),
                b"k".as_ptr().cast(),
                1,
            );
        }
        Ok(Self {
            rk,
            queue,
            id: CLIENTS.fetch_add(1, Ordering::Relaxed),
            born: Instant::now(),
            in_flight: RefCell::new(Slab::with_capacity(1024)),
            pending: Cell::new(None),
            polling: Cell::new(false),
            topics: RefCell::default(),
            wake,
        })
    }

    /// A handle for the topic; asks the brokers for its partitions without waiting for the answer.
    pub(crate) fn topic(
        &self,
        name: &str,
        partitioning: Partitioning,
        max_block: Duration,
    ) -> Result<Topic, CreateError> {
        let c_name = c_string("name of a topic", name)?;
        let mut topics = self.topics.borrow_mut();
        let topics = &mut *topics;
        let slot = if let Some(&slot) = topics.by_name.get(name) {
            slot
        } else {
            let seed = (self.id as u32).wrapping_mul(0x9e37_79b1) >> 8;
            let state = TopicState::new(name, partitioning, self.born, max_block, seed);
            topics.slots.push(Slot { state: Arc::new(state), handle: None });
            topics.by_name.insert(name.to_owned(), topics.slots.len() - 1);
            topics.slots.len() - 1
        };
        let entry = &mut topics.slots[slot];
        if entry.handle.is_none() {
            entry.handle = Some(self.open(&c_name, name, &entry.state)?);
        }
        Ok(Topic { state: Arc::clone(&entry.state), client: self.id, slot })
    }

    fn open(
        &self,
        c_name: &std::ffi::CStr,
        name: &str,
        state: &Arc<TopicState>,
    ) -> Result<NonNull<sys::rd_kafka_topic_t>, CreateError> {
        // SAFETY: the client is alive; the copy of its topic settings is ours.
        let conf = unsafe { sys::rd_kafka_default_topic_conf_dup(self.rk.as_ptr()) };
        // SAFETY: the conf is alive; the callback fits the declared type.
        unsafe {
            sys::rd_kafka_topic_conf_set_partitioner_cb(conf, Some(partitioner::partition));
        }
        let opaque = Arc::as_ptr(state).cast_mut().cast::<c_void>();
        // SAFETY: the state stays in `topics` until after `rd_kafka_destroy`. It is the same one
        // for every handle of this name, so it does not matter that librdkafka ignores the new
        // conf when it still knows the topic.
        unsafe { sys::rd_kafka_topic_conf_set_opaque(conf, opaque) };
        // SAFETY: client and conf are alive; the call takes the conf over, also when it fails.
        let topic = unsafe { sys::rd_kafka_topic_new(self.rk.as_ptr(), c_name.as_ptr(), conf) };
        NonNull::new(topic).ok_or_else(|| {
            // SAFETY: reads this thread's last error.
            let reason = error_text(unsafe { raw::rd_kafka_last_error() });
            CreateError::Topic { topic: name.to_owned(), reason }
        })
    }

    /// Gives the handle back, so that librdkafka forgets the topic once its records are settled.
    pub(crate) fn release(&self, topic: &Topic) {
        if topic.client != self.id {
            return;
        }
        let handle = self.topics.borrow_mut().slots.get_mut(topic.slot).and_then(|slot| {
            slot.state.learn(0);
            slot.handle.take()
        });
        if let Some(handle) = handle {
            // SAFETY: made by `open`, taken out of its slot, so destroyed once.
            unsafe { sys::rd_kafka_topic_destroy(handle.as_ptr()) };
        }
    }

    /// Queues a record. `Ok(true)` means that it is in a partition's queue, `Ok(false)` that it waits
    /// for the topic's metadata. On error the payload comes back with librdkafka's code.
    pub(crate) fn produce(
        &self,
        topic: &Topic,
        key: Option<&[u8]>,
        headers: Option<Headers>,
        payload: Payload,
        token: u64,
    ) -> Result<bool, (Payload, i32)> {
        let handle = (topic.client == self.id)
            .then(|| self.topics.borrow().slots.get(topic.slot).and_then(|slot| slot.handle))
            .flatten();
        let Some(handle) = handle else { return Err((payload, code::LOCAL_INVALID_ARG)) };
        let Some((value, value_len)) = payload_parts(&payload) else {
            return Err((payload, code::LOCAL_INVALID_ARG));
        };
        let mut in_flight = self.in_flight.borrow_mut();
        let index = in_flight.vacant_key();
        let Ok(index_bits) = u32::try_from(index) else {
            return Err((payload, code::LOCAL_QUEUE_FULL));
        };
        in_flight.insert(Lent { token, payload });
        drop(in_flight);

        let (key, key_len) = key.map_or((std::ptr::null(), 0), |key| (start_of(key), key.len()));
        let opaque = (usize::try_from(now_ms(self.born)).unwrap_or(0) << 32) | index_bits as usize;
        let parts = [
            part(Vtype::RD_KAFKA_VTYPE_RKT, Part { rkt: handle.as_ptr() }),
            part(Vtype::RD_KAFKA_VTYPE_VALUE, memory(value, value_len)),
            part(Vtype::RD_KAFKA_VTYPE_KEY, memory(key, key_len)),
            part(Vtype::RD_KAFKA_VTYPE_OPAQUE, Part { ptr: opaque as *mut c_void }),
            part(
                Vtype::RD_KAFKA_VTYPE_HEADERS,
                Part { headers: headers.as_ref().map_or(std::ptr::null_mut(), Headers::as_ptr) },
            ),
        ];
        // The headers part is last, so leaving it off is a matter of the count.
        let count = if headers.is_some() { parts.len() } else { parts.len() - 1 };
        // SAFETY: client and topic are alive. Each part's member fits its type. The key is copied.
        // The value is not: its block lies in `in_flight`, where nothing touches it until the
        // report with this index comes or the client is gone. No free flag is set, so librdkafka
        // never frees it.
        let (error, placed) = partitioner::observe(|| unsafe {
            sys::rd_kafka_produceva(self.rk.as_ptr(), parts.as_ptr(), count)
        });
        if error.is_null() {
            // The record owns them now; freed with it.
            std::mem::forget(headers);
            return Ok(placed);
        }
        let error = error.cast::<c_void>();
        // SAFETY: a non-null result is an error object, ours to read and destroy once.
        let code = unsafe { raw::rd_kafka_error_code(error) };
        // SAFETY: as above.
        unsafe { raw::rd_kafka_error_destroy(error) };
        // The call failed: no message exists, the headers are still ours, and nothing in
        // librdkafka points to the payload.
        let lent = self.in_flight.borrow_mut().remove(index);
        Err((lent.payload, code))
    }

    /// Hands out what has happened, at most `budget` reports. True when the budget ended it, so that
    /// more may be waiting and no wake-up will tell.
    pub(crate) fn poll(
        &self,
        budget: usize,
        timeout: Duration,
        each: &mut dyn FnMut(News),
    ) -> bool {
        if self.polling.replace(true) {
            return false;
        }
        let _guard = Polling(&self.polling);
        let mut timeout = super::timeout_ms(timeout);
        let mut left = budget;
        loop {
            let Some(mut event) = self.pending.take().or_else(|| self.next_event(timeout)) else {
                return false;
            };
            timeout = 0;
            while left > 0 {
                let Some(happening) = event.next() else { break };
                match happening {
                    Happening::Report(report) => {
                        let index = report.opaque & u32::MAX as usize;
                        let lent = self.in_flight.borrow_mut().try_remove(index);
                        let Some(Lent { token, payload }) = lent else {
                            debug_assert!(false, "a report for an unknown record");
                            continue;
                        };
                        left -= 1;
                        each(News::Settled(Settled {
                            token,
                            payload,
                            code: report.code,
                            partition: report.partition,
                            offset: report.offset,
                        }));
                    }
                    Happening::Error { code, text, fatal } => {
                        each(News::Error { code, text, fatal });
                    }
                    Happening::Statistics(json) => each(News::Statistics(json)),
                }
            }
            if left == 0 {
                self.pending.set(Some(event));
                return true;
            }
        }
    }

    fn next_event(&self, timeout_ms: c_int) -> Option<Event> {
        // SAFETY: the queue is alive.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), timeout_ms) };
        // SAFETY: a non-null event is ours.
        NonNull::new(event).map(|event| unsafe { Event::own(event) })
    }

    /// librdkafka's name of the client, for logs.
    pub(crate) fn name(&self) -> String {
        // SAFETY: the client is alive; the name never changes and is copied.
        unsafe { super::text(sys::rd_kafka_name(self.rk.as_ptr())) }
    }

    /// Records lent and not yet reported.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.borrow().len()
    }

    /// Asks every broker thread to send without lingering, and waits at most that long.
    pub(crate) fn flush(&self, timeout: Duration) {
        // SAFETY: the client is alive. A timeout is the only error, and the caller counts itself.
        unsafe { raw::rd_kafka_flush(self.rk.as_ptr(), super::timeout_ms(timeout)) };
    }

    /// Fails everything that is queued or in flight; the reports follow.
    pub(crate) fn purge(&self) {
        let what = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the client is alive.
        unsafe { raw::rd_kafka_purge(self.rk.as_ptr(), what) };
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.pending.set(None);
        // SAFETY: the queue is alive; -1 ends the wake-ups, so that `wake` may be closed later.
        unsafe {
            sys::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, std::ptr::null(), 0);
        }
        for slot in &mut self.topics.get_mut().slots {
            if let Some(handle) = slot.handle.take() {
                // SAFETY: made by `open`, destroyed once.
                unsafe { sys::rd_kafka_topic_destroy(handle.as_ptr()) };
            }
        }
        // SAFETY: ours, last use.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
        // SAFETY: ours, last use. The call joins librdkafka's threads, so payloads, topic states
        // and the descriptor, which are dropped after this body, are used by nobody any more.
        unsafe { sys::rd_kafka_destroy(self.rk.as_ptr()) };
        // Named so that nobody removes a field that is only kept alive.
        let _ = &self.wake;
    }
}

/// The time stamp in a message opaque.
pub(super) fn stamp_ms(opaque: *mut c_void) -> u32 {
    (opaque as usize >> 32) as u32
}

fn part(vtype: Vtype, u: Part) -> sys::rd_kafka_vu_t {
    sys::rd_kafka_vu_t { vtype, u }
}

fn memory(ptr: *const c_void, size: usize) -> Part {
    Part { mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: ptr.cast_mut(), size } }
}

/// Start and length of the bytes to send; null for a null value. `None` when the range is not
/// within the buffer.
fn payload_parts(payload: &Payload) -> Option<(*const c_void, usize)> {
    match payload {
        Payload::Null => Some((std::ptr::null(), 0)),
        Payload::Bytes { buffer, range } => {
            let bytes = buffer.get(range.clone())?;
            Some((start_of(bytes), bytes.len()))
        }
    }
}

/// Ends a poll also when the receiver of the news panics.
struct Polling<'c>(&'c Cell<bool>);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
