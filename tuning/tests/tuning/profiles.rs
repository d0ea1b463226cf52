//! The profiles as a user mounts them: the programs find nothing odd, and each change has its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use millrace_bench::shipped;
use millrace_tests::binaries;
use serde_json::Value;

use super::{text, tuning};

const FILES: [(&str, &str, &str); 4] = [
    ("producer", "PRODUCER_CONFIG_FILE_PATH", shipped::PRODUCER_PROPERTIES),
    ("consumer", "CONSUMER_CONFIG_FILE_PATH", shipped::CONSUMER_PROPERTIES),
    ("webclient", "WEBCLIENT_CONFIG_FILE_PATH", shipped::WEB_CLIENT_PROPERTIES),
    ("httpserver", "HTTPSERVER_CONFIG_FILE_PATH", shipped::HTTP_SERVER_PROPERTIES),
];

fn profiles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert_eq!(found.len(), 3, "latency, small and throughput: {found:?}");
    found
}

/// The environment of a pod that mounts the profile, with the shipped files where it has none.
fn environment(profile: &Path, program: &str, mounts: &Path) -> BTreeMap<String, String> {
    let write = |name: &str, content: &str| {
        let path = mounts.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let observability = mounts.join("observability");
    fs::create_dir_all(&observability).unwrap();
    let mut variables: BTreeMap<String, String> = [
        ("INGRESS_PORT", "8080"),
        ("INGRESS_TLS_PORT", "8443"),
        ("LIVENESS_PROBE_PATH", "/healthz"),
        ("READINESS_PROBE_PATH", "/readyz"),
        ("WAIT_STARTUP_SECONDS", "8"),
        ("EGRESSES_INITIAL_CAPACITY", "20"),
        ("SERVICE_NAMESPACE", "knative-eventing"),
        ("CONFIG_OBSERVABILITY_PATH", observability.to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let contract = write("contract", r#"{"generation":"1","resources":[]}"#);
    variables.insert("DATA_PLANE_CONFIG_FILE_PATH".to_owned(), contract);
    for (name, variable, shipped) in FILES {
        let file = format!("{name}.properties");
        let ours = fs::read_to_string(profile.join(&file));
        let path = write(&file, ours.as_deref().unwrap_or(shipped));
        variables.insert(variable.to_owned(), path);
    }
    let lines = fs::read_to_string(profile.join(format!("{program}.env"))).unwrap_or_default();
    let lines = lines.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    variables.extend(lines.map(|line| {
        let (name, value) = line.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    }));
    variables
}

#[test]
fn both_programs_find_nothing_odd_in_any_profile() {
    for profile in profiles() {
        for (program, binary) in
            [("receiver", binaries::receiver()), ("dispatcher", binaries::dispatcher())]
        {
            let mounts = tempfile::tempdir().unwrap();
            let variables = environment(&profile, program, mounts.path());
            let mut command = Command::new(&binary);
            command.args(["check", "--json", "--deny-warnings"]).env_clear().envs(&variables);
            let output = command.stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{program} {profile:?}: {}", text(&output));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            for name in variables.keys().filter(|name| name.chars().any(char::is_uppercase)) {
                let other = if program == "receiver" { "dispatcher" } else { "receiver" };
                let known = !told["environment"][name.as_str()].is_null();
                let written = fs::read_to_string(profile.join(format!("{program}.env")));
                let asked = written.unwrap_or_default().contains(name.as_str());
                assert!(known || !asked, "{name} is for the {other}");
            }
        }
    }
}

#[test]
fn each_changed_line_has_its_measurement_above_it() {
    let mut changes = 0;
    for profile in profiles() {
        for entry in fs::read_dir(&profile).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            let stem = name.split('.').next().unwrap();
            let shipped = FILES.iter().find(|(known, ..)| *known == stem).map_or("", |file| file.2);
            let content = fs::read_to_string(entry.path()).unwrap();
            let lines: Vec<&str> = content.lines().collect();
            let ours = lines.iter().enumerate().filter(|(_, line)| {
                let is_setting = !line.starts_with('#') && !line.is_empty();
                is_setting && !shipped.lines().any(|known| known == **line)
            });
            for (at, line) in ours {
                changes += 1;
                let reason = lines[..at].iter().rev().take_while(|line| line.starts_with('#'));
                let reason: String = reason.copied().collect();
                assert!(reason.contains('%'), "{name}: {line} has no figure above it");
            }
        }
    }
    assert!(changes >= 3, "no profile without a change");
}

#[test]
fn check_has_nothing_to_say_about_the_settings_of_a_profile() {
    // Not about this machine: only what follows from the settings alone.
    let of_settings =
        ["linger-small-batches", "budget-below-record", "pool-below-window", "fetch-over-queue"];
    for profile in profiles() {
        let mut command = Command::new(tuning());
        command.args(["check", "--json", "--config"]).arg(&profile).stdin(Stdio::null());
        let output = command.output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        for finding in told["findings"].as_array().unwrap() {
            let id = finding["id"].as_str().unwrap();
            assert!(!of_settings.contains(&id), "{profile:?}: {finding}");
        }
    }
}
