//! Every action with its id, title, description and default keys, in one table. Footer, help and key map are derived from
//! it, so they cannot drift.

/// Something that a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Quit,
    Help,
    Palette,
    Warnings,
    Theme,
    Mouse,
    Bell,
    Suspend,
    Redraw,
    ShowScore,
    ShowCut,
    ShowSearch,
    ShowCell,
    ShowRuns,
    ShowLog,
    ShowStudy,
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
    OtherFunction,
    RoundBack,
    RoundOn,
    Order,
    Filter,
    LevelDown,
    LevelUp,
    Budget,
    Scope,
    Mark,
    Toggle,
    WholeEdge,
    WholeKind,
    Undo,
    Redo,
    Automatic,
    Controls,
    By,
    Train,
    Confirm,
    Stop,
    Abort,
    Checkpoint,
    EdgeLines,
    Inspect,
    Earlier,
    Later,
    ZoomIn,
    ZoomOut,
    ZoomAll,
    LogScale,
    Smooth,
    Axis,
    Freeze,
    Markers,
    Copy,
    Export,
    Open,
    Choose,
    Compare,
    Pin,
    Replay,
    Resume,
    Delete,
    Columns,
    SortBack,
    SortOn,
    Turn,
    Group,
    Note,
    Tags,
    New,
    /// In a form: what the text in a field may become.
    Complete,
    CompleteBack,
    Measure,
    Baseline,
    Demo,
    Follow,
    LogLevel,
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
    /// A run is open that has not said anything yet: it is queued, or was never begun.
    Waiting,
    Score,
    Cut,
    Search,
    Cell,
    Runs,
    /// Runs side by side.
    Compare,
    Log,
    Study,
    /// The help text, the list of warnings.
    Help,
    /// A choice from a list.
    Menu,
    /// Text is typed: all keys but these go into it.
    Text,
    /// The same, in the fields of a new run.
    Form,
}

impl Context {
    pub const ALL: [Context; 15] = [
        Context::Everywhere,
        Context::Start,
        Context::Waiting,
        Context::Score,
        Context::Cut,
        Context::Search,
        Context::Cell,
        Context::Runs,
        Context::Compare,
        Context::Log,
        Context::Study,
        Context::Help,
        Context::Menu,
        Context::Text,
        Context::Form,
    ];

    /// A dialogue lies over a screen and takes all keys.
    pub const fn is_dialogue(self) -> bool {
        matches!(self, Context::Help | Context::Menu | Context::Text | Context::Form)
    }

    pub const fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Start => "Start",
            Context::Waiting => "Waiting",
            Context::Score => "Score",
            Context::Cut => "Cut",
            Context::Search => "Search",
            Context::Cell => "Cell",
            Context::Runs => "Runs",
            Context::Compare => "Compare",
            Context::Log => "Log",
            Context::Study => "Study",
            Context::Help => "Help",
            Context::Menu => "Dialogues",
            Context::Text => "Typing",
            Context::Form => "New run",
        }
    }
}

/// One row of the table.
pub struct Spec {
    pub action: Action,
    /// For the configuration file and the command palette.
    pub id: &'static str,
    /// A word or two, for the footer.
    pub title: &'static str,
    /// One sentence, for the help.
    pub description: &'static str,
    /// Keys, unless the person's settings say others.
    pub keys: &'static [&'static str],
    pub contexts: &'static [Context],
    /// The footer shows those with a number, lowest first, while there is room.
    pub footer: Option<u8>,
}

use Context::{
    Cell, Compare, Cut, Everywhere, Form, Help, Log, Menu, Runs, Score, Search, Start, Study, Text, Waiting,
};

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

