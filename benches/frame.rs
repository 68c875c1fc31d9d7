//! How long a frame of each screen takes, how many bytes a live search sends to the terminal, and what a day of events
//! weighs: `cargo bench --bench frame`. Numbers to read; nothing here fails by the clock,
//! and p99 is that of a quiet machine only: elsewhere it is the scheduler's.

use std::time::Instant;

use zonas::explorer::Tab;
use zonas::explorer::offscreen::Offscreen;
use zonas::run::event::*;
use zonas::run::number::Number;
use zonas::space::{CellKind, Choice, Genotype, Mask, darts};

fn main() {
    // `cargo test --benches` runs this too; there it only has to work.
    let quick = std::env::args().all(|a| a != "--bench");
    let frames = if quick { 5 } else { 1000 };
    let done = Journal::default().whole(20, 100);
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        for tab in [Tab::Score, Tab::Cut, Tab::Search, Tab::Cell, Tab::Log] {
            let mut screen = Offscreen::new(&done, tab, (width, height));
            let mut times: Vec<f64> = (0..frames)
                .map(|_| {
                    let begun = Instant::now();
                    screen.frame();
                    begun.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!("{width}x{height} {tab:?}: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.95), at(0.99));
        }
    }
    let begun = Instant::now();
    let mut screen = Offscreen::new(&done, Tab::Search, (200, 60));
    let bytes = screen.frame();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    println!("{} events folded and drawn at 200x60: {took:.1} ms, {bytes} bytes", done.len());
    println!("at rest: {} bytes in 100 frames", (0..100).map(|_| screen.frame()).sum::<usize>());

    // A search of three steps a second, each drawn for itself: more than the explorer does.
    let mut live = Offscreen::new(&Journal::default().begun(), Tab::Search, (200, 60));
    live.frame();
    let mut journal = Journal::default();
    let (mut sent, mut steps) = (0, 0);
    for step in 0..if quick { 10 } else { 1200 } {
        for event in journal.step(step / 300, step % 300) {
            live.apply(&[event]);
            sent += live.frame();
        }
        steps += 1;
    }
    println!("live at 200x60, 3 steps a second: {} bytes a second", sent * 3 / steps);

    let steps = if quick { 1000 } else { 24 * 3600 * 3 };
    let before = resident();
    let mut day = Offscreen::new(&Journal::default().begun(), Tab::Search, (200, 60));
    let mut journal = Journal::default();
    for step in 0..steps {
        day.apply(&journal.step(step / 300, step % 300));
    }
    println!("{steps} steps folded: {:.1} MiB more resident", (resident() - before) / 1_048_576.0);
    let highest = day.state.epochs.train_loss.range().map_or(0.0, |r| r.1);
    println!("highest loss of the day still in its curve: {}", highest == PEAK);
}

/// A single loss far above all others.
const PEAK: f64 = 77.0;

/// Resident bytes of this process; 0 where the system does not tell.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|p| p.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}

/// Writes events as an engine would, with made-up numbers.
#[derive(Default)]
struct Journal {
    seq: u64,
}

impl Journal {
    fn event(&mut self, body: Body) -> Event {
        self.seq += 1;
        Event { v: VERSION, seq: self.seq - 1, time: 1.7e9 + self.seq as f64 / 6.0, body }
    }

    fn begun(&mut self) -> Vec<Event> {
        let mask = Mask::uniform(darts::SPACE, &darts::SPACE.operations()[3..7]);
        let data = DataSummary {
            name: "made up".into(),
            train: 4000,
            test: 1000,
            height: 32,
            width: 32,
            channels: 3,
            class_names: Vec::new(),
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

    fn step(&mut self, epoch: usize, step: usize) -> Vec<Event> {
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

    fn whole(mut self, epochs: usize, steps: usize) -> Vec<Event> {
        let mut events = self.begun();
        for n in 0..epochs * steps {
            events.extend(self.step(n / 300, n % 300));
        }
        events
    }
}
