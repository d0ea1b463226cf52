//! The two checksums of record batches: Castagnoli's for the batch, the common one inside gzip.

/// CRC-32C.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    reflected(bytes, 0x82f6_3b78)
}

/// CRC-32 as in gzip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    reflected(bytes, 0xedb8_8320)
}

/// Bit by bit: batches of tests are small.
fn reflected(bytes: &[u8], polynomial: u32) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { polynomial } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
