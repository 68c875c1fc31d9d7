//! The list of runs: read from files, read again, asked for by keys.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{fixture, has, lines, theme};
use crate::explorer::action::Action;
use crate::explorer::fixture::Until;
use crate::explorer::keymap::Keymap;
use crate::explorer::runs::Row;
use crate::explorer::state::State;
use crate::explorer::theme::{ColorDepth, Markers};
use crate::explorer::ui::{Asked, Effect, Hits, Overlay, Tab, Target, Ui};
use crate::explorer::view::{self, Scene};
use crate::run::config::Config;
use crate::run::event::Event;
use crate::run::listing::{Column, Reader, resolve};
use crate::run::lock::RunLock;
use crate::run::notes::Notes;
use crate::run::summary::Summary;
use crate::run::{EVENTS, RunFolder};

fn write(folder: &RunFolder, events: &[Event]) {
    let text: String = events.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect();
    std::fs::write(folder.file(EVENTS), text).unwrap();
}

fn create(runs: &std::path::Path, name: &str, seed: u64) -> RunFolder {
    RunFolder::create(runs, Some(name), "x", &Config { seed, ..Config::default() }).unwrap()
}

fn read(reader: &mut Reader, runs: &std::path::Path) -> Vec<Row> {
    reader.read(runs, |_, _| {})
}

#[test]
fn what_is_read_in_short_is_what_is_read_at_length() {
    let dir = tempfile::tempdir().unwrap();
    for (i, until) in fixture::ALL.into_iter().enumerate() {
        write(&create(dir.path(), &format!("r{i}"), 1), &fixture::journal(until, 1));
    }
    let mut told = 0;
    let rows = Reader::default().read(dir.path(), |_, of| {
        told += 1;
        assert_eq!(of, fixture::ALL.len());
    });
    assert_eq!((rows.len(), told), (fixture::ALL.len(), fixture::ALL.len()));
    for row in rows {
        let whole = Summary::read(&row.folder);
        let s = whole.summary;
        assert_eq!(row.word, s.state, "{}", row.name);
        assert_eq!(row.data, s.data.unwrap_or_default());
        assert_eq!(row.cut, s.xi.zip(s.source));
        assert_eq!((row.kept, row.by_hand), (s.kept, s.by_hand.unwrap_or(0)));
        assert_eq!(
            (row.predicted, row.peak, row.scoring_peak),
            (s.predicted_bytes, s.search_peak_bytes, s.scoring_peak_bytes)
        );
        assert_eq!((row.epochs, row.trains), (s.epoch.zip(s.epochs), s.trains == Some(true)));
        assert_eq!((row.accuracy, row.loss), (s.best_valid_accuracy, s.valid_loss.map(|l| l.0)));
        assert_eq!((row.scoring_seconds, row.search_seconds), (s.scoring_seconds, s.search_seconds));
        assert_eq!((row.parameters, row.can_go_on), (s.parameters, whole.status.can_go_on()));
        // Of the very last event, also of one of many.
        assert!(row.last >= s.last.unwrap_or(0.0));
        assert!(row.live.is_none());
    }
}

#[test]
fn what_is_read_again_is_only_what_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (grows, rests) = (create(dir.path(), "grows", 1), create(dir.path(), "rests", 2));
    let events = fixture::journal(Until::Done, 1);
    let part = fixture::journal(Until::Searching, 1).len();
    write(&grows, &events[..part]);
    write(&rests, &events);
    let mut reader = Reader::default();
    let before = read(&mut reader, dir.path());
    let of = |rows: &[Row], name: &str| Arc::clone(rows.iter().find(|r| r.name == name).unwrap());
    assert_eq!(of(&before, "grows").epochs, Some((2, 4)));
    write(&grows, &events);
    let after = read(&mut reader, dir.path());
    assert_eq!((of(&after, "grows").epochs, of(&after, "grows").word), (Some((4, 4)), "done"));
    assert!(Arc::ptr_eq(&of(&before, "rests"), &of(&after, "rests")), "it was read again");
    // Notes, settings, a journal begun anew, a run that is gone and one that came.
    Notes::set_tags(&rests, "good").unwrap();
    grows.write_atomic("config.toml", Config { seed: 9, ..Config::default() }.to_toml().as_bytes()).unwrap();
    std::fs::remove_file(grows.file(EVENTS)).unwrap();
    write(&grows, &fixture::journal(Until::Proposed, 1));
    let rows = read(&mut reader, dir.path());
    assert_eq!(of(&rows, "rests").tags(), ["good"]);
    let seed = resolve("seed").unwrap();
    assert_eq!(seed.value(&of(&rows, "grows"), 0.0).number(), Some(9.0));
    assert_eq!((of(&rows, "grows").epochs, of(&rows, "grows").accuracy), (None, None));
    rests.remove().unwrap();
    create(dir.path(), "new", 1);
    let mut names: Vec<String> = read(&mut reader, dir.path()).iter().map(|r| r.name.clone()).collect();
    names.sort();
    assert_eq!(names, ["grows", "new"]);
    // What can't be read is told, of its settings and its notes too.
    std::fs::write(dir.path().join("new/config.toml"), "[search]\nbatsh = 1\n").unwrap();
    std::fs::write(dir.path().join("new/notes.toml"), "note = 1\n").unwrap();
    let rows = read(&mut reader, dir.path());
    assert!(of(&rows, "new").settings.as_ref().unwrap_err().contains("batsh"));
    assert!(of(&rows, "new").note().contains("notes.toml can't be read: line 1"));
}

