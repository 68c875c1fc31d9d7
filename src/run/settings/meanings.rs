//! What every key means; the list of all keys.

/// One line of meaning for every key, section by section ("" is the top).
pub(super) const MEANINGS: [(&str, &[(&str, &str)]); 9] = [
    ("", &[("version", "version of this format"), ("seed", "every random stream is derived from it by name")]),
    (
        "space",
        &[
            ("name", "the search space; `zonas spaces` lists them; or a TOML file of one's own"),
            ("definition", "the text of that file, which a run keeps"),
        ],
    ),
    (
        "data",
        &[
            ("source", "`embedded`, or a path: archive, folder or file; the kind is detected"),
            ("limit", "at most so many training pictures, classes shared alike; 0 takes all"),
            ("size", "side that a folder's pictures are scaled to; 0 takes them as they are"),
            ("crop_padding", "black pixels added on each side before a random crop back; 0 turns cropping off"),
            ("flip", "flip left and right with probability one half"),
            ("cutout", "side of the square that is blanked out; 0 turns it off"),
            ("prefetch", "batches made ahead of use"),
        ],
    ),
    (
        "device",
        &[
            ("kind", "`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`; results agree within rounding"),
            ("threads", "0: one per core; results do not depend on it"),
            (
                "memory",
                "`keep` (fastest), `recompute` (leanest) or `auto` (the fastest that fits); results are the same",
            ),
            (
                "memory_budget",
                "bytes that a search or training may take (`2GiB`, `800MB`), or `auto`: what is free, less a tenth",
            ),
            (
                "precision",
                "`float32`, or `bf16`: a search on a GPU keeps the maps between operations in half the bytes, rounded",
            ),
        ],
    ),
    (
        "score",
        &[
            ("functions", "ranking functions that are put together as `aggregate` says"),
            ("draws", "draws of weights and batch per round; 5 or more tell noise from signal best"),
            ("batch", "pictures per draw"),
            ("channels", "width of the proxy network"),
            ("cells", "cells of the proxy network, in order"),
            ("none", "`off`: the operation `none` goes before scoring; `compete`: it is scored like the others"),
            ("remove_per_round", "operations that each edge loses per round"),
            (
                "aggregate",
                "`noise`: relative differences, each over its noise; `relative`: their sum (the paper); `ranks` (TE-NAS)",
            ),
        ],
    ),
    (
        "cut",
        &[
            ("xi", "pruning level: share of each edge's operations that goes, rounded up; between 0 and 1"),
            ("budget", "`off`, or bytes (`150MiB`): whatever xi is, keep the most single operations that fit"),
            ("kept_per_edge", "operations kept on each of the edges (in `darts` 28), whatever xi is; [] goes by xi"),
            ("source", "`scores`, or a control, which needs no scoring: `random`, `cheapest`, `most_parameters`"),
        ],
    ),
    (
        "search",
        &[
            ("channels", "width of the supernet"),
            ("cells", "number of cells; those at a third and at two thirds reduce"),
            ("batch", "pictures per step, of each half"),
            ("epochs", "passes over the half that trains the weights"),
            (
                "method",
                "`darts`, `darts_2nd`, `beta_darts` or `darts_plus` sets the next four, where they are not set; `own`: as they are",
            ),
            ("order", "1: first order; 2: second order (unrolled)"),
            (
                "regularisers",
                "added to the validation loss: `beta_decay` (λ to 25), or with its number, `beta_decay:10`",
            ),
            ("alpha_warmup_epochs", "epochs in which only the weights move"),
            ("stop", "ends the search early: `skips` (2 or more in the normal cell), or with its limit, `skips:3`"),
            ("train_share", "share of the training pictures that trains the weights; the rest moves the alphas"),
            ("learning_rate", "of the weights, at the start"),
            ("learning_rate_min", "of the weights, at the end of a half cosine"),
            ("momentum", "of the weights' SGD"),
            ("weight_decay", "of the weights"),
            ("clip", "greatest norm of the weights' gradient; 0 turns clipping off"),
            ("alpha_learning_rate", "of the alphas' Adam"),
            ("alpha_beta1", "of the alphas' Adam"),
            ("alpha_beta2", "of the alphas' Adam"),
            ("alpha_weight_decay", "of the alphas"),
            ("journal_every", "one step in so many goes to the journal; 0 chooses"),
        ],
    ),
    (
        "train",
        &[
            ("genotype", "a genotype's text or a published name: the run trains it from scratch and does not search"),
            ("channels", "width of the evaluation network"),
            ("cells", "number of cells; those at a third and at two thirds reduce"),
            ("batch", "pictures per step"),
            ("epochs", "passes over the training pictures"),
            ("learning_rate", "at the start"),
            ("learning_rate_min", "at the end of a half cosine"),
            ("momentum", "of the SGD"),
            ("weight_decay", "of the weights"),
            ("clip", "greatest norm of the gradient; 0 turns clipping off"),
            ("drop_path", "probability at the end, growing from 0, that an edge is left out for a picture"),
            ("auxiliary", "weight of the auxiliary head's loss (maps of 8 to 10 pixels a side only); 0: no such head"),
            ("cutout", "side of the square that is blanked out; 0 turns it off"),
        ],
    ),
    (
        "run",
        &[
            ("checkpoint_steps", "a checkpoint every so many steps; 0: not by steps"),
            ("checkpoint_seconds", "a checkpoint every so many seconds, or rarer where saving is slow"),
            ("grace_seconds", "after SIGTERM or SIGUSR1 the engine ends within so many seconds, whatever a step takes"),
        ],
    ),
];

/// All keys, `search.batch` and so on.
pub fn keys() -> impl Iterator<Item = String> {
    MEANINGS.iter().flat_map(|(section, keys)| {
        keys.iter().map(move |(k, _)| if section.is_empty() { (*k).to_string() } else { format!("{section}.{k}") })
    })
}
