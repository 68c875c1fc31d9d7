//! What is known of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747), wherever it comes from.

use super::statistics::Normalisation;

/// Side of a picture, in pixels.
pub(super) const SIDE: usize = 28;

/// Hash of the first training picture, of the whole set or of the embedded part.
const FIRST_PICTURE: u64 = 0x01fd_f725_9054_1338;

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
