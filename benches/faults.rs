//! Everything that may happen to a run, at full length: `cargo bench --bench faults [-- WORD]` prints a table of what was
//! done, how often, and what came of it; the exit code is 1 if anything went wrong. What needs an administrator (small
//! disks) or a program (`script`) that is not there is said to be skipped.

#[cfg(target_os = "linux")]
#[path = "../tests/faults/mod.rs"]
mod faults;

fn main() {
    #[cfg(target_os = "linux")]
    table::main();
    #[cfg(not(target_os = "linux"))]
    println!("skipped: what is done to processes here is Linux's");
}

#[cfg(target_os = "linux")]
mod table {
    use std::path::Path;
    use std::time::Instant;

    use crate::faults::{Essence, Told, disk, files, kills, queue};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    type Fault = fn(&Path, &Essence) -> Option<Told>;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(11)
    }

    const FAULTS: [(&str, Fault); 21] = [
        ("SIGKILL of the engine", |runs, whole| Some(kills::engine(runs, whole, 20, &mut rng()))),
        ("SIGKILL of an engine that trains", |runs, _| Some(kills::training(runs, 8, &mut rng()))),
        ("SIGKILL of watchers in the shell", |runs, whole| Some(kills::watchers(runs, whole, false))),
        ("SIGKILL of the explorer, twice", |runs, whole| {
            let script = std::process::Command::new("script").arg("--version").output();
            script.is_ok().then(|| kills::watchers(runs, whole, true))
        }),
        ("signals that ask to leave", |runs, whole| Some(kills::signals(runs, whole))),
        ("no memory left", |runs, whole| Some(kills::memory(runs, whole))),
        ("out-of-memory kill in a control group", |runs, whole| kills::out_of_memory(runs, whole)),
        ("two engines at once", |runs, _| Some(kills::two(runs, 50))),
        ("a watcher that is slow, or a closed pipe", |runs, whole| Some(kills::pipes(runs, whole))),
        ("limit on the size of files", |runs, whole| Some(disk::limited(runs, whole))),
        ("folder that may not be written for a while", |runs, whole| disk::forbidden(runs, whole)),
        ("full disk", |runs, whole| disk::full(&runs.join("small"), whole)),
        ("read-only disk", |runs, whole| disk::read_only(&runs.join("ro"), whole)),
        ("runs that follow one another", |runs, _| Some(queue::turns(runs))),
        ("flipped bit in the newest checkpoint", |runs, whole| Some(files::flipped(runs, whole, 100, &mut rng()))),
        ("clock set back an hour", |runs, whole| Some(files::clock(runs, whole))),
        ("folder copied", |runs, whole| Some(files::copied(runs, &runs.join("elsewhere"), whole))),
        ("settings, data, program changed", |runs, _| Some(files::changed(runs))),
        ("journal cut in its last kilobyte", |runs, whole| {
            // Every byte, with an argument that says so; else every eighth.
            let step = if std::env::args().any(|a| a == "--every-byte") { 1 } else { 8 };
            Some(files::journal_cut(runs, whole, (0..=1024).step_by(step)))
        }),
        ("a checkpoint of 16 channels and 8 cells", |runs, _| Some(files::checkpoint_cost(runs))),
        ("journal of a million events", |runs, _| Some(files::million(runs))),
    ];

    pub fn main() {
        let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
        let dir = tempfile::tempdir().unwrap();
        let (_, whole) = crate::faults::whole(dir.path());
        let mut failed = false;
        println!("| fault | what came of it | s |\n|---|---|---|");
        for (name, fault) in FAULTS {
            if !words.is_empty() && !words.iter().any(|w| name.contains(w.as_str())) {
                continue;
            }
            let begun = Instant::now();
            let told = match fault(dir.path(), &whole) {
                None => "skipped: not possible here".to_string(),
                Some(Ok(words)) => words,
                Some(Err(words)) => {
                    failed = true;
                    format!("FAILED: {words}")
                }
            };
            println!("| {name} | {told} | {:.0} |", begun.elapsed().as_secs_f64());
        }
        std::process::exit(i32::from(failed));
    }
}
