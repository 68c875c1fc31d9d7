//! What a screen's numbers, units and abbreviations mean.

use crate::explorer::action::Context;

const OPERATIONS: (&str, &str) = (
    "sep3 dil5 …",
    "separable (sep) and dilated (dil) convolutions of 3x3 and 5x5; max3, avg3: pooling 3x3; skip: identity; none: no edge",
);
const EDGES: (&str, &str) =
    ("0▸2", "the edge from state 0 to state 2; 0 and 1 are the cell's inputs (c₋₂, c₋₁), 2 to 5 its nodes");

/// Words of a screen and what they mean, most needed first.
pub const fn of(context: Context) -> &'static [(&'static str, &'static str)] {
    match context {
        Context::Score => &[
            ("importance", "(r(N) − r(N without the operation)) / |r(N)|, without a unit; higher is more important"),
            ("sum", "importance summed over the ranking functions, averaged over draws"),
            ("draw", "one set of random weights and one batch"),
            ("spread", "standard deviation over draws, in the unit of the value"),
            ("rank", "1 is the most important of all operations; what has left ranks below what stays"),
            ("scatter", "both ranks are those of the first round, the only one with all operations; ρ is Spearman's"),
            ("p", "one-sided Mann-Whitney U test against the next better operation of the edge; from 0.05 on a tie"),
            ("¹ ² ³", "the round in which the operation left; ◐ being scored; ! some draws undefined"),
            ("×10⁻³", "all numbers of the map are multiplied by 1000"),
            ("scores/s", "evaluations of one operation in one draw, a second"),
            EDGES,
            OPERATIONS,
        ],
        Context::Cut => &[
            ("ξ", "pruning level: share of the 224 operations that goes, 0 to 1"),
            ("■ ·", "kept and dropped; ◆ ◇ the same, decided by hand; colour is the rank"),
            ("memory", "predicted peak of the search, in bytes: GiB = 1024³; counted from the plan, not measured"),
            ("░", "the range of 16 random cuts of the same size"),
            ("parameters", "trainable numbers of the supernet: k thousand, M million"),
            ("MACs", "multiply-accumulates of one picture through the supernet"),
            ("genotypes", "pairs of cells that the space can express"),
            ("within noise", "decided between operations that a test does not tell apart (p from 0.05 on)"),
            EDGES,
            OPERATIONS,
        ],
        Context::Search => &[
            ("loss", "cross-entropy in nats; train on the weights' half, valid on the alphas' half"),
            ("accuracy", "of the supernet, in per cent of pictures"),
            ("weights", "softmax of the alphas over the kept operations of an edge, 0 to 1"),
            ("memory", "of this process over time, with the prediction as a dashed line; GiB = 1024³ bytes"),
            ("device", "the GPU: share of the time it works, degrees Celsius, watts, bytes of this run and of others"),
            ("images/s", "training pictures a second through weight and architecture step together"),
            ("lr", "learning rate of the weights; gradient: its norm before clipping"),
            ("left", "time to go at the present rate, without warm-up and pauses; h:mm:ss"),
            ("n2 sep3(1)", "normal cell, node 2: sep_conv_3x3 from node 1; r: reduction"),
            ("┆", "the time cursor: all values are those of that moment"),
            EDGES,
            OPERATIONS,
        ],
        Context::Cell => &[
            ("weight", "softmax of the alphas over the kept operations of the edge, 0 to 1"),
            ("ahead of", "by how much the weight is above the next best operation of the edge"),
            ("parameters", "of the evaluation network of the papers: 36 channels, 20 cells; k thousand, M million"),
            ("MACs", "multiply-accumulates of one picture through that network"),
            ("nearest", "the published cell with the fewest replaced inputs, of 16 in both cells"),
            EDGES,
            OPERATIONS,
        ],
        Context::Runs => &[
            ("best", "best validation accuracy of the supernet in any epoch, in per cent"),
            ("kept", "operations that the cut keeps, of 224"),
            ("age", "since the latest event"),
            ("crashed", "the engine left without a word; `zonas run --resume` takes the run up again"),
            ("●", "chosen for a comparison"),
        ],
        Context::Compare => &[
            ("≠", "a line where the runs differ"),
            ("settings", "as in config.toml, where they are not the same"),
            ("peak", "of the whole process, not only of the search"),
            ("◀ ▶", "kept by the first, or by the second run only"),
            OPERATIONS,
        ],
        Context::Log => &[("debug", "chatter; warning, error: what their names say; times are in your zone")],
        _ => &[],
    }
}
