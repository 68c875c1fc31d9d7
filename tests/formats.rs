//! Every format that data sets come in, read from small real files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;
use zonas::data::{Dataset, Kind, OpenOptions, Split, open};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(path: impl AsRef<Path>) -> Arc<dyn Dataset> {
    open(path.as_ref().to_str().unwrap(), &OpenOptions::default()).unwrap()
}

fn unpacked(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(GzDecoder::new(fs::File::open(fixture(name)).unwrap())).unpack(folder.path()).unwrap();
    folder
}

fn pixels(data: &dyn Dataset, split: Split, index: usize) -> Vec<u8> {
    let mut out = vec![1, 2, 3];
    data.pixels(split, index, &mut out).unwrap();
    out
}

fn assert_same(a: &dyn Dataset, b: &dyn Dataset) {
    for split in [Split::Train, Split::Test] {
        assert_eq!(a.len(split), b.len(split));
        for index in 0..a.len(split) {
            assert_eq!(a.label(split, index), b.label(split, index), "{split} {index}");
            assert_eq!(pixels(a, split, index), pixels(b, split, index), "{split} {index}");
        }
    }
    assert_eq!(a.summary().class_names, b.summary().class_names);
    assert_eq!((&a.summary().mean, &a.summary().std), (&b.summary().mean, &b.summary().std));
    assert_eq!(a.fingerprint(), b.fingerprint());
}

#[test]
fn cifar_10_in_both_versions_packed_and_unpacked() {
    let binary = read(fixture("cifar-10-binary-mini.tar.gz"));
    let python = read(fixture("cifar-10-python-mini.tar.gz"));
    assert_same(&*binary, &*python);
    let about = binary.summary();
    assert_eq!((about.kind, python.summary().kind), (Kind::Cifar10Binary, Kind::Cifar10Python));
    assert_eq!([about.train, about.test, about.height, about.width, about.channels], [200, 40, 32, 32, 3]);
    assert_eq!(about.class_names[1], "automobile");
    assert_eq!(about.mean[0], 0.491_399_68);
    let sentence = about.to_string();
    assert!(
        sentence.starts_with("CIFAR-10 (binary version in ")
            && sentence.ends_with(
                ": 200 training and 40 test pictures of 32x32, colour, 10 classes; 1 of 10 classes without training \
                 pictures, so nothing can learn it: truck"
            ),
        "{sentence}"
    );

    // The layout of the file itself: label, then planes.
    let folder = unpacked("cifar-10-binary-mini.tar.gz");
    let inside = folder.path().join("cifar-10-batches-bin");
    let second = fs::read(inside.join("data_batch_2.bin")).unwrap();
    let record = &second[3073 * 7..3073 * 8];
    assert_eq!(binary.label(Split::Train, 47), usize::from(record[0]));
    let picture = pixels(&*binary, Split::Train, 47);
    for (at, channels) in picture.chunks(3).enumerate() {
        assert_eq!(channels, [record[1 + at], record[1 + 1024 + at], record[1 + 2048 + at]]);
    }

    for place in [folder.path().to_owned(), inside.clone(), inside.join("data_batch_3.bin")] {
        assert_same(&*binary, &*read(place));
    }
    let folder = unpacked("cifar-10-python-mini.tar.gz");
    assert_same(&*binary, &*read(folder.path()));
    // A plain archive, whose entries are in another order.
    let plain = folder.path().join("plain.tar");
    let mut builder = tar::Builder::new(fs::File::create(&plain).unwrap());
    for name in ["test_batch", "data_batch_5", "data_batch_1", "data_batch_3", "data_batch_4", "data_batch_2"] {
        builder
            .append_path_with_name(folder.path().join("cifar-10-batches-py").join(name), format!("x/{name}"))
            .unwrap();
    }
    builder.finish().unwrap();
    assert_same(&*binary, &*read(plain));
    // Names of classes from the set's own file.
    let names = b"\x80\x02}U\x0blabel_names](U\x01aU\x01bU\x01cU\x01dU\x01eU\x01fU\x01gU\x01hU\x01iU\x01jes.";
    fs::write(folder.path().join("cifar-10-batches-py/batches.meta"), names).unwrap();
    assert_eq!(read(folder.path()).summary().class_names[9], "j");
}

