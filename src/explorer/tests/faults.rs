//! What went wrong once on the screens: each with the state that it went wrong in.

use std::time::{Duration, Instant};

use super::{has, lines, paint, paint_with, theme};
use crate::explorer::action::{ACTIONS, Action, Context};
use crate::explorer::fixture::{self, Until};
use crate::explorer::state::State;
use crate::explorer::theme::{ColorDepth, Markers, Name, Theme};
use crate::explorer::ui::{Asked, Effect, Hits, Menu, Overlay, Tab, Ui};
use crate::run::command::Body as Order;
use crate::run::event::{Body, Event, VERSION};
use crate::run::status::Status;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn shown(state: &State, ui: &Ui, size: (u16, u16)) -> String {
    lines(&paint(state, ui, &theme(ColorDepth::True), size)).join("\n")
}

fn on(tab: Tab) -> Ui {
    let mut ui = Ui::new(Markers::Braille);
    ui.tab = tab;
    ui
}

/// Sets the time of the events that `which` picks.
fn dated(events: &mut [Event], which: impl Fn(usize, &Body) -> bool, time: impl Fn(f64) -> f64) {
    for (i, e) in events.iter_mut().enumerate() {
        if which(i, &e.body) {
            e.time = time(e.time);
        }
    }
}

#[test]
fn what_can_not_act_is_not_offered() {
    let offered = |state: &State, ui: &Ui| -> Vec<&str> {
        ui.offered(state, "").into_iter().map(|row| ACTIONS[row].id).collect()
    };
    const TABS: [Tab; 5] = [Tab::Score, Tab::Cut, Tab::Search, Tab::Cell, Tab::Log];
    const COMMANDS: [&str; 9] =
        ["confirm", "pause", "stop", "abort", "checkpoint", "toggle", "budget", "cut_by", "automatic"];
    // A run that is done: no command, and nothing to resume.
    let done = State::from_events(&fixture::journal(Until::Done, 1));
    // One that was left off can be resumed from every screen by one key, and takes no command before.
    let mut left = State::from_events(&fixture::journal(Until::Searching, 1));
    left.halt(true);
    for tab in TABS {
        let mut ui = on(tab);
        (ui.opened, ui.engine_alive) = (Some("r".into()), false);
        for (state, resumes) in [(&done, false), (&left, true)] {
            let ids = offered(state, &ui);
            assert!(COMMANDS.iter().all(|id| !ids.contains(id)), "{tab:?}: {ids:?}");
            assert_eq!(ids.contains(&"resume"), resumes, "{tab:?}");
            assert_eq!(shown(state, &ui, (120, 40)).contains("R resume"), resumes, "{tab:?}");
            assert!(ids.contains(&"new_run"), "{tab:?}");
        }
        assert_eq!(ui.update(Action::Resume, &left), Some(Effect::ResumeOpen));
        ui.engine_alive = true;
        let live = State::from_events(&fixture::journal(Until::Searching, 1));
        let ids = offered(&live, &ui);
        assert!(!ids.contains(&"resume") && (tab == Tab::Cut || ids.contains(&"pause")), "{tab:?}: {ids:?}");
    }
}

