//! S9: secrets in client properties, in the environment, in URLs, in events, tokens and answers, well formed and broken in
//! many ways. At the most talkative level not one of them, nor a piece, is in any output, metric or answer.

use std::fs;
use std::process::Command;
use std::time::Duration;

use millrace_tests::binaries;
use millrace_tests::broker::Broker;
use millrace_tests::contract::{Contract, Resource};
use millrace_tests::drivers;
use millrace_tests::http::{Connection, Request};
use millrace_tests::matrix::Variant;
use millrace_tests::process::{Dispatcher, Receiver, Running};
use millrace_tests::producer::NewRecord;
use millrace_tests::rig::unique;
use millrace_tests::setup::{Mounts, Program, Setup, new_folder};
use millrace_tests::stage::{Kind, Stage};
use millrace_tests::subscriber::Answer;
use millrace_tests::wait::{SOON, pass, until, within};

use crate::routes::Routes;

/// Of one word again and again, so that a piece of a secret shows, too.
const SECRET: &str = "hunter2hunter2hunter2";
/// The word, and what base64 makes of two in a row, wherever it falls.
const WORDS: [&str; 4] = ["hunter2", "aHVudGVyMm", "odW50ZXIya", "h1bnRlcjJod"];
/// How long a program is looked at that may never be ready.
const LOOK: Duration = Duration::from_millis(700);

/// Values of `sasl.jaas.config`; `S` stands for the secret.
const JAAS: &[&str] = &[
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="S";"#,
    r"org.apache.kafka.common.security.scram.ScramLoginModule required username='me' password='S';",
    r#"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="S" clientSecret="S";"#,
    // No end, an open quote, no quotes, no equals sign, a line break, another module, no module, options twice.
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="S""#,
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="S;"#,
    r"org.apache.kafka.common.security.plain.PlainLoginModule required username=me password=S;",
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username "S" password "S";"#,
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required password="hun\u000aS";"#,
    r#"com.example.S required token="S";"#,
    r#"password="S""#,
    "S",
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required password="S" password="S";"#,
    r#"org.apache.kafka.common.security.plain.PlainLoginModule S username="me" password="S";"#,
    r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="\u12S";"#,
];
/// Keys of properties files whose values are secrets: right, wrong and misspelt ones.
const KEYS: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.password",
    "ssl.keystore.key",
    "ssl.truststore.password",
    "sasl.password",
    "sasl.pasword.typo.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "ssl.engine.password",
    "trustStorePassword",
    "proxyPassword",
    "keyStorePassword",
    "oauth.access.token",
];
/// URLs in which a password stands, good and bad.
const URLS: &[&str] = &[
    "http://me:S@127.0.0.1:1/path",
    "http://S@127.0.0.1:1/path",
    "http://me:S@[::1]:1/",
    "http://me:S@127.0.0.1:99999/path",
    "http://me:S@bad host/",
    "http://me:S@/",
    "http://me:S@",
    "http://me:x/S@127.0.0.1/",
    "https://me:S@127.0.0.1:1/path",
    "ftp://me:S@127.0.0.1/",
    "me:S@127.0.0.1:1",
    "//me:S@127.0.0.1:1",
    "http:me:S@127.0.0.1",
];
/// Values of `bootstrapServers` with credentials in them: Kafka takes none there.
const SERVERS: &[&str] = &[
    "me:S@127.0.0.1:9",
    "S@127.0.0.1:9",
    "SASL_PLAINTEXT://me:S@127.0.0.1:9",
    "127.0.0.1:9,me:S@127.0.0.1:9",
    "127.0.0.1:9, me:S@[::1]:9",
    "me:S@",
    "me:S@:9",
    "http://me:S@127.0.0.1:9/path",
];
/// Places in a resource that take a number, a boolean, an enum, an object or a list, and no secret.
const NO_STRING: &[&str] = &[
    "/topics",
    "/ingress",
    "/ingress/contentMode",
    "/ingress/eventPolicies",
    "/egresses",
    "/egressConfig",
    "/egressConfig/retry",
    "/egressConfig/backoffPolicy",
    "/egressConfig/backoffDelay",
    "/egressConfig/timeout",
    "/egressConfig/format",
    "/egresses/0/vReplicas",
    "/egresses/0/keyType",
    "/egresses/0/deliveryOrder",
    "/egresses/0/egressConfig/retry",
    "/egresses/0/egressConfig/format",
    "/egresses/0/featureFlags/enableRateLimiter",
    "/egresses/0/filter",
    "/egresses/0/dialectedFilter",
    "/egresses/0/reference",
    "/egresses/0/replyToOriginalTopic",
    "/featureFlags/enableEventTypeAutocreate",
    "/cloudEventOverrides/extensions",
    "/absentAuth",
    "/authSecret",
    "/multiAuthSecret/protocol",
    "/multiAuthSecret/references/0/keyFieldReferences/0/field",
];