#[test]
fn cifar_100_in_both_versions_has_the_fine_labels() {
    let binary = read(fixture("cifar-100-binary-mini.tar.gz"));
    let python = read(fixture("cifar-100-python-mini.tar.gz"));
    assert_same(&*binary, &*python);
    assert_eq!([binary.summary().train, binary.summary().test, binary.summary().classes()], [60, 20, 100]);
    let labels: Vec<usize> = (0..10).map(|index| binary.label(Split::Train, index)).collect();
    assert_eq!(labels, [11, 88, 11, 88, 22, 88, 11, 77, 77, 0]);
    assert_same(&*binary, &*read(unpacked("cifar-100-python-mini.tar.gz").path()));
}

/// Ten pickles, of protocols 2 to 5. The numbers are those that Python itself reads from them.
#[test]
fn imagenet16_keeps_the_first_120_classes() {
    let data = read(fixture("imagenet16-mini.tar.gz"));
    let about = data.summary();
    assert_eq!((about.kind, about.classes(), about.height, about.channels), (Kind::ImageNet16, 120, 16, 3));
    let labels = |split| (0..data.len(split)).map(|index| data.label(split, index)).collect::<Vec<_>>();
    assert_eq!(labels(Split::Train), [30, 30, 60, 30, 0, 0, 60, 60, 30, 60, 0, 0, 30, 0, 30]);
    assert_eq!(labels(Split::Test), [30, 90, 30, 30, 90, 30]);
    let weighted =
        |picture: Vec<u8>| picture.into_iter().zip(1u64..).map(|(value, k)| u64::from(value) * k).sum::<u64>();
    assert_eq!((0..15).map(|index| weighted(pixels(&*data, Split::Train, index))).sum::<u64>(), 868_384_468);
    assert_same(&*data, &*read(unpacked("imagenet16-mini.tar.gz").path()));
}

fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn idx_plain_and_compressed_and_with_one_split() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..24 * 6).map(|value| (value * 5 % 256) as u8).collect();
    let labels: Vec<u8> = (0..24).map(|index| index % 3).collect();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("train-images.idx3-ubyte", &idx(&[24, 2, 3], &values));
    put("train-labels-idx1-ubyte.gz", &gzip(&idx(&[24], &labels)));

    let held = read(folder.path());
    assert_eq!([held.summary().train, held.summary().test], [18, 6]);
    assert!(held.summary().note.contains("held out"), "{}", held.summary());
    let mut counts = [0; 3];
    (0..6).for_each(|index| counts[held.label(Split::Test, index)] += 1);
    // A sixth of the 8 of each class, rounded up.
    assert_eq!(counts, [2; 3]);
    let other = open(folder.path().to_str().unwrap(), &OpenOptions { seed: 1, size: None }).unwrap();
    assert_ne!(other.fingerprint(), held.fingerprint());
    assert_eq!(read(folder.path()).fingerprint(), held.fingerprint());

    put("t10k-images-idx3-ubyte", &idx(&[3, 2, 3], &values[..18]));
    put("t10k-labels-idx1-ubyte", &idx(&[3], &labels[..3]));
    let data = read(folder.path().join("train-labels-idx1-ubyte.gz"));
    let about = data.summary();
    assert_eq!([about.train, about.test, about.height, about.width, about.channels], [24, 3, 2, 3, 1]);
    assert_eq!(about.name, "IDX set");
    assert_eq!(pixels(&*data, Split::Train, 5), values[30..36]);
    assert_eq!(data.label(Split::Train, 5), 2);
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / values.len() as f64;
    assert!((f64::from(about.mean[0]) - mean / 255.0).abs() < 1e-6);
    assert!((f64::from(about.std[0]) - variance.sqrt() / 255.0).abs() < 1e-6);
}

