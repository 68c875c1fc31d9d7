//! Screens as text, kept in `snapshots/`, so that whoever changes one sees what has changed: `INSTA_UPDATE=always cargo
//! test --lib screens` writes them anew, and the difference is to be looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::theme;
use crate::engine::plan::DataShape;
use crate::explorer::compare::{Comparison, Side};
use crate::explorer::draw;
use crate::explorer::fixture::{self, Until};
use crate::explorer::forecast::{Forecast, Level};
use crate::explorer::form::{Field, Pictures, Reply};
use crate::explorer::keymap::Keymap;
use crate::explorer::runs::Row;
use crate::explorer::state::{Size, State};
use crate::explorer::theme::{ColorDepth, Markers};
use crate::explorer::ui::{Axis, Hits, Layout, Menu, Overlay, Smooth, Tab, Ui};
use crate::explorer::view::{self, Scene};
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::listing::{Listed, Live, Settings};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);
const HUGE: (u16, u16) = (200, 60);

/// Made up, so that the pictures do not change with the count of memory.
fn forecast() -> Forecast {
    let level = |i: u64| Level {
        gone: (1 + i) as f64 / 8.0,
        bytes: (6700 - 900 * i) << 20,
        parameters: (6800 - 700 * i) << 20,
        random: ((6700 - 950 * i) << 20, (6700 - 600 * i) << 20),
    };
    Forecast::of_levels((0..7).map(level).collect())
}

fn runs(now: f64) -> Vec<Row> {
    let dir = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
    let row = |name: &str, status: &str, kept: Option<usize>, accuracy: Option<f64>, age: f64| {
        let word = match status {
            "done" | "queued" => status,
            "stopped at its cut" => "stopped",
            _ => "running",
        };
        std::sync::Arc::new(Listed {
            name: name.into(),
            status: status.into(),
            word: ["done", "queued", "stopped", "running"].into_iter().find(|w| *w == word).unwrap(),
            has_engine: status != "done",
            is_done: status == "done",
            data: "Fashion-MNIST subset (embedded)".into(),
            settings: Ok(std::sync::Arc::new(Settings::of(&Config { seed: 1, ..Config::default() }))),
            cut: kept.map(|_| (0.5, "scores".to_string())),
            predicted: kept.map(|_| 104 << 20),
            epochs: accuracy.map(|_| (3, 4)),
            trains: name.ends_with("train"),
            kept,
            accuracy,
            last: now - age,
            live: status.starts_with("epoch").then(|| Live {
                losses: (0..40).map(|i| 0.6 + 1.7 * (-f64::from(i) / 9.0).exp()).collect(),
                loss: Some(0.6121),
                left: Some(83.0),
                memory: Some(214 << 20),
            }),
            ..Listed::unread(folder.clone())
        })
    };
    vec![
        row("fashion-7f3a", "epoch 3 of 4", Some(112), Some(0.72), 0.0),
        row("fashion-7f3a-random", "queued", None, None, 12.0),
        row("cifar10-01d5", "waiting for a cut", Some(112), None, 400.0),
        row("cifar10-9e11", "done", Some(56), Some(0.8312), 90_000.0),
        row("cifar10-9e11-train", "done", None, Some(0.9413), 80_000.0),
        row("数据集-01", "stopped at its cut", Some(112), None, 700_000.0),
    ]
}

