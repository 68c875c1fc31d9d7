//! What a screen's numbers, units and abbreviations mean.

use crate::explorer::action::Context;

const OPERATIONS: (&str, &str) = (
    "sep3 dil5 …",
    "separable (sep), dilated (dil) and dense (nor, con) convolutions with windows of 1 to 7; max3, avg3, max5: pooling; skip: identity; \
     none: nothing",
);
const EDGES: (&str, &str) = (
    "0▸2",
    "the edge from state 0 to state 2 (0>2 in ASCII and commands); a cell's first states are its inputs (of DARTS 0 and 1: what the cell \
     before the last and the last cell give), the others its nodes, from 2 on",
);
const GENOTYPE: (&str, &str) = (
    "Genotype",
    "each pair is an operation and the state that it reads; of DARTS the first two pairs are the edges into node 2, the next two into \
     node 3, and so on: ('skip_connect', 0) as the first pair is 0▸2",
);

const TRUTH: (&str, &str) = (
    "known gain",
    "by ground truth (NAS-Bench-301's predicted accuracies; DARTS space, CIFAR-10, half of the operations): 0 is chance, 1 the best \
     cut. The default: 0.84; the parameter count: 0.68 without any scoring, saving 2 % of the memory; by leave-one-out, naswot + \
     nngp_frobenius each over its own noise: 0.66, as a plain sum: −0.01, a coin toss (docs/scores.md)",
);

