//! The Score and Cut screens tell what decided, and how far it is to be trusted.

use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::*;
use crate::explorer::action::Action;
use crate::explorer::ui::{Effect, Layout, Menu};
use crate::proxies::aggregate::{Aggregate, combine};
use crate::run::command::{Body as Order, Edit};
use crate::run::event::{Body, Cut, Event, Removal};
use crate::run::number::Number;
use crate::space::{By, Edge, Place, darts};

fn state_by(aggregate: Aggregate, until: Until) -> State {
    State::from_events(&fixture::journal_by(aggregate, until, 1))
}

fn on(tab: Tab) -> Ui {
    let mut ui = Ui::new(Markers::Braille);
    ui.tab = tab;
    ui
}

fn shown(state: &State, ui: &Ui, size: (u16, u16)) -> String {
    lines(&paint(state, ui, &theme(ColorDepth::True), size)).join("\n")
}

/// The journal with its cuts, removals and votes changed.
fn changed(until: Until, cut: impl Fn(&mut Cut), removal: impl Fn(&mut Removal), silent: Option<&str>) -> State {
    let mut events = fixture::journal(until, 1);
    for event in &mut events {
        match &mut event.body {
            Body::CutProposed(c) | Body::CutConfirmed(c) => cut(c),
            Body::RoundEnded { removed, votes, .. } => {
                removed.iter_mut().for_each(&removal);
                if let Some(why) = silent {
                    votes[1].silent = Some(why.into());
                    votes[1].divisor = Number(f64::NAN);
                }
            }
            _ => {}
        }
    }
    State::from_events(&events)
}

#[test]
fn the_number_is_the_one_that_decided() {
    for aggregate in Aggregate::ALL {
        let state = state_by(aggregate, Until::Done);
        let score = &state.score;
        assert_eq!(score.removals.len(), 168);
        for (round, removal) in &score.removals {
            assert_eq!(score.deciding(removal.place), Some(*round));
            assert_eq!(score.number(removal.place, None, None), Some(removal.score.0), "{aggregate:?}");
        }
        // What is left was decided about in the last round.
        for place in darts::SPACE.places().filter(|p| score.place(*p).alive) {
            let mean = score.of_round(5).unwrap().summary(place).unwrap().mean.0;
            assert_eq!(score.number(place, None, None), Some(mean));
        }
        // On the screen too: the number of the operation under the cursor.
        let (_, removal) = &score.removals[100];
        let mut ui = on(Tab::Score);
        ui.go_to(removal.place);
        let text = shown(&state, &ui, (120, 40));
        let label = if aggregate == Aggregate::Ranks { " rank sum " } else { " sum " };
        has(&text, &[label, &super::super::text::significant(removal.score.0, 3), "removed in round 4"]);
        ui.layout = super::super::ui::Layout::List;
        has(&shown(&state, &ui, (120, 40)), &[&super::super::text::significant(removal.score.0, 3)]);
    }
}

