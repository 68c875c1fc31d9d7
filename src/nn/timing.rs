//! What every operation of an edge costs on this machine, timed at each size of map that a network has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::edge::{Bundle, Edge, Geometry, Gradients};
use super::mixed::MixedOperation;
use super::noise::Noise;
use super::norm::{Norm, NormPass};
use super::parallel::unfilled;
use super::plan::{CellPlan, CellSizes, NetworkPlan};
use super::{NnError, Policy, SupernetConfig, Workload};
use crate::random;
use crate::space::{Mask, Operation, Place, Space};

/// Seconds of an edge's passes: forward, the part of it that a backward pass does again, backward to the mixing weights alone,
/// to them and to the input, and to the weights too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Passes {
    pub forward: f64,
    pub again: f64,
    pub mixing: f64,
    pub backward: f64,
    pub backward_with_weights: f64,
}

impl Passes {
    fn each(self, other: Passes, f: impl Fn(f64, f64) -> f64) -> Passes {
        Passes {
            forward: f(self.forward, other.forward),
            again: f(self.again, other.again),
            mixing: f(self.mixing, other.mixing),
            backward: f(self.backward, other.backward),
            backward_with_weights: f(self.backward_with_weights, other.backward_with_weights),
        }
    }

    fn add(self, other: Passes) -> Passes {
        self.each(other, |a, b| a + b)
    }

    fn times(self, factor: f64) -> Passes {
        self.each(self, |a, _| factor * a)
    }

    /// Of all passes, one by one.
    fn made(f: impl Fn(&dyn Fn(Passes) -> f64) -> f64) -> Passes {
        Passes {
            forward: f(&|p| p.forward),
            again: f(&|p| p.again),
            mixing: f(&|p| p.mixing),
            backward: f(&|p| p.backward),
            backward_with_weights: f(&|p| p.backward_with_weights),
        }
    }
}

/// Size of an edge's input map and its stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Size {
    height: usize,
    width: usize,
    channels: usize,
    stride: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Timed {
    size: Size,
    /// Each operation alone on its edge, by column of the space; nothing for `none`.
    alone: Vec<Passes>,
    /// All of them on one edge.
    together: Passes,
}

impl Timed {
    fn add(self, other: Timed) -> Timed {
        let alone = self.alone.iter().zip(&other.alone).map(|(a, b)| a.add(*b)).collect();
        Timed { alone, together: self.together.add(other.together), ..self }
    }

    fn times(self, factor: f64) -> Timed {
        Timed {
            alone: self.alone.iter().map(|a| a.times(factor)).collect(),
            together: self.together.times(factor),
            ..self
        }
    }

    /// An edge with these operations: their sum, less what many share (their input is read and padded once), which
    /// grows with their number up to what was timed. Never less than some of them take, and never more than all together,
    /// whatever noise there was: an edge with fewer operations takes no longer than one with more.
    fn edge(&self, columns: &[usize]) -> Passes {
        let working = self.alone.iter().filter(|a| **a != Passes::default()).count();
        Passes::made(|pass| {
            let all: f64 = self.alone.iter().map(|alone| pass(*alone)).sum();
            let together = pass(self.together);
            let shared = 1.0 - together / all.max(f64::MIN_POSITIVE);
            let mut own: Vec<f64> = columns.iter().map(|column| pass(self.alone[*column])).collect();
            own.sort_by(|a, b| b.total_cmp(a));
            // The slowest alone, the slowest two, …: one of these bounds any other choice of as many.
            let (mut sum, mut most) = (0.0, 0.0f64);
            for (i, seconds) in own.into_iter().enumerate() {
                sum += seconds;
                most = most.max(sum * (1.0 - shared * i as f64 / working.saturating_sub(1).max(1) as f64));
            }
            most.min(together)
        })
    }
}

/// The cheapest operation of every edge of a space: what is beside the frame of a network when that is timed. In DARTS the
/// identity.
pub(crate) fn cheapest(space: Space) -> Mask {
    let (full, mut mask) = (space.full(), Mask::empty(space));
    for (cell, edge) in space.all_edges() {
        let there = full.kept(cell, edge).filter(|o| *o != Operation::None);
        let cheapest = there.min_by_key(|o| o.cost()).unwrap_or(Operation::None);
        mask.set(Place::new(cell, edge, cheapest), true);
    }
    mask
}

