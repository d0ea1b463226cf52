//! Egresses on their way into their groups: so many at a time, the others wait for their turn.
//!
//! Every egress is a client of its own with some three connections. Hundreds that begin in the same moment ask
//! more of a busy broker than it can answer within their timeouts; each then connects and asks again, and none
//! gets in. A place is free again once Kafka has answered, be it with a refusal, or after [`GIVE_WAY`]: those that
//! get no answer shall not hold up the rest for ever. They hold up nobody with another Kafka.
//!
//! Whether Kafka has answered must be asked of the client's own thread, which is a wait of some 30 microseconds, but of
//! many milliseconds where threads wait for a CPU: just then, when hundreds start. So a look takes only [`LOOK`], and the
//! next one goes on with those that were not asked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_contract::diff::Wanted;
use millrace_kafka::TroubleKind;

use super::Groups;
use super::member::Member;

/// Egresses that may be on their way at a time, for each set of bootstrap servers.
const AT_ONCE: usize = 32;
/// A place is given up after this, whatever came of it.
const GIVE_WAY: Duration = Duration::from_secs(20);
/// For asking who has arrived, each [`super::TICK`]: all of them on a machine that has time for it.
const LOOK: Duration = Duration::from_millis(5);

/// See the head of this file.
#[derive(Default)]
pub(super) struct Starts {
    /// Those that were asked least recently first.
    on_their_way: VecDeque<OnItsWay>,
    waiting: VecDeque<Wanted>,
}

struct OnItsWay {
    member: u64,
    bootstrap: Arc<str>,
    until: Instant,
}

impl Starts {
    fn has_room(&self, bootstrap: &str) -> bool {
        self.on_their_way.iter().filter(|it| *it.bootstrap == *bootstrap).count() < AT_ONCE
    }

    /// Takes a place for a member that has been made.
    pub(super) fn begin(&mut self, member: u64, bootstrap: Arc<str>, now: Instant) {
        self.on_their_way.push_back(OnItsWay { member, bootstrap, until: now + GIVE_WAY });
    }

    /// Gives the place of a member up whose trouble says that Kafka has answered it.
    pub(super) fn trouble(&mut self, member: u64, kind: TroubleKind) {
        use TroubleKind::{Other, Timeout, Unreachable};
        if !matches!(kind, Unreachable | Timeout | Other) {
            self.end(member);
        }
    }

    /// Gives a member's place up, if it has one.
    pub(super) fn end(&mut self, member: u64) {
        self.on_their_way.retain(|it| it.member != member);
    }

    /// Gives up the places of those that have had their time, or whose coordinator `has_answered`, which is asked while
    /// there `is_time`.
    fn sweep(
        &mut self,
        now: Instant,
        mut has_answered: impl FnMut(u64) -> bool,
        mut is_time: impl FnMut() -> bool,
    ) {
        self.on_their_way.retain(|it| now < it.until);
        for _ in 0..self.on_their_way.len() {
            if !is_time() {
                return;
            }
            let Some(first) = self.on_their_way.pop_front() else { return };
            if !has_answered(first.member) {
                self.on_their_way.push_back(first);
            }
        }
    }

    /// Whether this one has to wait, which it does from now on.
    pub(super) fn wait(&mut self, wanted: &Wanted) -> bool {
        let waits = !self.has_room(&wanted.resource.bootstrap_servers);
        if waits {
            self.waiting.push_back(wanted.clone());
        }
        waits
    }

    /// Forgets those that wait: what is wanted is decided anew.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// How many are to be looked after.
    pub(super) fn on_their_way(&self) -> usize {
        self.on_their_way.len()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The first that need not wait any more.
    fn next(&mut self) -> Option<Wanted> {
        // Asked with every event while thousands may wait, most often all for the same Kafka: once for those in a row.
        let mut full = None;
        let free = self.waiting.iter().position(|it| {
            let servers = &*it.resource.bootstrap_servers;
            if full == Some(servers) {
                return false;
            }
            full = Some(servers);
            self.has_room(servers)
        });
        self.waiting.remove(free?)
    }
}

impl Groups {
    /// Looks who has arrived.
    pub(super) fn sweep_starts(&mut self, now: Instant) {
        let members = &self.members;
        let has_answered = |id| {
            let member = members.get(&id);
            member.is_none_or(|it: &Member| it.closing.is_some() || it.consumer.has_joined())
        };
        let began = Instant::now();
        self.starts.sweep(now, has_answered, || began.elapsed() < LOOK);
    }

