//! One partition of one egress on its shard: takes records as far as order and bounds allow, lets
//! each be delivered, and settles offsets.
//!
//! A lane takes a record from the partition's queue only when it can deliver it: not taking is the
//! back pressure, and librdkafka stops fetching for this partition alone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use millrace_delivery::{Fate, OffsetTracker, Received};
use millrace_kafka::{Message, PartitionQueue};
use millrace_observe::{End, limited};
use millrace_shard::{LocalNotify, clock, sleep, spawn, yield_now};

use crate::deliver;
use crate::edition::Edition;
use crate::link::{Link, Order};
use crate::queued::Queued;
use crate::ready::Ready;
use crate::seat::{EgressSeat, ShardCredits};
use crate::shard::{LaneSeat, Shard};
use crate::steps::{Stalled, Steps};

/// Records taken without giving way to other tasks: filters that let nothing pass need no network.
const TURN_RECORDS: usize = 64;

/// See the head of this file.
pub(crate) struct Lane {
    pub(crate) link: Arc<Link>,
    pub(crate) seat: Arc<EgressSeat>,
    pub(crate) shard: Rc<Shard>,
    /// How records are delivered; swapped when the contract changes.
    edition: RefCell<Rc<Edition>>,
    tracker: RefCell<OffsetTracker>,
    /// How often the partition has begun to count its offsets anew.
    counts: Cell<u64>,
    in_flight: Cell<usize>,
    /// What those in flight wait for.
    pub(crate) steps: Steps,
    /// Whether the lane itself waits for somebody else: for records, for room, for the rate limiter.
    waits: Cell<bool>,
    /// When the lane last did something, by the coarse clock.
    moved_ms: Cell<u64>,
    /// Where order does not matter: this shard's place in the bound of the egress.
    credits: Option<Rc<ShardCredits>>,
    /// Records taken and not begun.
    queued: Queued,
    /// The request of the record in flight is on its way: there is time for the next.
    under_way: Cell<bool>,
    /// Something has changed that the lane's task should look at.
    news: LocalNotify,
    /// What is in flight is somebody else's now.
    pub(crate) abandoned: LocalNotify,
}

impl Lane {
    pub(crate) fn open(seat: LaneSeat, edition: Rc<Edition>, shard: &Rc<Shard>) -> Rc<Lane> {
        let unordered = !edition.plan.ordered;
        let credits = unordered.then(|| shard.credits(&seat.egress)).flatten();
        let lane = Rc::new(Lane {
            queued: Queued::new(&edition, &seat.link),
            link: seat.link,
            seat: seat.egress,
            shard: shard.clone(),
            edition: RefCell::new(edition),
            tracker: RefCell::new(OffsetTracker::new()),
            counts: Cell::new(0),
            in_flight: Cell::new(0),
            steps: Steps::default(),
            waits: Cell::new(false),
            moved_ms: Cell::new(clock::coarse_ms()),
            credits,
            under_way: Cell::new(false),
            news: LocalNotify::new(),
            abandoned: LocalNotify::new(),
        });
        spawn(lane.clone().work(seat.queue));
        lane
    }

    /// Records taken from now on are delivered by this edition.
    pub(crate) fn update(&self, edition: Rc<Edition>) {
        self.edition.replace(edition);
        self.news.notify_one();
    }

    /// There may be records, room, or an order.
    pub(crate) fn look(&self) {
        if self.link.order() == Order::Abandon {
            self.abandoned.notify_all();
        }
        self.news.notify_one();
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.link.order() == Order::Abandon
    }

    /// What does not move here though nobody else is waited for.
    pub(crate) fn stalled(&self, now_ms: u64, after_ms: u64) -> Option<Stalled> {
        if let Some(stalled) = self.steps.overdue(now_ms, after_ms) {
            return Some(stalled);
        }
        let since_ms = self.moved_ms.get();
        let stands = self.link.order() == Order::Run
            && self.steps.is_empty()
            && !self.waits.get()
            && since_ms.saturating_add(after_ms) <= now_ms;
        stands.then(|| Stalled { offset: self.link.front(), since_ms })
    }

    /// The lane goes on, or waits for somebody else to let it.
    fn moved(&self, waits: bool) {
        self.waits.set(waits);
        self.moved_ms.set(clock::coarse_ms());
    }

