//! Screens, figures and words of spaces other than DARTS: one kind of cell, kinds with other edges, many edges, few operations.

use super::*;
use crate::explorer::figure::{self, What};
use crate::explorer::summary;
use crate::run::describe::describe;
use crate::run::event::Body;
use crate::space::{Space, Stem, parse_genotype};

fn named(name: &str) -> Space {
    Space::find(name).unwrap()
}

/// Cells of many nodes, and of few.
fn uneven() -> Space {
    let text = "name = \"uneven\"\noperations = [\"none\", \"skip_connect\", \"sep_conv_3x3\", \"max_pool_3x3\"]\n\
                [normal]\nnodes = 8\n[reduction]\nnodes = 2\n[reduction.candidates]\n\"0>2\" = [\"skip_connect\", \"sep_conv_3x3\"]\n";
    Space::read(text).unwrap()
}

/// Operations by the dozen.
fn many() -> Space {
    let text = "name = \"many\"\noperations = [\"none\", \"max_pool_3x3\", \"avg_pool_3x3\", \"skip_connect\", \"sep_conv_3x3\", \
                \"sep_conv_5x5\", \"dil_conv_3x3\", \"dil_conv_5x5\", \"noise\", \"nor_conv_1x1\", \"nor_conv_3x3\"]\n\
                [normal]\nnodes = 2\n[reduction]\nnodes = 2\n";
    Space::read(text).unwrap()
}

fn state_in(space: Space) -> State {
    State::from_events(&fixture::journal_in(space))
}

fn on(state: &State, tab: Tab) -> Ui {
    let mut ui = Ui::new(Markers::Braille);
    ui.tab = tab;
    ui.settle(state);
    ui
}

fn shown(state: &State, ui: &Ui, size: (u16, u16)) -> String {
    lines(&paint(state, ui, &theme(ColorDepth::True), size)).join("\n")
}

#[test]
fn the_cursor_stays_on_edges_of_its_cell() {
    let state = state_in(uneven());
    for tab in [Tab::Score, Tab::Cut, Tab::Search] {
        let mut ui = on(&state, tab);
        let there = |ui: &Ui| assert!(state.space().edges(ui.cell).contains(&ui.edge), "{} {}", ui.cell, ui.edge);
        ui.update(Action::Last, &state);
        let last = ui.edge;
        ui.update(Action::OtherCell, &state);
        there(&ui);
        // From the last row to the last.
        assert_eq!((ui.cell, Some(&ui.edge)), (CellKind::Reduction, state.space().edges(CellKind::Reduction).last()));
        ui.update(Action::OtherCell, &state);
        ui.update(Action::Last, &state);
        assert_eq!((ui.cell, ui.edge), (CellKind::Normal, last));
        // Past the last column, into the other cell.
        for _ in 0..state.columns().len() {
            ui.update(Action::Right, &state);
            there(&ui);
        }
        assert_eq!(ui.cell, CellKind::Reduction);
        // An edge that both have stays.
        ui.update(Action::First, &state);
        let first = ui.edge;
        ui.update(Action::OtherCell, &state);
        assert_eq!((ui.cell, ui.edge), (CellKind::Normal, first));
    }
}

#[test]
fn the_other_cell_is_offered_where_there_is_one() {
    let one = state_in(named("nas_bench_201"));
    for tab in [Tab::Score, Tab::Cut] {
        let text = shown(&one, &on(&one, tab), (160, 50));
        assert!(!text.contains("other cell") && text.contains("normal cell"), "{text}");
        let two = state_in(named("darts_s2"));
        has(&shown(&two, &on(&two, tab), (160, 50)), &["tab other cell"]);
    }
}

