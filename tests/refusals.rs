//! Data that is torn, short, mislabelled or hostile is refused: with the file, the place in it, and the reason.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use image::{Rgb, RgbImage};
use tar::{EntryType, Header};
use tempfile::TempDir;
use zonas::data::{OpenOptions, open};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The message must hold every part.
#[track_caller]
fn refused(path: impl AsRef<Path>, parts: &[&str]) {
    let path = path.as_ref();
    let error = match open(path.to_str().unwrap(), &OpenOptions::default()) {
        Ok(data) => panic!("{} was read: {}", path.display(), data.summary()),
        Err(error) => error.to_string(),
    };
    for part in parts {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    assert!(!error.contains('\n'), "one sentence: {error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn unpacked(name: &str) -> TempDir {
    let folder = folder();
    tar::Archive::new(GzDecoder::new(fs::File::open(fixture(name)).unwrap())).unpack(folder.path()).unwrap();
    folder
}

#[test]
fn things_that_are_no_data_sets() {
    let folder = folder();
    let put = |name: &str, bytes: &[u8]| {
        fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name)
    };
    refused(folder.path().join("nowhere"), &["no such data", "nowhere does not exist", "`embedded`"]);
    refused(folder.path(), &["no data set was found in this folder", "CIFAR-10"]);
    refused(put("a.bin", b""), &["a.bin", "the file is empty"]);
    refused(put("b.txt", b"hello"), &["b.txt", "not a data set", "IDX"]);
    refused(put("c.gz", &gzip(b"hello")), &["c.gz", "a gzip file with something unknown"]);
    refused(put("d.tar.xz", b"\xfd7zXZ\0"), &["d.tar.xz", "an xz archive; unpack it"]);
    refused(put("e.gz", &gzip(b"hello, hello, hello")[..14]), &["e.gz", "torn"]);
    refused(put("f.png", b"\x89PNG\r\n\x1a\n"), &["f.png", "one picture"]);
    refused(folder.path(), &["pictures that lie directly in a folder have no class"]);
    #[cfg(unix)]
    refused("/dev/zero", &["/dev/zero", "not a regular file"]);
}

fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes.extend(values);
    bytes
}

#[test]
fn idx_files() {
    let folder = folder();
    let images = |bytes: &[u8]| fs::write(folder.path().join("train-images-idx3-ubyte"), bytes).unwrap();
    let labels = |bytes: &[u8]| fs::write(folder.path().join("train-labels-idx1-ubyte"), bytes).unwrap();
    let good = idx(&[12, 2, 2], &[7; 48]);
    images(&good);
    refused(folder.path(), &["train-images-idx3-ubyte", "these pictures have no labels"]);
    labels(&idx(&[12], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]));
    open(folder.path().to_str().unwrap(), &OpenOptions::default()).unwrap();

    images(&good[..63]);
    refused(folder.path(), &["train-images-idx3-ubyte, byte 63", "short", "12 x 2 x 2"]);
    images(&good[..10]);
    refused(folder.path(), &["train-images-idx3-ubyte", "torn"]);
    images(&[&good[..], &[1]].concat());
    refused(folder.path(), &["byte 64", "goes on after the 12 x 2 x 2 values"]);
    images(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[]));
    refused(folder.path(), &["byte 4", "4294967295 x 4294967295 x 4294967295", "more than"]);
    images(&idx(&[12, 0, 2], &[]));
    refused(folder.path(), &["12 x 0 x 2", "nothing in it"]);
    images(&idx(&[12, 4], &[7; 48]));
    refused(folder.path(), &["byte 3", "3 dimensions", "here are 2"]);
    images(&[&[0, 0, 13, 3], &good[4..]].concat());
    refused(folder.path(), &["byte 2", "type 0x0d"]);
    images(b"these are no numbers");
    refused(folder.path(), &["byte 0", "not an IDX file"]);
    // It says 48 bytes and unpacks to 64 MiB: no more than the claim is unpacked.
    images(&gzip(&[good.clone(), vec![0; 64 << 20]].concat()));
    refused(folder.path(), &["byte 64", "goes on after"]);
    let mut damaged = gzip(&good);
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    images(&damaged);
    refused(folder.path(), &["train-images-idx3-ubyte", "damaged"]);
    images(&good);
    labels(&idx(&[11], &[0; 11]));
    refused(folder.path(), &["train-labels-idx1-ubyte", "11 labels", "12 pictures"]);
    labels(&idx(&[12], &(0..12).collect::<Vec<u8>>()));
    refused(folder.path(), &["too few pictures to hold some out"]);
}

