//! The cut of a run: the automatic proposal, changes by hand, undo and redo, and the confirmation.

use super::control::Control;
use super::plan::{Plan, Planner};
use super::setup::Setup;
use super::{Confirm, EngineError, Past};
use crate::run::command::{Body as Order, Command, Edit};
use crate::run::event::{Body, Cut, Level, Removal, Stage};
use crate::space::cut::{Change, Cutter, History, Proposal, Source, level_of};
use crate::space::{CellKind, Edge, Mask, NODES, OPERATIONS, Operation, Place};

/// What came of the stage.
pub(super) enum Decision {
    Confirmed(Mask),
    /// Nobody confirmed, and the engine is not to wait.
    Unconfirmed,
    /// Asked to stop.
    Stopped,
}

struct Cutting<'a> {
    setup: &'a Setup<'a>,
    cutter: Cutter,
    planner: Planner,
    /// Removals that were within noise.
    ties: Vec<Place>,
    history: History,
    full: Plan,
    /// Proposals in the journal: a watcher's revision is one less.
    proposals: usize,
}

/// Proposes a cut and has it confirmed, or takes the one that an earlier engine had confirmed.
pub(super) fn run(
    control: &mut Control,
    setup: &Setup,
    past: &Past,
    order: &[Removal],
    confirm: Confirm,
) -> Result<Decision, EngineError> {
    if let Some(cut) = &past.confirmed {
        return Ok(Decision::Confirmed(cut.mask));
    }
    // Before the stage begins, which is the person's turn.
    let planner = match setup.planner().timed() {
        Ok(planner) => planner,
        Err(e) => {
            control.log(Level::Warning, format!("the seconds of a search step can't be predicted: {e}"))?;
            setup.planner()
        }
    };
    if let Some(busy) = planner.busy() {
        control.log(Level::Warning, busy)?;
    }
    let before = past.proposed.as_ref().and_then(|cut| cut.full_step_seconds);
    if let (Some(before), Some(now)) = (before, planner.plan(Mask::FULL).step_seconds)
        && (now / before).max(before / now) > 1.2
    {
        let words = format!("a search step was timed anew: {now:.3} s uncut, {before:.3} s by the engine before");
        control.log(Level::Info, words)?;
    }
    let clock = control.begin(Stage::Cut)?;
    let mut cutting = Cutting::new(setup, planner, order, past);
    cutting.propose(control)?;
    loop {
        if confirm != Confirm::Wait {
            control.poll()?;
        }
        if control.stops() || control.aborts() || control.leaves() {
            return Ok(Decision::Stopped);
        }
        match confirm {
            Confirm::Automatic => break,
            Confirm::Stop => return Ok(Decision::Unconfirmed),
            Confirm::Wait => {}
        }
        let mut confirmed = false;
        for c in control.wait_for_cut()? {
            if confirmed {
                control.refuse(&c, "the cut is confirmed and can't be changed any more")?;
            } else {
                confirmed = cutting.obey(control, &c)?;
            }
        }
        if confirmed {
            break;
        }
    }
    let mask = cutting.mask();
    searchable(&mask).map_err(EngineError::Cut)?;
    let cut = cutting.describe();
    control.emit(Body::CutConfirmed(cut))?;
    control.end(&clock)?;
    control.sync()?;
    Ok(Decision::Confirmed(mask))
}

