//! Commands to a run from the shell: each is appended to its folder, and answered by its engine.

use crate::run::describe;
use std::time::{Duration, Instant};

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use super::place::Place;
use crate::proxies::aggregate::Aggregate;
use crate::run::RunFolder;
use crate::run::command::{Body as Order, Edit};
use crate::run::event::{Body, Event};
use crate::run::journal::{Tail, send};
use crate::run::lock::Pulse;
use crate::run::status::Status;
use crate::run::summary::Summary;
use crate::space::By;
use crate::space::cut::{Scope, level_text};
use crate::text;
use crate::text::parse_amount;

/// Between two looks for the answer.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Args, Debug)]
pub struct OrderArguments {
    /// Name of a run, or the path of its folder.
    run: String,
    /// Wait for the engine's answer for at most so many seconds; it answers between two steps.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("edit").required(true).multiple(true))]
pub struct CutArguments {
    #[command(flatten)]
    order: OrderArguments,
    /// The automatic cut at this level; what was decided by hand stays.
    #[arg(long, value_name = "XI", group = "edit", allow_negative_numbers = true, value_parser = level)]
    xi: Option<f64>,
    /// The best automatic cut within so much memory, as in 2GiB or 800MiB, spent as `cut.by` says: single operations, unequal between
    /// edges.
    #[arg(long, value_name = "BYTES", group = "edit", value_parser = bytes, conflicts_with = "xi")]
    budget: Option<u64>,
    /// Over what the level is a share: each `edge`, or `global`, all of them together, where operations are worth most.
    #[arg(long, value_name = "OF", group = "edit", conflicts_with = "budget")]
    scope: Option<Scope>,
    /// Where the automatic cut comes from: `scores`, or a control, which keeps as many operations on every edge as the cut
    /// before: `random`, `cheapest` or `most_parameters`.
    #[arg(long, group = "edit")]
    source: Option<String>,
    /// Cut by these ranking functions alone, of those that the run scored; nothing is scored again.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', group = "edit", conflicts_with = "source")]
    by: Vec<String>,
    /// Put the functions together so: `decorrelated`, `noise`, `relative` or `ranks` [default: as the run does].
    #[arg(long, value_name = "HOW", group = "edit", conflicts_with = "source")]
    aggregate: Option<Aggregate>,
    /// Take back all changes by hand.
    #[arg(long, group = "edit")]
    automatic: bool,
    /// Keep an operation, as in normal:0-2:sep3, by the names of the screens; may be given again.
    #[arg(long, value_name = "CELL:EDGE:OPERATION", group = "edit", value_parser = named)]
    keep: Vec<Named>,
    /// Drop an operation, as in reduction:1-4:max_pool_3x3; may be given again.
    #[arg(long, value_name = "CELL:EDGE:OPERATION", group = "edit", value_parser = named)]
    drop: Vec<Named>,
    /// Keep what this file keeps, and drop the rest, by hand and as one change: a mask as `zonas mask` prints it.
    #[arg(long, value_name = "FILE", group = "edit", conflicts_with_all = ["keep", "drop"])]
    mask: Option<std::path::PathBuf>,
    /// Take back the last change.
    #[arg(long, group = "edit", exclusive = false)]
    undo: bool,
    /// Do again what was taken back.
    #[arg(long, group = "edit")]
    redo: bool,
}

#[derive(Args, Debug)]
pub struct ConfirmArguments {
    #[command(flatten)]
    order: OrderArguments,
    /// Only if the cut has been changed so many times and no more [default: as it is now].
    #[arg(long)]
    revision: Option<usize>,
}

/// An operation as it was named.
#[derive(Clone, Debug)]
struct Named {
    place: crate::space::Place,
    /// The edge was given by a number, which no screen shows.
    number: Option<String>,
}

fn named(given: &str) -> Result<Named, String> {
    let place = given.parse()?;
    let edge = given.split(':').nth(1).unwrap_or_default();
    let number = edge.bytes().all(|b| b.is_ascii_digit()).then(|| edge.to_string());
    Ok(Named { place, number })
}

/// A pruning level.
pub(super) fn level(given: &str) -> Result<f64, String> {
    let inside = |xi: &f64| *xi > 0.0 && *xi < 1.0;
    given.parse().ok().filter(inside).ok_or_else(|| "a pruning level lies above 0 and below 1".into())
}

/// `2GiB`, `800MiB`, `1.5G`, `4096`.
fn bytes(given: &str) -> Result<u64, String> {
    parse_amount(given).ok_or_else(|| "give it in bytes, KiB, MiB, GiB or TiB, as in 2GiB".into())
}

/// `zonas pause RUN` and its like.
pub fn run(place: &Place, a: &OrderArguments, order: Order) -> eyre::Result<Exit> {
    let mut asked = Asked::open(place, a)?;
    asked.ask(order)
}

pub fn cut(place: &Place, a: &CutArguments) -> eyre::Result<Exit> {
    let mut asked = Asked::open(place, &a.order)?;
    // Before any of them is asked for.
    let space = asked.known.cut.as_ref().map(|c| c.mask.space());
    for Named { place, number } in a.keep.iter().chain(&a.drop) {
        if let Some(space) = space.filter(|s| s.slot(*place).is_none()) {
            return Err(Usage(format!("there is no {place:#} in the search space {}", space.name())).into());
        }
        if let Some(number) = number {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "note: edge {number} is {}", place.edge);
        }
    }
    let mut orders = Vec::new();
    orders.extend(a.automatic.then_some(Order::Cut(Edit::Automatic)));
    orders.extend(a.undo.then_some(Order::Undo));
    orders.extend(a.redo.then_some(Order::Redo));
    orders.extend(a.source.iter().map(|source| Order::Cut(Edit::Source { source: source.clone() })));
    if !a.by.is_empty() || a.aggregate.is_some() {
        let aggregate = a.aggregate.map(|how| how.to_string());
        orders.push(Order::Cut(Edit::By(By { functions: a.by.clone(), aggregate })));
    }
    orders.extend(a.xi.map(|xi| Order::Cut(Edit::Level { xi })));
    orders.extend(a.scope.map(|scope| Order::Cut(Edit::Scope { scope })));
    orders.extend(a.budget.map(|bytes| Order::Cut(Edit::Budget { bytes })));
    orders.extend(a.keep.iter().map(|n| Order::Cut(Edit::Keep { place: n.place })));
    orders.extend(a.drop.iter().map(|n| Order::Cut(Edit::Drop { place: n.place })));
    if let Some(file) = &a.mask {
        let Some(cut) = &asked.known.cut else {
            return Err(Usage("there is no cut yet that a mask could change".into()).into());
        };
        let mask = super::mask::of_space(file, cut.mask.space())?;
        let moved = orders.iter().any(|o| !matches!(o, Order::Cut(Edit::Automatic)));
        if moved {
            return Err(Usage("--mask goes with --automatic alone: it is the whole cut".into()).into());
        }
        let space = asked.folder.config()?.space();
        if let Some(place) = mask.places().find(|p| !space.contains(*p)) {
            return Err(Usage(format!("the mask keeps {place:#}, which is not in the space that is cut")).into());
        }
        crate::engine::searchable::searchable(&mask).map_err(|why| Usage(format!("no cut: {why}")))?;
        if orders.is_empty() && mask == cut.mask {
            asked.out.line("the cut is that of the file")?;
            return Ok(Exit::Done);
        }
        orders.push(Order::Cut(Edit::Mask { mask }));
    }
    let several = orders.len() > 1;
    let mut ended = Exit::Done;
    // Each is answered by its own name; one that is refused does not keep the others back.
    for order in orders {
        let name = if several { edit(&order) } else { order.name().to_string() };
        let decided = matches!(order, Order::Cut(Edit::Keep { .. } | Edit::Drop { .. }));
        let before = asked.known.cut.as_ref().map(|cut| cut.mask);
        let exit = asked.ask_as(&name, order)?;
        if exit != Exit::Done {
            ended = exit;
        } else if before.is_some() && before == asked.known.cut.as_ref().map(|cut| cut.mask) {
            let later = if decided { "; decided by hand, it stays so at another level or budget" } else { "" };
            asked.out.line(&format!("  note: {name} changes nothing now{later}"))?;
        }
    }
    if several || ended == Exit::Done {
        asked.tell_cut()?;
    }
    Ok(ended)
}

