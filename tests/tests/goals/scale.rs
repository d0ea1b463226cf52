//! P3 and P7: what idle connections and idle egresses cost, and that a change of one egress among many touches that one.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use millrace_tests::broker::{Broker, BrokerKind};
use millrace_tests::files;
use millrace_tests::footprint::resident_kib;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::{Driver, Variant};
use millrace_tests::producer::NewRecord;
use millrace_tests::properties;
use millrace_tests::rig::{Rig, unique};
use millrace_tests::schedule::Run;
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::wait::until;
use millrace_tests::{drivers, spawn};
use serde_json::json;

/// The program of that name beside this one.
const BARE_CONSUMERS: &str = env!("CARGO_BIN_EXE_bare-consumers");
const KIB_A_CONNECTION_MAX: f64 = 16.0;
const PATIENCE: Duration = Duration::from_secs(400);
/// Of the bare ones; as many as egresses in the short form, as an allocator's slack is shared by all.
const BARE: usize = 200;
/// With one broker, and what the dispatcher keeps free.
const FILES_AN_EGRESS: u64 = 9;
/// Goal P7: what an egress may take beside its Kafka client. Seen are 12 to 25.
const KIB_AN_EGRESS_MAX: f64 = 50.0;

drivers! {
    fn goal_p3_idle_connections_are_cheap(variant: Variant) {
        let run = Run::begin("p3");
        let (idle, active) = (run.either(1_000, 10_000), run.either(100, 1_000));
        if !files::room_for(idle + active) {
            return;
        }
        let rig = Rig::own(variant, |setup| setup);
        let pid = rig.receiver.pid();
        let healthy = |connection: &mut Connection| {
            assert_eq!(connection.exchange(&Request::get("/healthz")).status, 200);
        };
        let event = |connection: &mut Connection| {
            let began = Instant::now();
            let request = Request::minimal("/ns/a", &unique()).body("x".repeat(1024));
            assert_eq!(connection.exchange(&request).status, 202);
            began.elapsed()
        };
        let p99 = |mut waits: Vec<Duration>| {
            waits.sort_unstable();
            waits[waits.len() * 99 / 100]
        };
        let mut working: Vec<_> = (0..active).map(|_| Connection::open(rig.receiver.port())).collect();
        let alone = p99((0..3).flat_map(|_| working.iter_mut().map(event).collect::<Vec<_>>()).collect());
        let before = resident_kib(pid);
        let mut resting: Vec<_> = (0..idle).map(|_| Connection::open(rig.receiver.port())).collect();
        resting.iter_mut().for_each(healthy);
        let each = resident_kib(pid).saturating_sub(before) as f64 / idle as f64;
        let beside = p99((0..3).flat_map(|_| working.iter_mut().map(event).collect::<Vec<_>>()).collect());
        println!(
            "p3 {variant:?}: {idle} idle connections take {each:.1} KiB each; p99 of {active} active ones {alone:.1?} \
            without and {beside:.1?} with them"
        );
        assert!(each <= KIB_A_CONNECTION_MAX, "{each} KiB a connection");
        let open = rig.receiver.scrape().sum("millrace_connections_open", &[]);
        assert!(open >= (idle + active) as f64, "{open} are open");
        // None was given up for want of something to do.
        resting.iter_mut().for_each(healthy);
    }
}

