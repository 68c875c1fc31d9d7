//! What the evaluation network does to maps `[N, H, W, C]` beside its convolutions, as candle operations with backward passes
//! of their own: norms, poolings, nodes.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::ops::{Output, both};
use crate::kernels::norm::{Collector, add_products};
use crate::kernels::{pool, relu};
use crate::nn::norm::{Norm, NormPass, NormSlot, Seen, Statistics, Sums, collector};
use crate::nn::parallel::{Images, image, map_groups, unfilled, zeros};
use crate::nn::{slice, with_slices};

/// Batch norm with scale and shift. Inputs: `[N, H, W, C]`, and the parameters: scale `[C]`, then shift `[C]`.
pub(super) struct NormOp {
    pub norm: Norm,
    pub slot: NormSlot,
    pub running: Arc<Vec<f32>>,
    pub side: Arc<Mutex<Side>>,
}

#[derive(Default)]
pub(super) struct Side {
    pub seen: Vec<Seen>,
    statistics: Statistics,
}

impl CustomOp2 for NormOp {
    fn name(&self) -> &'static str {
        "evaluation-norm"
    }

    fn cpu_fwd(&self, sz: &CpuStorage, lz: &Layout, sp: &CpuStorage, lp: &Layout) -> Output {
        let (n, h, w, c) = lz.shape().dims4()?;
        let (z, parameters) = (slice(sz, lz)?, slice(sp, lp)?);
        let (scale, shift) = parameters.split_at(c);
        let len = h * w * c;
        let parts = map_groups(n, |group| {
            let mut moments = collector(self.norm, c)?;
            group.for_each(|i| moments.add_map(image(z, i, len)));
            Some(Collector::finish(moments))
        });
        let mut norms = NormPass { norm: self.norm, running: &self.running, seen: Vec::new() };
        let statistics = norms.settle(self.slot, parts.into_iter().flatten());
        let form = statistics.affine(scale, shift);
        // SAFETY: every image is written below.
        let mut out = unsafe { unfilled(z.len()) };
        let writer = Images::new(&mut out, n);
        map_groups(n, |group| {
            for i in group {
                let z = image(z, i, len);
                // SAFETY: groups do not share images.
                form.apply(z, z, unsafe { writer.image(i) });
            }
        });
        *self.side.lock().unwrap_or_else(PoisonError::into_inner) = Side { seen: norms.seen, statistics };
        Ok((CpuStorage::F32(out), lz.shape().clone()))
    }

    fn bwd(
        &self,
        z: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, h, w, c) = z.dims4()?;
        let side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let statistics = &side.statistics;
        let found = with_slices([z, parameters, dy], |[z, parameters, dy]| {
            let len = h * w * c;
            let parts = map_groups(n, |group| {
                let mut sums = Sums::new(c);
                for i in group {
                    let (dy, z) = (image(dy, i, len), image(z, i, len));
                    add_products(dy, z, &statistics.mean, &mut sums.plain, &mut sums.product);
                }
                sums
            });
            let sums = Sums::total(c, &parts);
            let (form, gradient) = statistics.affine_backward(&parameters[..c], &sums);
            // SAFETY: every image is written below.
            let mut dz = unsafe { unfilled(z.len()) };
            let writer = Images::new(&mut dz, n);
            map_groups(n, |group| {
                for i in group {
                    // SAFETY: groups do not share images.
                    form.apply(image(dy, i, len), image(z, i, len), unsafe { writer.image(i) });
                }
            });
            (dz, gradient)
        })?;
        both(found, z, parameters)
    }
}

/// 3x3 pooling with padding 1 and without a norm. Input `[N, H, W, C]`, output `[N, H', W', C]`.
pub(super) struct PoolOp {
    pub greatest: bool,
    pub stride: usize,
}

