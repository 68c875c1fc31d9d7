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
use crate::engine::score::{self, Settings};
use crate::nearest::nearest;
use crate::proxies;
use crate::proxies::aggregate::Aggregate;
use crate::run::RunFolder;
use crate::run::config;
use crate::run::event::{Body, Removal};
use crate::run::journal::Tail;
use crate::run::summary::Summary;
use crate::space::cut::{Cutter, Source};
use crate::space::{Mask, Place as At, Space};
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
    /// A control of that size instead: `random`, `cheapest` or `most_parameters`.
    #[arg(long, conflicts_with_all = ["by", "aggregate", "undecided"])]
    source: Option<Source>,
}

pub fn run(place: &Place, a: &MaskArguments) -> eyre::Result<Exit> {
    let folder = RunFolder::open(&place.folder()?, &a.run)?;
    let known = Summary::readable(&folder)?.summary;
    let config = folder.config()?;
    let asked = !a.by.is_empty() || a.aggregate.is_some() || a.undecided.is_some();
    if let (Some(cut), false) = (&known.cut, asked || a.xi.is_some() || a.source.is_some()) {
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
    let order: Vec<Removal> = match source {
        Source::Scores => {
            let name = place.word(&folder);
            let scored =
                Scored::of(&folder).ok_or_else(|| Usage(format!("{name} has no whole round of scores yet")))?;
            if scored.rounds > 1 {
                let rounds = scored.rounds;
                note(&format!(
                    "{name} scored in {rounds} rounds; this order is by the first alone, so it may differ from the run's"
                ));
            }
            scored.order(a, &config)?
        }
        _ => Vec::new(),
    };
    let cutter = Cutter { space: config.space(), order: order.iter().map(|r| r.place).collect(), seed: config.seed };
    let xi = a.xi.or(known.xi).unwrap_or(config.cut.xi);
    let mask = cutter.automatic(source, xi);
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

/// The first round of a run's scores.
struct Scored {
    functions: Vec<String>,
    mask: Mask,
    places: Vec<At>,
    /// `[place][draw][function]`.
    relative: Vec<Vec<Vec<f64>>>,
    rounds: usize,
}

impl Scored {
    fn of(folder: &RunFolder) -> Option<Scored> {
        let (mut functions, mut rounds, mut space, mut ended) = (Vec::new(), 0, None, false);
        let mut found: std::collections::BTreeMap<(At, usize), Vec<f64>> = std::collections::BTreeMap::new();
        for event in Tail::events(folder).rest() {
            match event.body {
                Body::ScoringStarted(s) => {
                    (functions, rounds) = (s.functions, s.rounds);
                    found.clear();
                }
                Body::RoundStarted { round: 0, mask, .. } => space = Some(mask),
                Body::Score { round: 0, draw, place, relative, .. } => {
                    found.insert((place, draw), relative.into_iter().map(f64::from).collect());
                }
                Body::RoundEnded { round: 0, .. } => ended = true,
                _ => {}
            }
        }
        let (mask, true) = (space?, ended) else { return None };
        let mut places: Vec<At> = Vec::new();
        let mut relative: Vec<Vec<Vec<f64>>> = Vec::new();
        // In the order of the map: by place, then by draw.
        for ((place, _), values) in found {
            if places.last() != Some(&place) {
                places.push(place);
                relative.push(Vec::new());
            }
            relative.last_mut()?.push(values);
        }
        Some(Scored { functions, mask, places, relative, rounds })
    }

    /// The order of removal by what was asked for.
    fn order(mut self, a: &MaskArguments, config: &config::Config) -> eyre::Result<Vec<Removal>> {
        let mut chosen: Vec<usize> = (0..self.functions.len()).collect();
        if !a.by.is_empty() {
            let number = |name: &String| {
                self.functions.iter().position(|f| f == name).ok_or_else(|| {
                    let near = nearest(name, self.functions.iter().map(String::as_str));
                    let hint = near.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
                    let all = self.functions.join(", ");
                    Usage(format!("`{}` was not scored{hint}; there are {all}", text::sanitize(name)))
                })
            };
            chosen = a.by.iter().map(number).collect::<Result<_, _>>()?;
            let twice = |(i, f): (usize, &usize)| (!chosen[..i].contains(f)).then_some(*f);
            chosen = chosen.iter().enumerate().filter_map(twice).collect();
        }
        let functions = self.functions.len();
        for values in self.relative.iter_mut().flatten() {
            values.resize(functions, f64::NAN);
            *values = chosen.iter().map(|f| values[*f]).collect();
        }
        let lone = !config.score.estimator.samples();
        let exact =
            |f: &usize| lone && proxies::by_name(&self.functions[*f]).is_ok_and(proxies::RankingFunction::exact);
        let exact: Vec<bool> = chosen.iter().map(exact).collect();
        let settings = Settings {
            remove_per_round: 1,
            aggregate: a.aggregate.unwrap_or(config.score.aggregate),
            undecided: a.undecided.unwrap_or(config.score.undecided),
            ..Settings::of(config, &self.mask)
        };
        Ok(score::order(&self.mask, &settings, &self.places, &self.relative, &exact))
    }
}

/// Longest file of a mask that is looked at, in bytes.
const LONGEST: u64 = 1 << 20;

/// A mask of this space.
pub(super) fn of_space(file: &Path, space: Space) -> eyre::Result<Mask> {
    let mask = of_file(file, None)?;
    if mask.space() != space {
        return Err(Usage(format!("the mask is of {}, not of {}", mask.space().name(), space.name())).into());
    }
    Ok(mask)
}

/// Reads a mask as JSON, as journals hold it, whose space is `space` where that is a file.
pub(super) fn of_file(file: &Path, space: Option<&str>) -> eyre::Result<Mask> {
    let space = space.map(|name| config::Space { name: name.into(), ..config::Space::default() }.find()).transpose()?;
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
    let mut json: serde_json::Value = serde_json::from_str(&text).map_err(no_mask)?;
    if let (Some(space), Some(mask)) = (space, json.as_object_mut()) {
        let own = mask.get("space").and_then(serde_json::Value::as_str);
        if let Some(own) = own.filter(|own| *own != space.name() && *own != space.key()) {
            return Err(Usage(format!("{shown} is a mask of {own}, and --space names {}", space.name())).into());
        }
        mask.insert("space".into(), space.key().into());
    }
    let mask: Mask = serde_json::from_value(json).map_err(no_mask)?;
    mask.check().map_err(|e| Usage(format!("{shown}: {e}")))?;
    let full = mask.space().full();
    if let Some(place) = mask.places().find(|p| !full.contains(*p)) {
        return Err(
            Usage(format!("{shown}: {place} is no candidate in the search space {}", full.space().name())).into()
        );
    }
    Ok(mask)
}