#[test]
fn a_round_under_way_is_judged_by_the_draws_so_far() {
    for aggregate in Aggregate::ALL {
        let events = fixture::journal_by(aggregate, Until::Scoring, 1);
        let state = State::from_events(&events);
        let places: Vec<Place> = darts::SPACE.places().filter(|p| state.score.place(*p).alive).collect();
        let mut relative = vec![vec![vec![f64::NAN; 2]; 2]; places.len()];
        for event in &events {
            if let Body::Score { round: 1, draw, place, relative: values, .. } = &event.body {
                let i = places.iter().position(|p| p == place).unwrap();
                relative[i][*draw] = values.iter().map(|v| v.0).collect();
            }
        }
        let edges: Vec<usize> = places.iter().map(|p| p.cell.index() * 14 + p.edge.number().unwrap_or(0)).collect();
        let combined = combine(aggregate, &edges, &relative);
        for (place, samples) in places.iter().zip(&combined.samples) {
            let mean = samples.iter().sum::<f64>() / samples.len() as f64;
            assert_eq!(state.score.number(*place, None, None), Some(mean), "{aggregate:?} {place}");
        }
        has(&shown(&state, &on(Tab::Score), (80, 24)), &["round 2 so far"]);
    }
    // One more draw is one more number, not an old one.
    let events = fixture::journal_by(Aggregate::Noise, Until::Proposed, 1);
    let begun = events.iter().position(|e| matches!(e.body, Body::RoundStarted { round: 0, .. })).unwrap();
    let mut state = State::from_events(&events[..begun + 1]);
    let place: Place = "normal:0:sep_conv_3x3".parse().unwrap();
    let mut seen = Vec::new();
    for event in &events[begun + 1..] {
        state.apply(event);
        if matches!(event.body, Body::RoundEnded { .. }) {
            break;
        }
        let now = state.score.number(place, None, None);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert!(seen.len() > 3 && seen[0].is_none(), "{seen:?}");
    assert!(seen[1..].iter().all(Option::is_some), "once there is a number there always is");
}

#[test]
fn journals_without_votes_show_what_decided_then() {
    let mut events = fixture::journal(Until::Done, 1);
    for event in &mut events {
        if let Body::RoundEnded { votes, summaries, .. } = &mut event.body {
            votes.clear();
            summaries.iter_mut().for_each(|s| s.votes.clear());
        }
    }
    let state = State::from_events(&events);
    for (_, removal) in &state.score.removals {
        assert_eq!(state.score.number(removal.place, None, None), Some(removal.score.0));
    }
    assert!(state.score.silent(None).is_empty());
    for size in SIZES {
        let text = shown(&state, &on(Tab::Score), size);
        assert!(!text.contains("no vote"), "{text}");
        shown(&state, &on(Tab::Cut), size);
    }
}

/// Number and brightness of every entry of the left map, 80 columns wide.
fn entries(buffer: &Buffer) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    for y in 3..17 {
        for c in 0..7u16 {
            let x = 4 + 5 * c;
            let text: String = (0..5).map(|i| buffer[(x + i, y)].symbol().to_string()).collect();
            let text: String = text.chars().filter(|c| c.is_ascii_digit() || ".−".contains(*c)).collect();
            let Ok(number) = text.replace('−', "-").parse::<f64>() else { continue };
            let cell = &buffer[(x + 3, y)];
            let Color::Rgb(r, g, b) = cell.bg else { continue };
            found.push((number, super::super::color::to_oklab(super::super::color::Rgb(r, g, b))[0]));
        }
    }
    found
}

#[test]
fn colour_says_the_same_as_the_number() {
    for aggregate in Aggregate::ALL {
        let state = state_by(aggregate, Until::Done);
        for round in [None, Some(0), Some(2), Some(5)] {
            for view in [Shown::Value, Shown::Rank] {
                let mut ui = on(Tab::Score);
                (ui.shown, ui.round, ui.edge) = (view, round, Edge::new(13).unwrap());
                let mut seen = entries(&paint(&state, &ui, &theme(ColorDepth::True), (80, 24)));
                assert!(seen.len() >= 20, "{aggregate:?} {round:?}: {}", seen.len());
                seen.sort_by(|a, b| a.0.total_cmp(&b.0));
                if view == Shown::Rank {
                    seen.reverse();
                }
                // Numbers that look the same have one place or another among the equal.
                let ordered = |w: &[(f64, f64)]| w[0].0 == w[1].0 || w[0].1 <= w[1].1 + 0.02;
                assert!(seen.windows(2).all(ordered), "{aggregate:?} {round:?} {view:?}: {seen:?}");
            }
        }
    }
}

