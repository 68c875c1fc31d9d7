//! How a large folder of pictures is read: time and memory to open it (the first time, and when it is known), and pictures a
//! second through the loader, from their files and, where they fit, from memory.
//!
//! `ZONAS_PICTURES=DIR cargo bench --bench pictures [-- SIDE]`: `SIDE` is `data.size`, without it pictures are as they are.

use std::sync::Arc;
use std::time::Instant;

use zonas::data::{Augment, Dataset, Loader, OpenOptions, Plan, Split, open};

/// Pictures that go through the loader, at most, and in a batch.
const PICTURES: usize = 64_000;
const BATCH: usize = 64;

/// A line of `/proc/self/status`, in MiB.
fn mib(line: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find_map(|l| l.strip_prefix(line)?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    found.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn opened(what: &str, folder: &str, options: &OpenOptions) -> Arc<dyn Dataset> {
    let (before, began) = (mib("VmRSS:"), Instant::now());
    let set = match open(folder, options) {
        Ok(set) => set,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(2);
        }
    };
    let (opened, print) = (began.elapsed().as_secs_f64(), Instant::now());
    let fingerprint = set.fingerprint();
    println!(
        "{what}: opened in {opened:.2} s, fingerprint in {:.2} s more; {:.0} MiB more in memory, peak {:.0} MiB; {fingerprint}",
        print.elapsed().as_secs_f64(),
        mib("VmRSS:") - before,
        mib("VmHWM:")
    );
    set
}

fn through(what: &str, set: &Arc<dyn Dataset>) {
    let count = set.len(Split::Train);
    let plan = Plan {
        batches: Some(PICTURES.min(count) / BATCH),
        ..Plan::training(
            (0..count as u32).collect(),
            BATCH,
            Augment { crop_padding: 4, flip: true, cutout: 0 },
            1,
            "bench",
            0,
        )
    };
    let began = Instant::now();
    let mut pictures = 0;
    let mut sum = 0.0;
    for batch in Loader::new(set.clone(), plan).unwrap_or_else(|e| panic!("{e}")) {
        let batch = batch.unwrap_or_else(|e| panic!("{e}"));
        pictures += batch.count;
        sum += f64::from(batch.images[0]);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {:.0} pictures/s ({pictures} in {seconds:.2} s; {sum:.3})", pictures as f64 / seconds);
}

fn main() {
    let Ok(folder) = std::env::var("ZONAS_PICTURES") else {
        println!("set ZONAS_PICTURES to a folder of pictures");
        return;
    };
    let size = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let cache = std::env::temp_dir().join(format!("zonas-pictures-{}", std::process::id()));
    let options = OpenOptions { size, memory: Some(0), cache: Some(cache.clone()), ..OpenOptions::default() };
    let set = opened("files, first time", &folder, &options);
    println!("{}", set.summary());
    drop(set);
    let set = opened("files, known", &folder, &options);
    through("files", &set);
    let all = set.summary().picture_bytes() * (set.len(Split::Train) + set.len(Split::Test));
    drop(set);
    if all < 2 << 30 {
        let set = opened("memory", &folder, &OpenOptions { memory: Some(u64::MAX), ..options });
        through("memory", &set);
    }
    let _ = std::fs::remove_dir_all(cache);
}
