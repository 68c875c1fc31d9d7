//! The embedded data set, splits, augmentation and the loader, through the public interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use zonas::data::{
    Augment, Batch, DataError, Dataset, Kind, Loader, OpenOptions, Plan, Shares, Split, Summary, halves, limited, open,
    scoring_batch,
};
use zonas::random::{shuffle, stream_at};

fn embedded() -> Arc<dyn Dataset> {
    open("embedded", &OpenOptions::default()).unwrap()
}

/// Pictures of any shape whose pixel (y, x, c) of picture i is a known number.
struct Made {
    summary: Summary,
    labels: Vec<usize>,
    /// Picture that cannot be read.
    broken: Option<usize>,
    reads: AtomicUsize,
}

impl Made {
    fn new(labels: Vec<usize>, [height, width, channels]: [usize; 3]) -> Self {
        let classes = labels.iter().max().unwrap() + 1;
        let summary = Summary {
            name: "made".into(),
            kind: Kind::Idx,
            location: "here".into(),
            height,
            width,
            channels,
            class_names: (0..classes).map(|class| class.to_string()).collect(),
            train: labels.len(),
            test: labels.len(),
            // Normalised values are then the pixel values.
            mean: vec![0.0; channels],
            std: vec![1.0 / 255.0; channels],
            note: String::new(),
            found: Default::default(),
        };
        Made { summary, labels, broken: None, reads: AtomicUsize::new(0) }
    }

    fn pixel(&self, index: usize, y: usize, x: usize, c: usize) -> u8 {
        (1 + (index * 7 + y * self.summary.width * 3 + x * 3 + c) % 255) as u8
    }
}

impl Dataset for Made {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.broken == Some(index) {
            return Err(DataError::OutOfRange { split, index, len: 0 });
        }
        out.clear();
        for y in 0..self.summary.height {
            for x in 0..self.summary.width {
                out.extend((0..self.summary.channels).map(|c| self.pixel(index, y, x, c)));
            }
        }
        Ok(())
    }

    fn label(&self, _: Split, index: usize) -> usize {
        self.labels[index]
    }

    fn fingerprint(&self) -> String {
        String::new()
    }
}

fn all(plan: Plan, data: &Arc<dyn Dataset>) -> Vec<Batch> {
    Loader::new(data.clone(), plan).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn embedded_is_the_fashion_mnist_subset() {
    let data = embedded();
    let about = data.summary();
    assert_eq!([about.train, about.test, about.height, about.width, about.channels], [5000, 1000, 28, 28, 1]);
    assert_eq!(about.class_names[9], "Ankle boot");
    for (split, each) in [(Split::Train, 500), (Split::Test, 100)] {
        let mut counts = [0; 10];
        (0..data.len(split)).for_each(|index| counts[data.label(split, index)] += 1);
        assert_eq!(counts, [each; 10]);
    }
    // The first training picture of Fashion-MNIST is an ankle boot whose pixels add up to this.
    let mut pixels = Vec::new();
    data.pixels(Split::Train, 0, &mut pixels).unwrap();
    assert_eq!(
        (pixels.len(), pixels.iter().map(|&p| u32::from(p)).sum::<u32>(), data.label(Split::Train, 0)),
        (784, 76247, 9)
    );
    assert!(matches!(data.pixels(Split::Test, 1000, &mut pixels), Err(DataError::OutOfRange { .. })));
    assert_eq!(
        about.to_string(),
        "Fashion-MNIST subset (embedded): 5000 training and 1000 test pictures of 28x28, grey, 10 classes"
    );
    assert_eq!(data.fingerprint(), embedded().fingerprint());

    // Normalised, the training pixels have about mean 0 and deviation 1.
    let batches = all(Plan::evaluation(Split::Train, (0..5000).collect(), 500), &data);
    let values = || batches.iter().flat_map(|batch| batch.images.iter().map(|&v| f64::from(v)));
    let mean = values().sum::<f64>() / (5000.0 * 784.0);
    let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / (5000.0 * 784.0)).sqrt();
    assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02, "{mean} {deviation}");
}

fn shares(weights: f64, alphas: f64) -> Shares {
    Shares { weights, alphas }
}

