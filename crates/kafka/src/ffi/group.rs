//! A consuming client that is a member of a group, with everything on one event queue.
//!
//! Calls that change assignment, subscription or pauses wait for an answer of the client's own main
//! thread (`rd_kafka_op_req`), which does no network waiting: microseconds when a CPU is free. That
//! thread drops such a request unanswered when the group membership ends in between
//! (`rd_kafka_cgrp_op_serve`), and the caller would wait for ever. A rebalance that waits for us
//! holds up the end only if it began after the unsubscription that a close begins with; an older one
//! is forgotten. So [`crate::Consumer::close`] unsubscribes, lets everything be answered, and only
//! then calls [`Group::close`].

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka_sys as sys;

use super::conf::Config;
use super::handle::{Handle, WakingQueue};
use super::partition_queue::{Core, PartitionQueue};
use super::partitions::{self, PartitionList, Row};
use super::{c_string, code, raw, text};
use crate::consumer::{GroupTrouble, TopicPartition, Wake};
use crate::error::CreateError;

/// An owned member of a group. `Send`, not `Sync`: [`crate::Consumer`] keeps it so.
pub(crate) struct Group {
    /// Dropped before the client that it belongs to.
    queue: WakingQueue,
    handle: Arc<Handle>,
}

/// What the event queue tells.
pub(crate) enum News {
    Rebalance { revoked: bool, partitions: Vec<TopicPartition> },
    Committed { code: i32, rows: Vec<Row> },
    Trouble(GroupTrouble),
    Statistics(String),
    Other,
}

impl Group {
    pub(crate) fn new(conf: Config, wake: Wake) -> Result<Self, CreateError> {
        let events =
            sys::RD_KAFKA_EVENT_REBALANCE | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_STATS;
        // SAFETY: the conf is ours and alive. Without the rebalance event librdkafka would assign
        // by itself, before the partitions' queues are split off.
        unsafe { sys::rd_kafka_conf_set_events(conf.as_ptr(), events) };
        // SAFETY: as above; the callback fits the declared type and outlives the client.
        unsafe { sys::rd_kafka_conf_set_log_cb(conf.as_ptr(), Some(super::log::forward)) };
        let rk = conf.into_client(sys::rd_kafka_type_t::RD_KAFKA_CONSUMER)?;
        // SAFETY: made just now; the handle is the only owner.
        let handle = Arc::new(unsafe { Handle::own(rk) });
        // SAFETY: alive. Errors and statistics go to the consumer's queue from now on; the code is
        // librdkafka's own, and without a group id there is no queue below.
        let _ = unsafe { sys::rd_kafka_poll_set_consumer(handle.as_ptr()) };
        // SAFETY: alive.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(handle.as_ptr()) };
        let queue = NonNull::new(queue)
            .ok_or_else(|| CreateError::Client { reason: "group.id is empty".to_owned() })?;
        // SAFETY: a fresh reference; `handle` outlives it.
        let queue = unsafe { WakingQueue::own(queue, wake) };
        queue.enable();
        Ok(Self { queue, handle })
    }

    pub(crate) fn name(&self) -> String {
        self.handle.name()
    }

    /// Calls the wake-up function from here.
    pub(crate) fn wake(&self) {
        self.queue.wake();
    }

