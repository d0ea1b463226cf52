//! What the three forms of a result must contain.

use serde_json::json;

use super::*;

fn report() -> Report {
    let mut latency = Latency::default();
    (1..=10_000).for_each(|us| latency.record(us * 1_000));
    let course = [
        Step { events: 500, failed: 0, slowest_ns: 1_000_000 },
        Step { events: 1_500, failed: 3, slowest_ns: 10_000_000 },
    ];
    let mut report = Report::new("A title with <b> in it", json!({"url": "http://a/?x=<y>"}));
    let mut table = Table::new("Figures", &["what", "value"]);
    table.pair("events/s", grouped(12_345_678));
    report.tables.push(table);
    report.curves.push(Curve::new("first & only", &latency, &course));
    report.notes.push("A note.".to_owned());
    report.figures = json!({"events_per_s": 12_345_678});
    report
}

#[test]
fn text_names_machine_kernel_commit_and_command() {
    let text = text(&report());
    for word in ["Linux ", "commit ", "cores", "command  ", "12,345,678", "A note."] {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
    assert_eq!(text.contains("NOT OPTIMISED"), cfg!(debug_assertions));
}

#[test]
fn json_holds_figures_settings_and_curves() {
    let value = serde_json::to_value(report()).unwrap();
    assert_eq!(value["figures"]["events_per_s"], 12_345_678);
    assert_eq!(value["settings"]["url"], "http://a/?x=<y>");
    assert_eq!(value["curves"][0]["course"][1]["events_per_s"], 15_000.0);
    assert_eq!(value["curves"][0]["summary"]["samples"], 10_000);
    assert!(value["machine"]["kernel"].is_string() && value["command"].is_string());
}

#[test]
fn page_is_well_formed_and_needs_nothing_from_elsewhere() {
    let page = page(&report());
    assert_eq!(page.matches("<svg ").count(), 3, "percentiles, throughput, slowest");
    assert_eq!(page.matches("<polyline").count(), 3);
    for foreign in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("A title with &lt;b&gt; in it") && page.contains("first &amp; only"));
    for tag in ["table", "svg", "tr", "h2", "p", "body", "html"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn command_can_be_pasted_into_a_shell() {
    assert_eq!(quoted("--rate=5"), "--rate=5");
    assert_eq!(quoted("a b's"), r"'a b'\''s'");
    assert_eq!(quoted(""), "''");
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}
