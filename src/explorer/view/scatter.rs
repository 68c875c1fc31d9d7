//! Two ranking functions against each other: every operation of the supernet is a point, by its two ranks.

use std::collections::BTreeMap;

use ratatui::style::Modifier;

use super::Scene;
use crate::explorer::action::Action;
use crate::explorer::draw::Pad;
use crate::explorer::state::Ranking;
use crate::explorer::ui::Target;
use crate::space::{Compute, Operation, Place};
use crate::text;

pub fn draw(pad: &mut Pad, scene: &Scene) {
    let score = &scene.state.score;
    let (x_of, y_of) = (scene.ui.function, Some(scene.ui.other_function));
    // Later rounds have only what is left, and would make any two functions agree on what went early.
    let (a, b) = (score.ranking(x_of, Some(0)), score.ranking(y_of, Some(0)));
    let points: Vec<(Place, usize, usize)> =
        scene.state.space().places().filter_map(|p| Some((p, a.rank(p)?, b.rank(p)?))).collect();
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
    if w < 12 || h < 5 {
        return;
    }
    // A line for the name of each axis.
    let (left, top, columns, rows) = (5, 1, w - 6, h - 2);
    let dim = pad.theme.dim();
    let score = &scene.state.score;
    pad.fitted(left - 1, 0, w, &format!("↑ {}", score.function_name(Some(scene.ui.other_function))), dim);
    for y in top..top + rows {
        pad.put(left - 1, y, '│', dim);
    }
    for x in left..left + columns {
        pad.put(x, top + rows, '─', dim);
    }
    pad.put(left - 1, top + rows, '└', dim);
    pad.right(left - 1, top, "1", dim);
    pad.right(left - 1, top + rows - 1, &b.total.to_string(), dim);
    pad.text(left, top + rows, "1 best ", dim);
    let name = format!(" {} ▸ {}", score.function_name(scene.ui.function), a.total);
    pad.right(left + columns, top + rows, &name, dim);
    let along = |rank: usize, total: usize, cells: u16| {
        ((rank - 1) as f64 / (total.max(2) - 1) as f64 * f64::from(cells - 1)).round() as u16
    };
    let at = |x: usize, y: usize| (left + along(x, a.total, columns), top + along(y, b.total, rows));
    // By cell, the families that have points there.
    let mut cells: BTreeMap<(u16, u16), u8> = BTreeMap::new();
    for (place, x, y) in points {
        let (column, row) = at(*x, *y);
        *cells.entry((column, row)).or_default() |= 1 << family(place.operation);
        scene.hits.add(pad.area_of(column, row, 1, 1), Target::Place(*place));
    }
    for ((column, row), families) in cells {
        let one = (0..GLYPHS.len()).find(|f| families == 1 << f);
        let style = one.map_or(pad.theme.plain(), |f| pad.theme.series(f));
        pad.put(column, row, one.map_or(SEVERAL, |f| GLYPHS[f]), style);
    }
    if let Some((_, x, y)) = points.iter().find(|p| p.0 == scene.ui.place()) {
        let (column, row) = at(*x, *y);
        let style = pad.theme.cursor();
        pad.put(column, row, '◉', style);
    }
}

/// A glyph for each family, so that nobody needs colours to tell them apart, and one for several on one spot.
const GLYPHS: [char; 3] = ['■', '○', '▲'];
const SEVERAL: char = '▒';

/// Colour and glyph by family: separable or dense, without parameters, dilated.
const fn family(operation: Operation) -> usize {
    match operation.compute() {
        Compute::Separable { dilation: 1, .. } | Compute::Dense { .. } | Compute::Factorised { .. } => 0,
        Compute::Separable { .. } => 2,
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
    line(
        pad,
        &spearman(points).map_or_else(
            || "Spearman ρ: one is constant".into(),
            |r| format!("Spearman ρ {}", text::significant(r, 2)),
        ),
        plain,
    );
    line(pad, &format!("of {} operations", points.len()), dim);
    let any = |of: fn(Compute) -> bool| points.iter().any(|p| of(p.0.operation.compute()));
    let separable = any(|c| matches!(c, Compute::Separable { dilation: 1, .. }));
    let first = match any(|c| matches!(c, Compute::Dense { .. } | Compute::Factorised { .. })) {
        true if separable => "convolution",
        true => "dense",
        false => "separable",
    };
    for (i, name) in [first, "no weights", "dilated"].iter().enumerate() {
        let style = pad.theme.series(i).add_modifier(Modifier::BOLD);
        line(pad, &format!("{} {name}", GLYPHS[i]), style);
    }
    line(pad, &format!("{SEVERAL} several of them"), dim);
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

/// Spearman's rank correlation: that of the ranks among the points that have both, where equal ones share their mean rank;
/// none where one of the two is the same everywhere.
fn spearman(points: &[(Place, usize, usize)]) -> Option<f64> {
    let ranks = |of: &dyn Fn(&(Place, usize, usize)) -> usize| -> Vec<f64> {
        let all: Vec<usize> = points.iter().map(of).collect();
        let below = |v: usize| all.iter().filter(|w| **w < v).count();
        let equal = |v: usize| all.iter().filter(|w| **w == v).count();
        all.iter().map(|v| below(*v) as f64 + (equal(*v) as f64 - 1.0) / 2.0).collect()
    };
    let (a, b) = (ranks(&|p| p.1), ranks(&|p| p.2));
    // Both have the mean of 0 to n - 1.
    let mean = (points.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let r = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    r.is_finite().then_some(r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts;

    #[test]
    fn equal_ranks_correlate_wholly_and_turned_round_ones_not() {
        let place = |i| darts::SPACE.places().nth(i).unwrap();
        let equal: Vec<_> = (0..9).map(|i| (place(i), i + 1, i + 1)).collect();
        assert!((spearman(&equal).unwrap() - 1.0).abs() < 1e-12);
        let turned: Vec<_> = (0..9).map(|i| (place(i), i + 1, 9 - i)).collect();
        assert!((spearman(&turned).unwrap() + 1.0).abs() < 1e-12);
        // By hand: ranks 0, 1, 2 against 0.5, 0.5, 2.
        let shared: Vec<_> =
            [(1, 1), (2, 1), (3, 3)].iter().enumerate().map(|(i, (a, b))| (place(i), *a, *b)).collect();
        assert!((spearman(&shared).unwrap() - 0.75f64.sqrt()).abs() < 1e-12);
        let constant: Vec<_> = (0..9).map(|i| (place(i), i + 1, 1)).collect();
        assert_eq!(spearman(&constant), None);
        assert_eq!(most_disputed(&turned, 2).iter().map(|p| p.1).collect::<Vec<_>>(), [1, 9]);
    }
}