/// An edit of the cut in words, among several.
fn edit(order: &Order) -> String {
    match order {
        Order::Cut(Edit::Keep { place }) => format!("keep {place}"),
        Order::Cut(Edit::Drop { place }) => format!("drop {place}"),
        Order::Cut(Edit::Level { xi }) => format!("ξ {}", level_text(*xi)),
        Order::Cut(Edit::Budget { bytes }) => format!("within {}", text::bytes(*bytes)),
        Order::Cut(Edit::Scope { scope }) => format!("scope {scope}"),
        Order::Cut(Edit::Source { source }) => format!("by {source}"),
        Order::Cut(Edit::By(by)) => format!("by {}", by.words()),
        Order::Cut(Edit::Mask { .. }) => "mask".into(),
        Order::Cut(Edit::Automatic) => "automatic".into(),
        other => other.name().into(),
    }
}

pub fn confirm(place: &Place, a: &ConfirmArguments) -> eyre::Result<Exit> {
    let mut asked = Asked::open(place, &a.order)?;
    let revision = a.revision.or(asked.known.proposals.checked_sub(1));
    asked.ask(Order::Confirm { revision })
}

/// A run whose engine listens.
struct Asked {
    folder: RunFolder,
    tail: Tail<Event>,
    pulse: Pulse,
    timeout: Duration,
    /// What the journal tells so far.
    known: Summary,
    out: Output<std::io::Stdout>,
}