const GRIDS: &[Context] = &[Score, Cut, Search, Compare, Study];
const LISTS: &[Context] = &[Score, Cut, Search, Cell, Runs, Compare, Log, Study, Help, Menu];
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
    spec(Action::ShowStudy, "show_study", "study", "The study, where `zonas study open` has opened one.", &["7"], &[Everywhere], None),
    spec(Action::Help, "help", "help", "This text: what the screen shows, and all keys.", &["?", "f1"], &[Everywhere], None),
    spec(Action::Palette, "palette", "commands", "Find a command by a few letters of its name.", &[":"], &[Everywhere], Some(30)),
    spec(Action::Warnings, "warnings", "warnings", "Health of the search: each rule with its value, threshold and paper.", &["w"], &[Everywhere], None),
    spec(Action::Theme, "theme", "theme", "Next theme: dark, light, colour-blind, monochrome, ASCII.", &["T"], &[Everywhere], None),
    spec(Action::Mouse, "mouse", "mouse", "Mouse on or off; off lets the terminal select text.", &["M"], &[Everywhere], None),
    spec(Action::Bell, "bell", "bell", "Bell and notification when a run at work has ended or waits for you: on or off.", &["B"], &[Everywhere], None),
    spec(Action::Markers, "markers", "markers", "Draw charts with dots, blocks or letters.", &["m"], &[Everywhere], None),
    spec(Action::Resume, "resume", "resume", "Resume this run where it stopped; among the runs, the one under the cursor.", &["R"], &[Everywhere], Some(5)),
    spec(Action::New, "new_run", "new run", "Start a new run: data, search space, functions, seeds, cut, method, device.", &["n"], &[Everywhere], Some(28)),
    spec(Action::Suspend, "suspend", "suspend", "Back to the shell; `fg` returns.", &["ctrl-z"], &[Everywhere], None),
    spec(Action::Redraw, "redraw", "redraw", "Draw the whole screen again.", &["ctrl-l"], &[Everywhere], None),
    spec(Action::Quit, "quit", "quit", "Leave; asks first while a run is alive.", &["q", "ctrl-c"], &[Everywhere], None),

    spec(Action::Back, "back", "back", "Replay: back by a twentieth of the run.", &[","], &[Everywhere], None),
    spec(Action::Forward, "forward", "forward", "Replay: on by a twentieth of the run.", &["."], &[Everywhere], None),
    spec(Action::Slower, "slower", "slower", "Replay: half as fast.", &["<"], &[Everywhere], None),
    spec(Action::Faster, "faster", "faster", "Replay: twice as fast.", &[">"], &[Everywhere], None),

    spec(Action::Left, "left", "left", "One operation, or one run of a comparison, to the left.", &["left", "h"], GRIDS, None),
    spec(Action::Right, "right", "right", "One operation, or one run of a comparison, to the right.", &["right", "l"], GRIDS, None),
    spec(Action::Up, "up", "up", "One line up.", &["up", "k"], LISTS, None),
    spec(Action::Down, "down", "down", "One line down.", &["down", "j"], LISTS, None),
    spec(Action::First, "first", "first", "To the first line.", &["home", "g"], LISTS, None),
    spec(Action::Last, "last", "last", "To the last line.", &["end", "G"], LISTS, None),
    spec(Action::PageUp, "page_up", "page up", "One page up.", &["pgup", "ctrl-b"], LISTS, None),
    spec(Action::PageDown, "page_down", "page down", "One page down.", &["pgdn", "ctrl-f"], LISTS, None),
    spec(Action::OtherCell, "other_cell", "other cell", "Between the normal and the reduction cell.", &["tab", "shift-tab"], &[Score, Cut, Search, Cell], Some(13)),

    spec(Action::Show, "show", "value/rank/spread", "Show the score, its rank, or its spread over draws.", &["v"], &[Score], Some(2)),
    spec(Action::Function, "function", "function", "Show the sum, or one ranking function alone.", &["f"], &[Score], Some(3)),
    spec(Action::Order, "order", "layout", "The edges as a map, all operations as a list, or two functions against each other.", &["o"], &[Score], Some(4)),
    spec(Action::RoundOn, "round_on", "round", "Scores of the next round; after the last, of the round that decided about each operation.", &["]"], &[Score], Some(5)),
    spec(Action::RoundBack, "round_back", "round", "Scores of the round before.", &["["], &[Score], None),
    spec(Action::OtherFunction, "other_function", "second function", "Scatter: the ranking function of the other axis.", &["F"], &[Score], None),
    spec(Action::Filter, "filter", "filter", "Only what has these letters in it; among the runs also `seed:7 method:darts xi>0.5 state:done`.", &["/"], &[Score, Runs, Log, Help], Some(6)),
    spec(Action::Pause, "pause", "pause", "Pause the run, or let it go on; in a replay, the replay.", &["p"], &[Score, Search, Cell, Log], Some(5)),

    spec(Action::LevelDown, "level_down", "ξ −", "Prune less: one operation an edge comes back.", &["["], &[Cut], Some(1)),
    spec(Action::LevelUp, "level_up", "ξ +", "Prune more: one operation an edge goes.", &["]"], &[Cut], Some(1)),
    spec(Action::Budget, "budget", "budget", "The best cut within so much memory.", &["b"], &[Cut], Some(3)),
    spec(Action::Scope, "scope", "edge/global", "The same level as a share of each edge, or of all edges together: as many operations in all, wherever they are worth most.", &["S"], &[Cut], None),
    spec(Action::Mark, "mark", "mark", "Mark this cut on the curve, to compare others with it.", &["*"], &[Cut], None),
    spec(Action::Toggle, "toggle", "keep/drop", "Keep or drop the operation under the cursor.", &["space"], &[Cut], Some(1)),
    spec(Action::WholeEdge, "whole_edge", "edge", "Keep everything on this edge, or only its best.", &["e"], &[Cut], Some(4)),
    spec(Action::WholeKind, "whole_kind", "kind", "Keep or drop this operation on every edge of the cell.", &["K"], &[Cut], Some(5)),
    spec(Action::Undo, "undo", "undo", "Take back the last change.", &["u"], &[Cut], Some(2)),
    spec(Action::Redo, "redo", "redo", "Do again what was taken back.", &["ctrl-r"], &[Cut], Some(6)),
    spec(Action::Automatic, "automatic", "automatic", "Take back all changes by hand.", &["a"], &[Cut], Some(7)),
    spec(Action::Controls, "controls", "controls", "Controls of equal size (random, cheapest, most parameters): cut by one, or queue them as runs of their own.", &["c"], &[Cut], Some(8)),
    spec(Action::By, "cut_by", "cut by", "What the cut goes by: the sum, one ranking function alone, another sum, or a control; nothing is scored again.", &["f"], &[Cut], Some(3)),
    spec(Action::Confirm, "confirm", "confirm", "Accept this cut and start the search; asks first.", &["enter"], &[Cut], Some(0)),

    spec(Action::Inspect, "inspect", "inspect", "A time cursor on all charts and on the weights.", &["i"], &[Search], Some(1)),
    spec(Action::Earlier, "earlier", "earlier", "The time cursor back.", &["("], &[Search], Some(2)),
    spec(Action::Later, "later", "later", "The time cursor on.", &[")"], &[Search], Some(2)),
    spec(Action::EdgeLines, "edge_lines", "map/lines", "Weights of all edges as a map, or of this edge as lines over time.", &["e"], &[Search], Some(3)),
    spec(Action::LogScale, "log_scale", "log", "Logarithmic or linear loss.", &["L"], &[Search], Some(9)),
    spec(Action::Smooth, "smooth", "smooth", "Loss and accuracy of steps smoothed exponentially, by 0.6, by 0.9, or not; the steps lie dim behind.", &["S"], &[Search], Some(11)),
    spec(Action::Axis, "x_axis", "x axis", "Charts over epochs, over steps, or over the time worked.", &["X"], &[Search], Some(12)),
    spec(Action::ZoomIn, "zoom_in", "zoom in", "Charts show the latest half of what they show.", &["+", "="], &[Search], Some(10)),
    spec(Action::ZoomOut, "zoom_out", "zoom out", "Charts show twice as much.", &["-"], &[Search], None),
    spec(Action::ZoomAll, "zoom_all", "all", "Charts show the whole search.", &["0"], &[Search], None),
    spec(Action::Freeze, "freeze", "freeze", "Hold the picture still; the run goes on.", &["H"], &[Search], Some(8)),
    spec(Action::Stop, "stop", "stop", "Stop after this epoch or round, with a checkpoint; a queued run leaves the queue.", &["s"], &[Score, Search, Waiting], Some(7)),
    spec(Action::Abort, "abort", "abort", "Stop at once; asks first.", &["x"], LIVE, Some(14)),
    spec(Action::Checkpoint, "checkpoint", "checkpoint", "Save a checkpoint now.", &["C"], &[Search], Some(13)),

    spec(Action::Copy, "copy", "copy", "Copy the genotype as Python text (by OSC 52, or through tmux).", &["y"], &[Cell], Some(1)),
    spec(Action::Export, "export", "export", "Write the genotype and figures into the run's folder.", &["E"], &[Cell], Some(2)),

    spec(Action::Train, "train", "train", "Train this genotype from scratch, as a run of its own; asks for the size.", &["t"], &[Cell], Some(4)),

    spec(Action::Open, "open", "open", "Open the run under the cursor; show or hide the runs of a group.", &["enter"], &[Runs, Study], Some(0)),
    spec(Action::Measure, "measure", "measure", "What accuracies are compared by: of trained cells, of the supernet, by the table.", &["v"], &[Study], Some(1)),
    spec(Action::Baseline, "baseline", "baseline", "Compare the others with the setting under the cursor.", &["b"], &[Study], Some(2)),
    spec(Action::Choose, "choose_run", "choose", "Choose this run for a comparison, or no longer.", &["space"], &[Runs], Some(1)),
    spec(Action::Compare, "compare", "compare", "The chosen runs side by side; from Cell, choose another run first.", &["d"], &[Runs, Cell], Some(3)),
    spec(Action::Pin, "pin", "pin", "Pin this run: its curves lie dim, with its name, on the Search screen's charts; or no longer.", &["P"], &[Runs], Some(6)),
    spec(Action::Replay, "replay", "replay", "Show the run under the cursor as it was.", &["r"], &[Runs], Some(8)),
    spec(Action::Columns, "columns", "columns", "Choose the columns: results, and settings by their keys; empty takes those that there is room for.", &["|"], &[Runs], Some(7)),
    spec(Action::SortOn, "sort_on", "sort", "Sort by the next column.", &["]"], &[Runs], Some(8)),
    spec(Action::SortBack, "sort_back", "sort", "Sort by the column before.", &["["], &[Runs], None),
    spec(Action::Turn, "turn", "turn", "Sort the other way round.", &["o"], &[Runs], None),
    spec(Action::Group, "group", "group", "Runs that differ in nothing but their seed as one line: how many, and mean ± deviation; enter shows them.", &["z"], &[Runs], Some(2)),
    spec(Action::Note, "note", "note", "Write a note beside the run under the cursor.", &["N"], &[Runs], Some(10)),
    spec(Action::Tags, "tags", "tags", "Tag the run under the cursor.", &["#"], &[Runs], Some(11)),
    spec(Action::Delete, "delete", "delete", "Delete the run under the cursor and all its files; asks first.", &["D", "delete"], &[Runs], Some(9)),
    spec(Action::Follow, "follow", "follow", "Stay at the newest line.", &["F"], &[Log], Some(1)),
    spec(Action::LogLevel, "log_level", "levels", "All lines, without the chatter, warnings, or errors only.", &["v"], &[Log], Some(2)),
    spec(Action::Demo, "demo", "start the demo", "Score, cut and search on embedded Fashion-MNIST.", &["enter"], &[Start], Some(0)),

    spec(Action::Yes, "choose", "choose", "Do what is marked.", &["enter", "space"], &[Menu], Some(0)),
    spec(Action::No, "close", "close", "Back, with nothing done.", &["esc", "q", "ctrl-c", "?"], &[Help, Menu, Compare], Some(1)),
    spec(Action::Yes, "accept", "accept", "Take what was typed.", &["enter"], &[Text], Some(0)),
    spec(Action::No, "cancel", "cancel", "Leave what was typed.", &["esc", "ctrl-c"], &[Text], Some(1)),
    spec(Action::Up, "previous", "previous", "The line above, while typing.", &["up", "ctrl-p"], &[Text, Form], None),
    spec(Action::Down, "next", "next", "The line below, while typing.", &["down", "ctrl-n"], &[Text, Form], None),
    spec(Action::Yes, "start_run", "start", "Start the run as the fields say, and open it.", &["enter"], &[Form], Some(0)),
    spec(Action::Complete, "complete", "complete", "Complete what is typed, or go on to the next choice.", &["tab"], &[Form], Some(1)),
    spec(Action::CompleteBack, "complete_back", "choice before", "Back to the choice before.", &["shift-tab"], &[Form], None),
    spec(Action::No, "leave_form", "back", "Back; what was typed is kept.", &["esc", "ctrl-c"], &[Form], Some(2)),
];

