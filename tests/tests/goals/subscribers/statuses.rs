//! F1: a subscriber answers each status from 200 to 599, and what becomes of the event is in dispatcher.md 9 to 12.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use millrace_tests::drivers;
use millrace_tests::matrix::Variant;
use millrace_tests::plan::Egress;
use millrace_tests::producer::NewRecord;
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Case, Kind, Stage};
use millrace_tests::subscriber::{Answer, Received};

use super::{by_id, reasons, shuffled};

/// Events that one call writes.
const BATCH: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Success,
    /// Failure, with another attempt.
    Retry,
    /// Failure at once.
    Fail,
}

/// 9.2: below 300 is success, redirects are not followed. 10: another attempt after 404, 408, 409, 429 and from 500 on.
const TABLE: [(RangeInclusive<u16>, Meaning); 9] = [
    (200..=299, Meaning::Success),
    (300..=403, Meaning::Fail),
    (404..=404, Meaning::Retry),
    (405..=407, Meaning::Fail),
    (408..=409, Meaning::Retry),
    (410..=428, Meaning::Fail),
    (429..=429, Meaning::Retry),
    (430..=499, Meaning::Fail),
    (500..=599, Meaning::Retry),
];

/// What a subscriber says beside its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// A body that is no event.
    Words,
    /// The same, and 200 when asked again.
    WordsOnce,
    /// An event without data.
    Event,
}

/// How an egress is made, and what its subscriber says.
struct Role {
    suffix: &'static str,
    says: Says,
    dead_letter: bool,
    reply_url: bool,
}

/// With one retry each. The first one is that of the plan.
const ROLES: [Role; 5] = [
    Role { suffix: "", says: Says::Words, dead_letter: true, reply_url: false },
    Role { suffix: "recovers", says: Says::WordsOnce, dead_letter: true, reply_url: false },
    Role { suffix: "event", says: Says::Event, dead_letter: true, reply_url: true },
    Role { suffix: "words", says: Says::Words, dead_letter: true, reply_url: true },
    Role { suffix: "ordered", says: Says::Words, dead_letter: false, reply_url: false },
];

/// Three bytes and their base64.
const BODY: (&str, &str) = ("AAA", "QUFB");

/// What is to be seen of one event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    attempts: usize,
    /// The status and the body that the dead letter tells.
    dead_letter: Option<[Option<String>; 2]>,
    replies: usize,
}

impl Role {
    fn egress(&self, egress: Egress) -> Egress {
        let egress = egress.retry(1, 20);
        let egress = if self.dead_letter { egress.dead_letter() } else { egress };
        let egress = if self.reply_url { egress.reply_url() } else { egress };
        if self.suffix == "ordered" { egress.ordered() } else { egress }
    }

    fn of<'c>(&self, case: &'c Case<'_>) -> &'c Egress {
        if self.suffix.is_empty() { case.egress() } else { case.and(self.suffix) }
    }

    /// The same for everybody who asks, so that attempts can be told apart by their number only.
    fn answer(&self, status: u16, attempt: usize, elsewhere: &str) -> Answer {
        if attempt > 0 && self.says == Says::WordsOnce {
            return Answer::status(200);
        }
        let answer = Answer::status(status).header("Location", elsewhere);
        match self.says {
            // These have no body, whatever their headers say (RFC 9112, 6.3).
            _ if matches!(status, 204 | 304) && self.says != Says::Event => answer,
            Says::Words | Says::WordsOnce => answer.body(BODY.0),
            Says::Event => answer
                .header("ce-specversion", "1.0")
                .header("ce-id", format!("reply-{status}"))
                .header("ce-source", "/reply")
                .header("ce-type", "r"),
        }
    }

