//! For tests in a process of their own: take io_uring, lockable memory, files or privilege away.

use std::mem;
use std::process::{Command, Output, Stdio};

/// Runs one ignored test of this binary in a new process and gives what it printed. `how` is
/// for that test, which reads it by [`told`].
pub(crate) fn in_child(test: &str, how: &str) -> String {
    let output = child(test, how).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} {how}: {:?}\n{text}\n{errors}", output.status);
    assert!(text.contains("1 passed"), "{test} did not run:\n{text}");
    text
}

/// The same, however it ends.
pub(crate) fn child(test: &str, how: &str) -> std::io::Result<Output> {
    Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("MILLRACE_SHARD_CONFINE", how)
        .stdin(Stdio::null())
        .output()
}

/// What the parent said; `None` if this test was not started by it.
pub(crate) fn told() -> Option<String> {
    std::env::var("MILLRACE_SHARD_CONFINE").ok()
}

/// From now on these system calls fail with EPERM, as under a container's seccomp profile.
pub(crate) fn deny(calls: &[libc::c_long]) {
    let statement =
        |code: u32, k: u32, jt: u8| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    // The call's number is the first word of seccomp_data.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, call) in calls.iter().enumerate() {
        let past_the_rest = (calls.len() - at) as u8;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(statement(equal, *call as u32, past_the_rest));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    let denied = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    program.push(statement(libc::BPF_RET | libc::BPF_K, denied, 0));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: takes integers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the kernel copies the program, which lives until the end of this function and
    // whose length is passed.
    let rc =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert_eq!(rc, 0, "{}", std::io::Error::last_os_error());
}

/// Sets both limits of a resource.
pub(crate) fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the kernel reads one rlimit.
    let rc = unsafe { libc::setrlimit(resource, &raw const limit) };
    assert_eq!(rc, 0, "{}", std::io::Error::last_os_error());
}

/// Gives root away; true if this process is not root afterwards.
pub(crate) fn become_nobody() -> bool {
    // SAFETY: takes an integer only; the process is one that a test started for this.
    let rc = unsafe { libc::setuid(65_534) };
    // SAFETY: takes nothing.
    rc == 0 || unsafe { libc::geteuid() } != 0
}

const _: () = assert!(mem::size_of::<libc::sock_filter>() == 8);