#[test]
fn one_round_is_chosen_by_key() {
    let state = state_by(Aggregate::Noise, Until::Done);
    let mut ui = on(Tab::Score);
    has(&shown(&state, &ui, (80, 24)), &["deciding rounds", "] round"]);
    ui.update(Action::RoundOn, &state);
    assert_eq!(ui.round, Some(0));
    for _ in 0..2 {
        ui.update(Action::RoundOn, &state);
    }
    let text = shown(&state, &ui, (120, 40));
    has(&text, &["· round 3 ", "mean by kind of operation, round 3", "highest first"]);
    // What was removed before has no number there.
    assert_eq!(text.matches('—').count(), 2 * 28);
    let list = ui.ordered(&state);
    assert_eq!(list.len(), 28 * 5);
    let numbers: Vec<f64> = list.iter().map(|p| state.score.number(*p, None, Some(2)).unwrap()).collect();
    assert!(numbers.windows(2).all(|w| w[0] >= w[1]), "highest first, by value");
    for _ in 0..4 {
        ui.update(Action::RoundOn, &state);
    }
    assert_eq!(ui.round, None, "after the last come the deciding rounds");
    ui.update(Action::RoundBack, &state);
    assert_eq!(ui.round, Some(5));
    // A run that has not come so far shows what it has.
    let early = state_by(Aggregate::Noise, Until::Scoring);
    assert_eq!(ui.round_of(&early), None);
    has(&shown(&early, &ui, (80, 24)), &["round 2 so far"]);
}

#[test]
fn the_filter_knows_every_name() {
    let state = state_by(Aggregate::Relative, Until::Done);
    let mut ui = on(Tab::Score);
    for (typed, count) in [
        ("sep3", 28),
        ("sp3", 28),
        ("SEP3 normal", 14),
        ("sep_conv_3x3", 28),
        ("0>2", 14),
        ("0▸2", 14),
        ("0->2 reduction", 7),
        ("normal", 98),
        ("normal:0:sep_conv_3x3", 1),
        ("sep7", 0),
    ] {
        ui.filters[0] = typed.into();
        assert_eq!(ui.ordered(&state).len(), count, "{typed}");
    }
}

#[test]
fn p_of_one_in_twenty_is_significant_on_the_screen_as_in_the_engine() {
    let mut events = fixture::journal(Until::Done, 1);
    for event in &mut events {
        if let Body::RoundEnded { summaries, .. } = &mut event.body {
            summaries.iter_mut().for_each(|s| s.p = s.next.map(|_| Number(0.05)));
        }
    }
    let text = shown(&State::from_events(&events), &on(Tab::Score), (120, 40));
    has(&text, &["beyond noise (p=0.050)", "0.050"]);
    assert!(!text.contains("0.050 tie"));
    let mut ui = on(Tab::Score);
    ui.overlay = Some(Overlay::Help { scroll: 0 });
    let words = shown(&State::from_events(&events), &ui, (120, 100));
    has(&words, &["above 0.05"]);
    assert!(!words.contains("from 0.05 on"));
}

#[test]
fn random_looks_no_safer_than_scores() {
    for (source, words) in
        [("random", "chance decides all"), ("cheapest", "the cheapest"), ("most_parameters", "most parameters")]
    {
        let state = changed(Until::Proposed, |c| (c.source, c.warnings) = (source.into(), vec![]), |_| {}, None);
        for size in [(80, 24), (120, 40), (200, 60)] {
            let text = shown(&state, &on(Tab::Cut), size);
            has(&text, &["a control", words]);
            assert!(!text.contains("no warnings"), "{text}");
        }
    }
    // With two draws no test can tell anything, and the screens say so.
    let mut events = fixture::journal(Until::Proposed, 1);
    for event in &mut events {
        match &mut event.body {
            Body::ScoringStarted(s) => s.draws = 2,
            Body::RoundEnded { summaries, .. } => {
                summaries.iter_mut().for_each(|s| s.p = s.next.map(|_| Number(1.0 / 6.0)));
            }
            _ => {}
        }
    }
    let state = State::from_events(&events);
    has(&shown(&state, &on(Tab::Score), (80, 24)), &["at least 1/6 (2 draws)"]);
    for size in [(80, 24), (120, 40), (200, 60)] {
        has(&shown(&state, &on(Tab::Cut), size), &["1/6"]);
    }
    let three = state_by(Aggregate::Relative, Until::Proposed);
    assert!(!shown(&three, &on(Tab::Cut), (120, 40)).contains("1/"));
}

