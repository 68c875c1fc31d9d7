//! The cut of a run: the automatic proposal, changes by hand, undo and redo, and the confirmation.

use std::collections::BTreeMap;

use super::budget::{self, mib, too_little};
use super::control::{CONFIRMED, Control};
use super::error::EngineError;
use super::options::{Confirm, Options};
use super::orders::{Order as Ordered, Orders};
use super::past::Past;
use super::plan::{Plan, Planner};
use super::queue;
use super::score::significance;
use super::searchable::searchable;
use super::setup::Setup;
use super::unequal::worth_most;
use super::verdict::{self, Asked};
use crate::device::Device;
use crate::run::RunFolder;
use crate::run::command::{Body as Order, Command, Edit};
use crate::run::config::CutBy;
use crate::run::event::{Body, Cut, CutMove, Level, Removal, Stage};
use crate::space::cut::{Change, Extent, History, Proposal, Scope, Source, level_of, level_text};
use crate::space::{By, Counts, Mask, Operation, Place};

/// What came of the stage.
pub(super) enum Decision {
    Confirmed(Mask),
    /// Nobody confirmed, and the engine is not to wait.
    Unconfirmed,
    /// The automatic cut was to be taken, and is not what it claims to be, for this reason.
    NotByScores(String),
    /// Asked to stop.
    Stopped,
    /// Asked to stop after the confirmation, before the run had its turn again.
    StoppedInQueue,
}

/// Why there is no cut over all edges.
const UNEQUAL: &str = "nothing says what one edge is worth beside another: that takes scores of sampled cells of which a function \
                       has a vote";

struct Cutting<'a> {
    setup: &'a Setup<'a>,
    orders: Orders<'a>,
    planner: Planner,
    history: History,
    full: Plan,
    /// Proposals in the journal: a watcher's revision is one less.
    proposals: usize,
}

/// Proposes a cut and has it confirmed, or takes the one that an earlier engine had confirmed.
pub(super) fn run(
    control: &mut Control,
    setup: &Setup,
    folder: &RunFolder,
    past: &Past,
    order: &[Removal],
    options: &Options,
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
    let before = past.cuts.last().and_then(|cut| cut.full_step_seconds);
    if let (Some(before), Some(now)) = (before, planner.plan(setup.config.full()).step_seconds)
        && (now / before).max(before / now) > 1.2
    {
        let words = format!("a search step was timed anew: {now:.3} s uncut, {before:.3} s by the engine before");
        control.log(Level::Info, words)?;
    }
    let clock = control.begin(Stage::Cut)?;
    let mut cutting = Cutting::new(setup, planner, Orders::new(setup.config, setup.space, order, folder), past)?;
    let cut = cutting.propose(control, None, None)?;
    let confirming = match options.confirm {
        Confirm::Automatic => {
            control.poll()?;
            match cut.not_by_scores().filter(|_| !options.force) {
                _ if control.stops() || control.aborts() || control.leaves() => return Ok(Decision::Stopped),
                Some(reason) => return Ok(Decision::NotByScores(reason)),
                None => None,
            }
        }
        Confirm::Stop => {
            control.poll()?;
            let asked = control.stops() || control.aborts() || control.leaves();
            return Ok(if asked { Decision::Stopped } else { Decision::Unconfirmed });
        }
        Confirm::Wait => {
            // A person may take hours: others need not wait for that, nor miss the memory.
            if let Device::Cuda(gpu) = &setup.device {
                gpu.release();
            }
            control.lock().yields(true);
            match cutting.wait(control)? {
                None => return Ok(Decision::Stopped),
                confirming => confirming,
            }
        }
    };
    let mask = cutting.mask();
    searchable(&mask).map_err(EngineError::Cut)?;
    let id = confirming.as_ref().map(|c| c.id.clone());
    let cut = cutting.describe(id, None);
    control.emit(Body::CutConfirmed(cut))?;
    if let Some(c) = &confirming {
        control.accept(c)?;
    }
    for late in control.take_cut() {
        control.refuse(&late, CONFIRMED)?;
    }
    control.end(&clock)?;
    control.sync()?;
    if options.confirm == Confirm::Wait && !queue::wait(control, folder, || {})? {
        return Ok(Decision::StoppedInQueue);
    }
    Ok(Decision::Confirmed(mask))
}