    async fn work(self: Rc<Self>, mut queue: PartitionQueue) {
        if self.edition.borrow().plan.ordered {
            self.take_one_by_one(&mut queue).await;
        } else {
            self.take_many(&mut queue).await;
        }
        // Before the partition is given up, so that no record is taken after it.
        drop(queue);
        while self.in_flight.get() > 0 && self.link.order() != Order::Abandon {
            self.news.notified().await;
        }
        self.shard.close_lane(&self.link);
        self.link.finish();
    }

    /// One record in flight, the next after its fate is settled (dispatcher.md 8.2). Its request is
    /// written meanwhile, so that it can go out at once.
    async fn take_one_by_one(self: &Rc<Self>, queue: &mut PartitionQueue) {
        let (mut taken, mut next) = (VecDeque::new(), None);
        let mut turn = 0_usize;
        while self.link.order() == Order::Run {
            self.moved(false);
            #[cfg(feature = "testing")]
            crate::hang::lane(&self.link).await;
            if self.in_flight.get() > 0 {
                if next.is_none() && self.under_way.get() {
                    next = taken.pop_front().map(|message| self.look_at(message));
                }
                self.news.notified().await;
                continue;
            }
            let ready = next.take().or_else(|| Some(self.look_at(taken.pop_front()?)));
            let Some(ready) = ready else {
                match self.seat.permits(self.seat.batch) {
                    Ok(room) => {
                        let found = self.poll(queue, room, &mut taken);
                        self.seat.give_permits_back(room.saturating_sub(found));
                        self.queued.taken(found);
                        if found == 0 {
                            self.moved(true);
                            self.news.notified().await;
                        }
                    }
                    Err(wait_ms) => {
                        self.moved(true);
                        sleep(Duration::from_millis(wait_ms)).await;
                    }
                }
                continue;
            };
            self.queued.begun();
            self.begin(ready.by(self, &self.edition.borrow()));
            give_way(&mut turn).await;
        }
    }

    /// As many as the egress may have in flight, in the order in which they stand (8.1).
    async fn take_many(self: &Rc<Self>, queue: &mut PartitionQueue) {
        let mut taken = VecDeque::new();
        let mut turn = 0_usize;
        let Some(credits) = &self.credits else { return };
        while self.link.order() == Order::Run {
            self.moved(false);
            #[cfg(feature = "testing")]
            crate::hang::lane(&self.link).await;
            let room = credits.take(&self.link, self.seat.batch);
            if room == 0 {
                self.moved(true);
                self.news.notified().await;
                continue;
            }
            let found = self.poll(queue, room, &mut taken);
            credits.give_back(room.saturating_sub(found));
            if found == 0 {
                self.moved(true);
                self.news.notified().await;
                continue;
            }
            let mut unused = 0_usize;
            for message in taken.drain(..) {
                let begun = self.begin(self.look_at(message));
                unused = unused.saturating_add(usize::from(!begun));
                give_way(&mut turn).await;
            }
            credits.give_back(unused);
        }
        credits.leave(&self.link);
    }

    /// Takes up to `room` records that are there, and gives how many.
    fn poll(&self, queue: &mut PartitionQueue, room: usize, into: &mut VecDeque<Message>) -> usize {
        let before = into.len();
        let all = queue.poll(room, |taken| match taken {
            Ok(message) => into.push_back(message),
            Err(trouble) => limited!(warn, topic = %self.link.topic,
                partition = self.link.partition, error = %trouble, "A partition has trouble."),
        });
        if let Some(next) = all.read_to {
            self.skip_to(next);
        }
        let found = into.len().saturating_sub(before);
        self.link.polled(found);
        found
    }

    fn look_at(&self, message: Message) -> Ready {
        Ready::new(self, self.edition.borrow().clone(), message)
    }