#[test]
fn over_budget_is_said_and_coloured() {
    let state = state_by(Aggregate::Relative, Until::Proposed);
    let bytes = state.cut.cut.as_ref().unwrap().memory_bytes;
    for size in [(80, 24), (120, 40), (200, 60)] {
        let style = |budget: u64| {
            let mut state = state.clone();
            state.cut.cut.as_mut().unwrap().budget_bytes = Some(budget);
            let buffer = paint(&state, &on(Tab::Cut), &theme(ColorDepth::True), size);
            let text = lines(&buffer);
            let y = text.iter().position(|l| l.contains(" memory ") && l.contains("1.39 GiB")).unwrap();
            let x = text[y].find("1.39 GiB").map(|b| text[y][..b].chars().count()).unwrap();
            (buffer[(x as u16, y as u16)].fg, text.join("\n"))
        };
        let (within, text) = style(bytes);
        assert!(!text.contains("over the budget"));
        let (over, text) = style(bytes - 1);
        has(&text, &["over the budget of"]);
        assert_ne!(within, over);
    }
}

#[test]
fn a_cut_by_chance_is_not_called_by_scores() {
    // One edge in four was never defined.
    let lost = |r: &mut Removal| {
        if r.place.edge.number().unwrap_or(0).is_multiple_of(4) {
            (r.undefined, r.by_lot, r.score) = (true, true, Number(f64::NAN));
        }
    };
    let state = changed(Until::Proposed, |_| {}, lost, None);
    for size in [(80, 24), (120, 40), (200, 60), (40, 12)] {
        let text = shown(&state, &on(Tab::Cut), size);
        let first = text.lines().nth(1).unwrap();
        assert!(first.trim_start().starts_with("Not by scores: "), "{text}");
    }
    has(&shown(&state, &on(Tab::Score), (80, 24)), &["of 168: by chance"]);
    let mut ui = on(Tab::Cut);
    ui.overlay = Some(Overlay::Menu { menu: Menu::Confirm, cursor: 0 });
    has(&shown(&state, &ui, (120, 40)), &["Not by scores: "]);
    // A few are told, and do not make it another cut.
    let few = |r: &mut Removal| {
        r.undefined = r.place.edge.number().unwrap_or(0) == 3 && r.place.operation == Operation::MaxPool3x3
    };
    let text = shown(&changed(Until::Proposed, |_| {}, few, None), &on(Tab::Cut), (120, 40));
    has(&text, &["2 of 85 decisions had no defined"]);
    assert!(!text.contains("Not by scores"));
}

#[test]
fn a_function_without_a_vote_is_named_with_its_reason() {
    let why = "it is the same whichever operation of an edge is left out";
    let state = changed(Until::Proposed, |_| {}, |_| {}, Some(why));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let score = words(&shown(&state, &on(Tab::Score), (120, 40)));
    has(&score, &["no vote: it is the", "no vote nngp_frobenius: it is the same"]);
    has(&shown(&state, &on(Tab::Score), (80, 24)), &["no vote"]);
    has(&words(&shown(&state, &on(Tab::Cut), (200, 60))), &["nngp_frobenius has no vote: it is"]);
    has(&shown(&state, &on(Tab::Cut), (120, 40)), &["nngp_frobenius: no vote"]);
    // In a round or two only: said so.
    let mut events = fixture::journal(Until::Proposed, 1);
    for event in &mut events {
        if let Body::RoundEnded { round: 4 | 5, votes, .. } = &mut event.body {
            votes[1].silent = Some(why.into());
        }
    }
    let text = shown(&State::from_events(&events), &on(Tab::Cut), (200, 60));
    has(&words(&text), &["nngp_frobenius has no vote in 2 of 6 rounds"]);
}

