//! Keys, partitions and timestamps of records: R80 to R82 and R89.

use std::time::{SystemTime, UNIX_EPOCH};

use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix;
use millrace_tests::rig::{Rig, unique};
use serde_json::json;

use crate::structured::record;

matrix! {
    fn r080_key_decides_the_partition_as_in_java(rig: &'static Rig) {
        let mut connection = Connection::open(rig.receiver.port());
        for (key, partition) in [("k1", 2), ("key-42", 0)] {
            let ids: Vec<String> = (0..20).map(|_| unique()).collect();
            for id in &ids {
                let request = Request::minimal("/ns/a", id).header("ce-partitionkey", key);
                assert_eq!(connection.exchange(&request).status, 202);
            }
            for id in &ids {
                let record = rig.tail.one(&rig.topics.a, id);
                assert_eq!((record.key.as_deref(), record.partition), (Some(key.as_bytes()), partition));
                assert_eq!(record.header("ce_partitionkey").as_deref(), Some(key));
            }
        }
    }

    fn r081_empty_key_is_not_null(rig: &'static Rig) {
        let id = unique();
        let record = rig.record_of(&Request::minimal("/ns/a", &id).header("ce-partitionkey", ""), &id);
        assert_eq!((record.key.as_deref(), record.partition), (Some(&b""[..]), 0));
    }

    /// Java answers 503: it cannot make a key of a number (receiver.md W18).
    fn r082_number_as_key(rig: &'static Rig) {
        assert_eq!(record(rig, json!({ "partitionkey": 5 })).key.as_deref(), Some(&b"5"[..]));
    }

    /// Events of one connection keep their order within a partition (receiver.md 5.6).
    fn order_of_one_connection_is_kept(rig: &'static Rig) {
        let ids: Vec<String> = (0..100).map(|_| unique()).collect();
        let mut connection = Connection::open(rig.receiver.port());
        for id in &ids {
            let request = Request::minimal("/ns/a", id).header("ce-partitionkey", "k1");
            assert_eq!(connection.exchange(&request).status, 202);
        }
        let offsets: Vec<i64> = ids.iter().map(|id| rig.tail.one(&rig.topics.a, id).offset).collect();
        assert!(offsets.is_sorted(), "{offsets:?}");
    }

    fn r089_timestamp_is_the_time_of_sending(rig: &'static Rig) {
        let id = unique();
        let record = rig.record_of(&Request::minimal("/ns/a", &id).header("ce-time", "2020-01-01T10:00:00Z"), &id);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let age_ms = i64::try_from(now).unwrap() - record.timestamp_ms;
        assert!((-1_000..60_000).contains(&age_ms), "the record is {age_ms} ms old");
    }
}
