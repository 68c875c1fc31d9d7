//! Ends of processes: engines, watchers, memory.

use std::path::Path;
use std::process::{Command, Stdio};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use zonas::run::command::Body as Order;
use zonas::run::event::Body;
use zonas::run::journal;
use zonas::run::status::Status;

use super::*;

/// SIGKILL of the engine at random moments: after so many events, after a stage, while a checkpoint is being written. Each
/// run is resumed with another number of threads.
pub fn engine(runs: &Path, whole: &Essence, count: usize, rng: &mut ChaCha8Rng) -> Told {
    let total = events(&RunFolder::open(runs, "whole").unwrap()).len();
    let (mut scoring, mut searching, mut half, mut between) = (0, 0, 0, 0);
    for i in 0..count {
        let folder = create(runs, &format!("kill{i}"), &config());
        let mut engine = Engine::start(&folder);
        let after = |kind: fn(&Body) -> bool, count: usize, engine: &mut Engine| {
            let seen = std::cell::Cell::new(0);
            wait_for(&folder, engine, |b| {
                seen.set(seen.get() + usize::from(kind(b)));
                seen.get() >= count
            });
        };
        match i % 4 {
            // While a checkpoint is being written, if that can be caught.
            0 => {
                let mut left = rng.random_range(1..8);
                while left > 0 && !engine.is_over() {
                    let names = std::fs::read_dir(folder.file(zonas::run::CHECKPOINTS)).into_iter().flatten().flatten();
                    left -= names.filter(|e| e.file_name().to_string_lossy().ends_with(".new")).count().min(left);
                }
            }
            1 => {
                after(|b| matches!(b, Body::StageEnded { .. }), rng.random_range(1..4), &mut engine);
                between += 1;
            }
            2 => after(|_| true, rng.random_range(1..total), &mut engine),
            _ => {
                after(is_step, rng.random_range(1..15), &mut engine);
                std::thread::sleep(Duration::from_millis(rng.random_range(0..20)));
            }
        }
        engine.kill();
        let mut names = std::fs::read_dir(folder.file(zonas::run::CHECKPOINTS)).unwrap().flatten();
        half += usize::from(names.any(|e| e.file_name().to_string_lossy().ends_with(".new")));
        let told = events(&folder);
        match told.iter().any(|e| is_step(&e.body)) {
            true => searching += 1,
            false => scoring += 1,
        }
        let ended = matches!(told.last().map(|e| &e.body), Some(Body::RunEnded { .. }));
        let standing = report(&folder).status;
        if !ended && !matches!(standing, Status::Crashed(_) | Status::New) {
            return Err(format!("kill {i}: told as {standing:?}"));
        }
        if !ended {
            threads(&folder, 1 + i % 3);
            let code = finish(&folder);
            if code != 0 {
                return Err(format!("kill {i}: resumed it ended with {code}: {:?}", report(&folder).status));
            }
        }
        compare(&format!("kill {i}"), whole, &essence(&folder))?;
    }
    Ok(format!(
        "{count} of {count} equal ({scoring} before the search, {searching} in it; {between} between stages, {half} with a \
         checkpoint half written)"
    ))
}

/// SIGKILL of an engine that trains a genotype from scratch, after so many steps; each run is resumed with another
/// number of threads.
pub fn training(runs: &Path, count: usize, rng: &mut ChaCha8Rng) -> Told {
    let whole = create(runs, "trained", &super::training());
    let code = finish(&whole);
    if code != 0 {
        return Err(format!("ended with {code}: {:?}", report(&whole).status));
    }
    let weights = |folder: &RunFolder| taken_home(&std::fs::read(folder.file(zonas::run::WEIGHTS)).unwrap_or_default());
    let (essence_of_whole, weights_of_whole) = (essence(&whole), weights(&whole));
    if weights_of_whole.is_empty() {
        return Err("there are no weights".into());
    }
    let mut killed = 0;
    for i in 0..count {
        let folder = create(runs, &format!("train{i}"), &super::training());
        let mut engine = Engine::start(&folder);
        let (seen, wanted) = (std::cell::Cell::new(0), rng.random_range(1..20));
        wait_for(&folder, &mut engine, |b| {
            seen.set(seen.get() + usize::from(is_step(b)));
            seen.get() >= wanted
        });
        engine.kill();
        if !matches!(events(&folder).last().map(|e| &e.body), Some(Body::RunEnded { .. })) {
            killed += 1;
            threads(&folder, 1 + i % 3);
            let code = finish(&folder);
            if code != 0 {
                return Err(format!("kill {i}: resumed it ended with {code}: {:?}", report(&folder).status));
            }
        }
        compare(&format!("kill {i}"), &essence_of_whole, &essence(&folder))?;
        if weights(&folder) != weights_of_whole {
            return Err(format!("kill {i}: the exported weights differ"));
        }
    }
    Ok(format!("{count} of {count} equal ({killed} killed before their end)"))
}