fn picture(until: Until, size: (u16, u16), change: impl FnOnce(&mut Ui)) -> String {
    let state = State::from_events(&fixture::journal(until, 1));
    let mut ui = Ui::new(Markers::Braille);
    ui.follow(&state);
    change(&mut ui);
    let (forecast, rows) = (forecast(), runs(state.now));
    ui.opened.get_or_insert_with(|| "fashion-7f3a".into());
    if until == Until::Nothing {
        ui.opened = None;
    }
    ui.runs_total = rows.len();
    let side = |name: &str, seed, xi| {
        let mut config = Config { seed, ..Config::default() };
        config.cut.xi = xi;
        let state = State::from_events(&fixture::journal(Until::Done, seed));
        Side { name: name.into(), state, config: Some(config) }
    };
    let mut sides = vec![side("fashion-7f3a", 1, 0.5), side("fashion-02bb", 2, 0.625)];
    if ui.chosen.len() > 2 {
        sides = (1..=6).map(|i| side(&format!("f-{i}"), 1 + i % 3, if i > 3 { 0.5 } else { 0.625 })).collect();
        for cut in sides.iter_mut().filter_map(|s| s.state.cut.cut.as_mut()) {
            cut.by_hand.clear();
        }
    }
    let compared = Comparison::of(sides);
    let seen = (ui.tab == Tab::Study).then(crate::explorer::study::tests::made_up);
    let run = state.run.as_ref();
    let sizes = state.cut.cut.as_ref().map(|c| (Size::of(&state.full(), run), Size::of(&c.mask, run)));
    let done = || State::from_events(&fixture::journal(Until::Done, 2));
    let side = |name: &String| Side { name: name.clone(), state: done(), config: None };
    let pinned: Vec<Side> = ui.pinned.iter().map(side).collect();
    let scene = Scene {
        state: &state,
        ui: &ui,
        runs: &rows,
        keymap: &Keymap::defaults(),
        compared: &compared,
        pinned: &pinned,
        forecast: state.score.ended.as_ref().map(|_| &forecast),
        judged: None,
        study: seen.as_ref().map_or(crate::explorer::study::Watched::Nothing, crate::explorer::study::Watched::Seen),
        hits: &Hits::default(),
        folder: "runs",
        now: state.now,
        sizes,
    };
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    view::draw(&mut buffer, &scene, &theme(ColorDepth::True));
    let line = |y| draw::characters(&buffer, y).iter().map(|c| c.1.symbol()).collect::<String>();
    (0..size.1).map(line).collect::<Vec<_>>().join("\n")
}

