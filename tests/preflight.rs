//! What is looked at before a run begins is looked at once: the data are opened by the engine alone, however it is begun, and
//! a run that can't be is refused all the same, before anything is left of it.
#![cfg(target_os = "linux")]

use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::inotify;
use zonas::data::{OpenOptions, open};

/// Counts how often a file is opened, by whatever process.
struct Opens(rustix::fd::OwnedFd);

impl Opens {
    fn of(path: &Path) -> Opens {
        let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&fd, path, inotify::WatchFlags::OPEN | inotify::WatchFlags::CLOSE_NOWRITE).unwrap();
        Opens(fd)
    }

    /// Since it was last asked. Equal events that follow one another are told as one, so what comes between two opens, a close,
    /// is watched as well.
    fn count(&self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut count = 0;
        while let Ok(event) = reader.next() {
            count += usize::from(event.events().contains(inotify::ReadFlags::OPEN));
        }
        count
    }
}

/// A set of pictures as IDX files; the file of the training pictures.
fn pictures(folder: &Path) -> PathBuf {
    let (side, count) = (8usize, 96usize);
    let put = |name: &str, head: &[u32], bytes: Vec<u8>| {
        let mut file: Vec<u8> = head.iter().flat_map(|n| n.to_be_bytes()).collect();
        file.extend(bytes);
        std::fs::write(folder.join(name), file).unwrap();
    };
    for (name, count) in [("train", count), ("t10k", 24)] {
        let pixels = (0..count * side * side).map(|i| (i * 37 % 251) as u8).collect();
        put(&format!("{name}-images-idx3-ubyte"), &[0x803, count as u32, side as u32, side as u32], pixels);
        put(&format!("{name}-labels-idx1-ubyte"), &[0x801, count as u32], (0..count).map(|i| (i % 4) as u8).collect());
    }
    folder.join("train-images-idx3-ubyte")
}

fn zonas(runs: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_zonas"));
    program.arg("--runs").arg(runs).args(arguments).env_remove("RUST_BACKTRACE").output().unwrap()
}

const TINY: [&str; 20] = [
    "--set",
    "score.channels=1",
    "--set",
    "score.batch=4",
    "--set",
    "score.draws=1",
    "--set",
    "score.remove_per_round=3",
    "--set",
    "search.channels=2",
    "--set",
    "search.cells=2",
    "--set",
    "search.batch=16",
    "--set",
    "search.epochs=1",
    "--set",
    "data.crop_padding=1",
    "--set",
    "train.epochs=1",
];

#[test]
fn a_run_opens_its_data_once() {
    let dir = tempfile::tempdir().unwrap();
    let (data, runs) = (dir.path().join("data"), dir.path().join("runs"));
    std::fs::create_dir(&data).unwrap();
    let file = pictures(&data);
    let opens = Opens::of(&file);
    let source = data.to_str().unwrap();
    // As often as for one look at the data.
    open(source, &OpenOptions::default()).unwrap();
    let once = opens.count();
    open(source, &OpenOptions::default()).unwrap();
    open(source, &OpenOptions::default()).unwrap();
    assert!(once > 0 && opens.count() == 2 * once);
    let done = |arguments: &[&str], expected: i32| {
        let all = [arguments, &["--device", "cpu", "--threads", "1"]].concat();
        let output = zonas(&runs, &all);
        assert_eq!(output.status.code(), Some(expected), "{all:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(opens.count(), once, "{all:?}");
    };
    let new = |more: &[&'static str]| [&["run", "--data", source], &TINY[..], more].concat();
    done(&new(&["--name", "own", "--yes"]), 0);
    done(&new(&["--name", "here", "--yes", "--foreground"]), 0);
    done(&new(&["--name", "queued", "--yes", "--queue"]), 0);
    // It stops at its cut, and is resumed there.
    done(&new(&["--name", "cut"]), 75);
    done(&["run", "--resume", "cut", "--yes"], 0);
    let train = ["train", "DARTS_V2", "--preset", "demo", "--data", source, "--name", "trained"];
    done(&[&train[..], &["--set", "data.crop_padding=1", "--set", "train.epochs=1"]].concat(), 0);
    // What is refused leaves nothing, and has looked no more often.
    let before = std::fs::read_dir(&runs).unwrap().count();
    done(&new(&["--name", "bad", "--yes", "--set", "search.batch=64"]), 2);
    done(&new(&["--name", "bad", "--yes", "--set", "search.batch=64", "--foreground"]), 2);
    done(&new(&["--name", "bad", "--yes", "--set", "search.batch=64", "--detach"]), 2);
    done(&new(&["--name", "bad", "--yes", "--set", "truth.table=/nowhere/table.tsv"]), 2);
    assert_eq!(std::fs::read_dir(&runs).unwrap().count(), before);
}

#[test]
fn a_run_that_is_refused_to_be_resumed_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (data, runs, ran) = (dir.path().join("data"), dir.path().join("runs"), dir.path().join("ran"));
    std::fs::create_dir(&data).unwrap();
    let file = pictures(&data);
    let source = data.to_str().unwrap();
    let new = [&["run", "--data", source, "--name", "r", "--device", "cpu", "--threads", "1"], &TINY[..]].concat();
    assert_eq!(zonas(&runs, &new).status.code(), Some(75));
    let kept = || ["events.jsonl", "config.toml"].map(|name| std::fs::read(runs.join("r").join(name)).unwrap());
    let before = kept();
    let whole = std::fs::read(&file).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&file, other).unwrap();
    let touch = format!("touch {}", ran.display());
    for more in [&["--foreground"][..], &["--detach"], &[]] {
        let resume = ["run", "--resume", "r", "--yes", "--threads", "2", "--on-end", touch.as_str()];
        let output = zonas(&runs, &[&resume, more].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("not the ones it was begun with"), "{said}");
        assert!(kept() == before, "{more:?}");
    }
    assert!(!ran.exists(), "a run that did not begin has ended");
    std::fs::write(&file, whole).unwrap();
    let output = zonas(&runs, &["run", "--resume", "r", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
