//! Every action with its id, title, description and default keys, in one table. Footer, help and key map are derived from
//! it, so they cannot drift.

/// Something that a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Help,
    Suspend,
    Redraw,
    ShowScore,
    ShowCut,
    ShowSearch,
    ShowCell,
    ShowRuns,
    ShowLog,
    Left,
    Right,
    Up,
    Down,
    First,
    Last,
    PageUp,
    PageDown,
    OtherCell,
    Pause,
    Show,
    Function,
    LevelDown,
    LevelUp,
    Toggle,
    WholeEdge,
    WholeKind,
    Undo,
    Redo,
    Automatic,
    Controls,
    Confirm,
    Stop,
    Abort,
    Checkpoint,
    LogScale,
    Markers,
    Copy,
    Export,
    Open,
    Demo,
    Follow,
    Back,
    Forward,
    Slower,
    Faster,
    Yes,
    No,
}

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    Everywhere,
    Start,
    Score,
    Cut,
    Search,
    Cell,
    Runs,
    Log,
    /// The help text.
    Help,
    /// A choice from a list.
    Menu,
}

impl Context {
    /// A dialogue lies over a screen and takes all keys.
    pub const fn is_dialogue(self) -> bool {
        matches!(self, Context::Help | Context::Menu)
    }

    pub const fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Start => "Start",
            Context::Score => "Score",
            Context::Cut => "Cut",
            Context::Search => "Search",
            Context::Cell => "Cell",
            Context::Runs => "Runs",
            Context::Log => "Log",
            Context::Help => "Help",
            Context::Menu => "Dialogues",
        }
    }
}

/// One row of the table.
pub struct Spec {
    pub action: Action,
    /// For the configuration file and the command palette.
    #[cfg_attr(not(test), expect(dead_code, reason = "keys cannot be remapped yet"))]
    pub id: &'static str,
    /// A word or two, for the footer.
    pub title: &'static str,
    /// One sentence, for the help.
    pub description: &'static str,
    pub keys: &'static [&'static str],
    pub contexts: &'static [Context],
    /// The footer shows those with a number, lowest first, while there is room.
    pub footer: Option<u8>,
}

use Context::{Cell, Cut, Everywhere, Help, Log, Menu, Runs, Score, Search, Start};

const fn spec(
    action: Action,
    id: &'static str,
    title: &'static str,
    description: &'static str,
    keys: &'static [&'static str],
    contexts: &'static [Context],
    footer: Option<u8>,
) -> Spec {
    Spec { action, id, title, description, keys, contexts, footer }
}

const GRIDS: &[Context] = &[Score, Cut, Search];
const LISTS: &[Context] = &[Score, Cut, Search, Cell, Runs, Log, Help, Menu];
const LIVE: &[Context] = &[Score, Search];

