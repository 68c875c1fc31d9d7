//! Data as people have them: folders under many names, odd files between the pictures, archives of every writer. Each was
//! once read wrongly without a word, or refused without need.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use tempfile::TempDir;
use zonas::data::{Augment, DataError, Dataset, OpenOptions, Split, difference, open, scoring_batch};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(format!("{name}.tar.gz"))
}

/// A case as the folder that it is of.
fn unpacked(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(GzDecoder::new(fs::File::open(case(name)).unwrap())).unpack(folder.path()).unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn attempt(path: &Path, size: Option<u32>) -> Result<Arc<dyn Dataset>, DataError> {
    open(path.to_str().unwrap(), &OpenOptions { size, ..OpenOptions::default() })
}

fn read(path: &Path) -> Arc<dyn Dataset> {
    attempt(path, None).unwrap()
}

#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let error = attempt(path, None).map(|set| set.summary().to_string()).unwrap_err().to_string();
    words.iter().for_each(|word| assert!(error.contains(word), "`{error}` does not say `{word}`"));
}

/// Numbers of training and test pictures, and the classes.
#[track_caller]
fn holds(set: &dyn Dataset, train: usize, test: usize, classes: &[&str]) {
    let about = set.summary();
    assert_eq!((about.train, about.test), (train, test), "{about}");
    assert_eq!(about.class_names, classes, "{about}");
}

#[track_caller]
fn says(set: &dyn Dataset, words: &str) {
    assert!(set.summary().note.contains(words), "`{}` does not say `{words}`", set.summary().note);
}

fn pixels(set: &dyn Dataset, split: Split, index: usize) -> Vec<u8> {
    let mut out = Vec::new();
    set.pixels(split, index, &mut out).unwrap();
    out
}

/// Puts `count` pictures into a folder, which is made.
fn fill(folder: &Path, count: u8) {
    fs::create_dir_all(folder).unwrap();
    for index in 0..count {
        picture(index).save(folder.join(format!("{index}.png"))).unwrap();
    }
}

fn picture(index: u8) -> RgbImage {
    RgbImage::from_pixel(6, 4, Rgb([index, 255 - index, 40]))
}

fn jpeg() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture(3).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const TWO: [&str; 2] = ["cat", "dog"];

