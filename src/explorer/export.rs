//! The genotype as text for other programs.

use crate::run::{FolderError, RunFolder};
use crate::space::{Choice, Genotype, INPUTS};

/// The Python text that published code reads.
pub fn python(genotype: &Genotype) -> String {
    let pairs = |choices: &[Choice]| {
        choices.iter().map(|c| format!("('{}', {})", c.operation, c.source)).collect::<Vec<_>>().join(", ")
    };
    let numbers = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "Genotype(normal=[{}], normal_concat=[{}], reduce=[{}], reduce_concat=[{}])",
        pairs(&genotype.normal),
        numbers(&genotype.normal_concat),
        pairs(&genotype.reduction),
        numbers(&genotype.reduction_concat)
    )
}

/// Both cells as one DOT graph.
pub fn dot(genotype: &Genotype) -> String {
    let mut out = String::from("digraph genotype {\n  rankdir=LR;\n  node [shape=box];\n");
    for (name, choices, concat) in [
        ("normal", &genotype.normal, &genotype.normal_concat),
        ("reduction", &genotype.reduction, &genotype.reduction_concat),
    ] {
        let state = |s: usize| match s {
            0 => format!("\"{name} c_{{k-2}}\""),
            1 => format!("\"{name} c_{{k-1}}\""),
            n => format!("\"{name} {}\"", n - INPUTS),
        };
        out += &format!("  subgraph cluster_{name} {{\n    label=\"{name}\";\n");
        for (i, c) in choices.iter().enumerate() {
            out += &format!("    {} -> {} [label=\"{}\"];\n", state(c.source), state(i / 2 + INPUTS), c.operation);
        }
        for s in concat {
            out += &format!("    {} -> \"{name} c_{{k}}\";\n", state(*s));
        }
        out += "  }\n";
    }
    out + "}\n"
}

/// Writes all forms into the run's folder; returns the names of the files.
///
/// # Errors
/// A folder that can't be written.
pub fn write(folder: &RunFolder, genotype: &Genotype) -> Result<Vec<&'static str>, FolderError> {
    let json = serde_json::to_string_pretty(genotype).unwrap_or_default();
    let files = [("genotype.json", json), ("genotype.py", python(genotype) + "\n"), ("genotype.dot", dot(genotype))];
    for (name, text) in &files {
        folder.write_atomic(name, text.as_bytes())?;
    }
    Ok(files.map(|f| f.0).to_vec())
}