    pub(crate) fn subscribe<'t>(
        &self,
        topics: impl Iterator<Item = &'t str>,
    ) -> Result<(), GroupTrouble> {
        let mut list = PartitionList::new();
        for topic in topics {
            list.add_topic(topic).map_err(|error| GroupTrouble::ours(error.to_string()))?;
        }
        // SAFETY: client and list are alive; the list is copied.
        let code = unsafe { raw::rd_kafka_subscribe(self.handle.as_ptr(), list.as_ptr()) };
        trouble(code)
    }

    /// Leaves the topics. A revocation comes if partitions are assigned; after it no rebalance begins.
    pub(crate) fn unsubscribe(&self) {
        // SAFETY: alive. The only errors are that there is no group, or that it has ended.
        unsafe { raw::rd_kafka_unsubscribe(self.handle.as_ptr()) };
    }

    /// The next thing, `None` when there is nothing now.
    pub(crate) fn next(&self) -> Option<News> {
        // SAFETY: the queue is alive; 0 does not wait.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
        let event = Event(NonNull::new(event)?);
        // SAFETY: the event is ours and alive, also in the calls below.
        let kind: c_int = unsafe { sys::rd_kafka_event_type(event.as_ptr()) };
        Some(match kind {
            sys::RD_KAFKA_EVENT_REBALANCE => {
                let partitions = event.rows().into_iter().map(|row| row.place).collect();
                News::Rebalance {
                    revoked: event.code() != code::LOCAL_ASSIGN_PARTITIONS,
                    partitions,
                }
            }
            sys::RD_KAFKA_EVENT_OFFSET_COMMIT => {
                News::Committed { code: event.code(), rows: event.rows() }
            }
            sys::RD_KAFKA_EVENT_ERROR => News::Trouble(event.trouble()),
            // SAFETY: the string belongs to the event and is copied.
            sys::RD_KAFKA_EVENT_STATS => unsafe {
                News::Statistics(text(sys::rd_kafka_event_stats(event.as_ptr())))
            },
            _ => News::Other,
        })
    }

    /// Events that wait. `next` may give `None` with some left, after the one that tells the end.
    pub(crate) fn waiting(&self) -> usize {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.queue.as_ptr()) }
    }

    /// Whether partitions come and go one by one (cooperative protocol), or all at once.
    pub(crate) fn cooperative(&self) -> bool {
        // SAFETY: alive; a static string or null.
        unsafe { text(sys::rd_kafka_rebalance_protocol(self.handle.as_ptr())) == "COOPERATIVE" }
    }

    /// Whether the partitions already belong to others (session timed out, fenced).
    pub(crate) fn lost(&self) -> bool {
        // SAFETY: alive; reads an atomic number.
        unsafe { sys::rd_kafka_assignment_lost(self.handle.as_ptr()) != 0 }
    }

    /// Whether the coordinator has given us a member id. To be asked before [`Group::close`] only; see
    /// the head of this file.
    pub(crate) fn has_member_id(&self) -> bool {
        // SAFETY: alive; the answer is NULL or a string of our own.
        let id = unsafe { sys::rd_kafka_memberid(self.handle.as_ptr()) };
        // SAFETY: not NULL, so a C string, and ours until it is freed below.
        let has = !id.is_null() && unsafe { *id != 0 };
        if !id.is_null() {
            // SAFETY: librdkafka made it for us, and nothing refers to it any more.
            unsafe { sys::rd_kafka_mem_free(self.handle.as_ptr(), id.cast()) };
        }
        has
    }

    /// Splits the partition's queue off. To be called before it is assigned.
    pub(crate) fn open(
        &self,
        place: &TopicPartition,
        wake: Wake,
    ) -> Result<(Arc<Core>, PartitionQueue), GroupTrouble> {
        let topic = c_string("name of a topic", &place.topic)
            .map_err(|error| GroupTrouble::ours(error.to_string()))?;
        // SAFETY: alive; the name is copied.
        let queue = unsafe {
            sys::rd_kafka_queue_get_partition(self.handle.as_ptr(), topic.as_ptr(), place.partition)
        };
        let queue = NonNull::new(queue)
            .ok_or_else(|| GroupTrouble::ours(format!("there is no queue for {place}")))?;
        // SAFETY: a fresh reference; the core keeps the client alive for it.
        let queue = unsafe { WakingQueue::own(queue, wake) };
        // SAFETY: as above.
        let core = unsafe { Core::open(queue, place.clone(), Arc::clone(&self.handle)) };
        let core = Arc::new(core);
        Ok((Arc::clone(&core), PartitionQueue::new(core)))
    }

    /// Takes exactly these partitions; `None` gives all back.
    pub(crate) fn assign(&self, places: Option<&[TopicPartition]>) -> Result<(), GroupTrouble> {
        let list = places.map(list_of).transpose()?;
        let list = list.as_ref().map_or(std::ptr::null_mut(), PartitionList::as_ptr);
        // SAFETY: client and list are alive; the list is copied.
        trouble(unsafe { raw::rd_kafka_assign(self.handle.as_ptr(), list) })
    }

    /// Takes these partitions in addition.
    pub(crate) fn assign_more(&self, places: &[TopicPartition]) -> Result<(), GroupTrouble> {
        let list = list_of(places)?;
        // SAFETY: client and list are alive; the list is copied; the result is ours.
        unsafe { error(raw::rd_kafka_incremental_assign(self.handle.as_ptr(), list.as_ptr())) }
    }

    /// Gives these partitions back.
    pub(crate) fn assign_less(&self, places: &[TopicPartition]) -> Result<(), GroupTrouble> {
        let list = list_of(places)?;
        // SAFETY: client and list are alive; the list is copied; the result is ours.
        unsafe { error(raw::rd_kafka_incremental_unassign(self.handle.as_ptr(), list.as_ptr())) }
    }

    /// Asks the group's coordinator to note offsets; the answer comes as `News::Committed`.
    pub(crate) fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), GroupTrouble> {
        let mut list = PartitionList::new();
        for (place, offset) in offsets {
            list.add(place, *offset).map_err(|error| GroupTrouble::ours(error.to_string()))?;
        }
        // SAFETY: client, list and queue are alive; the list is copied; without a callback the
        // answer is an event of the queue, and nothing reads the opaque.
        trouble(unsafe {
            raw::rd_kafka_commit_queue(
                self.handle.as_ptr(),
                list.as_ptr(),
                self.queue.as_ptr(),
                std::ptr::null(),
                std::ptr::null_mut(),
            )
        })
    }

    /// Stops fetching the partition and frees what was fetched.
    pub(crate) fn pause(&self, core: &Core) -> Result<(), GroupTrouble> {
        let list = list_of(std::slice::from_ref(core.place()))?;
        core.pause(|| {
            // SAFETY: client and list are alive. Returns when the partition is paused. The code is
            // always 0; a partition that is not known has nothing to pause.
            unsafe { raw::rd_kafka_pause_partitions(self.handle.as_ptr(), list.as_ptr()) };
        });
        Ok(())
    }

    /// Fetches again, from the record after the last one that a poll gave.
    pub(crate) fn resume(&self, place: &TopicPartition) -> Result<(), GroupTrouble> {
        let list = list_of(std::slice::from_ref(place))?;
        // SAFETY: client and list are alive.
        unsafe { raw::rd_kafka_resume_partitions(self.handle.as_ptr(), list.as_ptr()) };
        Ok(())
    }

    /// Starts to leave the group. A revocation comes first if partitions are assigned.
    pub(crate) fn close(&self) -> Result<(), GroupTrouble> {
        // SAFETY: client and queue are alive; the queue is the one that the events go to anyway;
        // the result is ours.
        unsafe {
            error(raw::rd_kafka_consumer_close_queue(self.handle.as_ptr(), self.queue.as_ptr()))
        }
    }

    /// Whether it has left.
    pub(crate) fn closed(&self) -> bool {
        // SAFETY: alive; reads an atomic number.
        unsafe { sys::rd_kafka_consumer_closed(self.handle.as_ptr()) != 0 }
    }

    /// First and next offset as of the last fetch; negative when not known.
    pub(crate) fn watermarks(&self, place: &TopicPartition) -> Option<(i64, i64)> {
        let topic = c_string("name of a topic", &place.topic).ok()?;
        let (mut low, mut high) = (-1_i64, -1_i64);
        // SAFETY: alive; the name is copied; the results are ours. The code is librdkafka's own.
        let error = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.handle.as_ptr(),
                topic.as_ptr(),
                place.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (error as i32 == 0).then_some((low, high))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.queue.disable();
        // Named so that nobody removes a field that is only kept alive.
        let _ = &self.handle;
    }
}

