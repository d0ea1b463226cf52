//! The watch on a real directory: every way in which a file can be replaced. Polling is switched
//! off where a test is about events, so that it cannot pass by polling.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests too.

mod mount;

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use millrace_contract::watch::{
    FileState, FileWatch, Update, WatchError, WatchHandle, WatchOptions, Watcher,
};
use mount::{Mount, replace_file};

/// Far beyond what anything here takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(15);

const NEVER: Duration = Duration::from_secs(3600);

fn polling(poll: Duration) -> WatchOptions {
    WatchOptions { poll, ..Default::default() }
}

fn events_only() -> WatchOptions {
    polling(NEVER)
}

fn watch(path: &Path, options: WatchOptions) -> (Receiver<Update>, WatchHandle) {
    let (sender, receiver) = channel();
    let handle = Watcher::start(path, options, move |update| {
        // The test may be over.
        let _ = sender.send(update);
    });
    (receiver, handle.unwrap())
}

fn next(updates: &Receiver<Update>) -> Update {
    updates.recv_timeout(DEADLINE).expect("an update before the deadline")
}

fn generation(update: Update) -> u64 {
    match update {
        Update::Contract { contract, .. } => contract.generation,
        other => panic!("expected a contract, got {other:?}"),
    }
}

fn contract(generation: u64) -> String {
    format!(r#"{{"generation":"{generation}"}}"#)
}

#[test]
fn c001_c002_missing_then_empty_then_a_contract() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let (updates, _handle) = watch(&path, events_only());
    assert!(matches!(next(&updates), Update::Missing));
    fs::write(&path, "").unwrap();
    assert!(matches!(next(&updates), Update::Empty));
    replace_file(&path, &contract(1));
    assert_eq!(generation(next(&updates)), 1);
    fs::remove_file(&path).unwrap();
    assert!(matches!(next(&updates), Update::Missing));
}

#[test]
fn c003_a_missing_directory_at_start_names_the_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("absent/data");
    let error = Watcher::start(&path, events_only(), |_| {}).unwrap_err();
    assert!(matches!(error, WatchError::Directory { .. }));
    let shown = error.to_string();
    assert!(shown.contains(path.to_str().unwrap()), "{shown}");
    assert!(shown.contains("No such file or directory"), "{shown}");

    fs::write(directory.path().join("absent"), "a file").unwrap();
    let error = Watcher::start(&path, events_only(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("Not a directory"), "{error}");
    assert!(matches!(Watcher::start("/", events_only(), |_| {}), Err(WatchError::NoFile { .. })));
}

#[test]
fn c006_a_swap_of_the_mount_is_seen() {
    let mut mount = Mount::new(&contract(41));
    let (updates, _handle) = watch(&mount.file(), events_only());
    assert_eq!(generation(next(&updates)), 41);
    for expected in 42..47 {
        mount.swap(&contract(expected));
        assert_eq!(generation(next(&updates)), expected);
    }
}

#[test]
fn c007_c008_same_generation_other_content_and_a_lower_generation() {
    let mut mount = Mount::new(&contract(5));
    let (updates, _handle) = watch(&mount.file(), events_only());
    assert_eq!(generation(next(&updates)), 5);
    mount.swap(r#"{"generation":"5","trustBundles":["x"]}"#);
    match next(&updates) {
        Update::Contract { contract, .. } => assert_eq!(contract.trust_bundles, ["x"]),
        other => panic!("{other:?}"),
    }
    // Only the spacing differs: nothing to report, the next update is the one after.
    mount.swap("{ \"generation\": \"5\",\n \"trustBundles\": [ \"x\" ] }");
    mount.swap(&contract(2));
    assert_eq!(generation(next(&updates)), 2);
}

#[test]
fn c009_a_cut_file_is_reported_once_and_the_way_back_too() {
    let mut mount = Mount::new(&contract(1));
    let (updates, _handle) = watch(&mount.file(), events_only());
    assert_eq!(generation(next(&updates)), 1);
    mount.swap(r#"{"generation":"#);
    match next(&updates) {
        Update::Malformed(error) => assert!(error.to_string().contains("not JSON"), "{error}"),
        other => panic!("{other:?}"),
    }
    mount.swap(r#"{"generation":"#);
    mount.swap(r#"{"generation":[]}"#);
    assert!(matches!(next(&updates), Update::Malformed(_)));
    mount.swap(&contract(1));
    assert!(matches!(next(&updates), Update::Restored { generation: 1 }));
    mount.swap(&contract(3));
    assert_eq!(generation(next(&updates)), 3);
}

#[test]
fn c016_a_plain_file_overwritten_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fs::write(&path, contract(1)).unwrap();
    let (updates, _handle) = watch(&path, events_only());
    assert_eq!(generation(next(&updates)), 1);
    for expected in 2..7 {
        fs::write(&path, contract(expected)).unwrap();
        assert_eq!(generation(next(&updates)), expected);
    }
}

#[test]
fn c017_a_burst_ends_on_the_last_content() {
    let mut mount = Mount::new(&contract(0));
    let (updates, handle) = watch(&mount.file(), events_only());
    assert_eq!(generation(next(&updates)), 0);
    for generation in 1..=10 {
        mount.swap(&contract(generation));
    }
    let mut seen = vec![];
    while seen.last() != Some(&10) {
        seen.push(generation(next(&updates)));
    }
    assert!(seen.is_sorted(), "an older contract after a newer one: {seen:?}");
    handle.stop();
    assert_eq!(updates.recv().ok().map(generation), None, "nothing after the last");
}

#[test]
fn c018_a_directory_removed_and_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("mount");
    let path = directory.join("data");
    fs::create_dir(&directory).unwrap();
    fs::write(&path, contract(7)).unwrap();
    let (updates, _handle) = watch(&path, events_only());
    assert_eq!(generation(next(&updates)), 7);
    for expected in [1, 3] {
        fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(next(&updates), Update::Missing));
        fs::create_dir(&directory).unwrap();
        replace_file(&path, &contract(expected));
        assert_eq!(generation(next(&updates)), expected);
        // By events again, not by looking for the directory.
        fs::write(&path, contract(expected + 1)).unwrap();
        assert_eq!(generation(next(&updates)), expected + 1);
    }
}

#[test]
fn another_directory_renamed_into_place() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("mount");
    let path = directory.join("data");
    fs::create_dir(&directory).unwrap();
    fs::write(&path, contract(1)).unwrap();
    let (updates, _handle) = watch(&path, events_only());
    assert_eq!(generation(next(&updates)), 1);

    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("data"), contract(2)).unwrap();
    fs::rename(&directory, parent.path().join("old")).unwrap();
    fs::rename(&other, &directory).unwrap();
    let mut update = next(&updates);
    if matches!(update, Update::Missing) {
        update = next(&updates);
    }
    assert_eq!(generation(update), 2);
    fs::write(parent.path().join("old/data"), contract(99)).unwrap();
    fs::write(&path, contract(3)).unwrap();
    assert_eq!(generation(next(&updates)), 3);
}