#[test]
fn splits_by_the_names_they_have() {
    let (_folder, path) = unpacked("split_training_testing");
    holds(&*read(&path), 12, 4, &TWO);
    for (train, test) in [
        ("Train", "Test"),
        ("TRAIN", "TEST"),
        ("training_set", "test_set"),
        ("train_images", "test_images"),
        ("train", "dev"),
        ("train", "eval"),
        ("train", "validate"),
        ("train", "valid"),
        ("Train", "Val"),
        ("train-set", "validation-set"),
        ("trainset", "testset"),
        ("flowers_train", "flowers_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("set/train", "set/test"),
        ("pictures/set/Training Data", "pictures/set/Test Data"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for class in TWO {
            fill(&folder.path().join(train).join(class), 3);
            fill(&folder.path().join(test).join(class), 1);
        }
        holds(&*read(folder.path()), 6, 2, &TWO);
    }
}

#[test]
fn parts_that_are_not_used_are_named() {
    let (_folder, path) = unpacked("three_splits");
    let set = read(&path);
    holds(&*set, 12, 4, &TWO);
    says(&*set, "`val` is not used, `test` is the test part");

    let (_folder, path) = unpacked("unlabelled_flat_test");
    let set = read(&path);
    holds(&*set, 12, 4, &TWO);
    says(&*set, "`test` is not used: its 3 pictures lie in no folder of a training class");

    // Without `val`, some of the training pictures are held out.
    fs::remove_dir_all(path.join("val")).unwrap();
    fs::create_dir(path.join("annotations")).unwrap();
    let set = read(&path);
    holds(&*set, 10, 2, &TWO);
    says(&*set, "`test` is not used");
    says(&*set, "held out");
    says(&*set, "`annotations` beside the parts is not used");
}

#[test]
fn folders_that_may_be_splits_or_classes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Under names that mean nothing, the same classes in each.
    for part in ["left", "right"] {
        TWO.iter().for_each(|class| fill(&at(part).join(class), 2));
    }
    refused(folder.path(), &["`left` and `right` each hold `cat` and `dog`", "call them `train` and `test`"]);
    fs::rename(at("left"), at("test")).unwrap();
    fs::rename(at("right"), at("dev")).unwrap();
    refused(folder.path(), &["holds `test` and `dev`, but no training part"]);
    fs::rename(at("dev"), at("Training")).unwrap();
    TWO.iter().for_each(|class| fill(&at("train").join(class), 2));
    refused(folder.path(), &["`Training` and `train` could each be the training part"]);
    fs::remove_dir_all(at("Training")).unwrap();
    fs::rename(at("test"), at("val")).unwrap();
    TWO.iter().for_each(|class| fill(&at("eval").join(class), 2));
    refused(folder.path(), &["`eval` and `val` could each be the test part"]);

    // The parts inside the classes.
    let folder = tempfile::tempdir().unwrap();
    for class in TWO {
        ["train", "test"].iter().for_each(|part| fill(&folder.path().join(class).join(part), 2));
    }
    refused(folder.path(), &["each class folder holds `test` and `train`", "train/cat"]);
    // Many classes with the same folders in them are believed, but it is said.
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b", "c", "d"] {
        ["inside", "outside"].iter().for_each(|part| fill(&folder.path().join(class).join(part), 2));
    }
    says(&*read(folder.path()), "each of the 4 class folders holds `inside` and `outside`");

    // A class may be called like a split.
    let folder = tempfile::tempdir().unwrap();
    ["bus", "car", "train"].iter().for_each(|class| fill(&folder.path().join(class), 2));
    holds(&*read(folder.path()), 3, 3, &["bus", "car", "train"]);
    fill(&folder.path().join("test"), 2);
    holds(&*read(folder.path()), 4, 4, &["bus", "car", "test", "train"]);
    // But two splits of pictures without classes are none.
    fs::remove_dir_all(folder.path().join("bus")).unwrap();
    fs::remove_dir_all(folder.path().join("car")).unwrap();
    refused(folder.path(), &["train: pictures that lie directly in it have no class"]);
}

#[test]
fn classes_are_told_apart_by_the_bytes_of_their_names() {
    let (_folder, path) = unpacked("class_names_gbk");
    let set = read(&path);
    holds(&*set, 15, 3, &["cat", "\\xB9\\xB7", "\\xC4\\xF1"]);

    let folder = tempfile::tempdir().unwrap();
    for name in [&b"cat"[..], b"Cat", b"cat ", b"a\nb", b"\xff", b"\xfe"] {
        fill(&folder.path().join(OsStr::from_bytes(name)), 2);
    }
    let set = read(folder.path());
    holds(&*set, 6, 6, &["Cat", "a\\nb", "cat", "cat ", "\\xFE", "\\xFF"]);
    says(&*set, "the classes `Cat` and `cat` differ by capitals or blanks only");
}

#[test]
fn links_are_followed_once_or_refused() {
    let (_folder, path) = unpacked("dangling_class");
    refused(&path, &["c3", "a link to `../elsewhere/x3`, which does not exist"]);

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    TWO.iter().for_each(|class| fill(&at(class), 3));
    symlink("nowhere.png", at("cat/9.png")).unwrap();
    refused(folder.path(), &["cat/9.png", "a link to `nowhere.png`"]);
    fs::remove_file(at("cat/9.png")).unwrap();
    symlink("loop", at("loop")).unwrap();
    refused(folder.path(), &["loop", "cannot be followed"]);
    fs::remove_file(at("loop")).unwrap();
    symlink("cat", at("kitten")).unwrap();
    refused(folder.path(), &["kitten", "the same folder as", "cat"]);
    fs::remove_file(at("kitten")).unwrap();

    // Links to pictures and to a class elsewhere are as good as these.
    let elsewhere = tempfile::tempdir().unwrap();
    fill(elsewhere.path(), 3);
    symlink(elsewhere.path(), at("emu")).unwrap();
    symlink(elsewhere.path().join("2.png"), at("cat/7.png")).unwrap();
    holds(&*read(folder.path()), 7, 3, &["cat", "dog", "emu"]);

    // A lattice: six links on each of seven floors lead to the next, 280,000 ways down.
    for floor in 0..7 {
        fs::create_dir(at(&format!("emu/{floor}"))).unwrap();
    }
    for floor in 0..6 {
        for link in 0..6 {
            symlink(at(&format!("emu/{}", floor + 1)), at(&format!("emu/{floor}/{link}"))).unwrap();
        }
    }
    refused(folder.path(), &["the same folder as"]);
}

