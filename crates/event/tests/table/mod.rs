//! Reads the tables of bad and odd events beside it; the README there describes them. Also read by the suite over the
//! real receiver.
#![allow(dead_code, unreachable_pub, reason = "each reader uses its part")]

#[path = "../../../http1/tests/cases/mod.rs"]
pub mod corpus;

use std::fs;
use std::path::Path;

/// A request and what must become of it.
#[derive(Clone, Debug)]
pub struct EventCase {
    pub name: String,
    /// In order; a name may come twice.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
    pub wanted: Wanted,
}

#[derive(Clone, Debug)]
pub enum Wanted {
    /// 400, for the reason of this label.
    Refused(String),
    Accepted(Vec<Want>),
}

/// What the record of an accepted event must hold.
#[derive(Clone, Debug)]
pub enum Want {
    Header(String, Option<Vec<u8>>),
    Value(Option<Vec<u8>>),
    Key(Vec<u8>),
    /// So many events, in a batch.
    Events(usize),
}

/// A record's parts, whoever read it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub headers: Vec<(String, Vec<u8>)>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl EventCase {
    /// The id of the accepted event.
    pub fn id(&self) -> String {
        let Wanted::Accepted(wants) = &self.wanted else { return self.name.clone() };
        let id = wants.iter().find_map(|want| match want {
            Want::Header(name, Some(value)) if name == "ce_id" => Some(value),
            _ => None,
        });
        id.map_or_else(|| self.name.clone(), |id| String::from_utf8(id.clone()).unwrap())
    }

    /// Panics where the record is not as the case wants it.
    pub fn check(&self, seen: &Seen) {
        let Wanted::Accepted(wants) = &self.wanted else { panic!("{}: accepted", self.name) };
        let id = Want::Header("ce_id".into(), Some(self.id().into_bytes()));
        for want in wants.iter().chain([&id]) {
            let as_wanted = match want {
                Want::Header(name, wanted) => {
                    let found = seen.headers.iter().find(|(known, _)| known == name);
                    found.map(|(_, value)| value) == wanted.as_ref()
                }
                Want::Value(value) => &seen.value == value,
                Want::Key(key) => seen.key.as_ref() == Some(key),
                Want::Events(_) => false,
            };
            assert!(as_wanted, "{}: wanted {want:?} in {seen:?}", self.name);
        }
    }
}

/// The cases of a file of this folder.
pub fn cases(file: &str) -> Vec<EventCase> {
    // Seen from whichever package reads it.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = ["tests/table", "../crates/event/tests/table"]
        .map(|folder| package.join(folder))
        .into_iter()
        .find(|folder| folder.join(file).exists());
    let text = fs::read_to_string(folder.unwrap().join(file)).unwrap();
    text.split("\n== ")
        .filter_map(|block| {
            let (name, lines) = block.strip_prefix("== ").unwrap_or(block).split_once('\n')?;
            (!name.starts_with('#')).then(|| case(name, lines))
        })
        .collect()
}

fn case(name: &str, lines: &str) -> EventCase {
    let (mut headers, mut body) = (Vec::new(), Vec::new());
    let mut wanted = None;
    let lines = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        if line == "@min" {
            let id = name.as_bytes();
            let minimal: [(&[u8], &[u8]); 4] = [
                (b"ce-specversion", b"1.0"),
                (b"ce-id", id),
                (b"ce-source", b"/s"),
                (b"ce-type", b"t"),
            ];
            headers.extend(minimal.map(|(name, value)| (name.to_vec(), value.to_vec())));
        } else if let Some(members) = line.strip_prefix("@json") {
            body = structured(name, members.trim_start());
            if !headers.iter().any(|(name, _): &(Vec<u8>, _)| name == b"content-type") {
                headers.push((b"content-type".to_vec(), b"application/cloudevents+json".to_vec()));
            }
        } else if let Some(outcome) = line.strip_prefix("> ") {
            want(&mut wanted, outcome);
        } else if let Some(text) = line.strip_prefix('|') {
            corpus::unescape(text, &mut body);
        } else {
            let (name, value) = pair(line).unwrap_or_else(|| panic!("{name}: {line:?}"));
            headers.push((name, value));
        }
    }
    let wanted = wanted.unwrap_or_else(|| panic!("{name}: nothing is wanted"));
    EventCase { name: name.to_owned(), headers, body, wanted }
}

fn structured(id: &str, members: &str) -> Vec<u8> {
    let mut body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t""#);
    body.extend((!members.is_empty()).then_some(','));
    let mut body = body.into_bytes();
    corpus::unescape(members, &mut body);
    body.push(b'}');
    body
}

fn want(wanted: &mut Option<Wanted>, outcome: &str) {
    let Some(Wanted::Accepted(wants)) = wanted else {
        *wanted = Some(match outcome.strip_prefix("400 ") {
            Some(label) => Wanted::Refused(label.to_owned()),
            None => {
                assert_eq!(outcome, "202");
                Wanted::Accepted(Vec::new())
            }
        });
        return;
    };
    wants.push(match outcome.split_once(' ').unwrap_or((outcome, "")) {
        ("no", "value") => Want::Value(None),
        ("no", name) => Want::Header(name.to_owned(), None),
        ("value", value) => Want::Value(Some(bytes(value))),
        ("key", key) => Want::Key(bytes(key)),
        ("events", count) => Want::Events(count.parse().unwrap()),
        _ => {
            let (name, value) = pair(outcome).unwrap();
            Want::Header(String::from_utf8(name).unwrap(), Some(value))
        }
    });
}

/// A name and a value, as HTTP reads them: without the blanks around.
fn pair(line: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let line = bytes(line);
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()))
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    corpus::unescape(text, &mut bytes);
    bytes
}
