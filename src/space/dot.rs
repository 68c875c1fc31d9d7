//! A genotype as a graph for Graphviz.

use std::fmt::Write;

use super::{Genotype, Operation};

/// Its cells as a graph for Graphviz.
pub fn dot(genotype: &Genotype) -> String {
    let mut out =
        String::from("digraph genotype {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n");
    out.push_str("  edge [fontname=\"Helvetica\", fontsize=10];\n");
    for kind in genotype.kinds() {
        // Writing to a string can't fail.
        let _ = writeln!(out, "  subgraph cluster_{kind} {{\n    label=\"{kind} cell\";");
        let state = |s: usize| format!("{kind}_{s}");
        for s in 0..genotype.states(kind) {
            let _ = writeln!(out, "    {} [label=\"{s}\"];", state(s));
        }
        let _ = writeln!(out, "    {kind}_out [label=\"out\"];");
        // `none` stands for no edge.
        for (edge, operation) in genotype.chosen(kind).filter(|(_, o)| *o != Operation::None) {
            let (from, to) = (state(edge.source()), state(edge.target()));
            let _ = writeln!(out, "    {from} -> {to} [label=\"{operation}\"];");
        }
        for s in genotype.outputs(kind) {
            let _ = writeln!(out, "    {} -> {kind}_out [style=dashed];", state(s));
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
        assert!(text.contains("normal_2 [label=\"2\"]") && text.contains("normal_out [label=\"out\"]"), "{text}");
        assert!(text.contains("reduction_0 -> reduction_2 [label=\"max_pool_3x3\"]"), "{text}");
    }
}
