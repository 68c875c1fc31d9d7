//! Runs that wait for their turn, and runs that take over scores.

use std::path::Path;

use rustix::process::Signal;
use zonas::run::status::Status;
use zonas::space::cut::Source;

use super::*;

fn waits_behind(folder: &RunFolder, name: &str) -> bool {
    matches!(report(folder).status, Status::Queued(behind) if behind.contains(name))
}

/// A run at work, and two behind it: they begin in the order of their coming, and one that is asked to stop leaves.
pub fn turns(runs: &Path) -> Told {
    let first = create(runs, "first", &endless());
    let mut at_work = Engine::start(&first);
    wait_for(&first, &mut at_work, is_step);
    let second = create(runs, "second", &config());
    let third = create(runs, "third", &config());
    let queued = ["--confirm", "automatic", "--queue"];
    let mut next = Engine::with(&second, &queued);
    until("the second waits", || waits_behind(&second, "first"));
    let mut last = Engine::with(&third, &queued);
    until("the third waits", || matches!(report(&third).status, Status::Queued(_)));
    at_work.signal(Signal::TERM);
    at_work.wait();
    until("the third waits for the second", || waits_behind(&third, "second") || next.is_over());
    // A command, which the engine that takes it up later must not find again.
    zonas::run::journal::send(&third, zonas::run::command::Body::Stop).map_err(|e| e.to_string())?;
    let left = last.wait().code();
    let done = next.wait().code();
    match (left, done, report(&third).status) {
        (Some(75), Some(0), Status::Stopped(_)) => {}
        other => return Err(format!("{other:?}")),
    }
    // It is as if it had never waited.
    match finish(&third) {
        0 => compare("after a queue", &essence(&second), &essence(&third))
            .map(|()| "in the order of their coming".into()),
        code => Err(format!("{code}")),
    }
}

/// A control with another run's scores ends as one that has scored by itself.
pub fn inherited(runs: &Path, like: &RunFolder) -> Told {
    let mut control = config();
    control.cut.source = Source::Random.into();
    let alone = create(runs, "alone", &control);
    if finish(&alone) != 0 {
        return Err(format!("{:?}", report(&alone).status));
    }
    let heir = create(runs, "heir", &control);
    if !zonas::engine::inherit(like, &heir, &control).map_err(|e| e.to_string())? {
        return Err("nothing was taken over".into());
    }
    let scores = |f: &RunFolder| events(f).iter().filter(|e| matches!(e.body, Body::Score { .. })).count();
    let taken = scores(&heir);
    if finish(&heir) != 0 {
        return Err(format!("{:?}", report(&heir).status));
    }
    if scores(&heir) != taken {
        return Err("it has scored again".into());
    }
    let mut other = control.clone();
    other.score.draws = 3.into();
    let no_heir = create(runs, "no-heir", &other);
    if zonas::engine::inherit(like, &no_heir, &other).map_err(|e| e.to_string())? {
        return Err("scores of other settings were taken over".into());
    }
    // A control that nobody hands scores to has none.
    if scores(&alone) != 0 {
        return Err("a control was scored".into());
    }
    // Lists are rounds of scoring, but for the cut.
    let unscored = |mut e: Essence| {
        e.told.retain(|told| {
            !told.contains("\"event\":\"score\"") && (!told.starts_with('[') || told.contains("\"random\""))
        });
        e
    };
    compare("heir", &unscored(essence(&alone)), &unscored(essence(&heir)))
        .map(|()| format!("{taken} scores taken over, the run equal"))
}
