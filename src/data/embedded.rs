//! Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747; MIT licence, see `assets/fashion-mnist-mini`): the
//! first 500 training and the first 100 test pictures of each class, so that everything runs with nothing to download.

use flate2::read::MultiGzDecoder;

use super::found::Found;
use super::idx;
use super::memory::{Description, InMemory, Pictures};
use super::source::Source;
use super::statistics::Normalisation;
use super::{DataError, Kind, Place};

macro_rules! asset {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fashion-mnist-mini/", $name))
    };
}

const TRAIN: [&[u8]; 2] = [asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz")];
const TEST: [&[u8]; 2] = [asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz")];

const SIDE: usize = 28;

/// Hash of the first training picture of Fashion-MNIST, whole or subset.
const FIRST_PICTURE: u64 = 0x01fd_f725_9054_1338;

pub(super) fn open() -> Result<InMemory, DataError> {
    let about = Description {
        name: "Fashion-MNIST subset (embedded)".into(),
        kind: Kind::Embedded,
        location: "the program".into(),
        height: SIDE,
        width: SIDE,
        channels: 1,
        class_names: class_names(),
        normalisation: Some(normalisation()),
        note: String::new(),
        found: Found::default(),
    };
    Ok(InMemory::new(about, read(TRAIN)?, read(TEST)?))
}

fn read([images, labels]: [&'static [u8]; 2]) -> Result<Pictures, DataError> {
    let place = Place::file("the embedded data");
    let open = |packed: &'static [u8]| Source {
        reader: Box::new(MultiGzDecoder::new(packed)),
        gzip: true,
        length: packed.len() as u64,
    };
    Ok(idx::pair((&place, open(images)), (&place, open(labels)))?.0)
}

pub(super) fn class_names() -> Vec<String> {
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
        .map(String::from)
        .to_vec()
}

/// Of the whole training set of 60,000.
pub(super) fn normalisation() -> Normalisation {
    Normalisation { mean: vec![0.2860], std: vec![0.3530] }
}

/// Fashion-MNIST has the file names, sizes and number of classes of MNIST: the first picture tells them apart.
pub(super) fn is_fashion_mnist(train: &[u8], height: usize, width: usize, classes: usize) -> bool {
    let first = train.get(..SIDE * SIDE).map(crate::random::fnv1a);
    (height, width, classes) == (SIDE, SIDE, 10) && first == Some(FIRST_PICTURE)
}