/// The operations of a network's edges, timed on `images` pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeTimes {
    pub images: usize,
    timed: Vec<Timed>,
    /// How many times as long a round took on average as the fastest of them: about 1 where nothing else is at work.
    #[serde(default)]
    pub unrest: f64,
}

/// Edges that are timed together: in a cell 14 edges read 5 maps, and those that read one map share some of the work.
const TOGETHER: usize = 3;

/// Bytes of the largest map that is timed: enough to leave the second cache, as a search does.
const MAP_BYTES: usize = 1 << 20;

/// How many pictures of a search are timed: fewer than its batch where maps are large.
pub fn timed_images(config: &SupernetConfig, work: &Workload) -> usize {
    let [_, (height, width)] = config.stem.sizes((work.height, work.width));
    let map = height * width * config.channels * size_of::<f32>();
    (MAP_BYTES / map.max(1)).clamp(1, work.images.max(1))
}

/// The cells of a network with the sizes of their inputs.
fn plans(config: &SupernetConfig, work: &Workload) -> impl Iterator<Item = (Arc<CellPlan>, CellSizes)> + use<> {
    let plan = NetworkPlan::of_supernet(config);
    let sizes = plan.sizes([work.images, work.height, work.width]);
    plan.cells.into_iter().zip(sizes)
}

impl EdgeTimes {
    /// Times all operations at all sizes that occur, again and again until `time` has passed, twice at least.
    pub fn measure(config: &SupernetConfig, work: &Workload, time: Duration) -> EdgeTimes {
        let (images, space) = (timed_images(config, work), config.mask.space());
        let mut sizes: Vec<Size> = Vec::new();
        for (plan, of) in plans(&SupernetConfig { mask: space.full(), ..config.clone() }, work) {
            for g in (0..plan.edges.len()).map(|e| plan.geometry(&of, e)) {
                let size = Size { height: g.height, width: g.width, channels: g.channels, stride: g.stride };
                if !sizes.contains(&size) {
                    sizes.push(size);
                }
            }
        }
        let cases: Vec<Case> = sizes.iter().map(|s| Case::new(space, *s, images)).collect();
        let round = || -> (Vec<Timed>, f64) {
            let start = Instant::now();
            let timed = cases.iter().map(Case::time).collect();
            (timed, start.elapsed().as_secs_f64())
        };
        let start = Instant::now();
        // The first round finds cold caches and takes its memory fresh.
        round();
        let (mut timed, first) = round();
        let (mut rounds, mut seconds, mut fastest) = (1.0, first, first);
        while start.elapsed() < time {
            let (one, took) = round();
            timed = timed.into_iter().zip(one).map(|(sum, one)| sum.add(one)).collect();
            (rounds, seconds, fastest) = (rounds + 1.0, seconds + took, fastest.min(took));
        }
        // The mean, not the least: a step is the sum of a great many such parts, with whatever else the machine does.
        let timed = timed.into_iter().map(|t| t.times(1.0 / rounds)).collect();
        EdgeTimes { images, timed, unrest: seconds / rounds / fastest.max(f64::MIN_POSITIVE) }
    }

    /// Seconds of all edges of a network for `work.images` pictures beyond those of the same network with the [`cheapest`]
    /// operation of each edge alone;
    /// a cell that computes again does so in each of its backward passes.
    ///
    /// # Errors
    /// A network with sizes that were not timed.
    pub fn beyond_cheapest(&self, config: &SupernetConfig, work: &Workload, policy: Policy) -> Result<Passes, NnError> {
        let mut total = Passes::default();
        let frame = SupernetConfig { mask: cheapest(config.mask.space()), ..config.clone() };
        let frames = plans(&frame, work).map(|(plan, _)| plan);
        for (i, ((plan, sizes), frame)) in plans(config, work).zip(frames).enumerate() {
            for (e, edge) in plan.edges.iter().enumerate() {
                let g = plan.geometry(&sizes, e);
                let size = Size { height: g.height, width: g.width, channels: g.channels, stride: g.stride };
                let Some(timed) = self.timed.iter().find(|t| t.size == size) else {
                    return Err(NnError::Config("the network has sizes of maps that were not timed".into()));
                };
                let columns = |edge: &Edge| -> Vec<usize> { edge.branches.iter().map(|b| b.column).collect() };
                // An architecture step goes no further where an edge reads what is made of the stem's outputs alone.
                let stems = config.stem.maps();
                let ends = plan.reads(i, stems).nth(edge.source).is_some_and(|read| read < stems);
                let of = |edge: &Edge| {
                    let edge = timed.edge(&columns(edge));
                    Passes { backward: if ends { edge.mixing } else { edge.backward }, ..edge }
                };
                let mut passes = of(edge);
                if policy.of_cell(i) == Policy::Recompute {
                    passes.backward += passes.again;
                    passes.backward_with_weights += passes.again;
                }
                total = total.add(passes).add(of(&frame.edges[e]).times(-1.0));
            }
        }
        Ok(total.times(work.images as f64 / self.images as f64))
    }
}