impl<'a> Cutting<'a> {
    fn new(setup: &'a Setup<'a>, planner: Planner, orders: Orders<'a>, past: &Past) -> Result<Self, EngineError> {
        let config = setup.config;
        let mut cutting = Cutting {
            setup,
            orders,
            history: History::new(Proposal::new(Source::Scores, Extent::Level(config.cut.xi))),
            full: planner.plan(config.full()),
            planner,
            proposals: past.proposals,
        };
        cutting.history = match remembered(&mut cutting.orders, &past.cuts) {
            Some(history) => history,
            None => History::new(cutting.automatic()?),
        };
        Ok(cutting)
    }

    /// What the settings ask for.
    fn automatic(&mut self) -> Result<Proposal, EngineError> {
        let cut = &self.setup.config.cut;
        if cut.is_none() {
            // By any source: nothing goes.
            return Ok(Proposal::new(Source::MostParameters, Extent::Level(cut.xi)));
        }
        let source = cut.source.automatic();
        let by = self.orders.prepare(&cut.source.by()).map_err(EngineError::Cut)?;
        let extent = match (cut.counts(self.setup.space.space()), cut.budget()) {
            (Some(counts), _) => Extent::Counts(counts),
            (None, Some(bytes)) => {
                let mask = self.most(source, &by, &BTreeMap::new(), bytes).map_err(EngineError::Cut)?;
                Extent::Budget { bytes, mask }
            }
            // Where that can't be had the cut says so.
            (None, None) if cut.scope == Scope::Global => match self.global(&by, cut.xi) {
                Ok(mask) => Extent::Global { xi: cut.xi, mask },
                Err(_) => Extent::Level(cut.xi),
            },
            (None, None) => Extent::Level(cut.xi),
        };
        Ok(Proposal::new(source, extent).by(by))
    }

    /// What the proposal goes by.
    fn order(&self, proposal: &Proposal) -> &Ordered {
        self.orders.of(&proposal.by)
    }

    fn mask(&self) -> Mask {
        let now = self.history.now();
        self.order(now).cutter.mask(now)
    }

    fn propose(
        &mut self,
        control: &mut Control,
        command: Option<String>,
        moved: Option<CutMove>,
    ) -> Result<Cut, EngineError> {
        self.proposals += 1;
        let cut = self.describe(command, moved);
        control.emit(Body::CutProposed(cut.clone()))?;
        Ok(cut)
    }

    /// Obeys commands until one confirms the cut; `None` if the run is to stop.
    fn wait(&mut self, control: &mut Control) -> Result<Option<Command>, EngineError> {
        loop {
            if control.stops() || control.aborts() || control.leaves() {
                return Ok(None);
            }
            let mut confirming = None;
            for c in control.wait_for_cut()? {
                if confirming.is_some() {
                    control.refuse(&c, CONFIRMED)?;
                } else if self.obey(control, &c)? {
                    confirming = Some(c);
                }
            }
            if confirming.is_some() {
                return Ok(confirming);
            }
        }
    }

