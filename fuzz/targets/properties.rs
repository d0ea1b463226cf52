//! Any bytes as a properties file: no panic, and what was read, written with every character
//! escaped, reads the same again. Run with `cargo +nightly fuzz run properties`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrace_settings::{JavaValue, Origin, Properties};

fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fuzz_target!(|data: &[u8]| {
    let origin = Origin::File("fuzz.properties".into());
    let Ok(first) = Properties::parse(&String::from_utf8_lossy(data), origin.clone()) else {
        return;
    };
    let mut written = String::new();
    for entry in first.entries() {
        written += &format!("{}={}\n", escaped(&entry.key), escaped(&entry.value));
        let _ = JavaValue::convert(&entry.value).as_int();
    }
    let second = Properties::parse(&written, origin).expect("only whole escapes were written");
    let texts = |properties: &Properties| -> Vec<(String, String)> {
        properties.entries().iter().map(|e| (e.key.clone(), e.value.clone())).collect()
    };
    assert_eq!(texts(&first), texts(&second));
});
