//! F1M: F1 without the products' runtime, on a ring of its own: one accept and one receive a connection stay
//! armed, the kernel takes the buffers from a ring that is shared with it, and the answers of a turn are
//! submitted together. To show what such receives would save; see docs/performance.md.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::serve::{ANSWER, request_bytes};

const ENTRIES: u32 = 1024;
/// The kernel wants a power of two. A turn that needs more has to arm its receives again.
const BUFFERS: u16 = 1024;
const BUFFER_BYTES: usize = 2048;
const GROUP: u16 = 0;

type Failure = Box<dyn Error + Send + Sync>;

/// Answers every request with 202 on a port of this machine until the process ends, on the calling
/// thread. `answered` counts. `ready` is called once it listens.
///
/// # Errors
/// When the port is taken, or the kernel refuses io_uring or is older than 6.1.
pub(super) fn serve(
    port: u16,
    answered: Arc<AtomicU64>,
    ready: impl FnOnce(u16),
) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut server = Server::new(&listener)?;
    ready(listener.local_addr()?.port());
    loop {
        server.turn(&answered)?;
    }
}

/// Why the kernel does not serve this way, if it does not.
pub(super) fn refused() -> Option<io::Error> {
    ring().and_then(|ring| Buffers::register(&ring)).err()
}

fn ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_defer_taskrun()
        .setup_cqsize(8 * ENTRIES)
        .build(ENTRIES)
}

/// What a completion belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Accept,
    Receive(u32),
    Send,
}

impl Of {
    fn user_data(self) -> u64 {
        match self {
            Self::Accept => 0,
            Self::Send => 1,
            Self::Receive(connection) => 2 + u64::from(connection),
        }
    }

    fn from(user_data: u64) -> Option<Self> {
        match user_data {
            0 => Some(Self::Accept),
            1 => Some(Self::Send),
            more => Some(Self::Receive(u32::try_from(more - 2).ok()?)),
        }
    }
}

struct Connection {
    socket: OwnedFd,
    /// A request of which more has to come; mostly empty.
    begun: Vec<u8>,
}

struct Server {
    ring: IoUring,
    buffers: Buffers,
    listener: RawFd,
    connections: Vec<Option<Connection>>,
    free: Vec<u32>,
    waiting: VecDeque<squeue::Entry>,
    /// Sockets that entries still name.
    ended: Vec<OwnedFd>,
}

impl Server {
    /// The listener must stay open while the server is in use; closed, its accept ends with an error.
    fn new(listener: &TcpListener) -> io::Result<Self> {
        let ring = ring()?;
        let buffers = Buffers::register(&ring)?;
        let mut server = Self {
            ring,
            buffers,
            listener: listener.as_raw_fd(),
            connections: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            ended: Vec::new(),
        };
        server.accept();
        Ok(server)
    }

    /// Submits what waits, waits for a completion, and takes all that are there.
    fn turn(&mut self, answered: &AtomicU64) -> Result<(), Failure> {
        self.submit()?;
        let done: Vec<(u64, i32, u32)> = self
            .ring
            .completion()
            .map(|entry| (entry.user_data(), entry.result(), entry.flags()))
            .collect();
        for (user_data, result, flags) in done {
            match Of::from(user_data) {
                Some(Of::Accept) => self.accepted(result, flags)?,
                Some(Of::Receive(connection)) => {
                    self.received(connection, result, flags, answered);
                }
                // Whoever cannot be answered is not there any more, which the receive tells too.
                Some(Of::Send) | None => {}
            }
        }
        Ok(())
    }

    fn submit(&mut self) -> io::Result<()> {
        loop {
            let mut queue = self.ring.submission();
            while let Some(entry) = self.waiting.front() {
                // SAFETY: no entry points to memory but that of `ANSWER`, which is static, and the
                // kernel's buffers, which are never freed. The descriptors that it names are open
                // until it is submitted: those of connections that have ended wait in `ended`.
                if unsafe { queue.push(entry) }.is_err() {
                    break;
                }
                self.waiting.pop_front();
            }
            drop(queue);
            if self.waiting.is_empty() {
                break;
            }
            self.ring.submit()?;
        }
        if !self.ended.is_empty() {
            self.ring.submit()?;
            self.ended.clear();
        }
        match self.ring.submit_and_wait(1) {
            Err(error) if error.raw_os_error() != Some(EINTR) => Err(error),
            _ => Ok(()),
        }
    }

