//! librdkafka's mock cluster, an in-process set of brokers on loopback.

use std::ffi::{CString, c_int};
use std::ptr::NonNull;

use rdkafka_sys as sys;
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;

use super::conf::Config;
use super::{c_string, error_text, text};
use crate::error::CreateError;

/// An owned mock cluster and the client that librdkafka needs to host it.
pub(crate) struct Mock {
    cluster: NonNull<sys::rd_kafka_mock_cluster_t>,
    client: NonNull<sys::rd_kafka_t>,
}

// SAFETY: every `rd_kafka_mock_*` call used here takes the cluster's lock or sends an operation to
// the cluster's own thread; none depends on the thread that calls. `&self` from two threads at
// once is not offered: the type is not `Sync`.
unsafe impl Send for Mock {}

impl Mock {
    pub(crate) fn start(brokers: c_int) -> Result<Self, CreateError> {
        let mut conf = Config::new();
        conf.set("client.id", "mock-cluster-host")?;
        // Connection losses are the point of many tests; the host's own log would only be noise.
        conf.set("log_level", "0")?;
        let client = conf.into_client(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER)?;
        // SAFETY: the client is alive.
        let cluster = unsafe { sys::rd_kafka_mock_cluster_new(client.as_ptr(), brokers) };
        match NonNull::new(cluster) {
            Some(cluster) => Ok(Self { cluster, client }),
            None => {
                // SAFETY: made above, given to nobody.
                unsafe { sys::rd_kafka_destroy(client.as_ptr()) };
                Err(CreateError::Client { reason: format!("no mock cluster of {brokers} brokers") })
            }
        }
    }

    pub(crate) fn bootstrap_servers(&self) -> String {
        // SAFETY: the string belongs to the cluster and is never changed after its creation.
        unsafe { text(sys::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) }
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: c_int) -> Result<(), String> {
        let name = topic_name(name)?;
        // SAFETY: cluster alive; the name is copied by the call.
        check(unsafe {
            sys::rd_kafka_mock_topic_create(self.cluster.as_ptr(), name.as_ptr(), partitions, 1)
        })
    }

    /// Gives metadata requests for the topic this error; 0 removes it.
    pub(crate) fn topic_error(&self, name: &str, code: i32) -> Result<(), String> {
        let name = topic_name(name)?;
        let error = sys::rd_kafka_resp_err_t::try_from(code)
            .map_err(|_| format!("{code} is no error code that librdkafka knows"))?;
        // SAFETY: cluster alive; the name is copied by the call.
        unsafe {
            sys::rd_kafka_mock_topic_set_error(self.cluster.as_ptr(), name.as_ptr(), error);
        }
        Ok(())
    }

    pub(crate) fn broker_down(&self, broker: i32) -> Result<(), String> {
        // SAFETY: cluster alive.
        check(unsafe { sys::rd_kafka_mock_broker_set_down(self.cluster.as_ptr(), broker) })
    }

    pub(crate) fn broker_up(&self, broker: i32) -> Result<(), String> {
        // SAFETY: cluster alive.
        check(unsafe { sys::rd_kafka_mock_broker_set_up(self.cluster.as_ptr(), broker) })
    }

    pub(crate) fn round_trip_time(&self, broker: i32, ms: c_int) -> Result<(), String> {
        // SAFETY: cluster alive.
        check(unsafe { sys::rd_kafka_mock_broker_set_rtt(self.cluster.as_ptr(), broker, ms) })
    }

    pub(crate) fn leader(&self, name: &str, partition: i32, broker: i32) -> Result<(), String> {
        let name = topic_name(name)?;
        // SAFETY: cluster alive; the name is copied by the call.
        check(unsafe {
            sys::rd_kafka_mock_partition_set_leader(
                self.cluster.as_ptr(),
                name.as_ptr(),
                partition,
                broker,
            )
        })
    }

    /// The highest version of a kind of request that the brokers speak.
    pub(crate) fn api_version_max(&self, api_key: i16, version: i16) -> Result<(), String> {
        // SAFETY: cluster alive.
        check(unsafe {
            sys::rd_kafka_mock_set_apiversion(self.cluster.as_ptr(), api_key, 0, version)
        })
    }

    /// Makes a broker the coordinator of a group.
    pub(crate) fn coordinator(&self, group: &str, broker: i32) -> Result<(), String> {
        let group = c_string("name of a group", group).map_err(|error| error.to_string())?;
        // SAFETY: cluster alive; both strings are copied by the call.
        check(unsafe {
            sys::rd_kafka_mock_coordinator_set(
                self.cluster.as_ptr(),
                c"group".as_ptr(),
                group.as_ptr(),
                broker,
            )
        })
    }

    pub(crate) fn rebalance_delay(&self, ms: c_int) {
        // SAFETY: cluster alive.
        unsafe {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(self.cluster.as_ptr(), ms);
        }
    }

    pub(crate) fn push_request_errors(&self, api_key: i16, codes: &[i32]) {
        // SAFETY: cluster alive; the array is only read, for `len` elements, during the call. The
        // C enum has the size of an i32, and C accepts any value in it.
        unsafe {
            sys::rd_kafka_mock_push_request_errors_array(
                self.cluster.as_ptr(),
                api_key,
                codes.len(),
                codes.as_ptr().cast(),
            );
        }
    }

    pub(crate) fn clear_request_errors(&self, api_key: i16) {
        // SAFETY: cluster alive.
        unsafe { sys::rd_kafka_mock_clear_request_errors(self.cluster.as_ptr(), api_key) };
    }

    pub(crate) fn track_requests(&self) {
        // SAFETY: cluster alive.
        unsafe { sys::rd_kafka_mock_start_request_tracking(self.cluster.as_ptr()) };
    }

    /// API keys of the requests seen since tracking began.
    pub(crate) fn requests(&self) -> Vec<i16> {
        let mut count = 0_usize;
        // SAFETY: cluster alive; the returned array has `count` elements and is ours to free.
        let array =
            unsafe { sys::rd_kafka_mock_get_requests(self.cluster.as_ptr(), &raw mut count) };
        if array.is_null() {
            return Vec::new();
        }
        // SAFETY: `count` pointers to requests, all alive until the array is destroyed below.
        let requests = unsafe { std::slice::from_raw_parts(array, count) };
        let keys = requests
            .iter()
            // SAFETY: as above.
            .map(|&request| unsafe { sys::rd_kafka_mock_request_api_key(request) })
            .collect();
        // SAFETY: given to us by the call above, destroyed once.
        unsafe { sys::rd_kafka_mock_request_destroy_array(array, count) };
        keys
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // SAFETY: the cluster goes first, since it uses the client; both are ours.
        unsafe { sys::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr()) };
        // SAFETY: nothing else holds the client.
        unsafe { sys::rd_kafka_destroy(self.client.as_ptr()) };
    }
}

fn topic_name(name: &str) -> Result<CString, String> {
    c_string("name of a topic", name).map_err(|error| error.to_string())
}

fn check(error: sys::rd_kafka_resp_err_t) -> Result<(), String> {
    if error == NO_ERROR { Ok(()) } else { Err(error_text(error as i32)) }
}
