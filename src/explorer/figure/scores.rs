//! The figure of the scores: one heat map a cell.

use super::paper::{Anchor, INK, Paper, QUIET, css};
use crate::explorer::color::{self, Rgb};
use crate::explorer::state::{Ranking, State};
use crate::proxies::aggregate::Aggregate;
use crate::space::Place;
use crate::text;

const W: f64 = 46.0;
const H: f64 = 20.0;

/// Numbers are shown times 10 to this power.
pub(super) fn zeros(state: &State) -> i32 {
    let value = |place: Place| state.score.number(place, None, None);
    let top = state.space().places().filter_map(value).map(f64::abs).fold(0.0, f64::max);
    if top > 0.0 { (2 - top.log10().floor() as i32).clamp(0, 9) / 3 * 3 } else { 0 }
}

/// What the numbers are.
pub(super) fn legend(state: &State) -> Option<String> {
    let setup = state.score.setup.as_ref()?;
    let zeros = zeros(state);
    let unit = if zeros == 0 { String::new() } else { format!(" ×10{}", text::superscript(i64::from(-zeros))) };
    let how = match state.score.aggregate() {
        _ if state.score.samples_cells() => "what it adds to random cells, in standard deviations, put together from",
        _ if setup.estimator == "discretise" => {
            "how far r is above its mean on the edge where that is this operation alone, put together from"
        }
        Aggregate::Decorrelated => "(r(N) − r(N \\ e)) / |r(N)|, each over its spread, weighted, summed over",
        Aggregate::Noise => "(r(N) − r(N \\ e)) / |r(N)|, each over its noise, summed over",
        Aggregate::Relative => "(r(N) − r(N \\ e)) / |r(N)| summed over",
        Aggregate::Ranks => "ranks of (r(N) − r(N \\ e)) / |r(N)| summed over",
    };
    Some(format!(
        "number: score{unit}, importance {how} {}, mean of {}, in the round that decided",
        setup.functions.join(" and "),
        match &state.score.drawn {
            Some(drawn) => drawn.words(),
            None if setup.until_decided => "draws until decided".into(),
            None => text::counted(setup.draws, "draw"),
        }
    ))
}

/// Heat maps of both cells: the number is what decided, the colour its rank among the numbers.
pub fn draw(state: &State) -> Option<String> {
    state.score.setup.as_ref()?;
    let columns = state.columns();
    let each = 40.0 + W * columns.len() as f64;
    let space = state.space();
    let rows = space.graphs().iter().map(|g| g.edges.len()).max().unwrap_or(0) as f64;
    // The scale of colours takes so much at least.
    let width = (space.graphs().len() as f64 * (each + 20.0) + 20.0).max(450.0);
    let value = |place: Place| state.score.number(place, None, None);
    let ranking = Ranking::by(space, value);
    let zeros = zeros(state);
    let what = format!("{} (top left: removed in it)", legend(state)?);
    // In full, for those who search the file.
    let names = format!("columns: {}", columns.iter().map(|o| o.name()).collect::<Vec<_>>().join(", "));
    let room = width - 40.0;
    let more = |words: &str, size: f64| (Paper::count(words, room, size) - 1) as f64 * 1.4 * size;
    let (long, longer) = (more(&what, 10.0), more(&names, 8.0));
    let mut p = Paper::new(width, rows * H + 188.0 + long + longer);
    let mut ties = 0;
    for (i, graph) in space.graphs().iter().enumerate() {
        let (cell, x) = (graph.kind, 20.0 + (each + 20.0) * i as f64);
        p.text(x, 26.0, 13.0, INK, Anchor::Start, &format!("{cell} cell"));
        for (i, o) in columns.iter().enumerate() {
            p.text(
                x + 40.0 + W * (i as f64 + 0.5),
                58.0,
                7.0,
                QUIET,
                Anchor::Middle,
                o.name().trim_end_matches("_3x3").trim_end_matches("_5x5"),
            );
            let size = o.name().rsplit('_').next().filter(|s| s.contains('x')).unwrap_or("");
            p.text(x + 40.0 + W * (i as f64 + 0.5), 68.0, 7.0, QUIET, Anchor::Middle, size);
        }
        for (row, edge) in graph.edges.iter().enumerate() {
            let y = 74.0 + H * row as f64;
            p.text(x + 34.0, y + 14.0, 10.0, INK, Anchor::End, &edge.to_string());
            for (i, o) in columns.iter().enumerate() {
                let place = Place::new(cell, *edge, *o);
                let left = x + 40.0 + W * i as f64;
                let removal = state.score.removal(place);
                if removal.is_some_and(|r| r.tie) {
                    ties += 1;
                }
                let Some(height) = ranking.height(place) else {
                    p.rect(left, y, W, H, "#ffffff", "#eaeef2");
                    if state.score.takes_part(place) && state.score.shown(place, None).is_some_and(|r| r.ended) {
                        p.text(left + W / 2.0, y + 14.0, 9.5, INK, Anchor::Middle, "nan");
                    }
                    continue;
                };
                let fill = color::heat(height);
                let on = if color::is_light(fill) { Rgb(0, 0, 0) } else { Rgb(255, 255, 255) };
                p.rect(left, y, W, H, &css(fill), "#ffffff");
                let words = value(place).map_or_else(|| "nan".into(), |v| text::significant(v * 10f64.powi(zeros), 2));
                p.text(left + W / 2.0, y + 14.0, 9.5, &css(on), Anchor::Middle, &words);
                if let Some(round) = state.score.place(place).removed {
                    p.text(left + 3.0, y + 8.0, 6.0, &css(on), Anchor::Start, &(round + 1).to_string());
                }
                if removal.is_some_and(|r| r.tie) {
                    p.circle(left + W - 5.0, y + 6.0, 2.0, &css(on));
                }
            }
        }
    }
    let y = 74.0 + rows * H + 26.0;
    p.lines((20.0, y), room, 10.0, INK, &what);
    let y = y + long;
    p.text(20.0, y + 22.0, 10.0, INK, Anchor::Start, &format!("colour: rank of the number, from {}", ranking.total));
    for i in 0..40 {
        let fill = css(color::heat(f64::from(i) / 39.0));
        p.rect(230.0 + 4.0 * f64::from(i), y + 13.0, 4.2, 12.0, &fill, "none");
    }
    p.text(398.0, y + 22.0, 10.0, INK, Anchor::Start, "to 1");
    p.lines((20.0, y + 44.0), room, 8.0, QUIET, &names);
    let y = y + longer;
    if ties > 0 {
        p.circle(24.0, y + 59.0, 2.0, INK);
        p.text(32.0, y + 62.0, 8.0, QUIET, Anchor::Start, &format!("removed within noise (p > 0.05): {ties}"));
    }
    Some(p.done())
}
