//! The operation `noise` (RobustDARTS, Zela et al. 2020, arXiv 1909.09656, space S4).

use rand::Rng;

use crate::random;

/// Which draws a pass takes: the seed of the network's weights, and the batches that its running statistics have seen. Passes
/// between two weight steps have the same noise, as have a pass and its repetition for the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noise {
    pub seed: u64,
    pub batches: u64,
}

impl Noise {
    /// Fills one image of the edge at `place` with N(0, 1).
    pub fn draw(self, place: usize, image: usize, to: &mut [f32]) {
        let mut rng = random::stream_at(self.seed, "noise", [self.batches, (place as u64) << 32 | image as u64]);
        let unit = |bits: u64| (bits & 0xff_ffff) as f32 / (1 << 24) as f32;
        for pair in to.chunks_mut(2) {
            // Box & Muller 1958, two for each draw: 24 bits do for noise.
            let bits = rng.next_u64();
            let (radius, angle) = ((-2.0 * (1.0 - unit(bits)).ln()).sqrt(), std::f32::consts::TAU * unit(bits >> 32));
            for (to, v) in pair.iter_mut().zip([radius * angle.cos(), radius * angle.sin()]) {
                *to = v;
            }
        }
    }
}
