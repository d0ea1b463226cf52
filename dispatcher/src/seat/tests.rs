//! Lanes of several shards that share a bound, against a naive model.

use std::sync::{Arc, LazyLock};

use super::*;
use crate::groups;
use crate::link::{Link, Nudges};

/// Nobody hears its nudges; that it was nudged shows all the same. All share one place for them,
/// as each would be an open file.
fn lane(partition: i32) -> Arc<Link> {
    static NUDGES: LazyLock<Arc<Nudges>> = LazyLock::new(|| Nudges::new().unwrap().0);
    Link::new(1, 1, "t".into(), partition, NUDGES.clone(), groups::words().0)
}

fn is_nudged(lane: &Link) -> bool {
    let nudged = lane.is_nudged();
    lane.lower();
    nudged
}

/// All lanes of a shard stand in line as one. The one that is served takes the shard out of the
/// line; the others stood still for ever, their records fetched and nothing in flight.
#[test]
fn lanes_beside_one_that_is_served_ask_again() {
    let credits = Credits::new(NonZeroUsize::new(4).unwrap(), 2);
    let [one, other] = [(); 2].map(|()| ShardCredits::join(&credits).unwrap());
    let [served, waits, elsewhere] = [0, 1, 2].map(lane);
    assert_eq!(one.take(&served, 4), 4);
    assert_eq!(other.take(&elsewhere, 4), 0);
    assert_eq!(one.take(&waits, 4), 0);
    one.give_back(2);
    // The other shard is first and slow to come; what is left beside it is for this one.
    assert!(is_nudged(&elsewhere) && !is_nudged(&waits));
    assert_eq!(one.take(&served, 4), 1);
    assert!(is_nudged(&waits));
    assert_eq!(one.take(&waits, 4), 0);
    one.give_back(3);
    assert!(is_nudged(&waits), "it asked again, in vain, and there is room");
}

/// A lane as the model knows it.
struct Lane {
    link: Arc<Link>,
    shard: usize,
    /// Credits of what it has in flight.
    holds: usize,
    /// It was refused, and asks no more before it is nudged.
    waits: bool,
}

struct World {
    credits: Credits,
    shards: Vec<ShardCredits>,
    lanes: Vec<Lane>,
    limit: usize,
    random: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = seed | 1;
        let limit = 1 + draw(&mut random, 8);
        let shards = 1 + draw(&mut random, 4);
        let credits = Credits::new(NonZeroUsize::new(limit).unwrap(), shards);
        let lanes = (0..1 + draw(&mut random, 12))
            .map(|_| Lane {
                link: lane(0),
                shard: draw(&mut random, shards),
                holds: 0,
                waits: false,
            })
            .collect();
        let shards = (0..shards).map(|_| ShardCredits::join(&credits).unwrap()).collect();
        World { credits, shards, lanes, limit, random }
    }

    fn draw(&mut self, bound: usize) -> usize {
        draw(&mut self.random, bound)
    }

    /// The lane asks, finds some records at most, and gives back what it did not need.
    fn ask(&mut self, at: usize, most: usize) {
        let wanted = 1 + self.draw(self.limit);
        let lane = &mut self.lanes[at];
        let shard = &self.shards[lane.shard];
        let taken = shard.take(&lane.link, wanted);
        assert!(taken <= wanted);
        lane.waits = taken == 0;
        let found = draw(&mut self.random, taken.min(most) + 1);
        lane.holds += found;
        shard.give_back(taken - found);
    }

    fn end_one(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        if lane.holds > 0 {
            lane.holds -= 1;
            self.shards[lane.shard].give_back(1);
        }
    }

    /// The partition is taken away, and another one comes. What is in flight ends first.
    fn replace(&mut self, at: usize) {
        while self.lanes[at].holds > 0 {
            self.end_one(at);
        }
        let known = &mut self.lanes[at];
        self.shards[known.shard].leave(&known.link);
        (known.link, known.waits) = (lane(0), false);
    }

    fn step(&mut self) {
        let at = self.draw(self.lanes.len());
        match self.draw(100) {
            // Whoever waits may ask before it is nudged: there may be other news.
            0..10 => self.ask(at, usize::MAX),
            10..40 if !self.lanes[at].waits => self.ask(at, usize::MAX),
            40..70 if is_nudged(&self.lanes[at].link) => self.ask(at, usize::MAX),
            70..99 => self.end_one(at),
            99 if self.draw(20) == 0 => self.replace(at),
            _ => {}
        }
        let held: usize = self.lanes.iter().map(|lane| lane.holds).sum();
        assert_eq!(held, self.credits.in_flight());
        assert!(held < 2 * self.limit, "{held} at a time, the limit is {}", self.limit);
    }

    /// Everything ends, and every nudge is followed: nobody may be left waiting.
    fn rest(&mut self) {
        loop {
            let nudged = self.lanes.iter().position(|lane| is_nudged(&lane.link));
            let busy = self.lanes.iter().position(|lane| lane.holds > 0);
            match (nudged, busy) {
                (Some(at), _) => self.ask(at, 0),
                (None, Some(at)) => self.end_one(at),
                (None, None) => break,
            }
        }
        let waiting = self.lanes.iter().filter(|lane| lane.waits).count();
        assert_eq!(waiting, 0, "of {} lanes wait for ever", self.lanes.len());
    }
}

/// xorshift.
fn draw(random: &mut u64, bound: usize) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random % bound as u64).unwrap()
}

/// `MILLRACE_SEED` repeats a run, `MILLRACE_LONG=1` takes ten million steps.
#[test]
fn lanes_that_share_a_bound_match_a_naive_model() {
    let seed = std::env::var("MILLRACE_SEED")
        .ok()
        .map_or_else(crate::shard::seed, |seed| seed.parse().unwrap());
    let long = std::env::var("MILLRACE_LONG").is_ok_and(|long| long == "1");
    println!("MILLRACE_SEED={seed}");
    let mut worlds = seed;
    for _ in 0..if long { 10_000 } else { 300 } {
        let mut world = World::new(worlds);
        worlds =
            worlds.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        for _ in 0..20 {
            for _ in 0..50 {
                world.step();
            }
            world.rest();
        }
    }
}