/// What a file of weights holds, but for the name of the run: metadata and tensors.
fn taken_home(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Ok((_, header)) = safetensors::SafeTensors::read_metadata(file) else { return Vec::new() };
    let said = header.metadata().iter().flatten().filter(|(key, _)| *key != "run");
    let mut found: Vec<_> = said.map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect();
    let tensors = safetensors::SafeTensors::deserialize(file)
        .map(|t| t.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect::<Vec<_>>());
    found.extend(tensors.unwrap_or_default());
    found.sort();
    found
}

/// Changes the number of threads in a run's settings.
pub fn threads(folder: &RunFolder, count: usize) {
    let mut c = folder.config().unwrap();
    c.device.threads = count;
    folder.write_atomic(zonas::run::CONFIG, c.to_toml().as_bytes()).unwrap();
}

/// SIGKILL of watchers: the run goes on to the same end. `explorer`: in a terminal, which `script` makes.
pub fn watchers(runs: &Path, whole: &Essence, explorer: bool) -> Told {
    let name = if explorer { "watched-explorer" } else { "watched" };
    let folder = create(runs, name, &config());
    let program = env!("CARGO_BIN_EXE_zonas");
    let runs = runs.to_str().unwrap();
    // The engine is the child of a watcher that dies first.
    let mut first = Command::new(program)
        .args(["--runs", runs, "run", "--yes", "--resume", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the first score", || events(&folder).iter().any(|e| matches!(e.body, Body::Score { .. })));
    first.kill().unwrap();
    first.wait().unwrap();
    for _ in 0..2 {
        let mut watcher = if explorer {
            let line = format!("{program} --runs {runs} open {name}");
            Command::new("script")
                .args(["-qec", &line, "/dev/null"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
        } else {
            Command::new(program).args(["--runs", runs, "tail", name]).stdout(Stdio::piped()).spawn()
        }
        .map_err(|e| format!("no watcher: {e}"))?;
        std::thread::sleep(Duration::from_millis(150));
        let _ = watcher.kill();
        watcher.wait().unwrap();
    }
    until("the end of the run", || matches!(report(&folder).status, Status::Done));
    compare("watched", whole, &essence(&folder)).map(|()| "3 watchers killed, the run equal".into())
}

/// A watcher that does not read, and one whose pipe is closed.
pub fn pipes(runs: &Path, whole: &Essence) -> Told {
    let program = env!("CARGO_BIN_EXE_zonas");
    let text = runs.to_str().unwrap();
    for (name, closed) in [("slow", false), ("closed", true)] {
        let folder = create(runs, name, &config());
        let mut watcher = Command::new(program)
            .args(["--runs", text, "run", "--yes", "--output", "json", "--resume", name])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let unread = watcher.stdout.take().filter(|_| !closed);
        until("the end of the run", || matches!(report(&folder).status, Status::Done));
        drop(unread);
        watcher.wait().unwrap();
        compare(name, whole, &essence(&folder))?;
    }
    Ok("2 of 2 runs equal".into())
}

/// Two engines on one run at the same moment.
pub fn two(runs: &Path, count: usize) -> Told {
    let folder = create(runs, "two", &endless());
    for i in 0..count {
        let mut engines = [Engine::start(&folder), Engine::start(&folder)];
        until("the refusal of one", || engines.iter_mut().any(Engine::is_over));
        let over = engines.each_mut().map(Engine::is_over);
        let loser = usize::from(over[1]);
        let code = engines[loser].wait().code();
        if over[0] && over[1] || code != Some(2) {
            return Err(format!("time {i}: both ended, or the one with {code:?}"));
        }
        let winner = &mut engines[1 - loser];
        // Wherever it is: it must be the one that writes.
        journal::send(&folder, Order::Abort).unwrap();
        if winner.wait().code() != Some(130) {
            return Err(format!("time {i}: the other ended with {:?}", report(&folder).status));
        }
        let seqs: Vec<u64> = events(&folder).iter().map(|e| e.seq).collect();
        if seqs.windows(2).any(|w| w[0] >= w[1]) {
            return Err(format!("time {i}: events of two engines are mixed"));
        }
    }
    Ok(format!("{count} of {count}: one ran, one was refused"))
}

/// No memory left: the kernel or the allocator ends the engine.
pub fn memory(runs: &Path, whole: &Essence) -> Told {
    let folder = create(runs, "memory", &config());
    let mut engine = Engine::start(&folder);
    wait_for(&folder, &mut engine, is_step);
    let pid = Pid::from_child(&engine.0);
    let none = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    rustix::process::prlimit(Some(pid), Resource::As, none).map_err(|e| e.to_string())?;
    let status = engine.wait();
    let standing = report(&folder).status;
    if status.success() {
        return Err("the limit was not felt".into());
    }
    let code = finish(&folder);
    if code != 0 {
        return Err(format!("resumed it ended with {code}"));
    }
    compare("memory", whole, &essence(&folder)).map(|()| format!("told as {:?}; the run equal", standing.word()))
}

/// Signals that ask to leave: a checkpoint and exit code 75; a hang-up is nothing.
pub fn signals(runs: &Path, whole: &Essence) -> Told {
    let folder = create(runs, "signals", &config());
    let mut ends = Vec::new();
    for (signal, found) in [(Signal::TERM, false), (Signal::USR1, true), (Signal::INT, true)] {
        let mut engine = Engine::start(&folder);
        let begun = if found { is_step } else { |b: &Body| matches!(b, Body::Score { .. }) };
        let seen = events(&folder).len() as u64;
        let mut tail = Tail::events(&folder);
        until("the moment", || engine.is_over() || tail.read().iter().any(|e| e.seq >= seen && begun(&e.body)));
        engine.signal(Signal::HUP);
        engine.signal(signal);
        ends.push(engine.wait().code());
    }
    if ends.iter().any(|e| *e != Some(75)) {
        return Err(format!("exit codes {ends:?}"));
    }
    if finish(&folder) != 0 {
        return Err("it could not be resumed".into());
    }
    compare("signals", whole, &essence(&folder))
        .map(|()| "SIGTERM, SIGUSR1, SIGINT: 75 each; SIGHUP: nothing; the run equal".into())
}

/// A control group for memory below this process's own; removed when this is dropped.
struct Group {
    path: std::path::PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl Group {
    fn make() -> Option<Group> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let name = format!("zonas-test-{}", std::process::id());
        let mut found = own.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
            let (root, limit, usage) = match controllers {
                "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
                c if c.split(',').any(|c| c == "memory") => {
                    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
                }
                _ => return None,
            };
            Some(Group { path: Path::new(root).join(path).join(&name), limit, usage })
        });
        found.find(|g| std::fs::create_dir(&g.path).is_ok() && g.path.join(g.limit).exists())
    }

    fn usage(&self) -> Option<u64> {
        std::fs::read_to_string(self.path.join(self.usage)).ok()?.trim().parse().ok()
    }

    fn limit(&self, bytes: u64) -> bool {
        std::fs::write(self.path.join(self.limit), bytes.to_string()).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// The system kills the engine for want of memory, in a control group. `None` where there are none to be had.
pub fn out_of_memory(runs: &Path, whole: &Essence) -> Option<Told> {
    let group = Group::make()?;
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.path.display());
    let folder = create(runs, "group", &config());
    let mut engine = Engine::by(&["sh", "-c", &enter], &folder, &["--confirm", "automatic"]);
    // While it scores it has planned its memory and has not taken it yet.
    wait_for(&folder, &mut engine, |b| matches!(b, Body::Score { .. }));
    let usage = group.usage()?;
    if usage == 0 || !group.limit(usage + (128 << 10)) {
        return None;
    }
    let status = engine.wait();
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    let standing = report(&folder).status;
    if !killed || standing.word() != "crashed" {
        return Some(Err(format!("ended with {status}, told as {standing:?}")));
    }
    let code = finish(&folder);
    if code != 0 {
        return Some(Err(format!("resumed it ended with {code}")));
    }
    let told = "killed by the system, told as crashed; resumed, the run equal";
    Some(compare("group", whole, &essence(&folder)).map(|()| told.into()))
}