#[test]
fn cifar_files() {
    let folder = unpacked("cifar-10-binary-mini.tar.gz");
    let inside = folder.path().join("cifar-10-batches-bin");
    let batch = inside.join("data_batch_2.bin");
    let good = fs::read(&batch).unwrap();
    let put = |bytes: &[u8]| fs::write(&batch, bytes).unwrap();

    put(&good[..good.len() - 1]);
    refused(&inside, &["data_batch_2.bin, byte 119847", "no multiple of 3073"]);
    put(&[]);
    refused(&inside, &["data_batch_2.bin", "empty"]);
    let mut bad = good.clone();
    bad[3073 * 3] = 10;
    put(&bad);
    refused(&inside, &["data_batch_2.bin, byte 9219", "label 10 of picture 3", "highest is 9"]);
    // A file of the python version under the name of a binary one.
    let python = unpacked("cifar-10-python-mini.tar.gz");
    let pickle = python.path().join("cifar-10-batches-py/data_batch_1");
    fs::copy(&pickle, &batch).unwrap();
    refused(&inside, &["data_batch_2.bin, byte 0", "label 128", "another kind of file"]);
    fs::remove_file(&batch).unwrap();
    refused(&inside, &["data_batch_2.bin is missing"]);
    put(&good);
    fs::copy(&pickle, inside.join("data_batch_1")).unwrap();
    refused(&inside, &["data_batch_1", "belongs to CIFAR-10, python version", "binary version"]);
    fs::remove_file(inside.join("data_batch_1")).unwrap();
    fs::write(inside.join("batches.meta.txt"), "one\ntwo\n").unwrap();
    refused(&inside, &["batches.meta.txt", "2 class names, 10 were expected"]);
    fs::remove_file(inside.join("batches.meta.txt")).unwrap();
    open(inside.to_str().unwrap(), &OpenOptions::default()).unwrap();

    fs::rename(python.path().join("cifar-10-batches-py"), folder.path().join("cifar-10-batches-py")).unwrap();
    refused(folder.path(), &["several data sets", "cifar-10-batches-bin", "cifar-10-batches-py"]);

    let python = folder.path().join("cifar-10-batches-py");
    let batch = python.join("data_batch_4");
    let good = fs::read(&batch).unwrap();
    fs::write(&batch, &good[..good.len() / 2]).unwrap();
    refused(&python, &["data_batch_4, byte 274", "torn"]);
    fs::write(&batch, [&good[..], b"more"].concat()).unwrap();
    refused(&python, &["data_batch_4", "4 bytes follow after the end"]);
    let mut bad = good.clone();
    // The label of the second picture.
    assert_eq!(bad[0x3e], b'K');
    bad[0x3f] = 77;
    fs::write(&batch, &bad).unwrap();
    refused(&python, &["data_batch_4, byte 62", "label 77 of picture 1"]);
    fs::write(&batch, b"cos\nsystem\n(U\x04truetR.").unwrap();
    refused(&python, &["data_batch_4, byte 0", "`os.system`", "refused"]);
}