#[test]
fn a_run_at_work_tells_its_loss_its_time_and_its_memory() {
    let dir = tempfile::tempdir().unwrap();
    let folder = create(dir.path(), "live", 1);
    write(&folder, &fixture::journal(Until::Searching, 1));
    let lock = RunLock::take(&folder).unwrap();
    let mut reader = Reader::default();
    let row = read(&mut reader, dir.path()).swap_remove(0);
    let live = row.live.clone().unwrap();
    // 62 steps of 100 at 0.3 s and a little more.
    let left = live.left.unwrap();
    assert!((left - 37.0 * 0.31).abs() < 1.5, "{left}");
    assert_eq!((live.memory, live.losses.len()), (Some(182 << 20), 63));
    assert!(live.losses[0] > live.losses[60] && live.spark(8).chars().count() == 8, "{:?}", live.losses);
    assert_eq!((row.word, row.has_engine), ("running", true));
    drop(lock);
    let row = read(&mut reader, dir.path()).swap_remove(0);
    assert!(row.live.is_none() && row.word == "crashed");
}

fn shown(ui: &Ui, rows: &[Row], size: (u16, u16), hits: &Hits) -> String {
    let state = State::default();
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let scene = Scene {
        state: &state,
        ui,
        runs: rows,
        keymap: &Keymap::defaults(),
        compared: &Default::default(),
        pinned: &[],
        forecast: None,
        judged: None,
        study: crate::explorer::study::Watched::Nothing,
        hits,
        folder: "runs",
        now: 1.7e9 + 1000.0,
        sizes: None,
    };
    view::draw(&mut buffer, &scene, &theme(ColorDepth::True));
    lines(&buffer).join("\n")
}