/// Times of day are those of whoever looks.
fn timeless(text: &str) -> String {
    let is_time = |part: &str| {
        part.len() == 8
            && part.bytes().enumerate().all(|(i, b)| match i {
                2 | 5 => b == b':',
                _ => b.is_ascii_digit(),
            })
    };
    let line = |line: &str| {
        let parts: Vec<&str> = line.split(' ').map(|part| if is_time(part) { "hh:mm:ss" } else { part }).collect();
        parts.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn keep(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn stage(name: &str, until: Until, sizes: &[(u16, u16)], change: impl Fn(&mut Ui)) {
    for size in sizes {
        keep(&format!("{name}-{}x{}", size.0, size.1), &timeless(&picture(until, *size, &change)));
    }
}

#[test]
fn screens_of_the_stages() {
    const ALL: &[(u16, u16)] = &[SMALL, LARGE, HUGE];
    stage("score", Until::Scoring, ALL, |_| {});
    stage("cut", Until::Proposed, ALL, |_| {});
    stage("search", Until::Searching, ALL, |_| {});
    stage("cell", Until::Done, ALL, |_| {});
    stage("cell", Until::Done, &[(100, 30)], |_| {});
}

#[test]
fn screens_beside_the_stages() {
    const TWO: &[(u16, u16)] = &[SMALL, LARGE];
    stage("start", Until::Nothing, TWO, |_| {});
    stage("score-list", Until::Done, TWO, |ui| (ui.tab, ui.layout) = (Tab::Score, Layout::List));
    stage("score-scatter", Until::Done, TWO, |ui| {
        (ui.tab, ui.layout, ui.function) = (Tab::Score, Layout::Scatter, Some(0));
    });
    stage("search-cursor", Until::Done, TWO, |ui| {
        (ui.tab, ui.edge_lines, ui.inspect) = (Tab::Search, true, Some(1.4));
    });
    stage("runs", Until::Searching, &[SMALL, LARGE, HUGE], |ui| ui.tab = Tab::Runs);
    stage("runs-grouped", Until::Searching, &[LARGE], |ui| {
        (ui.tab, ui.list.grouped, ui.runs) = (Tab::Runs, true, 2);
    });
    stage("runs-least", Until::Searching, &[(40, 12)], |ui| ui.tab = Tab::Runs);
    stage("log", Until::Done, TWO, |ui| ui.tab = Tab::Log);
    stage("compare", Until::Done, TWO, |ui| (ui.tab, ui.comparing) = (Tab::Runs, Some(0)));
    stage("compare-groups", Until::Done, &[SMALL, LARGE, HUGE], |ui| {
        (ui.tab, ui.comparing) = (Tab::Runs, Some(0));
        ui.chosen = (1..=6).map(|i| format!("f-{i}")).collect();
    });
    stage("train", Until::Training, TWO, |ui| ui.inspect = Some(1.0));
    stage("train-cell", Until::Training, TWO, |ui| ui.tab = Tab::Cell);
    stage("least", Until::Searching, &[(40, 12), (10, 5)], |_| {});
}

#[test]
fn screens_with_a_dialogue() {
    const ONE: &[(u16, u16)] = &[SMALL];
    let over = |name: &str, until, overlay: Overlay| {
        stage(name, until, ONE, |ui| {
            ui.about = "cifar10-9e11".into();
            ui.overlay = Some(overlay.clone());
        });
    };
    let menu = |menu| Overlay::Menu { menu, cursor: 0 };
    over("help", Until::Proposed, Overlay::Help { scroll: 0 });
    over("warnings", Until::Searching, Overlay::Warnings { scroll: 0 });
    over("palette", Until::Proposed, Overlay::Palette { typed: "wh".into(), cursor: 1 });
    over("confirm", Until::Proposed, menu(Menu::Confirm));
    over("controls", Until::Proposed, menu(Menu::Controls));
    over("cut-by", Until::Proposed, menu(Menu::By));
    over("train-menu", Until::Training, menu(Menu::Train));
    over("quit", Until::Searching, menu(Menu::Quit));
    over("delete", Until::Searching, menu(Menu::Delete));
}

/// A form in which something is wrong, as it was looked at.
fn form(ui: &mut Ui) {
    let form = &mut ui.form;
    form.set(Field::Preset, "demo");
    form.set(Field::Functions, "naswot, logsynflw");
    form.set(Field::Seeds, "1..5");
    form.set(Field::Cut, "150MiB");
    form.set(Field::Data, "embedded");
    let question = form.question().unwrap();
    let answer = question.answer(std::path::Path::new("/nowhere"));
    form.take(Reply::Checked(question.revision, Box::new(answer)));
    let set = crate::data::open("embedded", &crate::data::OpenOptions { seed: 2, ..Default::default() }).unwrap();
    form.take(Reply::Pictures(
        "embedded".into(),
        Pictures::Found(set.summary().to_string(), DataShape::of(set.summary())),
    ));
    form.at = Field::Cut as usize;
    ui.overlay = Some(Overlay::Form);
}

#[test]
fn a_new_run() {
    const ALL: &[(u16, u16)] = &[SMALL, LARGE, HUGE, (40, 12)];
    stage("new-run", Until::Nothing, ALL, form);
    for (w, h) in [(40, 12), (80, 24), (41, 13), (300, 90)] {
        for at in 0..Field::ALL.len() {
            let drawn = picture(Until::Nothing, (w, h), |ui| {
                form(ui);
                ui.form.at = at;
            });
            let title = Field::ALL[at].title();
            assert!(drawn.contains(&format!("▸ {title}")), "{title} is not in sight at {w}x{h}:\n{drawn}");
        }
    }
}

#[test]
fn charts_over_steps_and_time() {
    let charts = |name: &str, axis, smooth| {
        stage(name, Until::Searching, &[SMALL, LARGE], |ui| {
            (ui.tab, ui.axis, ui.smooth) = (Tab::Search, axis, smooth);
        });
    };
    charts("search-steps-raw", Axis::Steps, Smooth::Off);
    charts("search-time-smooth", Axis::Time, Smooth::Much);
    stage("search-pinned", Until::Searching, &[LARGE], |ui| ui.pinned = vec!["cifar10-9e11".into()]);
}

#[test]
fn a_study() {
    for (name, size) in [("80x24", SMALL), ("120x40", LARGE), ("200x60", HUGE)] {
        let drawn = picture(Until::Nothing, size, |ui| {
            (ui.tab, ui.follow_stage) = (Tab::Study, false);
            (ui.study, ui.study_size) = ((1, 2), (5, 3));
        });
        keep(&format!("study-{name}"), &drawn);
        assert!(drawn.contains("whole space") && drawn.contains("study claim"), "{drawn}");
    }
    let small = picture(Until::Nothing, (40, 12), |ui| ui.tab = Tab::Study);
    keep("study-least-40x12", &small);
}