fn header(name: &[u8], size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    // Past the checks of the library, which does not write such names.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

#[test]
fn archives() {
    let folder = folder();
    let path = folder.path().join("data.tar");
    let with = |name: &str, kind: EntryType| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header(b"x/readme.html", 3, EntryType::Regular), &b"abc"[..]).unwrap();
        builder.append(&header(name.as_bytes(), 0, kind), &b""[..]).unwrap();
        fs::write(&path, builder.into_inner().unwrap()).unwrap();
    };
    with("x/notes", EntryType::Regular);
    refused(&path, &["data.tar", "an archive without CIFAR"]);
    for name in ["../data_batch_1.bin", "x/../../data_batch_1.bin", "/etc/test_batch.bin", "C:\\test.bin", ".."] {
        with(name, EntryType::Regular);
        refused(&path, &["data.tar, entry ", "leads out of the archive"]);
        with(name, EntryType::Directory);
        refused(&path, &["leads out of the archive"]);
    }
    for kind in [EntryType::Symlink, EntryType::Link] {
        with("x/data_batch_1.bin", kind);
        refused(&path, &["data.tar, entry x/data_batch_1.bin", "a link"]);
    }
    for kind in [EntryType::Fifo, EntryType::Char, EntryType::Block] {
        with("x/data_batch_1.bin", kind);
        refused(&path, &["entry x/data_batch_1.bin", "neither a file nor a folder"]);
    }
    with("x/\u{1b}[2Jname\n/..", EntryType::Regular);
    refused(&path, &["\\u{1b}[2Jname\\n"]);

    let mut whole = Vec::new();
    GzDecoder::new(fs::File::open(fixture("cifar-10-binary-mini.tar.gz")).unwrap()).read_to_end(&mut whole).unwrap();
    // In the middle of the first batch; in a header; between two entries.
    fs::write(&path, &whole[..100_000]).unwrap();
    refused(&path, &["data_batch_1.bin", "torn"]);
    let second = 512 + 122_920usize.next_multiple_of(512);
    fs::write(&path, &whole[..second + 100]).unwrap();
    refused(&path, &["data.tar"]);
    fs::write(&path, &whole[..second]).unwrap();
    refused(&path, &["data_batch_2.bin is missing"]);
    let mut bad = whole.clone();
    bad[second + 3] ^= 1;
    fs::write(&path, &bad).unwrap();
    refused(&path, &["data.tar", "checksum"]);
    // An entry that claims more than any file has.
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header(b"data_batch_1.bin", 1 << 32, EntryType::Regular), &b"abc"[..]).unwrap();
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    refused(&path, &["data_batch_1.bin", "more than the"]);

    let packed = fs::read(fixture("cifar-10-binary-mini.tar.gz")).unwrap();
    fs::write(&path, &packed[..packed.len() * 2 / 3]).unwrap();
    refused(&path, &["data.tar", "torn"]);
    let mut bad = packed.clone();
    let at = bad.len() - 6;
    bad[at] ^= 1;
    fs::write(&path, &bad).unwrap();
    refused(&path, &["data.tar", "damaged"]);
    // The same batch twice.
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..2 {
        builder.append(&header(b"train.bin", 3074, EntryType::Regular), &[0; 3074][..]).unwrap();
    }
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    refused(&path, &["entry train.bin", "another file of this name"]);
}

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * y) as u8]))
}

/// A PNG that claims a size, as a stranger might write it: header chunk, some data, end.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], content: &[u8]| {
        let both = [&name[..], content].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&both);
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend(&both);
        bytes.extend(crc.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", b"\x78\x9c\x03\x00\x00\x00\x00\x01");
    chunk(b"IEND", b"");
    bytes
}

