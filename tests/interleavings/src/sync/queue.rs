//! A bounded queue that promises no more than it must: a message that is found was written before.
//!
//! A message whose sender is not through with `push` may be missed, and "full" may be old news. The
//! shipped queue (crossbeam's) has stronger barriers, which its documentation does not promise.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};

pub(crate) struct ArrayQueue<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    /// For each place the number of its latest message, plus one.
    written: Vec<AtomicUsize>,
    /// The messages with their numbers. The checker sees nothing of this lock.
    messages: Mutex<VecDeque<(usize, T)>>,
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            written: (0..capacity).map(|_| AtomicUsize::new(0)).collect(),
            messages: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn push(&self, message: T) -> Result<(), T> {
        let mut tail = self.tail.load(Acquire);
        loop {
            // Behind a tail that is old news the head may be further; the exchange then fails.
            let head = self.head.load(Acquire);
            if tail >= head && tail - head >= self.written.len() {
                return Err(message);
            }
            match self.tail.compare_exchange(tail, tail + 1, AcqRel, Acquire) {
                Ok(_) => break,
                Err(now) => tail = now,
            }
        }
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push_back((tail, message));
        self.written[tail % self.written.len()].store(tail + 1, Release);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let mut head = self.head.load(Acquire);
        loop {
            if self.written[head % self.written.len()].load(Acquire) != head + 1 {
                return None;
            }
            match self.head.compare_exchange(head, head + 1, AcqRel, Acquire) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let at = messages.iter().position(|(number, _)| *number == head).expect("it was written");
        messages.remove(at).map(|(_, message)| message)
    }

    pub(crate) fn len(&self) -> usize {
        self.tail.load(Acquire).saturating_sub(self.head.load(Acquire))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