#[test]
fn shares_of_both_levels_are_drawn_class_by_class() {
    let data = embedded();
    let per_class = |indices: &[u32]| {
        let mut counts = [0; 10];
        indices.iter().for_each(|&index| counts[data.label(Split::Train, index as usize)] += 1);
        counts
    };
    let parts = halves(&*data, 3, 0, shares(0.1, 0.02)).unwrap();
    assert_eq!((per_class(&parts.weights), per_class(&parts.alphas)), ([50; 10], [10; 10]));
    assert!(parts.alphas.iter().all(|index| parts.weights.binary_search(index).is_err()));
    assert_eq!(halves(&*data, 3, 0, shares(0.1, 0.02)).unwrap(), parts);
    assert_ne!(halves(&*data, 4, 0, shares(0.1, 0.02)).unwrap().alphas, parts.alphas);
    // What the alphas get does not change what the weights get; all that is left is the default.
    let all = halves(&*data, 3, 0, shares(0.1, 0.0)).unwrap();
    assert_eq!((&all.weights, all.alphas.len()), (&parts.weights, 4500));
    assert_eq!(halves(&*data, 3, 0, shares(0.1, 0.9)).unwrap(), all);
    // A share that is no whole number of each class's pictures: one more or less.
    let parts = halves(&*data, 3, 0, shares(0.1, 0.025)).unwrap();
    assert_eq!(parts.alphas.len(), 125);
    assert!(per_class(&parts.alphas).iter().all(|n| (12..=13).contains(n)));
    // How many each gets is known without drawing.
    for (weights, alphas, limit) in [(0.1, 0.02, 0), (0.1, 0.025, 0), (0.1, 0.0, 0), (0.37, 0.41, 77), (0.5, 0.0, 301)]
    {
        let parts = halves(&*data, 3, limit, shares(weights, alphas)).unwrap();
        let counts = shares(weights, alphas).counts(if limit == 0 { 5000 } else { limit });
        assert_eq!(counts, [parts.weights.len(), parts.alphas.len()], "{weights} {alphas} {limit}");
    }
    for (weights, alphas) in [(0.5, 0.6), (0.5, -0.1), (0.5, f64::NAN), (0.9999, 0.0001 / 10.0)] {
        let refused = halves(&*data, 3, 0, shares(weights, alphas)).unwrap_err();
        assert!(matches!(refused, DataError::Setting { name: "search.alphas_share", .. }), "{refused}");
    }
}

#[test]
fn halves_share_every_class_and_limit_is_even() {
    let data = embedded();
    let parts = halves(&*data, 3, 0, shares(0.5, 0.0)).unwrap();
    assert_eq!([parts.weights.len(), parts.alphas.len()], [2500, 2500]);
    let mut together: Vec<u32> = parts.weights.iter().chain(&parts.alphas).copied().collect();
    together.sort_unstable();
    assert!(together.iter().copied().eq(0..5000));
    let per_class = |indices: &[u32]| {
        let mut counts = [0; 10];
        indices.iter().for_each(|&index| counts[data.label(Split::Train, index as usize)] += 1);
        counts
    };
    assert_eq!(per_class(&parts.weights), [250; 10]);
    assert_eq!(halves(&*data, 3, 0, shares(0.5, 0.0)).unwrap(), parts);
    assert_ne!(halves(&*data, 4, 0, shares(0.5, 0.0)).unwrap(), parts);

    let few = limited(&*data, 3, 105);
    assert_eq!(few.len(), 105);
    assert!(per_class(&few).iter().all(|&count| count == 10 || count == 11));
    let parts = halves(&*data, 3, 100, shares(0.8, 0.0)).unwrap();
    assert_eq!(per_class(&parts.weights), [8; 10]);
    assert_eq!(per_class(&parts.alphas), [2; 10]);
    for share in [0.0, 1.0, -1.0, f64::NAN] {
        assert!(matches!(
            halves(&*data, 3, 0, shares(share, 0.0)),
            Err(DataError::Setting { name: "search.train_share", .. })
        ));
    }
    assert!(matches!(halves(&*data, 3, 1, shares(0.5, 0.0)), Err(DataError::Setting { .. })));
}

