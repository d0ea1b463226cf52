//! The example event of the quick start, and how records are shown.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use millrace_kafka::testing::TestRecord;

use crate::receiver::INGRESS_PATH;

/// A binary CloudEvent with a partition key, so that the record shows a key.
const HEADERS: &[(&str, &str)] = &[
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("ce-source", "/quickstart"),
    ("ce-type", "com.example.hello"),
    ("ce-partitionkey", "hello"),
    ("content-type", "application/json"),
];
const BODY: &str = r#"{"message":"Hello, Millrace"}"#;

/// The command that sends the example event.
pub fn curl_command(port: u16) -> String {
    let headers: String =
        HEADERS.iter().map(|(name, value)| format!(" \\\n  -H '{name}: {value}'")).collect();
    format!("curl -i http://127.0.0.1:{port}{INGRESS_PATH}{headers} \\\n  -d '{BODY}'")
}

/// Sends the example event and returns the status line of the answer.
///
/// # Errors
/// When the receiver cannot be reached or does not answer within a minute.
pub fn send(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let headers: String =
        HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = BODY.len();
    write!(
        stream,
        "POST {INGRESS_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{BODY}"
    )?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let status_line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(status_line).into_owned())
}

/// A record for human eyes.
pub fn describe(record: &TestRecord) -> String {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or("(null)".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let mut lines = format!(
        "partition {} offset {}\n  key      {}\n",
        record.partition,
        record.offset,
        text(record.key.as_deref())
    );
    for (name, value) in &record.headers {
        lines.push_str(&format!("  header   {name}: {}\n", text(value.as_deref())));
    }
    lines.push_str(&format!("  value    {}", text(record.value.as_deref())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_shows_null_apart_from_empty() {
        let record = TestRecord {
            partition: 1,
            offset: 2,
            timestamp_ms: 0,
            key: Some(Vec::new()),
            value: None,
            headers: vec![("ce_id".into(), Some(b"1".to_vec()))],
        };
        assert_eq!(
            describe(&record),
            "partition 1 offset 2\n  key      \n  header   ce_id: 1\n  value    (null)"
        );
    }
}
