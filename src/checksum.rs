//! Whether bytes are those that were written.

/// FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo): tells whole bytes from those of a write cut
/// short; no protection against malice is meant.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