    /// Starts those for which there is a place.
    pub(super) fn start_waiting(&mut self) {
        while let Some(wanted) = self.starts.next() {
            self.start(&wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_contract::diff::egresses;

    /// Egresses of two resources, each with its own Kafka: `many` of the first, one of the second.
    fn wanted(many: usize) -> (Vec<Wanted>, Wanted) {
        let egress = |kafka: &str, number: usize| {
            serde_json::json!({ "uid": format!("{kafka}-{number}"), "consumerGroup": format!("{kafka}-{number}"),
                "destination": "http://127.0.0.1:1/", "reference": { "namespace": "n", "name": "t" } })
        };
        let resource = |kafka: &str, many: usize| {
            serde_json::json!({ "uid": kafka, "topics": ["t"], "bootstrapServers": format!("{kafka}:9092"),
                "reference": { "namespace": "n", "name": kafka },
                "egresses": (0..many).map(|number| egress(kafka, number)).collect::<Vec<_>>() })
        };
        let contract = serde_json::json!({ "generation": "1", "resources": [resource("a", many), resource("b", 1)] });
        let contract = millrace_contract::Contract::parse(contract.to_string().as_bytes()).unwrap();
        let mut all: Vec<Wanted> = egresses(std::iter::empty(), &contract.contract)
            .into_iter()
            .map(|step| match step {
                millrace_contract::diff::EgressStep::Start(wanted) => wanted,
                other => panic!("{other:?}"),
            })
            .collect();
        let other = all.iter().position(|it| &*it.resource.bootstrap_servers == "b:9092").unwrap();
        let other = all.remove(other);
        (all, other)
    }

    /// Members 0 to [`AT_ONCE`] - 1 are on their way, and one more of their Kafka waits.
    fn full_with_one_waiting(now: Instant) -> Starts {
        let (many, _) = wanted(AT_ONCE + 1);
        let mut starts = Starts::default();
        for member in 0..AT_ONCE as u64 {
            starts.begin(member, many[0].resource.bootstrap_servers.clone(), now);
        }
        assert!(starts.wait(&many[AT_ONCE]));
        starts
    }

    #[test]
    fn all_but_so_many_of_one_kafka_wait_and_come_in_turn() {
        let (many, other) = wanted(AT_ONCE + 3);
        let (mut starts, now) = (Starts::default(), Instant::now());
        for (wanted, member) in many.iter().zip(0..) {
            let waits = starts.wait(wanted);
            assert_eq!(waits, member >= AT_ONCE as u64);
            if !waits {
                starts.begin(member, wanted.resource.bootstrap_servers.clone(), now);
            }
        }
        assert!(!starts.wait(&other), "another Kafka has places of its own");
        assert_eq!((starts.waiting(), starts.next().is_none()), (3, true));
        starts.end(5);
        let next = starts.next().unwrap();
        assert_eq!(next.uid(), many[AT_ONCE].uid());
        starts.begin(100, next.resource.bootstrap_servers.clone(), now);
        assert!(starts.next().is_none());
        starts.sweep(now, |member| member == 7, || true);
        assert_eq!(starts.next().unwrap().uid(), many[AT_ONCE + 1].uid());
    }

    #[test]
    fn a_place_is_given_up_in_time_by_those_who_get_no_answer() {
        let now = Instant::now();
        let mut starts = full_with_one_waiting(now);
        starts.sweep(now + GIVE_WAY - Duration::from_millis(1), |_| false, || true);
        assert!(starts.next().is_none());
        starts.sweep(now + GIVE_WAY, |_| false, || false);
        assert!(starts.next().is_some());
    }

    #[test]
    fn a_look_that_ends_early_goes_on_with_those_that_were_not_asked() {
        let now = Instant::now();
        let mut starts = full_with_one_waiting(now);
        let mut asked = Vec::new();
        for _ in 0..2 {
            let mut left = AT_ONCE - 1;
            let is_time = || {
                left = left.saturating_sub(1);
                left > 0
            };
            let ask = |member| {
                asked.push(member);
                false
            };
            starts.sweep(now, ask, is_time);
        }
        assert_eq!(asked.len(), 2 * (AT_ONCE - 2));
        let first_round: Vec<u64> = (0..AT_ONCE as u64).collect();
        assert_eq!(asked[..AT_ONCE], first_round);
        assert_eq!(asked[AT_ONCE..], first_round[..AT_ONCE - 4]);
        assert!(starts.next().is_none(), "none has given up its place");
    }

    #[test]
    fn a_refusal_is_an_answer_and_silence_is_none() {
        let mut starts = full_with_one_waiting(Instant::now());
        for silence in [TroubleKind::Unreachable, TroubleKind::Timeout, TroubleKind::Other] {
            starts.trouble(3, silence);
            assert!(starts.next().is_none(), "{silence:?}");
        }
        starts.trouble(3, TroubleKind::Auth);
        assert!(starts.next().is_some());
    }

    #[test]
    fn what_waits_is_forgotten_when_all_is_decided_anew() {
        let mut starts = full_with_one_waiting(Instant::now());
        starts.forget_waiting();
        starts.end(0);
        assert!(starts.next().is_none());
    }
}