    /// Starts the delivery of a record; false when there is none: it came before, or need not be sent.
    fn begin(self: &Rc<Self>, ready: Ready) -> bool {
        let offset = ready.message.offset();
        let received = self.tracker.borrow_mut().received(offset);
        let skipped = match received {
            Received::New { skipped } => skipped,
            Received::Again { open: true } => return false,
            Received::Again { open: false } => {
                self.start_over(offset);
                0
            }
        };
        let edition = ready.edition.clone();
        if skipped > 0 {
            edition.meters.skipped(skipped);
        }
        edition.meters.begun();
        let due = match deliver::due(self, ready) {
            Ok(due) => due,
            Err(fate) => {
                edition.meters.ended(end_of(fate));
                self.queued.done();
                if !self.is_abandoned() {
                    self.tracker.borrow_mut().settle(offset);
                    self.publish();
                }
                return false;
            }
        };
        self.in_flight.set(self.in_flight.get().saturating_add(1));
        self.under_way.set(false);
        let step = self.steps.begin(offset, clock::coarse_ms());
        self.publish();
        let (lane, count) = (self.clone(), self.counts.get());
        spawn(async move {
            #[cfg(feature = "testing")]
            crate::hang::record(&lane.link).await;
            let delivery = pin!(deliver::deliver(&lane, due, step));
            let fate = lane.tell_under_way(delivery).await;
            lane.steps.end(step);
            edition.meters.ended(end_of(fate));
            lane.end(offset, count, fate);
        });
        true
    }

    /// Tells an ordered lane once the delivery waits for somebody else.
    async fn tell_under_way(&self, mut delivery: Pin<&mut impl Future<Output = Fate>>) -> Fate {
        let first = poll_fn(|cx| Poll::Ready(delivery.as_mut().poll(cx))).await;
        if let Poll::Ready(fate) = first {
            return fate;
        }
        if self.credits.is_none() {
            self.under_way.set(true);
            self.news.notify_one();
        }
        delivery.await
    }

    /// Offsets go back: the topic was made anew, or its log was cut (`auto.offset.reset`). These are
    /// other records; what is still in flight belongs to those before and settles nothing here.
    fn start_over(&self, offset: i64) {
        let mut tracker = OffsetTracker::new();
        let _ = tracker.received(offset);
        self.tracker.replace(tracker);
        self.counts.set(self.counts.get().wrapping_add(1));
        limited!(warn, topic = %self.link.topic, partition = self.link.partition, offset,
            "The offsets of a partition go back; its records are delivered from there.");
    }

    /// All before this has been taken. Markers of transactions behind the last record would else
    /// show as a lag for ever.
    fn skip_to(&self, next: i64) {
        // librdkafka's word never goes back.
        if self.counts.get() > 0 {
            return;
        }
        let skipped = self.tracker.borrow_mut().skipped_to(next);
        if skipped > 0 {
            self.edition.borrow().meters.skipped(skipped);
            self.publish();
        }
    }

    fn end(&self, offset: i64, count: u64, fate: Fate) {
        self.queued.done();
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        if fate.is_settled() && !self.is_abandoned() && count == self.counts.get() {
            self.tracker.borrow_mut().settle(offset);
            self.publish();
        }
        if let Some(credits) = &self.credits {
            credits.give_back(1);
        }
        self.news.notify_one();
    }

    fn publish(&self) {
        let tracker = self.tracker.borrow();
        self.link.progress(
            tracker.committable(),
            tracker.open(),
            tracker.oldest_open(),
            clock::coarse_ms(),
        );
    }

    /// Waits; false when the record was abandoned meanwhile.
    pub(crate) async fn pause(&self, wait: Duration) -> bool {
        if self.is_abandoned() {
            return false;
        }
        if !wait.is_zero() {
            // Boxed, as a delivery's task would else be half of it, and few wait.
            Box::pin(either(sleep(wait), self.abandoned.notified())).await;
        }
        !self.is_abandoned()
    }
}

fn end_of(fate: Fate) -> End {
    match fate {
        Fate::Delivered => End::Delivered,
        Fate::Filtered => End::Filtered,
        Fate::Discarded => End::Discarded,
        Fate::DeadLettered { .. } => End::DeadLettered,
        Fate::Lost(_) => End::Lost,
        Fate::Cancelled => End::Abandoned,
    }
}

async fn give_way(turn: &mut usize) {
    *turn = turn.wrapping_add(1);
    if turn.is_multiple_of(TURN_RECORDS) {
        yield_now().await;
    }
}

/// Ends with the first of two waits. Both may be dropped at any time.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let mut one = pin!(one);
    let mut other = pin!(other);
    poll_fn(|cx| {
        if one.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        other.as_mut().poll(cx)
    })
    .await;
}
