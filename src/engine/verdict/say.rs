//! Which ranking functions decide, and which are noise.

use std::collections::BTreeMap;

use super::Say;
use crate::engine::stored::Stored;
use crate::proxies::aggregate::{Combined, Silent};

/// Of each chosen function, in the order of scoring.
pub(super) fn all(stored: &Stored, combined: &Combined, chosen: &[usize]) -> Vec<Say> {
    let space = stored.mask.space();
    let mut edges: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, place) in stored.places.iter().enumerate() {
        if !combined.samples[i].is_empty() {
            edges.entry(space.row(place.cell, place.edge).unwrap_or(0)).or_default().push(i);
        }
    }
    let mean = |i: usize| combined.samples[i].iter().sum::<f64>() / combined.samples[i].len() as f64;
    // The sum of products of what two numbers have beside their means on an edge.
    let together = |a: &dyn Fn(usize) -> f64, b: &dyn Fn(usize) -> f64| -> f64 {
        let of = |own: &Vec<usize>| {
            let n = own.len() as f64;
            let (x, y) = (own.iter().map(|i| a(*i)).sum::<f64>() / n, own.iter().map(|i| b(*i)).sum::<f64>() / n);
            own.iter().map(|i| (a(*i) - x) * (b(*i) - y)).sum::<f64>()
        };
        edges.values().map(of).sum()
    };
    let whole = together(&mean, &mean);
    let draws = stored.draws();
    let one = |(at, f): (usize, &usize)| {
        let standing = combined.standings.get(at)?;
        // Where it is undefined it adds nothing.
        let vote = |i: usize| Some(combined.votes[i][at]).filter(|v| v.is_finite()).unwrap_or(0.0);
        let part = (standing.silent.is_none() && whole > 0.0).then(|| together(&vote, &mean) / whole);
        let noise = (standing.noise / standing.spread).powi(2) / draws.max(1) as f64;
        Some(Say {
            function: stored.functions[*f].clone(),
            part: part.filter(|p| p.is_finite()),
            noise: Some(noise.min(1.0)).filter(|n| draws > 1 && n.is_finite()),
            silent: standing.silent.map(|s| why(s).into()),
        })
    };
    chosen.iter().enumerate().filter_map(one).collect()
}

const fn why(silent: Silent) -> &'static str {
    match silent {
        Silent::Undefined => "it is not finite on any edge",
        Silent::NothingNew => "what it tells is noise, or told by the others",
        Silent::Constant => "it is the same whichever operation of an edge is left out",
    }
}