#[test]
fn a_rare_class_reaches_both_halves() {
    let labels = (0..1010).map(|index| usize::from(index >= 1000)).collect();
    let data = Made::new(labels, [1, 1, 1]);
    let parts = halves(&data, 1, 0, shares(0.5, 0.0)).unwrap();
    let rare = |indices: &[u32]| indices.iter().filter(|&&index| index >= 1000).count();
    assert_eq!([rare(&parts.weights), rare(&parts.alphas)], [5, 5]);
}

/// What augmentation did to a picture must be one of the things it may do, and all of those must occur.
#[test]
fn crop_flip_and_cutout_are_what_they_say() {
    let (height, width, padding) = (5, 4, 2);
    let made = Made::new(vec![0; 400], [height, width, 3]);
    let value = |index: usize, y: isize, x: isize, c: usize| {
        let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        if inside { f32::from(made.pixel(index, y as usize, x as usize, c)) } else { 0.0 }
    };
    let data: Arc<dyn Dataset> = Arc::new(Made::new(vec![0; 400], [height, width, 3]));
    let plan = |augment| Plan { shuffle: false, ..Plan::training((0..400).collect(), 400, augment, 5, "test", 1) };
    let at = |batch: &Batch, index: usize, y: usize, x: usize, c: usize| {
        batch.images[((index * height + y) * width + x) * 3 + c]
    };

    let batch = &all(plan(Augment { crop_padding: padding, flip: true, cutout: 0 }), &data)[0];
    let mut seen = std::collections::BTreeMap::new();
    for index in 0..400 {
        let p = padding as isize;
        let fits = |dy: isize, dx: isize, flip: bool| {
            (0..height).all(|y| {
                (0..width).all(|x| {
                    let from = if flip { width - 1 - x } else { x } as isize;
                    (0..3)
                        .all(|c| (at(batch, index, y, x, c) - value(index, y as isize + dy, from + dx, c)).abs() < 1e-3)
                })
            })
        };
        let mut ways = (-p..=p).flat_map(|dy| (-p..=p).flat_map(move |dx| [(dy, dx, false), (dy, dx, true)]));
        let way = ways.find(|&(dy, dx, flip)| fits(dy, dx, flip)).expect("neither crop nor flip explains the picture");
        *seen.entry(way).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 50, "every offset, flipped and not, occurs: {seen:?}");

    // Cutout 2: a square of 2, or what of it is inside; centres reach every pixel.
    let batch = &all(plan(Augment { crop_padding: 0, flip: false, cutout: 2 }), &data)[0];
    let mut blanked = vec![0; height * width];
    for index in 0..400 {
        let blank: Vec<(usize, usize)> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (y, x)))
            .filter(|&(y, x)| (0..3).all(|c| at(batch, index, y, x, c) == 0.0))
            .collect();
        let (last, first) = (blank[blank.len() - 1], blank[0]);
        assert_eq!(blank.len(), (last.0 - first.0 + 1) * (last.1 - first.1 + 1));
        assert!(last.0 - first.0 < 2 && last.1 - first.1 < 2);
        blank.iter().for_each(|&(y, x)| blanked[y * width + x] += 1);
    }
    assert!(blanked.iter().all(|&count| count > 0), "{blanked:?}");
    let too_much = Augment { crop_padding: 4, ..Augment::NONE };
    assert!(matches!(Loader::new(data, plan(too_much)), Err(DataError::Setting { name: "crop_padding", .. })));
}

#[test]
fn an_epoch_is_the_same_from_any_batch_and_with_any_prefetch() {
    let data = embedded();
    let augment = Augment { crop_padding: 4, flip: true, cutout: 8 };
    let plan = |epoch| Plan::training((100..400).collect(), 32, augment, 9, "weights", epoch);
    let whole = all(plan(2), &data);
    assert_eq!(whole.len(), 9);
    assert_eq!(whole[0].shape(), [32, 28, 28, 1]);
    assert_eq!(whole[0].images.len(), 32 * 784);
    assert_ne!(whole, all(plan(3), &data));
    let rest = all(Plan { start_batch: 4, prefetch: 0, ..plan(2) }, &data);
    assert_eq!(rest, whole[4..]);
    assert!(all(Plan { start_batch: 9, ..plan(2) }, &data).is_empty());

    let mut labels: Vec<u32> = whole.iter().flat_map(|batch| batch.labels.clone()).collect();
    let kept = all(Plan { drop_last: false, ..plan(2) }, &data);
    assert_eq!((kept.len(), kept[9].count), (10, 300 - 9 * 32));
    labels.extend(&kept[9].labels);
    let mut expected: Vec<u32> = (100..400).map(|index| data.label(Split::Train, index) as u32).collect();
    labels.sort_unstable();
    expected.sort_unstable();
    assert_eq!(labels, expected);
}

