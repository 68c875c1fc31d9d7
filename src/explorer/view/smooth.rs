//! Exponential smoothing of curves, as TensorBoard has it.

use crate::explorer::state::Bucket;

/// Each point is the mean of all before it, of which every step back counts `weight` times as much; a merged point counts as
/// the steps that it holds. What begins the curve does not pull it (the mean is over weights that add up to 1).
pub fn exponential(points: &[Bucket], weight: f64) -> Vec<Bucket> {
    let (mut sum, mut all) = (0.0, 0.0);
    let one = |b: &Bucket| {
        let kept = weight.powi(i32::try_from(b.count).unwrap_or(i32::MAX));
        sum = kept * sum + (1.0 - kept) * b.mean();
        all = kept * all + (1.0 - kept);
        Bucket::point(b.middle(), if all > 0.0 { sum / all } else { b.mean() })
    };
    points.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_with_falling_weights() {
        let values = [4.0, 1.0, 2.0, 7.0];
        let points: Vec<Bucket> = values.iter().enumerate().map(|(i, y)| Bucket::point(i as f64, *y)).collect();
        for (i, b) in exponential(&points, 0.6).iter().enumerate() {
            let weights: Vec<f64> = (0..=i).map(|j| 0.6f64.powi((i - j) as i32)).collect();
            let wanted = weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / weights.iter().sum::<f64>();
            assert!((b.mean() - wanted).abs() < 1e-12 && b.middle() == i as f64, "{b:?} {wanted}");
        }
        assert_eq!(exponential(&points, 0.0).iter().map(Bucket::mean).collect::<Vec<_>>(), values);
        // Equal steps that were merged are what they were.
        let single = exponential(&[4.0, 1.0, 1.0, 1.0].map(|y| Bucket::point(0.0, y)), 0.9);
        let merged = [Bucket::point(0.0, 4.0), Bucket { sum: 3.0, count: 3, ..Bucket::point(0.0, 1.0) }];
        assert!((exponential(&merged, 0.9)[1].mean() - single[3].mean()).abs() < 1e-12);
        assert!(exponential(&[], 0.9).is_empty());
    }
}