/// Every action. The order is that of the help.
#[rustfmt::skip]
pub const ACTIONS: &[Spec] = &[
    spec(Action::ShowScore, "show_score", "score", "Scores of every operation.", &["1"], &[Everywhere], None),
    spec(Action::ShowCut, "show_cut", "cut", "What is kept and what goes.", &["2"], &[Everywhere], None),
    spec(Action::ShowSearch, "show_search", "search", "The one-shot search.", &["3"], &[Everywhere], None),
    spec(Action::ShowCell, "show_cell", "cell", "The cells that were found.", &["4"], &[Everywhere], None),
    spec(Action::ShowRuns, "show_runs", "runs", "All runs in the runs folder.", &["5"], &[Everywhere], None),
    spec(Action::ShowLog, "show_log", "log", "What the engine said.", &["6"], &[Everywhere], None),
    spec(Action::Help, "help", "help", "This text.", &["?", "f1"], &[Everywhere], None),
    spec(Action::Quit, "quit", "quit", "Leave; asks first while a run is alive.", &["q", "ctrl-c"], &[Everywhere], None),
    spec(Action::Suspend, "suspend", "suspend", "Back to the shell; `fg` returns.", &["ctrl-z"], &[Everywhere], None),
    spec(Action::Redraw, "redraw", "redraw", "Draw the whole screen again.", &["ctrl-l"], &[Everywhere], None),

    spec(Action::Back, "back", "back", "Replay: back by a twentieth of the run.", &[","], &[Everywhere], None),
    spec(Action::Forward, "forward", "forward", "Replay: on by a twentieth of the run.", &["."], &[Everywhere], None),
    spec(Action::Slower, "slower", "slower", "Replay: half as fast.", &["<"], &[Everywhere], None),
    spec(Action::Faster, "faster", "faster", "Replay: twice as fast.", &[">"], &[Everywhere], None),

    spec(Action::Left, "left", "left", "One operation to the left.", &["left", "h"], GRIDS, None),
    spec(Action::Right, "right", "right", "One operation to the right.", &["right", "l"], GRIDS, None),
    spec(Action::Up, "up", "up", "One line up.", &["up", "k"], LISTS, None),
    spec(Action::Down, "down", "down", "One line down.", &["down", "j"], LISTS, None),
    spec(Action::First, "first", "first", "To the first line.", &["home", "g"], LISTS, None),
    spec(Action::Last, "last", "last", "To the last line.", &["end", "G"], LISTS, None),
    spec(Action::PageUp, "page_up", "page up", "One page up.", &["pgup", "ctrl-b"], LISTS, None),
    spec(Action::PageDown, "page_down", "page down", "One page down.", &["pgdn", "ctrl-f"], LISTS, None),
    spec(Action::OtherCell, "other_cell", "other cell", "Between the normal and the reduction cell.", &["tab", "shift-tab"], &[Score, Cut, Search, Cell], Some(3)),

    spec(Action::Show, "show", "value/rank/spread", "Show the score, its rank, or its spread over draws.", &["v"], &[Score], Some(1)),
    spec(Action::Function, "function", "proxy", "Show the sum, or one ranking function alone.", &["p"], &[Score], Some(2)),
    spec(Action::Pause, "pause", "pause", "Pause the run, or let it go on.", &["space"], LIVE, Some(4)),
    spec(Action::Pause, "pause_search", "pause", "Pause the run, or let it go on.", &["p"], &[Search], None),

    spec(Action::LevelDown, "level_down", "ξ −", "Prune less: one operation an edge comes back.", &["["], &[Cut], Some(1)),
    spec(Action::LevelUp, "level_up", "ξ +", "Prune more: one operation an edge goes.", &["]"], &[Cut], Some(1)),
    spec(Action::Toggle, "toggle", "keep/drop", "Keep or drop the operation under the cursor.", &["space"], &[Cut], Some(1)),
    spec(Action::WholeEdge, "whole_edge", "edge", "Keep everything on this edge, or only its best.", &["e"], &[Cut], Some(4)),
    spec(Action::WholeKind, "whole_kind", "kind", "Keep or drop this operation on every edge of the cell.", &["K"], &[Cut], Some(5)),
    spec(Action::Undo, "undo", "undo", "Take back the last change.", &["u"], &[Cut], Some(2)),
    spec(Action::Redo, "redo", "redo", "Do again what was taken back.", &["ctrl-r"], &[Cut], Some(6)),
    spec(Action::Automatic, "automatic", "automatic", "Take back all changes by hand.", &["a"], &[Cut], Some(7)),
    spec(Action::Controls, "controls", "controls", "Controls of equal size: random, cheapest, most parameters.", &["c"], &[Cut], Some(8)),
    spec(Action::Confirm, "confirm", "confirm", "Accept this cut and start the search; asks first.", &["enter"], &[Cut], Some(0)),

    spec(Action::Stop, "stop", "stop", "Stop after this epoch or round, with a checkpoint.", &["s"], LIVE, Some(5)),
    spec(Action::Abort, "abort", "abort", "Stop at once; asks first.", &["x"], LIVE, Some(7)),
    spec(Action::Checkpoint, "checkpoint", "checkpoint", "Save a checkpoint now.", &["w"], &[Search], Some(6)),
    spec(Action::LogScale, "log_scale", "log", "Logarithmic or linear loss.", &["L"], &[Search], Some(2)),
    spec(Action::Markers, "markers", "markers", "Lines of dots, blocks or letters.", &["m"], &[Search], Some(8)),

    spec(Action::Copy, "copy", "copy", "Copy the genotype as Python text (through the terminal, OSC 52).", &["y"], &[Cell], Some(1)),
    spec(Action::Export, "export", "export", "Write JSON, Python and DOT files into the run's folder.", &["e"], &[Cell], Some(2)),

    spec(Action::Open, "open", "open", "Open the run under the cursor.", &["enter"], &[Runs], Some(0)),
    spec(Action::Follow, "follow", "follow", "Stay at the newest line.", &["f"], &[Log], Some(1)),
    spec(Action::Demo, "demo", "start the demo", "Score, cut and search on embedded Fashion-MNIST.", &["enter"], &[Start], Some(0)),

    spec(Action::Yes, "choose", "choose", "Do what is marked.", &["enter", "space"], &[Menu], Some(0)),
    spec(Action::No, "close", "close", "Back, with nothing done.", &["esc", "q", "ctrl-c", "?"], &[Help, Menu], Some(1)),
];