#[test]
fn a_cycle_fills_every_batch_and_takes_each_picture_equally_often() {
    // The only pixel of picture i is 1 + 7i, so pictures can be told from their images.
    let data: Arc<dyn Dataset> = Arc::new(Made::new(vec![0; 10], [1, 1, 1]));
    let plan = Plan { batches: Some(5), ..Plan::training((0..10).collect(), 4, Augment::NONE, 1, "alphas", 0) };
    let batches = all(plan.clone(), &data);
    let pictures: Vec<usize> =
        batches.iter().flat_map(|batch| batch.images.iter().map(|&v| (v.round() as usize - 1) / 7)).collect();
    assert_eq!(pictures.len(), 20);
    for pass in pictures.chunks(10) {
        let mut pass = pass.to_vec();
        pass.sort_unstable();
        assert!(pass.into_iter().eq(0..10));
    }
    assert_ne!(pictures[..10], pictures[10..], "each pass has its own order");
    assert_eq!(all(Plan { start_batch: 3, ..plan }, &data), batches[3..]);
}

#[test]
fn scoring_batches_depend_on_seed_and_draw_alone() {
    let data = embedded();
    let indices: Vec<u32> = (0..5000).collect();
    let augment = Augment { crop_padding: 4, flip: true, cutout: 0 };
    let draw = |seed, draw| scoring_batch(&*data, &indices, 32, augment, seed, draw).unwrap().batch;
    assert_eq!(draw(1, 0), draw(1, 0));
    assert_ne!(draw(1, 0), draw(1, 1));
    assert_ne!(draw(1, 0), draw(2, 0));
    assert_eq!(draw(1, 0).count, 32);
    let error = scoring_batch(&*data, &indices[..31], 32, augment, 1, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "scoring: 31 pictures are fewer than a batch of 32; make it smaller (score.batch) or take more pictures"
    );
}

/// Without equal pictures, a scoring batch is the first of the shuffled pictures, as any loader makes them.
#[test]
fn scoring_batches_are_the_first_of_a_shuffle() {
    let data = embedded();
    let augment = Augment { crop_padding: 4, flip: true, cutout: 0 };
    let mut order: Vec<u32> = (0..5000).collect();
    shuffle(&mut stream_at(3, "proxy/pictures", [2, 0]), &mut order);
    let plan = Plan { shuffle: false, ..Plan::training(order[..64].to_vec(), 64, augment, 3, "proxy", 2) };
    let expected = all(plan, &data).pop().unwrap();
    let indices: Vec<u32> = (0..5000).collect();
    let made = scoring_batch(&*data, &indices, 64, augment, 3, 2).unwrap();
    assert_eq!((made.equal, made.short), (0, false));
    assert_eq!(made.batch, expected);
}

