//! The cases of dispatcher.md 18 on retries, replies and dead letters, as courses.

use proptest::prelude::*;

use super::*;
use crate::retry::Backoff;

fn plan(retries: u32, dead_letter: bool) -> Plan {
    Plan { retry: RetryPolicy::new(retries, Backoff::Linear, 100), dead_letter, hold: None }
}

fn status(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after_ms: None, reply: false }
}

fn event(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after_ms: None, reply: true }
}

/// Plays a course where the n-th answer of a target is the n-th of its list, the last one from
/// then on. Returns what was asked for and how it ended.
fn play(plan: &Plan, answers: &[(Target, &[Outcome])]) -> (Vec<(Target, u32, u64)>, Fate) {
    let mut sent = Vec::new();
    let (mut course, mut step) = Course::start();
    loop {
        let (to, attempt, after_ms) = match step {
            Step::Send { to, attempt, after_ms } => (to, attempt, after_ms),
            Step::End(fate) => return (sent, fate),
        };
        sent.push((to, attempt, after_ms));
        assert!(sent.len() < 100, "no end of {sent:?}");
        let (_, list) = answers.iter().find(|(target, _)| *target == to).expect("an answer");
        let at = (attempt as usize - 1).min(list.len() - 1);
        step = course.next(plan, list[at], 0);
    }
}

fn targets(sent: &[(Target, u32, u64)], target: Target) -> usize {
    sent.iter().filter(|(to, ..)| *to == target).count()
}

const S: Target = Target::Subscriber;
const R: Target = Target::Reply;
const D: Target = Target::DeadLetter;

#[test]
fn c070_four_failures_then_success() {
    let answers = [status(500), status(500), status(500), status(500), status(200)];
    let (sent, fate) = play(&plan(5, true), &[(S, &answers)]);
    assert_eq!(sent, [(S, 1, 0), (S, 2, 100), (S, 3, 200), (S, 4, 300), (S, 5, 400)]);
    assert_eq!(fate, Fate::Delivered);
}

#[test]
fn c071_c075_c076_attempts_are_one_more_than_retries() {
    for outcome in [status(500), Outcome::Unanswered] {
        for retries in [0, 2, 5] {
            let (sent, fate) = play(&plan(retries, false), &[(S, &[outcome])]);
            assert_eq!((sent.len(), fate), (retries as usize + 1, Fate::Lost(Loss::NoSink)));
        }
    }
}

#[test]
fn c073_c081_final_statuses_are_not_retried() {
    for code in [301, 302, 303, 307, 400, 401, 403, 410, 422] {
        let (sent, fate) = play(&plan(5, false), &[(S, &[status(code)])]);
        assert_eq!((sent.len(), fate), (1, Fate::Lost(Loss::NoSink)), "{code}");
    }
}

#[test]
fn c074_others_are() {
    for code in [404, 408, 409, 429, 500, 599] {
        assert_eq!(play(&plan(1, false), &[(S, &[status(code)])]).0.len(), 2, "{code}");
    }
}

#[test]
fn c078_retry_after_counts_for_429_and_503_when_allowed() {
    let asked = |status| Outcome::Answered { status, retry_after_ms: Some(30_000), reply: false };
    let wait = |plan: &Plan, code| play(plan, &[(S, &[asked(code)])]).0[1].2;
    let mut plan = plan(1, false);
    assert_eq!(wait(&plan, 429), 100);
    plan.retry.retry_after_cap_ms = Some(60_000);
    assert_eq!(wait(&plan, 429), 30_000);
    assert_eq!(wait(&plan, 503), 30_000);
    assert_eq!(wait(&plan, 500), 100);
}

#[test]
fn c088_the_sink_has_its_own_attempts_and_then_the_event_is_lost() {
    let (sent, fate) = play(&plan(1, true), &[(S, &[status(422)]), (D, &[status(500)])]);
    assert_eq!(sent, [(S, 1, 0), (D, 1, 0), (D, 2, 100)]);
    assert_eq!(fate, Fate::Lost(Loss::SinkFailed));
    assert!(fate.is_settled());
}

#[test]
fn c082_c091_the_sink_takes_what_the_subscriber_refused() {
    let answers = [status(500), status(400)];
    let (sent, fate) = play(&plan(5, true), &[(S, &answers), (D, &[status(202)])]);
    assert_eq!(sent, [(S, 1, 0), (S, 2, 100), (D, 1, 0)]);
    assert_eq!(fate, Fate::DeadLettered { reply_lost: false });
}

#[test]
fn c092_c095_what_is_hopeless_goes_to_the_sink_at_once() {
    let answers: [(Target, &[Outcome]); 2] = [(S, &[Outcome::Hopeless]), (D, &[status(200)])];
    let (sent, fate) = play(&plan(5, true), &answers);
    assert_eq!(sent, [(S, 1, 0), (D, 1, 0)]);
    assert_eq!(fate, Fate::DeadLettered { reply_lost: false });
}

