//! Results as tables: lines for people, CSV, and Markdown for a paper.

use super::{Beside, Conclusion, Results, Row};
use crate::statistics::Spread;
use crate::text;

/// `71.20 ± 0.35`, `—` where there is none.
pub fn spread(s: &Spread, decimals: usize) -> String {
    match (s.mean, s.deviation) {
        (Some(mean), Some(deviation)) => format!("{mean:.decimals$} ± {deviation:.decimals$}"),
        (Some(mean), None) => format!("{mean:.decimals$}"),
        _ => "—".into(),
    }
}

fn mean(s: &Spread, told: impl Fn(f64) -> String) -> String {
    s.mean.map_or_else(|| "—".into(), told)
}

/// Bytes of a search, in the mean; predicted ones with `~`, where none were measured.
fn bytes(row: &Row) -> String {
    match (row.bytes.mean, row.predicted_bytes.mean) {
        (Some(b), _) => text::bytes(b as u64),
        (None, Some(b)) => format!("~{}", text::bytes(b as u64)),
        _ => "—".into(),
    }
}

/// A probability as papers have it.
pub fn p(value: Option<f64>) -> String {
    match value {
        None => "—".into(),
        Some(p) if p < 0.001 => "<0.001".into(),
        Some(p) => format!("{p:.3}"),
    }
}

/// What a comparison comes to, in words.
pub fn conclusion(b: &Beside, margin: f64) -> String {
    match b.conclusion {
        Conclusion::Same => format!("the same within ±{}", text::significant(margin, 3)),
        Conclusion::Better => "better".into(),
        Conclusion::Worse => "worse".into(),
        Conclusion::Undecided => "undecided".into(),
        Conclusion::TooFew => "too few seeds".into(),
    }
}

/// A table: its head, and its rows; the first column is of words, the others are of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// A row for each setting.
pub fn settings(r: &Results) -> Table {
    let mut head = vec!["setting", "seeds"];
    let measures: Vec<_> =
        super::Measure::ALL.into_iter().filter(|m| r.rows.iter().any(|row| row.accuracy(*m).n > 0)).collect();
    head.extend(measures.iter().map(|m| match m {
        super::Measure::Table => "table %",
        super::Measure::Trained => "trained %",
        super::Measure::Supernet => "supernet %",
    }));
    head.extend(["memory", "scoring", "search", "kept", "κ of cuts", "τ of scores"]);
    let row = |row: &Row| {
        let name = if row.baseline { format!("{} (baseline)", row.setting) } else { row.setting.clone() };
        let n = row.accuracy(r.measure).n;
        let seeds = if n == row.seeds { n.to_string() } else { format!("{n} of {}", row.seeds) };
        let mut cells = vec![name, seeds];
        cells.extend(measures.iter().map(|m| spread(row.accuracy(*m), 2)));
        let kappa = row.overlap.as_ref().and_then(|o| o.kappa);
        cells.extend([
            bytes(row),
            mean(&row.scoring_seconds, text::duration),
            mean(&row.search_seconds, text::duration),
            mean(&row.kept, |k| text::significant(k, 3)),
            kappa.map_or_else(|| "—".into(), |k| format!("{k:.2}")),
            row.scores.as_ref().and_then(|s| s.tau).map_or_else(|| "—".into(), |t| format!("{t:.2}")),
        ]);
        cells
    };
    Table { head, rows: r.rows.iter().map(row).collect() }
}

/// A row for each setting beside the baseline.
pub fn beside(r: &Results) -> Table {
    let head =
        vec!["setting", "pairs", "difference", "95 %", "p", "p (Holm)", "p of ±margin", "g", "memory", "concluded"];
    let row = |b: &Beside| {
        let signed = |v: f64| format!("{v:+.2}");
        vec![
            b.setting.clone(),
            b.pairs.to_string(),
            b.mean.map_or_else(|| "—".into(), signed),
            b.interval.map_or_else(|| "—".into(), |(l, h)| format!("{l:+.2} to {h:+.2}")),
            p(b.permutation.map(|t| t.p)),
            p(b.p_holm),
            p(b.p_same_holm),
            b.effect.map_or_else(|| "—".into(), |g| format!("{g:+.2}")),
            b.memory.map_or_else(|| "—".into(), |m| format!("{:+.0} %", 100.0 * (m - 1.0))),
            conclusion(b, r.margin),
        ]
    };
    Table { head, rows: r.beside.iter().map(row).collect() }
}

/// What the tables are of, in a sentence.
pub fn about(r: &Results) -> String {
    format!(
        "{} of {} settings by seeds are done. Compared: {}, mean ± standard deviation over seeds; memory: peak of the search over \
         the idle process.",
        r.done,
        r.runs,
        r.measure.meaning()
    )
}

/// What the second table is of.
pub fn about_beside(r: &Results) -> String {
    format!(
        "Beside {}, seed by seed, in percentage points: 95 % interval of the mean by t; p of a permutation of signs, then after \
         Holm over all; p that the difference lies beyond ±{} (two one-sided t tests, Holm); g: Hedges' g_av. At {}.",
        r.baseline,
        text::significant(r.margin, 3),
        r.alpha
    )
}

