//! Plots as inline SVG: lines over two axes, nothing else.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// Told apart also by people who see fewer colours.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"];

/// A line with its name.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One axis: where a value lies between 0 and 1 is linear between its ends.
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Where a mark stands, and what is written there.
    pub(crate) marks: Vec<(f64, String)>,
}

pub(crate) fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// An axis from 0 to a round number that is at least `to`.
pub(crate) fn linear(label: &str, to: f64) -> Axis {
    let step = round_step(to.max(1e-9) / 5.0);
    let count = (to / step).ceil().max(1.0) as usize;
    let marks = (0..=count).map(|index| index as f64 * step).map(|at| (at, number(at))).collect();
    Axis { label: label.to_owned(), from: 0.0, to: count as f64 * step, marks }
}

/// Powers of ten that enclose both values, which must be positive; positions are logarithms.
pub(crate) fn logarithmic(label: &str, low: f64, high: f64) -> Axis {
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let to = to.max(from + 1);
    let marks = (from..=to).map(|power| (f64::from(power), number(10_f64.powi(power)))).collect();
    Axis { label: label.to_owned(), from: f64::from(from), to: f64::from(to), marks }
}

/// The drawing.
pub(crate) fn svg(title: &str, x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let across = |value: f64| LEFT + share(x, value) * (WIDTH - LEFT - RIGHT);
    let up = |value: f64| HEIGHT - BOTTOM - share(y, value) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    );
    // Writing to a string cannot fail.
    let mut put = |text: String| {
        let _ = write!(out, "{text}");
    };
    for (at, label) in &x.marks {
        let at = across(*at);
        put(grid(at, TOP, at, HEIGHT - BOTTOM));
        put(word(at, HEIGHT - BOTTOM + 16.0, "middle", label));
    }
    for (at, label) in &y.marks {
        let at = up(*at);
        put(grid(LEFT, at, WIDTH - RIGHT, at));
        put(word(LEFT - 6.0, at + 4.0, "end", label));
    }
    put(word((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0, "middle", &x.label));
    put(word(4.0, TOP - 4.0, "start", &y.label));
    for (index, line) in lines.iter().enumerate() {
        let points: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
        put(format!(
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" points=\"{}\"><title>{}</title></polyline>",
            colour(index),
            points.join(" "),
            escaped(&line.name)
        ));
    }
    out.push_str("</svg>");
    out
}

/// Text as HTML needs it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn share(axis: &Axis, value: f64) -> f64 {
    let span = axis.to - axis.from;
    if span <= 0.0 { 0.0 } else { ((value - axis.from) / span).clamp(0.0, 1.0) }
}

fn grid(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>")
}

fn word(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text))
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = least / power;
    power
        * if factor <= 1.0 {
            1.0
        } else if factor <= 2.0 {
            2.0
        } else if factor <= 5.0 {
            5.0
        } else {
            10.0
        }
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} M", trimmed(value / 1e6)),
        _ if value >= 1e4 => format!("{} k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        let axis = linear("x", 47_000.0);
        assert_eq!((axis.from, axis.to), (0.0, 50_000.0));
        assert_eq!(axis.marks[1].1, "10 k");
        let axis = logarithmic("y", 0.02, 7.0);
        assert_eq!((axis.from, axis.to), (-2.0, 1.0));
        assert_eq!(axis.marks[0].1, "0.01");
        assert_eq!(logarithmic("y", 1.0, 1.0).to, 1.0);
        assert_eq!(linear("x", 0.0).marks.len(), 2);
    }

    #[test]
    fn points_lie_within_the_frame() {
        let line = Line { name: "a<b".into(), points: vec![(0.0, 0.0), (1.0, 9.0), (2.0, 99.0)] };
        let text = svg("t", &linear("x", 1.0), &linear("y", 10.0), &[line]);
        assert!(text.contains("points=\"80.0,254.0 840.0,39.8 840.0,16.0\""), "{text}");
        assert!(text.contains("a&lt;b"));
    }
}
