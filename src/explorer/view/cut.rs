//! The cut editor: what is kept, what goes, what that saves, and whether it is any good.

use crate::run::describe;
use ratatui::style::{Modifier, Style};

use super::rounds::removal_words;
use super::{Scene, front, maps, pairs, truth, with_room};
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::explorer::verdict::{Tone, Verdict};
use crate::explorer::widgets::{Entry, bar};
use crate::run::assessed::Tie;
use crate::run::event::Cut;
use crate::space::Place;
use crate::text;

/// ```text
/// masks of both cells ............ 16 lines, fewer where there is no room
/// savings | level, verdict | kept by kind
/// ```
pub fn draw(pad: &mut Pad, scene: &Scene) {
    let (w, h) = (pad.width(), pad.height());
    let Some(cut) = &scene.state.cut.cut else {
        let mut inner = pad.panel("cut", "", false);
        if scene.state.trains() {
            inner.prose("This run trains a genotype from scratch: nothing is cut. The Train screen shows how it goes.");
            return;
        }
        inner.prose(
            "When scoring is done, the automatic cut will be proposed here: the least important operations of every edge \
             go. You can change it by hand, see what it saves, and confirm it; then the search begins on what is left.",
        );
        return;
    };
    let verdict = Verdict::of(scene.state, cut);
    let top = super::verdict::draw(pad, scene, cut, &verdict);
    let h = h - top;
    // As high as the cells have edges; beyond those of DARTS where enough is left below.
    let edges = scene.state.space().graphs().iter().map(|g| g.edges.len()).max().unwrap_or(0) as u16;
    let whole = (edges + 2).clamp(5, 16);
    let upper = match whole {
        _ if h < whole + 6 => h.saturating_sub(4).clamp(5, whole),
        16 => maps::height(scene, h, 22),
        _ => whole,
    };
    grids(&mut pad.sub(0, top, w, upper), scene, cut, &verdict);
    let (y, lower) = (top + upper, h.saturating_sub(upper));
    if w < 72 {
        match scene.judged {
            Some(judged) if lower >= truth::HEIGHT + 10 => {
                truth::draw(&mut pad.sub(0, y, w, truth::HEIGHT), judged);
                let y = y + truth::HEIGHT;
                savings(&mut pad.sub(0, y, w, lower - truth::HEIGHT), scene, cut, &verdict);
            }
            _ => savings(&mut pad.sub(0, y, w, lower), scene, cut, &verdict),
        }
        return;
    }
    // What is known comes before what is predicted; a line of it stands below in any case.
    let (y, lower) = match scene.judged {
        Some(judged) if lower >= truth::HEIGHT + 8 => {
            truth::draw(&mut pad.sub(0, y, w, truth::HEIGHT), judged);
            (y + truth::HEIGHT, lower - truth::HEIGHT)
        }
        _ => (y, lower),
    };
    // The curve stands in a row of its own where there is one, else in place of the prose.
    let (y, lower) = if lower >= 21 {
        let curve = (lower - 10).min(18);
        charts(&mut pad.sub(0, y, w, curve), scene, cut, verdict.budget);
        (y + curve, lower - curve)
    } else {
        (y, lower)
    };
    let columns: u16 = if w >= 110 { 3 } else { 2 };
    let width = (w - 2 * (columns - 1)) / columns;
    savings(&mut pad.sub(0, y, width, lower), scene, cut, &verdict);
    level(&mut pad.sub(width + 2, y, width, lower), scene, cut, &verdict);
    if columns == 3 {
        let x = 2 * (width + 2);
        let top = 10.min(lower);
        kinds(&mut pad.sub(x, y, w - x, top), scene, cut);
        if lower > top + 3 {
            noise(&mut pad.sub(x, y + top, w - x, lower - top), scene, cut);
        }
    }
}

/// Quality over memory where it is estimated, beside memory over level where there is room for both; marks are of the latter.
fn charts(pad: &mut Pad, scene: &Scene, cut: &Cut, budget: Option<u64>) {
    let (w, h) = (pad.width(), pad.height());
    match scene.forecast.filter(|_| front::is_known(scene)) {
        Some(forecast) if w >= BOTH => {
            let half = (w - 2) / 2;
            front::draw(&mut pad.sub(0, 0, half, h), scene, cut, forecast, budget);
            super::curve::draw(&mut pad.sub(half + 2, 0, w - half - 2, h), scene, cut, budget);
        }
        Some(forecast) if scene.ui.marks.is_empty() => front::draw(pad, scene, cut, forecast, budget),
        _ => super::curve::draw(pad, scene, cut, budget),
    }
}

