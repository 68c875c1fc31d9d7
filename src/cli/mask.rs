//! `zonas mask`: a cut of what a run has scored, by any of its functions, without scoring again. Masks as files are read here for all
//! commands that take one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use super::place::Place;
use crate::engine::stored::Stored;
use crate::engine::unequal::unequal;
use crate::proxies::aggregate::Aggregate;
use crate::run::config;
use crate::run::event::Removal;
use crate::run::summary::Summary;
use crate::space::cut::{Cutter, Scope, Source};
use crate::space::{By, Mask, Space};
use crate::text;

/// Without options, the run's cut as it is now.
#[derive(Args, Debug)]
pub struct MaskArguments {
    /// Name of a run that has scored, or the path of its folder.
    run: String,
    /// Cut by these of its ranking functions alone [default: all of them].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    by: Vec<String>,
    /// Put them together so: `decorrelated`, `noise`, `relative` or `ranks` [default: as the run does].
    #[arg(long, value_name = "HOW")]
    aggregate: Option<Aggregate>,
    /// Who goes first of those within noise: `most_parameters`, `cheapest`, `random` or `scores` [default: as in the run].
    #[arg(long, value_name = "HOW")]
    undecided: Option<Source>,
    /// Pruning level, above 0 and below 1 [default: that of the run's cut].
    #[arg(long, value_name = "XI", value_parser = super::order::level)]
    xi: Option<f64>,
    /// As many operations in all as that level keeps, but unequal between edges: wherever they are worth most by the scores. As `--scope global`.
    #[arg(long, conflicts_with_all = ["source", "scope"])]
    unequal: bool,
    /// Over what the level is a share: each `edge`, or `global`, all of them together [default: as the run's cut].
    #[arg(long, value_name = "OF", conflicts_with = "source")]
    scope: Option<Scope>,
    /// A control of that size instead: `random`, `cheapest` or `most_parameters`.
    #[arg(long, conflicts_with_all = ["by", "aggregate", "undecided"])]
    source: Option<Source>,
}

pub fn run(place: &Place, a: &MaskArguments) -> eyre::Result<Exit> {
    let folder = place.run(&a.run)?;
    let known = Summary::readable(&folder)?.summary;
    let config = folder.config()?;
    let asked = !a.by.is_empty() || a.aggregate.is_some() || a.undecided.is_some();
    if let (Some(cut), false) =
        (&known.cut, asked || a.xi.is_some() || a.unequal || a.scope.is_some() || a.source.is_some())
    {
        if let Some(doubt) = &known.not_by_scores {
            note(doubt);
        }
        Output::stdout().json(&cut.mask)?;
        return Ok(Exit::Done);
    }
    if known.budget_bytes.is_some() || !known.kept_per_edge.is_empty() {
        note("the run's own cut is no level, but a budget or so many operations on each edge; this one is a level");
    }
    let source = a.source.unwrap_or(Source::Scores);
    if source != Source::Scores && known.scope == Scope::Global {
        note("the run's own cut is unequal between edges; this one keeps as many on each");
    }
    let by = By { functions: a.by.clone(), aggregate: a.aggregate.map(|how| how.to_string()) };
    let name = place.word(&folder);
    let unscored = || Usage(format!("{name} has no whole round of scores yet"));
    let scored = match source {
        Source::Scores => Some(Stored::of(&folder).ok_or_else(unscored)?),
        _ => None,
    };
    let order: Vec<Removal> = match &scored {
        Some(scored) => {
            if scored.rounds > 1 {
                let rounds = scored.rounds;
                note(&format!(
                    "{name} scored in {rounds} rounds; this order is by the first alone, so it may differ from the run's"
                ));
            }
            let undecided = a.undecided.unwrap_or(config.score.undecided);
            scored.order(&by, undecided, &config).map_err(Usage)?
        }
        None => Vec::new(),
    };
    let cutter = Cutter { space: config.space(), order: order.iter().map(|r| r.place).collect(), seed: config.seed };
    let xi = a.xi.or(known.xi).unwrap_or(config.cut.xi);
    let level = cutter.automatic(source, xi);
    let scope = a.scope.unwrap_or(if a.unequal { Scope::Global } else { known.scope });
    let mask = match &scored {
        Some(scored) if scope == Scope::Global => unequal(scored, &by, &config, (&cutter, &order), level.count())
            .map_err(|least| {
                Usage(format!("a search needs {least} operations at least, more than level {xi} keeps"))
            })?,
        _ => level,
    };
    let gone: Vec<&Removal> = order.iter().filter(|r| !mask.contains(r.place)).collect();
    let chance = gone.iter().filter(|r| r.undefined || r.by_lot).count();
    if chance > 0 {
        note(&format!("{chance} of {} decisions had equal scores, or none, and fell at random", gone.len()));
    }
    Output::stdout().json(&mask)?;
    Ok(Exit::Done)
}

