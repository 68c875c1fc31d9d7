//! How long a folder of 1,000 runs takes to be listed: to the first rows, to all, and again when nothing has changed; and what
//! a filter, groups and a picture of the list take: `cargo bench --bench list`. Numbers to read; nothing here fails by the clock.

use std::time::Instant;

use zonas::explorer::Tab;
use zonas::explorer::offscreen::Offscreen;
use zonas::run::config::Config;
use zonas::run::event::{Body, Event, Outcome, Stage, VERSION};
use zonas::run::listing::{Filter, Query, Reader, Sort, Table, resolve};
use zonas::run::{EVENTS, RunFolder};

mod journal;

use journal::Journal;

fn main() {
    // `cargo test --benches` runs this too; there it only has to work.
    let quick = std::env::args().all(|a| a != "--bench");
    let count = if quick { 5 } else { 1000 };
    let runs = tempfile::tempdir().expect("a folder");
    let mut events: Vec<Event> = Journal::default().whole(20, 30);
    let last = events.len() as u64;
    let end = [
        Body::StageEnded { stage: Stage::Search, seconds: 60.0, peak_bytes: Some(1 << 30) },
        Body::RunEnded { outcome: Outcome::Done, detail: String::new(), bad_input: false },
    ];
    events.extend((last..).zip(end).map(|(seq, body)| Event { v: VERSION, seq, time: 1.8e9, body }));
    let text: String = events.iter().map(|e| serde_json::to_string(e).expect("JSON") + "\n").collect();
    for i in 0..count {
        let mut config = Config { seed: 1 + i % 5, ..Config::default() };
        config.cut.xi = [0.25, 0.375, 0.5, 0.625, 0.75][(i / 5 % 5) as usize];
        config.search.epochs = 10 + (i / 25) as usize;
        let folder = RunFolder::create(runs.path(), Some(&format!("r{i:04}")), "x", &config).expect("a run");
        std::fs::write(folder.file(EVENTS), &text).expect("a journal");
    }
    let each = text.len() as f64 / 1024.0;
    println!("{count} runs, journals of {each:.0} KiB each");
    let mut reader = Reader::default();
    let ms = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;
    for what in ["first reading", "again", "again"] {
        let begun = Instant::now();
        let (mut told, mut first, mut page) = (0, 0.0, 0.0);
        let all = reader.read(runs.path(), |_, _| {
            told += 1;
            match told {
                1 => first = ms(begun),
                50 => page = ms(begun),
                _ => {}
            }
        });
        println!("{what}: first row {first:.1} ms, 50 rows {page:.1} ms, all {} {:.1} ms", all.len(), ms(begun));
    }
    let rows = reader.read(runs.path(), |_, _| {});
    for size in [(80, 24), (200, 60)] {
        let mut screen = Offscreen::new(&[], Tab::Runs, size);
        screen.list(rows.clone());
        screen.frame();
        let begun = Instant::now();
        let frames = if quick { 1 } else { 50 };
        for _ in 0..frames {
            screen.frame();
        }
        println!("a picture of all at {}x{}: {:.2} ms", size.0, size.1, ms(begun) / f64::from(frames));
    }
    let sort = resolve("supernet").ok().map(Sort::by);
    for (what, filter, sort, grouped) in [
        ("all", "", None, false),
        ("filtered and sorted", "seed:1..3 xi>0.3 state:done", sort, false),
        ("grouped and sorted", "", sort, true),
    ] {
        let query = Query { filter: Filter::parse(filter).0, sort, grouped, ..Query::default() };
        let begun = Instant::now();
        let table = Table::of(&rows, &query, 2e9);
        let lines = table.lines.len();
        println!("{what}: {lines} lines in {:.2} ms, settings that vary in {:.2} ms", ms(begun), {
            let begun = Instant::now();
            let _ = table.varying().len();
            ms(begun)
        });
    }
}