impl CustomOp1 for PoolOp {
    fn name(&self) -> &'static str {
        "evaluation-pool"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout) -> Output {
        let (n, h, w, c) = lx.shape().dims4()?;
        let x = slice(sx, lx)?;
        let s = pool::shape(h, w, c, self.stride);
        // SAFETY: every image is written below.
        let mut out = unsafe { unfilled(n * s.out_height() * s.out_width() * c) };
        let writer = Images::new(&mut out, n);
        map_groups(n, |group| {
            let mut scratch = pool::Scratch::default();
            for i in group {
                // SAFETY: groups do not share images.
                let (x, out) = (image(x, i, h * w * c), unsafe { writer.image(i) });
                if self.greatest {
                    pool::max_forward(&s, x, out, &mut scratch);
                } else {
                    pool::average_forward(&s, x, out, &mut scratch);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((n, s.out_height(), s.out_width(), c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dout: &Tensor) -> Result<Option<Tensor>> {
        let (n, h, w, c) = x.dims4()?;
        let s = pool::shape(h, w, c, self.stride);
        let dx = with_slices([x, dout], |[x, dout]| {
            let (len, out) = (h * w * c, s.out_height() * s.out_width() * c);
            let mut dx = zeros(n * len, n);
            let writer = Images::new(&mut dx, n);
            map_groups(n, |group| {
                let mut scratch = pool::Scratch::default();
                for i in group {
                    // SAFETY: groups do not share images.
                    let (dout, dx) = (image(dout, i, out), unsafe { writer.image(i) });
                    if self.greatest {
                        pool::max_backward(&s, image(x, i, len), dout, dx, &mut scratch);
                    } else {
                        pool::average_backward(&s, dout, dx, &mut scratch);
                    }
                }
            });
            dx
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// A node: the sum of its two inputs `[N, H, W, C]`, each image times a factor of its own (drop path; 1 where nothing is
/// dropped).
pub(super) struct SumOp {
    pub factors: [Vec<f32>; 2],
}

impl CustomOp2 for SumOp {
    fn name(&self) -> &'static str {
        "evaluation-node"
    }

    fn cpu_fwd(&self, sa: &CpuStorage, la: &Layout, sb: &CpuStorage, lb: &Layout) -> Output {
        let n = la.dims()[0];
        let (a, b) = (slice(sa, la)?, slice(sb, lb)?);
        if la.shape() != lb.shape() || self.factors.iter().any(|f| f.len() != n) {
            candle_core::bail!("a node's inputs differ in shape: {:?} and {:?}", la.shape(), lb.shape());
        }
        let len = a.len() / n.max(1);
        // SAFETY: every image is written below.
        let mut out = unsafe { unfilled(a.len()) };
        let writer = Images::new(&mut out, n);
        map_groups(n, |group| {
            for i in group {
                // SAFETY: groups do not share images.
                let out = unsafe { writer.image(i) };
                let (fa, fb) = (self.factors[0][i], self.factors[1][i]);
                for ((o, a), b) in out.iter_mut().zip(image(a, i, len)).zip(image(b, i, len)) {
                    *o = fa * a + fb * b;
                }
            }
        });
        Ok((CpuStorage::F32(out), la.shape().clone()))
    }

    fn bwd(&self, a: &Tensor, _: &Tensor, _: &Tensor, d: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let n = a.dim(0)?;
        let times = |factors: &[f32]| -> Result<Option<Tensor>> {
            if factors.iter().all(|f| *f == 1.0) {
                return Ok(Some(d.clone()));
            }
            let scaled = with_slices([d], |[d]| {
                let len = d.len() / n.max(1);
                let image = |(d, f): (&[f32], &f32)| d.iter().map(|v| v * f).collect::<Vec<f32>>();
                d.chunks_exact(len.max(1)).zip(factors).flat_map(image).collect::<Vec<f32>>()
            })?;
            Ok(Some(Tensor::from_vec(scaled, d.shape(), d.device())?))
        };
        Ok((times(&self.factors[0])?, times(&self.factors[1])?))
    }
}

/// `max(x, 0)`, with derivative 0 at 0.
pub(super) struct ReluOp;

impl CustomOp1 for ReluOp {
    fn name(&self) -> &'static str {
        "evaluation-relu"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout) -> Output {
        let out = slice(sx, lx)?.iter().map(|v| v.max(0.0)).collect();
        Ok((CpuStorage::F32(out), lx.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, d: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_slices([x, d], |[x, d]| {
            let mut dx = vec![0.0; x.len()];
            relu::add_where_positive(x, d, &mut dx);
            dx
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// Refuses maps that the auxiliary head can't average to 2x2.
pub(super) fn check_auxiliary(height: usize, width: usize) -> Result<()> {
    if !(8..=10).contains(&height) || !(8..=10).contains(&width) {
        candle_core::bail!("the auxiliary head needs maps of 8 to 10 pixels a side, not {height}x{width}");
    }
    Ok(())
}

/// Average over 5x5 windows, 3 apart, without padding: `[N, H, W, C]` with 8 to 10 pixels a side to `[N, 2, 2, C]`.
pub(super) struct AuxiliaryPoolOp;

impl AuxiliaryPoolOp {
    const WINDOW: usize = 5;
    const STRIDE: usize = 3;

    /// For each output pixel the input pixels of its window.
    fn windows(width: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..4).flat_map(move |o| {
            let (top, left) = (o / 2 * Self::STRIDE, o % 2 * Self::STRIDE);
            (0..Self::WINDOW * Self::WINDOW)
                .map(move |p| (o, (top + p / Self::WINDOW) * width + left + p % Self::WINDOW))
        })
    }
}

impl CustomOp1 for AuxiliaryPoolOp {
    fn name(&self) -> &'static str {
        "evaluation-auxiliary-pool"
    }

    fn cpu_fwd(&self, sx: &CpuStorage, lx: &Layout) -> Output {
        let (n, h, w, c) = lx.shape().dims4()?;
        check_auxiliary(h, w)?;
        let x = slice(sx, lx)?;
        let mut out = vec![0.0f32; n * 4 * c];
        let share = 1.0 / (Self::WINDOW * Self::WINDOW) as f32;
        for (x, out) in x.chunks_exact(h * w * c).zip(out.chunks_exact_mut(4 * c)) {
            for (o, p) in Self::windows(w) {
                out[o * c..][..c].iter_mut().zip(&x[p * c..][..c]).for_each(|(o, v)| *o += v);
            }
            out.iter_mut().for_each(|v| *v *= share);
        }
        Ok((CpuStorage::F32(out), Shape::from((n, 2, 2, c))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, d: &Tensor) -> Result<Option<Tensor>> {
        let (_, h, w, c) = x.dims4()?;
        let dx = with_slices([x, d], |[x, d]| {
            let mut dx = vec![0.0f32; x.len()];
            let share = 1.0 / (Self::WINDOW * Self::WINDOW) as f32;
            for (dx, d) in dx.chunks_exact_mut(h * w * c).zip(d.chunks_exact(4 * c)) {
                for (o, p) in Self::windows(w) {
                    dx[p * c..][..c].iter_mut().zip(&d[o * c..][..c]).for_each(|(t, v)| *t += v * share);
                }
            }
            dx
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