/// Words of a screen and what they mean, most needed first.
pub const fn of(context: Context) -> &'static [(&'static str, &'static str)] {
    match context {
        Context::Study => &[
            ("mean ± sd", "over the seeds that are done: mean and standard deviation, in per cent"),
            ("against", "the mean difference to the baseline (▸) over the seeds that both have, in percentage points"),
            (
                "p (Holm)",
                "probability of such differences if signs were chance (permutation, exact up to 30 seeds), after Holm's correction for the number of comparisons",
            ),
            (
                "concluded",
                "the same: two one-sided t tests find the difference within compare.margin; better, worse: p (Holm) is at most compare.alpha; undecided: neither; too few seeds: neither could be",
            ),
            ("memory", "peak of the search over the idle process, in the mean; ~ where it is predicted"),
            ("✓ ● ◆ ■ ✗ ·", "done, at work, with a scheduler, stopped, failed, still to come"),
            (
                "picture",
                "settings that differ in one number as a curve; bars: ± standard deviation; dashed: the baseline",
            ),
        ],
        Context::Score => &[
            (
                "score",
                "what decided: importance summed over the ranking functions, averaged over draws; higher is more important",
            ),
            (
                "importance",
                "of one ranking function, (r(N) − r(N without the operation)) / |r(N)|; where cells are sampled, what the operation adds to the function of random cells, in standard deviations over the cells",
            ),
            (
                "adds",
                "what a function adds to the sum: its importance divided by its spread and weighted (score.aggregate = decorrelated), divided by its own noise (noise), as it is (relative), or its rank (ranks)",
            ),
            (
                "noise",
                "standard deviation of a function from draw to draw; what is mere noise has little weight, or none",
            ),
            ("no vote", "a function that is constant or undefined here is left out of the sum"),
            ("draw", "one set of random weights and one batch"),
            ("±, spread", "standard deviation over the draws of the round, in the unit of the value"),
            (
                "deciding",
                "of each operation the round in which it was removed, or the last in which its edge was decided; numbers of different rounds do not compare, so one round alone can be chosen",
            ),
            (
                "rank",
                "1 is best; without a chosen round what is removed ranks below what stays, and colour is always that of the number shown",
            ),
            (
                "mean by kind",
                "of one round, the first unless another is chosen; bars start at 0, light ones are below it",
            ),
            ("scatter", "ranks of the first round, the only one with all operations; ρ is Spearman's"),
            (
                "p",
                "one-sided Mann-Whitney U test against the next better operation of the edge; above 0.05 it is a tie. With n draws p is 1/C(2n, n) or more: 1/6 with 2, so only from 3 draws on (1/20) can operations be told apart",
            ),
            (
                "¹ ² ³",
                "the round in which the operation was removed; ◐ being scored; ! some draws undefined; — not in this round",
            ),
            ("×10⁻³", "all numbers of the map are multiplied by 1000"),
            ("scores/s, cells/s", "evaluations of one operation in one draw, or of one sampled cell, a second"),
            ("none", "is left out of the space before scoring unless score.none = compete"),
            TRUTH,
            EDGES,
            OPERATIONS,
        ],
        Context::Cut => &[
            (
                "ξ",
                "pruning level: share of an edge's operations removed, rounded up; of the widest edge's, where they differ",
            ),
            ("■ ·", "kept and dropped; ◆ ◇ the same, decided by hand; colour is the order of removal"),
            (
                "≠",
                "the parameter count would decide otherwise: of as many operations on the edge it keeps those with the most parameters",
            ),
            TRUTH,
            ("memory", "predicted peak of the search, in bytes: GiB = 1024³; counted from the plan, not measured"),
            ("░", "the range of 16 random cuts of the same size"),
            ("parameters", "trainable numbers of the supernet: k thousand, M million"),
            ("MACs", "multiply-accumulates of one picture through the supernet"),
            ("genotypes", "cells, or pairs of both kinds, that the space can express"),
            ("within noise", "decided between operations that a test does not tell apart (p above 0.05)"),
            (
                "stays if redrawn",
                "share of what is kept that is again among the best of its edge when the draws are drawn again; chance: of a random cut",
            ),
            ("as by parameters", "how many of those are kept, too, by whoever keeps the most parameters on every edge"),
            ("tie rule", "what noise does not tell apart goes by score.undecided, mostly by the number of parameters"),
            (
                "drives",
                "a function's part in the differences between operations of an edge; the parts of all add up to 100 %",
            ),
            ("noise", "share of a function's own differences that draws make; from a half on it is mostly noise"),
            ("not by scores", "a tenth of the decisions or more had no defined score: chance made them"),
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
            (
                "1▸2 sep5, was …",
                "what the genotype of that epoch has on an edge, and what the epoch before had there, or on another edge into the node; n: normal \
                 cell, r: reduction cell",
            ),
            (
                "◆ ●",
                "means of epochs, of train and of valid; of a dim line its steps, or a run that is pinned (P among the runs)",
            ),
            ("smoothed 0.6", "exponentially: each step back counts 0.6 times as much"),
            ("worked", "time without pauses, and without times when no engine was at work"),
            ("┆", "the time cursor: all values are those of that moment"),
            EDGES,
            GENOTYPE,
            OPERATIONS,
        ],
        Context::Cell => &[
            ("weight", "softmax of the alphas over the kept operations of the edge, 0 to 1"),
            ("ahead of", "by how much the weight is above the next best operation of the edge"),
            ("parameters", "of the evaluation network of the paper, of the size that is told; k thousand, M million"),
            ("MACs", "multiply-accumulates of one picture through that network"),
            ("nearest", "the published cell with the fewest replaced inputs, of 16 in both cells"),
            GENOTYPE,
            EDGES,
            OPERATIONS,
        ],
        Context::Runs => &[
            (
                "filter",
                "all words must hold: in the name, state, data, tags or note; `key:value` asks for a column: `seed:7`, `seed:1..5`, `state:done,failed`, `xi>0.5`, `peak<2GiB`, `age<2h`, `data!=cifar`; a setting's words are whole, `*` stands for anything",
            ),
            (
                "columns",
                "results and settings by their keys; a part that is clear will do (`method`); `zonas runs --keys` lists all",
            ),
            ("supernet", "best validation accuracy of the supernet in any epoch, in per cent"),
            ("test", "best test accuracy of a training from scratch in any epoch; the two do not compare"),
            ("kept", "operations that the cut keeps, of those of the space (224 in `darts`)"),
            ("ξ, cut by", "level and source of the cut as it was made; the settings are cut.xi and cut.source"),
            ("predicted, peak", "memory of the search or training: predicted before, and measured; GiB = 1024³ bytes"),
            ("▸ ×5", "runs that differ in nothing but their seed; a cut that was changed by hand belongs to none"),
            (
                "±",
                "mean and sample standard deviation over the group's runs that are done; n: fewer of those have a value",
            ),
            ("left", "time to go in the present stage, at its present rate"),
            ("age", "since the latest event"),
            ("crashed", "the engine died unexpectedly; `zonas run --resume` goes on with the run"),
            ("●", "chosen for a comparison"),
            ("◆", "pinned: its curves lie behind those of the Search screen"),
        ],
        Context::Compare => &[
            ("● ~ ?", "what follows: it holds beyond noise; within noise; more runs are needed to tell"),
            (
                "×3",
                "runs that differ in nothing but their seed: means ± sample standard deviations of those that are done",
            ),
            (
                "95 % interval",
                "by Student's t, of differences between runs of the same seed where there are such pairs, else Welch's; with several arms for all together (Bonferroni)",
            ),
            (
                "κ",
                "Cohen's: 1 where cuts are the same, 0 where they agree as chance does that keeps as many on each edge; p: that chance agrees as much",
            ),
            (
                "τ",
                "Kendall's, over pairs of operations of one edge, by the scores of the first round; its interval by the jackknife over edges",
            ),
            (
                "by permutation",
                "share of all ways to deal the runs out to the two settings in which they are as far apart; pairs of the same seed are left out",
            ),
            ("≠", "a line where single runs differ; of means nothing is claimed there"),
            ("settings", "as in config.toml, where they are not the same"),
            ("peak", "of the whole process, not only of the search"),
            ("◀ ▶", "kept by the first, or by the second run only"),
            EDGES,
            GENOTYPE,
            OPERATIONS,
        ],
        Context::Log => &[("debug", "chatter; warning, error: what their names say; times are in your zone")],
        _ => &[],
    }
}