#[test]
fn an_odd_time_takes_no_time_to_draw() {
    const YEARS: f64 = 20.0 * 365.0 * 86_400.0;
    let memory = |b: &Body| matches!(b, Body::Memory { .. });
    let begun = Instant::now();
    for until in [Until::Searching, Until::Done, Until::Training] {
        let events = fixture::journal(until, 1);
        let (middle, end) = (events.len() / 2, events.len());
        let late = events.iter().rposition(|e| memory(&e.body)).unwrap();
        let mut journals = vec![events.clone(); 5];
        // One odd sample, far ahead or at the beginning of time; a clock that is set right in the middle, or set wrong; nonsense.
        dated(&mut journals[0], |i, _| i == late, |t| t + YEARS);
        dated(&mut journals[1], |i, _| i == late, |_| 0.0);
        dated(&mut journals[2], |i, _| i < middle, |t| t + YEARS);
        dated(&mut journals[3], |i, _| (middle..end).contains(&i), |t| t + YEARS);
        dated(&mut journals[4], |i, b| memory(b) && i % 2 == 0, |_| 1e300);
        for events in &journals {
            let state = State::from_events(events);
            for markers in [Markers::Braille, Markers::HalfBlock, Markers::Ascii] {
                let mut ui = on(Tab::Search);
                ui.markers = markers;
                let text = shown(&state, &ui, (200, 60));
                has(&text, &["memory", "process"]);
                // The clock of the wall says nothing of the rate of steps.
                let left = text.lines().find(|l| l.contains(" left ")).unwrap_or_default();
                assert!(!left.contains(" d "), "years are left: {left}");
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn a_time_without_an_engine_is_blank() {
    let mut events = fixture::journal(Until::Searching, 1);
    let away = events.iter().position(|e| matches!(e.body, Body::SearchStarted(_))).unwrap();
    let started = events.iter().find(|e| matches!(e.body, Body::RunStarted(_))).unwrap().body.clone();
    // An hour without an engine before the search.
    dated(&mut events, |i, _| i >= away, |t| t + 3600.0);
    let back = Event { v: VERSION, seq: 0, time: events[away].time - 1.0, body: started };
    events.insert(away, back);
    let state = State::from_events(&events);
    assert_eq!(state.memory.parts().len(), 2);
    let text = shown(&state, &on(Tab::Search), (200, 60));
    has(&text, &["1:01:33 with a gap"]);
    // Between the pieces there is a column without a dot, from the top to the axis.
    let rows: Vec<&str> = text.lines().skip_while(|l| !l.contains("─ memory")).skip(2).take(9).collect();
    let dots = |x: usize| {
        rows.iter().filter(|r| r.chars().nth(x).is_some_and(|c| ('\u{2801}'..='\u{28ff}').contains(&c))).count()
    };
    let left = 9 + (0..70).find(|x| dots(9 + x) > 0).unwrap();
    let gap = (left..75).filter(|x| dots(*x) == 0).count();
    assert!(gap >= 2, "no gap in\n{}", rows.join("\n"));
}

#[test]
fn without_an_engine_nothing_is_under_way() {
    for size in SIZES {
        let mut state = State::from_events(&fixture::journal(Until::Scoring, 1));
        let mut ui = on(Tab::Score);
        has(&shown(&state, &ui, size), &["◐", "scores/s"]);
        state.halt(true);
        (ui.engine_alive, ui.standing) = (false, Some("crashed"));
        let text = shown(&state, &ui, size);
        assert!(!text.contains('◐') && !text.contains("scores/s"), "{text}");
        has(&text, &["crashed"]);
        let mut state = State::from_events(&fixture::journal(Until::Searching, 1));
        assert!(state.epochs.left().is_some());
        state.halt(true);
        assert_eq!((state.epochs.left(), state.is_live()), (None, false));
        ui.tab = Tab::Search;
        let text = shown(&state, &ui, size);
        assert!(!text.contains("pause") && !text.contains("12 s ·"), "{text}");
        // It goes on as before when an engine has come.
        let started = fixture::journal(Until::Started, 1).swap_remove(0).body;
        state.apply(&Event { v: VERSION, seq: 100_000, time: state.now + 60.0, body: started });
        assert!(state.is_live());
    }
}

#[test]
fn a_run_that_ended_offers_nothing_that_it_would_refuse() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    for (tab, words) in [
        (Tab::Search, &["pause", "s stop", "x abort", "checkpoint  "][..]),
        (Tab::Score, &["pause", "s stop", "x abort"]),
        (Tab::Cut, &["enter confirm", "keep/drop", "u undo"]),
    ] {
        let text = shown(&state, &on(tab), (200, 60));
        let footer = text.lines().last().unwrap();
        for word in words {
            assert!(!footer.contains(word), "`{word}` in {footer}");
        }
    }
}

#[test]
fn a_queued_run_says_so_and_begins_no_demo() {
    let state = State::default();
    for size in SIZES {
        let mut ui = on(Tab::Score);
        ui.opened = Some("late".into());
        ui.engine_alive = true;
        ui.stands = Some(Status::Queued("behind early".into()));
        ui.standing = Some("queued");
        assert_eq!(ui.context(&state), Context::Waiting);
        let text = shown(&state, &ui, size);
        has(&text, &["late", "queued", "behind early", "s takes it out of the queue", "s leave the queue"]);
        assert!(!text.contains("the demo"), "{text}");
        assert_eq!(ui.update(Action::Demo, &state), None);
        assert_eq!(ui.update(Action::Stop, &state), Some(Effect::Send(Order::Stop)));
        // One that was never begun, one that begins, one that ended before its turn came.
        ui.engine_alive = false;
        (ui.stands, ui.standing) = (Some(Status::New), None);
        has(&shown(&state, &ui, size), &["never started", "R starts it now"]);
        assert_eq!(ui.update(Action::Stop, &state), None);
        assert_eq!(ui.update(Action::Resume, &state), Some(Effect::ResumeOpen));
        ui.stands = Some(Status::Starting);
        has(&shown(&state, &ui, size), &["is starting"]);
        ui.stands = None;
        has(&shown(&state, &ui, size), &["Reading late"]);
        let detail = "while it waited for its turn".to_string();
        let outcome = crate::run::event::Outcome::Stopped;
        let ended = State::from_events(&[Event {
            v: VERSION,
            seq: 0,
            time: 1.0,
            body: Body::RunEnded { outcome, detail, bad_input: false },
        }]);
        has(&shown(&ended, &ui, size), &["late stopped while it waited for its turn", "R starts it now"]);
    }
    // Without any run it is the first screen, and its key begins the demo.
    let mut ui = on(Tab::Score);
    assert_eq!(ui.update(Action::Demo, &state), Some(Effect::StartDemo));
}

#[test]
fn a_list_that_is_being_read_is_not_empty() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let mut ui = on(Tab::Runs);
    has(&shown(&state, &ui, (80, 24)), &["No runs yet"]);
    ui.reading = Some((12, 200));
    let text = shown(&state, &ui, (80, 24));
    has(&text, &["is being read", "of 200"]);
    assert!(!text.contains("No runs yet"));
    ui.tab = Tab::Score;
    let first = shown(&State::default(), &ui, (80, 24));
    has(&first, &["reading runs"]);
    assert!(!first.contains("no runs yet"));
}

#[test]
fn a_folder_that_is_gone_is_said() {
    let state = State::from_events(&fixture::journal(Until::Searching, 1));
    let mut ui = on(Tab::Search);
    (ui.opened, ui.missing, ui.engine_alive) = (Some("fashion-7f3a".into()), true, false);
    has(&shown(&state, &ui, (80, 24)), &["gone"]);
    assert_eq!(ui.update(Action::Pause, &state), None);
    assert!(ui.flash.as_ref().unwrap().0.contains("deleted or moved"));
    assert_eq!(ui.update(Action::Resume, &state), None);
}

#[test]
fn the_charts_tell_what_the_log_tells() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let last = state.search.epochs.last().unwrap();
    let told = format!("{:.1} %", last.train_accuracy * 100.0);
    assert_ne!(told, format!("{:.1} %", state.epochs.latest.unwrap().train_accuracy * 100.0));
    let text = shown(&state, &on(Tab::Search), (200, 60));
    has(&text, &[&format!("train {told}"), "means of epoch 4"]);
    assert!(
        shown(&state, &on(Tab::Log), (120, 40)).contains(&format!("accuracy {:.2} %", last.train_accuracy * 100.0))
    );
    // At the time cursor, those of the epoch before it; before the first, what there is so far.
    let mut ui = on(Tab::Search);
    ui.inspect = Some(2.5);
    has(
        &shown(&state, &ui, (200, 60)),
        &["means of epoch 2", &format!("{:.1} %", state.search.epochs[1].train_accuracy * 100.0)],
    );
    ui.inspect = Some(0.5);
    has(&shown(&state, &ui, (200, 60)), &["means so far"]);
    for size in SIZES {
        has(&shown(&state, &on(Tab::Search), size), &["train 84", "valid 79"]);
    }
}

#[test]
fn a_genotype_that_may_change_is_called_so() {
    let state = State::from_events(&fixture::journal(Until::Searching, 1));
    assert_eq!(state.passing().as_deref(), Some("of epoch 2 of 4, not the last"));
    let mut ui = on(Tab::Cell);
    ui.update(Action::Train, &state);
    assert_eq!(ui.overlay, Some(Overlay::Menu { menu: Menu::Train, cursor: 0 }));
    has(&shown(&state, &ui, (80, 24)), &["of epoch 2 of 4, not the last"]);
    for until in [Until::Done, Until::Training, Until::Proposed] {
        assert_eq!(State::from_events(&fixture::journal(until, 1)).passing(), None);
    }
}

#[test]
fn cells_show_what_was_ahead_of_what_at_every_size() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    for size in [(80, 24), (100, 30), (120, 40), (160, 48), (200, 60)] {
        let text = shown(&state, &on(Tab::Cell), size);
        has(&text, &["ahead of", "nearest published"]);
        assert_eq!(text.matches(" by 0").count() + text.matches(" by −").count(), 16, "{size:?}\n{text}");
    }
}