#[test]
fn c093_c098_a_reply_is_passed_on_before_the_event_is_delivered() {
    for reply in [status(200), Outcome::Written, event(200)] {
        let (sent, fate) = play(&plan(0, true), &[(S, &[event(200)]), (R, &[reply])]);
        assert_eq!((sent, fate), (vec![(S, 1, 0), (R, 1, 0)], Fate::Delivered));
    }
}

#[test]
fn c097_a_failed_reply_goes_to_the_sink_and_the_subscriber_is_called_once() {
    let answers: [(Target, &[Outcome]); 3] =
        [(S, &[event(200)]), (R, &[status(500)]), (D, &[status(200)])];
    let (sent, fate) = play(&plan(1, true), &answers);
    assert_eq!(sent, [(S, 1, 0), (R, 1, 0), (R, 2, 100), (D, 1, 0)]);
    assert_eq!(fate, Fate::DeadLettered { reply_lost: false });
}

#[test]
fn c101_the_reply_of_the_sink_is_passed_on() {
    for (reply, reply_lost) in [(status(200), false), (status(400), true)] {
        let answers: [(Target, &[Outcome]); 3] =
            [(S, &[status(400)]), (D, &[event(200)]), (R, &[reply])];
        let (sent, fate) = play(&plan(0, true), &answers);
        assert_eq!(sent, [(S, 1, 0), (D, 1, 0), (R, 1, 0)]);
        assert_eq!(fate, Fate::DeadLettered { reply_lost });
    }
}

#[test]
fn f4_hold_asks_the_sink_until_it_takes_the_event() {
    let hold = Hold { first_ms: 1000, cap_ms: 5000 };
    let plan = Plan { hold: Some(hold), ..plan(1, true) };
    let answers =
        [status(500), status(500), Outcome::Unanswered, status(400), status(500), status(200)];
    let (sent, fate) = play(&plan, &[(S, &[status(400)]), (D, &answers)]);
    let waits: Vec<_> = sent.iter().map(|(.., after_ms)| *after_ms).collect();
    assert_eq!(waits, [0, 0, 100, 1000, 2000, 4000, 5000]);
    assert_eq!(fate, Fate::DeadLettered { reply_lost: false });
    let huge = Hold { first_ms: u64::MAX, cap_ms: u64::MAX };
    assert_eq!((huge.wait_ms(u32::MAX), Hold { cap_ms: 0, ..huge }.wait_ms(3)), (WAIT_MS_MAX, 1));
}

#[test]
fn cancelled_is_not_settled_on_any_leg() {
    let lists: [&[(Target, &[Outcome])]; 3] = [
        &[(S, &[Outcome::Cancelled])],
        &[(S, &[event(200)]), (R, &[Outcome::Cancelled])],
        &[(S, &[status(400)]), (D, &[Outcome::Cancelled])],
    ];
    for answers in lists {
        let (_, fate) = play(&plan(5, true), answers);
        assert!(!fate.is_settled(), "{fate:?}");
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => (200..600_u16, any::<Option<u64>>(), any::<bool>()).prop_map(
            |(status, retry_after_ms, reply)| Outcome::Answered { status, retry_after_ms, reply }
        ),
        1 => Just(Outcome::Written),
        2 => Just(Outcome::Unanswered),
        1 => Just(Outcome::Hopeless),
    ]
}

proptest! {
    /// Whatever happens it ends, no target is asked more often than allowed, the sink only once
    /// the subscriber was given up, and a loss means that nobody took the event.
    #[test]
    fn every_course_ends_within_its_attempts(
        outcomes in prop::collection::vec(outcome(), 80),
        retries in 0..5_u32,
        dead_letter: bool,
    ) {
        let plan = plan(retries, dead_letter);
        let (mut course, mut step) = Course::start();
        let (mut sent, mut sink_took) = (Vec::new(), false);
        let mut outcomes = outcomes.into_iter();
        let fate = loop {
            match step {
                Step::End(fate) => break fate,
                Step::Send { to, attempt, after_ms } => {
                    prop_assert!(attempt <= retries + 1);
                    prop_assert_eq!(after_ms, u64::from(attempt - 1) * 100);
                    let outcome = outcomes.next().expect("more attempts than there can be");
                    let ok = match outcome {
                        Outcome::Answered { status, .. } => status < 300,
                        other => other == Outcome::Written,
                    };
                    sink_took |= ok && to == D;
                    sent.push((to, attempt, after_ms));
                    step = course.next(&plan, outcome, 0);
                }
            }
        };
        prop_assert!(targets(&sent, S) <= retries as usize + 1);
        let most = usize::from(dead_letter) * (retries as usize + 1);
        prop_assert!(targets(&sent, D) <= most);
        prop_assert_eq!(matches!(fate, Fate::DeadLettered { .. }), sink_took);
        prop_assert_eq!(fate == Fate::Lost(Loss::SinkFailed), targets(&sent, D) > 0 && !sink_took);
        prop_assert!(fate.is_settled());
    }
}
