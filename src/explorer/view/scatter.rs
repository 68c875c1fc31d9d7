//! Two ranking functions against each other: every operation of the supernet is a point, by its two ranks.

use ratatui::style::Modifier;

use super::Scene;
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::explorer::text;
use crate::explorer::theme::Markers;
use crate::explorer::ui::Target;
use crate::explorer::widgets::Raster;
use crate::space::{Operation, Place};

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let score = &scene.state.score;
    let (x_of, y_of) = (scene.ui.function, Some(scene.ui.other_function));
    // Later rounds have only what is left, and would make any two functions agree on what went early.
    let (a, b) = (score.first_ranking(x_of), score.first_ranking(y_of));
    let points: Vec<(Place, usize, usize)> = Place::all().filter_map(|p| Some((p, a.rank(p)?, b.rank(p)?))).collect();
    let keys = format!("{} and {} choose", scene.keymap.of(Action::Function), scene.keymap.of(Action::OtherFunction));
    let title = format!("rank by {} against {}, first round", score.function_name(x_of), score.function_name(y_of));
    let mut inner = pad.panel(&title, &keys, true);
    if points.len() < 3 {
        inner.prose(
            "Every operation will be a point here, by its rank under two ranking functions, once three are scored.",
        );
        return;
    }
    let (w, h) = (inner.width(), inner.height());
    let side = if w >= 76 { 34 } else { 0 };
    plot(&mut inner.sub(0, 0, w - side, h), scene, &points, (&a, &b));
    if side > 0 {
        words(&mut inner.sub(w - side + 1, 0, side - 1, h), scene, &points);
    }
}

fn plot(pad: &mut Pad, scene: &Scene, points: &[(Place, usize, usize)], (a, b): (&Ranking, &Ranking)) {
    let (w, h) = (pad.width(), pad.height());
    if w < 12 || h < 4 {
        return;
    }
    let (left, columns, rows) = (5, w - 6, h - 1);
    let dim = pad.theme.dim();
    for y in 0..rows {
        pad.put(left - 1, y, '│', dim);
    }
    for x in left..left + columns {
        pad.put(x, rows, '─', dim);
    }
    pad.put(left - 1, rows, '└', dim);
    pad.right(left - 1, 0, "1", dim);
    pad.right(left - 1, rows - 1, &b.total.to_string(), dim);
    pad.text(left, rows, "1 best ", dim);
    pad.right(
        left + columns,
        rows,
        &format!(" {} ▸ {}", scene.state.score.function_name(scene.ui.function), a.total),
        dim,
    );
    let markers = if pad.theme.ascii { Markers::Ascii } else { scene.ui.markers };
    let mut raster = Raster::new(columns, rows, markers);
    let (dots_x, dots_y) = raster.size();
    let along = |rank: usize, total: usize, dots: i32| {
        ((rank - 1) as f64 / (total.max(2) - 1) as f64 * f64::from(dots - 1)).round() as i32
    };
    for (place, x, y) in points {
        let style = pad.theme.series(family(place.operation));
        let glyph = ['o', '+', '*'][family(place.operation)];
        raster.dot(along(*x, a.total, dots_x), along(*y, b.total, dots_y), style, glyph);
    }
    raster.draw(pad, left, 0);
    let (per_x, per_y) = (dots_x / i32::from(columns), dots_y / i32::from(rows));
    let at = |x: usize, y: usize| {
        let column = along(x, a.total, dots_x) / per_x.max(1);
        let row = along(y, b.total, dots_y) / per_y.max(1);
        (left + u16::try_from(column).unwrap_or(0), u16::try_from(row).unwrap_or(0))
    };
    for (place, x, y) in points {
        let (column, row) = at(*x, *y);
        scene.hits.add(pad.area_of(column, row, 1, 1), Target::Place(*place));
    }
    if let Some((_, x, y)) = points.iter().find(|p| p.0 == scene.ui.place()) {
        let (column, row) = at(*x, *y);
        let style = pad.theme.cursor();
        pad.put(column, row, '◉', style);
    }
}

/// Colour by family: without parameters, separable, dilated.
const fn family(operation: Operation) -> usize {
    match operation {
        Operation::SepConv3x3 | Operation::SepConv5x5 => 0,
        Operation::DilConv3x3 | Operation::DilConv5x5 => 2,
        _ => 1,
    }
}

fn words(pad: &mut Pad, scene: &Scene, points: &[(Place, usize, usize)]) {
    let (dim, plain, strong) = (pad.theme.dim(), pad.theme.plain(), pad.theme.strong());
    let mut y = 0;
    let mut line = |pad: &mut Pad, text: &str, style| {
        let w = pad.width();
        pad.fitted(0, y, w, text, style);
        y += 1;
    };
    line(pad, &format!("Spearman ρ {}", text::significant(spearman(points), 2)), plain);
    line(pad, &format!("of {} operations", points.len()), dim);
    for (i, name) in ["separable", "no weights", "dilated"].iter().enumerate() {
        let style = pad.theme.series(i).add_modifier(Modifier::BOLD);
        let mark = if pad.theme.ascii { ['o', '+', '*'][i] } else { '●' };
        line(pad, &format!("{mark} {name}"), style);
    }
    let here = scene.ui.place();
    let ranks = points.iter().find(|p| p.0 == here).map_or_else(String::new, |p| format!(": {} and {}", p.1, p.2));
    line(
        pad,
        &format!(
            "◉ {} {} {}{ranks}",
            here.cell.name().chars().next().unwrap_or(' '),
            here.edge,
            here.operation.short()
        ),
        strong,
    );
    line(pad, "they disagree most on", dim);
    for (place, a, b) in most_disputed(points, usize::from(pad.height())) {
        let text = format!(
            "{} {} {:<5} {a:>3} {b:>3}",
            place.cell.name().chars().next().unwrap_or(' '),
            place.edge,
            place.operation.short()
        );
        line(pad, &text, plain);
    }
}

/// The points farthest from the diagonal.
fn most_disputed(points: &[(Place, usize, usize)], count: usize) -> Vec<(Place, usize, usize)> {
    let mut all = points.to_vec();
    all.sort_by_key(|p| std::cmp::Reverse(p.1.abs_diff(p.2)));
    all.truncate(count);
    all
}

/// Spearman's rank correlation of the two ranks, made anew among the points that have both.
fn spearman(points: &[(Place, usize, usize)]) -> f64 {
    let ranks = |of: &dyn Fn(&(Place, usize, usize)) -> usize| {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by_key(|i| of(&points[*i]));
        let mut ranks = vec![0.0; points.len()];
        for (rank, i) in order.into_iter().enumerate() {
            ranks[i] = rank as f64;
        }
        ranks
    };
    let (a, b) = (ranks(&|p| p.1), ranks(&|p| p.2));
    let n = points.len() as f64;
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranks_correlate_wholly_and_turned_round_ones_not() {
        let place = |i| Place::all().nth(i).unwrap();
        let equal: Vec<_> = (0..9).map(|i| (place(i), i + 1, i + 1)).collect();
        assert!((spearman(&equal) - 1.0).abs() < 1e-12);
        let turned: Vec<_> = (0..9).map(|i| (place(i), i + 1, 9 - i)).collect();
        assert!((spearman(&turned) + 1.0).abs() < 1e-12);
        assert_eq!(most_disputed(&turned, 2).iter().map(|p| p.1).collect::<Vec<_>>(), [1, 9]);
    }
}
