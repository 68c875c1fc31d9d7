//! A journal made by rule, for tests: the same events that an engine writes, with numbers from a seeded stream.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::score::significance;
use crate::proxies::aggregate::{Aggregate, Combined, combine};
use crate::run::event::*;
use crate::run::number::Number;
use crate::space::{CellKind, Choice, Genotype, Mask, Operation, Place, Space, Stem, darts};

/// How far the journal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    Nothing,
    Started,
    /// In the middle of the second round.
    Scoring,
    Proposed,
    /// In the middle of the third epoch.
    Searching,
    Done,
    /// Another kind of run, which trains a genotype, in the middle of its third epoch.
    Training,
}

pub const ALL: [Until; 7] =
    [Until::Nothing, Until::Started, Until::Scoring, Until::Proposed, Until::Searching, Until::Done, Until::Training];

/// The journal of one run up to a point.
pub fn journal(until: Until, seed: u64) -> Vec<Event> {
    journal_by(Aggregate::Relative, until, seed)
}

/// The same with the ranking functions put together in another way.
pub fn journal_by(aggregate: Aggregate, until: Until, seed: u64) -> Vec<Event> {
    let mut w = Writer {
        events: Vec::new(),
        time: 1.7e9,
        rng: ChaCha8Rng::seed_from_u64(seed),
        trains: until == Until::Training,
        aggregate,
    };
    if until == Until::Nothing {
        return w.events;
    }
    w.start();
    if until == Until::Started {
        return w.events;
    }
    if until == Until::Training {
        w.train();
        return w.events;
    }
    let order = w.score(until == Until::Scoring);
    if until == Until::Scoring {
        return w.events;
    }
    let mask = w.cut(&order, until != Until::Proposed);
    if until == Until::Proposed {
        return w.events;
    }
    w.search(&mask, until == Until::Searching);
    w.events
}

/// One round of scoring in another space, and the cut that it leads to.
pub fn journal_in(space: Space) -> Vec<Event> {
    let full = space.full().without_operation(Operation::None);
    let removed: Vec<Place> = space
        .all_edges()
        .filter(|(cell, edge)| full.count_on(*cell, *edge) > 1)
        .filter_map(|(cell, edge)| Some(Place::new(cell, edge, full.kept(cell, edge).next()?)))
        .collect();
    let kept = removed.iter().fold(full, |mut mask, place| {
        mask.set(*place, false);
        mask
    });
    let mut events = journal(Until::Proposed, 1);
    events.retain(|e| match &e.body {
        Body::RoundStarted { round, .. } | Body::RoundEnded { round, .. } => *round == 0,
        Body::Baseline { .. } | Body::Scoring { .. } | Body::Score { .. } => false,
        _ => true,
    });
    for event in &mut events {
        match &mut event.body {
            Body::RunStarted(s) => {
                (s.space, s.definition, s.cells) = (full, SpaceText::of(space), space.layout(5));
            }
            Body::ScoringStarted(s) => s.rounds = 1,
            Body::RoundStarted { mask, .. } => *mask = full,
            Body::RoundEnded { removed: gone, summaries, votes, .. } => {
                let (like, tie) = (summaries[0].clone(), gone[0].clone());
                *summaries = full.places().map(|place| PlaceSummary { place, next: None, ..like.clone() }).collect();
                *gone = removed.iter().map(|place| Removal { place: *place, ..tie.clone() }).collect();
                votes.clear();
            }
            Body::ScoringEnded(s) => {
                let like = s.order[0].clone();
                s.order = removed.iter().map(|place| Removal { place: *place, ..like.clone() }).collect();
            }
            Body::CutProposed(cut) => (cut.mask, cut.by_hand) = (kept, Vec::new()),
            _ => {}
        }
    }
    events
}

struct Writer {
    events: Vec<Event>,
    time: f64,
    rng: ChaCha8Rng,
    trains: bool,
    aggregate: Aggregate,
}

/// How much better convolutions score than the rest, by operation; made up so that the map has a structure.
const LEVEL: [f64; 8] = [0.0, -0.01, 0.02, 0.05, 0.30, 0.35, 0.16, 0.20];

