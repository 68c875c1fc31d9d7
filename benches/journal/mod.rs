//! A journal with made-up numbers, for benchmarks.

use zonas::run::event::*;
use zonas::run::number::Number;
use zonas::space::{CellKind, Choice, Genotype, Mask, darts};

/// A single loss far above all others.
pub const PEAK: f64 = 77.0;

/// Writes events as an engine would, with made-up numbers.
#[derive(Default)]
pub struct Journal {
    seq: u64,
}

impl Journal {
    fn event(&mut self, body: Body) -> Event {
        self.seq += 1;
        Event { v: VERSION, seq: self.seq - 1, time: 1.7e9 + self.seq as f64 / 6.0, body }
    }

    pub fn begun(&mut self) -> Vec<Event> {
        let mask = Mask::uniform(darts::SPACE, &darts::SPACE.operations()[3..7]);
        let data = DataSummary {
            name: "made up".into(),
            train: 4000,
            test: 1000,
            height: 32,
            width: 32,
            channels: 3,
            class_names: Vec::new(),
            mean: Vec::new(),
            deviation: Vec::new(),
        };
        let run = RunStarted {
            run: "bench".into(),
            program: "zonas".into(),
            seed: 1,
            device: "cpu".into(),
            threads: 2,
            total_bytes: Some(1 << 34),
            data,
            classes: 10,
            channels: 16,
            cells: darts::SPACE.layout(8),
            batch: 64,
            space: darts::NO_NONE,
            definition: None,
            budget_bytes: None,
            trains: false,
        };
        let search = SearchStarted {
            epochs: 1000,
            steps_per_epoch: 300,
            batch: 64,
            order: zonas::oneshot::Order::First,
            method: "darts".into(),
            regularisers: Vec::new(),
            warm_up_epochs: 0,
            stop: Vec::new(),
            train: 2000,
            valid: 2000,
            parameters: 1_000_000,
            predicted_bytes: 1 << 30,
            policy: "keep".into(),
            journal_every: 1,
        };
        let cut = Cut {
            xi: 0.5,
            mask,
            source: "scores".into(),
            memory_bytes: 1 << 30,
            full_memory_bytes: 4 << 30,
            step_seconds: Some(1.3),
            full_step_seconds: Some(2.9),
            ..Cut::default()
        };
        let mut events =
            vec![self.event(Body::RunStarted(run)), self.event(Body::StageStarted { stage: Stage::Score })];
        events.extend(self.scores());
        for body in [
            Body::StageStarted { stage: Stage::Cut },
            Body::CutProposed(cut.clone()),
            Body::CutConfirmed(cut),
            Body::StageStarted { stage: Stage::Search },
            Body::SearchStarted(search),
        ] {
            events.push(self.event(body));
        }
        events
    }

    fn scores(&mut self) -> Vec<Event> {
        let functions = vec!["naswot".to_string(), "nngp_frobenius".to_string()];
        let cells = vec![CellKind::Normal, CellKind::Reduction];
        let started = ScoringStarted {
            functions,
            draws: 10,
            until_decided: false,
            rounds: 1,
            evaluations: 1960,
            channels: 8,
            cells,
            batch: 32,
            aggregate: "relative".into(),
            estimator: "leave_one_out".into(),
            sample: 0,
        };
        let mut events = vec![
            self.event(Body::ScoringStarted(started)),
            self.event(Body::RoundStarted { round: 0, mask: darts::NO_NONE, evaluations: 1960 }),
        ];
        for draw in 0..10 {
            for (i, place) in darts::NO_NONE.places().enumerate() {
                let v = |k: usize| Number(((i * 37 + draw * 11 + k * 71) % 199) as f64 * 1e-5);
                let (values, relative) = (vec![v(0), v(1)], vec![v(0), v(1)]);
                events.push(self.event(Body::Score { round: 0, draw, place, values, relative, score: v(2) }));
            }
        }
        let order: Vec<Removal> = darts::NO_NONE
            .places()
            .map(|place| Removal {
                place,
                score: Number(0.0),
                tie: false,
                by_lot: false,
                undefined: false,
                settled: None,
                p_above: Vec::new(),
                best: None,
            })
            .collect();
        events.push(self.event(Body::ScoringEnded(ScoringEnded {
            seconds: 60.0,
            peak_bytes: None,
            order,
            ties: 0,
            undefined: 0,
        })));
        events
    }

    pub fn step(&mut self, epoch: usize, step: usize) -> Vec<Event> {
        let n = epoch * 300 + step;
        let noise = ((n * 7919) % 101) as f64 / 100.0;
        let loss = if n == 500 { PEAK } else { 0.5 + 2.0 * (-(n as f64) / 4000.0).exp() + 0.2 * noise };
        let weight = |i: usize| 0.25 + 0.01 * ((n / 50 + i) % 7) as f32;
        let row: Vec<f32> = (0..8).map(|i| if (3..7).contains(&i) { weight(i) } else { 0.0 }).collect();
        let table = vec![row; 14];
        let body = Step {
            epoch,
            step,
            train_loss: Number(loss),
            train_accuracy: (1.0 - loss / 3.0).clamp(0.0, 1.0),
            valid_loss: Number(loss + 0.1),
            gradient_norm: Number(2.0 + noise),
            learning_rate: 0.025,
            images_per_second: 190.0 + 10.0 * noise,
        };
        let used_bytes = (900 << 20) + ((n as u64 % 64) << 20);
        let mut events = vec![
            self.event(Body::Step(body)),
            self.event(Body::Alphas { epoch, step, normal: table.clone(), reduction: table.clone() }),
            self.event(Body::Memory { used_bytes, peak_bytes: 1 << 30, total_bytes: 1 << 34 }),
        ];
        if step == 299 {
            let choices: Vec<Choice> = (0..8)
                .map(|i| Choice { operation: darts::SPACE.operations()[3 + (i + epoch) % 4], source: i % 2 })
                .collect();
            let genotype = Genotype {
                stacking: Default::default(),
                normal: choices.clone(),
                normal_concat: vec![2, 3, 4, 5],
                reduction: choices,
                reduction_concat: vec![2, 3, 4, 5],
            };
            let raw: Vec<Vec<Number>> =
                table.iter().map(|r| r.iter().map(|v| Number(f64::from(*v).ln())).collect()).collect();
            events.push(self.event(Body::EpochEnded(EpochEnded {
                epoch,
                train_loss: Number(loss),
                train_accuracy: 0.6,
                valid_loss: Number(loss),
                valid_accuracy: 0.6,
                seconds: 100.0,
                genotype,
                alphas_normal: raw.clone(),
                alphas_reduction: raw,
            })));
        }
        events
    }

    pub fn whole(mut self, epochs: usize, steps: usize) -> Vec<Event> {
        let mut events = self.begun();
        for n in 0..epochs * steps {
            events.extend(self.step(n / 300, n % 300));
        }
        events
    }
}
