//! Every screen of a run at every point, at every size; keys pressed at random.

mod faults;
mod list;
mod scores;
mod screens;
mod spaces;

use std::sync::OnceLock;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::action::{ACTIONS, Action};
use super::fixture::{self, Until};
use super::forecast::{Basis, Forecast};
use super::keymap::{Key, Keymap};
use super::runs::Row;
use super::state::{Size, State};
use super::theme::{ColorDepth, Markers, Name, Theme};
use super::ui::{Effect, Hits, Menu, Overlay, Shown, Tab, Ui};
use super::view::{self, Scene};
use crate::run::command::{Body, Edit};
use crate::run::event::Event;
use crate::space::{CellKind, Operation};

const SIZES: [(u16, u16); 9] =
    [(80, 24), (120, 40), (160, 48), (200, 60), (40, 12), (72, 20), (300, 100), (10, 5), (1, 1)];

fn theme(depth: ColorDepth) -> Theme {
    Theme { depth, ascii: false, markers: Markers::Braille, name: Name::Dark }
}

/// Counted once: every journal of the same seed has the same.
fn forecast(state: &State) -> Option<Forecast> {
    static COUNTED: OnceLock<Forecast> = OnceLock::new();
    Basis::of(state).map(|b| COUNTED.get_or_init(|| b.forecast()).clone())
}

fn paint(state: &State, ui: &Ui, theme: &Theme, size: (u16, u16)) -> Buffer {
    paint_with(state, ui, theme, size, &Hits::default())
}

fn paint_with(state: &State, ui: &Ui, theme: &Theme, (w, h): (u16, u16), hits: &Hits) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, w, h));
    let run = state.run.as_ref();
    let sizes = state.cut.cut.as_ref().map(|c| (Size::of(&state.full(), run), Size::of(&c.mask, run)));
    let runs: &[Row] = &[];
    let forecast = forecast(state);
    let scene = Scene {
        state,
        ui,
        runs,
        keymap: &Keymap::defaults(),
        compared: &Default::default(),
        pinned: &[],
        forecast: forecast.as_ref(),
        judged: None,
        study: crate::explorer::study::Watched::Nothing,
        hits,
        folder: "runs",
        now: state.now,
        sizes,
    };
    view::draw(&mut buffer, &scene, theme);
    buffer
}

fn lines(buffer: &Buffer) -> Vec<String> {
    (0..buffer.area.height)
        .map(|y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol().to_string()).collect::<String>())
        .collect()
}

fn screen(until: Until, tab: Tab, size: (u16, u16)) -> String {
    let state = State::from_events(&fixture::journal(until, 1));
    let mut ui = Ui::new(Markers::Braille);
    ui.tab = tab;
    lines(&paint(&state, &ui, &theme(ColorDepth::True), size)).join("\n")
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not on the screen:\n{text}");
    }
}

#[test]
fn every_screen_at_every_size_and_depth() {
    for until in fixture::ALL {
        let state = State::from_events(&fixture::journal(until, 1));
        for tab in Tab::ALL {
            for size in SIZES {
                for depth in [ColorDepth::Mono, ColorDepth::Ansi16, ColorDepth::Ansi256, ColorDepth::True] {
                    let mut ui = Ui::new(Markers::Braille);
                    ui.tab = tab;
                    let buffer = paint(&state, &ui, &theme(depth), size);
                    let text = lines(&buffer).join("\n");
                    if size.0 >= 40 && size.1 >= 12 {
                        let training = until == Until::Training && tab == Tab::Search;
                        has(&text, &["? help", "q quit", if training { "Train" } else { tab.title() }]);
                    } else if size == (10, 5) {
                        has(&text, &["zonas"]);
                    }
                }
            }
        }
    }
}

#[test]
fn the_smallest_screen_is_one_sentence() {
    let text = screen(Until::Done, Tab::Score, (10, 5));
    assert_eq!(text, "zonas     \nneeds     \n40x12,    \nthis is   \n10x5.     ");
}

