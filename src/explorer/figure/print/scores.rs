//! The scores in print: heat maps below each other, or side by side where they fit.

use super::{GAP, LARGE, MARGIN, SMALL};
use crate::explorer::color::{self, Rgb};
use crate::explorer::figure::paper::{Anchor, INK, Paper, QUIET, css};
use crate::explorer::figure::scores::{legend, zeros};
use crate::explorer::state::{Ranking, State};
use crate::space::Place;
use crate::text;

/// Names of edges.
const EDGE: f64 = 20.0;
const ROW: f64 = 10.5;
/// A number needs so much.
const NUMBER: f64 = 21.0;
const ABOVE: f64 = 24.0;

pub fn draw(state: &State, width: f64) -> Option<String> {
    let what = legend(state)?;
    let (columns, space) = (state.columns(), state.space());
    let graphs = space.graphs();
    let count = columns.len().max(1) as f64;
    let room = width - 2.0 * MARGIN;
    let beside = graphs.len() > 1 && (EDGE + NUMBER * count) * 2.0 + GAP <= room;
    let each = if beside { (room - GAP) / 2.0 } else { room };
    let cell_width = ((each - EDGE) / count).min(48.0);
    // Where not even numbers fit colours tell alone.
    let numbers = cell_width >= NUMBER - 3.0;
    let value = |place: Place| state.score.number(place, None, None);
    let (ranking, zeros) = (Ranking::by(space, value), zeros(state));
    let short = cell_width < 42.0;
    let name = |o: &crate::space::Operation| if short { o.short() } else { o.name() };
    let names = columns.iter().map(|o| format!("{}: {}", o.short(), o.name())).collect::<Vec<_>>().join(", ");
    let ties = space.places().filter(|p| state.score.removal(*p).is_some_and(|r| r.tie)).count();
    let mut words = vec![if numbers { what } else { what.replacen("number: score", "colour: score", 1) }];
    if short {
        words.push(names);
    }
    if ties > 0 {
        words.push(format!("dot: removed within noise (p > 0.05), {ties}"));
    }
    let words = words.join(" · ");
    let tall = |g: &crate::space::Graph| ABOVE + ROW * g.edges.len() as f64 + 8.0;
    let maps: f64 = match beside {
        true => graphs.iter().map(tall).fold(0.0, f64::max),
        false => graphs.iter().map(tall).sum(),
    };
    let lines = Paper::count(&words, room, SMALL) as f64;
    let mut p = Paper::printed(width, maps + 16.0 + 1.4 * SMALL * lines + 4.0);
    let mut top = 0.0;
    for (i, graph) in graphs.iter().enumerate() {
        let x = MARGIN + if beside { (each + GAP) * i as f64 } else { 0.0 };
        p.text(x, top + 10.0, LARGE, INK, Anchor::Start, &format!("{} cell", graph.kind));
        for (i, o) in columns.iter().enumerate() {
            let words = name(o);
            // A name that is too long for its column keeps its first words.
            let fits = (0..=words.len()).rev().find(|n| Paper::wide(&words[..*n], SMALL) <= cell_width).unwrap_or(0);
            let middle = x + EDGE + cell_width * (i as f64 + 0.5);
            p.text(middle, top + ABOVE - 3.0, SMALL, QUIET, Anchor::Middle, &words[..fits]);
        }
        for (row, edge) in graph.edges.iter().enumerate() {
            let y = top + ABOVE + ROW * row as f64;
            p.text(x + EDGE - 3.0, y + 7.8, SMALL, INK, Anchor::End, &edge.to_string());
            for (i, o) in columns.iter().enumerate() {
                let place = Place::new(graph.kind, *edge, *o);
                let left = x + EDGE + cell_width * i as f64;
                let Some(height) = ranking.height(place) else {
                    p.rect(left, y, cell_width, ROW, "#ffffff", "#eaeef2");
                    continue;
                };
                let fill = color::heat(height);
                let on = if color::is_light(fill) { Rgb(0, 0, 0) } else { Rgb(255, 255, 255) };
                p.rect(left, y, cell_width, ROW, &css(fill), "#ffffff");
                let words = value(place).map_or_else(|| "nan".into(), |v| text::significant(v * 10f64.powi(zeros), 2));
                if numbers && Paper::wide(&words, SMALL) <= cell_width + 2.0 {
                    p.text(left + cell_width / 2.0, y + 7.8, SMALL, &css(on), Anchor::Middle, &words);
                }
                if state.score.removal(place).is_some_and(|r| r.tie) {
                    p.circle(left + cell_width - 2.0, y + 2.2, 0.9, &css(on));
                }
            }
        }
        if !beside {
            top += tall(graph);
        }
    }
    let y = maps + 6.0;
    let scale = format!("colour: rank, {} to 1", ranking.total);
    p.text(MARGIN, y + 2.5, SMALL, INK, Anchor::Start, &scale);
    let from = MARGIN + Paper::wide(&scale, SMALL) + 4.0;
    for i in 0..40 {
        let fill = css(color::heat(f64::from(i) / 39.0));
        let step = ((width - MARGIN - from) / 40.0).min(2.0);
        p.rect(from + step * f64::from(i), y - 3.5, step + 0.1, 7.0, &fill, "none");
    }
    p.lines((MARGIN, y + 15.0), room, SMALL, INK, &words);
    Some(p.done())
}
