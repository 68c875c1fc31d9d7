//! What may happen to the files of a run.

use std::path::Path;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use zonas::run::event::Level;
use zonas::run::{CHECKPOINTS, EVENTS, LOCK};

use super::*;

/// A run that was killed in its search.
fn left(runs: &Path, name: &str) -> RunFolder {
    let folder = create(runs, name, &config());
    let mut engine = Engine::start(&folder);
    let reached = wait_for(&folder, &mut engine, |b| matches!(b, Body::EpochEnded(e) if e.epoch == 1));
    engine.kill();
    assert!(reached);
    folder
}

fn checkpoints(folder: &RunFolder) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.file(CHECKPOINTS)).unwrap();
    let mut all: Vec<_> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|x| x == "ckpt")).collect();
    all.sort();
    all
}

/// The journal cut at bytes of its last kilobyte, then resumed. What is cut off may be the only word of something,
/// so events may be missing; the result may not change.
pub fn journal_cut(runs: &Path, whole: &Essence, cuts: impl Iterator<Item = usize>) -> Told {
    let origin = left(runs, "uncut");
    let length = std::fs::metadata(origin.file(EVENTS)).unwrap().len() as usize;
    let mut count = 0;
    for back in cuts {
        let path = runs.join("cut");
        let _ = std::fs::remove_dir_all(&path);
        copy(origin.path(), &path);
        let folder = RunFolder::at(&path).unwrap();
        let text = std::fs::read(folder.file(EVENTS)).unwrap();
        std::fs::write(folder.file(EVENTS), &text[..length - back]).unwrap();
        if finish(&folder) != 0 {
            return Err(format!("cut {back} bytes before the end: {:?}", report(&folder).status));
        }
        let parts = essence(&folder);
        if parts.genotype != whole.genotype || parts.blobs != whole.blobs {
            return Err(format!("cut {back} bytes before the end: another result"));
        }
        count += 1;
    }
    Ok(format!("{count} of {count} cuts: the result equal"))
}

/// One flipped bit in the newest checkpoint: the one before it is used, and said.
pub fn flipped(runs: &Path, whole: &Essence, count: usize, rng: &mut ChaCha8Rng) -> Told {
    let origin = left(runs, "unflipped");
    for i in 0..count {
        let path = runs.join("flipped");
        let _ = std::fs::remove_dir_all(&path);
        copy(origin.path(), &path);
        let folder = RunFolder::at(&path).unwrap();
        let newest = checkpoints(&folder).pop().unwrap();
        let mut bytes = std::fs::read(&newest).unwrap();
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        std::fs::write(&newest, bytes).unwrap();
        if finish(&folder) != 0 {
            return Err(format!("{i}: {:?}", report(&folder).status));
        }
        let said = |e: &Event| match &e.body {
            Body::Log { level: Level::Warning, text } => text.contains("the one before it is used"),
            _ => false,
        };
        if !events(&folder).iter().any(said) {
            return Err(format!("{i}: byte {at} flipped and nothing said"));
        }
        compare(&format!("flip {i}"), whole, &essence(&folder))?;
    }
    Ok(format!("{count} of {count} passed over and said, the run equal"))
}

/// The clock was an hour ahead when the run was left: its journal and its heartbeat are of the future.
pub fn clock(runs: &Path, whole: &Essence) -> Told {
    let folder = left(runs, "clock");
    let ahead = |text: &str| {
        let mut out = String::new();
        for line in text.lines() {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["time"] = (value["time"].as_f64().unwrap() + 3600.0).into();
            out.push_str(&format!("{value}\n"));
        }
        out
    };
    for name in [EVENTS, LOCK] {
        let text = std::fs::read_to_string(folder.file(name)).unwrap();
        std::fs::write(folder.file(name), ahead(&text)).unwrap();
    }
    if report(&folder).status.word() != "crashed" {
        return Err(format!("told as {:?}", report(&folder).status));
    }
    if finish(&folder) != 0 {
        return Err(format!("{:?}", report(&folder).status));
    }
    let last = events(&folder).last().map(|e| e.time).unwrap_or_default();
    let first = events(&folder).first().map(|e| e.time).unwrap_or_default();
    if last >= first {
        return Err("the clock did not go back".into());
    }
    compare("clock", whole, &essence(&folder)).map(|()| "told as crashed, resumed, the run equal".into())
}