/// Columns that two charts side by side need.
const BOTH: u16 = 150;

fn grids(pad: &mut Pad, scene: &Scene, cut: &Cut, verdict: &Verdict) {
    let ranking = ranking(scene, cut);
    let entry = |place: Place| {
        let kept = cut.mask.contains(place);
        let by_hand = cut.by_hand.contains(&place);
        let known = scene.state.score.takes_part(place);
        let (glyph, style) = match (kept, by_hand) {
            (true, true) => ("◆", Style::new().add_modifier(Modifier::BOLD)),
            (true, false) => ("■", Style::new()),
            (false, true) => ("◇", Style::new().add_modifier(Modifier::BOLD)),
            (false, false) if known => ("·", Style::new().add_modifier(Modifier::DIM)),
            (false, false) => ("", Style::new()),
        };
        let heat = if kept { ranking.height(place) } else { None };
        // Where the parameter count, on as many operations of the edge, would decide otherwise.
        let mark = (verdict.control.contains(place) != kept).then_some('≠');
        Entry { text: format!("{glyph} "), heat, mark, style }
    };
    let state = if scene.state.cut.confirmed { "confirmed" } else { "proposed" };
    let differs = verdict.kept > verdict.same;
    let note: &[&str] = if differs {
        &["≠ not by parameter count", "≠ by parameters"]
    } else {
        &["as by parameter count", "as by parameters"]
    };
    maps::titled(pad, scene, &maps::Titles { what: ["■ kept", "■ kept"], note, unit: state }, &entry);
}

/// Heat by what the cut goes by, where that is the run's sum or one function.
fn ranking(scene: &Scene, cut: &Cut) -> Ranking {
    let (function, round) = shown_by(scene, cut).unwrap_or_default();
    scene.state.score.ranking(function, round)
}

/// The function and the round whose numbers the cut goes by; none where that is another sum than the run's.
fn shown_by(scene: &Scene, cut: &Cut) -> Option<(Option<usize>, Option<usize>)> {
    let names = scene.state.score.setup.as_ref().map_or(&[][..], |s| &s.functions);
    match &cut.by.functions[..] {
        _ if cut.by.is_own() => Some((None, None)),
        [one] => Some((Some(names.iter().position(|n| n == one)?), Some(0))),
        _ => None,
    }
}

fn savings(pad: &mut Pad, scene: &Scene, cut: &Cut, verdict: &Verdict) {
    let ascii = pad.theme.ascii;
    let mut inner = pad.panel("savings", "", false);
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let (good, bad) = (inner.theme.good(), inner.theme.bad());
    let inner_height = inner.height();
    let (compact, crowded) = (inner_height < 8, inner_height < 6);
    let mut y = 0;
    let columns = if inner.width() < 38 { [20, 29, 35] } else { [21, 31, 38] };
    if inner.height() >= 7 {
        for (x, name) in columns.iter().zip(["full", "cut", ""]) {
            inner.right(*x, y, name, dim);
        }
        y += 1;
    }
    let over = verdict.is_over_budget();
    let mut row = |label: &str, full: String, now: String, change: String| {
        // Over the budget nothing is saved yet.
        let (figure, saved) = if over && label == "memory" { (bad, bad) } else { (plain, good) };
        // A short name where the long one would touch the number.
        let begins = inner.right(columns[0], y, &full, plain);
        let long = 1 + text::width(label) < begins;
        inner.text(1, y, if long { label } else { label.rsplit(' ').next().unwrap_or(label) }, dim);
        inner.right(columns[1], y, &now, figure);
        inner.right(columns[2], y, &change, if change.starts_with('+') { plain } else { saved });
        y += 1;
    };
    let kept = cut.mask.count();
    row("operations", cut.of().to_string(), kept.to_string(), text::change(cut.of() as f64, kept as f64));
    row(
        "memory",
        text::bytes(cut.full_memory_bytes),
        text::bytes(cut.memory_bytes),
        text::change(cut.full_memory_bytes as f64, cut.memory_bytes as f64),
    );
    let step = cut.full_step_seconds.zip(cut.step_seconds);
    if let Some((full, now)) = step {
        row("a search step", text::seconds(full), text::seconds(now), text::change(full, now));
    }
    if let Some((full, now)) = &scene.sizes {
        // Where there is not room for all, parameters stand in the first line.
        let few = inner_height < 5 && step.is_some();
        if let (Some(a), Some(b), false) = (full.parameters, now.parameters, few) {
            row("parameters", text::count(a), text::count(b), text::change(a as f64, b as f64));
        }
        // Where there is not room for both, the time says more.
        if let (Some(a), Some(b), false) = (full.macs, now.macs, crowded && step.is_some()) {
            row("MACs", text::count(a), text::count(b), text::change(a as f64, b as f64));
        }
        row(
            "genotypes",
            text::power_of_ten(full.genotypes_log10, ascii),
            text::power_of_ten(now.genotypes_log10, ascii),
            String::new(),
        );
    }
    if !compact {
        let rest = inner.height().saturating_sub(y + 1);
        let w = inner.width();
        let words = "Memory is the predicted peak of the search; parameters and MACs (multiply-accumulates of one \
                     picture) are those of the supernet; genotypes are what the space can express.";
        inner.sub(0, y + 1, w, rest).prose_whole(words);
    }
}