#[test]
fn edges_that_have_no_room_are_told_of() {
    let state = state_in(uneven());
    for tab in [Tab::Score, Tab::Cut] {
        let mut ui = on(&state, tab);
        let at = |ui: &Ui, size| shown(&state, ui, size);
        // 44 edges.
        has(&at(&ui, (160, 50)), &["more below"]);
        assert!(!at(&ui, (160, 50)).contains("more above"));
        ui.update(Action::Last, &state);
        has(&at(&ui, (160, 50)), &["more above"]);
        assert!(!at(&ui, (160, 50)).contains("more below"));
        (0..20).for_each(|_| drop(ui.update(Action::Up, &state)));
        has(&at(&ui, (160, 50)), &["more above", "more below"]);
        has(&at(&ui, (80, 24)), &["more above", "more below"]);
        has(&at(&ui, (40, 12)), &["▲▼"]);
        // All that are not there are counted.
        let text = at(&ui, (120, 40));
        let line = text.lines().find(|l| l.contains("more above")).unwrap();
        let numbers: Vec<usize> = line.split_whitespace().filter_map(|w| w.parse().ok()).collect();
        let edges = text
            .lines()
            .take_while(|l| !l.contains("more above"))
            .filter(|l| l.trim_start().chars().next().is_some_and(|c| c.is_ascii_digit()));
        let seen = edges.filter(|l| l.trim_start().chars().nth(1) == Some('▸')).count();
        assert_eq!(numbers[..2].iter().sum::<usize>() + seen, 44, "{text}");
    }
    // DARTS' 14 have room, and nothing is said.
    let state = State::from_events(&fixture::journal(Until::Proposed, 1));
    assert!(!shown(&state, &on(&state, Tab::Cut), (160, 50)).contains("more below"));
}

#[test]
fn operations_that_have_no_room_are_told_of() {
    let state = state_in(many());
    let ten = |tab| shown(&state, &on(&state, tab), (120, 40));
    // Of ten kinds of operation nine have room.
    assert!(ten(Tab::Cut).contains("▼ 2 more"), "{}", ten(Tab::Cut));
    assert!(!shown(&state, &on(&state, Tab::Score), (120, 60)).contains("▼"));
}

#[test]
fn what_a_level_is_a_share_of_is_told() {
    let even = figure::svg(&State::from_events(&fixture::journal(Until::Proposed, 1)), What::Cut).unwrap();
    assert!(even.contains("pruning level ξ (share of operations that goes)"));
    let uneven = figure::svg(&state_in(uneven()), What::Cut).unwrap();
    assert!(uneven.contains("of the widest edge") && !uneven.contains("ξ (share of operations that goes)"));
}

#[test]
fn the_label_of_a_step_does_not_touch_its_seconds() {
    let mut events = fixture::journal(Until::Proposed, 1);
    for event in &mut events {
        if let Body::CutProposed(cut) = &mut event.body {
            (cut.step_seconds, cut.full_step_seconds) = (Some(0.004_56), Some(0.009_32));
        }
    }
    let state = State::from_events(&events);
    for size in SIZES {
        let text = shown(&state, &on(&state, Tab::Cut), size);
        assert!(!text.contains("step9.32") && !text.contains("ste9.32"), "{text}");
        assert!(size.0 < 80 || size.1 < 24 || text.contains(" step") && text.contains(" 9.32 ms"), "{text}");
    }
}

#[test]
fn figures_of_every_space_are_inside_their_paper() {
    let spaces = ["darts_s1", "darts_s2", "nas_bench_201"].map(named).into_iter().chain([uneven(), many()]);
    let states = spaces.map(state_in).chain([State::from_events(&fixture::journal(Until::Done, 1))]);
    for state in states {
        for what in What::ALL {
            let Some(svg) = figure::svg(&state, what) else { continue };
            let number = |line: &str, key: &str| -> Option<f64> {
                line.split_once(&format!(" {key}=\""))?.1.split('"').next()?.parse().ok()
            };
            let (width, height) = (number(&svg, "width").unwrap(), number(&svg, "height").unwrap());
            for line in svg.lines().filter(|l| l.starts_with("<text x=")) {
                let (x, y, size) =
                    (number(line, "x").unwrap(), number(line, "y").unwrap(), number(line, "font-size").unwrap());
                let words = line.split_once('>').unwrap().1.trim_end_matches("</text>");
                // A letter of Helvetica is half as wide as high.
                let long = 0.5 * size * words.replace("&lt;", "<").replace("&gt;", ">").chars().count() as f64;
                let (left, right) = match line {
                    l if l.contains("\"middle\"") => (x - long / 2.0, x + long / 2.0),
                    l if l.contains("\"end\"") => (x - long, x),
                    _ => (x, x + long),
                };
                assert!(
                    left >= -1.0 && right <= width + 1.0 && y <= height,
                    "{} {what:?}: {line}",
                    state.space().name()
                );
            }
            for line in svg.lines().filter(|l| l.starts_with("<rect x=")) {
                let right = number(line, "x").unwrap() + number(line, "width").unwrap();
                assert!(right <= width, "{} {what:?}: {line}", state.space().name());
            }
        }
    }
}

