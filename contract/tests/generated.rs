//! Fails when src/gen/contract.rs no longer is what proto/contract.proto generates.
//! Refresh it with `UPDATE=1 cargo test -p millrace-contract --test generated`.
use std::path::Path;

#[test]
fn checked_in_code_is_what_the_interface_file_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/gen/contract.rs");
    let generated = generate(root);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&checked_in, &generated).expect("write src/gen/contract.rs");
        return;
    }
    let present = std::fs::read_to_string(&checked_in).expect("read src/gen/contract.rs");
    assert!(
        present == generated,
        "src/gen/contract.rs is stale: run UPDATE=1 cargo test -p millrace-contract --test generated"
    );
}

fn generate(root: &Path) -> String {
    let proto = root.join("proto");
    let files = protox::compile([proto.join("contract.proto")], [&proto]).expect("valid proto");
    let out = tempfile::tempdir().expect("temporary directory");
    prost_build::Config::new()
        .out_dir(out.path())
        // Ordered maps: equal contracts look equal in logs and in tests.
        .btree_map(["."])
        .compile_fds(files)
        .expect("generate");
    let code = std::fs::read_to_string(out.path().join("millrace.contract.rs")).expect("output");
    format!(
        "//! Messages of the contract, generated from proto/contract.proto by tests/generated.rs.\n{code}"
    )
}
