//! Random streams by name. Everything stochastic draws from a stream that is derived from the run's seed, a name that
//! says what the numbers are for, and up to two indices (an epoch, a draw, a picture). A stream does not depend on how
//! many numbers others have drawn, so neither threads, nor the order of work, nor an interruption change a result.

use rand::{Rng, SeedableRng};
pub use rand_chacha::ChaCha8Rng;

/// The stream `name` of a run. The same as [`stream_at`] with indices 0, 0.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    stream_at(seed, name, [0, 0])
}

/// The stream `name` at two indices, for example an epoch and a picture.
///
/// The 256-bit ChaCha key is, in little-endian order, the seed, the 64-bit FNV-1a hash of the name's UTF-8 bytes, and
/// the two indices; nonce and counter start at 0. Run folders rely on this derivation: it must never change.
pub fn stream_at(seed: u64, name: &str, indices: [u64; 2]) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (part, word) in key.chunks_exact_mut(8).zip([seed, fnv1a(name.as_bytes()), indices[0], indices[1]]) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A uniform integer in `0..bound` (0 if `bound` is 0), without bias (Lemire 2019, arXiv 1805.10941). Written out here
/// because sequences drawn by `rand` may differ between its versions, and a resumed run must not.
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    let mut product = u128::from(rng.next_u64()) * u128::from(bound);
    if (product as u64) < bound {
        let threshold = bound.wrapping_neg() % bound;
        while (product as u64) < threshold {
            product = u128::from(rng.next_u64()) * u128::from(bound);
        }
    }
    (product >> 64) as u64
}

/// One number of N(0, 1) (Box & Muller 1958).
pub fn normal(rng: &mut impl Rng) -> f64 {
    let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 53) as f64;
    let (u, v) = (1.0 - unit(rng.next_u64()), unit(rng.next_u64()));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Shuffle in place (Fisher and Yates, from the last element down).
pub fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = below(rng, last as u64 + 1) as usize;
        items.swap(last, other);
    }
}

/// Offset basis of [`fnv1a`].
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// 64-bit FNV-1a hash: stable on every platform and version, for names and fingerprints, not against an adversary.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    fnv1a_from(FNV_BASIS, bytes)
}

/// Continue a hash that [`fnv1a`] began.
pub fn fnv1a_from(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_what_they_were() {
        // Published FNV-1a vectors, and numbers that an independent ChaCha8 gives: a change would break old runs.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        let mut rng = stream(2, "weights");
        assert_eq!([rng.next_u64(), rng.next_u64()], [1268559229613903760, 15927874825513222709]);
        let mut items: Vec<u32> = (0..10).collect();
        shuffle(&mut stream_at(2, "shuffle", [1, 0]), &mut items);
        assert_eq!(items, [7, 5, 6, 0, 1, 2, 3, 8, 4, 9]);
    }

    #[test]
    fn seed_name_and_indices_each_make_another_stream() {
        let first = |seed, name, indices| stream_at(seed, name, indices).next_u64();
        let base = first(1, "a", [0, 0]);
        for other in [first(2, "a", [0, 0]), first(1, "b", [0, 0]), first(1, "a", [1, 0]), first(1, "a", [0, 1])] {
            assert_ne!(base, other);
        }
        assert_eq!(base, stream(1, "a").next_u64());
    }

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut rng = stream(7, "test");
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[below(&mut rng, 6) as usize] += 1;
        }
        // Five standard deviations of a binomial count (91).
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 460), "{counts:?}");
        assert_eq!(below(&mut rng, 1), 0);
        assert_eq!(below(&mut rng, 0), 0);
    }
}
