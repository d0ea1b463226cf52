//! R3: a partition that hangs is counted and named within a bounded time, and again when it moves; one that waits for
//! somebody else never is. Needs a dispatcher that can be made to hang, which no shipped one can.

use std::fs;
use std::time::Duration;

use millrace_tests::binaries;
use millrace_tests::drivers;
use millrace_tests::matrix::Variant;
use millrace_tests::metrics::Samples;
use millrace_tests::plan::Egress;
use millrace_tests::producer::NewRecord;
use millrace_tests::setup::new_folder;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, until};

const STALLED: &str = "millrace_dispatcher_partitions_stalled";
const HANG: &str = "MILLRACE_TEST_HANG";
const PARTITIONS: i32 = 4;
/// The one that hangs.
const HANGS: i32 = 1;
const STALL_AFTER: &str = "2";
/// How long the patient egresses wait: longer than it takes to count as stalled.
const PATIENT_MS: u64 = 6_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// One record's delivery does not begin.
    Record,
    /// A partition's task takes no records.
    Lane,
    /// A shard with all that is on it.
    Shard,
}

fn hangs(variant: Variant, what: What) {
    let name = format!("r3-{}", format!("{what:?}").to_lowercase());
    let file = new_folder().join("hang");
    fs::write(&file, "").unwrap();
    let mut topic = String::new();
    let stage = Stage::prepare(variant, Kind::Broker).with(&name, |plan| {
        topic.clone_from(&plan.topic);
        plan.partitions(PARTITIONS)
            .egress(|egress| if what == What::Lane { egress } else { egress.ordered() })
    });
    // Two that wait for somebody else, on a topic of their own.
    let patient = |egress: Egress| egress.ordered().retry(1, PATIENT_MS);
    let stage =
        stage.with(&format!("{name}-slow"), |plan| plan.egress(patient).and("retries", patient));
    let hang = format!("{}:{topic}:{HANGS}:{}", format!("{what:?}").to_lowercase(), file.display());
    let stage = stage
        .setup(|setup| {
            setup
                .testing()
                .env("STALL_AFTER_SECONDS", STALL_AFTER)
                .env("SHARDS", "2")
                .env(HANG, &hang)
        })
        .start();
    let case = stage.case(&name);
    let slow = stage.case(&format!("{name}-slow"));
    slow.subscriber().answers(|_, _| Answer::status(200).after(Duration::from_millis(PATIENT_MS)));
    slow.subscriber_of(slow.and("retries"))
        .answers(|_, turn| Answer::status(if turn == 0 { 500 } else { 200 }));
    let of = |samples: &Samples, egress: &Egress| {
        samples.sum(STALLED, &[("consumer_group", &egress.group)])
    };
    let stalled = || of(&stage.dispatcher.scrape(), case.egress());
    let patient = || {
        let samples = stage.dispatcher.scrape();
        of(&samples, slow.egress()) + of(&samples, slow.and("retries"))
    };

    // A shard hangs with the first record of its partition, and whoever waits with it cannot go on.
    if what != What::Shard {
        slow.send(&[NewRecord::event("patience")]);
    }
    for partition in 0..PARTITIONS {
        case.send_to(partition, &[NewRecord::event(&format!("p{partition}"))]);
    }
    until("the partition to count as stalled", SOON, || (stalled() >= 1.0).then_some(()));
    if what != What::Shard {
        assert_eq!(patient(), 0.0, "an egress that waits for its subscriber counts as stalled");
    }
    let named = stage.dispatcher.wait_for_log("the partition by its name", |line| {
        line["level"] == "ERROR"
            && line["topic"] == topic.as_str()
            && line["partition"] == HANGS
            && line["message"].as_str().is_some_and(|text| text.contains("stalled"))
    });
    println!("{what:?}: {named}");
    assert_eq!(named["offset"], 0, "{named}");
    assert!(named["seconds"].as_u64().is_some_and(|seconds| seconds >= 2), "{named}");
    assert!(named["consumerGroup"].is_string() && named["trigger"].is_string(), "{named}");

    // The others go on: all of them, or those on the other shard.
    let others = if what == What::Shard { 1 } else { PARTITIONS - 1 };
    let delivered = case.subscriber().wait(usize::try_from(others).unwrap());
    assert!(delivered.iter().all(|request| request.partition() != HANGS), "{delivered:?}");
    if what != What::Shard {
        assert_eq!(stalled(), 1.0, "only one hangs");
        slow.settles(1);
        slow.settles_for(slow.and("retries"), 0, 1);
        assert_eq!(patient(), 0.0);
    }

    fs::remove_file(&file).unwrap();
    until("no partition to count as stalled", SOON, || (stalled() == 0.0).then_some(()));
    stage.dispatcher.wait_for_log("that it moves again", |line| {
        line["topic"] == topic.as_str()
            && line["partition"] == HANGS
            && line["message"].as_str().is_some_and(|text| text.contains("moves again"))
    });
    for partition in 0..PARTITIONS {
        case.settles_for(case.egress(), partition, 1);
    }
    let logs = stage.dispatcher.logs();
    let of_this = |line: &&serde_json::Value| {
        line["partition"] == HANGS
            && line["topic"] == topic.as_str()
            && line["message"].as_str().is_some_and(|text| text.contains("stalled"))
    };
    // One line when it begins, one when it ends, however long it lasts.
    assert_eq!(logs.iter().filter(of_this).count(), 2, "{}", stage.dispatcher.printed());
    assert_eq!(patient(), 0.0);
}

drivers! {
    fn r3_a_record_that_hangs_is_named(variant: Variant) {
        hangs(variant, What::Record);
    }

    fn r3_a_lane_that_hangs_is_named(variant: Variant) {
        hangs(variant, What::Lane);
    }

    fn r3_a_shard_that_hangs_is_named(variant: Variant) {
        hangs(variant, What::Shard);
    }
}

/// What makes partitions hang is in no dispatcher but the one for this test.
#[test]
fn r3_the_real_dispatcher_cannot_be_made_to_hang() {
    let holds = |binary: &std::path::Path| {
        let bytes = fs::read(binary).unwrap();
        bytes.windows(HANG.len()).any(|window| window == HANG.as_bytes())
    };
    assert!(holds(&binaries::dispatcher_testing()), "the test would prove nothing");
    assert!(!holds(&binaries::dispatcher()));
}