impl Asked {
    fn open(place: &Place, a: &OrderArguments) -> eyre::Result<Asked> {
        let folder = place.run(&a.run)?;
        let mut read = Summary::readable(&folder)?;
        let begun = Instant::now();
        // What is asked may depend on what the engine says first.
        while read.status == Status::Starting && begun.elapsed() < Duration::from_secs(a.timeout) {
            std::thread::sleep(LOOK);
            read = Summary::read(&folder);
        }
        if !read.status.has_engine() {
            let name = place.word(&folder);
            let detail = read.status.detail().map_or(String::new(), |d| format!(" ({d})"));
            let hint = if read.summary.stopped_at_cut() {
                format!("; `zonas run --resume {name} --wait --detach` brings it back to its cut")
            } else if read.status.can_go_on() {
                format!("; `zonas run --resume {name}` resumes it")
            } else {
                String::new()
            };
            let state = read.summary.state;
            return Err(Usage(format!("no engine is at work on {name}: it is {state}{detail}{hint}")).into());
        }
        let mut asked = Asked {
            tail: Tail::events(&folder).without_dense(),
            folder,
            pulse: Pulse::default(),
            timeout: Duration::from_secs(a.timeout),
            known: Summary::default(),
            out: Output::stdout(),
        };
        while asked.read("").is_some() {}
        Ok(asked)
    }

    /// What came since, with the answer to a command if it is there; `None` if nothing came.
    fn read(&mut self, id: &str) -> Option<Option<Result<(), String>>> {
        let events = self.tail.read();
        if events.is_empty() {
            return None;
        }
        let mut answer = None;
        for e in events {
            self.known.apply(&e);
            match e.body {
                Body::CommandAccepted { id: of, .. } if of == id => answer = Some(Ok(())),
                Body::CommandRefused { id: of, reason, .. } if of == id => answer = Some(Err(reason)),
                _ => {}
            }
        }
        Some(answer)
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, order: Order) -> eyre::Result<Exit> {
        let name = order.name();
        self.ask_as(name, order)
    }

    /// The same, of a command that goes by another name here.
    fn ask_as(&mut self, name: &str, order: Order) -> eyre::Result<Exit> {
        let id = send(&self.folder, order)?;
        let begun = Instant::now();
        let mut looked = Instant::now();
        loop {
            match self.read(&id) {
                Some(Some(Ok(()))) => {
                    self.out.line(&text::sanitize(&format!("{name}: accepted")))?;
                    return Ok(Exit::Done);
                }
                Some(Some(Err(reason))) => {
                    self.out.line(&text::sanitize(&format!("{name}: refused: {reason}")))?;
                    return Ok(Exit::Failure);
                }
                Some(None) => continue,
                None => {}
            }
            if looked.elapsed() > Duration::from_millis(500) {
                looked = Instant::now();
                if !self.pulse.look(&self.folder).is_alive() && self.read(&id).is_none() {
                    let state = Summary::read(&self.folder).summary.state;
                    eyre::bail!("{name}: not answered: the engine is gone, the run is {state}");
                }
            }
            if begun.elapsed() > self.timeout {
                let seconds = self.timeout.as_secs();
                eyre::bail!(
                    "{name}: not answered within {seconds} s; it stands in commands.jsonl and will be when the step ends"
                );
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The cut that stands after the changes: what the answer to them has brought.
    fn tell_cut(&mut self) -> eyre::Result<()> {
        // The proposal follows its answer at once.
        for _ in 0..50 {
            while self.read("").is_some() {}
            std::thread::sleep(LOOK / 4);
        }
        if let Some(cut) = &self.known.cut {
            let line = format!(
                "{} {}: {} of {} kept, {} by hand, predicted {} of {}; revision {}",
                describe::cut_size(cut),
                describe::cut_source(cut),
                cut.mask.count(),
                cut.of(),
                cut.by_hand.len(),
                text::bytes(cut.memory_bytes),
                text::bytes(cut.full_memory_bytes),
                self.known.proposals.saturating_sub(1)
            );
            self.out.line(&text::sanitize(&line))?;
            for warning in &cut.warnings {
                self.out.line(&text::sanitize(&format!("  note: {warning}")))?;
            }
            for words in cut.verdict.iter().flat_map(|v| &v.words) {
                self.out.line(&text::sanitize(&format!("  verdict: {words}")))?;
            }
            super::verdict::tell_truth(&mut self.out, &self.folder, cut)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn amounts_of_memory_have_units() {
        for (text, n) in
            [("4096", 4096), ("2GiB", 2 << 30), ("1.5g", 3 << 29), ("800 MiB", 800 << 20), ("1tb", 1 << 40)]
        {
            assert_eq!(bytes(text), Ok(n), "{text}");
        }
        for bad in ["", "GiB", "2 apples", "-1", "1.2.3"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
