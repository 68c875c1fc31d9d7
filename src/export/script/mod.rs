//! A trained network as one file of Python that needs nothing of ours: the network, the loading of its weights, and one loop that
//! evaluates it.

use super::Trained;
use crate::nn::NnError;
use crate::space::{CellKind, Stacking};

const HEAD: &str = include_str!("head.py");
const DARTS: &str = include_str!("darts.py");
const NAS_BENCH_201: &str = include_str!("nas_bench_201.py");
const TAIL: &str = include_str!("tail.py");

/// The file.
///
/// # Errors
/// A network with an operation that draws anew in every pass.
pub fn file(trained: &Trained) -> Result<String, NnError> {
    // What can't be told in layers can't be told in Python either.
    trained.network.layers(trained.height, trained.width)?;
    let config = trained.network.config();
    let genotype = &config.genotype;
    let (body, import) = match trained.stacking() {
        Stacking::Darts => (DARTS, "from collections import namedtuple\n"),
        Stacking::NasBench201 => (NAS_BENCH_201, ""),
    };
    // A list or a text of JSON is one of Python, too.
    let list = |key: &str, missing: String| trained.about.get(key).cloned().filter(|v| is_list(v)).unwrap_or(missing);
    let channels = |v: &str| format!("[{}]", vec![v; config.input_channels].join(", "));
    let reduces: Vec<&str> =
        config.layout().iter().map(|kind| if *kind == CellKind::Reduction { "True" } else { "False" }).collect();
    let edges: Vec<String> = genotype
        .chosen(CellKind::Normal)
        .map(|(edge, operation)| format!("({}, {}, \"{operation}\")", edge.source(), edge.target()))
        .collect();
    let said = |key: &str| trained.about.get(key).map_or("unknown".into(), |v| in_docstring(v));
    let title = format!("{}, trained from scratch: the network, its weights, and its accuracy.", trained.name());
    let words = [
        ("TITLE", title),
        ("IMPORT", import.into()),
        ("RUN", said("run")),
        ("PROGRAM", said("program")),
        ("DATA", said("data")),
        ("ACCURACY", said("test_accuracy")),
        ("CHANNELS", config.channels.to_string()),
        ("CELLS", config.cells.to_string()),
        ("INPUT_CHANNELS", config.input_channels.to_string()),
        ("CLASSES", config.classes.to_string()),
        ("HEIGHT", trained.height.to_string()),
        ("WIDTH", trained.width.to_string()),
        ("CLASS_NAMES", list("class_names", "[]".into())),
        ("MEAN", list("mean", channels("0.0"))),
        ("DEVIATION", list("deviation", channels("1.0"))),
        ("GENOTYPE", genotype.to_string()),
        ("REDUCES", format!("[{}]", reduces.join(", "))),
        ("EDGES", format!("[{}]", edges.join(", "))),
    ];
    Ok(filled(&[HEAD, body, TAIL].concat(), &words))
}

/// The template with its words put in; they are not looked into for others.
fn filled(template: &str, words: &[(&str, String)]) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, (key, behind))) =
        rest.split_once("<<").and_then(|(before, behind)| Some((before, behind.split_once(">>")?)))
    {
        out.push_str(before);
        out.push_str(words.iter().find(|(name, _)| *name == key).map_or("", |(_, word)| word));
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn is_list(text: &str) -> bool {
    // Of texts and numbers alone: those are written alike in both languages.
    serde_json::from_str::<Vec<String>>(text).is_ok() || serde_json::from_str::<Vec<f64>>(text).is_ok()
}

/// A word that does not end the text that it stands in.
fn in_docstring(word: &str) -> String {
    word.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}
