//! The operation under the cursor and its edge, in numbers and words.

use super::rounds::removal_words;
use super::{Scene, with_room};
use crate::engine::score::significance::ALPHA;
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::space::{Operation, Place};
use crate::text;

/// Of every ranking function: its mean over draws, what it adds to the sum, and the rank.
pub fn operation(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let place = scene.ui.place();
    let score = &scene.state.score;
    let chosen = scene.ui.round_of(scene.state);
    let Some(round) = score.shown(place, chosen) else {
        let mut inner = pad.panel(&format!("{} {} · {}", place.edge, place.operation, place.cell), "", false);
        inner.prose(match score.takes_part(place) {
            true => "Nothing was decided about this operation in this round: it was removed before, or its edge had one left.",
            false if place.operation == Operation::None => {
                "This operation does not take part: it was left out of the space before scoring (score.none)."
            }
            false => "This operation is no candidate of this edge in the search space of the run (space.name).",
        });
        return;
    };
    let draws = round.draws(place);
    let plural = if draws == 1 { "" } else { "s" };
    let notes = [format!("± deviation, {draws} draw{plural}"), format!("± of {draws} draw{plural}")];
    let whole = format!("{} {} · {}", place.edge, place.operation, place.cell);
    let brief = format!("{} {} · {}", place.edge, place.operation.short(), place.cell);
    let fits = |title: &str, note: &str| text::width(title) + text::width(note) + 7 <= pad.width();
    let title = if fits(&whole, &notes[0]) { whole } else { brief };
    let note = if fits(&title, &notes[0]) { &notes[0] } else { &notes[1] };
    let mut inner = pad.panel(&title, note, false);
    let functions = score.setup.as_ref().map_or(0, |s| s.functions.len());
    let names = std::iter::once(None).chain((0..functions).map(Some));
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    let w = inner.width();
    let column = 16;
    let lines = inner.height().saturating_sub(2).max(1);
    let mut y = 0;
    for function in names.take(usize::from(lines)) {
        let style = if function == scene.ui.function { strong } else { dim };
        inner.fitted(1, y, column - 2, score.function_name(function), style);
        let silent = function.and_then(|f| round.votes.get(f)).and_then(|v| v.silent.as_deref());
        match round.mean(place, function) {
            Some(v) => {
                inner.right(column + 9, y, &text::significant(v, 3), plain);
                let end = match round.spread(place, function) {
                    Some(s) => inner.text(column + 10, y, &format!("±{}", text::significant(s, 2)), dim),
                    None => column + 10,
                };
                let x = end.max(column + 19) + 1;
                let room = w.saturating_sub(x);
                let vote = function.and_then(|f| round.vote(place, f));
                let own;
                let rank = match function == scene.ui.function {
                    true => ranking,
                    false => {
                        own = score.ranking(function, chosen);
                        &own
                    }
                };
                let (total, rank) = (rank.total, rank.rank(place).map_or_else(|| "—".into(), |r| r.to_string()));
                // The longest that has room.
                let words: Vec<String> = match (silent, vote, function.is_some() && functions > 1) {
                    (Some(why), ..) if room >= 20 => vec![format!("no vote: {}", text::sanitize(why))],
                    (Some(_), ..) => vec!["no vote".into()],
                    (None, Some(vote), true) => {
                        let adds = text::significant(vote, 2);
                        let plus = if vote < 0.0 { "" } else { "+" };
                        vec![
                            format!("adds {adds} · rank {rank}/{total}"),
                            format!("adds {adds}"),
                            format!("{plus}{adds}"),
                        ]
                    }
                    (None, None, true) if round.ended && !round.votes.is_empty() => {
                        vec!["no vote on this edge".into(), "no vote".into()]
                    }
                    _ => vec![format!("rank {rank}/{total}"), format!("rank {rank}"), rank],
                };
                let fits = words.iter().find(|w| text::width(w) <= room).or(words.last());
                let style = if silent.is_some() { dim } else { plain };
                inner.fitted(x, y, room, fits.map_or("", String::as_str), style);
            }
            None => {
                let words = match (silent, draws) {
                    (Some(why), _) => format!("no vote: {}", text::sanitize(why)),
                    (None, 0) => "not scored yet".into(),
                    (None, _) if round.undefined(place, function) > 0 => "undefined: NaN or infinite".into(),
                    (None, _) => "when the edge's draw is whole".into(),
                };
                inner.fitted(column + 1, y, w.saturating_sub(column + 1), &words, dim);
            }
        }
        y += 1;
    }
    let values = round.values(place, scene.ui.function);
    let room = usize::from(w.saturating_sub(column + 8));
    inner.text(1, y, "draws", dim);
    let accent = inner.theme.accent();
    let x = inner.text(column, y, &text::spark(&values, room.min(48)), accent);
    let of = match (round.ended, chosen.or(score.deciding(place))) {
        (true, Some(r)) => format!("in round {}", r + 1),
        _ => "so far".into(),
    };
    inner.fitted(x + 1, y, w.saturating_sub(x + 1), &format!("{} {of}", values.len()), dim);
    y += 1;
    for line in verdict(scene, place, chosen) {
        for line in text::wrap(&line, w.saturating_sub(2)) {
            inner.text(1, y, &line, plain);
            y += 1;
        }
    }
}

