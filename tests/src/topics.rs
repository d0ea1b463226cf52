//! Makes topics on a real broker: the one request of Kafka's admin protocol that the suites need.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CREATE_TOPICS: i16 = 19;
/// The oldest version Kafka 4 speaks; its fields have fixed widths.
const VERSION: i16 = 2;
const TIMEOUT_MS: i32 = 15_000;
const ALREADY_EXISTS: i16 = 36;

/// Creates a topic with one replica and waits until the broker says so. A topic that exists is left as it is.
///
/// # Errors
/// When the broker cannot be reached, answers nonsense, or refuses; the message carries Kafka's error code.
pub fn create(bootstrap: &str, name: &str, partitions: i32) -> io::Result<()> {
    create_with(bootstrap, name, partitions, &[])
}

/// [`create`] with settings of the topic's own, such as `cleanup.policy`.
///
/// # Errors
/// As [`create`].
pub fn create_with(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> io::Result<()> {
    let mut stream = TcpStream::connect(bootstrap)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&request(name, partitions, settings)?)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
    let mut answer = vec![0; length.min(65_536)];
    stream.read_exact(&mut answer)?;
    match error_code(&answer, name) {
        Some(0 | ALREADY_EXISTS) => Ok(()),
        Some(code) => Err(io::Error::other(format!("topic {name}: Kafka error {code}"))),
        None => Err(io::Error::other(format!(
            "topic {name}: an answer that cannot be read: {answer:?}"
        ))),
    }
}

fn request(name: &str, partitions: i32, settings: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend(CREATE_TOPICS.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // correlation id
    put_string(&mut body, "millrace-tests")?;
    body.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut body, name)?;
    body.extend(partitions.to_be_bytes());
    body.extend(1_i16.to_be_bytes()); // replicas
    body.extend(0_i32.to_be_bytes()); // assignments by hand
    body.extend(i32::try_from(settings.len()).map_err(io::Error::other)?.to_be_bytes());
    for (key, value) in settings {
        put_string(&mut body, key)?;
        put_string(&mut body, value)?;
    }
    body.extend(TIMEOUT_MS.to_be_bytes());
    body.push(0); // not only a check
    let mut request = i32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    request.append(&mut body);
    Ok(request)
}

fn put_string(bytes: &mut Vec<u8>, text: &str) -> io::Result<()> {
    bytes.extend(i16::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes());
    bytes.extend(text.as_bytes());
    Ok(())
}

/// The error code of the one topic in the answer: correlation id, throttle time, count, name, code.
fn error_code(answer: &[u8], name: &str) -> Option<i16> {
    let after_name = 4 + 4 + 4 + 2 + name.len();
    let code = answer.get(after_name..after_name + 2)?;
    Some(i16::from_be_bytes(code.try_into().ok()?))
}