    fn describe(&self, command: Option<String>, moved: Option<CutMove>) -> Cut {
        let now = self.history.now();
        let cutter = &self.order(now).cutter;
        let mask = self.mask();
        let plan = self.planner.plan(mask);
        let mut cut = Cut {
            xi: now.xi(&cutter.full()),
            mask,
            by_hand: cutter.by_hand(now),
            decided: now.decisions().collect(),
            source: now.source.name().into(),
            by: now.by.clone(),
            unscored: self.unscored(),
            command,
            moved,
            memory_bytes: plan.bytes,
            full_memory_bytes: self.full.bytes,
            step_seconds: plan.step_seconds,
            full_step_seconds: self.full.step_seconds,
            ..Cut::default()
        };
        match now.extent {
            Extent::Level(_) => {}
            Extent::Global { .. } => cut.scope = Scope::Global,
            Extent::Counts(counts) => cut.kept_per_edge = counts.list(),
            Extent::Budget { bytes, .. } => cut.budget_bytes = Some(bytes),
        }
        let told = if now.source == Source::Scores { self.judge(&mut cut) } else { vec![self.control(now.source)] };
        cut.warnings = cut.not_by_scores().into_iter().chain(told).collect();
        if let Some(bytes) = cut.budget_bytes.filter(|bytes| plan.bytes > *bytes) {
            cut.warnings.push(format!(
                "with the changes by hand the search needs {} KiB more than the budget of {} MiB; ask for the budget again \
                 to fit it",
                (plan.bytes - bytes).div_ceil(1 << 10),
                mib(bytes)
            ));
        }
        let asked = &self.setup.config.cut;
        if asked.scope == Scope::Global
            && !asked.is_none()
            && (now.source, matches!(now.extent, Extent::Level(_))) == (Source::Scores, true)
            && self.order(now).quality.is_none()
        {
            cut.warnings.push(format!("as many on every edge, though cut.scope is `global`: {UNEQUAL}"));
        }
        cut.warnings.extend(self.orders.note(&now.by));
        cut.warnings.extend(cutter.warnings(&mask));
        cut.warnings.extend(searchable(&mask).err());
        if !plan.fits {
            cut.warnings.push(self.planner.ways_out(mask, &plan));
        }
        cut.verdict = verdict::assess(&Asked {
            cut: &cut,
            space: self.setup.space,
            order: &self.order(now).list,
            own: &self.orders.own.list,
            stored: self.orders.stored.as_ref(),
            config: self.setup.config,
            bytes: &|mask| Some(self.planner.by_bytes(mask).bytes),
        });
        cut
    }

    /// Nothing was scored, since the settings ask for a control.
    fn unscored(&self) -> bool {
        self.orders.own.list.is_empty()
    }

    /// How much the scores had to say about what the automatic part drops; what is to be told of it.
    fn judge(&self, cut: &mut Cut) -> Vec<String> {
        let now = self.history.now();
        let Ordered { removals, cutter, .. } = self.order(now);
        let automatic = cutter.automatic_of(now);
        let gone = || self.setup.space.places().filter(|p| !automatic.contains(*p));
        let removal = |p: &Place| removals.get(p);
        // The last of an edge has no removal: it goes only where a budget is very tight, and the others' scores say so.
        let last = |p: &Place| cutter.best(Source::Scores, p.cell, p.edge) == Some(p.operation);
        let undefined = |p: &Place| removal(p).map_or(!last(p), |r| r.undefined || r.score.0.is_nan());
        cut.decisions = gone().count();
        cut.undefined = gone().filter(&undefined).count();
        cut.by_lot = gone().filter(|p| !undefined(p) && removal(p).is_some_and(|r| r.by_lot)).count();
        // What had no score is told as that. What a budget buys, or is worth most over all edges, is not the highest of each edge: noise
        // between neighbours decides nothing there.
        let buys = match now.extent {
            Extent::Budget { .. } => self.order(now).quality.is_some() && self.setup.config.cut.by != CutBy::Level,
            Extent::Global { .. } => true,
            Extent::Level(_) | Extent::Counts(_) => false,
        };
        let within = |r: &Removal, p: &Place| r.within_noise(automatic.count_on(p.cell, p.edge));
        let noisy = |p: &Place| !buys && removal(p).is_some_and(|r| within(r, p));
        let ties = gone().filter(|p| !undefined(p) && noisy(p)).count();
        let draws = self.setup.config.score.draws.fixed().unwrap_or(usize::MAX);
        let ways = significance::least_ways(draws).filter(|ways| 1.0 / *ways as f64 > significance::ALPHA);
        // Functions that only count tell apart with one draw.
        if let Some(ways) = ways.filter(|_| ties > 0 && ties == cut.decisions) {
            let s = if draws == 1 { "" } else { "s" };
            return vec![format!(
                "with {draws} draw{s} no decision can be told from noise: the least possible p is 1/{ways} (score.draws)"
            )];
        }
        if ties == 0 {
            return Vec::new();
        }
        let said = format!("{ties} of {} decisions are within noise", cut.decisions);
        vec![
            self.likeliest(gone().filter(|p| !undefined(p) && noisy(p)), &automatic)
                .map_or(said.clone(), |more| format!("{said}, {more}")),
        ]
    }