/// What follows, in words.
pub fn concluded(r: &Results) -> Vec<String> {
    let of = |c: Conclusion| -> Vec<&Beside> { r.beside.iter().filter(|b| b.conclusion == c).collect() };
    let names = |all: &[&Beside]| {
        let told = |b: &&Beside| {
            let memory = b.memory.map_or_else(String::new, |m| format!(", memory {:+.0} %", 100.0 * (m - 1.0)));
            format!("{} ({:+.2}{memory})", b.setting, b.mean.unwrap_or(f64::NAN))
        };
        all.iter().map(told).collect::<Vec<_>>().join("; ")
    };
    let mut all = Vec::new();
    let margin = text::significant(r.margin, 3);
    for (c, words) in [
        (Conclusion::Same, format!("As accurate as {} within ±{margin} points", r.baseline)),
        (Conclusion::Better, format!("More accurate than {}", r.baseline)),
        (Conclusion::Worse, format!("Less accurate than {}", r.baseline)),
    ] {
        let found = of(c);
        if !found.is_empty() {
            all.push(format!("{words}: {}.", names(&found)));
        }
    }
    let open = of(Conclusion::Undecided).len();
    if open > 0 {
        all.push(format!(
            "Of {} neither a difference nor sameness is shown: they differ too much from seed to seed.",
            text::counted(open, "setting")
        ));
    }
    let few = of(Conclusion::TooFew);
    if !few.is_empty() {
        all.push(format!(
            "Of {} there are too few seeds to show a difference, and sameness is not shown.",
            text::counted(few.len(), "setting")
        ));
        let apart: Vec<&Beside> =
            few.into_iter().filter(|b| b.interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0)).collect();
        if !apart.is_empty() {
            all.push(format!(
                "More seeds would tell most of {}: their 95 % intervals by t, each by itself, leave 0 out.",
                names(&apart)
            ));
        }
    }
    all
}

impl Table {
    /// In columns.
    pub fn lines(&self) -> Vec<String> {
        let width = |i: usize| {
            let cells = self.rows.iter().map(|row| text::width(&row[i]));
            cells.chain([text::width(self.head[i])]).max().unwrap_or(0)
        };
        let widths: Vec<u16> = (0..self.head.len()).map(width).collect();
        let last = self.head.len() - 1;
        let line = |cells: &[&str]| {
            let told = cells.iter().zip(&widths).enumerate().map(|(i, (cell, width))| match i {
                0 => text::pad(cell, *width),
                i if i == last => (*cell).to_string(),
                _ => format!("{}{cell}", " ".repeat(usize::from(width - text::width(cell)))),
            });
            told.collect::<Vec<_>>().join("  ").trim_end().to_string()
        };
        let rows = self.rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        std::iter::once(line(&self.head)).chain(rows).collect()
    }

    pub fn markdown(&self) -> String {
        let escaped = |cell: &str| cell.replace('|', "\\|");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = line(self.head.iter().map(|h| escaped(h)).collect());
        out.push_str(&line((0..self.head.len()).map(|i| if i == 0 { "---".into() } else { "--:".into() }).collect()));
        for row in &self.rows {
            out.push_str(&line(row.iter().map(|c| escaped(c)).collect()));
        }
        out
    }
}

/// Every run with every number, as CSV: for one's own statistics.
pub fn csv(r: &Results) -> String {
    let keys: Vec<&str> = {
        let mut keys = Vec::new();
        for (key, _) in r.rows.iter().flat_map(|row| &row.values) {
            if !keys.contains(&key.as_str()) {
                keys.push(key.as_str());
            }
        }
        keys
    };
    let quoted = |text: &str| match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    };
    let mut out = String::from("setting");
    keys.iter().for_each(|k| out.push_str(&format!(",{}", quoted(k))));
    out.push_str(
        ",seed,done,failed,table_percent,table_predicted,trained_percent,supernet_percent,peak_bytes,predicted_bytes,scoring_seconds,\
         search_seconds,training_seconds,kept,parameters,genotype\n",
    );
    fn told<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |v| v.to_string())
    }
    for one in &r.each {
        out.push_str(&quoted(&one.name));
        let values = &r.rows[one.setting].values;
        for key in &keys {
            let value = values.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
            out.push_str(&format!(",{}", quoted(value)));
        }
        let cells = [
            one.seed.to_string(),
            one.done.to_string(),
            quoted(&told(one.failed.as_ref())),
            told(one.table),
            one.table.map_or_else(String::new, |_| one.predicted.to_string()),
            told(one.trained),
            told(one.supernet),
            told(one.bytes),
            told(one.predicted_bytes),
            told(one.scoring_seconds),
            told(one.search_seconds),
            told(one.training_seconds),
            told(one.kept),
            told(one.parameters),
            quoted(&told(one.genotype.as_ref())),
        ];
        out.push_str(&format!(",{}\n", cells.join(",")));
    }
    out
}