/// The footer of a screen, most important first: the row of the table, by number.
pub fn footer(context: Context) -> Vec<usize> {
    let shown = |s: &Spec| s.contexts.contains(&context) || (s.contexts == [Everywhere] && !context.is_dialogue());
    let mut rows: Vec<usize> =
        (0..ACTIONS.len()).filter(|i| ACTIONS[*i].footer.is_some() && shown(&ACTIONS[*i])).collect();
    rows.sort_by_key(|i| ACTIONS[*i].footer);
    rows
}

/// The help: sections of rows of the table, those of `here` first.
pub fn help(here: Context) -> Vec<(&'static str, Vec<usize>)> {
    let moving = |s: &Spec| s.contexts == LISTS || s.contexts == GRIDS;
    let rows = |wanted: &dyn Fn(&Spec) -> bool| -> Vec<usize> {
        (0..ACTIONS.len()).filter(|i| wanted(&ACTIONS[*i])).collect()
    };
    let mut order = vec![here];
    order.extend(Context::ALL.into_iter().filter(|c| *c != here && *c != Help));
    let mut sections = Vec::new();
    for context in order {
        let own = rows(&|s| s.contexts.contains(&context) && !moving(s));
        if !own.is_empty() && sections.iter().all(|(title, _)| *title != context.title()) {
            sections.push((context.title(), own));
        }
        if context == Everywhere {
            sections.push(("Moving", rows(&moving)));
        }
    }
    sections
}