/// A folder copied while its engine is at work: the copy is a run of its own that can be resumed.
pub fn copied(runs: &Path, elsewhere: &Path, whole: &Essence) -> Told {
    let folder = create(runs, "original", &config());
    let mut engine = Engine::start(&folder);
    wait_for(&folder, &mut engine, is_step);
    // Still, so that files don't change under the copying.
    engine.signal(rustix::process::Signal::STOP);
    copy(folder.path(), &elsewhere.join("copy"));
    engine.signal(rustix::process::Signal::CONT);
    let copy = RunFolder::at(&elsewhere.join("copy")).unwrap();
    // As on another machine: the heartbeat names a host that is not this one.
    let lock = std::fs::read_to_string(copy.file(LOCK)).unwrap();
    std::fs::write(copy.file(LOCK), lock.replacen("\"host\":\"", "\"host\":\"another-", 1)).unwrap();
    if report(&copy).status.word() != "crashed" {
        return Err(format!("the copy is told as {:?}", report(&copy).status));
    }
    if finish(&copy) != 0 || !engine.wait().success() {
        return Err(format!("{:?}", report(&copy).status));
    }
    compare("original", whole, &essence(&folder))?;
    compare("copy", whole, &essence(&copy)).map(|()| "original and copy equal".into())
}

/// Settings, data or program that changed: refused with the change named, and resumed when forced.
pub fn changed(runs: &Path) -> Told {
    let folder = left(runs, "changed");
    let before = std::fs::read(folder.file(EVENTS)).unwrap();
    let mut c = folder.config().unwrap();
    c.search.learning_rate = 0.5;
    folder.write_atomic(zonas::run::CONFIG, c.to_toml().as_bytes()).unwrap();
    let refused = |why: &str| {
        let from = std::fs::metadata(folder.file(zonas::run::LOG)).map_or(0, |m| m.len()) as usize;
        let code = finish(&folder);
        let log = std::fs::read_to_string(folder.file(zonas::run::LOG)).unwrap();
        if code != 2 || !log[from..].contains(why) {
            return Err(format!("{why}: exit code {code}, {}", &log[from..]));
        }
        Ok(())
    };
    refused("search.learning_rate was 0.025 and is 0.5")?;
    if std::fs::read(folder.file(EVENTS)).unwrap() != before {
        return Err("a refused engine wrote into the journal".into());
    }
    folder.write_atomic(zonas::run::CONFIG, config().to_toml().as_bytes()).unwrap();
    let journal = String::from_utf8(before).unwrap();
    let origin = events(&folder).into_iter().find_map(|e| match e.body {
        Body::Origin(o) => Some(o),
        _ => None,
    });
    let origin = origin.ok_or("no origin in the journal")?;
    for (from, to, why) in
        [(origin.data.as_str(), "another", "data.source"), (origin.program.as_str(), "zonas 9.9.9", "zonas 9.9.9")]
    {
        std::fs::write(folder.file(EVENTS), journal.replace(&format!("\"{from}\""), &format!("\"{to}\""))).unwrap();
        refused(why)?;
    }
    if Engine::with(&folder, &["--confirm", "automatic", "--force"]).wait().code() != Some(0) {
        return Err(format!("forced: {:?}", report(&folder).status));
    }
    Ok("settings, data, program: 3 of 3 refused and named; forced, it ends".into())
}