/// An owned event.
struct Event(NonNull<sys::rd_kafka_event_t>);

impl Event {
    fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }

    fn code(&self) -> i32 {
        // SAFETY: the event is ours and alive.
        unsafe { raw::rd_kafka_event_error(self.as_ptr().cast()) }
    }

    fn rows(&self) -> Vec<Row> {
        // SAFETY: the event is ours and alive; the list lives as long as it and is copied.
        unsafe { partitions::rows(sys::rd_kafka_event_topic_partition_list(self.as_ptr())) }
    }

    fn trouble(&self) -> GroupTrouble {
        // SAFETY: the string belongs to the event and is copied.
        let words = unsafe { text(sys::rd_kafka_event_error_string(self.as_ptr())) };
        // SAFETY: the event is ours and alive.
        let fatal = unsafe { sys::rd_kafka_event_error_is_fatal(self.as_ptr()) } != 0;
        let trouble = GroupTrouble::new(self.code(), words, fatal);
        // SAFETY: the event is ours and alive; the result is null or ours.
        let row = unsafe { sys::rd_kafka_event_topic_partition(self.as_ptr()) };
        if row.is_null() {
            return trouble;
        }
        // SAFETY: not null, alive, copied.
        let Row { place, offset, .. } = unsafe { partitions::read(row, None) };
        // SAFETY: ours, destroyed once.
        unsafe { sys::rd_kafka_topic_partition_destroy(row) };
        trouble.at(place, offset)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

fn list_of(places: &[TopicPartition]) -> Result<PartitionList, GroupTrouble> {
    PartitionList::of(places.iter()).map_err(|error| GroupTrouble::ours(error.to_string()))
}

fn trouble(code: i32) -> Result<(), GroupTrouble> {
    if code == 0 { Ok(()) } else { Err(GroupTrouble::new(code, super::error_text(code), false)) }
}

/// # Safety
/// `error` is null or an error object that is ours.
unsafe fn error(error: *mut c_void) -> Result<(), GroupTrouble> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, ours, alive; the string is copied.
    let (code, words, fatal) = unsafe {
        (
            raw::rd_kafka_error_code(error),
            text(raw::rd_kafka_error_string(error)),
            raw::rd_kafka_error_is_fatal(error) != 0,
        )
    };
    // SAFETY: ours, destroyed once.
    unsafe { raw::rd_kafka_error_destroy(error) };
    Err(GroupTrouble::new(code, words, fatal))
}
