//! A genotype as a graph for Graphviz.

use std::fmt::Write;

use super::{Genotype, INPUTS};

/// Its cells as a graph for Graphviz.
pub fn dot(genotype: &Genotype) -> String {
    let mut out =
        String::from("digraph genotype {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n");
    out.push_str("  edge [fontname=\"Helvetica\", fontsize=10];\n");
    for kind in genotype.kinds() {
        // Writing to a string can't fail.
        let _ = writeln!(out, "  subgraph cluster_{kind} {{\n    label=\"{kind} cell\";");
        let state = |s: usize| format!("{kind}_{s}");
        for s in 0..INPUTS + genotype.nodes(kind) {
            let label = match s {
                0 => "c_{k-2}".to_string(),
                1 => "c_{k-1}".to_string(),
                _ => (s - INPUTS).to_string(),
            };
            let _ = writeln!(out, "    {} [label=\"{label}\"];", state(s));
        }
        let _ = writeln!(out, "    {kind}_out [label=\"c_{{k}}\"];");
        for (i, c) in genotype.choices(kind).iter().enumerate() {
            let _ = writeln!(out, "    {} -> {} [label=\"{}\"];", state(c.source), state(i / 2 + INPUTS), c.operation);
        }
        for s in genotype.concat(kind) {
            let _ = writeln!(out, "    {} -> {kind}_out [style=dashed];", state(*s));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::published;

    #[test]
    fn every_choice_and_every_concatenated_state_is_an_edge() {
        let genotype = published::find("DARTS_V2").unwrap().genotype;
        let text = dot(&genotype);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert_eq!(text.matches(" -> ").count(), 2 * (8 + 4));
        assert_eq!(text.matches("style=dashed").count(), 2 * 4);
        // The last choice of the normal cell: state 2 into node 3, which is state 5.
        assert!(text.contains("normal_2 -> normal_5 [label=\"dil_conv_3x3\"]"), "{text}");
        assert!(text.contains("reduction_0 -> reduction_2 [label=\"max_pool_3x3\"]"), "{text}");
    }
}