#[test]
fn pictures_are_known_by_name_or_by_content() {
    let (_folder, path) = unpacked("jfif_mix");
    holds(&*read(&path), 15, 3, &TWO);
    let (_folder, path) = unpacked("jfif_only");
    holds(&*read(&path), 10, 2, &TWO);

    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fill(&folder.path().join("b"), 6);
    for name in ["a/0.JPEG", "a/1.jpe", "a/2", "a/3.JFIF", "a/4.jpg_large", "a/5.heic"] {
        put(name, &jpeg());
    }
    put("a/.hidden.jpg", b"x");
    put("a/Thumbs.db", b"x");
    put("a/notes.txt", b"x");
    put("a/empty", b"");
    put("a/0.jpg~", &jpeg());
    put("sample.jpg", &jpeg());
    for system in ["@eaDir", "__MACOSX", "lost+found", "a/@eaDir", ".ipynb_checkpoints"] {
        fill(&folder.path().join(system), 1);
    }
    let set = read(folder.path());
    holds(&*set, 10, 2, &["a", "b"]);
    says(&*set, "3 pictures are known by their content only (the first is a/2)");
    let skipped: Vec<(usize, &str)> = set.summary().found.skipped.iter().map(|s| (s.count, s.first.as_str())).collect();
    let total: usize = skipped.iter().map(|(count, _)| count).sum();
    assert_eq!(total, 11, "{:?}", set.summary().found.skipped);
    for (count, first) in [(2, ".ipynb_checkpoints"), (5, "@eaDir"), (2, "a/empty"), (1, "a/0.jpg~"), (1, "sample.jpg")]
    {
        assert!(skipped.contains(&(count, first)), "{count} {first}: {skipped:?}");
    }
    says(&*set, "2 neither PNG, JPEG, WebP nor BMP (the first is a/empty)");

    // What is a picture, but of no format that is read, is refused by name or content.
    put("a/6.gif", b"GIF89a");
    refused(folder.path(), &["a/6.gif", "not read"]);
    fs::rename(folder.path().join("a/6.gif"), folder.path().join("a/6")).unwrap();
    refused(folder.path(), &["a/6", "not read"]);
    put("a/6", b"");
    put("a/7.png", b"");
    refused(folder.path(), &["a/7.png", "empty file"]);
}

#[test]
fn grey_only_if_all_are() {
    let (_folder, path) = unpacked("grey_first");
    for size in [None, Some(8)] {
        let set = attempt(&path, size).unwrap();
        assert_eq!((set.summary().channels, set.summary().train, set.summary().test), (3, 12, 4));
        says(&*set, "2 grey pictures are taken as colour");
        assert_eq!(set.summary().found.modes, [("grey, 8 bits", 2), ("colour, 8 bits", 14)]);
    }
    // Colour in the last test picture counts as well.
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 3), ("test", 2)] {
        for class in TWO {
            fs::create_dir_all(folder.path().join(part).join(class)).unwrap();
            for index in 0..count {
                let path = folder.path().join(part).join(class).join(format!("{index}.png"));
                GrayImage::from_pixel(8, 8, Luma([index * 9])).save(path).unwrap();
            }
        }
    }
    assert_eq!(attempt(folder.path(), Some(8)).unwrap().summary().channels, 1);
    RgbImage::from_pixel(8, 8, Rgb([1, 2, 3])).save(folder.path().join("test/dog/1.png")).unwrap();
    assert_eq!(attempt(folder.path(), Some(8)).unwrap().summary().channels, 3);
}

