//! Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747; MIT licence, see `assets/fashion-mnist-mini`): the
//! first 500 training and the first 100 test pictures of each class, so that everything runs with nothing to download.

use flate2::read::MultiGzDecoder;

use super::found::Found;
use super::idx;
use super::memory::{Description, InMemory, Pictures};
use super::source::Source;
use super::{DataError, Kind, Place, fashion_mnist};

macro_rules! asset {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fashion-mnist-mini/", $name))
    };
}

const TRAIN: [&[u8]; 2] = [asset!("train-images-idx3-ubyte.gz"), asset!("train-labels-idx1-ubyte.gz")];
const TEST: [&[u8]; 2] = [asset!("t10k-images-idx3-ubyte.gz"), asset!("t10k-labels-idx1-ubyte.gz")];

pub(super) fn open() -> Result<InMemory, DataError> {
    let about = Description {
        name: "Fashion-MNIST subset (embedded)".into(),
        kind: Kind::Embedded,
        location: "the program".into(),
        height: fashion_mnist::SIDE,
        width: fashion_mnist::SIDE,
        channels: 1,
        class_names: fashion_mnist::class_names(),
        normalisation: Some(fashion_mnist::normalisation()),
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
