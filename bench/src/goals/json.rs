//! Structured events against binary ones with the same data, and what the receiver says to bad JSON.

use super::GoalsArguments;
use super::bed::{Bed, Failure, cost_us, each, send, turns};
use super::exchange::Exchange;
use super::judge::{Findings, Goal, differences};
use crate::load::{Data, Mode, Plan, Shape, Url};
use crate::products::Product;

const TOPIC: &str = "in";
const SIDES: [(Mode, usize); 4] = [
    (Mode::Binary, 1 << 10),
    (Mode::Structured, 1 << 10),
    (Mode::Binary, 64 << 10),
    (Mode::Structured, 64 << 10),
];
/// What stands before the data of an event of which only that is wrong.
const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/goals","type":"t""#;

pub(super) fn run(arguments: &GoalsArguments) -> Result<Findings, Failure> {
    let bed = Bed::new(arguments)?;
    bed.topic(TOPIC, arguments.partitions)?;
    let receiver = Product::receiver(&bed.bootstrap(), TOPIC, &arguments.cpus.0)?;
    let results = turns(arguments.rounds, SIDES.len(), |side| {
        let (mode, size) = SIDES.get(side).copied().ok_or("no such side")?;
        let shape = Shape { mode, size, data: Data::Json, ..Shape::default() };
        send(&bed.plan(&receiver, shape)?)
    })?;
    let costs: Vec<Vec<f64>> = results.iter().map(|side| each(side, cost_us)).collect();
    let [binary, structured, large_binary, large_structured] = costs.as_slice() else {
        return Err("a side is missing".into());
    };
    let plan = bed.plan(&receiver, Shape::default())?;
    let taken = taken(&plan)?;
    let refused = 1.0 - taken.len() as f64 / bad().len() as f64;
    let mut found = Findings::default();
    let small = differences(structured, binary);
    found.goal("structured − binary, 1 KiB, CPU per event", "µs", Goal::AtMost(1.5), small);
    let large = differences(large_structured, large_binary);
    found.goal("structured − binary, 64 KiB, CPU per event", "µs", Goal::AtMost(20.0), large);
    found.goal("share of bad JSON answered 400", "", Goal::AtLeast(1.0), vec![refused]);
    for (name, costs) in
        ["binary, 1 KiB", "structured, 1 KiB", "binary, 64 KiB", "structured, 64 KiB"]
            .into_iter()
            .zip(&costs)
    {
        found.beside(name, "µs", costs.clone());
    }
    for (status, document) in &taken {
        let shown: String = document.chars().take(100).collect();
        found.notes.push(format!("Answered {status}: {} bytes, {shown}", document.len()));
    }
    Ok(found)
}

/// The bad documents that are not answered 400, each with its answer; a good one must be accepted.
fn taken(plan: &Plan) -> Result<Vec<(u16, String)>, Failure> {
    let ask = |document: &str| {
        // A connection may end with a refusal.
        let mut exchange = Exchange::connect(plan.url.address)?;
        exchange.send(&request(&plan.url, document))
    };
    let good = ask(&document(r#"[1,{"a":"b"}]"#))?;
    if good != 202 {
        return Err(format!("a good event was answered {good}").into());
    }
    let mut taken = Vec::new();
    for document in bad() {
        let status = ask(&document)?;
        if status != 400 {
            taken.push((status, document));
        }
    }
    Ok(taken)
}

fn document(data: &str) -> String {
    format!(r#"{EVENT},"data":{data}}}"#)
}

/// Documents that are wrong near their end and within the data, short and long.
fn bad() -> Vec<String> {
    let long = r#"{"sku":"A-0001","price":9.95},"#.repeat(2_000);
    let data =
        ["[1,2", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "01", "\"\\x\"", "\"\u{1}\"", "tru", "[1 2]"];
    let mut all: Vec<String> = data.iter().map(|data| document(data)).collect();
    all.extend(data.iter().map(|bad| document(&format!("[{long}{bad}]"))));
    all.push(EVENT.to_owned());
    all.push(format!("[{}]", document("1")));
    all
}

fn request(url: &Url, document: &str) -> Vec<u8> {
    format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{document}",
        url.path,
        url.host,
        document.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_documents_are_bad_and_the_good_one_is_good() {
        let is_event = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_object())
        };
        assert!(is_event(&document(r#"[1,{"a":"b"}]"#)));
        for document in bad() {
            assert!(!is_event(&document), "{document}");
        }
    }
}
