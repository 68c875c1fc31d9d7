//! Scores for a run that differs from another one only in how its space is cut or searched: they would come out the same, bit
//! for bit, so they are taken over.

use super::error::EngineError;
use super::score;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::event::{Body, Level, Origin, Stage};
use crate::run::journal::{Tail, Writer};

/// Whether scores depend on a setting: not on how the space is cut, searched, or judged, but on which pictures the search has
/// for its weights, and on what stands before the cells.
pub fn of_scoring(key: &str) -> bool {
    let section = key.split('.').next().unwrap_or_default();
    ["search.train_share", "search.stem"].contains(&key)
        || !["cut", "search", "train", "truth", "run"].contains(&section)
}

/// Writes the scoring of `from` into the journal of `to`, a new run with settings `config`; false, with nothing written,
/// where there is none yet or settings differ that scores depend on. The engine of `to` compares data, program and vector
/// instructions when it begins, as for any run that is resumed.
///
/// # Errors
/// A journal that can't be written.
pub fn inherit(from: &RunFolder, to: &RunFolder, config: &Config) -> Result<bool, EngineError> {
    let before = from.config()?;
    if before.differences(config).iter().any(|(key, ..)| of_scoring(key)) {
        return Ok(false);
    }
    // What is asked for says when draws end, and rounds.
    let asked = |config: &Config| score::Settings::of(config, &config.space()).asked;
    let whole = config.score.whole_order && config.score.draws.fixed().is_some();
    if !whole && config.scores() && asked(&before) != asked(config) {
        return Ok(false);
    }
    let (mut origin, mut scoring, mut whole) = (None, Vec::new(), false);
    for event in Tail::events(from).rest() {
        match event.body {
            Body::Origin(o) => origin = Some(o),
            // In a journal of before the settings need not mean the stem that they mean now.
            Body::RunStarted(s) => {
                let data = &s.data;
                let stacking = s.space.space().stacking();
                if config.search.stem.stem(stacking, data.height, data.width) != s.stem {
                    return Ok(false);
                }
            }
            Body::StageStarted { stage: Stage::Score } if !whole => scoring.push(event.body),
            Body::StageEnded { stage: Stage::Score, .. } if !whole => {
                scoring.push(event.body);
                whole = true;
            }
            // The engine is not about to score anything here.
            Body::ScoringStarted(_)
            | Body::RoundStarted { .. }
            | Body::Baseline { .. }
            | Body::Score { .. }
            | Body::SampledCell { .. }
            | Body::Drawn(_)
            | Body::RoundEnded { .. }
            | Body::ScoringEnded(_)
                if !whole =>
            {
                scoring.push(event.body);
            }
            _ => {}
        }
    }
    let (Some(origin), true) = (origin, whole) else { return Ok(false) };
    let mut writer = Writer::open(to)?;
    writer.emit(Body::Origin(Origin { config: config.to_toml(), run: String::new(), ..origin }))?;
    for body in scoring {
        writer.emit(body)?;
    }
    let text = format!("the scores are those of {}, which has the same data, seed and scoring", from.name());
    writer.emit(Body::Log { level: Level::Info, text })?;
    writer.sync()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_depend_on_pictures_and_on_nothing_that_comes_later() {
        for key in ["seed", "data.size", "data.mean", "data.deviation", "score.batch", "search.train_share"] {
            assert!(of_scoring(key), "{key}");
        }
        // Which pictures the weights have does not depend on how many the alphas get.
        for key in ["search.alphas_share", "search.class_weights", "search.batch", "train.class_weights", "cut.xi"] {
            assert!(!of_scoring(key), "{key}");
        }
    }
}
