//! Every setting, once: its type, default, check, meaning, help and example.

use super::checks::{above_0_below_1, amount_or, counted, fraction, from_0, named, sized, up_to};
use super::cut_source::CutSource;
use super::define::{Key, VERSION, settings};
use super::draws::Draws;
use super::words::{ClassWeights, CutBy, Estimator, Keep, NoneOperation, StemChoice};
use crate::device::Choice;
use crate::nearest::nearest;
use crate::nn::Precision;
use crate::oneshot::Order;
use crate::proxies::aggregate::Aggregate;
use crate::space::CellKind;
use crate::space::cut::{Scope, Source};

settings! {
    top {
        version: u32 = VERSION, (|_: &u32| Ok(())), "version of this format",
            "A file of another version is refused, so that no key silently means something else.", "1";
        seed: u64 = 2, (|v: &u64| sized(*v)), "every random stream is derived from it by name",
            "Weights, batches, draws of the scoring, alphas, drop path and random controls each have a stream of their own \
             that depends on this number, the stream's name and a counter. The same settings and the same seed give the \
             same run, bit for bit, on any number of threads, resumed or not. Repeat a run with several seeds before you \
             believe a difference.", "7";
    }

    /// What is searched.
    space: Space {
        name: String = "darts".into(), "the search space; `zonas spaces` lists them; or a TOML file of one's own",
            "`zonas spaces NAME` prints a space as such a file. A run keeps the file's text in space.definition, and the name \
             that the file gives here. Masks, alphas and genotypes are those of the space; a run does not go on in another one.",
            "\"darts_s2\"";
        definition: String = String::new(), "the text of that file, which a run keeps",
            "Set by `--space FILE`. Another space.name empties it.", "\"\"";
    }

    /// Pictures.
    data: Data {
        source: String = "embedded".into(), free, "`embedded`, or a path: archive, folder or file; the kind is detected",
            "CIFAR-10 and CIFAR-100 (binary or Python, archive or folder), MNIST and its kind (IDX), folders of pictures \
             (PNG, JPEG, WebP, BMP), ImageNet16-120. What lies there counts, not where: a run is resumed with the pictures moved elsewhere.",
            "\"cifar-10-binary.tar.gz\"";
        limit: usize = 0, (|v: &usize| sized(*v as u64)), "at most so many training pictures, classes shared alike; 0 takes all",
            "The first of a seeded shuffle within each class. Both halves of the search come from them.", "5000";
        size: u32 = 0, (|v: &u32| up_to(*v as usize, 4096)), "side that a folder's pictures are scaled to; 0 takes them as they are",
            "The shorter side is scaled to so many pixels and the middle square taken: shrunk by Lanczos-3 with its support \
             stretched (antialiased), enlarged by bicubic, as Pillow does. With 0 a folder whose pictures are not all of one size \
             is refused.", "32";
        mean: Vec<f64> = Vec::new(), (|v: &Vec<f64>| v.iter().try_for_each(|v| mean(*v))),
            "mean of the pixels by channel, from 0 to 1, that pictures are normalised with; []: that of the training pictures",
            "One number a channel, as data.deviation. Of CIFAR-10 those that are published are taken, of other sets those of all \
             training pictures; `zonas doctor --data PATH` shows them.", "[0.485, 0.456, 0.406]";
        deviation: Vec<f64> = Vec::new(), (|v: &Vec<f64>| v.iter().try_for_each(|v| deviation(*v))),
            "standard deviation of the pixels by channel, above 0 and up to 1; []: that of the training pictures",
            "Where both are given, a large folder need not be read once before it is used.", "[0.229, 0.224, 0.225]";
        memory: String = "auto".into(), free, (|v: &String| amount_or("auto", v, "8GiB")),
            "a folder of pictures that takes more bytes decoded stays in its files; `auto`: a quarter of what is free",
            "Its pictures are then read and decoded while they are used, ahead of the steps. Results are the same, bit for bit.",
            "\"8GiB\"";
        cache: String = "1GiB".into(), free, (|v: &String| amount_or("none", v, "4GiB")),
            "most that decoded pictures of folders take below the user's cache folder; `none` keeps none",
            "A folder of 4096 pictures or more that was decoded once is read from there, as long as no name, size or time of its \
             files changes. Only you can read it; what was not of use for longest goes first.",
            "\"none\"";
        crop_padding: usize = 4, (|v: &usize| up_to(*v, 4096)), "black pixels added on each side before a random crop back; 0 turns cropping off",
            "Part of the published augmentation: 4 for pictures of 32 pixels.", "2";
        flip: bool = true, "flip left and right with probability one half",
            "Turn it off where left and right differ in meaning, as in digits.", "false";
        cutout: usize = 0, (|v: &usize| up_to(*v, 4096)), "side of the square that is blanked out; 0 turns it off",
            "During scoring and search. A training from scratch has its own, train.cutout.", "16";
        prefetch: usize = 2, free, (|v: &usize| up_to(*v, 1024)), "batches made ahead of use",
            "More of them hide slow disks and cost their memory.", "4";
    }

    /// Where it is computed.
    device: Device {
        kind: Choice = Choice::Auto, free, "`auto` (a GPU where there is one), `cpu`, `cuda` or `cuda:N`; results agree within rounding",
            "N counts the GPUs that CUDA_VISIBLE_DEVICES leaves; `cuda` takes the one with most free memory. What is asked for \
             and can't be used is an error, never a silent change to the CPU.", "\"cuda:1\"";
        threads: usize = 0, free, (|v: &usize| up_to(*v, 1024)), "0: one per core; results do not depend on it",
            "Bit for bit. Take fewer where others work on the machine.", "4";
        memory: Keep = Keep::Auto, free, "`keep` (fastest), `recompute` (leanest) or `auto` (the fastest that fits); results are the same",
            "Whether cells keep their maps for the backward pass or make them again: `recompute` takes a fifth of the memory and \
             about a third more time. `auto` has as many cells keep theirs as the budget allows.", "\"recompute\"";
        memory_budget: String = "auto".into(), free, (|v: &String| amount_or("auto", v, "2GiB")),
            "bytes that a search or training may take (`2GiB`, `800MB`), or `auto`: what is free, less a tenth",
            "A run that is predicted to need more is refused before it begins, with what would fit.", "\"2GiB\"";
        precision: Precision = Precision::Float32,
            "`float32`, or `bf16`: a search on a GPU keeps the maps between operations in half the bytes, rounded",
            "First order only. Arithmetic, weights, statistics and gradients stay float32.", "\"bf16\"";
    }

    /// How operations are scored.
    score: Score {
        functions: Vec<String> = ["naswot", "logsynflow", "mean_jacobian"].map(String::from).to_vec(), (|v: &Vec<String>| named(v)),
            "ranking functions that are put together as `aggregate` says",
            "docs/scores.md lists them and says what each measures and how it fares. The paper's are `naswot` and `nngp_frobenius`.",
            "[\"naswot\", \"synflow\"]";
        estimator: Estimator = Estimator::Cells,
            "`cells`: random cells, and a regression; `leave_one_out` (the paper), `zero`, `discretise`, `short_training`",
            "`cells` scores networks of one operation an edge, as genotypes are, and decides the whole order in one round. \
             `leave_one_out` scores the supernet without each operation, round by round; in `zero` the others of its edge do not \
             take its share. `discretise` scores it with one edge of a single operation. `short_training` trains it for \
             score.training_steps, and asks for the loss of random cells. docs/scores.md has what each is worth.",
            "\"leave_one_out\"";
        sample: usize = 240, (|v: &usize| sampled(*v)),
            "cells per draw, where cells are sampled", "More cells make scores surer; the time grows with them.", "400";
        training_steps: usize = 40, (|v: &usize| up_to(*v, 100_000)),
            "steps that `short_training` trains the proxy network for, in each draw",
            "SGD as DARTS has it, score.batch pictures a step. A step costs about as much as ten cells. score.functions are not asked.",
            "100";
        undecided: Source = Source::MostParameters,
            "who goes first of those within noise: fewest parameters, dearest (`cheapest`), `random`, lowest (`scores`)",
            "Where scores can't tell two operations apart, something else has to: counting parameters has fared best.", "\"cheapest\"";
        draws: Draws = Draws::Fixed(Draws::USUAL), (|v: &Draws| v.check()),
            "draws of weights and batch: a number, or `auto`: until the cut is decided; `whole`: until the whole order is",
            "Each draw scores every operation once; the time grows with it. With 1 or 2 draws no decision can be significant. `auto` \
             takes more and smaller draws, in which only what is undecided takes part, until nothing is or score.max_evaluations are \
             spent (docs/scores.md).", "\"auto\"";
        max_evaluations: usize = 0, (|v: &usize| sized(*v as u64)),
            "with draws = `auto` or `whole`: evaluations at most, in all rounds; 0: as many as 12 draws of a fixed number take",
            "What is undecided then is named, and goes as score.undecided says. Each round takes one draw at least, and 48 at most.", "2000";
        max_seconds: f64 = 0.0, (|v: &f64| from_0(*v)),
            "with draws = `auto` or `whole`: seconds after which no other draw begins; 0: no limit",
            "Another machine, or the same one while it is busy, gets another number of draws in that time, so two runs need not be the \
             same bit for bit. The journal says where draws ended, and a resumed run keeps to it.", "60.0";
        whole_order: bool = true,
            "with `leave_one_out` and `zero`: score on below the level that the cut asks for, down to one operation an edge",
            "`false` ends with the round that reaches it: of the DARTS space at ξ 0.5, two thirds of the evaluations. No deeper cut \
             by scores can be proposed then. `cells` always give the whole order.", "false";
        batch: usize = 16, (|v: &usize| counted(*v, 1024).and_then(|()| pictures(*v))), "pictures per draw",
            "The functions compare pictures with one another, so 2 at least; their cost grows with the square.", "64";
        channels: usize = 4, (|v: &usize| counted(*v, 1024)), "width of the proxy network",
            "The network that is scored. Wider ones cost more and need not rank better.", "8";
        cells: Vec<CellKind> = stacked_in_turn(), (|v: &Vec<CellKind>| stacked(v)),
            "cells of the proxy network, in order",
            "A kind that the space does not have becomes the one that it has. A kind that is in the space and not here gets no \
             score: its operations go at random.", "[\"normal\", \"reduction\", \"normal\"]";
        none: NoneOperation = NoneOperation::Off,
            "`off`: the operation `none` goes before scoring; `compete`: it is scored like the others",
            "A genotype never has it; where it competes it may be all that an edge keeps, which is warned of.", "\"compete\"";
        remove_per_round: usize = 1, (|v: &usize| counted(*v, usize::MAX).and_then(|()| sized(*v as u64))),
            "operations that each edge loses per round",
            "With `leave_one_out` and `zero`. The paper scores anew after each removal (1). More make fewer rounds, so less time, and look less far.", "3";
        aggregate: Aggregate = Aggregate::Decorrelated,
            "`decorrelated`, `noise`, `ranks` (TE-NAS), or `relative`: the plain sum (the paper)",
            "`relative` lets the function with the largest differences decide alone, noise or not; `noise` divides each by its \
             standard deviation from draw to draw; `decorrelated` by its spread, and those that tell the same share a vote. \
             docs/scores.md has what each is worth.", "\"ranks\"";
    }

    /// The automatic cut.
    cut: Cut {
        xi: f64 = 0.5, (|v: &f64| level(*v)),
            "pruning level: share of each edge's operations that goes, rounded up; 0 cuts nothing, and scores nothing",
            "Of 8 operations 0.5 keeps 4 and 0.75 keeps 2, on every edge. Where edges have unequal numbers of candidates the \
             widest edge decides: each keeps as many as that one, and an edge that has no more keeps all of its own. With 0 the \
             whole space is searched, `none` included: what a cut is to be compared with.", "0.75";
        budget: String = "off".into(), (|v: &String| amount_or("off", v, "150MiB")),
            "`off`, or bytes (`150MiB`): whatever xi is, what the search needs at most",
            "Spent as `by` says, with at least one operation on every edge and two usable edges into every node. `zonas predict --run RUN --front` shows \
             what budgets buy.", "\"150MiB\"";
        by: CutBy = CutBy::Scores, "how a budget is spent: `scores` (best cells), `scores_per_byte` (most operations) or `level` (as many on every edge)",
            "`scores` takes the cells that are estimated best, and beside them what takes a tenth of their lead at most; `scores_per_byte` drops what is worth \
             least for its bytes until the rest fits; both are unequal between edges. Where no cells were sampled, and for controls, both keep the most \
             important operations that fit. docs/scores.md compares them.", "\"level\"";
        scope: Scope = Scope::Edge, "over what xi is a share: each `edge`, or `global`: all edges together, which keep unequal numbers",
            "With `global` as many operations in all stay as xi keeps, at least one on every edge: of the whole space that goes, again and again, without \
             which the estimated quality of the cells that are left loses least. It needs scores of sampled cells. Where little goes it has left \
             better cells in less memory, where much goes it has not (docs/scores.md).", "\"global\"";
        kept_per_edge: Vec<usize> = Vec::new(), "operations kept on each of the edges (in `darts` 28), whatever xi is; [] goes by xi",
            "The normal cell's edges, then the reduction cell's. A control of the size of another cut is made so.", "[]";
        source: CutSource = Source::Scores.into(),
            "`scores`, some of their functions (`naswot`, or a list), or a control: `random`, `cheapest`, `most_parameters`",
            "Functions are of those in score.functions, put together as the others are; a control needs no scoring. Compare a cut by scores with controls of its size before you believe in it.", "\"random\"";
    }

    /// The one-shot search.
    search: Search {
        channels: usize = 16, (|v: &usize| counted(*v, 1024)), "width of the supernet",
            "Memory grows in step with it, time faster.", "8";
        cells: usize = 8, (|v: &usize| counted(*v, 64)), "number of cells; those at a third and at two thirds reduce",
            "The published search has 8, of which cells 2 and 5 (from 0) reduce. With NAS-Bench-201 15, in three stages of as many; \
             other numbers than multiples of 3 make stages of different sizes.", "5";
        stem: StemChoice = StemChoice::Auto, "`cifar`, `imagenet` (cells work on an eighth of the pictures' side) or `auto`: `imagenet` from 128 pixels a side",
            "What stands before the cells of the supernet, and of the proxy network that is scored: one 3x3 convolution, or DARTS' \
             three of stride 2. Networks of NAS-Bench-201's kind have `cifar` alone.", "\"imagenet\"";
        batch: usize = 64, (|v: &usize| counted(*v, 65_536)), "pictures per step, of each half",
            "Memory grows in step with it. With another batch scale the learning rate, too.", "32";
        epochs: usize = 50, (|v: &usize| counted(*v, 1_000_000)), "passes over the half that trains the weights",
            "Plain DARTS gets worse again when it searches too long; see search.stop.", "30";
        method: String = "darts".into(), free,
            "`darts`, `darts_2nd`, `beta_darts` or `darts_plus` sets the next four, where they are not set; `own`: as they are",
            "A name for the values of order, regularisers, alpha_warmup_epochs and stop, which are what counts: in results, and when a \
             run is resumed. docs/methods.md.",
            "\"darts_plus\"";
        order: Order = Order::First, "1: first order; 2: second order (unrolled)",
            "A step of second order takes several times as long; nothing promises a better cell for it (DARTS, section 2.3).", "2";
        regularisers: Vec<String> = Vec::new(), "added to the validation loss: `beta_decay` (λ to 25), or with its number, `beta_decay:10`",
            "beta_decay (β-DARTS, arXiv 2203.01665) holds the alphas of an edge together.", "[\"beta_decay:10\"]";
        alpha_warmup_epochs: usize = 0, (|v: &usize| up_to(*v, 1_000_000)), "epochs in which only the weights move",
            "So that operations with weights are not judged before they have learnt anything.", "10";
        stop: Vec<String> = Vec::new(), "ends the search early: `skips` (2 or more in the normal cell), or with its limit, `skips:3`",
            "The rule of DARTS+ (arXiv 1909.06035), looked at after every epoch.", "[\"skips\"]";
        train_share: f64 = 0.5, (|v: &f64| above_0_below_1(*v)), "share of the training pictures that trains the weights; the rest moves the alphas",
            "The published half and half. The parts do not share a picture. See search.alphas_share.", "0.8";
        alphas_share: f64 = 0.0, (|v: &f64| fraction(*v)),
            "share of the training pictures that moves the alphas; 0: all that train_share leaves",
            "Large sets need not be searched whole: PC-DARTS (arXiv 1907.05737) takes 0.1 of ImageNet for the weights and 0.025 for the \
             alphas. Classes are shared alike; the other pictures take no part. An epoch is one pass over the weights' part.", "0.025";
        class_weights: ClassWeights = ClassWeights::None,
            "`none`, or `balanced`: in the losses that move weights and alphas, each class counts as much as any other",
            "A picture of a class with n of N training pictures in K classes counts N/(K·n), as in torch.nn.CrossEntropyLoss(weight=…). \
             For sets with rare classes. Losses of the validation stay those of plain pictures.", "\"balanced\"";
        learning_rate: f64 = 0.025, (|v: &f64| from_0(*v)), "of the weights, at the start",
            "SGD; it falls along half a cosine to learning_rate_min.", "0.1";
        learning_rate_min: f64 = 0.001, (|v: &f64| from_0(*v)), "of the weights, at the end of a half cosine",
            "Reached after the last epoch.", "0.0";
        momentum: f64 = 0.9, (|v: &f64| fraction(*v)), "of the weights' SGD", "0 turns it off.", "0.0";
        nesterov: bool = false, "the weights' steps look ahead along the momentum",
            "Nesterov's, as NAS-Bench-201's published search has it.", "true";
        weight_decay: f64 = 3e-4, (|v: &f64| from_0(*v)), "of the weights", "L2, added to the gradient, as published.", "5e-4";
        clip: f64 = 5.0, (|v: &f64| from_0(*v)), "greatest norm of the weights' gradient; 0 turns clipping off",
            "The norm before clipping is on the Search screen and in the journal.", "0.0";
        alpha_learning_rate: f64 = 3e-4, (|v: &f64| from_0(*v)), "of the alphas' Adam",
            "Short searches need more, or the alphas hardly move.", "3e-3";
        alpha_beta1: f64 = 0.5, (|v: &f64| fraction(*v)), "of the alphas' Adam", "As published.", "0.9";
        alpha_beta2: f64 = 0.999, (|v: &f64| fraction(*v)), "of the alphas' Adam", "As published.", "0.99";
        alpha_weight_decay: f64 = 1e-3, (|v: &f64| from_0(*v)), "of the alphas", "L2, added to the gradient, as published.", "0.0";
        journal_every: usize = 0, free, (|v: &usize| sized(*v as u64)), "one step in so many goes to the journal; 0 chooses",
            "Charts have no more points than that. 0 keeps those of a search to 4,000 lines or fewer.", "10";
    }

    /// Training of a genotype from scratch, as the evaluation network (DARTS, appendix A.2). Cropping and flipping are those of the data.
    train: Train {
        genotype: String = String::new(), "a genotype's text or a published name: the run trains it from scratch and does not search",
            "Set by `zonas train`. Any text that `zonas count` reads: Python, JSON, a published name.", "\"DARTS_V2\"";
        channels: usize = 36, (|v: &usize| counted(*v, 1024)), "width of the evaluation network",
            "36 as published with DARTS on CIFAR-10; 16 with NAS-Bench-201.", "16";
        cells: usize = 20, (|v: &usize| counted(*v, 64)), "number of cells; those at a third and at two thirds reduce",
            "20 as published with DARTS on CIFAR-10; 15 with NAS-Bench-201, in three stages of as many with residual blocks \
             between them.", "8";
        stem: StemChoice = StemChoice::Auto, "`cifar`, `imagenet` (cells work on an eighth of the pictures' side) or `auto`: `imagenet` from 128 pixels a side",
            "What stands before the cells, as in search.stem. Published with `imagenet` are 48 channels and 14 cells.", "\"imagenet\"";
        batch: usize = 96, (|v: &usize| counted(*v, 65_536)), "pictures per step", "96 as published.", "64";
        epochs: usize = 600, (|v: &usize| counted(*v, 1_000_000)), "passes over the training pictures", "600 as published.", "100";
        learning_rate: f64 = 0.025, (|v: &f64| from_0(*v)), "at the start", "SGD; it falls along half a cosine.", "0.1";
        learning_rate_min: f64 = 0.0, (|v: &f64| from_0(*v)), "at the end of a half cosine", "Reached after the last epoch.", "0.001";
        momentum: f64 = 0.9, (|v: &f64| fraction(*v)), "of the SGD", "0 turns it off.", "0.0";
        nesterov: bool = false, "the steps look ahead along the momentum",
            "Nesterov's, as NAS-Bench-201's published training has it.", "true";
        weight_decay: f64 = 3e-4, (|v: &f64| from_0(*v)), "of the weights", "L2, added to the gradient.", "5e-4";
        clip: f64 = 5.0, (|v: &f64| from_0(*v)), "greatest norm of the gradient; 0 turns clipping off",
            "The norm before clipping is in the journal.", "0.0";
        drop_path: f64 = 0.2, (|v: &f64| fraction(*v)), "probability at the end, growing from 0, that an edge is left out for a picture",
            "Identities are never left out; what stays is scaled up (FractalNet; DARTS, appendix A.2.1).", "0.0";
        auxiliary: f64 = 0.4, (|v: &f64| from_0(*v)), "weight of the auxiliary head's loss (maps of 8 to 10 pixels a side only; train.stem = `imagenet`: 7 or 8); 0: none",
            "The head reads the cell at two thirds and is no part of the trained network that is exported for use.", "0.0";
        cutout: usize = 16, (|v: &usize| up_to(*v, 4096)), "side of the square that is blanked out; 0 turns it off",
            "16 as published for pictures of 32 pixels.", "0";
        class_weights: ClassWeights = ClassWeights::None,
            "`none`, or `balanced`: in the loss of a step, each class counts as much as any other",
            "As search.class_weights. Losses on the test pictures stay those of plain pictures.", "\"balanced\"";
    }

    /// What is known of cells; results do not depend on it.
    truth: Truth {
        table: String = String::new(), free, "a table of accuracies that the explorer judges the cut and the found cell by; empty: none",
            "Tab-separated, as `zonas audit --table` reads it (docs/audit.md). It is shown, and decides nothing. `zonas open --table` \
             takes another one.", "\"nb201_table.tsv.xz\"";
        column: String = String::new(), free, "its column of accuracies; empty: the only one that is called like one",
            "`zonas audit` names the columns that there are where it must be told.", "\"test200_c10\"";
    }

    /// How a run is kept; results do not depend on it.
    run: Run {
        checkpoint_steps: usize = 0, free, (|v: &usize| up_to(*v, 1_000_000_000)), "a checkpoint every so many steps; 0: not by steps",
            "Beside those by time.", "100";
        checkpoint_seconds: u64 = 10, free, (|v: &u64| counted(*v as usize, 1_000_000)), "a checkpoint every so many seconds, or rarer where saving is slow",
            "So that saving takes less than a hundredth of the time.", "60";
        grace_seconds: u64 = 30, free, (|v: &u64| counted(*v as usize, 1_000_000)), "after SIGTERM or SIGUSR1 the engine ends within so many seconds, whatever a step takes",
            "Slurm sends the signal with `--signal=B:USR1@60`; keep this below its lead. The last checkpoint holds.", "50";
        tensorboard: bool = false, free, "records for TensorBoard as the run goes, in `tensorboard/` of its folder",
            "`zonas export RUN --as tensorboard --out DIR` makes the same of any run afterwards. A folder that can't be written is \
             told once, and the run goes on.", "true";
    }
}

