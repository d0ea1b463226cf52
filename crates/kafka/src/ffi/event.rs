//! Events of a client's queue: batches of delivery reports, errors, statistics.

use std::ffi::c_int;
use std::ptr::{NonNull, addr_of};

use rdkafka_sys as sys;

use super::{raw, text};

/// An owned event, read step by step.
pub(super) struct Event {
    event: NonNull<sys::rd_kafka_event_t>,
    done: bool,
}

// SAFETY: an event belongs to whoever polled it and has no tie to a thread.
unsafe impl Send for Event {}

/// One thing that an event tells.
pub(super) enum Happening {
    Report(Report),
    Error { code: i32, text: String, fatal: bool },
    Statistics(String),
}

/// The plain part of a delivery report.
pub(super) struct Report {
    pub(super) opaque: usize,
    pub(super) code: i32,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Event {
    /// # Safety
    /// `event` came from a queue and is owned by nobody else.
    pub(super) unsafe fn own(event: NonNull<sys::rd_kafka_event_t>) -> Self {
        Self { event, done: false }
    }

    /// The next thing, `None` at the end or for an event of no interest.
    pub(super) fn next(&mut self) -> Option<Happening> {
        // SAFETY: the event is ours and alive.
        let kind: c_int = unsafe { sys::rd_kafka_event_type(self.event.as_ptr()) };
        if kind == sys::RD_KAFKA_EVENT_DR {
            return self.report().map(Happening::Report);
        }
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        match kind {
            sys::RD_KAFKA_EVENT_ERROR => Some(self.error()),
            sys::RD_KAFKA_EVENT_STATS => {
                // SAFETY: the string belongs to the event and is copied.
                let json = unsafe { text(sys::rd_kafka_event_stats(self.event.as_ptr())) };
                Some(Happening::Statistics(json))
            }
            _ => None,
        }
    }

    fn report(&self) -> Option<Report> {
        // SAFETY: the event is ours; the message lives as long as it.
        let message = unsafe { sys::rd_kafka_event_message_next(self.event.as_ptr()) };
        let message = NonNull::new(message.cast_mut())?.as_ptr();
        // SAFETY: alive; the error code has the size of an i32 and is read as one.
        unsafe {
            Some(Report {
                opaque: (*message)._private as usize,
                code: addr_of!((*message).err).cast::<i32>().read(),
                partition: (*message).partition,
                offset: (*message).offset,
            })
        }
    }

    fn error(&self) -> Happening {
        let event = self.event.as_ptr();
        // SAFETY: the event is ours and alive.
        let code = unsafe { raw::rd_kafka_event_error(event.cast()) };
        // SAFETY: the string belongs to the event and is copied.
        let text = unsafe { text(sys::rd_kafka_event_error_string(event)) };
        // SAFETY: as above.
        let fatal = unsafe { sys::rd_kafka_event_error_is_fatal(event) } != 0;
        Happening::Error { code, text, fatal }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once. Frees the messages, never our payloads: they carry no free
        // flag.
        unsafe { sys::rd_kafka_event_destroy(self.event.as_ptr()) };
    }
}
