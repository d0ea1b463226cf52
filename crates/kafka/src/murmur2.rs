//! Kafka's murmur2 in safe Rust: the hash by which every Java producer maps a key to a partition.

/// The hash of Kafka's Java client, as its signed 32-bit number.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's lengths are ints; longer keys cannot be sent.
    let mut hash = SEED ^ (key.len() as u32);
    let (blocks, tail) = key.as_chunks::<4>();
    for block in blocks {
        let mut k = u32::from_le_bytes(*block).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (index, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// The partition of a key (receiver.md 4.1): sign bit masked off, not the absolute value.
///
/// `None` when there are no partitions.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> Option<i32> {
    if partitions <= 0 {
        return None;
    }
    Some((murmur2(key) & i32::MAX) % partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_kafkas_own_tests() {
        assert_eq!(murmur2(b"21"), -973_932_308);
        assert_eq!(murmur2(b"foobar"), -790_332_482);
        assert_eq!(murmur2(b""), 275_646_681);
    }

    #[test]
    fn partitions_of_the_spec() {
        for (key, partitions, expected) in [
            ("k1", 3, 2),
            ("k1", 10, 7),
            ("key-42", 3, 0),
            ("key-42", 10, 7),
            ("", 3, 0),
            ("", 10, 1),
        ] {
            assert_eq!(partition_of(key.as_bytes(), partitions), Some(expected), "{key}");
        }
        assert_eq!(partition_of(b"k1", 0), None);
    }
}
