//! Scoring stays within its prediction, held by counting bytes: the large blocks that the program's allocator hands out. In a
//! process of its own with one test, so that nobody else allocates meanwhile.

use candle_core::{DType, Device, Tensor};
use zonas::device::{pages, reset_peak};
use zonas::engine::score::cells::Sampler;
use zonas::engine::score::{Evaluator, NetworkEvaluator, Proxy};
use zonas::engine::scoring_memory::Scoring;
use zonas::nn::NnError;
use zonas::proxies::{self, Draw};
use zonas::run::config::Estimator;
use zonas::space::CellKind::{Normal, Reduction};
use zonas::space::{CellKind, Place, Stem, darts};

#[global_allocator]
static ALLOCATOR: zonas::device::KeptPages = zonas::device::KeptPages;

const THREADS: usize = 2;
const SIDE: usize = 16;

/// Predicted and measured bytes of the first networks of a round.
fn both(
    functions: &[&'static str],
    channels: usize,
    cells: &[CellKind],
    batch: usize,
    budget: Option<u64>,
    estimator: Estimator,
) -> (u64, u64) {
    let space = darts::NO_NONE;
    let scoring = Scoring {
        functions,
        channels,
        cells,
        batch,
        classes: 10,
        input_channels: 3,
        height: SIDE,
        width: SIDE,
        space,
        threads: THREADS,
        estimator,
        stem: Stem::Cifar,
    };
    let room = scoring.within(budget).unwrap();
    let made = functions.iter().map(|n| proxies::by_name(n).unwrap()).collect();
    let proxy = Proxy { channels, layout: cells.to_vec(), classes: 10, input_channels: 3, stem: Stem::Cifar };
    reset_peak();
    let before = pages().live_bytes;
    let draw = |n| -> Result<Draw, NnError> {
        let images = Tensor::randn(0f32, 1.0, (batch, SIDE, SIDE, 3), &Device::Cpu)?;
        Draw::new(images, Tensor::zeros(batch, DType::U32, &Device::Cpu)?, 1, n)
    };
    let mut evaluator = NetworkEvaluator::new(proxy, made, 1, room.side_by_side, draw).sharing(room.sharing);
    if estimator == Estimator::Cells {
        evaluator.open(0).unwrap();
        let sampler = Sampler::of(&space, 1);
        let masks: Vec<_> = (0..7).map(|i| sampler.mask(0, i)).chain([sampler.heaviest()]).collect();
        for chunk in masks.chunks(room.side_by_side) {
            evaluator.cells(chunk).unwrap();
        }
        return (room.bytes, (pages().peak_bytes - before) as u64);
    }
    evaluator.baseline(&space, 0).unwrap();
    // Of both kinds: an early edge and a late one.
    let places: Vec<Place> = space.places().collect();
    for chunk in [&places[..2], &places[places.len() - 2..]].concat().chunks(room.side_by_side) {
        evaluator.without(chunk).unwrap();
    }
    (room.bytes, (pages().peak_bytes - before) as u64)
}

/// Functions, channels, cells, batch, budget.
type Case<'a> = (&'a [&'static str], usize, &'a [CellKind], usize, Option<u64>);

/// Of sampled cells.
const SAMPLED: [&[&str]; 16] = [
    &["naswot", "logsynflow", "mean_jacobian"],
    &["mean_jacobian"],
    &["az_trainability", "az_expressivity", "az_progressivity"],
    &["naswot"],
    &["logsynflow"],
    &["zico"],
    &["snip", "ntk_condition"],
    &["gradsign", "vkdnw"],
    &["jacob_cov", "epe_nas"],
    &["fisher"],
    &["grasp", "naswot"],
    &["epsinas"],
    &["synflow_bn"],
    &["swap", "nngp_eigenvalue", "nngp_condition"],
    &["meco", "l2_norm"],
    &["lga", "jacob_cov", "plain", "gradsign"],
];

#[test]
fn scoring_stays_within_its_prediction() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap();
    pool.install(|| {
        let (two, four) = ([Normal, Reduction], [Normal, Reduction, Normal, Reduction]);
        let default: &[&str] = &["naswot", "nngp_frobenius"];
        let mut cases: Vec<Case> = vec![
            (default, 16, &two, 16, None),
            (default, 16, &two, 16, Some(24 << 20)),
            (default, 32, &two, 4, None),
            (default, 8, &four, 32, None),
            (default, 8, &[Reduction; 4], 8, None),
        ];
        for name in ["zen", "relu_regions", "synflow", "snip", "ntk_condition", "fisher", "jacob_cov", "swap", "grasp"] {
            let one: &'static [&'static str] = Box::leak(Box::new([name]));
            cases.push((one, 16, &two, 8, None));
        }
        cases.push((&["naswot", "snip", "synflow", "zen"], 16, &two, 8, None));
        let lone = cases.into_iter().map(|case| (case, Estimator::LeaveOneOut));
        let three = [Normal, Reduction, Normal];
        let sampled = SAMPLED.into_iter().flat_map(|f| [(f, 4, &three[..], 16, None), (f, 32, &three[..], 16, None)]);
        for ((functions, channels, cells, batch, budget), estimator) in
            lone.chain(sampled.map(|case| (case, Estimator::Cells)))
        {
            let (predicted, measured) = both(functions, channels, cells, batch, budget, estimator);
            let ratio = predicted as f64 / measured as f64;
            println!("{estimator}: {functions:?}, {channels} channels, {} cells, batch {batch}, {budget:?}: {predicted} for {measured} bytes, {ratio:.2}", cells.len());
            assert!(budget.is_none_or(|b| measured <= b), "over the budget");
            assert!(measured <= predicted, "too little");
            assert!(ratio < 2.0 || predicted < 16 << 20, "too much");
        }
    });
}
