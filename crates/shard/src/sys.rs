//! The calls into libc: borrowed descriptors, affinity, clocks, one socket option.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

#[cfg(test)]
pub(crate) mod confine;

use monoio::net::{TcpListener, TcpStream, UnixStream};

/// A socket of the executor, which offers its descriptor only as a number.
pub(crate) trait OwnsSocket: AsRawFd {}
impl OwnsSocket for TcpStream {}
impl OwnsSocket for TcpListener {}
impl OwnsSocket for UnixStream {}

/// Lends the descriptor of a socket of the executor for as long as that socket is borrowed.
pub(crate) fn borrow(socket: &impl OwnsSocket) -> BorrowedFd<'_> {
    // SAFETY: `OwnsSocket` is implemented, here only, for types that own their descriptor and
    // close it in drop; the result borrows the owner, so the descriptor outlives it.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

/// The cores that this thread may run on, ascending. Masks of up to 8,192 cores are understood.
pub(crate) fn affinity() -> io::Result<Vec<usize>> {
    let mut words = [0_u64; 128];
    // SAFETY: the kernel writes at most `size_of_val(&words)` bytes to `words`, which is plain
    // integers; pid 0 is the calling thread. The libc wrapper only passes the pointer on.
    let rc =
        unsafe { libc::sched_getaffinity(0, mem::size_of_val(&words), words.as_mut_ptr().cast()) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(bits_to_cores(&words))
}

/// Binds the calling thread to one core.
pub(crate) fn pin_to(core: usize) -> io::Result<()> {
    let mut words = [0_u64; 128];
    let Some(word) = words.get_mut(core / 64) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    *word = 1 << (core % 64);
    // SAFETY: the kernel reads `size_of_val(&words)` bytes from `words`; pid 0 is this thread.
    let rc = unsafe { libc::sched_setaffinity(0, mem::size_of_val(&words), words.as_ptr().cast()) };
    if rc != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets the calling thread, and those that it starts from now on, not preempt others when woken
/// (SCHED_BATCH; see sched(7)). Needs no privilege.
pub(crate) fn yield_when_woken() -> io::Result<()> {
    // SAFETY: zero is a valid value for the plain integers of the struct.
    let parameters: libc::sched_param = unsafe { mem::zeroed() };
    // SAFETY: the kernel reads one `sched_param`; pid 0 is this thread.
    let rc = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    if rc != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn bits_to_cores(words: &[u64]) -> Vec<usize> {
    let bit_set =
        |core: &usize| words.get(core / 64).is_some_and(|word| word >> (core % 64) & 1 == 1);
    (0..words.len() * 64).filter(bit_set).collect()
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub(crate) fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of CLOCK_MONOTONIC as of the kernel's last tick (1 to 10 ms ago), several times
/// cheaper to read.
pub(crate) fn monotonic_coarse_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_COARSE)
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the given place. Both clocks that are asked for
    // exist on every Linux, so the call can't fail; if it did, the time would read 0.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The memory in bytes that this process may lock; `None` if there is no limit.
pub(crate) fn memlock_limit() -> io::Result<Option<u64>> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit to the given place.
    let rc = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

/// Raises the soft limit of open files to the hard one; gives what holds then.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit to the given place.
    let rc = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel only reads one rlimit from the given place.
    let rc = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    Ok(if rc == 0 { limit.rlim_cur } else { before })
}

/// Shuts a socket down for reading or for both directions; what waits on it then completes.
pub(crate) fn shutdown(socket: RawFd, how: Shutdown) -> io::Result<()> {
    let how = if how == Shutdown::Read { libc::SHUT_RD } else { libc::SHUT_RDWR };
    // SAFETY: takes two integers and touches no memory; a wrong descriptor gives an error.
    let rc = unsafe { libc::shutdown(socket, how) };
    if rc != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets a listener take data in the SYN (TCP_FASTOPEN), with a queue of `queue` such requests.
pub(crate) fn set_fast_open(socket: &impl AsRawFd, queue: i32) -> io::Result<()> {
    // SAFETY: the option value is an i32 on this stack and its size is passed; the kernel only
    // reads it. A wrong descriptor gives EBADF.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN,
            (&raw const queue).cast(),
            mem::size_of::<i32>() as libc::socklen_t,
        )
    };
    if rc != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_thread_sees_one_core_and_others_are_untouched() {
        let before = affinity().unwrap();
        let core = *before.last().unwrap();
        let seen = std::thread::spawn(move || pin_to(core).and_then(|()| affinity()))
            .join()
            .unwrap()
            .unwrap();
        assert_eq!(seen, vec![core]);
        assert_eq!(affinity().unwrap(), before);
    }

    #[test]
    fn impossible_core_is_an_error() {
        assert!(pin_to(8_191).is_err());
        assert!(pin_to(1 << 40).is_err());
    }

    #[test]
    fn bits_become_core_numbers() {
        assert_eq!(bits_to_cores(&[0b1011, 0, 1 << 63]), vec![0, 1, 3, 191]);
        assert_eq!(bits_to_cores(&[0]), Vec::<usize>::new());
    }

    #[test]
    fn clocks_move_and_agree_within_a_tick() {
        let (coarse, fine) = (monotonic_coarse_ns(), monotonic_ns());
        assert!(coarse > 0 && fine >= coarse);
        assert!(fine - coarse < 1_000_000_000, "{fine} {coarse}");
    }

    #[test]
    fn fast_open_is_set_on_a_listener() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        set_fast_open(&listener, 16).unwrap();
        assert!(set_fast_open(&std::fs::File::open("/dev/null").unwrap(), 16).is_err());
    }
}