#[test]
fn scoring_batches_hold_no_two_equal_pictures() {
    // Pixel (0, 0) of picture i is 1 + 7i modulo 255, so picture 255 + i is picture i again.
    let mut made = Made::new(vec![0; 510], [2, 2, 1]);
    let indices: Vec<u32> = (0..510).collect();
    let bits = |batch: &Batch| -> Vec<Vec<u32>> {
        batch.images.chunks(4).map(|picture| picture.iter().map(|v| v.to_bits()).collect()).collect()
    };
    let different = |batch: &Batch| bits(batch).into_iter().collect::<std::collections::BTreeSet<_>>().len();
    let score = |made: &Made, size, draw| scoring_batch(made, &indices, size, Augment::NONE, 5, draw).unwrap();
    let mut passed_over = 0;
    for draw in 0..4 {
        let drawn = score(&made, 100, draw);
        assert_eq!((drawn.batch.count, drawn.batch.labels.len(), drawn.short), (100, 100, false));
        assert_eq!(different(&drawn.batch), 100);
        assert!(drawn.equal > 0 && drawn.equal < 410, "{}", drawn.equal);
        passed_over += drawn.equal;
        // What is there stands in the order of the shuffle: a smaller batch is the beginning of a larger one.
        assert_eq!(score(&made, 50, draw).batch.images[..], drawn.batch.images[..50 * 4]);
    }
    // By chance some 12 of the first 112: as many as there are, no more.
    assert!((20..100).contains(&passed_over), "{passed_over}");
    let drawn = score(&made, 300, 0);
    assert_eq!((drawn.batch.count, drawn.equal, drawn.short), (255, 255, true));
    assert_eq!(different(&drawn.batch), 255);

    // The augmentation decides: cut out whole, all pictures are one.
    let blank = Augment { cutout: 8, ..Augment::NONE };
    let drawn = scoring_batch(&made, &indices, 16, blank, 5, 0).unwrap();
    assert_eq!((drawn.batch.shape(), drawn.equal, drawn.short), ([1, 2, 2, 1], 509, true));
    // And one that cannot be read is an error as before, not passed over.
    made.broken = Some(37);
    assert!(scoring_batch(&made, &indices, 300, Augment::NONE, 5, 0).is_err());
}

#[test]
fn errors_come_through_and_end_the_epoch() {
    let mut made = Made::new(vec![0; 100], [2, 2, 1]);
    made.broken = Some(37);
    let data: Arc<dyn Dataset> = Arc::new(made);
    let plan = Plan::evaluation(Split::Train, (0..100).collect(), 10);
    let results: Vec<_> = Loader::new(data.clone(), plan.clone()).unwrap().collect();
    assert_eq!(results.len(), 4);
    assert!(results[..3].iter().all(Result::is_ok));
    assert!(matches!(results[3], Err(DataError::OutOfRange { index: 37, .. })));

    let refuse = |plan| Loader::new(data.clone(), plan).err().expect("refused");
    assert!(matches!(refuse(Plan { indices: vec![100], ..plan.clone() }), DataError::OutOfRange { index: 100, .. }));
    assert!(matches!(refuse(Plan { batch: 0, ..plan.clone() }), DataError::Setting { name: "batch", .. }));
    assert!(matches!(refuse(Plan { indices: vec![], ..plan.clone() }), DataError::TooFew { have: 0, .. }));
    assert!(matches!(
        refuse(Plan { batch: 101, drop_last: true, ..plan }),
        DataError::TooFew { have: 100, need: 101, .. }
    ));
}

#[test]
fn dropping_a_loader_stops_it_and_a_panic_is_an_error() {
    let made = Arc::new(Made::new(vec![0; 10_000], [8, 8, 3]));
    let data: Arc<dyn Dataset> = made.clone();
    let mut loader = Loader::new(data, Plan::evaluation(Split::Train, (0..10_000).collect(), 10)).unwrap();
    loader.next().unwrap().unwrap();
    drop(loader);
    // One taken, two ahead, one in the making, and with the thread joined nobody reads on.
    let reads = made.reads.load(Ordering::SeqCst);
    assert!(reads <= 50, "{reads} pictures were read");
    assert_eq!(Arc::strong_count(&made), 1, "the thread is gone");

    struct Bad(Made);
    impl Dataset for Bad {
        fn summary(&self) -> &Summary {
            self.0.summary()
        }
        fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
            assert!(index < 4, "a bug in a reader");
            self.0.pixels(split, index, out)
        }
        fn label(&self, split: Split, index: usize) -> usize {
            self.0.label(split, index)
        }
        fn fingerprint(&self) -> String {
            String::new()
        }
    }
    let bad = Arc::new(Bad(Made::new(vec![0; 8], [1, 1, 1])));
    let results: Vec<_> = Loader::new(bad, Plan::evaluation(Split::Train, (0..8).collect(), 2)).unwrap().collect();
    assert_eq!(results.len(), 3);
    assert!(matches!(results[2], Err(DataError::Worker { .. })));
}

