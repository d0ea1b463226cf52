//! librdkafka's consumer without a group, for reading back what a test or a demo has produced.

use std::ffi::{c_char, c_void};
use std::ptr::{NonNull, addr_of};
use std::time::Duration;

use rdkafka_sys as sys;

use super::conf::Config;
use super::{c_string, error_text, text, timeout_ms};
use crate::error::CreateError;
use crate::testing::TestRecord;

/// Where reading of a partition begins: librdkafka's two logical offsets.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Beginning,
    End,
}

/// One step of reading.
pub(crate) enum Step {
    Record(TestRecord),
    EndOfPartition { partition: i32, offset: i64 },
    Failed(String),
}

/// An owned consumer client.
pub(crate) struct Consumer(NonNull<sys::rd_kafka_t>);

// SAFETY: librdkafka's client is thread-safe; nothing here is bound to the creating thread.
unsafe impl Send for Consumer {}

impl Consumer {
    pub(crate) fn new(bootstrap: &str) -> Result<Self, CreateError> {
        let mut conf = Config::new();
        for (key, value) in [
            ("bootstrap.servers", bootstrap),
            ("client.id", "reader"),
            ("group.id", "reader-without-group"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
            ("fetch.wait.max.ms", "20"),
            ("log_level", "0"),
        ] {
            conf.set(key, value)?;
        }
        conf.into_client(sys::rd_kafka_type_t::RD_KAFKA_CONSUMER).map(Self)
    }

    /// Low and high watermark of a partition.
    pub(crate) fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<(i64, i64), String> {
        let name = c_string("name of a topic", topic).map_err(|error| error.to_string())?;
        let (mut low, mut high) = (0_i64, 0_i64);
        // SAFETY: the client is alive; the name is copied; both results are ours.
        let error = unsafe {
            sys::rd_kafka_query_watermark_offsets(
                self.0.as_ptr(),
                name.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                timeout_ms(timeout),
            )
        } as i32;
        if error == 0 { Ok((low, high)) } else { Err(error_text(error)) }
    }

    /// Starts reading the given partitions of a topic into one queue.
    pub(crate) fn read(&self, topic: &str) -> Result<Reading<'_>, String> {
        let name = c_string("name of a topic", topic).map_err(|error| error.to_string())?;
        // SAFETY: the client is alive; the name is copied; no topic settings are passed.
        let handle = unsafe {
            sys::rd_kafka_topic_new(self.0.as_ptr(), name.as_ptr(), std::ptr::null_mut())
        };
        let handle = NonNull::new(handle).ok_or_else(|| format!("no handle for topic {topic}"))?;
        // SAFETY: the client is alive.
        let queue = unsafe { sys::rd_kafka_queue_new(self.0.as_ptr()) };
        let queue = NonNull::new(queue).expect("librdkafka aborts when memory runs out");
        Ok(Reading { client: self, topic: handle, queue, started: Vec::new() })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: every `Reading` borrows us, so its queue and topic are gone by now.
        unsafe { sys::rd_kafka_destroy(self.0.as_ptr()) };
    }
}

/// Partitions of one topic being fetched.
pub(crate) struct Reading<'c> {
    client: &'c Consumer,
    topic: NonNull<sys::rd_kafka_topic_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    started: Vec<i32>,
}