#[test]
fn the_parameter_count_stands_beside_the_scores() {
    let state = state_by(Aggregate::Relative, Until::Proposed);
    let mask = state.cut.cut.as_ref().unwrap().mask;
    // By hand: on each edge the operations in the order of their parameters.
    let order = ["sep_conv_5x5", "sep_conv_3x3", "dil_conv_5x5", "dil_conv_3x3", "skip_connect", "max_pool_3x3"];
    let (mut same, mut differs) = (0, 0);
    for cell in darts::SPACE.kinds() {
        for edge in darts::SPACE.edges(CellKind::Normal).iter().copied() {
            let control: Vec<Operation> =
                order.iter().take(mask.count_on(cell, edge)).map(|o| o.parse().unwrap()).collect();
            same += control.iter().filter(|o| mask.keeps(cell, edge, **o)).count();
            differs +=
                darts::SPACE.operations().iter().filter(|o| mask.keeps(cell, edge, **o) != control.contains(o)).count();
        }
    }
    assert!(same < mask.count() && differs > 0);
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = shown(&state, &on(Tab::Cut), size);
        has(&text, &[&format!("{same}/{}", mask.count()), "parameter"]);
        // One more in the note that says what it means.
        assert_eq!(text.matches('≠').count(), differs + 1, "{text}");
    }
    has(&shown(&state, &on(Tab::Cut), (200, 60)), &["those of the parameter count", "those take"]);
}

#[test]
fn what_is_known_by_ground_truth_is_said_of_what_it_was_measured_for() {
    for (aggregate, known) in [(Aggregate::Noise, "0.66"), (Aggregate::Relative, "−0.01")] {
        let mut state = state_by(aggregate, Until::Proposed);
        // With a decision by hand it is another cut than what was measured.
        let edited = shown(&state, &on(Tab::Cut), (200, 60));
        assert!(!edited.contains(known), "{edited}");
        let cut = state.cut.cut.as_mut().unwrap();
        let hand = cut.by_hand.remove(0);
        cut.mask.set(hand, !cut.mask.contains(hand));
        for size in [(120, 40), (200, 60)] {
            let text = shown(&state, &on(Tab::Cut), size);
            has(&text, &[known]);
            assert!(text.contains("round truth") || text.contains("CIFAR-10 gain"), "{text}");
        }
    }
    let mut events = fixture::journal(Until::Proposed, 1);
    for event in &mut events {
        if let Body::ScoringStarted(s) = &mut event.body {
            s.functions[1] = "synflow".into();
        }
    }
    let text = shown(&State::from_events(&events), &on(Tab::Cut), (200, 60));
    assert!(
        !text.contains("round truth") && !text.contains("CIFAR-10 gain"),
        "not measured for these functions: {text}"
    );
}

#[test]
fn the_legend_stands_apart_from_the_curve() {
    let state = state_by(Aggregate::Relative, Until::Proposed);
    for size in [(120, 40), (200, 60), (160, 48)] {
        let text = lines(&paint(&state, &on(Tab::Cut), &theme(ColorDepth::True), size));
        let at = text.iter().position(|l| l.contains("predicted memory against")).unwrap();
        let legend = &text[at + 1];
        has(legend, &["● this cut", "□ by parameter count", "╌ full space"]);
        assert!(!legend.contains('┤') && legend.chars().all(|c| !('\u{2800}'..='\u{28ff}').contains(&c)));
        let end = text.iter().position(|l| l.contains("─ savings")).unwrap();
        assert_eq!(text[at + 2..end].concat().matches('●').count(), 1, "one cut, one point");
    }
    // A budget far above the space leaves the curve its room.
    let scale = |budget| {
        let mut state = state.clone();
        state.cut.cut.as_mut().unwrap().budget_bytes = budget;
        let text = shown(&state, &on(Tab::Cut), (120, 40));
        text.lines().find(|l| l.contains("GiB┤")).unwrap().split('┤').next().unwrap().to_string()
    };
    assert_eq!(scale(Some(1 << 40)), scale(None));
}

