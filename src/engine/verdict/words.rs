//! A verdict in words: a line for a screen, a sentence for everything else. Nothing is claimed that was not measured.

use std::collections::BTreeMap;

use super::{Assessed, Beside, Estimate, SURE, Say, Settled, Unsure};
use crate::run::event::Cut;
use crate::space::cut::{Scope, Source, level_text};
use crate::space::{CellKind, Operation};
use crate::text;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The cut is not what it seems.
    Bad,
    Warning,
    Plain,
    /// What is known from elsewhere.
    Quiet,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub tone: Tone,
    /// In as few words as there can be, and in a sentence.
    pub short: String,
    pub long: String,
}

impl Line {
    fn new(tone: Tone, short: impl Into<String>, long: impl Into<String>) -> Line {
        Line { tone, short: short.into(), long: long.into() }
    }
}

/// From this share on, all that is kept is called settled.
const SETTLED: f64 = 0.95;
/// No more than this above chance is chance.
const NO_MORE: f64 = 0.05;
/// From this share on, what a function tells is mostly noise; from half of it on, it is worth a word.
const NOISE: f64 = 0.5;
/// From this share of equal operations on, two cuts are nearly the same.
const NEARLY: f64 = 0.95;
/// Between a function and the reason why it has no vote.
pub const NO_VOTE: &str = " has no vote: ";
/// Operations, edges or pairs that are named of many.
const NAMED: usize = 4;

fn percent(share: f64) -> String {
    // What is not all is not called all.
    let whole = (100.0 * share).round();
    let shown = if share < 1.0 { whole.min(99.0) } else { whole };
    format!("{shown} %")
}

/// The source of a cut, as far as it is known here.
fn source(cut: &Cut) -> Option<Source> {
    cut.source.parse().ok()
}

/// One word for how sure a cut by scores is.
fn grade(stays: f64, chance: f64) -> &'static str {
    // By what is shown.
    match (100.0 * stays).round() / 100.0 {
        s if s <= chance + NO_MORE => "no more than chance",
        s if s >= SETTLED => "settled",
        s if s >= SURE => "mostly settled",
        _ => "not settled",
    }
}

/// The answer in one line, in pieces of which the first stands alone: as many as there is room for.
pub fn headline(cut: &Cut, a: &Assessed) -> Vec<String> {
    let mut pieces = Vec::new();
    let all = a.kept as f64;
    let chance = percent(a.by_chance / all);
    match source(cut) {
        Some(Source::Scores) => match a.stays {
            Some(stays) => {
                let word = capital(grade(stays, a.by_chance / all));
                pieces.push(format!("{word}: {} stays if redrawn (chance {chance})", percent(stays)));
            }
            None if a.buys => {
                pieces.extend(a.estimate.map(|e| format!("Its cells: better than {} of random ones", estimated(&e))))
            }
            None if a.draws == 1 => pieces.push("One draw: what is noise nobody knows".into()),
            None if a.draws == 0 => pieces.push("The draws of these scores are not there to judge by".into()),
            None if several_rounds(a) => {
                pieces.push(format!("Decided over several rounds of {}", text::counted(a.draws, "draw")));
            }
            None => pieces.push("Later draws were about what was open alone".into()),
        },
        Some(Source::Random) => pieces.push(format!("At random: another seed keeps {chance} the same")),
        Some(Source::Cheapest) => pieces.push("By memory alone: every seed and data keep the same".into()),
        Some(Source::MostParameters) => pieces.push("Counts only: every seed and data keep the same".into()),
        None => {}
    }
    let small = |what: &str, b: &Beside| format!("{}/{} as {what}", b.same, a.kept);
    pieces.extend(a.scores.as_ref().map(|b| small("by the scores", b)));
    pieces.extend(a.parameters.as_ref().map(|b| small("by parameters", b)));
    if !a.within_noise.is_empty() {
        pieces.push(format!("{} of {} within noise", a.within_noise.len(), a.decisions));
    }
    if cut.full_memory_bytes > 0 && source(cut) != Some(Source::Scores) {
        pieces.push(format!("saves {} of memory", saved(cut)));
    }
    pieces
}