fn planted(text: &str) -> String {
    text.replace('S', SECRET)
}

/// All levels of the log on.
fn talkative(setup: Setup) -> Setup {
    let path = new_folder().join("config.xml");
    let xml =
        "<configuration><root level=\"TRACE\"><appender-ref ref=\"async\"/></root></configuration>";
    fs::write(&path, xml).unwrap();
    setup.env("LOGGING_CONFIG_PATH", &path.display().to_string())
}

fn assert_clean(what: &str, text: &str) {
    for word in WORDS {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(word)).collect();
        assert!(lines.is_empty(), "{what}: {word:?} in {lines:#?}");
    }
}

/// What it has printed, and its metrics.
fn assert_keeps(what: &str, program: &Running) {
    assert_clean(what, &program.printed());
    let page = Connection::try_open(program.metrics_port()).ok().and_then(|mut connection| {
        connection.send(&Request::get("/metrics").to_bytes());
        connection.answer_within(SOON).ok()
    });
    let page = page.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
    assert_clean(&format!("{what}, metrics"), &page.unwrap_or_default());
}

/// Starts it, with `check` first, and looks at all that it says until it is ready, or ends, or some time has passed.
fn assert_starts_silently(what: &str, setup: Setup) {
    let setup = talkative(setup);
    let mounts = Mounts::lay_out(&setup);
    let binary = match setup.program {
        Program::Receiver => binaries::receiver(),
        Program::Dispatcher => binaries::dispatcher(),
    };
    let checked = Command::new(binary)
        .arg("check")
        .env_clear()
        .envs(&mounts.environment)
        .current_dir(mounts.folder())
        .output()
        .unwrap();
    for output in [checked.stdout, checked.stderr] {
        assert_clean(&format!("check, {what}"), &String::from_utf8_lossy(&output));
    }
    let look = |program: &Running| {
        let said = |program: &Running| program.printed().contains("The contract has changed");
        within(LOOK, || (program.try_exit().is_some() || said(program)).then_some(()));
        pass(Duration::from_millis(50));
        assert!(program.output().len() + program.errors().len() > 0, "{what}: it said nothing");
        assert_keeps(what, program);
    };
    match setup.program {
        Program::Receiver => look(&Receiver::launch(&setup)),
        Program::Dispatcher => look(&Dispatcher::launch(&setup)),
    }
}

/// Receiver and dispatcher with this changed.
fn of_both(variant: Variant, what: &str, change: impl Fn(Setup) -> Setup) {
    let broker = Broker::shared(variant.broker);
    let resource = Resource::new("Broker", "ns", "s9", "s9", broker.bootstrap());
    let contract = Contract::new(1).with(resource).to_bytes();
    for setup in [Setup::new(variant.driver), Setup::dispatcher(variant.driver)] {
        let what = format!("{:?}, {what}", setup.program);
        assert_starts_silently(&what, change(setup.contract(contract.clone())));
    }
}

fn in_all_files(setup: Setup, key: &str, value: &str) -> Setup {
    setup.producer(key, value).consumer(key, value).http_server(key, value).web_client(key, value)
}