#[test]
fn bars_of_the_means_begin_at_zero() {
    let state = state_by(Aggregate::Relative, Until::Done);
    let text = lines(&paint(&state, &on(Tab::Score), &theme(ColorDepth::True), (200, 60)));
    let at = text.iter().position(|l| l.contains("mean by kind")).unwrap();
    let left =
        text[at].chars().collect::<String>().find("mean by kind").map(|b| text[at][..b].chars().count()).unwrap();
    let bar = |name: &str| {
        let part = |l: &String| l.chars().skip(left - 1).collect::<String>();
        let line = text[at + 1..].iter().map(part).find(|l| l.contains(name) && l.contains('━')).unwrap();
        let part: String = line.chars().skip_while(|c| *c != '━').take_while(|c| "━╸─".contains(*c)).collect();
        part.matches('━').count() as f64 + 0.5 * part.matches('╸').count() as f64
    };
    let mean = |o: Operation| {
        darts::SPACE
            .edges(CellKind::Normal)
            .iter()
            .copied()
            .map(|e| state.score.number(Place::new(CellKind::Normal, e, o), None, Some(0)).unwrap())
            .sum::<f64>()
    };
    let ratio = mean(Operation::AvgPool3x3) / mean(Operation::SepConv5x5);
    assert!((bar("avg_pool_3x3 ") / bar("sep_conv_5x5 ") - ratio).abs() < 0.08, "{ratio}");
}

#[test]
fn the_scatter_names_both_axes_and_needs_no_colours() {
    let state = state_by(Aggregate::Relative, Until::Done);
    let mut ui = on(Tab::Score);
    (ui.layout, ui.function) = (super::super::ui::Layout::Scatter, Some(0));
    for depth in [ColorDepth::Mono, ColorDepth::True] {
        let text = lines(&paint(&state, &ui, &theme(depth), (80, 24))).join("\n");
        has(&text, &["↑ nngp_frobenius", "naswot ▸ 196", "■ separable", "○ no weights", "▲ dilated"]);
        assert!(text.matches('■').count() > 20 && text.matches('○').count() > 30 && text.matches('▲').count() > 20);
    }
}

#[test]
fn figures_mark_ties_and_explain_nothing_that_is_not_there() {
    use super::super::figure::{What, svg};
    let hand = state_by(Aggregate::Relative, Until::Done);
    let cut = svg(&hand, What::Cut).unwrap();
    has(&cut, &["outlined: by hand", "dot: within noise", "as by parameters"]);
    let none = changed(Until::Done, |c| c.by_hand.clear(), |r| r.tie = false, None);
    let cut = svg(&none, What::Cut).unwrap();
    assert!(!cut.contains("outlined") && !cut.contains("within noise"));
    has(&svg(&hand, What::Scores).unwrap(), &["removed within noise"]);
    assert!(!svg(&none, What::Scores).unwrap().contains("within noise"));
}

#[test]
fn what_stands_behind_the_mean_is_named() {
    let state = state_by(Aggregate::Noise, Until::Done);
    for size in [(80, 24), (120, 40)] {
        let text = shown(&state, &on(Tab::Score), size);
        has(&text, &["± deviation, 3 draws"]);
        assert!(!text.contains("adds 0.…") && !text.contains("adds …"), "{text}");
    }
    has(&shown(&state, &on(Tab::Score), (120, 40)), &["none is left out", "none: left out before scoring"]);
}

#[test]
fn the_verdict_names_what_drives_the_sum() {
    let state = state_by(Aggregate::Noise, Until::Proposed);
    let text = shown(&state, &on(Tab::Cut), (200, 60));
    has(&text, &["of the differences between operations"]);
    let parts: f64 = state.verdict().unwrap().functions.iter().filter_map(|s| s.part).sum();
    assert!((parts - 1.0).abs() < 1e-9, "{parts}");
}

/// The fixture's journal as one of sampled cells: the first round alone.
fn sampled_events() -> Vec<Event> {
    let mut events = fixture::journal_by(Aggregate::Decorrelated, Until::Proposed, 1);
    for event in &mut events {
        if let Body::ScoringStarted(s) = &mut event.body {
            (s.estimator, s.sample, s.rounds) = ("cells".into(), 40, 1);
            s.functions = ["naswot", "mean_jacobian"].map(String::from).to_vec();
        }
    }
    events
}

