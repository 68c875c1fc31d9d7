//! `fisher`: what the loss would lose without each channel.

use super::{Context, Needs, RankingFunction};
use crate::nn::{Kind, NnError, Slot, Supernet};

/// `Σ over channels of fan_in · ½ · mean over pictures of (Σ over pixels of a · ∂L/∂a)²`, a what a convolution or the classifier
/// gives in a channel, L the mean cross entropy of a batch of at most 32 pictures.
///
/// As a is linear in its channel's weights w, the inner sum is `w · (what the picture gives to ∂L/∂w)`. A bias before a batch norm,
/// which is 0 at the start, is passed over. On a GPU's side, too, this is computed on the CPU.
pub struct Fisher;

impl RankingFunction for Fisher {
    fn name(&self) -> &'static str {
        "fisher"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, activations: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Turner et al. 2020, BlockSwap (arXiv 1906.04113); Abdelfattah et al. 2021 (arXiv 2101.08134)"
    }
    fn meaning(&self) -> &'static str {
        "how much the loss would change without each channel"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let net = context.net()?;
        let pictures = context.draw.images.dim(0)?.min(Supernet::CONTRIBUTORS);
        let images = context.draw.images.narrow(0, 0, pictures)?;
        let labels = context.draw.labels.narrow(0, 0, pictures)?.to_vec1::<u32>()?;
        let (classes, layouts, values) = (net.config().classes, net.parameters().layouts(), net.parameters().values()?);
        let (mut total, mut of_logits) = (0.0, Vec::new());
        let loss = |logits: &[f32]| {
            let rows = logits.chunks_exact(classes).zip(&labels);
            let gradient: Vec<f32> = rows.flat_map(|(row, label)| slope(row, *label as usize, pictures)).collect();
            of_logits = logits.iter().zip(&gradient).map(|(z, d)| f64::from(*z) * f64::from(*d)).collect();
            gradient
        };
        net.contributions(&images, &context.mixing, loss, |_, given| {
            for ((layout, values), given) in layouts.iter().zip(&values).zip(given) {
                for slot in layout.slots.iter().filter(|s| s.kind.is_weight() && s.kind != Kind::Classifier) {
                    let mut channels = vec![0.0f64; slot.outputs];
                    let place = slot.offset..slot.offset + slot.len();
                    for (i, (w, g)) in values[place.clone()].iter().zip(&given[place]).enumerate() {
                        channels[i % slot.outputs] += f64::from(*w) * f64::from(*g);
                    }
                    total += slot.fan_in() as f64 * channels.iter().map(|c| c * c).sum::<f64>();
                }
            }
        })?;
        let fan = layouts.iter().flat_map(|l| &l.slots).find(|s| s.kind == Kind::Classifier).map_or(0, Slot::fan_in);
        total += fan as f64 * of_logits.iter().map(|c| c * c).sum::<f64>();
        Ok(0.5 * total / pictures as f64)
    }
}

/// Gradient of the mean cross entropy of so many pictures by the logits of one.
fn slope(logits: &[f32], label: usize, pictures: usize) -> Vec<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|z| f64::from(z - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let one = |(k, p): (usize, &f64)| ((p / sum - f64::from(u8::from(k == label))) / pictures as f64) as f32;
    powers.iter().enumerate().map(one).collect()
}