#[test]
fn scores_fill_and_the_one_at_work_is_marked() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = screen(Until::Scoring, Tab::Score, size);
        has(&text, &["scoring 2/6", " · score ", "· round 2 so far", " sum", "×10⁻³ ─", "sep3", "3▸5", "◐"]);
        has(&text, &["cost of scoring", "826/2268", "scores/s", "left", "naswot", "nngp_frobenius", "rank", "draws"]);
        let head = text.lines().find(|l| l.contains("edge ") && l.contains("skip")).unwrap();
        assert!(!head.contains("non"), "`none` takes no part and has no column");
    }
    has(&screen(Until::Scoring, Tab::Score, (40, 12)), &["normal", "0▸2", "round 2 so far"]);
    has(&screen(Until::Proposed, Tab::Score, (80, 24)), &["38.0 MiB", "1:10"]);
    has(&screen(Until::Proposed, Tab::Score, (120, 40)), &["of 168 within noise"]);
    has(&screen(Until::Done, Tab::Score, (80, 24)), &["% of the search's time"]);
    has(&screen(Until::Started, Tab::Score, (80, 24)), &["will be scored here"]);
}

#[test]
fn rank_is_colour_and_the_cursor_is_reversed() {
    let state = State::from_events(&fixture::journal(Until::Proposed, 1));
    let mut ui = Ui::new(Markers::Braille);
    ui.shown = Shown::Rank;
    (ui.edge, ui.operation) = (crate::space::Edge::new(13).unwrap(), Operation::MaxPool3x3);
    let buffer = paint(&state, &ui, &theme(ColorDepth::True), (80, 24));
    // Where a rank's number stands, its background is the map's colour of that rank: all the lighter the better.
    let mut seen = Vec::new();
    for y in 3..16 {
        for c in 0..7u16 {
            let cell = &buffer[(4 + 5 * c + 3, y)];
            let text: String = (0..5).map(|i| buffer[(4 + 5 * c + i, y)].symbol().to_string()).collect();
            // A raised digit is the round in which the operation left.
            let rank: usize = text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
            let ratatui::style::Color::Rgb(r, g, b) = cell.bg else { panic!("no colour at {c},{y}") };
            seen.push((rank, super::color::to_oklab(super::color::Rgb(r, g, b))[0]));
        }
    }
    seen.sort_by_key(|s| s.0);
    assert!(seen.windows(2).all(|w| w[0].1 >= w[1].1 - 0.01), "{seen:?}");
    let reversed = |b: &Buffer| {
        (3..17)
            .flat_map(|y| (0..80).map(move |x| (x, y)))
            .filter(|p| b[*p].modifier.contains(Modifier::REVERSED))
            .count()
    };
    assert_eq!(reversed(&buffer), 5, "one cell of five columns is under the cursor");
    // Without colours nothing is lost: ranks are numbers, the cursor is reversed, height is a shade.
    let mono = paint(&state, &ui, &theme(ColorDepth::Mono), (80, 24));
    assert_eq!(reversed(&mono), 5);
    assert!(mono.content.iter().all(|c| c.bg == ratatui::style::Color::Reset && c.fg == ratatui::style::Color::Reset));
    has(&lines(&mono).join("\n"), &["░", "▒", "▓"]);
}

#[test]
fn the_cut_says_what_it_buys() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = screen(Until::Proposed, Tab::Cut, size);
        has(&text, &["your turn", "■", "operations", "224", "memory", "7.48 GiB", "1.39 GiB", "−81 %"]);
        has(
            &text,
            &[
                "a search step",
                "2.87 s",
                "−54 %",
                "parameters",
                "genotypes",
                "10¹⁸",
                "ξ 0.5",
                "by hand",
                "4 of 84 decisions",
                "proposed",
            ],
        );
        has(&text, &["enter confirm", "[ ξ −", "] ξ +", "space keep/drop", "u undo"]);
    }
    has(&screen(Until::Searching, Tab::Cut, (80, 24)), &["confirmed"]);
    has(&screen(Until::Scoring, Tab::Cut, (80, 24)), &["will be proposed here"]);
    has(&screen(Until::Proposed, Tab::Cut, (40, 12)), &["■", "memory"]);
}

#[test]
fn the_search_is_charted() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = screen(Until::Searching, Tab::Search, size);
        has(&text, &["epoch 3/4", "loss", "train", "valid", "accuracy", "memory", "predicted", "weights", "images/s"]);
        has(&text, &["left", "213", "62 %", "after epoch 2"]);
        let braille = text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(braille > 60, "{braille} characters of curve");
    }
    has(&screen(Until::Searching, Tab::Search, (120, 40)), &["genotype", "epoch 2", "changed", "reduction"]);
    has(&screen(Until::Proposed, Tab::Search, (80, 24)), &["will be shown here"]);
    has(&screen(Until::Searching, Tab::Search, (40, 12)), &["loss", "progress"]);
}