    /// Of decisions within noise, between which two operations most of them are, and what settles them: where one round decided.
    fn likeliest(&self, noisy: impl Iterator<Item = Place>, automatic: &Mask) -> Option<String> {
        let removals = &self.order(self.history.now()).removals;
        let mut pairs: BTreeMap<[Operation; 2], usize> = BTreeMap::new();
        for place in noisy {
            let order = removals.get(&place).filter(|r| !r.p_above.is_empty())?;
            let kept = automatic.count_on(place.cell, place.edge);
            // The lowest that stays: the last to go of what is kept, by how many rank above it.
            let above = |p: &Place| removals.get(p).map_or(0, |r| r.p_above.len());
            let stays = automatic.kept(place.cell, place.edge).map(|o| Place::new(place.cell, place.edge, o));
            let lowest = stays.max_by_key(above).filter(|_| order.p_above.len() >= kept)?;
            let mut pair = [place.operation, lowest.operation];
            pair.sort();
            *pairs.entry(pair).or_default() += 1;
        }
        let ([a, b], count) = pairs.into_iter().max_by_key(|(_, n)| *n)?;
        let settled = match self.setup.config.score.undecided {
            Source::MostParameters => "; the one with more parameters stays",
            Source::Cheapest => "; the cheaper one stays",
            Source::Random => "; one stays at random",
            Source::Scores => "",
        };
        Some(format!("{count} of them {} or {}{settled}", a.short(), b.short()))
    }

    /// What is to be told of a control.
    fn control(&self, source: Source) -> String {
        let word = source.name().replace('_', " ");
        if self.mask() == self.setup.config.full() {
            "nothing is cut: the whole space is searched".into()
        } else if self.unscored() {
            format!("{word}: a control; nothing was scored")
        } else {
            format!("{word}: a control; the scores decided nothing")
        }
    }

