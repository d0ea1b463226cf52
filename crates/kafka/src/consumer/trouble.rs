//! What goes wrong in a group, with what helps.

use std::fmt;

use super::TopicPartition;
use crate::ffi::code;

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TroubleKind {
    /// No member of the group can share our way of assigning: it still has members of another
    /// implementation (platform.md 4.7). Joining is tried again all the time.
    InconsistentGroupProtocol,
    /// A subscribed topic does not exist. It is looked for again all the time.
    UnknownTopic,
    /// The broker refuses our credentials, or they may not read the topic or use the group.
    Auth,
    /// The partition has no committed offset that exists, and `auto.offset.reset` is `none`. It is
    /// not read until it is assigned again; the others go on.
    NoOffset,
    /// The commit came from a member that the group does not count any more, or during a
    /// rebalance. The records are delivered again by whoever has the partition now.
    NotMember,
    /// Nobody polled for `max.poll.interval.ms`; the group is left and joined again.
    PollTooLate,
    /// No broker can be reached. The client tries again all the time.
    Unreachable,
    /// The broker does not answer in time.
    Timeout,
    /// The client is broken for good and must be made anew.
    Fatal,
    /// Any other code of Kafka or librdkafka.
    Other,
}

/// One error of a consumer. Unless [`GroupTrouble::fatal`], the client goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTrouble {
    /// What it is.
    pub kind: TroubleKind,
    /// Kafka's code when positive, librdkafka's when negative.
    pub code: i32,
    /// librdkafka's sentence.
    pub text: String,
    /// The partition that it is about, if it is about one.
    pub place: Option<TopicPartition>,
    /// The offset that it is about, if any.
    pub offset: Option<i64>,
    /// The client is of no more use.
    pub fatal: bool,
}

impl GroupTrouble {
    pub(crate) fn new(code: i32, text: String, fatal: bool) -> Self {
        let kind = if fatal { TroubleKind::Fatal } else { kind_of(code) };
        Self { kind, code, text, place: None, offset: None, fatal }
    }

    /// A mistake of the caller.
    pub(crate) fn ours(text: String) -> Self {
        Self::new(code::LOCAL_INVALID_ARG, text, false)
    }

    pub(crate) fn at(mut self, place: TopicPartition, offset: i64) -> Self {
        // Topics as a whole come as partition -1, logical offsets as negative numbers.
        self.place = Some(place);
        self.offset = (offset >= 0).then_some(offset);
        self
    }
}

fn kind_of(code: i32) -> TroubleKind {
    match code {
        code::INCONSISTENT_GROUP_PROTOCOL => TroubleKind::InconsistentGroupProtocol,
        code::LOCAL_UNKNOWN_TOPIC
        | code::LOCAL_UNKNOWN_PARTITION
        | code::UNKNOWN_TOPIC_OR_PART
        | code::TOPIC_EXCEPTION => TroubleKind::UnknownTopic,
        code::TOPIC_AUTHORIZATION_FAILED
        | code::GROUP_AUTHORIZATION_FAILED
        | code::CLUSTER_AUTHORIZATION_FAILED
        | code::LOCAL_AUTHENTICATION
        | code::SASL_AUTHENTICATION_FAILED => TroubleKind::Auth,
        code::LOCAL_AUTO_OFFSET_RESET => TroubleKind::NoOffset,
        code::ILLEGAL_GENERATION
        | code::UNKNOWN_MEMBER_ID
        | code::REBALANCE_IN_PROGRESS
        | code::STALE_MEMBER_EPOCH
        | code::FENCED_MEMBER_EPOCH
        | code::LOCAL_DESTROY => TroubleKind::NotMember,
        code::LOCAL_MAX_POLL_EXCEEDED => TroubleKind::PollTooLate,
        code::LOCAL_TRANSPORT | code::LOCAL_RESOLVE | code::LOCAL_ALL_BROKERS_DOWN => {
            TroubleKind::Unreachable
        }
        code::LOCAL_MSG_TIMED_OUT | code::LOCAL_TIMED_OUT | code::REQUEST_TIMED_OUT => {
            TroubleKind::Timeout
        }
        code::LOCAL_FATAL | code::LOCAL_FENCED | code::FENCED_INSTANCE_ID => TroubleKind::Fatal,
        _ => TroubleKind::Other,
    }
}

impl fmt::Display for GroupTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = match self.kind {
            TroubleKind::InconsistentGroupProtocol => {
                "; end the group's other members, or give all of them a common \
                 partition.assignment.strategy first"
            }
            TroubleKind::UnknownTopic => "; create the topic",
            TroubleKind::Auth => "; check the credentials and the ACLs of topic and group",
            TroubleKind::NoOffset => "; set the group's offset, or auto.offset.reset",
            TroubleKind::PollTooLate => "; see max.poll.interval.ms",
            TroubleKind::Unreachable | TroubleKind::Timeout => "; see the brokers and the network",
            TroubleKind::NotMember | TroubleKind::Fatal | TroubleKind::Other => "",
        };
        write!(f, "Kafka: ")?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(offset) = self.offset {
            write!(f, "offset {offset}: ")?;
        }
        write!(f, "{} ({}){help}", self.text, crate::ffi::error_name(self.code))
    }
}

impl std::error::Error for GroupTrouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for (code, kind) in [
            (23, TroubleKind::InconsistentGroupProtocol),
            (3, TroubleKind::UnknownTopic),
            (-188, TroubleKind::UnknownTopic),
            (30, TroubleKind::Auth),
            (-140, TroubleKind::NoOffset),
            (22, TroubleKind::NotMember),
            (27, TroubleKind::NotMember),
            (-147, TroubleKind::PollTooLate),
            (-187, TroubleKind::Unreachable),
            (-185, TroubleKind::Timeout),
            (82, TroubleKind::Fatal),
            (9_999, TroubleKind::Other),
        ] {
            let trouble = GroupTrouble::new(code, String::new(), false);
            assert_eq!(trouble.kind, kind, "{code}: {trouble}");
        }
    }

    #[test]
    fn words_name_the_partition_and_what_helps() {
        let place = TopicPartition { topic: "t".into(), partition: 3 };
        let trouble = GroupTrouble::new(-140, "no offset".to_owned(), false).at(place, -1001);
        assert_eq!(
            trouble.to_string(),
            "Kafka: t/3: no offset (_AUTO_OFFSET_RESET); set the group's offset, or auto.offset.reset"
        );
    }
}