    fn accept(&mut self) {
        let entry = opcode::AcceptMulti::new(types::Fd(self.listener)).build();
        self.waiting.push_back(entry.user_data(Of::Accept.user_data()));
    }

    fn accepted(&mut self, result: i32, flags: u32) -> Result<(), Failure> {
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result).into());
        }
        // SAFETY: a completed accept gives a new descriptor, which is nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        socket2::SockRef::from(&socket).set_tcp_nodelay(true)?;
        let connection = Some(Connection { socket, begun: Vec::new() });
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.connections.push(None);
                u32::try_from(self.connections.len() - 1)?
            }
        };
        if let Some(slot) = self.connections.get_mut(place as usize) {
            *slot = connection;
        }
        self.receive(place);
        if !cqueue::more(flags) {
            self.accept();
        }
        Ok(())
    }

    fn receive(&mut self, place: u32) {
        let Some(Some(connection)) = self.connections.get(place as usize) else { return };
        let socket = types::Fd(connection.socket.as_raw_fd());
        let entry = opcode::RecvMulti::new(socket, GROUP).build();
        self.waiting.push_back(entry.user_data(Of::Receive(place).user_data()));
    }

    fn received(&mut self, place: u32, result: i32, flags: u32, answered: &AtomicU64) {
        let more = cqueue::more(flags);
        if let (Some(buffer), Ok(count)) = (cqueue::buffer_select(flags), usize::try_from(result)) {
            self.take(place, buffer, count, answered);
            self.buffers.give_back(buffer);
        }
        let lacked_buffers = result == -ENOBUFS;
        if !more && (result > 0 || lacked_buffers) {
            self.receive(place);
        } else if !more {
            // The last completion of this receive, so that nothing names this place any more.
            if let Some(slot) = self.connections.get_mut(place as usize) {
                self.ended.extend(slot.take().map(|connection| connection.socket));
                self.free.push(place);
            }
        }
    }

    fn take(&mut self, place: u32, buffer: u16, count: usize, answered: &AtomicU64) {
        let Some(Some(connection)) = self.connections.get_mut(place as usize) else { return };
        let bytes = self.buffers.filled(buffer, count);
        let whole = connection.begun.is_empty();
        if !whole {
            connection.begun.extend_from_slice(bytes);
        }
        let all = if whole { bytes } else { &connection.begun[..] };
        let mut used = 0;
        while let Some(length) = all.get(used..).and_then(request_bytes) {
            used += length;
            answered.fetch_add(1, Ordering::Relaxed);
            let socket = types::Fd(connection.socket.as_raw_fd());
            let entry = opcode::Send::new(socket, ANSWER.as_ptr(), ANSWER.len() as u32);
            let entry = entry.flags(MSG_WAITALL).build();
            self.waiting.push_back(entry.user_data(Of::Send.user_data()));
        }
        if whole {
            connection.begun.extend_from_slice(bytes.get(used..).unwrap_or(&[]));
        } else {
            connection.begun.drain(..used);
        }
    }
}

const EINTR: i32 = rustix::io::Errno::INTR.raw_os_error();
const ENOBUFS: i32 = rustix::io::Errno::NOBUFS.raw_os_error();
/// socket(7): all of it, or an error.
const MSG_WAITALL: i32 = 0x100;

/// Buffers that the kernel fills (io_uring_register_buf_ring(3)). They live until the process ends,
/// for the kernel may write to them as long as the ring is open anywhere.
struct Buffers {
    entries: *mut types::BufRingEntry,
    bytes: *mut u8,
    tail: u16,
}

#[repr(C, align(4096))]
struct Entries([u128; BUFFERS as usize]);

impl Buffers {
    fn register(ring: &IoUring) -> io::Result<Self> {
        let entries: *mut Entries = Box::leak(Box::new(Entries([0; BUFFERS as usize])));
        let bytes = Box::leak(vec![0_u8; usize::from(BUFFERS) * BUFFER_BYTES].into_boxed_slice());
        // SAFETY: the memory is aligned to pages, has 16 bytes for each entry, and is never freed.
        unsafe { ring.submitter().register_buf_ring(entries as u64, BUFFERS, GROUP)? };
        let mut buffers = Self { entries: entries.cast(), bytes: bytes.as_mut_ptr(), tail: 0 };
        for buffer in 0..BUFFERS {
            buffers.give_back(buffer);
        }
        Ok(buffers)
    }

