//! How long a frame of each screen takes, how many bytes a live search sends to the terminal, and what a day of events
//! weighs: `cargo bench --bench frame`. Numbers to read; nothing here fails by the clock,
//! and p99 is that of a quiet machine only: elsewhere it is the scheduler's.

use std::time::Instant;

use zonas::explorer::Tab;
use zonas::explorer::offscreen::Offscreen;

mod journal;

use journal::{Journal, PEAK};

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

/// Resident bytes of this process; 0 where the system does not tell.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|p| p.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}