impl<'a> Cutting<'a> {
    fn new(setup: &'a Setup<'a>, planner: Planner, order: &[Removal], past: &Past) -> Cutting<'a> {
        let config = setup.config;
        let cutter = Cutter { space: setup.space, order: order.iter().map(|r| r.place).collect(), seed: config.seed };
        let source = Source::by_name(&config.cut.source).unwrap_or(Source::Scores);
        let start = match &past.proposed {
            Some(cut) => restored(&cutter, cut),
            None => Proposal::new(source, config.cut.xi),
        };
        Cutting {
            setup,
            cutter,
            ties: order.iter().filter(|r| r.tie).map(|r| r.place).collect(),
            history: History::new(start),
            full: planner.plan(Mask::FULL),
            planner,
            proposals: past.proposals,
        }
    }

    fn mask(&self) -> Mask {
        self.cutter.mask(self.history.now())
    }

    fn propose(&mut self, control: &mut Control) -> Result<(), EngineError> {
        self.proposals += 1;
        let cut = self.describe();
        control.emit(Body::CutProposed(cut))
    }

    fn describe(&self) -> Cut {
        let now = self.history.now();
        let mask = self.mask();
        let plan = self.planner.plan(mask);
        let mut warnings = self.cutter.warnings(&mask);
        if now.source == Source::Scores {
            let gone = |p: &Place| self.setup.space.contains(*p) && !mask.contains(*p);
            let decisions = Place::all().filter(gone).count();
            let ties = self.ties.iter().filter(|p| gone(p)).count();
            if ties > 0 {
                warnings.push(format!("{ties} of {decisions} decisions are within noise"));
            }
        }
        if let Err(reason) = searchable(&mask) {
            warnings.push(reason);
        }
        if !plan.fits {
            warnings.push(self.planner.ways_out(mask, &plan));
        }
        Cut {
            xi: now.xi,
            mask,
            by_hand: self.cutter.by_hand(now),
            source: now.source.name().into(),
            memory_bytes: plan.bytes,
            full_memory_bytes: self.full.bytes,
            step_seconds: plan.step_seconds,
            full_step_seconds: self.full.step_seconds,
            warnings,
        }
    }

    /// Does what a command says and answers it; true if the cut is confirmed now.
    fn obey(&mut self, control: &mut Control, c: &Command) -> Result<bool, EngineError> {
        let refusal = match &c.body {
            Order::Cut(edit) => self.edit(edit).err(),
            Order::Undo => (!self.history.undo()).then(|| "there is nothing to undo".to_string()),
            Order::Redo => (!self.history.redo()).then(|| "there is nothing to redo".to_string()),
            Order::Confirm { revision } => {
                let here = self.proposals - 1;
                let stale = revision.filter(|seen| *seen != here).map(|seen| {
                    format!("the cut has changed: it is at revision {here}, not {seen}; look at it and confirm again")
                });
                let reason = stale.or_else(|| searchable(&self.mask()).err());
                return match reason {
                    Some(reason) => control.refuse(c, reason).map(|()| false),
                    None => control.accept(c).map(|()| true),
                };
            }
            _ => Some("it has nothing to do with the cut".to_string()),
        };
        match refusal {
            Some(reason) => control.refuse(c, reason)?,
            None => {
                control.accept(c)?;
                self.propose(control)?;
            }
        }
        Ok(false)
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        let change = match edit {
            Edit::Budget { bytes } => Change::Level(self.level_within(*bytes)?),
            other => change_of(other)?,
        };
        let next = self.cutter.change(self.history.now(), change).map_err(|e| e.to_string())?;
        if next == *self.history.now() {
            return Err("that changes nothing".into());
        }
        self.history.push(next);
        Ok(())
    }
}

impl Cutting<'_> {
    /// The lowest level whose search is predicted to fit.
    fn level_within(&self, bytes: u64) -> Result<f64, String> {
        let need = |xi: f64| {
            let next = self.cutter.change(self.history.now(), Change::Level(xi)).map_err(|e| e.to_string())?;
            Ok::<u64, String>(self.planner.plan(self.cutter.mask(&next)).bytes)
        };
        for kept in (1..OPERATIONS).rev() {
            let xi = level_of(kept);
            if need(xi)? <= bytes {
                return Ok(xi);
            }
        }
        let least = need(level_of(1))?.div_ceil(1 << 20);
        Err(format!("no level fits: with one operation on every edge the search needs about {least} MiB"))
    }
}

/// What an edit asks of a cut.
///
/// # Errors
/// The name of a source that there is not; a budget, which only a run knows the level of.
pub fn change_of(edit: &Edit) -> Result<Change, String> {
    Ok(match edit {
        Edit::Level { xi } => Change::Level(*xi),
        Edit::Budget { .. } => return Err("which level fits into a budget is the engine's to say".into()),
        Edit::Automatic => Change::Automatic,
        Edit::Source { source } => Change::Source(Source::by_name(source).ok_or_else(|| {
            let shown: String = source.chars().filter(|c| !c.is_control()).take(40).collect();
            format!("`{shown}` is no source of a cut; there are {}", Source::ALL.map(Source::name).join(", "))
        })?),
        Edit::Keep { place } => Change::Set(*place, true),
        Edit::Drop { place } => Change::Set(*place, false),
        Edit::Edge { cell, edge, keep } => Change::Edge(*cell, *edge, *keep),
        Edit::Kind { cell, operation, keep } => Change::Kind(*cell, *operation, *keep),
    })
}

/// The proposal that a cut in the journal came from.
fn restored(cutter: &Cutter, cut: &Cut) -> Proposal {
    let mut proposal = Proposal::new(Source::by_name(&cut.source).unwrap_or(Source::Scores), cut.xi);
    // What is kept first: then no edge is empty in between.
    for kept in [true, false] {
        for place in cut.by_hand.iter().filter(|p| cut.mask.contains(**p) == kept) {
            if let Ok(next) = cutter.change(&proposal, Change::Set(*place, kept)) {
                proposal = next;
            }
        }
    }
    proposal
}

/// # Errors
/// The first node that could not get its two inputs.
fn searchable(mask: &Mask) -> Result<(), String> {
    mask.check().map_err(|e| e.to_string())?;
    for cell in CellKind::ALL {
        for node in 0..NODES {
            let open = |e: &Edge| mask.kept(cell, *e).any(|o| o != Operation::None);
            let inputs = Edge::into_node(node).filter(open).count();
            if inputs < 2 {
                return Err(format!(
                    "node {node} of the {cell} cell has {inputs} edges with an operation other than `none`, and a \
                     genotype needs two; keep another operation there"
                ));
            }
        }
    }
    Ok(())
}
