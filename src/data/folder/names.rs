//! Which folder is the training part of a set and which the test part, by the names that people give them.

use std::ffi::OsStr;

/// What a folder of a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Train,
    Test,
    /// Taken for the test part where there is no better one.
    Validation,
}

const TRAIN: [&str; 5] = ["train", "training", "trn", "trainval", "trains"];
const TEST: [&str; 4] = ["test", "testing", "tests", "tst"];
const VALIDATION: [&str; 12] = [
    "val",
    "valid",
    "validate",
    "validation",
    "validating",
    "vali",
    "dev",
    "devel",
    "development",
    "eval",
    "evaluate",
    "evaluation",
];
/// Words around those that mean nothing more.
const NOISE: [&str; 20] = [
    "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "picture", "pictures", "photo",
    "photos", "pic", "pics", "split", "seg", "part", "samples", "folder",
];

fn word(text: &str) -> Option<Role> {
    let text = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let find = |text: &str| match text {
        _ if TRAIN.contains(&text) => Some(Role::Train),
        _ if TEST.contains(&text) => Some(Role::Test),
        _ if VALIDATION.contains(&text) => Some(Role::Validation),
        _ => None,
    };
    // `trainset`, `TestImages`: glued together.
    let glued = |noise: &str| text.strip_suffix(noise).or_else(|| text.strip_prefix(noise)).and_then(find);
    find(text).or_else(|| NOISE.iter().find_map(|noise| glued(noise)))
}

/// What a folder is for, if its name says so; and what else the name says (`flowers` of `flowers-train`, mostly nothing).
pub(super) fn role(name: &OsStr) -> Option<(Role, String)> {
    let name = name.to_str()?.to_lowercase();
    let mut role = None;
    let mut rest = Vec::new();
    for token in name.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()) {
        match word(token) {
            Some(_) if role.is_some() => return None,
            Some(found) => role = Some(found),
            None if NOISE.contains(&token) || token.bytes().all(|b| b.is_ascii_digit()) => {}
            None => rest.push(token),
        }
    }
    Some((role?, rest.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_of_splits() {
        use Role::{Test, Train, Validation};
        for (names, wanted) in [
            ("train Train TRAIN training Training_Set training_set train-set trainset train_images", Train),
            ("TrainImages seg_train images_train train2017 train_data Training-Data trainval", Train),
            ("test Testing test_set test_images TEST testset seg_test imgs-test TestData", Test),
            ("val Val valid VALID validate validation dev eval val2017 validation_set dev-set Evaluation", Validation),
        ] {
            for name in names.split(' ') {
                assert_eq!(role(OsStr::new(name)), Some((wanted, String::new())), "{name}");
            }
        }
        assert_eq!(role(OsStr::new("flowers-Train")), Some((Train, "flowers".into())));
        for name in ["cat", "images", "training test", "trained", "contest", "latest", "device", "values", "", "1"] {
            assert_eq!(role(OsStr::new(name)), None, "{name}");
        }
        assert_eq!(role(OsStr::new("test tube")), Some((Test, "tube".into())));
    }
}
