//! One way to deliver an egress' records on one shard: its plan, its connections, its numbers.
//!
//! When the contract changes filter, destination or delivery, lanes get the next edition. Records
//! under way end with the one that they began with.

use std::rc::Rc;
use std::sync::Arc;

use millrace_client::Pool;
use millrace_delivery::{Hold, Plan as CoursePlan};
use millrace_observe::EgressMeters;

use crate::plan::{Endpoints, Plan, ReplyPlan};
use crate::seat::EgressSeat;
use crate::shard::Shard;

/// See the head of this file.
pub(crate) struct Edition {
    pub(crate) plan: Arc<Plan>,
    pub(crate) seat: Arc<EgressSeat>,
    pub(crate) subscriber: Pool,
    pub(crate) dead_letter: Option<Pool>,
    pub(crate) reply: Option<Pool>,
    pub(crate) meters: EgressMeters,
    /// What each event's course depends on.
    pub(crate) course: CoursePlan,
    /// So much of a successful answer is wanted.
    pub(crate) reply_bytes: usize,
}

/// How long an event is held before its dead letter sink is asked again.
const HOLD: Hold = Hold { first_ms: 1_000, cap_ms: 60_000 };

impl Edition {
    pub(crate) fn new(plan: Arc<Plan>, seat: Arc<EgressSeat>, shard: &Rc<Shard>) -> Edition {
        let pool = |endpoints: &Endpoints| {
            shard.client.pool(&endpoints.target, endpoints.headers.as_bytes())
        };
        let common = &shard.common;
        Edition {
            subscriber: pool(&plan.subscriber),
            dead_letter: plan.dead_letter.as_ref().map(pool),
            reply: match &plan.reply {
                ReplyPlan::Url(url) => Some(pool(url)),
                ReplyPlan::Topic(_) | ReplyPlan::Discard => None,
            },
            meters: EgressMeters::new(&common.registry, &seat.owner, &plan.label, common.meters),
            course: CoursePlan {
                retry: plan.policy,
                dead_letter: plan.dead_letter.is_some(),
                hold: plan.hold.then_some(HOLD),
            },
            reply_bytes: match &plan.reply {
                ReplyPlan::Discard => 0,
                ReplyPlan::Topic(_) | ReplyPlan::Url(_) => common.reply_bytes_max,
            },
            plan,
            seat,
        }
    }

    /// Ends all attempts that run and refuses new ones.
    pub(crate) fn close(&self) {
        self.subscriber.close();
        if let Some(pool) = &self.dead_letter {
            pool.close();
        }
        if let Some(pool) = &self.reply {
            pool.close();
        }
    }
}
