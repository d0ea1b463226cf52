//! What a seeded run lives by: its seed, the choices that follow from it, and how long it is to be.
//!
//! `MILLRACE_SEED` repeats a run, `MILLRACE_LONG=1` asks for the long form of all runs.

use std::env;
use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SEED: &str = "MILLRACE_SEED";
const LONG: &str = "MILLRACE_LONG";

/// Chance as a function: the same question gets the same answer, whatever threads ask in whatever order. So a seed
/// fixes a schedule although the program under test never runs twice alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// A number for a place in the schedule, such as `&[partition, offset, attempt]`.
    pub fn draw(self, place: &[u64]) -> u64 {
        place.iter().fold(mix(self.0), |drawn, step| mix(drawn ^ mix(*step)))
    }

    /// [`Self::draw`] from 0 to `bound`, which is not among them.
    pub fn below(self, bound: u64, place: &[u64]) -> u64 {
        self.draw(place) % bound
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014), behind its increment.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One run of a goal. It tells its seed when it ends, well or badly.
pub struct Run {
    pub name: &'static str,
    pub seed: Seed,
    pub started: Instant,
}

impl Run {
    /// With the seed of the environment, or one that no run had before.
    ///
    /// # Panics
    /// When the environment's seed is no number.
    pub fn begin(name: &'static str) -> Self {
        let seed = match env::var(SEED) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text:?} is no number")),
            Err(_) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                // Short enough to be typed again.
                mix(u64::from(now.subsec_nanos()) ^ now.as_secs()) >> 40
            }
        };
        Self { name, seed: Seed(seed), started: Instant::now() }
    }

    /// What the form of this run is to have: a length, a count.
    pub fn either<T>(&self, short: T, long: T) -> T {
        if is_long() { long } else { short }
    }

    /// [`Self::either`] in seconds.
    pub fn seconds(&self, short: f64, long: f64) -> Duration {
        Duration::from_secs_f64(self.either(short, long))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let (name, seed, took) = (self.name, self.seed, self.started.elapsed());
        println!("{name}: {took:.1?}, seed {seed} ({SEED}={seed} repeats it)");
    }
}

/// Whether the long form of runs is asked for.
pub fn is_long() -> bool {
    env::var(LONG).is_ok_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_from_the_seed_and_are_spread() {
        let [one, other] = [Seed(1), Seed(2)];
        assert_eq!(one.draw(&[1, 2]), one.draw(&[1, 2]));
        assert_ne!(one.draw(&[1, 2]), one.draw(&[2, 1]));
        assert_ne!(one.draw(&[1, 2]), other.draw(&[1, 2]));
        let fifths = (0..10_000).filter(|place| one.below(5, &[*place]) == 0).count();
        assert!((1_800..2_200).contains(&fifths), "{fifths} of 10,000");
    }
}