    /// The first bytes of a buffer that a completion has named and that was not given back yet.
    fn filled(&self, buffer: u16, count: usize) -> &[u8] {
        assert!(buffer < BUFFERS && count <= BUFFER_BYTES, "the kernel names what it was given");
        // SAFETY: within the allocation, by the line above; initialised with zeros. The kernel writes
        // to a buffer only between `give_back` and the completion that names it.
        unsafe { slice::from_raw_parts(self.bytes.add(usize::from(buffer) * BUFFER_BYTES), count) }
    }

    fn give_back(&mut self, buffer: u16) {
        assert!(buffer < BUFFERS, "the kernel names what it was given");
        let place = usize::from(self.tail % BUFFERS);
        // SAFETY: `place` and `buffer` are below `BUFFERS`, so both stay within their allocations.
        // The kernel reads an entry only below the tail, which does not cover this one yet; the
        // ring has as many places as there are buffers, so it has read what stood there.
        unsafe {
            let address = self.bytes.add(usize::from(buffer) * BUFFER_BYTES);
            let entry = &mut *self.entries.add(place);
            entry.set_addr(address as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, is aligned, and is written by this thread only.
        let tail = unsafe { &*types::BufRingEntry::tail(self.entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";

    /// `None`, loudly, where the kernel refuses io_uring.
    fn start() -> Option<(u16, Arc<AtomicU64>)> {
        let (told, heard) = mpsc::channel();
        let answered = Arc::new(AtomicU64::new(0));
        let counted = answered.clone();
        thread::spawn(move || {
            let listening = told.clone();
            let result = serve(0, counted, |port| drop(listening.send(Ok(port))));
            drop(told.send(Err(result.unwrap_err().to_string())));
        });
        match heard.recv_timeout(Duration::from_secs(10)).unwrap() {
            Ok(port) => Some((port, answered)),
            Err(error) => {
                eprintln!("SKIPPED: multishot receives: {error}");
                None
            }
        }
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn answers(stream: &mut TcpStream, count: usize) {
        let mut read = vec![0; count * ANSWER.len()];
        stream.read_exact(&mut read).unwrap();
        assert!(read.chunks(ANSWER.len()).all(|one| one == ANSWER));
    }

    #[test]
    fn requests_whole_in_pieces_and_many_at_once_are_answered() {
        let Some((port, answered)) = start() else { return };
        let mut stream = connect(port);
        stream.write_all(REQUEST).unwrap();
        answers(&mut stream, 1);
        for cut in 1..REQUEST.len() {
            stream.write_all(&REQUEST[..cut]).unwrap();
            thread::sleep(Duration::from_millis(1));
            stream.write_all(&REQUEST[cut..]).unwrap();
            answers(&mut stream, 1);
        }
        stream.write_all(&REQUEST.repeat(100)).unwrap();
        answers(&mut stream, 100);
        assert_eq!(answered.load(Ordering::Relaxed), 1 + REQUEST.len() as u64 - 1 + 100);
    }

    /// More than the kernel has buffers for, so that receives end and are armed again; and each
    /// buffer is used several times.
    #[test]
    fn more_than_all_buffers_hold_arrives_whole() {
        let Some((port, _)) = start() else { return };
        let body = vec![b'x'; 3 * usize::from(BUFFERS) * BUFFER_BYTES / 8];
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
        let senders: Vec<_> = (0..8)
            .map(|_| {
                let (head, body) = (head.clone(), body.clone());
                thread::spawn(move || {
                    let mut stream = connect(port);
                    for _ in 0..3 {
                        stream.write_all(head.as_bytes()).unwrap();
                        stream.write_all(&body).unwrap();
                        answers(&mut stream, 1);
                    }
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }

    #[test]
    fn places_of_connections_that_end_are_used_again() {
        let Some((port, answered)) = start() else { return };
        for round in 0..300_u64 {
            let mut stream = connect(port);
            stream.write_all(REQUEST).unwrap();
            answers(&mut stream, 1);
            assert_eq!(answered.load(Ordering::Relaxed), round + 1);
        }
    }

    #[test]
    fn completions_are_told_apart() {
        for of in [Of::Accept, Of::Send, Of::Receive(0), Of::Receive(u32::MAX)] {
            assert_eq!(Of::from(of.user_data()), Some(of));
        }
        assert_eq!(Of::from(u64::MAX), None);
    }
}