#[test]
fn a_gpu_tells_of_itself() {
    use crate::device::DeviceMeters;
    use crate::run::event::{Body, VERSION};
    let mut events = fixture::journal(Until::Searching, 1);
    let last = events.last().unwrap().clone();
    for i in 0..10 {
        let told = DeviceMeters {
            used_bytes: 9 << 30,
            total_bytes: 80 << 30,
            others_bytes: Some(2 << 30),
            busy: Some(0.8 + 0.01 * f64::from(i)),
            temperature: Some(64.0),
            watts: Some(231.4),
            ..DeviceMeters::default()
        };
        let (seq, time) = (last.seq + 1 + u64::from(i as u32), last.time + f64::from(i));
        events.push(Event { v: VERSION, seq, time, body: Body::Device(told) });
    }
    let mut state = State::from_events(&events);
    let mut ui = Ui::new(Markers::Braille);
    ui.tab = Tab::Search;
    let shown = |state: &State| lines(&paint(state, &ui, &theme(ColorDepth::True), (200, 60))).join("\n");
    let text = shown(&state);
    has(&text, &["89 % busy", "64 °C", "231 W", "9.00 GiB of 80.0 GiB", "others 2.00 GiB", "memory of the GPU"]);
    // What is not told is not there.
    let gpu = &mut state.gpu.as_mut().unwrap().latest;
    (gpu.busy, gpu.temperature, gpu.watts, gpu.others_bytes) = (None, None, None, None);
    let text = shown(&state);
    assert!(!text.contains("busy") && !text.contains("°C") && !text.contains(" W ") && !text.contains("others"));
}

#[test]
fn the_time_cursor_stands_in_every_chart() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let mut ui = Ui::new(Markers::Braille);
    (ui.tab, ui.edge_lines) = (Tab::Search, true);
    let columns = |ui: &Ui| {
        let text = lines(&paint(&state, ui, &theme(ColorDepth::True), (120, 40)));
        text.iter().filter(|l| l.contains('┆')).count()
    };
    assert_eq!(columns(&ui), 0);
    ui.inspect = Some(1.4);
    // Loss, accuracy, memory at the left, one below the other, all of their rows; weights beside the first two.
    assert!(columns(&ui) >= 26, "{}", columns(&ui));
}

#[test]
fn both_cells_are_drawn() {
    let small = screen(Until::Done, Tab::Cell, (80, 24));
    has(
        &small,
        &["normal cell", "reduction cell", "sep_conv_5x5", "0▸2", "●3", "3.35 M parameters", "528 M MACs", "weight"],
    );
    assert_eq!(small.matches(" by ").count(), 16, "{small}");
    let large = screen(Until::Done, Tab::Cell, (120, 40));
    has(&large, &["●2", "●3", "●4", "●5", "▸ out", "sep_conv_5x5", "└"]);
    assert_eq!(
        large.matches("_conv_").count() + large.matches("_pool_").count() + large.matches("_connect").count(),
        16
    );
    has(&screen(Until::Scoring, Tab::Cell, (80, 24)), &["will be drawn here"]);
    has(&screen(Until::Searching, Tab::Cell, (80, 24)), &["epoch 2"]);
}

#[test]
fn log_runs_and_the_first_screen() {
    has(&screen(Until::Done, Tab::Log, (80, 24)), &["epoch 4: loss", "done", "newest at the bottom"]);
    has(&screen(Until::Done, Tab::Runs, (80, 24)), &["No runs yet"]);
    let first = screen(Until::Nothing, Tab::Score, (80, 24));
    has(&first, &["scores every operation", "searches what is left", "enter", "the demo", "no runs yet"]);
}

#[test]
fn the_help_is_never_cut_off() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    for size in [(80, 24), (40, 12), (90, 60)] {
        let mut ui = Ui::new(Markers::Braille);
        let mut seen = String::new();
        for scroll in 0..500 {
            ui.overlay = Some(Overlay::Help { scroll });
            seen += &lines(&paint(&state, &ui, &theme(ColorDepth::True), size)).join("\n");
        }
        // Lines that were broken are whole again.
        let words: Vec<&str> = seen.split(['│', ' ', '\n']).filter(|w| !w.is_empty()).collect();
        let text = words.join(" ");
        for spec in ACTIONS {
            assert!(text.contains(spec.description), "`{}` is cut off at {size:?}", spec.description);
        }
        has(&seen, if size.1 > 55 { &["Everywhere"] } else { &["more below", "the end"] });
    }
}