/// On standard error: standard output is the file.
fn note(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "note: {}", text::sanitize(text));
}

/// Longest file of a mask that is looked at, in bytes.
const LONGEST: u64 = 1 << 20;

/// A mask of this space.
pub(super) fn of_space(file: &Path, space: Space) -> eyre::Result<Mask> {
    let mask = read(file, Some(space))?;
    if mask.space() != space {
        return Err(Usage(format!("the mask is of {}, not of {}", mask.space().name(), space.name())).into());
    }
    Ok(mask)
}

/// Reads a mask as JSON, as journals hold it, whose space is `space` where that is a file.
pub(super) fn of_file(file: &Path, space: Option<&str>) -> eyre::Result<Mask> {
    let space = space.map(|name| config::Space { name: name.into(), ..config::Space::default() }.find()).transpose()?;
    let mask = read(file, space)?;
    if let Some(space) = space.filter(|space| *space != mask.space()) {
        let (file, own) = (file.display(), mask.space().name());
        return Err(Usage(format!("{file} is a mask of {own}, and --space names {}", space.name())).into());
    }
    Ok(mask)
}

/// One that does not say of which space it is, is taken for one of `space`.
fn read(file: &Path, space: Option<Space>) -> eyre::Result<Mask> {
    let shown = file.display();
    let mut text = String::new();
    let read = File::open(file).and_then(|f| f.take(LONGEST + 1).read_to_string(&mut text));
    read.map_err(|e| Usage(format!("can't read {shown}: {e}")))?;
    if text.len() as u64 > LONGEST {
        return Err(Usage(format!("{shown} is no mask: it has more than {}", text::bytes(LONGEST))).into());
    }
    let no_mask = |e: serde_json::Error| {
        let hint = if e.to_string().contains("is not known here") { "; name its file by --space" } else { "" };
        Usage(format!("{shown} is no mask: {e}{hint}"))
    };
    let json: serde_json::Value = serde_json::from_str(&text).map_err(no_mask)?;
    let own = json.get("space").and_then(serde_json::Value::as_str).map(String::from);
    let mut named = json.clone();
    if let (Some(space), Some(mask)) = (space, named.as_object_mut())
        && own.as_ref().is_none_or(|own| own == space.name())
    {
        mask.insert("space".into(), space.key().into());
    }
    let mask: Mask = match serde_json::from_value(named) {
        Ok(mask) => mask,
        // Those of DARTS do not say so.
        Err(e) if own.is_none() => serde_json::from_value(json).map_err(|_| no_mask(e))?,
        Err(e) => return Err(no_mask(e).into()),
    };
    mask.check().map_err(|e| Usage(format!("{shown}: {e}")))?;
    let full = mask.space().full();
    if let Some(place) = mask.places().find(|p| !full.contains(*p)) {
        return Err(
            Usage(format!("{shown}: {place} is no candidate in the search space {}", full.space().name())).into()
        );
    }
    Ok(mask)
}
