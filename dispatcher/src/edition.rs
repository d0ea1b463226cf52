//! One way to deliver an egress' records on one shard: its plan, its connections, its numbers.
//!
//! When the contract changes filter, destination or delivery, lanes get the next edition. Records
//! under way end with the one that they began with.

use std::rc::Rc;
use std::sync::Arc;

use millrace_client::Pool;

use crate::meters::EgressMeters;
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
}

impl Edition {
    pub(crate) fn new(plan: Arc<Plan>, seat: Arc<EgressSeat>, shard: &Rc<Shard>) -> Edition {
        let pool = |endpoints: &Endpoints| shard.clients.pool(endpoints.target.clone());
        let common = &shard.common;
        Edition {
            subscriber: pool(&plan.subscriber),
            dead_letter: plan.dead_letter.as_ref().map(pool),
            reply: match &plan.reply {
                ReplyPlan::Url(url) => Some(pool(url)),
                ReplyPlan::Topic(_) | ReplyPlan::Discard => None,
            },
            meters: EgressMeters::new(&common.registry, &seat.owner, &plan.reference, common.meters),
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