/// A journal of a million events, as a search that tells every step makes it: how long a watcher takes to come up to the
/// present, how long a list of runs takes, and what memory that needs.
pub fn million(runs: &Path) -> Told {
    use std::io::Write;
    use zonas::explorer::state::State;
    let folder = create(runs, "million", &config());
    let origin = RunFolder::open(runs, "whole").unwrap();
    let told = events(&origin);
    let step = told.iter().find(|e| is_step(&e.body)).unwrap();
    let (before, after): (Vec<&Event>, Vec<&Event>) = told.iter().partition(|e| e.seq <= step.seq);
    let mut out = std::io::BufWriter::new(std::fs::File::create(folder.file(EVENTS)).unwrap());
    let mut seq = 0;
    let mut put = |event: &Event| {
        let event = Event { seq, ..event.clone() };
        seq += 1;
        serde_json::to_writer(&mut out, &event).unwrap();
        out.write_all(b"\n").unwrap();
    };
    before.iter().for_each(|e| put(e));
    for i in 0..1_000_000 {
        let Body::Step(s) = &step.body else { unreachable!() };
        let mut s = s.clone();
        (s.epoch, s.step) = (i / 100_000, i % 100_000);
        put(&Event { time: step.time + i as f64 * 0.01, body: Body::Step(s), ..step.clone() });
    }
    after.iter().for_each(|e| put(e));
    drop(out);
    let bytes = std::fs::metadata(folder.file(EVENTS)).unwrap().len();
    let begun = std::time::Instant::now();
    let resident = zonas::device::Meter::begin();
    let mut state = State::default();
    let mut tail = Tail::events(&folder).overview();
    loop {
        let events = tail.read();
        if events.is_empty() {
            break;
        }
        events.iter().for_each(|e| state.apply(e));
    }
    let attach = begun.elapsed().as_secs_f64();
    let memory =
        resident.peak_over_start().map_or("not measured".into(), |b| format!("{:.0} MiB", b as f64 / 1048576.0));
    let begun = std::time::Instant::now();
    let read = report(&folder);
    let list = begun.elapsed().as_secs_f64();
    if state.ended.is_none() || read.status.word() != "done" || state.epochs.train_loss.is_empty() {
        return Err("the end was not reached".into());
    }
    Ok(format!(
        "{seq} events, {:.0} MiB: attach {attach:.2} s, memory +{memory}; list of runs {list:.2} s",
        bytes as f64 / 1048576.0
    ))
}

/// What a checkpoint of the published search (16 channels, 8 cells) takes: copying the state, writing, syncing.
pub fn checkpoint_cost(runs: &Path) -> Told {
    use zonas::nn::{Init, Policy, Precision, Supernet, SupernetConfig};
    use zonas::oneshot::{AdamSettings, Method, Order, Searcher, Settings, SgdSettings};
    use zonas::space::{Mask, Operation, Stem, darts};
    let half = Mask::uniform(
        darts::SPACE,
        &[Operation::SepConv3x3, Operation::SepConv5x5, Operation::DilConv3x3, Operation::DilConv5x5],
    );
    let mut told = Vec::new();
    for (name, mask) in [("the full space", darts::FULL), ("half of it, all convolutions", half)] {
        let mut net = Supernet::new(&SupernetConfig {
            channels: 16,
            classes: 10,
            input_channels: 3,
            layout: darts::SPACE.layout(8),
            stem_multiplier: 3,
            stem: Stem::Cifar,
            mask,
            policy: Policy::Keep,
            precision: Precision::Float32,
        })
        .map_err(|e| e.to_string())?;
        net.initialise(Init::Default, 1).map_err(|e| e.to_string())?;
        let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0, nesterov: false };
        let adam = AdamSettings { learning_rate: 3e-4, beta1: 0.5, beta2: 0.999, weight_decay: 1e-3 };
        let searcher = Searcher::new(net, Settings { sgd, adam, method: Method::darts(Order::First) }, 1)
            .map_err(|e| e.to_string())?;
        let folder = create(runs, &format!("cost{}", told.len()), &config());
        let mut seconds = Vec::new();
        let mut bytes = 0;
        for _ in 0..20 {
            let begun = std::time::Instant::now();
            let mut checkpoint = Checkpoint::default();
            let state = searcher.state().map_err(|e| e.to_string())?;
            // The momentum has the size of the weights once a step is done.
            let parts = [&state.weights, &state.weights, &state.running, &state.alphas, &state.alphas, &state.alphas];
            for (i, values) in parts.into_iter().flatten().enumerate() {
                checkpoint.push_floats(&i.to_string(), values);
            }
            bytes = checkpoint.save(&folder).map_err(|e| e.to_string())?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let mebibytes = bytes as f64 / 1048576.0;
        told.push(format!(
            "{name}: {mebibytes:.1} MiB, median {:.0} ms, worst {:.0} ms",
            1e3 * seconds[10],
            1e3 * seconds[19]
        ));
    }
    Ok(told.join("; "))
}