#[test]
fn equal_weights_have_one_colour_in_both_cells() {
    use ratatui::style::Color;
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let buffer = paint(&state, &on(Tab::Search), &theme(ColorDepth::True), (200, 60));
    let mut colours = std::collections::BTreeMap::<String, Vec<Color>>::new();
    for y in 3..17 {
        for x in 80..198u16 {
            let text: String = (x..x + 3).map(|x| buffer[(x, y)].symbol()).collect();
            let (before, after) = (buffer[(x - 1, y)].symbol(), buffer[((x + 3).min(199), y)].symbol());
            if text.starts_with('.') && text[1..].chars().all(|c| c.is_ascii_digit()) && before == " " && after == " " {
                colours.entry(text).or_default().push(buffer[(x, y)].bg);
            }
        }
    }
    assert!(colours.len() > 5, "{colours:?}");
    let light = |c: &Color| match c {
        Color::Rgb(r, g, b) => crate::explorer::color::to_oklab(crate::explorer::color::Rgb(*r, *g, *b))[0],
        _ => f64::NAN,
    };
    // Written with two digits; the colours of one text differ by no more than their rounding does.
    for (text, found) in &colours {
        let (low, high) = found.iter().map(light).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        assert!(high - low < 0.05, "{text}: {low} to {high}");
    }
}

