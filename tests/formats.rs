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
                 pictures, so nothing can learn it: truck; the classes are unbalanced, from 9 training pictures (`dog`) to 37 \
                 (`automobile`): see search.class_weights and balanced accuracy"
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
    let other = open(folder.path().to_str().unwrap(), &OpenOptions { seed: 1, ..OpenOptions::default() }).unwrap();
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
    let scaled =
        open(folder.path().to_str().unwrap(), &OpenOptions { size: Some(2), ..OpenOptions::default() }).unwrap();
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

#[test]
fn png_webp_and_bmp_hold_the_same_pictures() {
    let colour = |i: u8| RgbImage::from_fn(9, 7, |x, y| Rgb([i * 20, x as u8 * 25, y as u8 * 30]));
    let grey = |i: u8| GrayImage::from_fn(9, 7, |x, y| Luma([i + x as u8 * 25 + y as u8 * 3]));
    for channels in [3, 1] {
        let mut sets = Vec::new();
        for format in ["png", "webp", "bmp"] {
            let folder = tempfile::tempdir().unwrap();
            for class in ["a", "b"] {
                fs::create_dir(folder.path().join(class)).unwrap();
                for i in 0..4u8 {
                    let path = folder.path().join(class).join(format!("{i}.{format}"));
                    if channels == 3 { colour(i).save(path).unwrap() } else { grey(i).save(path).unwrap() }
                }
            }
            sets.push(read(folder.path()));
        }
        // Grey is known of a BMP by its palette; a WebP is colour always.
        assert_eq!(sets.iter().map(|s| s.summary().channels).collect::<Vec<_>>(), [channels, 3, channels]);
        for split in [Split::Train, Split::Test] {
            for index in 0..sets[0].len(split) {
                let [png, webp, bmp] = [0, 1, 2].map(|set| pixels(&*sets[set], split, index));
                assert_eq!(png, bmp);
                let webp: Vec<u8> = if channels == 3 { webp } else { webp.chunks(3).map(|p| p[1]).collect() };
                assert_eq!(png, webp);
            }
        }
    }
}

/// Written by Pillow 12 (libwebp), quality 80, and as libwebp decodes it: every fifth pixel.
#[test]
fn a_lossy_webp_is_what_libwebp_says() {
    const FILE: [u8; 98] = [
        82, 73, 70, 70, 90, 0, 0, 0, 87, 69, 66, 80, 86, 80, 56, 32, 78, 0, 0, 0, 48, 2, 0, 157, 1, 42, 16, 0, 12, 0,
        1, 64, 38, 37, 176, 2, 116, 186, 1, 68, 0, 10, 40, 67, 82, 192, 0, 254, 253, 244, 79, 203, 17, 20, 180, 167,
        132, 212, 55, 196, 11, 44, 242, 189, 100, 11, 217, 99, 120, 151, 194, 60, 251, 246, 33, 148, 123, 253, 74, 231,
        255, 81, 165, 74, 231, 255, 114, 158, 138, 120, 53, 217, 203, 176, 73, 0, 0, 0,
    ];
    const PIXELS: [[[u8; 3]; 4]; 3] = [
        [[0, 5, 81], [82, 6, 80], [163, 11, 89], [247, 14, 88]],
        [[3, 112, 89], [88, 113, 86], [167, 118, 96], [252, 118, 90]],
        [[2, 229, 95], [87, 230, 90], [175, 231, 96], [248, 237, 92]],
    ];
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        (0..2).for_each(|i| fs::write(folder.path().join(class).join(format!("{i}.webp")), FILE).unwrap());
    }
    let set = read(folder.path());
    assert_eq!((set.summary().width, set.summary().height, set.summary().channels), (16, 12, 3));
    let picture = pixels(&*set, Split::Train, 0);
    for (y, row) in PIXELS.iter().enumerate() {
        for (x, wanted) in row.iter().enumerate() {
            let at = (5 * y * 16 + 5 * x) * 3;
            let far = wanted.iter().zip(&picture[at..at + 3]).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(far <= Some(1), "{x} {y}: {wanted:?} {:?}", &picture[at..at + 3]);
        }
    }
}

/// Sizes as Pillow 12 makes them: `resize((w, h), LANCZOS)` where pictures get smaller, `BICUBIC` where they get larger, then
/// the middle square; every fourth part of a side. Pillow rounds between rows and columns, so 2 of 255 may differ.
#[test]
fn pictures_are_scaled_as_pillow_does() {
    type Pixel = [u8; 3];
    const SHRUNK: [Pixel; 16] = [
        [135, 167, 131],
        [120, 127, 124],
        [133, 97, 123],
        [132, 102, 129],
        [125, 140, 128],
        [124, 155, 127],
        [117, 126, 127],
        [136, 107, 128],
        [114, 129, 128],
        [104, 119, 127],
        [129, 134, 127],
        [127, 144, 128],
        [129, 90, 127],
        [139, 90, 128],
        [135, 119, 129],
        [118, 166, 127],
    ];
    const SHRUNK_TALL: [Pixel; 16] = [
        [61, 112, 0],
        [99, 135, 21],
        [142, 88, 76],
        [153, 96, 135],
        [136, 74, 255],
        [100, 194, 211],
        [129, 172, 168],
        [101, 54, 122],
        [171, 67, 75],
        [196, 136, 94],
        [46, 87, 111],
        [152, 135, 130],
        [28, 198, 86],
        [116, 158, 101],
        [118, 29, 115],
        [68, 239, 129],
    ];
    const ENLARGED: [Pixel; 16] = [
        [0, 1, 0],
        [12, 40, 0],
        [50, 78, 193],
        [110, 115, 255],
        [13, 12, 0],
        [31, 51, 0],
        [72, 89, 196],
        [136, 126, 255],
        [30, 56, 255],
        [53, 94, 255],
        [98, 136, 51],
        [167, 174, 0],
        [48, 141, 133],
        [75, 187, 133],
        [126, 126, 125],
        [201, 133, 122],
    ];
    let pattern = |w, h| {
        RgbImage::from_fn(w, h, |x, y| {
            let red = (x * x * 7 + y * 13 + x * y * 3) % 256;
            Rgb([red as u8, ((x * 29 + y * y * 11) % 256) as u8, ((x / 3 + y / 2) % 2 * 255) as u8])
        })
    };
    for (width, height, size, wanted) in [(40, 30, 8, SHRUNK), (23, 31, 16, SHRUNK_TALL), (6, 5, 12, ENLARGED)] {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            fs::create_dir(folder.path().join(class)).unwrap();
            (0..2)
                .for_each(|i| pattern(width, height).save(folder.path().join(class).join(format!("{i}.png"))).unwrap());
        }
        let options = OpenOptions { size: Some(size), ..OpenOptions::default() };
        let set = open(folder.path().to_str().unwrap(), &options).unwrap();
        assert!(set.summary().to_string().contains("shrunk by Lanczos-3"), "{}", set.summary());
        let picture = pixels(&*set, Split::Train, 0);
        let (side, step) = (size as usize, size as usize / 4);
        let got = (0..16).map(|i| ((i / 4) * step * side + (i % 4) * step) * 3).map(|at| &picture[at..at + 3]);
        let far: Vec<u8> = got.zip(wanted).flat_map(|(a, b)| [0, 1, 2].map(|c| a[c].abs_diff(b[c]))).collect();
        assert!(far.iter().all(|&d| d <= 2), "{width}x{height}: {far:?}");
    }
}
