//! What the status of an answer means: done, another attempt, or given up.

/// What follows from one answer, or from none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The event was taken.
    Success,
    /// It was not, but it may be later.
    Retry,
    /// It was not, and will not be.
    Fail,
}

impl Verdict {
    /// By status (9.2, 10). Redirects are failures, 303 too: the event is never sent to where
    /// nobody configured it to go. No answer at all is a [`Verdict::Retry`].
    pub fn of_status(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            404 | 408 | 409 | 429 | 500.. => Self::Retry,
            _ => Self::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F1: each status, against the table of the specification written out by ranges.
    #[test]
    fn every_status_from_200_to_599() {
        let table = [
            (200..=299, Verdict::Success),
            (300..=403, Verdict::Fail),
            (404..=404, Verdict::Retry),
            (405..=407, Verdict::Fail),
            (408..=409, Verdict::Retry),
            (410..=428, Verdict::Fail),
            (429..=429, Verdict::Retry),
            (430..=499, Verdict::Fail),
            (500..=599, Verdict::Retry),
        ];
        let mut next = 200;
        for (range, verdict) in table {
            assert_eq!(*range.start(), next, "the table has a hole");
            next = range.end() + 1;
            for status in range {
                assert_eq!(Verdict::of_status(status), verdict, "{status}");
            }
        }
        assert_eq!(next, 600);
    }
}
