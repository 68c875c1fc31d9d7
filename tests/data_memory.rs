//! Small files that would take much memory or time: predicted, refused, or read within bounds; and a set of large
//! photographs, which is read picture by picture.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{Rgb, RgbImage};
use zonas::data::{OpenOptions, Split, limited, open};

/// Counts what is taken.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: it came from `alloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counts are of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

/// Bytes that `work` takes at most at once, and what it gives.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let given = work();
    (PEAK.load(Ordering::SeqCst).saturating_sub(before), given)
}

/// Refused with these words, fast and in little memory.
#[track_caller]
fn refused(path: &Path, words: &str) {
    let start = Instant::now();
    let (bytes, set) = peak(|| open(path.to_str().unwrap(), &OpenOptions::default()));
    let error = set.map(|set| set.summary().to_string()).unwrap_err().to_string();
    assert!(error.contains(words), "`{error}` does not say `{words}`");
    assert!(bytes < 4 * MIB, "{bytes} bytes to find out: {error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?} to find out: {error}", start.elapsed());
}

#[test]
fn a_folder_of_photographs_is_read_one_by_one() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let at = |class: &str, index: usize| folder.path().join(class).join(format!("{index:02}.png"));
    // 36 photographs of 15 MiB each, by one name after the other for the same file.
    for (class, colour) in [("a", [10, 20, 30]), ("b", [250, 0, 7])] {
        fs::create_dir(folder.path().join(class)).unwrap();
        RgbImage::from_pixel(2560, 2048, Rgb(colour)).save(at(class, 0)).unwrap();
        (1..18).for_each(|index| fs::hard_link(at(class, 0), at(class, index)).unwrap());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (bytes, set) =
        peak(|| pool.install(|| open(folder.path().to_str().unwrap(), &OpenOptions::default())).unwrap());
    // Two threads with a picture each and what decoding takes, not 30 pictures.
    assert!(bytes < 120 * MIB, "{bytes} bytes at once");
    assert_eq!((set.summary().train, set.summary().test, set.summary().width), (30, 6, 2560));
    assert!((set.summary().mean[0] - 130.0 / 255.0).abs() < 1e-6, "{:?}", set.summary().mean);
    let (bytes, _) = peak(|| {
        let mut out = Vec::new();
        limited(&*set, 0, 8).into_iter().for_each(|index| set.pixels(Split::Train, index as usize, &mut out).unwrap());
    });
    assert!(bytes < 60 * MIB, "{bytes} bytes at once");

    // Without reading all of it, what happens to the files shows in the fingerprint.
    // It is that of the moment in which a set is opened.
    let again = || open(folder.path().to_str().unwrap(), &OpenOptions::default()).unwrap();
    let (before, now) = (set.fingerprint(), || again().fingerprint());
    assert_eq!(zonas::data::difference(&before, &now()), None);
    let file = fs::File::options().append(true).open(at("a", 0)).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    assert!(zonas::data::difference(&before, &now()).unwrap().contains("written at another time"));
    (&file).write_all(b"behind the end").unwrap();
    assert!(zonas::data::difference(&before, &now()).unwrap().contains("other contents"));
}

fn idx_header(dimensions: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|dimension| bytes.extend(dimension.to_be_bytes()));
    bytes
}

#[test]
fn what_unpacks_to_too_much_is_refused_before() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let gzip = |parts: &[&[u8]]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        parts.iter().for_each(|part| encoder.write_all(part).unwrap());
        encoder.finish().unwrap()
    };
    // IDX: the header says what comes.
    fs::write(at("train-labels-idx1-ubyte.gz"), gzip(&[&idx_header(&[100_000]), &[0; 100_000]])).unwrap();
    fs::write(at("train-images-idx3-ubyte.gz"), gzip(&[&idx_header(&[100_000, 28, 28]), &[0; 9999]])).unwrap();
    refused(folder.path(), "which no pictures do");
    fs::write(at("train-images-idx3-ubyte.gz"), gzip(&[&idx_header(&[100_000, 1000, 1000])])).unwrap();
    refused(folder.path(), "more than the");
    fs::remove_file(at("train-images-idx3-ubyte.gz")).unwrap();
    fs::remove_file(at("train-labels-idx1-ubyte.gz")).unwrap();

    // An archive: the header of an entry says it.
    let mut header = tar::Header::new_gnu();
    header.set_path("cifar/data_batch_1.bin").unwrap();
    header.set_size(3073 * 26_000);
    header.set_cksum();
    fs::write(at("cifar.tar.gz"), gzip(&[header.as_bytes(), &[0; 9999]])).unwrap();
    refused(&at("cifar.tar.gz"), "which no pictures do");
    fs::remove_file(at("cifar.tar.gz")).unwrap();

    // A batch file that is a hole of 40 GiB.
    fs::File::create(at("data_batch_1.bin")).unwrap().set_len(40 << 30).unwrap();
    refused(folder.path(), "holds 40960 MiB unpacked");
    fs::rename(at("data_batch_1.bin"), at("data_batch_1")).unwrap();
    refused(folder.path(), "holds 40960 MiB unpacked");
    fs::File::options().write(true).open(at("data_batch_1")).unwrap().set_len(600 << 20).unwrap();
    refused(folder.path(), "600 MiB, more than the 512 MiB");
}

/// A PNG of these chunks, with sums that nobody looks at before what they are of is refused.
fn png(width: u32, height: u32, bits: u8, colour: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([bits, colour, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\0\0\0\0");
    bytes
}

#[test]
fn pictures_that_claim_much_or_hide_much() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for class in ["a", "b"] {
        fs::create_dir(at(class)).unwrap();
        (0..3).for_each(|i| RgbImage::from_pixel(4, 4, Rgb([i; 3])).save(at(&format!("{class}/{i}.png"))).unwrap());
    }
    fs::write(at("a/giant.png"), png(16384, 4096, 16, 6)).unwrap();
    refused(folder.path(), "takes 512 MiB decoded, at most 256 are taken");
    fs::write(at("a/giant.png"), png(100_000, 100_000, 8, 2)).unwrap();
    refused(folder.path(), "claims 100000x100000 pixels");
    // One that is so narrow that scaling makes it endless.
    RgbImage::new(16384, 1).save(at("a/giant.png")).unwrap();
    let options = OpenOptions { size: Some(224), ..OpenOptions::default() };
    let (bytes, set) = peak(|| open(folder.path().to_str().unwrap(), &options));
    let error = set.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("a/giant.png") && error.contains("crop it") && bytes < 16 * MIB, "{bytes} bytes: {error}");

    // Texts that unpack to 16 MiB each: not looked at.
    let mut packed = ZlibEncoder::new(b"Comment\0\0".to_vec(), Compression::fast());
    packed.write_all(&vec![b' '; 16 * MIB]).unwrap();
    let text = packed.finish().unwrap();
    let plain = fs::read(at("b/0.png")).unwrap();
    let mut chunk = b"zTXt".to_vec();
    chunk.extend(text);
    let mut sum = flate2::Crc::new();
    sum.update(&chunk);
    let chunk = [&(chunk.len() as u32 - 4).to_be_bytes()[..], &chunk, &sum.sum().to_be_bytes()].concat();
    let file = [&plain[..33], &chunk, &chunk, &plain[33..]].concat();
    let length = file.len();
    fs::write(at("a/giant.png"), file).unwrap();
    let (bytes, set) = peak(|| open(folder.path().to_str().unwrap(), &OpenOptions::default()).unwrap());
    assert_eq!(set.summary().train + set.summary().test, 7);
    assert!(bytes < 4 * MIB + 2 * length, "{bytes} bytes for a file of {length}");
}