/// What the palette offers on a screen for what was typed, best first: rows of the table.
pub fn matching(context: Context, typed: &str) -> Vec<usize> {
    let offered = |s: &Spec| s.contexts.contains(&Everywhere) || s.contexts.contains(&context);
    let mut found: Vec<(i32, usize)> = ACTIONS
        .iter()
        .enumerate()
        .filter(|(_, s)| offered(s) && s.action != Action::Palette)
        .filter_map(|(i, s)| {
            let id = fuzzy(typed, &s.id.replace('_', " ")).map(|v| v + 2);
            let words = fuzzy(typed, s.title).max(fuzzy(typed, s.description).map(|v| v - 20));
            id.max(words).map(|v| (v, i))
        })
        .collect();
    found.sort_by_key(|(value, i)| (-value, *i));
    found.into_iter().map(|(_, i)| i).collect()
}

/// How well a text has these letters in this order; none if it has not. Letters that follow each other or begin a word
/// count more.
fn fuzzy(typed: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut value, mut before) = (0, 0, None);
    for c in typed.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let i = at + text[at..].iter().position(|t| *t == c)?;
        value += if before == Some(i.wrapping_sub(1)) { 4 } else { 0 };
        value += if i == 0 || text[i - 1] == ' ' { 3 } else { 0 };
        value -= i32::try_from(i - at).unwrap_or(0).min(4);
        (before, at) = (Some(i), i + 1);
    }
    Some(value)
}