#[test]
fn folders_of_pictures() {
    let folder = folder();
    let root = folder.path();
    for class in ["a", "b"] {
        fs::create_dir(root.join(class)).unwrap();
        for index in 0..3 {
            picture(20, 10).save(root.join(class).join(format!("{index}.png"))).unwrap();
        }
    }
    open(root.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let odd = root.join("b/5.png");
    let bytes = |bytes: &[u8]| fs::write(&odd, bytes).unwrap();

    picture(10, 20).save(&odd).unwrap();
    refused(root, &["b/5.png", "10x20", "20x10", "data.size"]);
    bytes(&claiming(1 << 31, 1));
    refused(root, &["b/5.png", "2147483648x1"]);
    bytes(&claiming(1 << 30, 1 << 30));
    refused(root, &["b/5.png", "1073741824x1073741824"]);
    bytes(&claiming(16_000, 16_000));
    refused(root, &["b/5.png", "16000x16000"]);
    bytes(&claiming(0, 10));
    refused(root, &["b/5.png", "0x10"]);
    bytes(&claiming(20, 10));
    refused(root, &["b/5.png", "cannot be decoded"]);
    let mut good = Vec::new();
    picture(20, 10).write_to(&mut std::io::Cursor::new(&mut good), image::ImageFormat::Png).unwrap();
    for length in [0, 5, 20, good.len() / 2, good.len() - 20] {
        bytes(&good[..length]);
        refused(root, &["b/5.png"]);
    }
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 4;
    bytes(&flipped);
    refused(root, &["b/5.png", "cannot be decoded"]);
    good.clear();
    picture(20, 10).write_to(&mut std::io::Cursor::new(&mut good), image::ImageFormat::Jpeg).unwrap();
    for length in [5, 100, good.len() / 2, good.len() - 2] {
        bytes(&good[..length]);
        refused(root, &["b/5.png"]);
    }
    // The size in the frame header of a JPEG.
    let frame = good.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    good[frame + 5..frame + 9].fill(0xff);
    bytes(&good);
    refused(root, &["b/5.png", "65535x65535"]);
    bytes(b"GIF89a or whatever");
    refused(root, &["b/5.png", "none of the pictures that are read"]);
    fs::rename(&odd, root.join("b/5.tif")).unwrap();
    refused(root, &["b/5.tif", "convert it"]);
    fs::remove_file(root.join("b/5.tif")).unwrap();
    for (name, format) in [("b/5.bmp", image::ImageFormat::Bmp), ("b/5.webp", image::ImageFormat::WebP)] {
        let odd = root.join(name);
        picture(20, 10).save_with_format(&odd, format).unwrap();
        let whole = fs::read(&odd).unwrap();
        for length in [1, 5, 15, 30, whole.len() / 2, whole.len() - 1] {
            fs::write(&odd, &whole[..length]).unwrap();
            refused(root, &[name]);
        }
        // Other bytes are an error or other pixels, and never a panic.
        for at in 0..whole.len().min(200) {
            let mut bad = whole.clone();
            bad[at] ^= 0x55;
            fs::write(&odd, bad).unwrap();
            let _ = open(root.to_str().unwrap(), &OpenOptions::default());
        }
        fs::remove_file(&odd).unwrap();
    }
    let claims = |name: &str, bytes: &[u8], parts: &[&str]| {
        fs::write(root.join(name), bytes).unwrap();
        refused(root, parts);
        fs::remove_file(root.join(name)).unwrap();
    };
    let huge =
        [&b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &[0xff; 4], &[9, 0, 0, 0, 1, 0, 24, 0], &[0; 24]].concat();
    claims("b/5.bmp", &huge, &["b/5.bmp", "4294967295x9"]);
    let moving = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x13\0\0\x09\0\0";
    claims("b/5.webp", moving, &["b/5.webp", "animated"]);

    fs::create_dir(root.join("c")).unwrap();
    refused(root, &["/c: a class folder without pictures"]);
    picture(20, 10).save(root.join("c/1.png")).unwrap();
    refused(root, &["only one picture"]);
    fs::remove_dir_all(root.join("c")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(root.join("b"), root.join("b/again")).unwrap();
        refused(root, &["a link that leads back to"]);
        fs::remove_file(root.join("b/again")).unwrap();
    }

    fs::create_dir(root.join("train")).unwrap();
    for class in ["a", "b"] {
        fs::rename(root.join(class), root.join("train").join(class)).unwrap();
    }
    fs::create_dir_all(root.join("test/a")).unwrap();
    fs::copy(root.join("train/a/1.png"), root.join("test/a/1.png")).unwrap();
    refused(root, &["/test", "no class folder `b`"]);
    for class in ["b", "d"] {
        fs::create_dir(root.join("test").join(class)).unwrap();
        fs::copy(root.join("train/a/1.png"), root.join("test").join(class).join("1.png")).unwrap();
    }
    refused(root, &["/train", "no class folder `d`"]);
    fs::remove_dir_all(root.join("test/d")).unwrap();
    open(root.to_str().unwrap(), &OpenOptions::default()).unwrap();
    let size = |size| open(root.to_str().unwrap(), &OpenOptions { size: Some(size), ..OpenOptions::default() });
    assert_eq!(size(0).err().unwrap().to_string(), "data.size = 0: it must be from 1 to 4096");
    fs::remove_dir_all(root.join("test")).unwrap();
    fs::remove_dir_all(root.join("train/b")).unwrap();
    refused(root, &["fewer than two class folders"]);
    fs::remove_dir_all(root.join("train")).unwrap();
    fs::create_dir_all(root.join("src/deeper")).unwrap();
    refused(root, &["no data set was found in this folder"]);
}
