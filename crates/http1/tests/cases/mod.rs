//! Reads the cases of `corpus/`; its README describes the format.
//! Also read from other packages, whose cases have the same escapes.
#![allow(dead_code)] // Not each user looks at the outcomes.

use std::fs;
use std::path::Path;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Vec<String>,
    pub(crate) fate: String,
}

/// All cases, by name.
pub(crate) fn cases() -> Vec<Case> {
    cases_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"))
}

/// The cases in a folder: the suite over the real receiver reads them from another package.
pub(crate) fn cases_in(folder: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        .map(|path| read_case(&path))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn read_case(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("> ") {
            Some(outcome) => expected.push(outcome.to_owned()),
            None => unescape(line, &mut bytes),
        }
    }
    let fate = expected.pop().unwrap_or_default();
    assert!(["open", "closed", "waiting"].contains(&&*fate), "{name}: last line is {fate:?}");
    Case { name, bytes, expected, fate }
}

/// Appends the bytes that a line stands for.
pub(crate) fn unescape(line: &str, bytes: &mut Vec<u8>) {
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        if char != '\\' {
            assert!(char.is_ascii(), "{line}: write \\xNN");
            bytes.push(char as u8);
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            Some('{') => {
                let inner: String = rest.by_ref().take_while(|char| *char != '}').collect();
                let (times, text) = inner.split_once(':').unwrap();
                for _ in 0..times.parse().unwrap() {
                    unescape(text, bytes);
                }
            }
            other => panic!("{line}: unknown escape {other:?}"),
        }
    }
}
