//! What the shipped files expect beside them: the waking of a shard, and names.

pub(crate) mod wake;

pub(crate) mod groups {
    /// As the dispatcher's, as far as a partition speaks it.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) enum Word {
        Finished { member: u64 },
        Hungry { member: u64 },
    }
}

pub(crate) mod properties {
    /// As the Kafka front's.
    pub(crate) enum Partitioner {
        Default,
        RoundRobin,
        Random,
    }
}

pub(crate) mod spawn {
    /// As the runtime's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ShardId(pub usize);
}

pub(crate) mod steps {
    /// As the dispatcher's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Stalled {
        pub(crate) offset: i64,
        pub(crate) since_ms: u64,
    }
}
