//! Runs that outlive what happens to them; `cargo bench --bench faults` does all of it, at greater length.
#![cfg(target_os = "linux")]

use crate::faults::{disk, files, kills, queue};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

fn good(told: crate::faults::Told) {
    match told {
        Ok(words) => println!("{words}"),
        Err(words) => panic!("{words}"),
    }
}

/// What not every machine can do.
fn possible(told: Option<crate::faults::Told>) {
    match told {
        Some(told) => good(told),
        None => println!("skipped: not possible here"),
    }
}

#[test]
fn engines_that_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, whole) = crate::faults::whole(dir.path());
    good(kills::engine(dir.path(), &whole, 8, &mut ChaCha8Rng::seed_from_u64(1)));
    good(kills::memory(dir.path(), &whole));
    possible(kills::out_of_memory(dir.path(), &whole));
    good(kills::signals(dir.path(), &whole));
}

#[test]
fn engines_that_train_and_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    good(kills::training(dir.path(), 3, &mut ChaCha8Rng::seed_from_u64(3)));
}

#[test]
fn watchers_that_die_or_do_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (_, whole) = crate::faults::whole(dir.path());
    good(kills::watchers(dir.path(), &whole, false));
    good(kills::pipes(dir.path(), &whole));
    good(kills::two(dir.path(), 2));
}

#[test]
fn runs_that_follow_one_another() {
    let dir = tempfile::tempdir().unwrap();
    good(queue::turns(dir.path()));
    let (folder, _) = crate::faults::whole(dir.path());
    good(queue::inherited(dir.path(), &folder));
}

#[test]
fn files_that_are_damaged_moved_or_edited() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, whole) = crate::faults::whole(dir.path());
    good(files::journal_cut(dir.path(), &whole, (0..1024).step_by(150)));
    good(files::flipped(dir.path(), &whole, 4, &mut ChaCha8Rng::seed_from_u64(2)));
    good(files::clock(dir.path(), &whole));
    good(files::copied(dir.path(), elsewhere.path(), &whole));
    good(files::changed(dir.path()));
}

#[test]
fn a_disk_without_room_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (_, whole) = crate::faults::whole(dir.path());
    good(disk::limited(dir.path(), &whole));
    possible(disk::forbidden(dir.path(), &whole));
}