/// A set whose pictures are made while they are used, by several threads.
struct Slow(Made);

impl Dataset for Slow {
    fn summary(&self) -> &Summary {
        self.0.summary()
    }

    fn pixels(&self, split: Split, index: usize, out: &mut Vec<u8>) -> Result<(), DataError> {
        // Some take longer than those behind them.
        std::thread::sleep(std::time::Duration::from_micros((index as u64 * 37) % 400));
        self.0.pixels(split, index, out)
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.0.label(split, index)
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }
}

#[test]
fn pictures_that_several_threads_decode_come_as_from_one() {
    let made = || Made::new((0..300).map(|index| index % 3).collect(), [6, 5, 3]);
    let augment = Augment { crop_padding: 2, flip: true, cutout: 2 };
    let quick: Arc<dyn Dataset> = Arc::new(made());
    let slow: Arc<dyn Dataset> = Arc::new(Slow(made()));
    let plan = Plan { batches: Some(9), ..Plan::training((10..300).collect(), 64, augment, 9, "weights", 3) };
    assert_eq!(all(plan.clone(), &slow), all(plan.clone(), &quick));
    // Taken up in the middle, too.
    let later = Plan { start_batch: 5, ..plan.clone() };
    assert_eq!(all(later, &slow), all(plan, &quick)[5..]);
    let plan = Plan::evaluation(Split::Test, (0..100).collect(), 30);
    assert_eq!(all(plan.clone(), &slow), all(plan.clone(), &quick));

    // The first error in the order of the pictures, and nothing behind it.
    let slow: Arc<dyn Dataset> = Arc::new(Slow(Made { broken: Some(37), ..made() }));
    let results: Vec<_> = Loader::new(slow, plan).unwrap().collect();
    assert!(results.len() == 2 && results[0].is_ok());
    assert!(matches!(results[1], Err(DataError::OutOfRange { index: 37, .. })));
    let made = Arc::new(Slow(Made::new(vec![0; 10_000], [8, 8, 3])));
    let data: Arc<dyn Dataset> = made.clone();
    let mut loader = Loader::new(data, Plan::evaluation(Split::Train, (0..10_000).collect(), 10)).unwrap();
    loader.next().unwrap().unwrap();
    drop(loader);
    let reads = made.0.reads.load(Ordering::SeqCst);
    assert!(reads <= 50, "{reads} pictures were read");
}

#[test]
fn mean_and_deviation_may_be_given_by_hand() {
    let given = |mean: &[f32], deviation: &[f32]| {
        let options = OpenOptions { mean: mean.into(), deviation: deviation.into(), ..OpenOptions::default() };
        open("embedded", &options)
    };
    let own = embedded();
    let set = given(&[0.5], &[0.25]).unwrap();
    assert_eq!((set.summary().mean.as_slice(), set.summary().std.as_slice()), (&[0.5][..], &[0.25][..]));
    assert!(set.summary().found.normalisation.contains("given by hand"));
    assert_eq!(set.fingerprint(), own.fingerprint());
    let plan = Plan::evaluation(Split::Train, vec![3], 1);
    let mut pixels = Vec::new();
    own.pixels(Split::Train, 3, &mut pixels).unwrap();
    let expected: Vec<f32> = pixels.iter().map(|v| ((f64::from(*v) / 255.0 - 0.5) / 0.25) as f32).collect();
    assert_eq!(all(plan, &set)[0].images, expected);
    // One of the two alone.
    let half = given(&[], &[0.25]).unwrap();
    assert_eq!((&half.summary().mean, half.summary().std[0]), (&own.summary().mean, 0.25));
    for (mean, deviation, name) in [
        (&[0.5, 0.5, 0.5][..], &[0.25][..], "data.mean"),
        (&[0.5], &[0.25, 0.1], "data.deviation"),
        (&[0.5], &[0.0], "data.deviation"),
        (&[f32::NAN], &[0.25], "data.mean"),
    ] {
        let refused = given(mean, deviation).err().unwrap().to_string();
        assert!(refused.starts_with(name) && refused.contains("grey, with 1 channel"), "{refused}");
    }
}