/// One size of map with numbers to run on.
struct Case {
    space: Space,
    size: Size,
    geometry: Geometry,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    fn new(space: Space, size: Size, images: usize) -> Case {
        let Size { height, width, channels, stride } = size;
        let geometry = Geometry { images, height, width, channels, stride };
        let mut rng = random::stream(0, "timing");
        // Any numbers that are neither equal nor tiny; a period that no size shares.
        let period: Vec<f32> = (0..4093).map(|_| random::normal(&mut rng) as f32).collect();
        let numbers = |len: usize| period.iter().copied().cycle().take(len).collect();
        Case { space, size, geometry, x: numbers(images * geometry.input()), dy: numbers(images * geometry.output()) }
    }

    fn time(&self) -> Timed {
        let operations = self.space.operations();
        let working: Vec<Operation> = operations.iter().copied().filter(|o| *o != Operation::None).collect();
        let together = self.edge(&working);
        let alone = |o: &Operation| if *o == Operation::None { Passes::default() } else { self.edge(&[*o]) };
        Timed { size: self.size, alone: operations.iter().map(alone).collect(), together }
    }

    fn edge(&self, operations: &[Operation]) -> Passes {
        let (g, x) = (&self.geometry, &self.x);
        let mixed = MixedOperation::new(operations, self.size.channels, self.size.stride);
        let weights: Vec<f32> = self.x.iter().map(|v| 0.1 * v).cycle().take(mixed.len()).collect();
        let mixing = vec![1.0 / operations.len() as f32; operations.len()];
        let mut input = vec![0.0; x.len()];
        // SAFETY: the only edge into each node writes all of it.
        let mut nodes: Vec<Vec<f32>> = (0..TOGETHER).map(|_| unsafe { unfilled(g.images * g.output()) }).collect();
        let mut norms = NormPass { norm: Norm::Batch, running: &[], seen: Vec::new(), noise: Noise::default() };
        let start = Instant::now();
        let mut bundle = Bundle::default();
        (0..TOGETHER).for_each(|target| bundle.add(&mixed.edge, target, &mixing));
        let states = bundle.branches_forward(g, x, &weights, &mut norms);
        let again = start.elapsed().as_secs_f64();
        bundle.mix_into(
            g,
            x,
            &states,
            &mut nodes.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(),
            &[true; TOGETHER],
        );
        let forward = start.elapsed().as_secs_f64();
        let mut backward = |weights_wanted: bool| {
            let mut gradient = vec![0.0; if weights_wanted { weights.len() } else { 0 }];
            let mut to =
                Gradients { input: &mut input, weights: weights_wanted.then_some(&mut gradient[..]), only: None };
            let start = Instant::now();
            bundle.backward(g, x, &weights, &states, &[&self.dy[..]; TOGETHER], &mut to);
            start.elapsed().as_secs_f64()
        };
        let (without, with) = (backward(false), backward(true));
        let start = Instant::now();
        bundle.mixing_gradients(g, x, &states, &[&self.dy[..]; TOGETHER]);
        let mixing = start.elapsed().as_secs_f64();
        let passes = Passes { forward, again, mixing, backward: without, backward_with_weights: with };
        passes.times(1.0 / TOGETHER as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Precision;
    use crate::space::{CellKind, Stem, darts};

    fn config(mask: Mask) -> SupernetConfig {
        let layout = vec![CellKind::Normal, CellKind::Reduction];
        SupernetConfig {
            channels: 4,
            classes: 10,
            input_channels: 3,
            layout,
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy: Policy::Keep,
            precision: Precision::Float32,
        }
    }

    const WORK: Workload = Workload { images: 6, height: 8, width: 8, second_order: false, threads: 1 };

    /// Every operation takes its index in seconds forward, and together they take half of their sum.
    fn times() -> EdgeTimes {
        let mut times = EdgeTimes::measure(&config(darts::FULL), &WORK, Duration::ZERO);
        for t in &mut times.timed {
            let of = |seconds: f64| Passes {
                forward: seconds,
                again: seconds,
                mixing: seconds,
                backward: 2.0 * seconds,
                backward_with_weights: 3.0 * seconds,
            };
            t.alone = (0..8).map(|i| of(f64::from(i))).collect();
            t.together =
                Passes { forward: 14.0, again: 14.0, mixing: 14.0, backward: 28.0, backward_with_weights: 42.0 };
        }
        times
    }

    #[test]
    fn a_step_is_the_sum_of_its_edges() {
        let times = times();
        let seconds = |mask, policy| times.beyond_cheapest(&config(mask), &WORK, policy).unwrap();
        let skip = 3.0;
        // Two cells of 14 edges; the identities are part of the frame.
        let all = seconds(darts::FULL, Policy::Keep);
        assert!((all.forward - 28.0 * (14.0 - skip)).abs() < 1e-9, "{all:?}");
        assert!((all.backward_with_weights - 3.0 * all.forward).abs() < 1e-9);
        // Of the 28 edges the 8 of the first cell that read its inputs and 4 of the second end an architecture step.
        assert!((all.backward - (2.0 * 16.0 + 12.0) * (14.0 - skip)).abs() < 1e-9, "{all:?}");
        let identities = seconds(Mask::uniform(darts::SPACE, &[Operation::SkipConnect]), Policy::Keep);
        assert!(identities.forward.abs() < 1e-9, "{identities:?}");
        let again = seconds(darts::FULL, Policy::Recompute);
        assert_eq!(again.forward, all.forward);
        assert!((again.backward - all.backward - 28.0 * 14.0).abs() < 1e-9);
        let one = Operation::DilConv5x5;
        let alone = seconds(Mask::uniform(darts::SPACE, &[one]), Policy::Keep);
        assert!((alone.forward - 28.0 * (7.0 - skip)).abs() < 1e-9);
        let double =
            times.beyond_cheapest(&config(darts::FULL), &Workload { images: 12, ..WORK }, Policy::Keep).unwrap();
        assert!((double.forward - 2.0 * all.forward).abs() < 1e-9);
    }

    #[test]
    fn fewer_operations_never_take_longer() {
        use rand::{RngExt, SeedableRng};
        let mut times = times();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for case in 0..20 {
            // Times as a busy machine tells them: any, and all together less or more than their sum.
            for t in &mut times.timed {
                let mut any = || {
                    let v: [f64; 5] = std::array::from_fn(|_| rng.random::<f64>().powi(4));
                    let [forward, again, mixing, backward, backward_with_weights] = v;
                    Passes { forward, again, mixing, backward, backward_with_weights }
                };
                t.alone = (0..8).map(|i| if i == 0 { Passes::default() } else { any() }).collect();
                t.together = any().times(3.0);
            }
            let mut mask = darts::NO_NONE;
            let mut before = times.beyond_cheapest(&config(mask), &WORK, Policy::Recompute).unwrap();
            let mut places: Vec<crate::space::Place> = mask.places().collect();
            while places.len() > 30 {
                let place = places.swap_remove(rng.random_range(0..places.len()));
                if mask.count_on(place.cell, place.edge) < 2 {
                    continue;
                }
                mask.set(place, false);
                let now = times.beyond_cheapest(&config(mask), &WORK, Policy::Recompute).unwrap();
                let slack = 1e-9 * before.forward.abs().max(1.0);
                for (less, more) in [
                    (now.forward, before.forward),
                    (now.backward, before.backward),
                    (now.backward_with_weights, before.backward_with_weights),
                ] {
                    assert!(less <= more + slack, "case {case}, without {place}: {less} after {more}");
                }
                before = now;
            }
        }
    }

    #[test]
    fn other_sizes_are_refused_and_what_was_timed_is_a_time() {
        let times = EdgeTimes::measure(&config(darts::FULL), &WORK, Duration::ZERO);
        assert!(times.beyond_cheapest(&config(darts::FULL), &Workload { height: 16, ..WORK }, Policy::Keep).is_err());
        for t in &times.timed {
            for p in t.alone.iter().filter(|p| **p != Passes::default()).chain([&t.together]) {
                assert!(
                    p.forward > p.again
                        && p.again >= 0.0
                        && p.mixing > 0.0
                        && p.backward > 0.0
                        && p.backward_with_weights > 0.0,
                    "{t:?}"
                );
            }
        }
        assert_eq!(times.images, 6);
        assert!(times.unrest >= 1.0);
    }
}