/// Three seeds of one setting and a run of another, all done.
fn four(runs: &std::path::Path) -> Vec<Row> {
    for seed in 1..=3 {
        write(&create(runs, &format!("nb-s{seed}"), seed), &fixture::journal(Until::Done, seed));
    }
    let config = Config::default().set("search.method=beta_darts").unwrap();
    let other = RunFolder::create(runs, Some("other"), "x", &config).unwrap();
    write(&other, &fixture::journal(Until::Searching, 1));
    let mut rows = crate::run::listing::read(runs);
    for row in &mut rows {
        // The made-up cut has a change by hand, which would make each a group of its own.
        let row = Arc::make_mut(row);
        row.by_hand = 0;
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

#[test]
fn the_list_is_asked_for_by_keys() {
    let dir = tempfile::tempdir().unwrap();
    let rows = four(dir.path());
    let (mut ui, hits, state) = (Ui::new(Markers::Braille), Hits::default(), State::default());
    ui.tab = Tab::Runs;
    let text = shown(&ui, &rows, (160, 24), &hits);
    has(&text, &["method", "beta_darts", "nb-s1", "other", "crashed", "79.0 %"]);
    // Filtered while it is typed; what is wrong is said where it is typed.
    ui.update(Action::Filter, &state);
    "sed:1".chars().for_each(|c| assert!(ui.typed(Some(c))));
    has(&shown(&ui, &rows, (160, 24), &hits), &["there is no column `sed`; did you mean `seed`?"]);
    ui.retyped(|t| t.set("see"));
    has(&shown(&ui, &rows, (160, 24), &hits), &["filter: see", "seed:"]);
    ui.retyped(|t| t.set("seed:2 state:done"));
    let text = shown(&ui, &rows, (160, 24), &hits);
    assert!(text.contains("nb-s2") && !text.contains("nb-s1"), "{text}");
    ui.update(Action::Yes, &state);
    has(&shown(&ui, &rows, (160, 24), &hits), &["1 of 4 with `seed:2 state:done`"]);
    ui.filters[1] = "method:nothing".into();
    has(&shown(&ui, &rows, (80, 24), &hits), &["No run is as the filter says"]);
    ui.filters[1].clear();
    // Columns of the person's own; one that there is not keeps the prompt open.
    ui.update(Action::Columns, &state);
    ui.retyped(|t| t.set("run meth xi qqq"));
    has(&shown(&ui, &rows, (120, 24), &hits), &["no column `qqq`"]);
    ui.update(Action::Yes, &state);
    assert!(matches!(ui.overlay, Some(Overlay::Prompt { asked: Asked::Columns, .. })));
    ui.retyped(|t| t.set("run meth xi batch_"));
    ui.retyped(|t| t.set("run meth xi"));
    ui.update(Action::Yes, &state);
    assert_eq!(ui.overlay, None);
    let text = shown(&ui, &rows, (80, 24), &hits);
    has(&text, &["run", "method", "xi", "beta_darts"]);
    assert!(!text.contains("supernet") && !text.contains("crashed"), "{text}");
    // A click on a title sorts, another the other way round.
    let at = |title: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let y = lines.iter().position(|l| l.contains("method")).unwrap();
        let x = lines[y].chars().collect::<String>().find(title).unwrap();
        (x as u16, y as u16)
    };
    let (x, y) = at("method");
    let target = hits.at(x, y);
    assert_eq!(target, Some(Target::Column(Column::setting("search.method").unwrap())));
    ui.click(target, &state);
    assert!(shown(&ui, &rows, (80, 24), &hits).contains("method ▲"));
    ui.click(target, &state);
    let text = shown(&ui, &rows, (80, 24), &hits);
    assert!(text.contains("method ▼"));
    ui.update(Action::Turn, &state);
    assert!(shown(&ui, &rows, (80, 24), &hits).contains("method ▲"));
    let columns = view::list_columns(&ui.table(&rows, 0.0), &ui);
    ui.step_sort(&columns, true);
    assert!(shown(&ui, &rows, (80, 24), &hits).contains("xi ▲"));
    ui.step_sort(&columns, true);
    assert_eq!(ui.list.sort, None);
}

#[test]
fn groups_open_and_are_chosen_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let rows = four(dir.path());
    let (mut ui, hits, state) = (Ui::new(Markers::Braille), Hits::default(), State::default());
    ui.tab = Tab::Runs;
    ui.update(Action::Group, &state);
    let text = shown(&ui, &rows, (160, 24), &hits);
    has(&text, &["×3 nb-s…", "3 done", "1–3", "means ± deviations", "other"]);
    let line = ui.table(&rows, 0.0).lines[0].clone();
    assert_eq!(ui.of_line(Action::Delete, &line, &rows), None);
    assert!(ui.flash.as_ref().unwrap().0.contains("3 runs"));
    ui.of_line(Action::Choose, &line, &rows);
    assert_eq!(ui.chosen.len(), 3);
    ui.of_line(Action::Choose, &line, &rows);
    assert!(ui.chosen.is_empty());
    ui.of_line(Action::Open, &line, &rows);
    let table = ui.table(&rows, 0.0);
    assert_eq!(table.lines.len(), 5);
    let member = table.lines[1].clone();
    ui.runs = 1;
    assert_eq!(ui.of_line(Action::Open, &member, &rows), Some(Effect::Open(1)));
    // A note of the run under the cursor: what is there can be changed.
    ui.of_line(Action::Tags, &member, &rows);
    assert!(matches!(&ui.overlay, Some(Overlay::Prompt { asked: Asked::Tags, .. })));
    has(&shown(&ui, &rows, (80, 24), &hits), &["tags of nb-s"]);
    "good".chars().for_each(|c| assert!(ui.typed(Some(c))));
    let name = ui.about.clone();
    assert_eq!(ui.update(Action::Yes, &state), Some(Effect::Tags { name, tags: "good".into() }));
}
