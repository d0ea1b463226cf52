//! All cases, a test each; what they show is said at each case.

macro_rules! cases {
    ($($subject:ident: $($case:ident),+ $(,)?;)+) => {$(
        mod $subject {$(
            #[test]
            fn $case() {
                millrace_interleavings::cases::$subject::$case();
            }
        )+}
    )+};
}

cases! {
    mailbox:
        no_wake_up_is_lost,
        messages_come_in_order_and_then_the_end,
        nothing_stays_behind_a_receiver_that_goes;
    balance:
        a_connection_for_a_shard_that_goes_is_closed,
        a_connection_that_is_handed_over_is_served,
        counts_of_shards_that_accept_at_once_add_up;
    link:
        a_record_that_arrives_is_looked_at,
        a_nudge_without_room_is_not_lost,
        the_last_offset_is_seen_behind_the_end,
        offsets_to_commit_only_grow,
        an_order_arrives_and_stands,
        a_paused_partition_that_waits_is_noticed;
    credits:
        nobody_sleeps_beside_a_free_credit,
        a_line_of_two_is_served,
        a_turn_that_is_declined_goes_on,
        never_as_many_as_twice_the_limit;
    share: a_lane_that_was_refused_is_nudged;
    budget:
        never_more_than_the_total,
        shards_of_a_cluster_share_its_share,
        shares_that_change_lose_no_byte;
    rate: no_token_is_given_twice_or_lost;
    topic: a_choice_is_always_a_partition, turns_are_not_given_twice;
    owner: types_are_bounded_and_given_back;
}