impl Writer {
    fn emit(&mut self, seconds: f64, body: Body) {
        self.time += seconds;
        self.events.push(Event { v: VERSION, seq: self.events.len() as u64, time: self.time, body });
    }

    fn noise(&mut self) -> f64 {
        (0..4).map(|_| self.rng.random::<f64>() - 0.5).sum()
    }

    fn start(&mut self) {
        self.emit(
            0.0,
            Body::RunStarted(RunStarted {
                run: "fashion-7f3a".into(),
                program: "zonas 0.1.0".into(),
                seed: 2,
                device: "cpu".into(),
                threads: 2,
                total_bytes: Some(24 << 30),
                data: DataSummary {
                    name: "Fashion-MNIST subset (embedded)".into(),
                    train: 4000,
                    test: 1000,
                    height: 28,
                    width: 28,
                    channels: 1,
                    class_names: vec!["T-shirt".into(), "Trouser".into()],
                    mean: vec![0.286],
                    deviation: vec![0.353],
                    normalisation: String::new(),
                },
                classes: 10,
                channels: 8,
                cells: darts::SPACE.layout(5),
                batch: 64,
                space: darts::NO_NONE,
                definition: None,
                budget_bytes: None,
                trains: self.trains,
                stem: Stem::Cifar,
            }),
        );
        self.memory(30);
    }

    fn memory(&mut self, mib: u64) {
        self.emit(0.0, Body::Memory { used_bytes: mib << 20, peak_bytes: (mib + 8) << 20, total_bytes: 24 << 30 });
    }

    fn score(&mut self, stop_in_second: bool) -> Vec<Removal> {
        let (draws, rounds) = (3, 6);
        let mut mask = darts::NO_NONE;
        let evaluations = (0..rounds).map(|r| 28 * (7 - r) * draws).sum();
        self.emit(0.01, Body::StageStarted { stage: Stage::Score });
        self.emit(
            0.0,
            Body::ScoringStarted(ScoringStarted {
                functions: vec!["naswot".into(), "nngp_frobenius".into()],
                draws,
                until_decided: false,
                rounds,
                evaluations,
                channels: 4,
                cells: vec![CellKind::Normal, CellKind::Reduction],
                batch: 32,
                aggregate: self.aggregate.name().into(),
                estimator: "leave_one_out".into(),
                sample: 0,
            }),
        );
        let mut order = Vec::new();
        for round in 0..rounds {
            let places: Vec<Place> = mask.places().collect();
            self.emit(0.0, Body::RoundStarted { round, mask, evaluations: places.len() * draws });
            let mut relatives: Vec<Vec<Vec<f64>>> = vec![Vec::new(); places.len()];
            for draw in 0..draws {
                self.emit(0.01, Body::Baseline { round, draw, values: vec![Number(812.0), Number(31.0)] });
                for (i, place) in places.iter().enumerate() {
                    if stop_in_second && round == 1 && draw == 1 && i == 70 {
                        self.emit(0.0, Body::Scoring { round, draw, place: *place });
                        return order;
                    }
                    self.emit(0.0, Body::Scoring { round, draw, place: *place });
                    let depth = 1.0 + 0.06 * place.edge.number().unwrap_or(0) as f64;
                    let a = 0.01 * (LEVEL[place.operation as usize] * depth + 0.06 * self.noise());
                    let b = 0.01 * (LEVEL[7 - place.operation as usize] * 0.4 + 0.05 * self.noise());
                    let undefined =
                        place.edge.number().unwrap_or(0) == 5 && place.operation == Operation::MaxPool3x3 && draw == 1;
                    let b = if undefined { f64::NAN } else { b };
                    relatives[i].push(vec![a, b]);
                    self.emit(
                        0.03,
                        Body::Score {
                            round,
                            draw,
                            place: *place,
                            values: vec![Number(812.0 * (1.0 - a)), Number(31.0 * (1.0 - b))],
                            relative: vec![Number(a), Number(b)],
                            score: Number(if undefined { a } else { a + b }),
                        },
                    );
                }
            }
            let edges: Vec<usize> = places.iter().map(|p| p.cell.index() * 14 + p.edge.number().unwrap_or(0)).collect();
            let combined = combine(self.aggregate, &edges, &relatives);
            let (removed, summaries) = self.judge(&places, &relatives, &combined);
            let vote = |s: &crate::proxies::aggregate::Standing| Vote {
                noise: Number(s.noise),
                spread: Number(s.spread),
                divisor: Number(s.divisor),
                silent: None,
                undefined_edges: s.undefined_edges,
            };
            let votes = combined.standings.iter().map(vote).collect();
            for r in &removed {
                mask.set(r.place, false);
            }
            order.extend(removed.iter().cloned());
            self.emit(0.0, Body::RoundEnded { round, seconds: 6.0, removed, summaries, votes });
            self.memory(60 + round as u64);
        }
        let ties = order.iter().filter(|r| r.tie).count();
        self.emit(
            0.0,
            Body::ScoringEnded(ScoringEnded {
                seconds: 70.0,
                peak_bytes: Some(38 << 20),
                order: order.clone(),
                ties,
                undefined: 12,
            }),
        );
        self.emit(0.0, Body::StageEnded { stage: Stage::Score, seconds: 70.0, peak_bytes: Some(38 << 20) });
        order
    }

