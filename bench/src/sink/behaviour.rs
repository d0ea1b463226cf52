//! How a subscriber answers: how late, how often wrongly, when not at all, and with what event.

use std::str::FromStr;
use std::time::Duration;

use crate::arguments::duration;
use crate::load::nanos;

/// How long an answer takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    Fixed(Duration),
    /// Anything between the two, all alike.
    Uniform(Duration, Duration),
    /// Mostly short, sometimes long, with this mean; never more than 50 times the mean.
    Exponential(Duration),
}

/// What a subscriber does.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    pub delay: Delay,
    /// The share of requests that are answered with `error_status`.
    pub error_rate: f64,
    pub error_status: u16,
    /// Every so often all answers wait for so long.
    pub stall: Option<(Duration, Duration)>,
    /// The share of accepted requests that are answered with an event.
    pub reply_rate: f64,
    pub seed: u64,
}

/// What is done with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// When the answer is due, on the clock of the caller.
    pub at_ns: u64,
    pub accept: bool,
    pub reply: bool,
}

/// Decides for requests in the order in which they come.
#[derive(Debug)]
pub(crate) struct Actor {
    behaviour: Behaviour,
    began_ns: u64,
    random: Random,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            delay: Delay::Fixed(Duration::ZERO),
            error_rate: 0.0,
            error_status: 503,
            stall: None,
            reply_rate: 0.0,
            seed: 1,
        }
    }
}

impl Actor {
    pub(crate) fn new(behaviour: Behaviour, began_ns: u64) -> Self {
        let random = Random::new(behaviour.seed);
        Self { behaviour, began_ns, random }
    }

    pub(crate) fn react(&mut self, now_ns: u64) -> Reaction {
        let delay_ns = match self.behaviour.delay {
            Delay::Fixed(delay) => nanos(delay),
            Delay::Uniform(low, high) => {
                let span = nanos(high.saturating_sub(low)) as f64;
                nanos(low).saturating_add((self.random.next() * span) as u64)
            }
            Delay::Exponential(mean) => {
                let factor = -(1.0 - self.random.next()).ln();
                (nanos(mean) as f64 * factor.min(50.0)) as u64
            }
        };
        let due = now_ns.saturating_add(delay_ns);
        let accept = self.random.next() >= self.behaviour.error_rate;
        let reply = accept && self.random.next() < self.behaviour.reply_rate;
        Reaction { at_ns: self.behind_stalls(due), accept, reply }
    }

    /// The stall of each period is at its end.
    fn behind_stalls(&self, due_ns: u64) -> u64 {
        let Some((every, lasting)) = self.behaviour.stall else { return due_ns };
        let (every, lasting) = (nanos(every).max(1), nanos(lasting).min(nanos(every)));
        let within = due_ns.saturating_sub(self.began_ns) % every;
        let stalled = within >= every - lasting && lasting > 0;
        if stalled { due_ns.saturating_add(every - within) } else { due_ns }
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(mean) = text.strip_prefix("exp:") {
            return Ok(Self::Exponential(duration(mean)?));
        }
        match text.split_once("..") {
            None => Ok(Self::Fixed(duration(text)?)),
            Some((low, high)) => {
                let (low, high) = (duration(low)?, duration(high)?);
                if low > high {
                    return Err("the first time is the longer one".to_owned());
                }
                Ok(Self::Uniform(low, high))
            }
        }
    }
}

/// xorshift64*: even enough for delays, and the same for the same seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// At least 0, below 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{MILLISECOND, SECOND};
    use crate::latency::Latency;

    fn actor(behaviour: Behaviour) -> Actor {
        Actor::new(behaviour, 0)
    }

    fn delays(text: &str) -> Latency {
        let mut actor = actor(Behaviour { delay: text.parse().unwrap(), ..Behaviour::default() });
        let mut latency = Latency::default();
        (0..100_000).for_each(|_| latency.record(actor.react(0).at_ns));
        latency
    }

    #[test]
    fn delays_have_their_distribution() {
        let near =
            |got: u64, ms: f64| assert!((got as f64 / 1e6 / ms - 1.0).abs() < 0.03, "{got} {ms}");
        near(delays("3ms").percentile_ns(1.0), 3.0);
        let uniform = delays("10ms..20ms");
        near(uniform.percentile_ns(10.0), 11.0);
        near(uniform.percentile_ns(90.0), 19.0);
        let exponential = delays("exp:5ms");
        near(exponential.percentile_ns(50.0), 5.0 * 2.0_f64.ln());
        near(exponential.percentile_ns(99.0), 5.0 * 100.0_f64.ln());
        for text in ["", "x", "exp:", "5ms..1ms", "1ms..x"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_kept_and_the_seed_decides() {
        let behaviour = Behaviour { error_rate: 0.2, reply_rate: 0.5, ..Behaviour::default() };
        let all = |seed: u64| -> Vec<Reaction> {
            let mut actor = actor(Behaviour { seed, ..behaviour.clone() });
            (0..10_000).map(|now| actor.react(now)).collect()
        };
        let one = all(7);
        let refused = one.iter().filter(|reaction| !reaction.accept).count();
        let replied = one.iter().filter(|reaction| reaction.reply).count();
        assert!((1_800..2_200).contains(&refused) && (3_700..4_300).contains(&replied));
        assert!(one.iter().all(|reaction| reaction.accept || !reaction.reply));
        assert_eq!(one, all(7));
        assert_ne!(one, all(8));
    }

    #[test]
    fn answers_within_a_stall_wait_for_its_end() {
        let stall = Some((Duration::from_secs(1), Duration::from_millis(200)));
        let mut actor = actor(Behaviour { stall, ..Behaviour::default() });
        let mut at = |ms: u64| actor.react(ms * MILLISECOND).at_ns;
        assert_eq!(at(100), 100 * MILLISECOND);
        assert_eq!(at(799), 799 * MILLISECOND);
        assert_eq!(at(800), SECOND);
        assert_eq!(at(999), SECOND);
        assert_eq!(at(1_500), 1_500 * MILLISECOND);
        assert_eq!(at(1_900), 2 * SECOND);
    }
}