    /// Does what a command says and answers it; true if it confirms the cut, which is answered when that is done.
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
                return match stale.or_else(|| searchable(&self.mask()).err()) {
                    Some(reason) => control.refuse(c, reason).map(|()| false),
                    None => Ok(true),
                };
            }
            _ => Some("it has nothing to do with the cut".to_string()),
        };
        if let Some(reason) = refusal {
            control.refuse(c, reason)?;
            return Ok(false);
        }
        let moved = match c.body {
            Order::Undo => Some(CutMove::Undo),
            Order::Redo => Some(CutMove::Redo),
            _ => None,
        };
        // The change comes before its answer: who reads that it was accepted finds it done, whatever happens then.
        self.propose(control, Some(c.id.clone()), moved)?;
        control.accept(c)?;
        Ok(false)
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        let by = match edit {
            Edit::By(by) => Some(self.orders.prepare(by)?),
            Edit::Source { source } if source == Source::Scores.name() => Some(By::default()),
            _ => None,
        };
        let now = self.history.now();
        let next = match edit {
            Edit::Budget { bytes } => self.within(now, *bytes)?,
            Edit::Level { xi } if matches!(now.extent, Extent::Global { .. }) => self.over_all(now, *xi)?,
            Edit::Scope { scope } => match (scope, now.extent) {
                (Scope::Global, Extent::Level(xi) | Extent::Global { xi, .. }) if now.source == Source::Scores => {
                    self.over_all(now, xi)?
                }
                (Scope::Global, Extent::Level(_) | Extent::Global { .. }) => {
                    return Err(format!(
                        "the control {} says nothing of what one edge is worth beside another: go back to the scores first",
                        now.source.name().replace('_', " ")
                    ));
                }
                (Scope::Edge, Extent::Level(xi) | Extent::Global { xi, .. }) => self.change(now, Change::Level(xi))?,
                (_, Extent::Counts(_) | Extent::Budget { .. }) => {
                    return Err(
                        "this cut is no level, but a budget or so many operations on each edge: ask for a level first"
                            .into(),
                    );
                }
            },
            // What fits depends on what was decided by hand.
            Edit::Automatic if let Extent::Budget { bytes, .. } = now.extent => {
                self.within(&now.clone().decided([]), bytes)?
            }
            _ if let Some(by) = by => self.by_scores(now, by)?,
            Edit::Source { .. } => {
                let now = now.clone();
                let next = self.change(&now, change_of(edit)?)?;
                // A control goes by no score.
                next.by(By::default())
            }
            other => self.change(now, change_of(other)?)?,
        };
        if next == *now {
            return Err("that changes nothing".into());
        }
        let best_of_an_edge = matches!(edit, Edit::Edge { keep: false, .. }) && next.source == Source::Scores;
        let cutter = &self.order(&next).cutter;
        let ends_at = cutter.ends_at();
        if cutter.goes_beyond(&next) || best_of_an_edge && ends_at > 1 {
            let level = level_text(level_of(ends_at, cutter.full().widest()));
            return Err(format!(
                "scores end at ξ {level}, {ends_at} operations an edge: nothing says which of those go next; a run with \
                 score.whole_order = true scores on"
            ));
        }
        self.history.push(next);
        Ok(())
    }

    fn change(&self, now: &Proposal, change: Change) -> Result<Proposal, String> {
        self.order(now).cutter.change(now, change).map_err(|e| e.to_string())
    }

    /// As many in all as at this level, wherever they are worth most; what was decided by hand stays.
    fn over_all(&self, now: &Proposal, xi: f64) -> Result<Proposal, String> {
        // Refuses what is no level.
        self.change(now, Change::Level(xi))?;
        let mask = self.global(&now.by, xi)?;
        self.change(now, Change::Global { xi, mask })
    }

    fn global(&self, by: &By, xi: f64) -> Result<Mask, String> {
        let order = self.orders.of(by);
        let Some(quality) = &order.quality else {
            return Err(UNEQUAL.into());
        };
        let count = order.cutter.automatic(Source::Scores, xi).count();
        let score = |p: Place| order.removals.get(&p).map(|r| r.score.0);
        worth_most(&order.cutter, &score, Some(quality), count)
            .map_err(|least| format!("a search needs {least} operations at least, and this level keeps {count}"))
    }

    /// The cut by scores that goes by this: from a control back to the cut that it stands beside, at another level or budget, if
    /// that was changed since; else as much as now, with nothing by hand, since that was decided of the cut before.
    fn by_scores(&self, now: &Proposal, by: By) -> Result<Proposal, String> {
        if self.unscored() {
            let asked = &self.setup.config.cut.source;
            return Err(format!(
                "nothing was scored in this run, since it began with cut.source = \"{asked}\"; begin another run with \
                 cut.source = \"scores\""
            ));
        }
        if now.source == Source::Scores && now.by == by {
            return Ok(now.clone());
        }
        let control = now.source != Source::Scores;
        let before = self.history.before_controls().filter(|_| control);
        if let Some(before) = before.filter(|p| p.by == by) {
            return match (now.extent, before.extent) {
                (Extent::Level(xi), Extent::Global { .. }) => self.over_all(before, xi),
                (Extent::Level(xi), _) => self.change(before, Change::Level(xi)),
                (Extent::Budget { bytes, .. }, _) => self.within(before, bytes),
                (Extent::Counts(_) | Extent::Global { .. }, _) => Ok(before.clone()),
            };
        }
        let extent = match (&now.extent, before.map(|p| p.extent)) {
            // A control's counts are those of the cut that it stood beside.
            (Extent::Counts(_), Some(extent)) => extent,
            (extent, _) => *extent,
        };
        let next = Proposal::new(Source::Scores, extent).by(by);
        match extent {
            Extent::Budget { bytes, .. } => self.within(&next, bytes),
            Extent::Global { xi, .. } => self.over_all(&next, xi),
            Extent::Level(_) | Extent::Counts(_) => Ok(next),
        }
    }

    /// The cut that keeps the most within so many bytes, with what was decided by hand.
    fn within(&self, now: &Proposal, bytes: u64) -> Result<Proposal, String> {
        let decided: BTreeMap<Place, bool> = now.decisions().collect();
        let mut mask = self.most(now.source, &now.by, &decided, bytes)?;
        if !decided.is_empty() {
            // What would be without those decisions is the automatic part.
            let without = self.most(now.source, &now.by, &BTreeMap::new(), bytes).unwrap_or(mask);
            decided.keys().for_each(|p| mask.set(*p, without.contains(*p)));
        }
        self.order(now).cutter.change(now, Change::Budget { bytes, mask }).map_err(|e| e.to_string())
    }

    fn most(&self, source: Source, by: &By, decided: &BTreeMap<Place, bool>, bytes: u64) -> Result<Mask, String> {
        let order = self.orders.of(by);
        let score = |p: Place| order.removals.get(&p).map(|r| r.score.0);
        let choice = budget::Choice {
            cutter: &order.cutter,
            source,
            by: self.setup.config.cut.by,
            score: &score,
            quality: order.quality.as_ref().filter(|_| source == Source::Scores),
            decided: decided.clone(),
        };
        choice.most(&self.planner, bytes).map_err(|least| too_little(&self.planner, bytes, least, !decided.is_empty()))
    }
}