    fn judge(
        &self,
        places: &[Place],
        relatives: &[Vec<Vec<f64>>],
        combined: &Combined,
    ) -> (Vec<Removal>, Vec<PlaceSummary>) {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let deviation =
            |v: &[f64]| (v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0)).sqrt();
        let finite =
            |i: usize, f: usize| -> Vec<f64> { relatives[i].iter().map(|d| d[f]).filter(|v| v.is_finite()).collect() };
        let samples = &combined.samples;
        // By a limit for the plain sum, so that there are both kinds; by the test for any other.
        let lower = |a: usize, b: usize| match self.aggregate {
            Aggregate::Relative if mean(&samples[b]) - mean(&samples[a]) > 0.0004 => 0.04,
            Aggregate::Relative => 0.31,
            _ => significance::lower_p(&samples[a], &samples[b]).unwrap(),
        };
        let (mut removed, mut summaries) = (Vec::new(), Vec::new());
        for cell in darts::SPACE.kinds() {
            for edge in darts::SPACE.edges(CellKind::Normal).iter().copied() {
                let mut row: Vec<usize> =
                    (0..places.len()).filter(|i| places[*i].cell == cell && places[*i].edge == edge).collect();
                row.sort_by(|a, b| mean(&samples[*a]).total_cmp(&mean(&samples[*b])));
                for (k, i) in row.iter().enumerate() {
                    let next = row.get(k + 1);
                    summaries.push(PlaceSummary {
                        place: places[*i],
                        mean: Number(mean(&samples[*i])),
                        deviation: Number(deviation(&samples[*i])),
                        by_function: (0..2).map(|f| Number(mean(&finite(*i, f)))).collect(),
                        votes: combined.votes[*i].iter().copied().map(Number).collect(),
                        next: next.map(|n| places[*n]),
                        p: next.map(|n| Number(lower(*i, *n))),
                        undefined: relatives[*i].iter().flatten().filter(|v| !v.is_finite()).count(),
                    });
                }
                if row.len() > 1 {
                    removed.push(Removal {
                        place: places[row[0]],
                        score: Number(mean(&samples[row[0]])),
                        tie: lower(row[0], row[1]) > significance::ALPHA,
                        by_lot: false,
                        undefined: false,
                        settled: None,
                        p_above: Vec::new(),
                        best: None,
                    });
                }
            }
        }
        (removed, summaries)
    }

    fn cut(&mut self, order: &[Removal], confirm: bool) -> Mask {
        self.emit(0.1, Body::StageStarted { stage: Stage::Cut });
        let mut mask = darts::NO_NONE;
        for r in order.iter().take(84) {
            mask.set(r.place, false);
        }
        let mut cut = Cut {
            xi: 0.5,
            mask,
            by_hand: vec![],
            source: "scores".into(),
            memory_bytes: 1_420 << 20,
            full_memory_bytes: 7_660 << 20,
            step_seconds: Some(1.31),
            full_step_seconds: Some(2.87),
            warnings: vec![],
            ..Cut::default()
        };
        self.emit(0.0, Body::CutProposed(cut.clone()));
        let hand: Place = "normal:2:skip_connect".parse().unwrap();
        cut.mask.set(hand, !cut.mask.contains(hand));
        cut.by_hand = vec![hand];
        cut.warnings = vec!["4 of 84 decisions are within noise".into()];
        self.emit(2.0, Body::CommandAccepted { id: "a-1".into(), command: "cut".into() });
        self.emit(0.0, Body::CutProposed(cut.clone()));
        if confirm {
            self.emit(3.0, Body::CutConfirmed(cut.clone()));
            self.emit(0.0, Body::StageEnded { stage: Stage::Cut, seconds: 5.0, peak_bytes: None });
        }
        cut.mask
    }

    fn search(&mut self, mask: &Mask, stop: bool) {
        let (epochs, steps) = (4, 25);
        self.emit(0.0, Body::StageStarted { stage: Stage::Search });
        self.emit(
            0.0,
            Body::SearchStarted(SearchStarted {
                epochs,
                steps_per_epoch: steps,
                batch: 64,
                method: "darts".into(),
                order: crate::oneshot::Order::First,
                regularisers: Vec::new(),
                warm_up_epochs: 0,
                stop: Vec::new(),
                train: 2000,
                valid: 2000,
                parameters: 83_214,
                predicted_bytes: 200 << 20,
                policy: "keep".into(),
                journal_every: 1,
            }),
        );
        for epoch in 0..epochs {
            for step in 0..steps {
                let t = (epoch * steps + step) as f64;
                let loss = 0.4 + 2.0 * (-t / 30.0).exp() + 0.1 * self.noise();
                let valid = loss + 0.1 + 0.1 * self.noise();
                self.emit(
                    0.3,
                    Body::Step(Step {
                        epoch,
                        step,
                        train_loss: Number(loss),
                        train_accuracy: (1.0 - loss / 2.6).clamp(0.0, 1.0),
                        valid_loss: Number(valid),
                        gradient_norm: Number(2.0),
                        learning_rate: 0.025,
                        images_per_second: 213.0,
                    }),
                );
                if step % 5 == 0 {
                    let (normal, reduction) = (self.softmax(mask, 0, t), self.softmax(mask, 1, t));
                    self.emit(0.0, Body::Alphas { epoch, step, normal, reduction });
                    self.memory(180 + epoch as u64);
                }
                if stop && epoch == 2 && step == 12 {
                    return;
                }
            }
            let normal = self.softmax(mask, 0, 30.0 * epoch as f64);
            let reduction = self.softmax(mask, 1, 30.0 * epoch as f64);
            let genotype = Genotype {
                stacking: Default::default(),
                normal: derive(&normal),
                normal_concat: vec![2, 3, 4, 5],
                reduction: derive(&reduction),
                reduction_concat: vec![2, 3, 4, 5],
            };
            let raw = |rows: &[Vec<f32>]| -> Vec<Vec<Number>> {
                rows.iter()
                    .map(|r| r.iter().map(|v| Number(if *v > 0.0 { f64::from(*v).ln() } else { f64::NAN })).collect())
                    .collect()
            };
            let body = EpochEnded {
                epoch,
                train_loss: Number(0.5),
                train_accuracy: 0.6 + 0.08 * epoch as f64,
                valid_loss: Number(0.6),
                valid_accuracy: 0.58 + 0.07 * epoch as f64,
                valid_balanced_accuracy: None,
                waiting_seconds: None,
                seconds: 8.0,
                genotype: genotype.clone(),
                alphas_normal: raw(&normal),
                alphas_reduction: raw(&reduction),
            };
            self.emit(0.5, Body::EpochEnded(body));
            self.emit(0.1, Body::CheckpointSaved { epoch: epoch + 1, step: 0, bytes: 700_000 });
            if epoch + 1 == epochs {
                self.emit(0.0, Body::StageEnded { stage: Stage::Search, seconds: 33.0, peak_bytes: Some(190 << 20) });
                self.emit(0.0, Body::StageStarted { stage: Stage::Cell });
                self.emit(
                    0.0,
                    Body::Found { genotype, parameters: Some(3_349_342), macs: Some(528_000_000), stem: Stem::Cifar },
                );
                self.emit(0.0, Body::StageEnded { stage: Stage::Cell, seconds: 0.1, peak_bytes: None });
                self.emit(0.0, Body::RunEnded { outcome: Outcome::Done, detail: String::new(), bad_input: false });
            }
        }
    }

    fn train(&mut self) {
        let genotype = crate::space::published::find("DARTS_V2").unwrap().genotype;
        self.emit(0.0, Body::StageStarted { stage: Stage::Cell });
        self.emit(
            0.0,
            Body::Found {
                genotype: genotype.clone(),
                parameters: Some(3_349_342),
                macs: Some(528_000_000),
                stem: Stem::Cifar,
            },
        );
        self.emit(0.0, Body::StageEnded { stage: Stage::Cell, seconds: 0.1, peak_bytes: None });
        self.emit(0.0, Body::StageStarted { stage: Stage::Train });
        let (epochs, steps) = (8, 63);
        self.emit(
            0.1,
            Body::TrainingStarted(TrainingStarted {
                genotype,
                channels: 8,
                cells: 5,
                epochs,
                steps_per_epoch: steps,
                batch: 64,
                train: 4000,
                test: 1000,
                parameters: 36_586,
                macs: 5_320_000,
                auxiliary: false,
                predicted_bytes: 159 << 20,
                journal_every: 1,
            }),
        );
        for number in 0..2 * steps + 20 {
            let (epoch, step) = (number / steps, number % steps);
            let t = number as f64 / steps as f64;
            let (train_loss, train_accuracy) = (0.4 + 1.7 * (-t).exp() + 0.05 * self.noise(), 0.8 - 0.5 * (-t).exp());
            self.emit(
                0.1,
                Body::TrainingStep(TrainingStep {
                    epoch,
                    step,
                    loss: Number(train_loss),
                    accuracy: train_accuracy,
                    gradient_norm: Number(1.2),
                    learning_rate: 0.1,
                    images_per_second: 640.0,
                }),
            );
            if number % 20 == 0 {
                self.memory(170);
            }
            if step + 1 == steps {
                self.emit(
                    0.5,
                    Body::TrainingEpochEnded(TrainingEpoch {
                        epoch,
                        train_loss: Number(train_loss),
                        train_accuracy,
                        test_loss: Number(0.9 - 0.1 * epoch as f64),
                        test_accuracy: 0.7 + 0.05 * epoch as f64,
                        test_balanced_accuracy: None,
                        waiting_seconds: None,
                        seconds: 6.8,
                    }),
                );
                self.emit(0.1, Body::CheckpointSaved { epoch: epoch + 1, step: 0, bytes: 298_000 });
            }
        }
    }

    fn softmax(&mut self, mask: &Mask, cell: usize, t: f64) -> Vec<Vec<f32>> {
        let kind = [CellKind::Normal, CellKind::Reduction][cell];
        darts::SPACE
            .edges(CellKind::Normal)
            .iter()
            .copied()
            .map(|edge| {
                let raw: Vec<f64> = darts::SPACE
                    .operations()
                    .iter()
                    .map(|o| {
                        if mask.keeps(kind, edge, *o) {
                            (LEVEL[*o as usize] * t / 30.0 + 0.1 * self.noise()).exp()
                        } else {
                            0.0
                        }
                    })
                    .collect();
                let sum: f64 = raw.iter().sum();
                raw.iter().map(|v| (v / sum) as f32).collect()
            })
            .collect()
    }
}

fn derive(weights: &[Vec<f32>]) -> Vec<Choice> {
    assert_eq!(weights.len(), 14);
    let mut choices = Vec::new();
    for node in 0..4 {
        let mut row: Vec<(f32, Choice)> = darts::SPACE.graphs()[0]
            .into_state(node + 2)
            .map(|e| {
                let (operation, w) = darts::SPACE
                    .operations()
                    .iter()
                    .skip(1)
                    .map(|o| (*o, weights[e.number().unwrap_or(0)][*o as usize]))
                    .max_by(|a, b| a.1.total_cmp(&b.1))
                    .unwrap();
                (w, Choice { operation, source: e.source() })
            })
            .collect();
        row.sort_by(|a, b| b.0.total_cmp(&a.0));
        choices.extend(row.iter().take(2).map(|r| r.1));
    }
    choices
}
