//! Files of a run with random damage: whatever stands there, the readers end with a sentence or with what can be used,
//! never with a panic, and take no more memory than the file's size times a small factor.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use zonas::engine::{self, Confirm, Options};
use zonas::explorer::state::State;
use zonas::run::checkpoint::Checkpoint;
use zonas::run::config::Config;
use zonas::run::event::Event;
use zonas::run::journal::Tail;
use zonas::run::lock::Liveness;
use zonas::run::summary::Summary;
use zonas::run::{CHECKPOINTS, COMMANDS, CONFIG, EVENTS, LOCK, RunFolder};

/// Counts what is taken, so that one reader's greatest need is known.
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
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Bytes that reading needs at most beside the file's: buffers, and what a state is made of when it is empty.
const ROOM: usize = 4 << 20;
/// Times the file's size.
const FACTOR: usize = 12;

/// Mutations of each file; `ZONAS_MUTATIONS` changes it.
fn count() -> usize {
    std::env::var("ZONAS_MUTATIONS").ok().and_then(|v| v.parse().ok()).unwrap_or(10_000)
}

/// Random damage: bits, bytes, pieces that are lost, repeated or put elsewhere, and numbers that are too large.
fn damage(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    const NUMBERS: [&str; 8] =
        ["18446744073709551615", "9223372036854775807", "-1", "1e308", "-0.0", "4294967296", "null", "\"nan\""];
    let mut out = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if out.is_empty() {
            return out;
        }
        let at = rng.random_range(0..out.len());
        let end = (at + rng.random_range(1..64)).min(out.len());
        match rng.random_range(0..8) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = rng.random(),
            2 => out.truncate(at),
            3 => drop(out.drain(at..end)),
            4 => {
                let piece = out[at..end].to_vec();
                let to = rng.random_range(0..=out.len());
                out.splice(to..to, piece);
            }
            5 => out[at..end].fill(rng.random()),
            _ => {
                // The next number in the text becomes another.
                let digit = |b: &u8| b.is_ascii_digit();
                let Some(from) = out[at..].iter().position(digit).map(|i| i + at) else { continue };
                let to = out[from..].iter().position(|b| !digit(b)).map_or(out.len(), |i| i + from);
                out.splice(from..to, NUMBERS[rng.random_range(0..NUMBERS.len())].bytes());
            }
        }
    }
    out
}

/// Reads damaged forms of a file; each takes no more memory than it may.
fn each(name: &str, whole: &[u8], mut read: impl FnMut(&[u8])) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for i in 0..count() {
        let bytes = damage(&mut rng, whole);
        PEAK.store(NOW.load(Ordering::Relaxed), Ordering::Relaxed);
        let before = NOW.load(Ordering::Relaxed);
        read(&bytes);
        let taken = PEAK.load(Ordering::Relaxed) - before;
        assert!(taken <= ROOM + FACTOR * bytes.len(), "{name} {i}: {taken} bytes for a file of {}", bytes.len());
    }
    println!("{name}: {} damaged forms read", count());
}

fn one_sentence(text: &str) {
    assert!(!text.is_empty() && !text.trim_end().contains('\n'), "{text:?}");
}

fn config() -> Config {
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 64;
    c.data.crop_padding = 2;
    c.device.threads = 1;
    c.score.draws = 1.into();
    c.score.batch = 2;
    c.score.channels = 1;
    c.score.remove_per_round = 6;
    c.search.channels = 1;
    c.search.cells = 2;
    c.search.batch = 8;
    c.search.epochs = 1;
    c
}

/// A run that did everything.
fn run(runs: &Path) -> RunFolder {
    let folder = RunFolder::create(runs, Some("whole"), "x", &config()).unwrap();
    engine::run(&folder, &config(), &Options { confirm: Confirm::Automatic, ..Options::default() }).unwrap();
    folder
}

fn newest(folder: &RunFolder) -> std::path::PathBuf {
    let mut all: Vec<_> = std::fs::read_dir(folder.file(CHECKPOINTS)).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all.pop().unwrap()
}

/// A sum that fits: damage must get past it to be seen.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(&bytes);
    bytes.extend(crc.sum().to_le_bytes());
    bytes
}