/// What an edit asks of a cut.
///
/// # Errors
/// The name of a source that there is not; a budget, which only a run knows the level of.
pub fn change_of(edit: &Edit) -> Result<Change, String> {
    Ok(match edit {
        Edit::Level { xi } => Change::Level(*xi),
        Edit::Budget { .. } => return Err("what fits into a budget is the engine's to say".into()),
        Edit::Scope { .. } => return Err("what is worth most over all edges is the engine's to say".into()),
        Edit::Automatic => Change::Automatic,
        Edit::Source { source } => Change::Source(source.parse().map_err(|_| {
            let shown: String = source.chars().filter(|c| !c.is_control()).take(40).collect();
            format!("`{shown}` is no source of a cut; there are {}", Source::ALL.map(Source::name).join(", "))
        })?),
        Edit::Keep { place } => Change::Set(*place, true),
        Edit::Drop { place } => Change::Set(*place, false),
        Edit::By(_) => return Err("by what scores a cut goes is the engine's to say".into()),
        Edit::Mask { mask } => Change::Mask(*mask),
        Edit::Edge { cell, edge, keep } => Change::Edge(*cell, *edge, *keep),
        Edit::Kind { cell, operation, keep } => Change::Kind(*cell, *operation, *keep),
    })
}

/// The cuts in the journal as a history: what an earlier engine had proposed can be undone.
fn remembered(orders: &mut Orders, cuts: &[Cut]) -> Option<History> {
    let mut cuts = cuts.iter();
    let mut history = History::new(restored(orders, cuts.next()?));
    for cut in cuts {
        let next = restored(orders, cut);
        match cut.moved {
            Some(CutMove::Undo) => drop(history.undo()),
            Some(CutMove::Redo) => drop(history.redo()),
            None => {}
        }
        // An engine that takes a run up again proposes once more what stood.
        if *history.now() != next {
            history.push(next);
        }
    }
    Some(history)
}

/// The proposal that a cut in the journal came from.
fn restored(orders: &mut Orders, cut: &Cut) -> Proposal {
    let source = cut.source.parse().unwrap_or(Source::Scores);
    let mut mask = cut.mask;
    cut.by_hand.iter().for_each(|p| mask.set(*p, !mask.contains(*p)));
    let extent = match (cut.budget_bytes, Counts::of_list(cut.mask.space(), &cut.kept_per_edge)) {
        (Some(bytes), _) => Extent::Budget { bytes, mask },
        _ if cut.scope == Scope::Global => Extent::Global { xi: cut.xi, mask },
        (None, Ok(counts)) => Extent::Counts(counts),
        (None, Err(_)) => Extent::Level(cut.xi),
    };
    let Ok(by) = orders.prepare(&cut.by) else {
        // Its order can't be made again: the operations stand, as decided by hand.
        let bare = Proposal::new(source, extent);
        return orders.own.cutter.change(&bare, Change::Mask(cut.mask)).unwrap_or(bare);
    };
    let seen = cut.by_hand.iter().map(|p| (*p, cut.mask.contains(*p)));
    let decided: Vec<(Place, bool)> = if cut.decided.is_empty() { seen.collect() } else { cut.decided.clone() };
    let space = orders.own.cutter.space;
    let known = decided.into_iter().filter(|(place, kept)| !kept || space.contains(*place));
    Proposal::new(source, extent).by(by).decided(known)
}