#[test]
fn fashion_mnist_is_known_by_its_first_picture() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fashion-mnist-mini");
    let data = read(assets);
    assert_eq!((data.summary().name.as_str(), data.summary().kind), ("Fashion-MNIST", Kind::Idx));
    assert_same(&*data, &*open("embedded", &OpenOptions::default()).unwrap());
}

fn colour(index: u8) -> RgbImage {
    RgbImage::from_fn(6, 4, |x, y| Rgb([index, (x * 40) as u8, (y * 60) as u8]))
}

#[test]
fn folders_with_and_without_splits() {
    let folder = tempfile::tempdir().unwrap();
    for (split, count) in [("train", 6), ("val", 2)] {
        for (class, first) in [("cat", 0), ("dog", 100)] {
            let class = folder.path().join(split).join(class);
            fs::create_dir_all(class.join("deeper")).unwrap();
            for index in 0..count {
                let place = if index == 0 { class.join("deeper") } else { class.clone() };
                colour(first + index).save(place.join(format!("{index}.png"))).unwrap();
            }
            fs::write(class.join("notes.txt"), "no picture").unwrap();
            fs::write(class.join(".hidden.png"), "no picture").unwrap();
        }
    }
    let data = read(folder.path());
    let about = data.summary();
    assert_eq!(about.kind, Kind::ImageFolder);
    assert_eq!([about.train, about.test, about.height, about.width, about.channels], [12, 4, 4, 6, 3]);
    assert_eq!(about.class_names, ["cat", "dog"]);
    let labels: Vec<usize> = (0..12).map(|index| data.label(Split::Train, index)).collect();
    assert_eq!(labels, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    // In order of paths: `1.png` comes before `deeper/0.png`.
    assert_eq!(pixels(&*data, Split::Train, 0), colour(1).into_raw());
    assert_eq!(pixels(&*data, Split::Train, 5), colour(0).into_raw());
    assert_eq!(pixels(&*data, Split::Test, 2), colour(101).into_raw());

    let classes = read(folder.path().join("train"));
    assert_eq!([classes.summary().train, classes.summary().test], [10, 2]);

    // Another size: the middle square, scaled.
    let scaled = open(folder.path().to_str().unwrap(), &OpenOptions { seed: 0, size: Some(2) }).unwrap();
    assert_eq!([scaled.summary().height, scaled.summary().width, scaled.summary().train], [2, 2, 12]);
    let picture = pixels(&*scaled, Split::Train, 6);
    assert!(picture.chunks(3).all(|pixel| pixel[0] == 101), "a colour that is everywhere stays: {picture:?}");
}

#[test]
fn grey_folders_stay_grey_and_jpeg_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for index in 0..3u8 {
            let picture = GrayImage::from_pixel(8, 8, Luma([index * 100]));
            // By its content, a PNG may be named like a JPEG.
            let path = folder.path().join(class).join(format!("{index}.jpg"));
            picture
                .save_with_format(&path, if index == 1 { image::ImageFormat::Png } else { image::ImageFormat::Jpeg })
                .unwrap();
        }
    }
    let data = read(folder.path());
    assert_eq!((data.summary().channels, data.summary().train, data.summary().test), (1, 4, 2));
    for split in [Split::Train, Split::Test] {
        for index in 0..data.len(split) {
            let picture = pixels(&*data, split, index);
            assert_eq!(picture.len(), 64);
            assert!(picture.iter().all(|&value| value.abs_diff(picture[0]) < 3 && value % 100 < 4), "{picture:?}");
        }
    }
    // One coloured picture, and the set is coloured.
    RgbImage::from_pixel(8, 8, Rgb([9, 8, 7])).save(folder.path().join("b/9.png")).unwrap();
    assert_eq!(read(folder.path()).summary().channels, 3);
}