fn level(pad: &mut Pad, scene: &Scene, cut: &Cut, verdict: &Verdict) {
    let size = describe::cut_size(cut);
    let title = if size.starts_with('ξ') { format!("pruning level {size}") } else { size };
    let source = describe::cut_source(cut);
    // Rather than what it goes by, words of the title are left out.
    let crowded = text::width(&title) + text::width(&source) + 7 > pad.width();
    let title = title.strip_prefix("pruning level ").filter(|_| crowded).unwrap_or(&title);
    let mut inner = pad.panel(title, &source, false);
    let (w, h) = (inner.width(), inner.height());
    let (plain, dim, accent) = (inner.theme.plain(), inner.theme.dim(), inner.theme.accent());
    let (warning, bad) = (inner.theme.warning(), inner.theme.bad());
    let gone = cut.gone();
    let words = format!("{:.0} % removed", gone * 100.0);
    bar(&mut inner, 1, 0, w.saturating_sub(4 + text::width(&words)), gone);
    inner.right(w.saturating_sub(1), 0, &words, plain);
    let mut y = 1;
    let crowded = h < 8;
    if !cut.by_hand.is_empty() {
        let kept = cut.by_hand.iter().filter(|p| cut.mask.contains(**p)).count();
        let text = format!("by hand: ◆ {kept} kept, ◇ {} dropped", cut.by_hand.len() - kept);
        inner.fitted(1, y, w.saturating_sub(2), &text, accent);
        y += 1;
    } else if !crowded {
        inner.text(1, y, "nothing changed by hand", dim);
        y += 1;
    }
    // The operation under the cursor has the last line, where there are enough.
    let end = if crowded { h } else { h - 1 };
    let mut lines: Vec<_> = truth::line(scene.judged).into_iter().collect();
    // Keys are named where they can act.
    let told = verdict.lines(scene.state, cut).into_iter();
    let open = !scene.state.cut.confirmed;
    lines.extend(told.map(|l| if open { super::verdict::keyed(l, scene.keymap) } else { l }));
    // All in few words, and as many in sentences as there is room for, warnings first.
    let room = w.saturating_sub(4);
    let mut shown: Vec<Vec<String>> = lines.iter().map(|l| text::wrap(&l.short, room)).collect();
    let mut left = usize::from(end.saturating_sub(y)).saturating_sub(shown.iter().map(Vec::len).sum());
    let order = [[Tone::Bad, Tone::Warning], [Tone::Plain, Tone::Quiet]];
    for i in order.iter().flat_map(|tones| (0..lines.len()).filter(|i| tones.contains(&lines[*i].tone))) {
        let long = text::wrap(&lines[i].long, room);
        let more = long.len().saturating_sub(shown[i].len());
        if more <= left {
            left -= more;
            shown[i] = long;
        }
    }
    for (line, mut parts) in lines.iter().zip(shown) {
        let left = usize::from(end.saturating_sub(y));
        if line.tone == Tone::Bad && parts.len() > left && left > 0 {
            // Rather cut off than not said.
            let whole = parts.split_off(left - 1).join(" ");
            parts.push(text::fit(&whole, room));
        }
        let (sign, style) = match line.tone {
            Tone::Bad => ("!", bad),
            Tone::Warning => ("!", warning),
            Tone::Plain | Tone::Quiet => ("", plain),
        };
        if y + parts.len() as u16 > end {
            // Something shorter may follow.
            continue;
        }
        inner.text(1, y, sign, style);
        for part in &parts {
            let style = match line.tone {
                Tone::Bad => bad,
                Tone::Quiet => dim,
                _ => plain,
            };
            inner.text(3, y, part, style);
            y += 1;
        }
    }
    if !crowded {
        let place = scene.ui.place();
        let score = &scene.state.score;
        let (function, round) = shown_by(scene, cut).unwrap_or_default();
        let number = score.number(place, function, round);
        let name = function.map_or("score", |f| score.function_name(Some(f)));
        let value = match number {
            // What another sum makes of it is not here.
            _ if shown_by(scene, cut).is_none() => describe::cut_source(cut),
            Some(v) => format!("{} {}", text::sanitize(name), text::significant(v, 3)),
            None => "no score".into(),
        };
        let kept = if cut.mask.contains(place) { "kept" } else { "not kept" };
        let left = match score.place(place).removed.filter(|_| cut.by.is_own()) {
            Some(round) => format!("removed in round {}", round + 1),
            None if cut.by.is_own() => "never removed".into(),
            None => kept.into(),
        };
        let long = format!("{} {}: {value}, {left}", place.edge, place.operation.short());
        let words = if text::width(&long) + 2 > w { long.replace("removed in round ", "round ") } else { long };
        inner.fitted(1, h - 1, w.saturating_sub(2), &words, dim);
    }
}

