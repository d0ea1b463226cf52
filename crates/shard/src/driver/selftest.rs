//! A few milliseconds of real work on a new ring: send, receive, vectored write, poll, close,
//! cancel and timeout on a socket pair, before any client depends on it.

use std::io;
use std::time::Duration;

use monoio::io::{AsyncReadRentExt, AsyncWriteRent, AsyncWriteRentExt};
use monoio::net::UnixStream;

/// Ample for a loaded machine; a ring that works takes microseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs on the runtime under test.
pub(super) async fn run() -> io::Result<()> {
    let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no completion within 5 s");
    monoio::time::timeout(LIMIT, exercise()).await.map_err(timed_out)?
}

async fn exercise() -> io::Result<()> {
    let (mut near, mut far) = UnixStream::pair()?;

    let (result, _) = near.write_all(b"one".to_vec()).await;
    result?;
    far.readable(false).await?;
    expect(&mut far, b"one").await?;

    let parts = monoio::buf::VecBuf::from(vec![b"tw".to_vec(), b"o".to_vec()]);
    let (result, _) = near.writev(parts).await;
    result?;
    expect(&mut far, b"two").await?;

    // A read given up by a timer: timeout and cancel. The next poll still sees what comes.
    let idle = monoio::time::timeout(Duration::from_millis(1), far.readable(false)).await;
    if idle.is_ok() {
        return Err(io::Error::other("a poll of an idle socket returned"));
    }
    let (result, _) = near.write_all(b"three".to_vec()).await;
    result?;
    expect(&mut far, b"three").await?;

    drop(near);
    let (result, _) = far.read_exact(vec![0; 1]).await;
    match result {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("a closed socket gave data")),
    }
}

async fn expect(stream: &mut UnixStream, wanted: &[u8]) -> io::Result<()> {
    let (result, got) = stream.read_exact(vec![0; wanted.len()]).await;
    result?;
    if got == wanted {
        return Ok(());
    }
    Err(io::Error::other(format!("read {got:?} instead of {wanted:?}")))
}