#[test]
fn damaged_files_are_read_or_refused() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let folder = run(dir.path());
    let copy = RunFolder::create(dir.path(), Some("damaged"), "x", &config()).unwrap();

    each("config.toml", &std::fs::read(folder.file(CONFIG)).unwrap(), |bytes| {
        std::fs::write(copy.file(CONFIG), bytes).unwrap();
        if let Err(e) = copy.config() {
            one_sentence(&e.to_string());
        }
    });
    std::fs::write(copy.file(CONFIG), config().to_toml()).unwrap();

    // Every kind of event once or a few times: what is damaged is then seldom the same.
    let mut kinds = std::collections::HashMap::new();
    let text = std::fs::read_to_string(folder.file(EVENTS)).unwrap();
    let few = |line: &&str| {
        let event: Event = serde_json::from_str(line).unwrap();
        let count = kinds.entry(std::mem::discriminant(&event.body)).or_insert(0);
        *count += 1;
        *count <= 2
    };
    let short: String = text.lines().filter(few).flat_map(|l| [l, "\n"]).collect();
    each("events.jsonl", short.as_bytes(), |bytes| {
        std::fs::write(copy.file(EVENTS), bytes).unwrap();
        let report = Summary::read(&copy);
        assert!(!report.summary.state.is_empty());
        let mut tail = Tail::events(&copy);
        let mut state = State::default();
        loop {
            let events = tail.read();
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|e| state.apply(e));
        }
        let _ = (state.status(), state.epochs.progress(), state.epochs.left(), state.score.left());
    });

    let commands = r#"{"id":"a","command":"pause"}
{"id":"b","command":"cut","edit":"keep","place":"normal:3:sep_conv_3x3"}
{"id":"c","command":"cut","edit":"level","xi":0.5}
{"id":"d","command":"cut","edit":"budget","bytes":123456}
{"id":"e","command":"confirm","revision":3}
"#;
    each("commands.jsonl", commands.as_bytes(), |bytes| {
        std::fs::write(copy.file(COMMANDS), bytes).unwrap();
        Tail::commands(&copy).rest();
    });

    let lock = std::fs::read(folder.file(LOCK)).unwrap();
    each("lock", &lock, |bytes| {
        std::fs::write(copy.file(LOCK), bytes).unwrap();
        let _ = Liveness::of(&copy);
    });

    let checkpoint = std::fs::read(newest(&folder)).unwrap();
    let path = copy.file(CHECKPOINTS).join("00000000.ckpt");
    each("checkpoint", &checkpoint, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        if let Err(e) = Checkpoint::load(&copy) {
            one_sentence(&e.to_string());
        }
    });
    let header = 16 + u64::from_le_bytes(checkpoint[8..16].try_into().unwrap()) as usize;
    each("header of a checkpoint", &checkpoint[..header], |bytes| {
        std::fs::write(&path, sealed([bytes, &checkpoint[header..checkpoint.len() - 4]].concat())).unwrap();
        if let Err(e) = Checkpoint::load(&copy) {
            one_sentence(&e.to_string());
        }
    });

    let python = std::fs::read(folder.file(zonas::run::GENOTYPE_PYTHON)).unwrap();
    let json = std::fs::read(folder.file(zonas::run::GENOTYPE_JSON)).unwrap();
    for (name, whole) in [("genotype.py", python), ("genotype.json", json)] {
        each(name, &whole, |bytes| {
            if let Err(e) = zonas::space::parse_genotype(&String::from_utf8_lossy(bytes)) {
                assert!(!e.to_string().is_empty());
            }
        });
    }
}

/// Engines that take up damaged runs: they end, one way or the other, with an outcome or a sentence.
#[test]
fn engines_take_up_damaged_runs_or_refuse_them() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let folder = run(dir.path());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let journal = std::fs::read_to_string(folder.file(EVENTS)).unwrap();
    // As if it had been killed before its end.
    let lines: Vec<&str> = journal.lines().collect();
    let unfinished = |keep: usize| lines[..keep].iter().flat_map(|l| [*l, "\n"]).collect::<String>().into_bytes();
    let checkpoint = std::fs::read(newest(&folder)).unwrap();
    let body = checkpoint.len() - 4;
    let config = config();
    for i in 0..(count() / 200).max(10) {
        let name = format!("d{i}");
        let copy = RunFolder::create(dir.path(), Some(&name), "x", &config).unwrap();
        let keep = rng.random_range(1..lines.len());
        let mut events = unfinished(if i % 2 == 0 { keep } else { lines.len() - 1 });
        let mut state = checkpoint[..body].to_vec();
        match i % 2 {
            0 => events = damage(&mut rng, &events),
            _ => state = damage(&mut rng, &state),
        }
        std::fs::write(copy.file(EVENTS), events).unwrap();
        std::fs::write(copy.file(CHECKPOINTS).join("00000000.ckpt"), sealed(state)).unwrap();
        let options = Options { confirm: Confirm::Automatic, ..Options::default() };
        if let Err(e) = engine::run(&copy, &config, &options) {
            one_sentence(&e.to_string());
            assert!(!matches!(e, engine::EngineError::Panic(_)), "{name}: {e}");
        }
        // Whoever looks afterwards is told something.
        assert!(!Summary::read(&copy).summary.state.is_empty());
        std::fs::remove_dir_all(copy.path()).unwrap();
    }
}