#[test]
fn what_follows_a_jpeg_counts_for_nothing_and_turning_is_said() {
    let (_folder, path) = unpacked("jpeg_phone_trailer");
    let set = read(&path);
    holds(&*set, 4, 2, &["a", "b"]);
    // A quarter from the top left of the first picture of the first class.
    let picture = pixels(&*set, Split::Train, 0);
    let at = (set.summary().height / 4 * set.summary().width + set.summary().width / 4) * 3;
    assert_eq!(picture[at..at + 3], [201, 40, 30]);

    let folder = tempfile::tempdir().unwrap();
    ["a", "b"].iter().for_each(|class| fill(&folder.path().join(class), 3));
    let plain = jpeg();
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&plain[..2], exif, &plain[2..], b"SEFH \xff\xd8\xff\xda half a film"].concat();
    fs::write(folder.path().join("b/9.jpg"), &turned).unwrap();
    let set = read(folder.path());
    says(&*set, "1 pictures are to be turned or mirrored by EXIF, which is not done (the first is b/9.jpg)");
    // The same without its end is torn, whatever follows.
    fs::write(folder.path().join("b/9.jpg"), &plain[..plain.len() - 2]).unwrap();
    refused(folder.path(), &["b/9.jpg", "torn"]);
}

#[test]
fn archives_with_long_names() {
    let set = read(&case("cifar_long_names_gnu"));
    assert_eq!((set.summary().train, set.summary().test), (20, 4));

    let record = |label: u8| [vec![label], vec![label; 3072]].concat();
    let long = "a folder with a name that is long/".repeat(6);
    let names: Vec<String> = (1..=5).map(|n| format!("data_batch_{n}.bin")).chain(["test_batch.bin".into()]).collect();
    // POSIX's attributes, in which the name and the size are; the header itself says nothing right.
    let mut bytes = Vec::new();
    let header = |name: &str, kind: tar::EntryType, size: u64| {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let padded = |mut bytes: Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    };
    let attribute = |key: &str, value: &str| {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|n| n.to_string().len() + rest.len() == *n).unwrap();
        format!("{length}{rest}")
    };
    for (label, name) in (0u8..).zip(&names) {
        let content = record(label);
        let about = attribute("path", &format!("./{long}{name}")) + &attribute("size", &content.len().to_string());
        bytes.extend(header("PaxHeader", tar::EntryType::XHeader, about.len() as u64));
        bytes.extend(padded(about.into_bytes()));
        bytes.extend(header("short", tar::EntryType::Regular, 0));
        bytes.extend(padded(content));
    }
    bytes.extend(header("./readme.html", tar::EntryType::Regular, 0));
    bytes.extend([0; 1024]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cifar.tar.gz");
    // Members one after the other, zeros between and behind them.
    let (first, second) = bytes.split_at(5000);
    fs::write(&path, [gzip(first), vec![0; 700], gzip(second), vec![0; 100_000]].concat()).unwrap();
    // The folder that holds nothing but the archive will do as well.
    for place in [path.as_path(), folder.path()] {
        let set = read(place);
        assert_eq!((set.summary().train, set.summary().test), (5, 1));
        assert_eq!((set.label(Split::Train, 4), pixels(&*set, Split::Test, 0)), (4, vec![5; 3072]));
        says(&*set, "1 no batch file of the set (readme.html)");
        says(&*set, "5 of 10 classes without training pictures");
    }
    // Other bytes behind it are damage.
    fs::write(&path, [gzip(&bytes), b"garbage".to_vec()].concat()).unwrap();
    refused(&path, &["cifar.tar.gz", "damaged", "follows after the end"]);
    // Two archives: one must be named.
    fs::write(&path, gzip(&bytes)).unwrap();
    fs::copy(&path, folder.path().join("again.tar.gz")).unwrap();
    refused(folder.path(), &["several archives", "again.tar.gz", "cifar.tar.gz"]);
}

#[test]
fn pickles_with_numbers_of_numpy() {
    let (_folder, path) = unpacked("pickle_labels_np_int64");
    let set = read(&path);
    assert_eq!((set.summary().train, set.summary().test), (20, 4));
    let mut labels: Vec<usize> = (0..20).map(|index| set.label(Split::Train, index)).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels, [0, 1, 2, 3]);
}

fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.extend(values);
    bytes
}