/// The table of keys in `docs/keys.md`: one line for each screen's actions.
#[cfg(test)]
pub fn keys_table() -> String {
    let mut out = String::from("| where | keys | |\n|---|---|---|\n");
    for context in Context::ALL {
        let moving = |s: &Spec| s.contexts == LISTS || s.contexts == GRIDS;
        for s in ACTIONS.iter().filter(|s| s.contexts.first() == Some(&context)) {
            let place = if moving(s) {
                "Moving".to_string()
            } else {
                s.contexts.iter().map(|c| c.title()).collect::<Vec<_>>().join(", ")
            };
            let keys: Vec<String> = s.keys.iter().map(|k| format!("`{k}`")).collect();
            out += &format!("| {place} | {} | {} |\n", keys.join(" "), s.description);
        }
    }
    out
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
    fn the_help_names_every_action_wherever_it_is_asked() {
        for here in Context::ALL {
            let rows: Vec<usize> = help(here).into_iter().flat_map(|(_, rows)| rows).collect();
            for (i, spec) in ACTIONS.iter().enumerate() {
                assert!(rows.contains(&i), "{} in {here:?}", spec.id);
            }
        }
        assert_eq!(help(Cut)[0].0, "Cut");
    }

    #[test]
    fn the_palette_finds_by_a_few_letters() {
        let first = |context, typed| ACTIONS[matching(context, typed)[0]].id;
        assert_eq!(first(Cut, "bud"), "budget");
        assert_eq!(first(Cut, "whk"), "whole_kind");
        assert_eq!(first(Search, "edgel"), "edge_lines");
        assert_eq!(first(Score, "theme"), "theme");
        assert!(matching(Score, "whole kind").is_empty(), "what means nothing here is not offered");
        assert!(matching(Score, "zzqx").is_empty());
        assert!(matching(Cut, "").len() > 20);
    }

    #[test]
    fn the_page_of_keys_has_this_table() {
        let page = include_str!("../../docs/keys.md");
        assert!(
            page.contains(&keys_table()),
            "the key table of docs/keys.md is not that of the program:\n{}",
            keys_table()
        );
    }
}
