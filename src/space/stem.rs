//! What stands before the cells of a network: how pictures become the maps that the first cell reads.

use super::Stacking;
use crate::words::words;

/// The published stems.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stem {
    /// One 3x3 convolution and norm on maps of the pictures' size, for small pictures.
    #[default]
    Cifar,
    /// DARTS on ImageNet (`NetworkImageNet`): three 3x3 convolutions of stride 2 with norms, so that cells work on an eighth
    /// of the height and width. The first cell reads the maps behind the second and the third.
    ImageNet,
}

words!(Stem);

/// Pictures of so many pixels a side are large.
const LARGE: usize = 128;

impl Stem {
    pub const ALL: [Stem; 2] = [Stem::Cifar, Stem::ImageNet];

    pub const fn name(self) -> &'static str {
        match self {
            Stem::Cifar => "cifar",
            Stem::ImageNet => "imagenet",
        }
    }

    /// Whether networks of this kind are published with it.
    pub const fn suits(self, stacking: Stacking) -> bool {
        matches!((self, stacking), (Stem::Cifar, _) | (_, Stacking::Darts))
    }

    /// The one for pictures of this size: where a network of DARTS' kind reads large ones, that of ImageNet.
    pub const fn automatic(stacking: Stacking, height: usize, width: usize) -> Stem {
        if height >= LARGE && width >= LARGE && Stem::ImageNet.suits(stacking) { Stem::ImageNet } else { Stem::Cifar }
    }

    /// Maps that it gives; two are of different sizes, the larger first.
    pub const fn maps(self) -> usize {
        match self {
            Stem::Cifar => 1,
            Stem::ImageNet => 2,
        }
    }

    /// Channels that cells behind it need: it, and the projection behind it, make half of their outputs at a time.
    pub const fn least_channels(self) -> usize {
        match self {
            Stem::Cifar => 1,
            Stem::ImageNet => 2,
        }
    }

    /// Heights and widths of the maps that the first cell reads, the older first. At odd sizes they are rounded up, as
    /// convolutions have it.
    pub const fn sizes(self, (height, width): (usize, usize)) -> [(usize, usize); 2] {
        match self {
            Stem::Cifar => [(height, width); 2],
            Stem::ImageNet => {
                let older = (height.div_ceil(4), width.div_ceil(4));
                [older, (older.0.div_ceil(2), older.1.div_ceil(2))]
            }
        }
    }

    /// What published code calls the evaluation network behind it.
    pub const fn network(self, stacking: Stacking) -> &'static str {
        match self {
            Stem::Cifar => stacking.network(),
            Stem::ImageNet => "NetworkImageNet",
        }
    }

    /// Stride of the 5x5 averages of the auxiliary head that is published with it.
    pub const fn auxiliary_stride(self) -> usize {
        match self {
            Stem::Cifar => 3,
            Stem::ImageNet => 2,
        }
    }

    /// Least and greatest side of a map that the auxiliary head averages to 2x2.
    pub const fn auxiliary_sides(self) -> [usize; 2] {
        let stride = self.auxiliary_stride();
        [5 + stride, 4 + 2 * stride]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_of_darts_have_that_of_imagenet() {
        let (darts, other) = (Stacking::Darts, Stacking::NasBench201);
        assert_eq!(Stem::automatic(darts, 224, 224), Stem::ImageNet);
        assert_eq!(Stem::automatic(darts, 128, 128), Stem::ImageNet);
        assert_eq!(Stem::automatic(darts, 127, 224), Stem::Cifar);
        assert_eq!(Stem::automatic(other, 224, 224), Stem::Cifar);
        assert!(!Stem::ImageNet.suits(other) && Stem::ImageNet.suits(darts) && Stem::Cifar.suits(other));
    }

    #[test]
    fn sizes_are_those_of_convolutions_of_stride_two() {
        assert_eq!(Stem::Cifar.sizes((32, 30)), [(32, 30); 2]);
        assert_eq!(Stem::ImageNet.sizes((224, 224)), [(56, 56), (28, 28)]);
        // 17 → 9 → 5 → 3, 1 → 1.
        assert_eq!(Stem::ImageNet.sizes((17, 1)), [(5, 1), (3, 1)]);
        assert_eq!([Stem::Cifar, Stem::ImageNet].map(Stem::auxiliary_sides), [[8, 10], [7, 8]]);
    }
}