drivers! {
    fn s9_secrets_in_events_tokens_and_answers(variant: Variant) {
        let routes = Routes::new(variant, talkative);
        let with_token = |request: Request| {
            ["Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"].into_iter().fold(request, |request, name| {
                request.header(name, format!("Bearer {SECRET}"))
            })
        };
        let event = || with_token(Request::minimal("/ok", &unique())).header("ce-token", SECRET).body(SECRET);
        let json = |text: &str| {
            let request = Request::structured("/ok", planted(text));
            with_token(request)
        };
        let requests = [
            event(),
            event().without("ce-id"),
            event().set("ce-specversion", SECRET),
            event().set("ce-time", SECRET),
            event().set("ce-source", format!("\u{1}{SECRET}")),
            event().header(format!("ce-{SECRET}-"), SECRET),
            with_token(Request::minimal(&format!("/nobody?token={SECRET}"), "1")),
            with_token(Request::minimal(&format!("/ok?token={SECRET}"), "1")),
            with_token(Request::get(&format!("/healthz?token={SECRET}"))),
            with_token(Request::new(SECRET, "/ok")),
            event().header("Content-Length", SECRET),
            event().header("Transfer-Encoding", SECRET),
            event().header("X-Long", SECRET.repeat(1_000)),
            json(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"password":"S"}}"#),
            json(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"S!"}"#),
            json(r#"{"specversion":"1.0","id":"1","source":"/s","password":"S"}"#),
            json(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","S":{"S":1}}"#),
            json(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"S"#),
            json(r#"S{"#),
        ];
        for request in requests {
            let mut connection = Connection::open(routes.port());
            connection.send(&request.to_bytes());
            if let Ok(answer) = connection.answer_within(SOON) {
                assert_clean("an answer", &format!("{:?} {}", answer, String::from_utf8_lossy(&answer.body)));
            }
        }
        for bytes in [format!("{SECRET}\r\n\r\n"), format!("POST /ok HTTP/1.1\r\nAuthorization: {SECRET}\n\r\n")] {
            Connection::open(routes.receiver.metrics_port()).send(bytes.as_bytes());
            Connection::open(routes.port()).send(bytes.as_bytes());
        }
        routes.landed();
        routes.receiver.signal("TERM");
        routes.receiver.wait_exit(SOON);
        assert_keeps("the receiver", &routes.receiver);
    }

    fn s9_secrets_in_records_and_answers_of_subscribers(variant: Variant) {
        let stage = Stage::prepare(variant, Kind::Broker)
            .setup(talkative)
            .with("s9", |plan| plan
                .egress(|egress| egress.retry(1, 10).dead_letter())
                .and("url", |egress| {
                    let url = egress.destination().replace("http://", &format!("http://me:{SECRET}@"));
                    egress.set("/destination", url).retry(1, 10).reply_to_topic().dead_letter()
                })
                .and("cesql", |egress| egress.cesql(&format!("password = '{SECRET}'"))))
            .start();
        let case = stage.case("s9");
        let failing = Answer::status(500)
            .header("Set-Cookie", SECRET)
            .header("Location", planted("http://me:S@h/"))
            .header(&format!("X-{SECRET}"), SECRET)
            .body(SECRET);
        case.subscriber().in_turn(vec![failing.clone(), Answer::raw(planted("HTTP/1.1 S\r\n\r\n"), millrace_tests::subscriber::End::Close)]);
        let replies = [
            failing,
            Answer::status(200).header("ce-specversion", "1.0").header("ce-id", SECRET).header("ce-token", SECRET).body(SECRET),
            Answer::status(200).header("content-type", "application/cloudevents+json").body(planted("{\"S\":")),
            Answer::status(400).body(SECRET),
        ];
        case.subscriber_of(case.and("url")).in_turn(replies.to_vec());
        let event = |id: &str| NewRecord::event(id).value(SECRET).set("ce_password", SECRET);
        case.send(&[
            event("1"),
            event("2").set("ce_specversion", "9.9"),
            NewRecord::plain(SECRET),
            NewRecord::structured(planted(r#"{"id":"1","password":"S","#)),
            event("3").key(SECRET),
        ]);
        case.settles(5);
        case.settles_for(case.and("url"), 0, 5);
        until("a dead letter", SOON, || (case.dead_letters().count() > 0).then_some(()));
        // The sink is given the answer as it was, but not the way to whom it came from.
        let dead = stage.subscriber.endpoint("s9-url.dls").wait(1);
        for letter in dead {
            let whence = letter.header("ce-knativeerrordest").unwrap();
            assert!(whence.starts_with("http://127.0.0.1:"), "{whence}");
        }
        assert_keeps("the dispatcher", &stage.dispatcher);
    }

    fn s9_secrets_in_client_properties(variant: Variant) {
        of_both(variant, "all keys", |setup| {
            KEYS.iter().fold(setup, |setup, key| in_all_files(setup, key, SECRET))
        });
        of_both(variant, "keys in odd case, values with odd bytes", |setup| {
            let setup = in_all_files(setup, "SASL.Password", &format!("\\u0000{SECRET}"));
            let setup = in_all_files(setup, "ssl.key.password ", &format!("  {SECRET}\\"));
            in_all_files(setup, "ssl.keystore.certificate.chain", &format!("-----BEGIN PRIVATE KEY-----\\n{SECRET}"))
        });
        of_both(variant, "key stores in PEM", |setup| {
            let pem = format!("-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY-----");
            let setup = in_all_files(setup, "ssl.keystore.type", "PEM");
            let setup = in_all_files(setup, "ssl.keystore.key", &pem);
            in_all_files(setup, "security.protocol", "SASL_SSL")
        });
        for (number, jaas) in JAAS.iter().enumerate() {
            of_both(variant, jaas, |setup| {
                let setup = in_all_files(setup, "security.protocol", "SASL_PLAINTEXT");
                let mechanism = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"][number % 3];
                let setup = in_all_files(setup, "sasl.mechanism", mechanism);
                in_all_files(setup, "sasl.jaas.config", &planted(jaas))
            });
        }
    }

    fn s9_secrets_in_the_environment_and_in_files(variant: Variant) {
        of_both(variant, "Java's options", |setup| {
            let options = planted("-Djavax.net.ssl.keyStorePassword=S -Dhttp.proxyPassword=S");
            setup.env("JAVA_TOOL_OPTIONS", &options).env("JDK_JAVA_OPTIONS", &options)
        });
        of_both(variant, "OpenTelemetry's headers", |setup| {
            let headers = planted("Authorization=Bearer S");
            setup
                .env("OTEL_EXPORTER_OTLP_HEADERS", &headers)
                .env("OTEL_EXPORTER_OTLP_TRACES_HEADERS", &headers)
                .env("AWS_SECRET_ACCESS_KEY", SECRET)
                .env("KAFKA_PASSWORD", SECRET)
        });
        for url in URLS {
            let url = planted(url);
            of_both(variant, &url, |setup| setup
                .observability("metrics-endpoint", &url)
                .observability("tracing-endpoint", &url)
                .observability("zipkin-endpoint", &url));
        }
    }

    fn s9_secrets_in_contracts(variant: Variant) {
        let broker = Broker::shared(variant.broker);
        let resource = |number: usize, url: &str| {
            let name = format!("s9-{number}");
            Resource::new("Broker", "ns", &name, "s9", broker.bootstrap()).set("/egresses", serde_json::json!([
                {
                    "uid": name, "consumerGroup": name, "destination": url, "replyUrl": url,
                    "egressConfig": { "deadLetter": url, "retry": 1 },
                    "reference": { "namespace": "ns", "name": name, "kind": "Trigger" },
                },
            ]))
        };
        let urls: Vec<String> = URLS.iter().map(|url| planted(url)).collect();
        let all = urls.iter().enumerate().fold(Contract::new(1), |contract, (number, url)| {
            contract.with(resource(number, url))
        });
        let auth = Contract::new(1).with(resource(0, "http://127.0.0.1:1").set("/authSecret", serde_json::json!({
            "namespace": "ns", "name": "the-name", "password": SECRET,
        })));
        let text = String::from_utf8(all.to_bytes()).unwrap();
        let secrets_end = text.find(SECRET).unwrap() + SECRET.len();
        let broken = [
            text[..secrets_end].to_owned(),
            text[..secrets_end - 3].to_owned(),
            text.replace("\"uid\"", &planted("\"S\":{\"S\":\"S\"},\"uid\"")),
            planted("{\"password\":S}"),
        ];
        let contracts = [all, auth].map(|it| it.to_bytes()).into_iter();
        for (number, contract) in contracts.chain(broken.map(String::into_bytes)).enumerate() {
            for setup in [Setup::new(variant.driver), Setup::dispatcher(variant.driver)] {
                let what = format!("{:?}, contract {number}", setup.program);
                assert_starts_silently(&what, setup.contract(contract.clone()));
            }
        }
    }
    fn s9_secrets_in_bootstrap_servers(variant: Variant) {
        let resource = |number: usize, servers: &str| {
            let name = format!("s9-{number}");
            Resource::new("Broker", "ns", &name, "s9", &planted(servers)).set("/egresses", serde_json::json!([{
                "uid": name, "consumerGroup": name, "destination": "http://127.0.0.1:1", "replyToOriginalTopic": {},
                "reference": { "namespace": "ns", "name": name, "kind": "Trigger" },
            }]))
        };
        let all = SERVERS.iter().enumerate();
        let contract = all.fold(Contract::new(1), |contract, (number, it)| contract.with(resource(number, it)));
        for setup in [Setup::new(variant.driver), Setup::dispatcher(variant.driver)] {
            let what = format!("{:?}, bootstrap servers", setup.program);
            assert_starts_silently(&what, setup.contract(contract.to_bytes()));
        }
    }

    fn s9_secrets_where_a_contract_wants_something_else(variant: Variant) {
        let look = |program: &Running| {
            for (number, pointer) in NO_STRING.iter().enumerate() {
                for value in [SECRET.to_owned(), SECRET.repeat(1_000)] {
                    let resource = full_resource(pointer).set(pointer, value);
                    program.swap_contract(Contract::new(number as u64 + 2).with(resource).to_bytes());
                    let place = place_of(pointer);
                    until(&format!("a line that names {place}"), SOON, || {
                        program.printed().contains(&format!("`{place}`")).then_some(())
                    });
                }
            }
            assert_keeps("a contract", program);
        };
        let first = Contract::new(1).with(full_resource("")).to_bytes();
        look(&Receiver::launch(&talkative(Setup::new(variant.driver).contract(first.clone()))));
        look(&Dispatcher::launch(&talkative(Setup::dispatcher(variant.driver).contract(first))));
    }
}

/// With something at each place of [`NO_STRING`], but for what the one of `pointer` excludes.
fn full_resource(pointer: &str) -> Resource {
    let mut resource = Resource::new("Broker", "ns", "s9", "s9", "127.0.0.1:9")
        .set("/egressConfig", serde_json::json!({ "retry": 1 }))
        .set("/cloudEventOverrides", serde_json::json!({ "extensions": {} }))
        .set("/egresses", serde_json::json!([{
            "uid": "s9", "consumerGroup": "s9", "destination": "http://127.0.0.1:1", "egressConfig": {},
            "featureFlags": {}, "reference": { "namespace": "ns", "name": "s9", "kind": "Trigger" },
        }]));
    if !matches!(pointer, "/absentAuth" | "/authSecret") {
        let secret = serde_json::json!({ "namespace": "ns", "name": "s9" });
        resource.put("/multiAuthSecret", serde_json::json!({
            "protocol": "SASL_SSL",
            "references": [{ "reference": secret, "keyFieldReferences": [{ "secretKey": "user", "field": "USER" }] }],
        }));
    }
    resource
}

/// A pointer into the first resource as the programs write it.
fn place_of(pointer: &str) -> String {
    pointer.split('/').skip(1).fold("resources[0]".to_owned(), |place, step| {
        match step.parse::<usize>() {
            Ok(index) => format!("{place}[{index}]"),
            Err(_) => format!("{place}.{step}"),
        }
    })
}