#[test]
fn a_change_without_any_event_is_found_by_polling() {
    let elsewhere = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (file, path) = (elsewhere.path().join("file"), directory.path().join("data"));
    fs::write(&file, contract(1)).unwrap();
    std::os::unix::fs::symlink(&file, &path).unwrap();
    let (updates, _handle) = watch(&path, polling(Duration::from_millis(50)));
    assert_eq!(generation(next(&updates)), 1);
    replace_file(&file, &contract(2));
    assert_eq!(generation(next(&updates)), 2);
}

#[test]
fn a_directory_behind_a_symlink_is_followed_when_that_moves() {
    let parent = tempfile::tempdir().unwrap();
    let (one, two) = (parent.path().join("one"), parent.path().join("two"));
    let link = parent.path().join("link");
    for (directory, generation) in [(&one, 1), (&two, 2)] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("data"), contract(generation)).unwrap();
    }
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let (updates, _handle) = watch(&link.join("data"), polling(Duration::from_millis(50)));
    assert_eq!(generation(next(&updates)), 1);
    std::os::unix::fs::symlink(&two, parent.path().join("link_tmp")).unwrap();
    fs::rename(parent.path().join("link_tmp"), &link).unwrap();
    assert_eq!(generation(next(&updates)), 2);
}

#[test]
fn what_is_no_readable_file_is_reported_and_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fs::create_dir(&path).unwrap();
    let options = WatchOptions { bytes_max: 30, ..events_only() };
    let (updates, _handle) = watch(&path, options);
    let reason = |update| match update {
        Update::Unreadable(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(next(&updates)), "not a regular file");

    replace_file(&path, &format!("{:30}", contract(1)));
    assert_eq!(generation(next(&updates)), 1);
    replace_file(&path, &format!("{:31}", contract(2)));
    assert_eq!(reason(next(&updates)), "larger than the 30 bytes that are read at most");

    // Opening a pipe would wait for its writer for ever.
    fs::remove_file(&path).unwrap();
    assert!(matches!(next(&updates), Update::Missing));
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    assert_eq!(reason(next(&updates)), "not a regular file");
}

#[test]
fn stopping_is_prompt_and_drops_the_sink() {
    let mount = Mount::new(&contract(1));
    let (updates, handle) = watch(&mount.file(), events_only());
    assert_eq!(handle.poll_only_because(), None);
    assert_eq!(generation(next(&updates)), 1);
    let began = Instant::now();
    handle.stop();
    assert!(began.elapsed() < DEADLINE);
    let closed = updates.recv_timeout(Duration::ZERO).map(generation);
    assert_eq!(closed, Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_sink_may_drop_its_own_handle() {
    let mount = Mount::new(&contract(1));
    let (to_sink, handles) = channel::<WatchHandle>();
    let (done, ended) = channel();
    let handle = Watcher::start(mount.file(), events_only(), move |_| {
        drop(handles.recv());
        done.send(()).unwrap();
    });
    to_sink.send(handle.unwrap()).unwrap();
    assert_eq!(ended.recv_timeout(DEADLINE), Ok(()));
    assert_eq!(ended.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn any_file_can_be_watched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tls.crt");
    let (sender, states) = channel();
    let _handle = FileWatch::start(&path, events_only(), move |state| {
        let _ = sender.send(match state {
            FileState::Content(bytes) => Some(bytes.to_vec()),
            FileState::Missing => None,
            FileState::Unreadable(error) => panic!("{error}"),
        });
    });
    assert_eq!(states.recv_timeout(DEADLINE), Ok(None));
    for content in [&b"one"[..], b"\xff", b"", b"one"] {
        fs::write(directory.path().join("unrelated"), content).unwrap();
        fs::write(directory.path().join("tmp"), content).unwrap();
        fs::rename(directory.path().join("tmp"), &path).unwrap();
        assert_eq!(states.recv_timeout(DEADLINE), Ok(Some(content.to_vec())));
    }
}