#[test]
fn leaving_a_live_run_is_asked_and_nothing_else_is() {
    let live = State::from_events(&fixture::journal(Until::Searching, 1));
    let mut ui = Ui::new(Markers::Braille);
    assert_eq!(ui.update(Action::Quit, &live), None);
    assert_eq!(ui.overlay, Some(Overlay::Menu { menu: Menu::Quit, cursor: 0 }));
    // The first answer does no harm.
    assert_eq!(ui.update(Action::Yes, &live), Some(Effect::Leave));
    assert_eq!(ui.overlay, None);
    ui.update(Action::Quit, &live);
    ui.update(Action::Down, &live);
    assert_eq!(ui.update(Action::Yes, &live), Some(Effect::LeaveAfter(Body::Stop)));
    let done = State::from_events(&fixture::journal(Until::Done, 1));
    assert_eq!(Ui::new(Markers::Braille).update(Action::Quit, &done), Some(Effect::Leave));
}

#[test]
fn edits_become_commands() {
    let state = State::from_events(&fixture::journal(Until::Proposed, 1));
    let mut ui = Ui::new(Markers::Braille);
    ui.follow(&state);
    assert_eq!(ui.tab, Tab::Cut);
    let place = ui.place();
    let kept = state.cut.cut.as_ref().unwrap().mask.contains(place);
    let edit = if kept { Edit::Drop { place } } else { Edit::Keep { place } };
    assert_eq!(ui.update(Action::Toggle, &state), Some(Effect::Send(Body::Cut(edit))));
    assert_eq!(ui.update(Action::LevelUp, &state), Some(Effect::Send(Body::Cut(Edit::Level { xi: 0.625 }))));
    assert_eq!(ui.update(Action::LevelDown, &state), Some(Effect::Send(Body::Cut(Edit::Level { xi: 0.375 }))));
    assert_eq!(
        ui.update(Action::Scope, &state),
        Some(Effect::Send(Body::Cut(Edit::Scope { scope: crate::space::cut::Scope::Global })))
    );
    assert_eq!(ui.update(Action::Confirm, &state), None);
    assert_eq!(ui.update(Action::Yes, &state), Some(Effect::Send(Body::Confirm { revision: Some(1) })));
    // Confirmed: words instead of a command.
    let later = State::from_events(&fixture::journal(Until::Searching, 1));
    assert_eq!(ui.update(Action::Toggle, &later), None);
    assert!(ui.flash.is_some());
}

#[test]
fn the_cursor_runs_through_both_cells_and_skips_what_has_no_column() {
    let state = State::from_events(&fixture::journal(Until::Scoring, 1));
    let mut ui = Ui::new(Markers::Braille);
    for _ in 0..20 {
        ui.update(Action::Left, &state);
    }
    assert_eq!((ui.cell, ui.operation), (CellKind::Normal, Operation::MaxPool3x3));
    for _ in 0..7 {
        ui.update(Action::Right, &state);
    }
    assert_eq!((ui.cell, ui.operation), (CellKind::Reduction, Operation::MaxPool3x3));
    for _ in 0..20 {
        ui.update(Action::Right, &state);
        ui.update(Action::Down, &state);
    }
    assert_eq!(
        (ui.cell, ui.operation, ui.edge.number().unwrap_or(0)),
        (CellKind::Reduction, Operation::DilConv5x5, 13)
    );
}

#[test]
fn ascii_means_ascii() {
    for until in fixture::ALL {
        let state = State::from_events(&fixture::journal(until, 1));
        for tab in Tab::ALL {
            let mut ui = Ui::new(Markers::Ascii);
            ui.tab = tab;
            let theme = Theme { depth: ColorDepth::Ansi16, ascii: true, markers: Markers::Ascii, name: Name::Dark };
            let text = lines(&paint(&state, &ui, &theme, (120, 40))).join("\n");
            assert!(text.is_ascii(), "{text}");
            let unicode = lines(&paint(&state, &ui, &super::tests::theme(ColorDepth::Ansi16), (120, 40))).join("\n");
            // A glyph that has no ASCII stand-in would show as one more question mark.
            assert_eq!(text.matches('?').count(), unicode.matches('?').count(), "{text}");
        }
    }
}

