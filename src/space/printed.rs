//! A search space printed as a TOML file of one's own.

use super::definition::Space;
use super::operation::Operation;
use super::stacking::Stacking;

impl Space {
    /// As TOML, which [`Space::read`] reads.
    pub fn to_toml(self) -> String {
        if let Some(text) = self.text() {
            return text.into();
        }
        let list = |names: Vec<String>| names.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let names = |o: &mut dyn Iterator<Item = Operation>| list(o.map(|o| o.to_string()).collect());
        let operations = names(&mut self.operations().iter().copied());
        let mut out = format!(
            "name = \"{}\"\nabout = \"{}\"\n# In the order of the alphas' columns.\noperations = [{operations}]\n",
            self.name(),
            self.about()
        );
        if self.stacking() != Stacking::default() {
            out.push_str(&format!("stacking = \"{}\"\n", self.stacking()));
        }
        let full = self.full();
        for graph in self.graphs() {
            let kind = graph.kind;
            let complete = graph.edges.len() == graph.node_states().sum::<usize>();
            let edges = match complete {
                true => "\"complete\"  # every node reads all states before it".into(),
                false => format!("[{}]", list(graph.edges.iter().map(|e| format!("{e:#}")).collect())),
            };
            out.push_str(&format!("\n[{kind}]\nnodes = {}\nedges = {edges}\n", graph.nodes));
            if graph.edges.iter().any(|e| full.count_on(kind, *e) < self.columns()) {
                out.push_str(&format!("\n[{kind}.candidates]  # all operations where an edge is not named\n"));
                for edge in graph.edges.iter().filter(|e| full.count_on(kind, **e) < self.columns()) {
                    out.push_str(&format!("\"{edge:#}\" = [{}]\n", names(&mut full.kept(kind, *edge))));
                }
            }
        }
        out
    }
}