#[test]
fn masks_do_not_lie_over_each_other() {
    let columns = |space: Space| {
        let svg = figure::svg(&state_in(space), What::Cut).unwrap();
        let number = |line: &str| line.split_once("x=\"").unwrap().1.split('"').next().unwrap().parse::<f64>().unwrap();
        let (reduction, frame) =
            (svg.lines().find(|l| l.contains("reduction cell")), svg.lines().find(|l| l.contains("dashed: full")));
        (number(reduction.unwrap()), number(frame.unwrap()))
    };
    let (few, some) = (columns(named("darts_s2")), columns(uneven()));
    assert_eq!((few, some), ((210.0, 480.0), (210.0, 480.0)));
    let (second, chart) = columns(many());
    assert!(second >= 20.0 + 40.0 + 18.0 * 10.0 && chart >= second + 40.0 + 18.0 * 10.0, "{second} {chart}");
}

#[test]
fn what_classes_count_alike_and_a_stem_that_halves_are_told() {
    let mut events = fixture::journal(Until::Done, 1);
    let looks = |events: &[Event]| {
        let state = State::from_events(events);
        [Tab::Search, Tab::Cell].map(|tab| shown(&state, &on(&state, tab), (200, 60)))
    };
    let [search, cell] = looks(&events);
    assert!(
        !search.contains("balanced") && !cell.contains("balanced") && !search.contains("imagenet"),
        "{search}{cell}"
    );
    for event in &mut events {
        match &mut event.body {
            Body::EpochEnded(e) => e.valid_balanced_accuracy = Some(0.125),
            Body::RunStarted(r) => r.stem = Stem::ImageNet,
            _ => {}
        }
    }
    let [search, cell] = looks(&events);
    has(&search, &["balanced", "12.5 %, the mean over classes", "imagenet, an eighth"]);
    has(&cell, &["balanced 12.50 %"]);
}

#[test]
fn the_size_that_a_genotype_is_counted_at_is_that_of_its_space() {
    let best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";
    let mut events = fixture::journal_in(named("nas_bench_201"));
    let found = Body::Found {
        genotype: parse_genotype(best).unwrap(),
        parameters: Some(1_075_000),
        macs: Some(153_000_000),
        stem: Stem::Cifar,
    };
    let last = Event { body: found, ..events.last().unwrap().clone() };
    events.push(Event { seq: last.seq + 1, ..last.clone() });
    let state = State::from_events(&events);
    let size = "16 channels, 15 cells and 2 residual blocks";
    let dir = tempfile::tempdir().unwrap();
    let config = crate::run::config::Config::default();
    let folder = crate::run::RunFolder::create(dir.path(), Some("r"), "x", &config).unwrap();
    let texts = [
        describe(&last)[1].1.clone(),
        summary::text(&state, &folder, "done", false),
        figure::svg(&state, What::Cell).unwrap(),
        shown(&state, &on(&state, Tab::Cell), (120, 40)),
    ];
    for text in texts {
        assert!(
            text.contains(size) && !text.contains("36 channels") && !text.contains("published evaluation size"),
            "{text}"
        );
    }
    let darts = State::from_events(&fixture::journal(Until::Done, 1));
    has(&figure::svg(&darts, What::Cell).unwrap(), &["36 channels and 20 cells"]);
}