#[test]
fn hostile_text_reaches_no_screen() {
    let mut events = fixture::journal(Until::Done, 1);
    for e in &mut events {
        if let crate::run::event::Body::RunStarted(run) = &mut e.body {
            run.run = "x\x1b[2Jy".into();
            run.data.name = "d\x07\u{202e}".into();
        }
        if let crate::run::event::Body::CutProposed(cut) | crate::run::event::Body::CutConfirmed(cut) = &mut e.body {
            cut.warnings = vec!["w\x1b]52;c;AAAA\x07".into()];
            cut.source = "s\x1b[0m".into();
        }
    }
    let state = State::from_events(&events);
    for tab in Tab::ALL {
        let mut ui = Ui::new(Markers::Braille);
        ui.tab = tab;
        let buffer = paint(&state, &ui, &theme(ColorDepth::True), (120, 40));
        assert!(buffer.content.iter().all(|c| c.symbol().chars().all(|c| !c.is_control())));
    }
}

/// Ten thousand keys, clicks and letters over every journal; set `ZONAS_KEYS` for more.
#[test]
fn any_keys_over_any_journal() {
    let keymap = Keymap::defaults();
    let keys: Vec<Key> = ACTIONS.iter().flat_map(|s| s.keys).map(|k| k.parse().unwrap()).collect();
    let journals: Vec<Vec<Event>> = fixture::ALL.iter().map(|u| fixture::journal(*u, 3)).collect();
    let count: usize = std::env::var("ZONAS_KEYS").ok().and_then(|v| v.parse().ok()).unwrap_or(10_000);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut ui = Ui::new(Markers::Braille);
    let hits = Hits::default();
    let (mut state, mut events) = (State::default(), Vec::new());
    for i in 0..count {
        if i % 500 == 0 {
            // Another journal, cut off somewhere, sometimes with holes.
            events = journals[rng.random_range(0..journals.len())].clone();
            let holes = rng.random::<bool>();
            events.retain(|_| !holes || rng.random_range(0..20) != 0);
            let keep = rng.random_range(0..=events.len());
            state = State::from_events(&events[..keep]);
            events.drain(..keep);
            ui.engine_alive = rng.random();
            ui.runs_total = rng.random_range(0..4);
        }
        if !events.is_empty() && rng.random_range(0..4) == 0 {
            state.apply(&events.remove(0));
            ui.follow(&state);
        }
        if rng.random_range(0..5) == 0 {
            // A click or the wheel, on what was drawn last.
            let target = hits.at(rng.random_range(0..210), rng.random_range(0..64));
            let effect = if rng.random() { ui.click(target, &state) } else { ui.wheel(rng.random(), &state) };
            if let Some(Effect::Run(action)) = effect {
                ui.update(action, &state);
            }
        }
        if rng.random() && ui.typed([None, Some('e'), Some('7'), Some('日')][rng.random_range(0..4)]) {
            continue;
        }
        let key = keys[rng.random_range(0..keys.len())];
        if let Some(action) = keymap.action(ui.context(&state), key) {
            ui.update(action, &state);
        }
        if i % 7 == 0 {
            let size = (rng.random_range(0..210), rng.random_range(0..64));
            let named = theme(ColorDepth::Ansi256).named_as(Name::ALL[i % 5]);
            paint_with(&state, &ui, &named, size, &hits);
        }
    }
    // Nothing is stuck: two keys close any dialogue.
    ui.update(Action::No, &state);
    ui.update(Action::No, &state);
    assert_eq!(ui.overlay, None);
}

/// Writes every screen as text and SVG into the folder that `ZONAS_SCREENS` names, to be looked at.
#[test]
fn screens_for_the_eye() {
    let Some(folder) = std::env::var_os("ZONAS_SCREENS") else {
        println!("skipped: ZONAS_SCREENS names no folder");
        return;
    };
    let folder = std::path::PathBuf::from(folder);
    for (tab, until) in [
        (Tab::Score, Until::Scoring),
        (Tab::Score, Until::Done),
        (Tab::Cut, Until::Proposed),
        (Tab::Search, Until::Searching),
        (Tab::Cell, Until::Done),
        (Tab::Log, Until::Done),
    ] {
        let state = State::from_events(&fixture::journal(until, 1));
        for size in SIZES.into_iter().filter(|s| s.0 <= 200 && s.0 > 1) {
            let mut ui = Ui::new(Markers::Braille);
            ui.tab = tab;
            let buffer = paint(&state, &ui, &theme(ColorDepth::True), size);
            let name = format!("{}-{until:?}-{}x{}", tab.title(), size.0, size.1);
            std::fs::write(folder.join(format!("{name}.txt")), lines(&buffer).join("\n")).unwrap();
            std::fs::write(folder.join(format!("{name}.svg")), super::svg::render(&buffer, false)).unwrap();
        }
    }
}
