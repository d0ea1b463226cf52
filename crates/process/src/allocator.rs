//! The allocator of both programs, jemalloc: for Rust and, by the names of C, for librdkafka.
//!
//! A record lives from its request to its acknowledgement, some hundreds at a time and of a size beyond what glibc
//! keeps ready in its thread caches; glibc then merges and splits them on its slow path. Figures in
//! docs/performance.md.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