/// How many of each kind of operation are kept, by cell.
fn kinds(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let mut inner = pad.panel("kept by kind of operation", &super::score::kinds_note(scene), false);
    let (dim, plain) = (inner.theme.dim(), inner.theme.plain());
    let label = 15;
    let graphs = scene.state.space().graphs();
    let half = inner.width().saturating_sub(label) / graphs.len() as u16;
    let columns = scene.state.columns();
    let shown = with_room(&mut inner, 0, columns.len());
    for (y, operation) in columns.iter().take(shown).enumerate() {
        let y = y as u16;
        inner.text(1, y, operation.name(), plain);
        for (i, graph) in graphs.iter().enumerate() {
            let count = graph.edges.iter().filter(|e| cut.mask.keeps(graph.kind, **e, *operation)).count();
            let x = label + half * i as u16;
            inner.right(x + 2, y, &count.to_string(), dim);
            bar(&mut inner, x + 3, y, half.saturating_sub(5), count as f64 / graph.edges.len() as f64);
        }
    }
}

/// Decisions of this cut that were within noise.
fn noise(pad: &mut Pad, scene: &Scene, cut: &Cut) {
    let ties = scene.state.verdict().map_or(&[][..], |v| &v.within_noise);
    let mut inner = pad.panel("decided within noise", &format!("{} of this cut", ties.len()), false);
    let row = |tie: &Tie| {
        let place = tie.goes;
        // Of another order than the run's own its removals tell nothing.
        let removal = scene.state.score.removals.iter().find(|(_, r)| r.place == place).filter(|_| cut.by.is_own());
        let why = removal.map_or(String::new(), |(round, r)| format!(", round {}, {}", round + 1, removal_words(r)));
        let stays = format!(", {} stays", tie.stays.short());
        let why = if why.is_empty() { stays } else { why };
        (format!("{} {}", place.edge, place.operation.short()), format!("{}{why}", place.cell))
    };
    let rows: Vec<(String, String)> = ties.iter().rev().take(usize::from(inner.height())).map(row).collect();
    let rows: Vec<(&str, String)> = rows.iter().map(|(a, b)| (a.as_str(), b.clone())).collect();
    pairs(&mut inner, &rows);
}