fn sampled() -> State {
    State::from_events(&sampled_events())
}

#[test]
fn how_sure_a_cut_is_is_said_in_words() {
    let state = sampled();
    let verdict = state.verdict().unwrap();
    assert_eq!(State::verdict(&sampled()), Some(verdict), "the same each time");
    // Of seven candidates four stay: by chance four of seven of them again.
    // One is dropped by hand, of an edge where three are left.
    assert_eq!((verdict.kept, verdict.decisions), (111, 85));
    assert!((verdict.by_chance - (27.0 * 16.0 + 9.0) / 7.0).abs() < 1e-9);
    let stays = verdict.stays.unwrap();
    assert!((0.0..=1.0).contains(&stays), "{stays}");
    for size in [(80, 24), (120, 40), (200, 60)] {
        has(&shown(&state, &on(Tab::Cut), size), &["stays if redrawn (chance 57 %)", "as by parameters"]);
    }
    let several = shown(&state_by(Aggregate::Noise, Until::Proposed), &on(Tab::Cut), (200, 60));
    has(&several, &["Decided over several rounds"]);
    assert!(!several.contains("redrawn"));
    // One round needs no number on every operation, and cells are what is counted.
    let text = shown(&state, &on(Tab::Score), (120, 40));
    assert!(!text.contains('¹') && text.contains("cells/s") && !text.contains("1 rounds"), "{text}");
}

#[test]
fn a_key_chooses_what_the_cut_goes_by() {
    let state = sampled();
    let mut ui = on(Tab::Cut);
    assert_eq!(ui.update(Action::By, &state), None);
    let titles: Vec<String> = ui.choices(Menu::By, &state).into_iter().map(|c| c.0).collect();
    assert_eq!(
        titles,
        [
            "the scores, as the run does: decorrelated",
            "naswot alone",
            "mean_jacobian alone",
            "the scores, as noise",
            "the scores, as relative",
            "the scores, as ranks",
            "a control: at random",
            "a control: the cheapest by memory",
            "a control: the most parameters",
        ]
    );
    ui.update(Action::Down, &state);
    let by = By { functions: vec!["naswot".into()], aggregate: None };
    assert_eq!(ui.update(Action::Yes, &state), Some(Effect::Send(Order::Cut(Edit::By(by.clone())))));
    // Of such a cut the run's own removals tell nothing, and its title says what it goes by.
    let mut events = sampled_events();
    for event in &mut events {
        if let Body::CutProposed(cut) = &mut event.body {
            cut.by = by.clone();
        }
    }
    let state = State::from_events(&events);
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = shown(&state, &on(Tab::Cut), size);
        has(&text, &["by naswot", "stays if redrawn"]);
        assert!(!text.contains("removed in round") && !text.contains("CIFAR-10 gain"), "{text}");
    }
    let verdict = state.verdict().unwrap();
    assert_eq!(verdict.functions.iter().map(|s| s.function.as_str()).collect::<Vec<_>>(), ["naswot"]);
    assert!(verdict.scores.is_some());
}

#[test]
fn the_scatter_is_of_two_functions() {
    let state = sampled();
    let mut ui = on(Tab::Score);
    let apart = |ui: &Ui| ui.function != Some(ui.other_function) && ui.other_function < 2;
    for steps in 0..6 {
        for _ in 0..steps {
            ui.update(Action::Function, &state);
        }
        while ui.layout != Layout::Scatter {
            ui.update(Action::Order, &state);
        }
        assert!(apart(&ui), "{:?} {}", ui.function, ui.other_function);
        ui.update(Action::OtherFunction, &state);
        assert!(apart(&ui), "{:?} {}", ui.function, ui.other_function);
        ui.update(Action::Function, &state);
        assert!(apart(&ui), "{:?} {}", ui.function, ui.other_function);
        ui.update(Action::Order, &state);
    }
}
