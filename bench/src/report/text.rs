//! A result as text, columns aligned.

use std::fmt::Write;

use super::{Report, Table};

/// The whole result.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(&report.title);
    line(&format!("  machine  {}", report.machine.line()));
    line(&format!("  command  {}", report.command));
    line(&format!("  ended    {}", report.ended));
    for table in &report.tables {
        line("");
        line(&table_text(table));
    }
    if !report.notes.is_empty() {
        line("");
    }
    for note in &report.notes {
        line(note);
    }
    out
}

fn table_text(table: &Table) -> String {
    let titled = table.columns.iter().any(|column| !column.is_empty());
    let all: Vec<&Vec<String>> =
        titled.then_some(&table.columns).into_iter().chain(&table.rows).collect();
    let columns = all.iter().map(|row| row.len()).max().unwrap_or(0);
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = table.title.clone();
    for row in all {
        out.push_str("\n ");
        for (column, cell) in row.iter().enumerate() {
            let width = widths.get(column).copied().unwrap_or(0);
            // Numbers end under each other; words begin so.
            let _ = match (column, is_of_words(table, column)) {
                (0, _) => write!(out, " {cell:<width$}"),
                (_, true) => write!(out, "  {cell:<width$}"),
                (_, false) => write!(out, "  {cell:>width$}"),
            };
        }
        out.truncate(out.trim_end().len());
    }
    out
}

fn is_of_words(table: &Table, column: usize) -> bool {
    let mut cells = table.rows.iter().filter_map(|row| row.get(column));
    cells.all(|cell| cell.starts_with(char::is_alphabetic))
}
