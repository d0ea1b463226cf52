//! For tests: the same test on io_uring and on epoll.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;

use monoio::net::TcpStream;

use crate::driver::{self, Driver, DriverChoice, DriverError, Runtime};

/// The drivers that work here: epoll, and io_uring unless the kernel refuses it, which is said
/// loudly on standard error.
pub fn drivers() -> Vec<DriverChoice> {
    match Runtime::build(DriverChoice::IoUring) {
        Ok(_) => vec![DriverChoice::IoUring, DriverChoice::Epoll],
        Err(DriverError::IoUringRefused { reason }) => {
            eprintln!("NOT TESTED on io_uring: {reason}");
            vec![DriverChoice::Epoll]
        }
        Err(error) => panic!("no runtime for a test: {error}"),
    }
}

/// Runs the future that `test` makes to its end on each of [`drivers`], on a fresh runtime.
pub fn on_each_driver<F: Future<Output = ()>>(mut test: impl FnMut() -> F) {
    for choice in drivers() {
        eprintln!("on {choice:?}");
        match Runtime::build(choice) {
            Ok(mut runtime) => runtime.block_on(test()),
            Err(error) => panic!("no {choice:?} runtime for a test: {error}"),
        }
    }
}

/// A loopback connection: this shard's end, and a blocking one for the test to play the client.
pub fn tcp_pair() -> (TcpStream, std::net::TcpStream) {
    let connect = || -> io::Result<_> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(driver::current() == Some(Driver::Epoll))?;
        Ok((TcpStream::from_std(stream)?, client))
    };
    match connect() {
        Ok(pair) => pair,
        Err(error) => panic!("no loopback connection for a test: {error}"),
    }
}