/// Share of the memory that a cut saves.
fn saved(cut: &Cut) -> String {
    let share = 1.0 - cut.memory_bytes as f64 / cut.full_memory_bytes.max(1) as f64;
    percent(share.max(0.0))
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Everything there is to say, the most important first.
pub fn lines(cut: &Cut, a: &Assessed) -> Vec<Line> {
    let mut lines = vec![first(cut, a)];
    lines.extend(quality(a));
    lines.extend(beside_scores(cut, a));
    lines.extend(beside_parameters(cut, a));
    if source(cut) == Some(Source::Scores) {
        lines.extend(unsure(cut, a));
        lines.extend(drivers(a));
        lines.extend(noise(&a.functions));
        lines.extend(silent(&a.functions));
        lines.extend(ties(a));
    }
    lines.extend(next(cut, a));
    lines
}

fn first(cut: &Cut, a: &Assessed) -> Line {
    let all = a.kept as f64;
    let chance = percent(a.by_chance / all);
    let short = headline(cut, a).into_iter().next().unwrap_or_else(|| "nothing is known of it".into());
    let kept = text::counted(a.kept, "operation");
    let (tone, long) = match (source(cut), a.stays) {
        (Some(Source::Scores), Some(stays)) => {
            let tone = if stays < SURE { Tone::Warning } else { Tone::Plain };
            let word = grade(stays, a.by_chance / all);
            (
                tone,
                format!(
                    "{word}: {} of {kept} kept are again among the best of their edge when the {} are drawn again, by chance \
                     {chance}",
                    percent(stays),
                    text::counted(a.draws, "draw")
                ),
            )
        }
        (Some(Source::Scores), None) if cut.budget_bytes.is_some() && a.estimate.is_some() => (
            Tone::Plain,
            "its cells are what the budget buys by the scores, not the best operations of each edge".into(),
        ),
        (Some(Source::Scores), None) if cut.scope == Scope::Global && a.estimate.is_some() => (
            Tone::Plain,
            "it keeps as many operations in all, wherever they are worth most by the scores, not the best of each edge"
                .into(),
        ),
        (Some(Source::Scores), None) if a.draws == 1 => {
            (Tone::Warning, "one draw: how much of this is noise, nobody knows; three draws tell (score.draws)".into())
        }
        (Some(Source::Scores), None) => {
            let why = if several_rounds(a) {
                "decided over several rounds: what other draws would have left to the next, nobody knows"
            } else {
                "later draws were about what was open alone, so that they can't be drawn again to see how sure the cut is"
            };
            (Tone::Plain, if a.draws == 0 { short.clone() } else { why.into() })
        }
        (Some(Source::Random), _) => (
            Tone::Warning,
            format!("at random: another seed keeps {chance} of {kept} the same; it saves {} of the memory", saved(cut)),
        ),
        (Some(Source::Cheapest), _) => (
            Tone::Warning,
            format!("by memory alone: every seed and data keep the same {kept}; it saves {} of the memory", saved(cut)),
        ),
        (Some(Source::MostParameters), _) => (
            Tone::Warning,
            format!("counts only: every seed and data keep the same {kept}; it saves {} of the memory", saved(cut)),
        ),
        (None, _) => (Tone::Warning, "what it goes by is not known here".into()),
    };
    Line::new(tone, short, long)
}

/// Percent with its interval.
fn estimated(e: &Estimate) -> String {
    let round = |v: f64| if v > 99.0 && v < 100.0 { text::significant(v, 3) } else { format!("{v:.0}") };
    let within = e.interval.map(|(low, high)| format!(" ({} to {})", round(low), round(high)));
    format!("{} %{}", round(e.percent), within.unwrap_or_default())
}

/// How good its cells are by the scores, which is an estimate and no truth.
fn quality(a: &Assessed) -> Option<Line> {
    let e = a.estimate?;
    let control = a
        .parameters_percent
        .map(|v| format!(", the parameter count's {}", estimated(&Estimate { percent: v, interval: None })));
    let random = a.random_percent.map(|(l, h)| format!(", random cuts of that size {l:.0} to {h:.0} %"));
    let beside = control.unwrap_or_default() + &random.unwrap_or_default();
    // Where it does no better than chance, that is worth a warning.
    let tone = if a.random_percent.is_some_and(|(_, high)| e.percent <= high) { Tone::Warning } else { Tone::Plain };
    let again =
        if e.interval.is_some() { " (in brackets: nine of ten times when the draws are drawn again)" } else { "" };
    Some(Line::new(
        tone,
        format!("better than {} of random cells", estimated(&e)),
        format!("by the scores its cells are in the mean better than {} of random ones{again}{beside}", estimated(&e)),
    ))
}

/// The least sure of what is kept, and what is kept though its score is lower.
fn unsure(cut: &Cut, a: &Assessed) -> Vec<Line> {
    let named = |all: &[&Unsure]| {
        let named = all.iter().take(NAMED).map(|u| {
            let p = u.place;
            format!("{} {} {} ({})", p.cell, p.edge, p.operation.short(), percent(u.stays))
        });
        let rest = all.len().saturating_sub(NAMED);
        let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
        named.collect::<Vec<String>>().join(", ") + &more
    };
    let (lower, scored): (Vec<&Unsure>, Vec<&Unsure>) = a.unsure.iter().partition(|u| u.lower);
    let mut lines = Vec::new();
    if let Some(Unsure { place, stays, .. }) = scored.first() {
        lines.push(Line::new(
            Tone::Plain,
            format!("least sure: {} {} {}", place.edge, place.operation.short(), percent(*stays)),
            format!("in fewer than nine of ten stay {}: {}", text::counted(scored.len(), "operation"), named(&scored)),
        ));
    }
    if !lower.is_empty() {
        let count = lower.len();
        let mut by = vec!["the tie rule (score.undecided)"];
        by.extend(cut.budget_bytes.map(|_| "the budget"));
        by.extend(cut.by_hand.iter().any(|p| cut.mask.contains(*p)).then_some("hand"));
        let by = by.join(" or ");
        lines.push(Line::new(
            Tone::Plain,
            format!("{count} kept with lower scores"),
            format!("{count} kept by {by}, though what goes scores higher: {}", named(&lower)),
        ));
    }
    lines
}

/// Which functions make the differences.
fn drivers(a: &Assessed) -> Option<Line> {
    let functions = &a.functions;
    // Of several rounds the first is looked at, in which all take part.
    let first_round = if several_rounds(a) { " in the first round" } else { "" };
    let mut told: Vec<(f64, &str)> = functions.iter().filter_map(|s| Some((s.part?, s.function.as_str()))).collect();
    told.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (part, first) = *told.first()?;
    if told.len() < 2 {
        return (functions.len() > 1)
            .then(|| Line::new(Tone::Plain, format!("{first} decides alone"), format!("{first} decides alone")));
    }
    let rest: Vec<String> = told[1..].iter().map(|(part, name)| format!("{name} {}", signed(*part))).collect();
    Some(Line::new(
        Tone::Plain,
        format!("{first} drives {}", signed(part)),
        format!(
            "{first} makes {} of the differences between operations{first_round}, {}",
            signed(part),
            rest.join(", ")
        ),
    ))
}

/// Whether several rounds of scores decided: then nobody knows how sure that is.
fn several_rounds(a: &Assessed) -> bool {
    a.rounds > 1
}

/// A part may be below 0, where a function speaks against what is decided.
fn signed(part: f64) -> String {
    if part < 0.0 { format!("−{}", percent(-part)) } else { percent(part) }
}

/// Which functions are noise.
fn noise(functions: &[Say]) -> Option<Line> {
    let voting = || functions.iter().filter(|s| s.silent.is_none()).filter_map(|s| Some((s.noise?, s)));
    let named = |(n, s): (f64, &Say)| match n {
        n if n >= NOISE => Some((true, format!("{} is mostly noise ({})", s.function, percent(n)))),
        n if n >= NOISE / 2.0 => Some((false, format!("{} is {} noise", s.function, percent(n)))),
        _ => None,
    };
    let found: Vec<(bool, String)> = voting().filter_map(named).collect();
    if found.is_empty() {
        let most = voting().map(|(n, _)| n).reduce(f64::max)?;
        let words = format!("no function is noise: that makes at most {} of the differences of any", percent(most));
        return Some(Line::new(Tone::Plain, format!("noise: at most {}", percent(most)), words));
    }
    let words: Vec<&str> = found.iter().map(|f| f.1.as_str()).collect();
    let tone = if found.iter().any(|f| f.0) { Tone::Warning } else { Tone::Plain };
    Some(Line::new(tone, words.join(", "), words.join("; ")))
}

/// Which functions have no vote, and why.
fn silent(functions: &[Say]) -> Vec<Line> {
    let one = |s: &Say| {
        let why = s.silent.as_ref()?;
        Some(Line::new(Tone::Warning, format!("{}: no vote", s.function), format!("{}{NO_VOTE}{why}", s.function)))
    };
    functions.iter().filter_map(one).collect()
}

/// Decisions within noise, by name.
fn ties(a: &Assessed) -> Option<Line> {
    let mut pairs: BTreeMap<(Operation, Operation), Vec<(CellKind, String)>> = BTreeMap::new();
    for tie in &a.within_noise {
        let at = (tie.goes.cell, tie.goes.edge.to_string());
        pairs.entry((tie.stays, tie.goes.operation)).or_default().push(at);
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_by_key(|(_, at)| std::cmp::Reverse(at.len()));
    let count = a.within_noise.len();
    let one = |((stays, goes), at): &((Operation, Operation), Vec<(CellKind, String)>)| {
        let mut cell = None;
        let mut edges = Vec::new();
        for (kind, edge) in at.iter().take(NAMED) {
            let of = if cell.replace(*kind) == Some(*kind) { String::new() } else { format!("{kind} ") };
            edges.push(format!("{of}{edge}"));
        }
        let more = if at.len() > NAMED { format!(" and {} more", at.len() - NAMED) } else { String::new() };
        format!("{} over {} on {}{more}", stays.short(), goes.short(), edges.join(", "))
    };
    let named: Vec<String> = pairs.iter().take(NAMED).map(one).collect();
    let rest: usize = pairs.iter().skip(NAMED).map(|p| p.1.len()).sum();
    let more = if rest > 0 { format!("; and {rest} others") } else { String::new() };
    let ((stays, goes), at) = pairs.first()?;
    Some(Line::new(
        Tone::Plain,
        format!("{} or {}: {} of {count} ties", stays.short(), goes.short(), at.len()),
        format!("within noise: {}{more}", named.join("; ")),
    ))
}

fn beside_scores(cut: &Cut, a: &Assessed) -> Option<Line> {
    let b = a.scores.as_ref()?;
    let long = format!(
        "{} of {} kept are those of the run's scores (by chance {}){}",
        b.same,
        a.kept,
        a.by_chance.round(),
        takes(cut, b)
    );
    Some(Line::new(Tone::Plain, format!("by the scores: {}/{}", b.same, a.kept), long))
}

fn takes(cut: &Cut, b: &Beside) -> String {
    let words = |bytes| format!("; those take {} ({})", text::bytes(bytes), change(cut, bytes));
    b.bytes.map_or_else(String::new, words)
}

fn change(cut: &Cut, bytes: u64) -> String {
    text::change(cut.full_memory_bytes as f64, bytes as f64)
}

fn beside_parameters(cut: &Cut, a: &Assessed) -> Option<Line> {
    let random = a.random_bytes.map_or_else(String::new, |bytes| {
        format!("; random cuts of this size take {} ({})", text::bytes(bytes), change(cut, bytes))
    });
    let Some(b) = &a.parameters else {
        let words = random.strip_prefix("; ")?.to_string();
        return Some(Line::new(Tone::Quiet, format!("random: {}", text::bytes(a.random_bytes?)), words));
    };
    let long = format!(
        "{} of {} kept are those of the parameter count, which needs no scoring (by chance {}){}{random}",
        b.same,
        a.kept,
        a.by_chance.round(),
        takes(cut, b)
    );
    let bytes = b.bytes.map_or_else(String::new, |bytes| format!(", {}", text::bytes(bytes)));
    Some(Line::new(Tone::Plain, format!("by parameters: {}/{}{bytes}", b.same, a.kept), long))
}

/// What to do next.
fn next(cut: &Cut, a: &Assessed) -> Option<Line> {
    let mut ways: Vec<(String, String)> = Vec::new();
    let mut way = |short: &str, long: String| ways.push((short.into(), long));
    match source(cut)? {
        Source::Scores => {
            if several_rounds(a) {
                let words = "score by cells, of which one round decides, to see how sure a cut is (score.estimator = \"cells\")";
                way("score by cells", words.into());
            }
            if a.draws > 0 && a.draws < 3 {
                way(
                    "score.draws = 3",
                    "score with three draws or more: fewer tell nothing from noise (score.draws)".into(),
                );
            }
            let (ties, decisions) = (a.within_noise.len(), a.decisions);
            if a.draws >= 3 && a.stays.is_some_and(|s| s >= SURE) && 4 * ties >= decisions {
                let words = format!(
                    "more draws or cells to tell the {ties} of {decisions} decisions that are within noise (score.draws is {}; \
                     score.sample)",
                    a.draws
                );
                way("more draws", words);
            }
            if let Some(stays) = a.stays.filter(|s| *s < SURE) {
                if a.draws >= 3 {
                    way("more draws", format!("more draws or cells (score.draws is {}; score.sample)", a.draws));
                }
                if let Some(level) = settled_level(cut, a, stays) {
                    let xi = level_text(level.xi);
                    let deeper = if level.xi > cut.xi { "cut deeper" } else { "cut less" };
                    way(
                        &format!("{deeper}: ξ {xi}"),
                        format!(
                            "{deeper}: at ξ {xi} {} stays (by chance {})",
                            percent(level.stays),
                            percent(level.by_chance)
                        ),
                    );
                }
            }
            let noisy = |s: &&Say| s.silent.is_none() && s.noise.is_some_and(|n| n >= NOISE);
            let others = a.functions.iter().any(|s| s.silent.is_none() && s.noise.is_some_and(|n| n < NOISE));
            if let Some(say) = a.functions.iter().find(noisy).filter(|_| others) {
                way(
                    &format!("drop {}", say.function),
                    format!("leave {} out: it is mostly noise (--by)", say.function),
                );
            }
            if let Some(b) = &a.parameters
                && b.same as f64 >= NEARLY * a.kept as f64
            {
                let how = if b.same == a.kept { "the" } else { "nearly the" };
                let words =
                    format!("take the parameter count: {how} same, without scoring (cut.source = \"most_parameters\")");
                way("take the parameter count", words);
            }
            if ways.is_empty() && a.stays.is_some() {
                let words = "nothing here speaks against it; whether it is good only accuracies tell (truth.table)";
                return Some(Line::new(Tone::Quiet, "next: confirm it", format!("next: {words}")));
            }
        }
        // What a control is for.
        Source::Random | Source::Cheapest | Source::MostParameters if cut.unscored => {
            way(
                "beside: zonas score",
                "score the space to see what the scores would keep instead (zonas score)".into(),
            );
        }
        _ => way("compare with the scores", "a control stands beside a cut by scores: search both, and compare".into()),
    }
    let (short, long): (Vec<String>, Vec<String>) = ways.into_iter().unzip();
    (!short.is_empty())
        .then(|| Line::new(Tone::Plain, format!("next: {}", short.join(", ")), format!("next: {}", long.join("; or "))))
}

/// The level nearest to the cut at which decisions are settled, and more than chance.
fn settled_level<'a>(cut: &Cut, a: &'a Assessed, stays: f64) -> Option<&'a Settled> {
    let better = a.levels.iter().filter(|l| l.stays >= SURE && l.stays > stays && l.stays > l.by_chance + NO_MORE);
    better.min_by(|x, y| (x.xi - cut.xi).abs().total_cmp(&(y.xi - cut.xi).abs()))
}