/// All keys, `search.batch` and so on.
pub fn keys() -> impl Iterator<Item = String> {
    KEYS.iter().map(Key::path)
}

/// Which keys a word may have meant that is none: those of its name where it lacks the section, or the nearest.
pub fn key_hint(word: &str) -> String {
    let all: Vec<String> = keys().collect();
    let same: Vec<String> = KEYS.iter().filter(|k| k.name == word).map(|k| format!("`{}`", k.path())).collect();
    match nearest(word, all.iter().map(String::as_str)) {
        _ if !same.is_empty() => format!("did you mean {}?", same.join(" or ")),
        Some(near) => format!("did you mean `{near}`?"),
        None => "`zonas config` lists all".into(),
    }
}

fn pictures(batch: usize) -> Result<(), String> {
    if batch < 2 { Err("ranking functions compare pictures: at least 2".into()) } else { Ok(()) }
}

fn stacked_in_turn() -> Vec<CellKind> {
    use CellKind::{Normal, Reduction};
    vec![Normal, Reduction, Normal]
}

fn stacked(cells: &[CellKind]) -> Result<(), String> {
    match cells.len() {
        0 => Err("name at least one cell, `normal` or `reduction`".into()),
        n => up_to(n, 64),
    }
}

fn sampled(cells: usize) -> Result<(), String> {
    if cells < 8 { Err("a regression needs at least 8 cells".into()) } else { up_to(cells, 20_000) }
}

fn mean(value: f64) -> Result<(), String> {
    let inside = (0.0..=1.0).contains(&value);
    if inside { Ok(()) } else { Err(format!("pixels are scaled to 0 to 1, so means lie there, not at {value}")) }
}

fn deviation(value: f64) -> Result<(), String> {
    let inside = value as f32 > 0.0 && value <= 1.0;
    if inside {
        Ok(())
    } else {
        Err(format!("pixels are scaled to 0 to 1, so it lies above 0 and not above 1, not at {value}"))
    }
}

fn level(xi: f64) -> Result<(), String> {
    let inside = (0.0..1.0).contains(&xi);
    if inside { Ok(()) } else { Err(format!("a pruning level lies below 1, and not below 0, not at {xi}")) }
}