    fn expected(&self, status: u16) -> Outcome {
        let (_, meaning) = TABLE.iter().find(|(range, _)| range.contains(&status)).unwrap();
        let bodiless = matches!(status, 204 | 304) || self.says == Says::Event;
        let letter = |told: [Option<String>; 2]| self.dead_letter.then_some(told);
        let refused = || letter([Some(status.to_string()), (!bodiless).then(|| BODY.1.to_owned())]);
        match meaning {
            Meaning::Success if !self.reply_url => Outcome { attempts: 1, ..Outcome::default() },
            // 11: a successful answer is an event, or empty, or else a failure that nobody retries.
            Meaning::Success if self.says == Says::Event => {
                Outcome { attempts: 1, replies: 1, dead_letter: None }
            }
            Meaning::Success if bodiless => Outcome { attempts: 1, ..Outcome::default() },
            Meaning::Success => {
                Outcome { attempts: 1, dead_letter: letter([None, None]), replies: 0 }
            }
            Meaning::Retry if self.says == Says::WordsOnce => {
                Outcome { attempts: 2, ..Outcome::default() }
            }
            Meaning::Retry => Outcome { attempts: 2, dead_letter: refused(), replies: 0 },
            Meaning::Fail => Outcome { attempts: 1, dead_letter: refused(), replies: 0 },
        }
    }
}

fn status_of(id: &str) -> u16 {
    id.split_once('.').unwrap().0.parse().unwrap()
}

/// Answers by the status in the event's id.
fn answer_as(case: &Case<'_>, role: &'static Role) {
    let attempts = Mutex::new(BTreeMap::<String, usize>::new());
    let elsewhere = format!("{}/elsewhere", case.stage.subscriber.url());
    case.subscriber_of(role.of(case)).answers(move |request, _| {
        let id = request.header("ce-id").unwrap();
        let status = status_of(&id);
        let mut attempts = attempts.lock().unwrap();
        let attempt = attempts.entry(id).or_default();
        *attempt += 1;
        role.answer(status, *attempt - 1, &elsewhere)
    });
}

fn outcomes(case: &Case<'_>, role: &Role) -> BTreeMap<String, Outcome> {
    let egress = role.of(case);
    let received = |suffix: &str| {
        by_id(case.stage.subscriber.endpoint(&format!("{}{suffix}", egress.name)).received())
    };
    let (attempts, letters, replies) = (received(""), received(".dls"), received(".reply"));
    let told = |id: &String, letter: &Received| {
        let [dest, code, data] = reasons(letter);
        assert_eq!(dest.as_deref(), Some(egress.destination()), "{id}: {letter:?}");
        [code, data]
    };
    attempts
        .into_iter()
        .map(|(id, attempts)| {
            let dead_letters = letters.get(&id).map_or(&[][..], Vec::as_slice);
            assert!(dead_letters.len() <= 1, "{id}: {dead_letters:?}");
            let outcome = Outcome {
                attempts: attempts.len(),
                dead_letter: dead_letters.first().map(|letter| told(&id, letter)),
                replies: replies.get(&format!("reply-{}", status_of(&id))).map_or(0, Vec::len),
            };
            (id, outcome)
        })
        .collect()
}

drivers! {
    fn f1_each_status(variant: Variant) {
        let run = Run::begin("f1");
        let rounds = run.either(1, 10);
        for round in 0..rounds {
            let stage = Stage::prepare(variant, Kind::Broker)
                .with("f1", |plan| ROLES.iter().fold(plan, |plan, role| match role.suffix {
                    "" => plan.egress(|egress| role.egress(egress)),
                    suffix => plan.and(suffix, |egress| role.egress(egress)),
                }))
                .start();
            let case = stage.case("f1");
            for role in &ROLES {
                answer_as(&case, role);
            }
            let ids = shuffled((200..600).map(|status| format!("{status}.{round}")).collect(), run.seed, round);
            for ids in ids.chunks(BATCH) {
                case.send(&ids.iter().map(|id| NewRecord::event(id)).collect::<Vec<_>>());
            }
            let mut requests = 0;
            for role in &ROLES {
                case.settles_for(role.of(&case), 0, 400);
                let outcomes = outcomes(&case, role);
                for id in &ids {
                    let expected = role.expected(status_of(id));
                    assert_eq!(outcomes.get(id), Some(&expected), "{id} {:?} {}", role.says, role.suffix);
                    requests += expected.attempts;
                }
                assert_eq!(outcomes.len(), ids.len(), "what nobody sent came");
            }
            assert_eq!(stage.subscriber.endpoint("elsewhere").count(), 0, "a redirect was followed");
            println!("f1 round {round}: 400 statuses, {} egresses, {requests} attempts", ROLES.len());
        }
    }
}
