//! A result as one page: tables, the percentile plot, throughput and the slowest over time. No scripts,
//! nothing from elsewhere.

use std::fmt::Write;

use serde_json::Value;

use super::plot::{self, Axis, Line, colour, escaped};
use super::{Curve, Point, Report};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse;margin:.4em 0 1.4em}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}\
td:first-child,th:first-child{text-align:left}h1{font-size:1.5em}h2{font-size:1.1em;margin-top:1.6em}\
svg text{font:11px system-ui,sans-serif;fill:#444}code{background:#f3f3f3;padding:.1em .3em;word-break:break-all}\
.key span{display:inline-block;width:1em;height:.25em;margin:0 .4em .2em 1.2em}p{margin:.4em 0}";
/// More points than this are drawn together.
const POINTS_MAX: usize = 400;

/// The page.
pub fn page(report: &Report) -> String {
    let title = escaped(&report.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    let mut put = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    put(format!("<p>{}</p>", escaped(&report.machine.line())));
    put(format!("<p><code>{}</code></p><p>{}</p>", escaped(&report.command), report.ended));
    for note in &report.notes {
        put(format!("<p><strong>{}</strong></p>", escaped(note)));
    }
    for table in &report.tables {
        put(format!("<h2>{}</h2><table>", escaped(&table.title)));
        if table.columns.iter().any(|column| !column.is_empty()) {
            put(row(&table.columns, "th"));
        }
        table.rows.iter().for_each(|cells| put(row(cells, "td")));
        put("</table>".to_owned());
    }
    let told: Vec<&Curve> =
        report.curves.iter().filter(|curve| !curve.percentiles.is_empty()).collect();
    if !told.is_empty() {
        put("<h2>Latency by percentile, ms</h2>".to_owned());
        put(key(&told));
        put(percentiles(&told));
    }
    let courses: Vec<&Curve> =
        report.curves.iter().filter(|curve| curve.course.len() > 1).collect();
    if !courses.is_empty() {
        put("<h2>Throughput over time, events/s</h2>".to_owned());
        put(key(&courses));
        put(course(&courses, "throughput", |point| point.events_per_s, merged_mean));
        put("<h2>Slowest request of each moment, ms</h2>".to_owned());
        put(key(&courses));
        put(course(&courses, "slowest", |point| point.slowest_ms, merged_max));
    }
    put("<h2>Settings</h2><table>".to_owned());
    if let Value::Object(settings) = &report.settings {
        for (name, value) in settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            put(row(&[name.clone(), value], "td"));
        }
    }
    put("</table></body></html>".to_owned());
    out
}

fn row(cells: &[String], tag: &str) -> String {
    let cells: String =
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
    format!("<tr>{cells}</tr>")
}

fn key(curves: &[&Curve]) -> String {
    let one = |(index, curve): (usize, &&Curve)| {
        format!("<span style=\"background:{}\"></span>{}", colour(index), escaped(&curve.name))
    };
    format!("<p class=\"key\">{}</p>", curves.iter().enumerate().map(one).collect::<String>())
}

/// The further right, the rarer: each mark is ten times as rare as the one before.
fn percentiles(curves: &[&Curve]) -> String {
    let rarity = |percent: f64| -(1.0 - percent / 100.0).max(1e-9).log10();
    let all = || curves.iter().flat_map(|curve| &curve.percentiles);
    let rarest = all().map(|point| point.percent).filter(|p| *p < 100.0).fold(90.0, f64::max);
    // The maximum stands a little behind the last percentile that is known.
    let end = rarity(rarest) + 0.3;
    let marks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999, 99.99999];
    let marks = marks.into_iter().filter(|percent| rarity(*percent) <= end);
    let x = Axis {
        label: "percentile".to_owned(),
        from: 0.0,
        to: end,
        marks: marks.map(|percent| (rarity(percent), format!("{percent} %"))).collect(),
    };
    let ms = |us: f64| (us / 1e3).max(1e-4);
    let low = all().map(|point| ms(point.us)).fold(f64::INFINITY, f64::min);
    let high = all().map(|point| ms(point.us)).fold(0.0, f64::max);
    let y = plot::logarithmic("ms", low, high);
    let line = |curve: &&Curve| Line {
        name: curve.name.clone(),
        points: curve
            .percentiles
            .iter()
            .map(|point| (rarity(point.percent).min(end), ms(point.us).log10()))
            .collect(),
    };
    plot::svg("latency by percentile", &x, &y, &curves.iter().map(line).collect::<Vec<_>>())
}

fn course(
    curves: &[&Curve],
    title: &str,
    value: impl Fn(&Point) -> f64,
    merged: impl Fn(&[f64]) -> f64,
) -> String {
    let line = |curve: &&Curve| {
        let together = curve.course.len().div_ceil(POINTS_MAX).max(1);
        let points = curve.course.chunks(together).filter_map(|points| {
            let values: Vec<f64> = points.iter().map(&value).collect();
            Some((points.first()?.second, merged(&values)))
        });
        Line { name: curve.name.clone(), points: points.collect() }
    };
    let lines: Vec<Line> = curves.iter().map(line).collect();
    let most = |of: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max)
    };
    let (x, y) =
        (plot::linear("s", most(|point| point.0)), plot::linear("", most(|point| point.1)));
    plot::svg(title, &x, &y, &lines)
}

fn merged_mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn merged_max(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
