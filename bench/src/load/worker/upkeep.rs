//! Connections that are lost, too slow, or to be made again.

use std::io;

use rustix::event::epoll;

use super::{RECONNECT_NS, Worker};
use crate::clock;
use crate::load::connection::{self, State};
use crate::load::tally::Fault;
use crate::load::{LoadError, nanos};

impl Worker {
    /// The target has closed its side.
    pub(super) fn ended(&mut self, at: usize) {
        let now = clock::now_ns();
        let Some(connection) = self.connections.get_mut(at) else { return };
        if let State::Busy(request) = connection.state
            && let Some(status) = self.reader.end(&mut connection.partial)
        {
            self.settle(at, request, status, now);
        }
        self.lose(at, Fault::Closed, now);
    }

    /// Ends a connection and counts the request that it takes with it.
    pub(super) fn lose(&mut self, at: usize, fault: Fault, now: u64) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        if let State::Busy(request) = connection.state {
            self.busy -= 1;
            self.count_fault(fault, request.planned_ns, now);
        } else if fault == Fault::NotConnected && now >= self.measured_from && now < self.end_ns {
            *self.tally.faults.entry(fault).or_default() += 1;
        }
        self.drop_connection(at, now);
    }

    /// Closing the socket takes it out of the epoll set.
    pub(super) fn drop_connection(&mut self, at: usize, now: u64) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        connection.stream = None;
        connection.state = State::Down;
        connection.since_ns = now;
        connection.partial.forget();
        connection.unsent.clear();
    }

    /// Timeouts, and connections that are to be made again.
    pub(super) fn chores(&mut self, now: u64) -> Result<(), LoadError> {
        let timeout = nanos(self.plan.timeout);
        for at in 0..self.connections.len() {
            let Some(connection) = self.connections.get(at) else { break };
            let age = now.saturating_sub(connection.since_ns);
            match connection.state {
                State::Busy(request) if now.saturating_sub(request.sent_ns) > timeout => {
                    self.lose(at, Fault::TimedOut, now);
                }
                State::Connecting if age > timeout => self.lose(at, Fault::NotConnected, now),
                State::Down if age > RECONNECT_NS && now < self.end_ns => {
                    self.reconnect(at, now)?
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn reconnect(&mut self, at: usize, now: u64) -> Result<(), LoadError> {
        let started = connection::start(self.plan.url.address);
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        connection.since_ns = now;
        match started {
            Ok(stream) => {
                let interest = epoll::EventFlags::OUT;
                epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(at as u64), interest)
                    .map_err(io::Error::from)?;
                connection.stream = Some(stream);
                connection.state = State::Connecting;
            }
            Err(_) => self.lose(at, Fault::NotConnected, now),
        }
        Ok(())
    }

    pub(super) fn connected(&mut self, at: usize) -> Result<(), LoadError> {
        let now = clock::now_ns();
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        let refused = connection.stream.as_ref().is_none_or(|stream| {
            !matches!(stream.take_error(), Ok(None)) || stream.peer_addr().is_err()
        });
        if refused {
            self.lose(at, Fault::NotConnected, now);
            return Ok(());
        }
        connection.state = State::Free;
        self.watch(at, false)?;
        self.list(at);
        Ok(())
    }
}