#[test]
fn idx_files_wherever_they_are() {
    let (folder, path) = unpacked("torchvision_mnist_root");
    let set = read(&path);
    assert_eq!((set.summary().train, set.summary().test), (24, 24));
    assert!(set.summary().location.ends_with("MNIST/raw"), "{}", set.summary());
    // One more folder around it, and packed files beside the unpacked ones.
    let raw = path.join("MNIST/raw");
    let packed = gzip(&fs::read(raw.join("train-images-idx3-ubyte")).unwrap());
    fs::write(raw.join("train-images-idx3-ubyte.gz"), packed).unwrap();
    let again = read(folder.path());
    assert_eq!(again.fingerprint(), set.fingerprint());
    says(&*again, "1 no batch file of the set (train-images-idx3-ubyte.gz)");
    // A second set.
    fs::create_dir(path.join("FashionMNIST")).unwrap();
    fs::create_dir(path.join("FashionMNIST/raw")).unwrap();
    for file in fs::read_dir(&raw).unwrap().flatten() {
        fs::copy(file.path(), path.join("FashionMNIST/raw").join(file.file_name())).unwrap();
    }
    refused(&path, &["several data sets", "FashionMNIST/raw", "MNIST/raw"]);

    // EMNIST: other names, several sets, labels from 1.
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..12 * 4).collect();
    for (set, labels) in [("emnist-letters", [1, 2, 3, 5]), ("emnist-digits", [0, 1, 2, 3])] {
        let labels: Vec<u8> = labels.iter().cycle().take(12).copied().collect();
        for part in ["train", "test"] {
            let put = |name: String, bytes: &[u8]| fs::write(folder.path().join(name), gzip(bytes)).unwrap();
            put(format!("{set}-{part}-images-idx3-ubyte.gz"), &idx(&[12, 2, 2], &values));
            put(format!("{set}-{part}-labels-idx1-ubyte.gz"), &idx(&[12], &labels));
        }
    }
    refused(folder.path(), &["several data sets", "emnist-letters", "emnist-digits"]);
    let set = read(&folder.path().join("emnist-letters-train-labels-idx1-ubyte.gz"));
    assert_eq!((set.summary().train, set.summary().test, set.summary().classes()), (12, 12, 6));
    says(&*set, "2 of 6 classes without training pictures, so nothing can learn them: 0, 4");
}

#[test]
fn equal_pictures_load_and_a_scoring_batch_holds_different_ones() {
    let (_folder, path) = unpacked("blank_tiles");
    let set = read(&path);
    holds(&*set, 40, 8, &["a", "b"]);
    let indices: Vec<u32> = (0..40).collect();
    let drawn = scoring_batch(&*set, &indices, 16, Augment::NONE, 0, 0).unwrap();
    let size = set.summary().picture_bytes();
    let pictures: Vec<&[f32]> = drawn.batch.images.chunks(size).collect();
    for (at, picture) in pictures.iter().enumerate() {
        assert!(!pictures[..at].contains(picture));
    }
    assert!(drawn.equal > 0, "{drawn:?}");
}

#[test]
fn one_changed_pixel_is_another_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut values = vec![7u8; 3000 * 4];
    let labels: Vec<u8> = (0..3000u32).map(|i| (i % 3) as u8).collect();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    for part in ["train", "t10k"] {
        put(&format!("{part}-images-idx3-ubyte"), &idx(&[3000, 2, 2], &values));
        put(&format!("{part}-labels-idx1-ubyte"), &idx(&[3000], &labels));
    }
    let before = read(folder.path()).fingerprint();
    for at in [0, 4 * 1001 + 3, 4 * 3000 - 1] {
        values[at] ^= 1;
        put("train-images-idx3-ubyte", &idx(&[3000, 2, 2], &values));
        let now = read(folder.path()).fingerprint();
        assert!(difference(&before, &now).is_some(), "pixel {at}");
        values[at] ^= 1;
    }
    put("train-images-idx3-ubyte", &idx(&[3000, 2, 2], &values));
    let now = read(folder.path()).fingerprint();
    assert_eq!(difference(&before, &now), None);
    // A journal of before holds the first part only.
    assert_eq!(difference(&now[..16], &now), None);
}