/// A key as the footer and the help show it.
pub fn key_text(key: &str) -> String {
    match key {
        "left" => "←".into(),
        "right" => "→".into(),
        "up" => "↑".into(),
        "down" => "↓".into(),
        other => other.into(),
    }
}

/// What the footer of a screen offers, most important first: keys and title.
pub fn footer(context: Context) -> Vec<(String, &'static str)> {
    let mut rows: Vec<&Spec> = ACTIONS.iter().filter(|s| s.footer.is_some() && s.contexts.contains(&context)).collect();
    rows.sort_by_key(|s| s.footer);
    rows.into_iter().filter_map(|s| s.keys.first().map(|key| (key_text(key), s.title))).collect()
}

/// The help: sections of lines, each with its keys and what they do.
pub fn help() -> Vec<(&'static str, Vec<(String, &'static str)>)> {
    let order = [Everywhere, Start, Score, Cut, Search, Cell, Runs, Log, Menu];
    let mut sections = Vec::new();
    let moving: Vec<&Spec> = ACTIONS.iter().filter(|s| s.contexts == LISTS || s.contexts == GRIDS).collect();
    for context in order {
        let rows: Vec<_> = ACTIONS
            .iter()
            .filter(|s| s.contexts.contains(&context) && !moving.iter().any(|m| m.action == s.action))
            .map(|s| (keys_text(s), s.description))
            .collect();
        if !rows.is_empty() {
            sections.push((context.title(), rows));
        }
        if context == Everywhere {
            sections.push(("Moving", moving.iter().map(|s| (keys_text(s), s.description)).collect()));
        }
    }
    sections
}

fn keys_text(spec: &Spec) -> String {
    spec.keys.iter().map(|k| key_text(k)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_described_and_has_a_key() {
        for (i, spec) in ACTIONS.iter().enumerate() {
            assert!(!spec.keys.is_empty() && !spec.contexts.is_empty(), "{}", spec.id);
            assert!(spec.description.ends_with('.'), "{}", spec.id);
            assert!(ACTIONS.iter().skip(i + 1).all(|o| o.id != spec.id), "{}", spec.id);
        }
    }

    #[test]
    fn the_help_names_every_action() {
        let lines: Vec<_> = help().into_iter().flat_map(|(_, rows)| rows).collect();
        for spec in ACTIONS {
            assert!(lines.iter().any(|(_, text)| *text == spec.description), "{}", spec.id);
        }
    }
}
