use super::paper::{Anchor, INK, Paper, QUIET, css};
use crate::explorer::color::{self, Rgb};
use crate::explorer::state::State;
use crate::explorer::text;
use crate::space::{CellKind, Edge, Place};

const W: f64 = 46.0;
const H: f64 = 20.0;

/// Heat maps of both cells: the number is the value, the colour its rank.
pub fn draw(state: &State) -> Option<String> {
    let setup = state.score.setup.as_ref()?;
    let columns = state.columns();
    let each = 40.0 + W * columns.len() as f64;
    let mut p = Paper::new(2.0 * each + 60.0, 14.0 * H + 170.0);
    let ranking = state.score.ranking(None);
    let value = |place| state.score.place(place).mean(None);
    let top = Place::all().filter_map(value).map(f64::abs).fold(0.0, f64::max);
    let zeros = if top > 0.0 { (2 - top.log10().floor() as i32).clamp(0, 9) / 3 * 3 } else { 0 };
    for cell in CellKind::ALL {
        let x = 20.0 + (each + 20.0) * cell.index() as f64;
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
        for (row, edge) in Edge::all().enumerate() {
            let y = 74.0 + H * row as f64;
            p.text(x + 34.0, y + 14.0, 10.0, INK, Anchor::End, &edge.to_string());
            for (i, o) in columns.iter().enumerate() {
                let place = Place::new(cell, edge, *o);
                let left = x + 40.0 + W * i as f64;
                let Some(height) = ranking.height(place) else {
                    p.rect(left, y, W, H, "#ffffff", "#eaeef2");
                    continue;
                };
                let fill = color::heat(height);
                let on = if color::is_light(fill) { Rgb(0, 0, 0) } else { Rgb(255, 255, 255) };
                p.rect(left, y, W, H, &css(fill), "#ffffff");
                let words = value(place).map_or_else(|| "nan".into(), |v| text::significant(v * 10f64.powi(zeros), 2));
                p.text(left + W / 2.0, y + 14.0, 9.5, &css(on), Anchor::Middle, &words);
            }
        }
    }
    let y = 74.0 + 14.0 * H + 26.0;
    let unit = if zeros == 0 { String::new() } else { format!(" ×10{}", text::superscript(i64::from(-zeros))) };
    let what = format!(
        "number: importance{unit}, (r(N) − r(N \\ e)) / |r(N)| summed over {}, mean of {} draws",
        setup.functions.join(" and "),
        setup.draws
    );
    p.text(20.0, y, 10.0, INK, Anchor::Start, &what);
    p.text(
        20.0,
        y + 22.0,
        10.0,
        INK,
        Anchor::Start,
        &format!("colour: rank, from {} (least important)", ranking.total),
    );
    for i in 0..40 {
        let fill = css(color::heat(f64::from(i) / 39.0));
        p.rect(230.0 + 4.0 * f64::from(i), y + 13.0, 4.2, 12.0, &fill, "none");
    }
    p.text(398.0, y + 22.0, 10.0, INK, Anchor::Start, "to 1");
    // In full, for those who search the file.
    let names: Vec<&str> = columns.iter().map(|o| o.name()).collect();
    p.text(20.0, y + 44.0, 8.0, QUIET, Anchor::Start, &format!("columns: {}", names.join(", ")));
    Some(p.done())
}