impl Reading<'_> {
    /// Number of partitions that the topic has, from its metadata.
    pub(crate) fn partitions(&self, timeout: Duration) -> Result<i32, String> {
        let mut metadata: *const sys::rd_kafka_metadata = std::ptr::null();
        // SAFETY: client and topic are alive; the result pointer is ours.
        let error = unsafe {
            sys::rd_kafka_metadata(
                self.client.0.as_ptr(),
                0,
                self.topic.as_ptr(),
                &raw mut metadata,
                timeout_ms(timeout),
            )
        } as i32;
        if error != 0 || metadata.is_null() {
            return Err(error_text(error));
        }
        // SAFETY: librdkafka filled it: `topics` has `topic_cnt` elements. The error code is read
        // as an integer since a broker chooses it.
        let answer = unsafe {
            if (*metadata).topic_cnt == 1 {
                let topic = (*metadata).topics;
                Some((addr_of!((*topic).err).cast::<i32>().read(), (*topic).partition_cnt))
            } else {
                None
            }
        };
        // SAFETY: ours, destroyed once, not used after.
        unsafe { sys::rd_kafka_metadata_destroy(metadata) };
        match answer {
            Some((0, count)) if count > 0 => Ok(count),
            Some((0, _)) | None => Err("the topic has no partitions yet".to_owned()),
            Some((code, _)) => Err(error_text(code)),
        }
    }

    pub(crate) fn start(&mut self, partition: i32, from: Start) -> Result<(), String> {
        let offset = match from {
            Start::Beginning => i64::from(sys::RD_KAFKA_OFFSET_BEGINNING),
            Start::End => i64::from(sys::RD_KAFKA_OFFSET_END),
        };
        // SAFETY: topic and queue are alive and stay so until `drop` has stopped the partition.
        let result = unsafe {
            sys::rd_kafka_consume_start_queue(
                self.topic.as_ptr(),
                partition,
                offset,
                self.queue.as_ptr(),
            )
        };
        if result != 0 {
            return Err(format!("partition {partition} cannot be read"));
        }
        self.started.push(partition);
        Ok(())
    }

    /// The next record or event, or `None` when the time is over.
    pub(crate) fn next(&self, timeout: Duration) -> Option<Step> {
        // SAFETY: the queue is alive.
        let message =
            unsafe { sys::rd_kafka_consume_queue(self.queue.as_ptr(), timeout_ms(timeout)) };
        let message = NonNull::new(message)?;
        // SAFETY: the message is ours until destroyed; the code is read as an integer.
        let step = unsafe { step(message) };
        // SAFETY: destroyed once; everything kept was copied.
        unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        Some(step)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        for &partition in &self.started {
            // SAFETY: started by us on this handle, stopped once.
            unsafe { sys::rd_kafka_consume_stop(self.topic.as_ptr(), partition) };
        }
        // SAFETY: no partition feeds the queue any more.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
        // SAFETY: ours, last use.
        unsafe { sys::rd_kafka_topic_destroy(self.topic.as_ptr()) };
    }
}

/// Copies a message out.
///
/// # Safety
/// `message` is alive and not being changed.
unsafe fn step(message: NonNull<sys::rd_kafka_message_t>) -> Step {
    let ptr = message.as_ptr();
    // SAFETY: alive; the field has the size of an i32.
    let code = unsafe { addr_of!((*ptr).err).cast::<i32>().read() };
    // SAFETY: alive, plain integers.
    let (partition, offset) = unsafe { ((*ptr).partition, (*ptr).offset) };
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF as i32 {
        return Step::EndOfPartition { partition, offset };
    }
    if code != 0 {
        // SAFETY: alive; the string belongs to the message and is copied.
        let words = unsafe { text(sys::rd_kafka_message_errstr(ptr)) };
        return Step::Failed(words);
    }
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: alive; the kind is one of librdkafka's own three values.
    let timestamp_ms = unsafe { sys::rd_kafka_message_timestamp(ptr, &raw mut kind) };
    // SAFETY: key and payload are null or have their given lengths.
    let (key, value) =
        unsafe { (bytes((*ptr).key, (*ptr).key_len), bytes((*ptr).payload, (*ptr).len)) };
    // SAFETY: alive.
    let headers = unsafe { headers(message) };
    Step::Record(TestRecord { partition, offset, timestamp_ms, key, value, headers })
}

/// # Safety
/// `message` is alive and not being changed.
unsafe fn headers(message: NonNull<sys::rd_kafka_message_t>) -> Vec<(String, Option<Vec<u8>>)> {
    let mut list: *mut sys::rd_kafka_headers_t = std::ptr::null_mut();
    // SAFETY: alive; the list stays the message's.
    let error = unsafe { sys::rd_kafka_message_headers(message.as_ptr(), &raw mut list) } as i32;
    let mut found = Vec::new();
    if error != 0 || list.is_null() {
        return found;
    }
    for index in 0.. {
        let mut name: *const c_char = std::ptr::null();
        let mut value: *const c_void = std::ptr::null();
        let mut length = 0_usize;
        // SAFETY: the list is alive as long as the message; the three results are ours.
        let error = unsafe {
            sys::rd_kafka_header_get_all(
                list,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            )
        } as i32;
        if error != 0 {
            break;
        }
        // SAFETY: librdkafka zero-terminates names; a value is null or has the given length.
        found.push(unsafe { (text(name), bytes(value, length)) });
    }
    found
}

/// # Safety
/// `ptr` is null or points to `length` readable bytes.
unsafe fn bytes(ptr: *const c_void, length: usize) -> Option<Vec<u8>> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller vouches for the length.
    Some(unsafe { std::slice::from_raw_parts(ptr.cast::<u8>(), length) }.to_vec())
}
