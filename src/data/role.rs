//! The batch files of CIFAR and ImageNet16-120: what each is, by its name.

use super::Kind;
use super::memory::Pictures;

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub kind: Kind,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Training batch, counted from 0.
    Train(usize),
    Test,
    /// Names of the classes; may be missing.
    Names,
}

/// Content of one file.
pub(super) enum Content {
    Pictures(Pictures),
    Names(Vec<String>),
}

/// What file a name (without folders) stands for.
pub(super) fn role(name: &str) -> Option<Role> {
    use Kind::{Cifar10Binary, Cifar10Python, Cifar100Binary, Cifar100Python, ImageNet16};
    use Part::{Names, Test, Train};
    let numbered = |text: &str, last: usize| text.parse().ok().filter(|number| (1..=last).contains(number));
    let (kind, part) = match name {
        "test_batch.bin" => (Cifar10Binary, Test),
        "batches.meta.txt" => (Cifar10Binary, Names),
        "test_batch" => (Cifar10Python, Test),
        "batches.meta" => (Cifar10Python, Names),
        "train.bin" => (Cifar100Binary, Train(0)),
        "test.bin" => (Cifar100Binary, Test),
        "fine_label_names.txt" => (Cifar100Binary, Names),
        "train" => (Cifar100Python, Train(0)),
        "test" => (Cifar100Python, Test),
        "meta" => (Cifar100Python, Names),
        "val_data" => (ImageNet16, Test),
        _ => {
            if let Some(rest) = name.strip_prefix("train_data_batch_") {
                (ImageNet16, Train(numbered(rest, 10)? - 1))
            } else {
                let rest = name.strip_prefix("data_batch_")?;
                let (kind, number) = match rest.strip_suffix(".bin") {
                    Some(number) => (Cifar10Binary, number),
                    None => (Cifar10Python, rest),
                };
                (kind, Train(numbered(number, 5)? - 1))
            }
        }
    };
    Some(Role { kind, part })
}