/// Memory of one consumer that does nothing, in KiB, in a process of such consumers.
fn bare_consumer_kib(broker: &Broker) -> f64 {
    let topic = format!("bare-{}", unique());
    broker.create_topic(&topic, 1);
    // What the dispatcher does without unless it is asked for.
    let frugal = ("enable.metrics.push".to_owned(), "false".to_owned());
    let properties = properties::consumer(&[frugal]);
    let start = |count: usize| {
        let mut command = spawn::command(BARE_CONSUMERS.as_ref());
        command.args([broker.bootstrap(), &topic, &count.to_string(), &properties]);
        let mut child = spawn::spawn({
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            command
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let kib = resident_kib(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        kib
    };
    (start(BARE + 1).saturating_sub(start(1))) as f64 / BARE as f64
}

/// Once only, as each takes some thousand threads.
#[test]
fn goal_p7_a_contract_of_many_egresses() {
    let run = Run::begin("p7");
    let variant = Variant { driver: Driver::IoUring, broker: BrokerKind::Embedded };
    let variant =
        if variant.available() { variant } else { Variant { driver: Driver::Epoll, ..variant } };
    let broker = Broker::start(BrokerKind::Embedded);
    let count = run.either(200, 5_000);
    if !files::room_for(count * FILES_AN_EGRESS) {
        return;
    }
    let count = count as usize;
    let bare = bare_consumer_kib(&broker);
    // One trigger takes about 570 bytes, so the long form is a contract of nearly 3 MB.
    let filters = json!([
        { "exact": { "attributes": { "type": format!("type.of.{}", "a".repeat(60)) } } },
        { "any": { "filters": [
            { "prefix": { "attributes": { "source": "/of/some/place" } } },
            { "suffix": { "attributes": { "subject": "a-subject" } } },
        ]}},
    ]);
    let one = Stage::prepare_on(&broker, variant, Kind::Broker).with("p7-one", |plan| plan).start();
    until("one egress to run", PATIENCE, || {
        (one.dispatcher.scrape().sum("millrace_dispatcher_partitions", &[]) >= 1.0).then_some(())
    });
    let alone = resident_kib(one.dispatcher.pid());
    drop(one);

    let stage = Stage::prepare_on(&broker, variant, Kind::Broker).with("p7", |plan| {
        (1..count).fold(plan.begin_at(None), |plan, number| {
            plan.and(&number.to_string(), |egress| egress.ordered().dialects(filters.clone()))
        })
    });
    let began = std::cell::Cell::new(Instant::now());
    let stage = stage.start_with(|setup| {
        began.set(Instant::now());
        millrace_tests::process::Dispatcher::start(setup)
    });
    let bytes = stage.contract.to_bytes().len();
    let gauge = |name: &str, labels: &[(&str, &str)]| {
        millrace_tests::metrics::Samples::try_scrape(
            stage.dispatcher.metrics_port(),
            &[
                "millrace_dispatcher_egresses",
                "millrace_dispatcher_partitions{",
                "millrace_dispatcher_rebalances",
            ],
            PATIENCE,
        )
        .unwrap()
        .sum(name, labels)
    };
    until("all egresses to be started", PATIENCE, || {
        let running = gauge("millrace_dispatcher_egresses", &[("state", "running")]);
        (running == count as f64).then_some(())
    });
    let applied = began.get().elapsed();
    until("all egresses to have their partition", PATIENCE, || {
        (gauge("millrace_dispatcher_partitions", &[]) == count as f64).then_some(())
    });
    let joined = began.get().elapsed();
    let each =
        resident_kib(stage.dispatcher.pid()).saturating_sub(alone) as f64 / (count - 1) as f64;

    // Another destination of one in the middle.
    let case = stage.case("p7");
    let changed = case.and(&(count / 2).to_string()).clone();
    let place = case.plan.egresses.iter().position(|it| it.name == changed.name).unwrap();
    let assigned = gauge("millrace_dispatcher_rebalances_total", &[]);
    let lines = |text: &str| {
        let logs = stage.dispatcher.logs();
        let fits = |line: &&serde_json::Value| {
            line["message"].as_str().is_some_and(|it| it.contains(text))
        };
        logs.iter().filter(fits).count()
    };
    let started = lines("An egress starts");
    let url = format!("{}/elsewhere", stage.subscriber.url());
    let contract = stage.contract.next().edit(case.plan.to_resource().uid(), |resource| {
        resource.put(&format!("/egresses/{place}/destination"), url.as_str());
    });
    let began = Instant::now();
    stage.dispatcher.swap_contract(contract.to_bytes());
    stage.dispatcher.wait_for_log("the change", |line| {
        line["consumerGroup"] == *changed.group
            && line.to_string().contains("An egress has changed")
    });
    let change = began.elapsed();
    let matching = NewRecord::event("1")
        .set("ce_type", format!("type.of.{}", "a".repeat(60)))
        .set("ce_source", "/of/some/place");
    case.send(&[matching]);
    let elsewhere = stage.subscriber.endpoint("elsewhere");
    until("all to deliver", PATIENCE, || {
        let others = case.plan.egresses.iter().filter(|it| it.name != changed.name);
        let all = others.fold(0, |sum, it| sum + case.subscriber_of(it).count());
        (all == count - 1 && elsewhere.count() == 1).then_some(())
    });
    assert_eq!(case.subscriber_of(&changed).count(), 0, "the old destination is used");
    assert_eq!(lines("An egress has changed"), 1);
    assert_eq!(lines("An egress starts"), started);
    assert_eq!(
        gauge("millrace_dispatcher_rebalances_total", &[]),
        assigned,
        "somebody has left a group"
    );
    println!(
        "p7: {count} egresses, a contract of {bytes} bytes; all started after {applied:.1?}, all have joined after {joined:.1?}; \
        a change of one is in force after {change:.1?}; {each:.0} KiB an egress, of which a bare consumer takes {bare:.0}"
    );
    let own = each - bare;
    assert!(own <= KIB_AN_EGRESS_MAX, "{own:.0} KiB an egress beside the Kafka client");
}

/// What there is no room for does not run and says so; what runs goes on, and a contract with less of it is followed.
#[test]
fn goal_p7_more_egresses_than_files() {
    const FILES: u32 = 600;
    const EGRESSES: usize = 80;
    let broker = Broker::start(BrokerKind::Embedded);
    let variant = Variant { driver: Driver::Epoll, broker: BrokerKind::Embedded };
    let stage = Stage::prepare_on(&broker, variant, Kind::Broker)
        .setup(|setup| setup.few_files(FILES))
        .with("p7-files", |plan| {
            (1..EGRESSES).fold(plan, |plan, number| plan.and(&number.to_string(), |egress| egress))
        })
        .start();
    let case = stage.case("p7-files");
    let gauge = |name: &str, labels: &[(&str, &str)]| stage.dispatcher.scrape().sum(name, labels);
    let in_state = |state| gauge("millrace_dispatcher_egresses", &[("state", state)]) as usize;
    let running = until("the limit to be reached", PATIENCE, || {
        let (running, refused) = (in_state("running"), in_state("refused"));
        let joined = gauge("millrace_dispatcher_partitions", &[]) as usize;
        (running + refused == EGRESSES && joined == running).then_some(running)
    });
    assert!((5..EGRESSES).contains(&running), "{running} of {EGRESSES} run");

    case.send(&[NewRecord::event("1")]);
    let (run, wait): (Vec<_>, Vec<_>) = until("those that run to deliver", PATIENCE, || {
        let (run, wait): (Vec<_>, Vec<_>) =
            case.plan.egresses.iter().partition(|egress| case.subscriber_of(egress).count() > 0);
        (run.len() >= running).then_some((run, wait))
    });
    println!("p7: of {EGRESSES} egresses {} have room in {FILES} files", run.len());
    let told = |uid: &str| {
        let logs = stage.dispatcher.logs();
        let fits = |line: &&serde_json::Value| {
            let why = line["error"].as_str().unwrap_or_default();
            line["egress.uid"] == uid && why.contains("the limit of open files (600, ulimit -n)")
        };
        logs.iter().filter(fits).count()
    };
    wait.iter().for_each(|egress| assert_eq!(told(egress.uid()), 1, "{}", egress.uid()));

    let few: Vec<_> = wait.iter().take(5).collect();
    let kept: Vec<_> = few.iter().map(|egress| egress.json.clone()).collect();
    let contract = stage.contract.next().edit(case.plan.to_resource().uid(), |resource| {
        resource.put("/egresses", kept);
    });
    stage.dispatcher.swap_contract(contract.to_bytes());
    until("those that waited to deliver", PATIENCE, || {
        few.iter().all(|egress| case.subscriber_of(egress).count() == 1).then_some(())
    });
}
