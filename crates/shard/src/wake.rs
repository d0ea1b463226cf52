//! Waking a shard from any thread by a byte through a socket pair.
//!
//! An eventfd would be smaller, but a read of one fails on the epoll driver (feasibility.md 6).
//! The read end is polled for readiness and then read without blocking, so that a wait may be
//! dropped at any time without losing a byte.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use socket2::SockRef;

use crate::sys;

/// Both ends, not yet bound to a shard: keep [`writer`](Self::writer) where it wakes from and
/// [`attach`](PendingReader::attach) the reader on the shard that is to wake.
pub struct WakePair {
    /// The end that wakes.
    pub writer: WakeWriter,
    /// The end to attach on the shard.
    pub reader: PendingReader,
}

impl WakePair {
    /// Makes a pair. Needs two file descriptors.
    pub fn new() -> io::Result<Self> {
        let (write_end, read_end) = UnixStream::pair()?;
        write_end.set_nonblocking(true)?;
        Ok(Self { writer: WakeWriter { write_end }, reader: PendingReader { read_end } })
    }
}

/// The end that wakes; may be used by any number of threads. When it is dropped, the reader
/// sees the end.
pub struct WakeWriter {
    write_end: UnixStream,
}

impl WakeWriter {
    /// Wakes the shard. Never blocks. A full socket means that a wake-up is already waiting, a
    /// closed one that nobody waits any more: both are fine.
    pub fn wake(&self) {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        while let Err(error) = SockRef::from(&self.write_end).send_with_flags(&[1], flags) {
            if error.kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
    }
}

/// The descriptor to hand to a library that writes bytes to it. It does not block, and stays
/// open as long as this value lives. Rust programs ignore SIGPIPE, so a write after the reader
/// is gone fails with EPIPE.
impl AsRawFd for WakeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.write_end.as_raw_fd()
    }
}

impl AsFd for WakeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.write_end.as_fd()
    }
}

/// The read end on its way to its shard.
pub struct PendingReader {
    read_end: UnixStream,
}

impl PendingReader {
    /// Binds the read end to the shard that calls this.
    pub fn attach(self) -> io::Result<WakeReader> {
        // Non-blocking on both drivers: it is only polled through the driver, never read.
        self.read_end.set_nonblocking(true)?;
        Ok(WakeReader { read_end: monoio::net::UnixStream::from_std(self.read_end)? })
    }
}

/// The end that waits, on its shard.
pub struct WakeReader {
    read_end: monoio::net::UnixStream,
}

impl WakeReader {
    /// Waits for at least one wake-up and takes all that are there. Gives the number of bytes
    /// taken, 0 if the other end is gone for good. May be dropped while it waits.
    pub async fn wait(&mut self) -> io::Result<usize> {
        loop {
            self.read_end.readable(false).await?;
            match self.take_bytes() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    fn take_bytes(&self) -> io::Result<usize> {
        let end = sys::borrow(&self.read_end);
        let mut bytes = [MaybeUninit::uninit(); 256];
        let mut taken = 0_usize;
        loop {
            match SockRef::from(&end).recv_with_flags(&mut bytes, libc::MSG_DONTWAIT) {
                // A byte that comes after a short read makes the descriptor readable again.
                Ok(count) if count < bytes.len() => return Ok(taken.saturating_add(count)),
                Ok(count) => taken = taken.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => {
                    return Ok(taken);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::testing::on_each_driver;

    #[test]
    fn bytes_of_another_thread_are_taken_at_once() {
        on_each_driver(|| async {
            let WakePair { writer, reader } = WakePair::new().unwrap();
            let mut reader = reader.attach().unwrap();
            let thread = std::thread::spawn(move || {
                (0..300).for_each(|_| writer.wake());
                writer
            });
            let mut taken = 0;
            while taken < 250 {
                taken += reader.wait().await.unwrap();
            }
            drop(thread.join().unwrap());
            while reader.wait().await.unwrap() > 0 {}
        });
    }

    #[test]
    fn full_socket_does_not_block_and_still_wakes() {
        on_each_driver(|| async {
            let WakePair { writer, reader } = WakePair::new().unwrap();
            let mut reader = reader.attach().unwrap();
            (0..100_000).for_each(|_| writer.wake());
            let raw = SockRef::from(&writer.write_end).try_clone().unwrap();
            let full = (&raw).write(&[1]).unwrap_err();
            assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
            assert!(reader.wait().await.unwrap() > 0);
            writer.wake();
            assert!(reader.wait().await.unwrap() > 0);
        });
    }

    #[test]
    fn dropped_wait_loses_nothing() {
        on_each_driver(|| async {
            let WakePair { writer, reader } = WakePair::new().unwrap();
            let mut reader = reader.attach().unwrap();
            for _ in 0..20 {
                let waited = crate::timeout(Duration::from_millis(2), reader.wait()).await;
                assert!(waited.is_err());
                writer.wake();
                let waited = crate::timeout(Duration::from_secs(5), reader.wait()).await;
                assert_eq!(waited.unwrap().unwrap(), 1);
            }
        });
    }

    #[test]
    fn waking_after_the_reader_is_gone_is_harmless() {
        let WakePair { writer, reader } = WakePair::new().unwrap();
        drop(reader);
        writer.wake();
        assert!(writer.as_raw_fd() > 2);
    }
}
