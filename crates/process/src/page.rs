//! Pages of documentation that are written from tables, one section by each crate, and tested to
//! be fresh.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::env::Variable;

/// Variables as rows of a markdown table, heading and all.
pub fn rows(variables: &[Variable]) -> String {
    let mut out = String::from("| Variable | Default | Meaning |\n|---|---|---|\n");
    for Variable { name, default, meaning } in variables {
        let default = match default {
            None => "required".to_owned(),
            Some("") => "not set".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{name}` | {default} | {meaning} |");
    }
    out
}

/// Whether the part of `page` that begins at the line `heading` and ends before the next line
/// that begins with `## ` is `heading`, a blank line and `text`. With UPDATE in the environment it is
/// made so first, at the end of the page if there is no such heading yet.
///
/// # Errors
/// When the page cannot be written.
pub fn section_is_fresh(page: &Path, heading: &str, text: &str) -> io::Result<bool> {
    let fresh = format!("{heading}\n\n{}\n", text.trim_end());
    let written = fs::read_to_string(page).unwrap_or_default();
    let (before, section, after) = split(&written, heading);
    let is_fresh = section.trim_end() == fresh.trim_end();
    if is_fresh || std::env::var_os("UPDATE").is_none() {
        return Ok(is_fresh);
    }
    let gap = if after.is_empty() { "" } else { "\n" };
    fs::write(page, format!("{}\n\n{fresh}{gap}{after}", before.trim_end()))?;
    Ok(true)
}

fn split<'a>(page: &'a str, heading: &str) -> (&'a str, &'a str, &'a str) {
    let line = format!("\n{heading}\n");
    let Some(at) = page.find(&line).map(|at| at.saturating_add(1)) else {
        return (page, "", "");
    };
    let (before, rest) = page.split_at(at);
    let end = rest.find("\n## ").map_or(rest.len(), |at| at.saturating_add(1));
    let (section, after) = rest.split_at(end);
    (before, section, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{COMMON, optional, required};

    #[test]
    fn the_settings_page_is_fresh() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
        assert!(
            section_is_fresh(&page, "## Both programs", &rows(COMMON)).unwrap(),
            "docs/config.md is stale: UPDATE=1 cargo test -p millrace-process"
        );
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let page = "# T\n\n## A\n\none\n\n## B\n\ntwo\n";
        assert_eq!(split(page, "## A"), ("# T\n\n", "## A\n\none\n\n", "## B\n\ntwo\n"));
        assert_eq!(split(page, "## B"), ("# T\n\n## A\n\none\n\n", "## B\n\ntwo\n", ""));
        assert_eq!(split(page, "## C"), (page, "", ""));
    }

    #[test]
    fn a_stale_section_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("p.md");
        fs::write(&page, "# T\n\n## A\n\none\n\n## B\n\ntwo\n").unwrap();
        assert!(section_is_fresh(&page, "## A", "one\n").unwrap());
        if std::env::var_os("UPDATE").is_none() {
            assert!(!section_is_fresh(&page, "## A", "two").unwrap());
            assert!(!section_is_fresh(&page, "## C", "one").unwrap());
        }
    }

    #[test]
    fn rows_say_what_holds_without_a_value() {
        let page = rows(&[required("A", "a"), optional("B", "", "b"), optional("C", "3", "c")]);
        let lines: Vec<&str> = page.lines().skip(2).collect();
        assert_eq!(lines, ["| `A` | required | a |", "| `B` | not set | b |", "| `C` | `3` | c |"]);
    }
}
