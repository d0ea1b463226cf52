//! Lists of partitions with offsets, as librdkafka takes and gives them.

use std::ffi::c_int;
use std::ptr::{NonNull, addr_of};
use std::sync::Arc;

use rdkafka_sys as sys;

use super::{c_string, text};
use crate::consumer::TopicPartition;
use crate::error::CreateError;

/// An owned list.
pub(super) struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

/// One row of a list.
pub(crate) struct Row {
    pub(crate) place: TopicPartition,
    pub(crate) offset: i64,
    pub(crate) code: i32,
}

impl PartitionList {
    pub(super) fn new() -> Self {
        // SAFETY: no preconditions; the size is a hint.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(8) };
        Self(NonNull::new(list).expect("librdkafka aborts when memory runs out"))
    }

    pub(super) fn of<'p>(
        places: impl Iterator<Item = &'p TopicPartition>,
    ) -> Result<Self, CreateError> {
        let mut list = Self::new();
        for place in places {
            list.add(place, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        }
        Ok(list)
    }

    pub(super) fn add(&mut self, place: &TopicPartition, offset: i64) -> Result<(), CreateError> {
        self.add_named(&place.topic, place.partition, offset)
    }

    pub(super) fn add_topic(&mut self, topic: &str) -> Result<(), CreateError> {
        self.add_named(topic, -1, i64::from(sys::RD_KAFKA_OFFSET_INVALID))
    }

    fn add_named(&mut self, topic: &str, partition: i32, offset: i64) -> Result<(), CreateError> {
        let topic = c_string("name of a topic", topic)?;
        // SAFETY: the list is ours; the name is copied. The new row stays where it is until the
        // next addition.
        let row = unsafe {
            sys::rd_kafka_topic_partition_list_add(self.0.as_ptr(), topic.as_ptr(), partition)
        };
        // SAFETY: a new row is never null; its offset is plain data.
        unsafe { (*row).offset = offset };
        Ok(())
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) };
    }
}

/// Copies a list; null gives no rows.
///
/// # Safety
/// `list` is null or alive and unchanged during the call.
pub(super) unsafe fn rows(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Row> {
    let Some(list) = NonNull::new(list.cast_mut()) else { return Vec::new() };
    // SAFETY: alive.
    let (count, first): (c_int, _) = unsafe { ((*list.as_ptr()).cnt, (*list.as_ptr()).elems) };
    let count = usize::try_from(count).unwrap_or(0);
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: `elems` has `cnt` rows.
        let row = unsafe { read(first.add(index), rows.last().map(|row| &row.place.topic)) };
        rows.push(row);
    }
    rows
}

/// Copies one row, sharing the name with a row of the same topic.
///
/// # Safety
/// `row` is alive and unchanged during the call.
pub(super) unsafe fn read(
    row: *const sys::rd_kafka_topic_partition_t,
    known: Option<&Arc<str>>,
) -> Row {
    // SAFETY: alive; the name is zero-terminated or null, and copied.
    let topic = unsafe { text((*row).topic) };
    // SAFETY: alive; the code has the size of an i32 and is read as one, since brokers choose it.
    let (partition, offset, code) =
        unsafe { ((*row).partition, (*row).offset, addr_of!((*row).err).cast::<i32>().read()) };
    let topic = match known {
        Some(known) if **known == *topic => Arc::clone(known),
        _ => Arc::from(topic),
    };
    Row { place: TopicPartition { topic, partition }, offset, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_added() {
        let mut list = PartitionList::new();
        for (topic, partition, offset) in [("a", 0, 5), ("a", 1, i64::MAX), ("ü", 7, -1001)] {
            list.add(&TopicPartition { topic: topic.into(), partition }, offset).unwrap();
        }
        assert!(list.add(&TopicPartition { topic: "a\0b".into(), partition: 0 }, 0).is_err());
        // SAFETY: alive and not shared.
        let rows = unsafe { rows(list.as_ptr()) };
        let found: Vec<_> =
            rows.iter().map(|row| (&*row.place.topic, row.place.partition, row.offset)).collect();
        assert_eq!(found, [("a", 0, 5), ("a", 1, i64::MAX), ("ü", 7, -1001)]);
        assert!(Arc::ptr_eq(&rows[0].place.topic, &rows[1].place.topic));
        // SAFETY: null is allowed.
        assert!(unsafe { super::rows(std::ptr::null()) }.is_empty());
    }
}
