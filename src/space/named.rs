//! Search spaces by name: the DARTS space, and the smaller ones of RobustDARTS in which plain DARTS collapses. They share
//! the graph of the cells, and differ in the candidates of its edges.

use super::{CellKind, EDGES, Edge, Mask, Operation, Place};
use crate::nearest::nearest;

/// A search space that is built in.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    pub name: &'static str,
    /// What it is, and its source.
    pub about: &'static str,
    /// The candidates of every edge.
    pub full: Mask,
}

/// No such space, or none that can be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    #[error("there is no search space `{name}`; the built-in ones are {}{}", names().join(", "), near.map_or(String::new(), |n| format!("; did you mean `{n}`?")))]
    Unknown { name: String, near: Option<&'static str> },
    #[error("`{name}` can't be searched yet: its operation `{operation}` isn't built")]
    NotBuilt { name: &'static str, operation: &'static str },
}

/// Name and description.
const DARTS: (&str, &str) = ("darts", "8 operations on every edge (Liu et al. 2019, arXiv 1806.09055)");
const S1: (&str, &str) =
    ("darts_s1", "2 operations an edge, different ones (RobustDARTS, Zela et al. 2020, arXiv 1909.09656)");
const S2: (&str, &str) = ("darts_s2", "skip_connect and sep_conv_3x3 on every edge (RobustDARTS)");
const S3: (&str, &str) = (
    "darts_s3",
    "none, skip_connect and sep_conv_3x3 on every edge (RobustDARTS); published with score.none = \"compete\"",
);
const S4: (&str, &str) = ("darts_s4", "noise and sep_conv_3x3 on every edge (RobustDARTS): not built yet");

/// S1 by edge (RobustDARTS, appendix), by the short names of [`Operation`].
const S1_NORMAL: [&str; EDGES] = [
    "skip dil3",
    "skip dil5",
    "skip dil5",
    "skip sep3",
    "skip dil3",
    "max3 skip",
    "skip sep3",
    "skip sep3",
    "skip dil3",
    "skip sep3",
    "max3 skip",
    "skip dil3",
    "dil3 dil5",
    "dil3 dil5",
];
const S1_REDUCTION: [&str; EDGES] = [
    "max3 avg3",
    "max3 dil3",
    "max3 avg3",
    "max3 avg3",
    "skip dil5",
    "max3 avg3",
    "max3 sep3",
    "skip dil3",
    "skip dil5",
    "max3 avg3",
    "max3 avg3",
    "skip dil5",
    "skip dil5",
    "skip dil5",
];

/// The names and descriptions of all, also of those that are not built.
pub fn listed() -> [(&'static str, &'static str); 5] {
    [DARTS, S1, S2, S3, S4]
}

fn names() -> Vec<&'static str> {
    listed().map(|(name, _)| name).to_vec()
}

impl Space {
    /// The space of this name.
    ///
    /// # Errors
    /// No such name, with the nearest one; a space with an operation that is not built.
    pub fn find(name: &str) -> Result<Space, SpaceError> {
        use Operation::{None, SepConv3x3, SkipConnect};
        let of = |(name, about): (&'static str, &'static str), full| Ok(Space { name, about, full });
        match name {
            "darts" => of(DARTS, Mask::FULL),
            "darts_s1" => of(S1, by_edge()),
            "darts_s2" => of(S2, Mask::uniform(&[SkipConnect, SepConv3x3])),
            "darts_s3" => of(S3, Mask::uniform(&[None, SkipConnect, SepConv3x3])),
            "darts_s4" => Err(SpaceError::NotBuilt { name: S4.0, operation: "noise" }),
            _ => {
                let near = nearest(name, names());
                let name = name.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(SpaceError::Unknown { name, near })
            }
        }
    }

    /// As TOML: the name, and the candidates of every edge of both kinds of cell.
    pub fn to_toml(&self) -> String {
        let mut out = format!("# {}\nname = \"{}\"\n", self.about, self.name);
        for cell in CellKind::ALL {
            out.push_str(&format!("\n[{cell}]\n"));
            for edge in Edge::all() {
                let names: Vec<String> = self.full.kept(cell, edge).map(|o| format!("\"{o}\"")).collect();
                out.push_str(&format!("\"{edge:#}\" = [{}]\n", names.join(", ")));
            }
        }
        out
    }
}

/// The candidates of S1.
fn by_edge() -> Mask {
    let mut mask = Mask::EMPTY;
    for (cell, table) in [(CellKind::Normal, S1_NORMAL), (CellKind::Reduction, S1_REDUCTION)] {
        for (edge, names) in Edge::all().zip(table) {
            for operation in Operation::ALL.into_iter().filter(|o| names.split(' ').any(|n| n == o.short())) {
                mask.set(Place::new(cell, edge, operation), true);
            }
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_space_is_found_or_says_what_is_missing() {
        for (name, about) in listed() {
            match Space::find(name) {
                Ok(space) => {
                    assert_eq!((space.name, space.about), (name, about));
                    space.full.check().unwrap();
                    let table: toml::Table = toml::from_str(&space.to_toml()).unwrap();
                    assert_eq!(table["normal"].as_table().unwrap().len(), EDGES);
                }
                Err(e) => assert_eq!(e, SpaceError::NotBuilt { name: "darts_s4", operation: "noise" }),
            }
        }
        let counts = |name| Space::find(name).unwrap().full.count();
        assert_eq!(["darts", "darts_s1", "darts_s2", "darts_s3"].map(counts), [224, 56, 56, 84]);
        assert!(Space::find("darts_s9").unwrap_err().to_string().contains("did you mean `darts_s"));
        assert!(matches!(Space::find("imagenet"), Err(SpaceError::Unknown { near: None, .. })));
    }

    /// As RobustDARTS prints them.
    #[test]
    fn the_first_small_space_has_its_own_pair_on_every_edge() {
        let full = Space::find("darts_s1").unwrap().full;
        let kept = |cell, edge: &str| full.kept(cell, edge.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(kept(CellKind::Normal, "0-3"), [Operation::SkipConnect, Operation::DilConv5x5]);
        assert_eq!(kept(CellKind::Normal, "4-5"), [Operation::DilConv3x3, Operation::DilConv5x5]);
        assert_eq!(kept(CellKind::Reduction, "1-4"), [Operation::MaxPool3x3, Operation::SepConv3x3]);
        assert!(CellKind::ALL.into_iter().all(|c| Edge::all().all(|e| full.count_on(c, e) == 2)));
    }
}