/// What the round says of an operation, in words.
fn verdict(scene: &Scene, place: Place, chosen: Option<usize>) -> Vec<String> {
    let score = &scene.state.score;
    let mut lines = Vec::new();
    if let Some(summary) = score.summary(place, chosen) {
        match (summary.next, summary.p) {
            (Some(next), Some(v)) if v.0.is_finite() => {
                let name = next.operation.short();
                let value = text::significant(v.0, 2);
                lines.push(if v.0 <= ALPHA {
                    format!("lower than {name} beyond noise (p={value})")
                } else {
                    format!("a tie with {name}: within noise (p={value})")
                });
            }
            (None, _) if summary.mean.0.is_finite() => lines.push(format!("the best of edge {}", place.edge)),
            _ => {}
        }
    }
    if let Some(round) = score.place(place).removed {
        let how = score.removal(place).map_or("", removal_words);
        lines.push(match how {
            "" => format!("removed in round {}", round + 1),
            how => format!("removed in round {}, {how}", round + 1),
        });
    }
    if let Some(round) = score.shown(place, chosen) {
        let (bad, all) = (round.undefined(place, None), round.draws(place));
        if bad > 0 {
            lines.push(format!("a function is NaN or infinite in {bad} of {all} draws, which are left out"));
        }
    }
    lines
}

/// All operations of the edge under the cursor, in the order of the map's numbers, or of removal.
pub fn edge(pad: &mut Pad, scene: &Scene, ranking: &Ranking) {
    let ui = scene.ui;
    let score = &scene.state.score;
    let chosen = ui.round_of(scene.state);
    let order = if chosen.is_some() { "highest first" } else { "last removed first" };
    let mut inner = pad.panel(&format!("edge {} · {}", ui.edge, ui.cell), order, false);
    let operations = scene.state.space().operations().iter();
    let mut places: Vec<Place> =
        operations.map(|o| Place::new(ui.cell, ui.edge, *o)).filter(|p| score.shown(*p, chosen).is_some()).collect();
    places.sort_by_key(|p| ranking.rank(*p).unwrap_or(usize::MAX));
    let (dim, plain, strong) = (inner.theme.dim(), inner.theme.plain(), inner.theme.strong());
    inner.text(1, 0, "operation", dim);
    inner.right(24, 0, "value", dim);
    inner.right(33, 0, "spread", dim);
    inner.right(38, 0, "rank", dim);
    inner.text(40, 0, "p to next", dim);
    let room = inner.width().saturating_sub(51);
    inner.fitted(51, 0, room, "removed", dim);
    let shown = with_room(&mut inner, 1, places.len());
    for (i, place) in places.iter().take(shown).enumerate() {
        let y = 1 + i as u16;
        let here = place.operation == ui.operation;
        inner.text(1, y, place.operation.name(), if here { strong } else { plain });
        let value = |v: Option<f64>, d| v.map_or_else(|| "—".into(), |v| text::significant(v, d));
        inner.right(24, y, &value(score.number(*place, ui.function, chosen), 3), plain);
        inner.right(33, y, &value(score.spread(*place, ui.function, chosen), 2), dim);
        let rank = ranking.rank(*place).map_or_else(|| "—".into(), |r| r.to_string());
        inner.right(38, y, &rank, plain);
        if let Some(s) = score.summary(*place, chosen) {
            let p = match s.p {
                Some(p) if p.0.is_finite() => {
                    format!("{}{}", text::significant(p.0, 2), if p.0 <= ALPHA { "" } else { " tie" })
                }
                _ if s.next.is_none() => "best".into(),
                _ => "—".into(),
            };
            inner.fitted(40, y, 10, &p, dim);
        }
        let removed = score.place(*place).removed.map_or_else(String::new, |r| format!("round {}", r + 1));
        inner.fitted(51, y, room, &removed, dim);
    }
    if scene.state.leaves_out_none() && shown == places.len() {
        let w = inner.width();
        inner.fitted(
            1,
            1 + places.len() as u16,
            w.saturating_sub(2),
            "none: left out before scoring (score.none)",
            dim,
        );
    }
}
