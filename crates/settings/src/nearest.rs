//! The known name nearest to a mistyped one, by edit distance.

/// Longer names are not compared: no setting is that long, and the work grows with the square.
const NAME_CHARS_MAX: usize = 128;

/// The nearest of `known` to `name`, if one is near enough to be meant: at most two edits,
/// or a quarter of the name for long names. Letter case counts as no edit.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(NAME_CHARS_MAX + 1).collect();
    if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let edits_max = (wanted.len() / 4).max(2).min(wanted.len() - 1);
    known
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            (edits(&wanted, &letters), candidate)
        })
        .filter(|(distance, _)| *distance <= edits_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours from `a` to `b`.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &to) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["acks", "linger.ms", "batch.size", "retries", "retry.backoff.ms"];

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(nearest("linger.sm", KNOWN), Some("linger.ms"));
        assert_eq!(nearest("LINGER.MS", KNOWN), Some("linger.ms"));
        assert_eq!(nearest("ack", KNOWN), Some("acks"));
        assert_eq!(nearest("retrybackoffms", KNOWN), Some("retry.backoff.ms"));
    }

    #[test]
    fn a_far_name_has_no_neighbour() {
        assert_eq!(nearest("x", KNOWN), None);
        assert_eq!(nearest("", KNOWN), None);
        assert_eq!(nearest("something.else", KNOWN), None);
        assert_eq!(nearest(&"a".repeat(10_000), KNOWN), None);
    }

    #[test]
    fn edits_counts_what_a_person_would() {
        let count = |a: &str, b: &str| {
            edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
        };
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("ab", "ba"), 1);
        assert_eq!(count("same", "same"), 0);
    }
}