#[test]
fn prompts_take_back_words_and_the_help_is_searched() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let mut ui = on(Tab::Log);
    ui.update(Action::Filter, &state);
    "loss of epoch".chars().for_each(|c| assert!(ui.typed(Some(c))));
    assert!(ui.retyped(|t| _ = t.key("ctrl-w".parse().unwrap())));
    assert_eq!(ui.filter(), "loss of ");
    assert!(ui.retyped(|t| t.set("")));
    assert_eq!(ui.filter(), "");
    ui.update(Action::No, &state);
    assert!(!ui.retyped(|t| t.set("")), "nothing is typed any more");
    ui.update(Action::Help, &state);
    ui.update(Action::Filter, &state);
    assert!(matches!(ui.overlay, Some(Overlay::Prompt { asked: Asked::Help, .. })));
    "genotype python".chars().for_each(|c| assert!(ui.typed(Some(c))));
    let text = shown(&state, &ui, (80, 24));
    has(&text, &["find in the help: genotype python", "Copy the genotype as Python text"]);
    assert!(!text.contains("Logarithmic") && !text.contains("more below"), "{text}");
    ui.update(Action::Yes, &state);
    has(&shown(&state, &ui, (80, 24)), &["help with `genotype python`"]);
    ui.update(Action::No, &state);
    assert_eq!((ui.overlay.is_none(), ui.wanted.as_str()), (true, ""));
}

#[test]
fn ascii_writes_signs_that_it_has_no_letter_for_in_words() {
    let state = State::from_events(&fixture::journal(Until::Done, 1));
    let theme = Theme { depth: ColorDepth::Mono, ascii: true, markers: Markers::Ascii, name: Name::Dark };
    let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 20, 1));
    let area = buffer.area;
    let mut pad = crate::explorer::draw::Pad::new(&mut buffer, area, &theme);
    let end = pad.text(0, 0, "1 ± 2 ≥ 0 ≠ 3", ratatui::style::Style::new());
    assert_eq!((end, lines(&buffer)[0].trim_end()), (17, "1 +/- 2 >= 0 != 3"));
    // Nothing on any screen with wide letters breaks the ASCII theme.
    let mut ui = on(Tab::Log);
    ui.opened = Some("数据".into());
    let text = lines(&paint_with(&state, &ui, &theme, (80, 24), &Hits::default())).join("\n");
    assert!(text.is_ascii());
}

#[test]
fn narrow_windows_say_what_they_have_no_room_for() {
    let state = State::from_events(&fixture::journal(Until::Searching, 1));
    let mut ui = on(Tab::Search);
    ui.width = 40;
    assert_eq!((ui.update(Action::EdgeLines, &state), ui.edge_lines), (None, false));
    assert!(ui.flash.as_ref().unwrap().0.contains("72 columns"));
    ui.width = 80;
    ui.update(Action::EdgeLines, &state);
    assert!(ui.edge_lines);
}

#[test]
fn a_search_that_stopped_early_says_so_and_why() {
    let mut events = fixture::journal(Until::Searching, 1);
    let after = events.iter().rposition(|e| matches!(e.body, Body::EpochEnded(_))).unwrap();
    events.truncate(after + 1);
    for e in &mut events {
        if let Body::SearchStarted(s) = &mut e.body {
            (s.stop, s.regularisers) = (vec!["skips:1".into()], vec!["beta_decay".into()]);
        }
    }
    let last = events[after].clone();
    let reason = "the normal cell has 1 skip connection".to_string();
    let body = Body::SearchStopped { epoch: 1, reason: reason.clone() };
    events.push(Event { seq: last.seq + 1, body, ..last.clone() });
    let mut state = State::from_events(&events);
    assert_eq!((state.epochs.progress(), state.search.stopped.clone()), (1.0, Some((1, reason.clone()))));
    for size in SIZES {
        has(&shown(&state, &on(Tab::Search), size), &["100 %", "2/4 · stopped early"]);
    }
    has(&shown(&state, &on(Tab::Search), (200, 60)), &["first order", "beta_decay, may stop by skips:1", &reason]);
    has(&shown(&state, &on(Tab::Log), (120, 40)), &[&format!("the search stops after epoch 2: {reason}")]);
    // An epoch that is told again is not yet judged.
    state.apply(&Event { seq: last.seq + 2, ..last });
    assert_eq!((state.epochs.progress(), state.search.stopped), (0.5, None));
}
