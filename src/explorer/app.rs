//! The loop: news and keys in, pictures out. Draws only when something changed, and waits otherwise.

use std::io::{self, Stdout, Write, stdout};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event as Input, KeyCode, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Action, Context};
use super::compare::{self, Side};
use super::feed::{Feed, News};
use super::forecast::{Basis, Forecast};
use super::keymap::{Key, Keymap};
use super::replay::Ask;
use super::runs::{self, Row};
use super::screen::Screen;
use super::state::{Size, State};
use super::terminal::{self, Guard, Signals};
use super::theme::Theme;
use super::ui::{Effect, Hits, Tab, Ui};
use super::view::{self, Scene};
use super::{Exit, ExplorerError, Launch, Options, clipboard, export, summary, svg, text};
use crate::run::command::Body;
use crate::run::lock::Liveness;
use crate::run::standing::Standing;
use crate::run::{RunFolder, journal};
use crate::space::Mask;

/// Between two pictures at least: after a key, and after news only.
const AFTER_KEY: Duration = Duration::from_millis(30);
const AFTER_NEWS: Duration = Duration::from_millis(90);
/// News are looked for this often.
const LISTEN: Duration = Duration::from_millis(40);
/// How many times as fast a replay from the list is.
const REPLAY: f64 = 20.0;
/// A word in the footer stays so long.
const FLASH: f64 = 6.0;

struct App<'a> {
    options: &'a Options,
    theme: Theme,
    keymap: Keymap,
    ui: Ui,
    state: State,
    folder: Option<RunFolder>,
    feed: Option<Feed>,
    launch: Option<Launch<'a>>,
    runs: Vec<Row>,
    scan: Option<Receiver<Vec<Row>>>,
    /// Runs that are compared, once they are read.
    sides: Vec<Side>,
    reading: Option<Receiver<Vec<Side>>>,
    /// Memory over pruning level, once it is counted.
    forecast: Option<Forecast>,
    counting: Option<Receiver<Forecast>>,
    /// The picture that is held still.
    frozen: Option<State>,
    hits: Hits,
    mouse: bool,
    screen: Screen<io::BufWriter<Stdout>>,
    /// Sizes of the full space and of the cut, and the mask that they are of.
    sizes: Option<(Mask, Size, Size)>,
    /// Something changed since the last picture; by a key.
    dirty: bool,
    key: bool,
    leave: bool,
    /// Commands that were sent and not answered yet.
    waiting: Vec<String>,
    /// The one of them after whose answer the person leaves.
    last: Option<String>,
    /// Time of the run, in a replay.
    replayed: Option<f64>,
}

pub fn run<'a>(
    folder: Option<RunFolder>,
    replay: Option<f64>,
    options: &'a Options,
    launch: Option<Launch<'a>>,
) -> Result<Exit, ExplorerError> {
    let theme = Theme::detect(|key| std::env::var(key).ok(), options.ascii, options.depth);
    let theme = options.settings.theme.map_or(theme.clone(), |name| theme.named_as(name));
    let mouse = options.settings.mouse.unwrap_or(true);
    let mut ui = Ui::new(theme.markers);
    ui.engine_alive = replay.is_none();
    if let Some(tab) = options.tab {
        ui.tab = tab;
        ui.follow_stage = false;
    }
    let mut app = App {
        options,
        keymap: Keymap::new(&options.settings.keys).map_err(ExplorerError::Keys)?,
        ui,
        state: State::default(),
        feed: folder.clone().map(|f| match replay {
            Some(speed) => Feed::replay(f, speed),
            None => Feed::new(f),
        }),
        folder,
        launch,
        runs: Vec::new(),
        scan: Some(runs::scan(&options.runs)),
        sides: Vec::new(),
        reading: None,
        forecast: None,
        counting: None,
        frozen: None,
        hits: Hits::default(),
        mouse,
        screen: Screen::new(io::BufWriter::with_capacity(64 * 1024, stdout())),
        sizes: None,
        theme,
        dirty: true,
        key: true,
        leave: false,
        waiting: Vec::new(),
        last: None,
        replayed: None,
    };
    let signals = Signals::new()?;
    let guard = Guard::enter(mouse)?;
    let ended = app.listen(&guard, &signals);
    drop(guard);
    app.finish(ended)
}

/// One screen of a state as SVG.
pub fn picture(state: &State, options: &Options, theme: &Theme, size: (u16, u16), light: bool) -> String {
    let mut ui = Ui::new(theme.markers);
    ui.follow(state);
    if let Some(tab) = options.tab {
        ui.tab = tab;
    }
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    let sizes = state
        .cut
        .cut
        .as_ref()
        .map(|c| (Size::of(&Mask::FULL, state.run.as_ref()), Size::of(&c.mask, state.run.as_ref())));
    let folder = options.runs.display().to_string();
    let forecast = Basis::of(state).map(|b| b.forecast());
    let scene = Scene {
        state,
        ui: &ui,
        runs: &[],
        keymap: &Keymap::defaults(),
        sides: &[],
        forecast: forecast.as_ref(),
        hits: &Hits::default(),
        folder: &folder,
        now: state.now,
        sizes,
    };
    view::draw(&mut buffer, &scene, theme);
    svg::render(&buffer, light)
}

fn clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

impl App<'_> {
    /// Until the person leaves, a signal comes, or the terminal is gone.
    fn listen(&mut self, guard: &Guard, signals: &Signals) -> io::Result<Exit> {
        let mut drawn = Instant::now() - AFTER_NEWS;
        let mut second = 0;
        loop {
            if let Some(signal) = signals.ending() {
                return Ok(Exit::Signal(signal));
            }
            if signals.take_stop() {
                self.suspend(guard)?;
            }
            self.news();
            let wall = clock();
            let now = self.replayed.unwrap_or(wall);
            if self.ui.flash.as_ref().is_some_and(|(_, until)| *until < wall) {
                self.ui.flash = None;
                self.dirty = true;
            }
            // Clocks on the screen tick only while something runs.
            if self.state.is_live() && self.ui.engine_alive && now as u64 != second {
                second = now as u64;
                self.dirty = true;
            }
            if self.leave {
                return Ok(Exit::Left);
            }
            let apart = if self.key { AFTER_KEY } else { AFTER_NEWS };
            if self.dirty && drawn.elapsed() >= apart {
                self.draw(now)?;
                drawn = Instant::now();
                (self.dirty, self.key) = (false, false);
            }
            let wait = if self.dirty { apart.saturating_sub(drawn.elapsed()) } else { LISTEN };
            let mut wait = wait;
            while let Some(input) = terminal::input(wait)? {
                self.input(input, guard)?;
                wait = Duration::ZERO;
            }
        }
    }

    fn draw(&mut self, now: f64) -> io::Result<()> {
        let size = crossterm::terminal::size()?;
        let sizes = self.measure();
        let folder = self.options.runs.display().to_string();
        let scene = Scene {
            state: self.frozen.as_ref().unwrap_or(&self.state),
            ui: &self.ui,
            runs: &self.runs,
            keymap: &self.keymap,
            sides: &self.sides,
            forecast: self.forecast.as_ref(),
            hits: &self.hits,
            folder: &folder,
            now,
            sizes,
        };
        let theme = self.ui.theme.map_or_else(|| self.theme.clone(), |name| self.theme.named_as(name));
        let theme = &theme;
        self.screen.draw(size, |buffer| view::draw(buffer, &scene, theme))
    }

    /// Counted once for each cut.
    fn measure(&mut self) -> Option<(Size, Size)> {
        let mask = self.state.cut.cut.as_ref()?.mask;
        if self.sizes.as_ref().is_none_or(|(of, ..)| *of != mask) {
            let run = self.state.run.as_ref();
            self.sizes = Some((mask, Size::of(&Mask::FULL, run), Size::of(&mask, run)));
        }
        self.sizes.as_ref().map(|(_, full, now)| (*full, *now))
    }

    fn news(&mut self) {
        if let Some(rows) = self.scan.as_ref().and_then(|s| s.try_recv().ok()) {
            self.runs = rows;
            self.scan = None;
            self.listed();
            self.dirty = true;
        }
        if let Some(sides) = self.reading.as_ref().and_then(|r| r.try_recv().ok()) {
            (self.sides, self.reading, self.dirty) = (sides, None, true);
        }
        if let Some(forecast) = self.counting.as_ref().and_then(|r| r.try_recv().ok()) {
            (self.forecast, self.counting, self.dirty) = (Some(forecast), None, true);
        }
        if self.forecast.is_none() && self.counting.is_none() && self.state.score.ended.is_some() {
            self.counting = Basis::of(&self.state).map(Basis::on_a_thread);
        }
        // A long journal is folded in slices, so that keys are heard in between.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(25) {
            let Some(news) = self.feed.as_ref().and_then(Feed::next) else { break };
            match news {
                News::Events(events) => {
                    for event in &events {
                        self.state.apply(event);
                    }
                    self.answers();
                    self.dirty = true;
                }
                News::CaughtUp { skipped, passed } => {
                    self.ui.skipped = skipped;
                    // They were left out on purpose.
                    self.state.missing = self.state.missing.saturating_sub(passed);
                    self.dirty = true;
                }
                News::Engine(liveness) => self.engine(&liveness),
                News::Reset => {
                    self.state = State::default();
                    (self.sizes, self.forecast, self.counting) = (None, None, None);
                    self.dirty = true;
                }
                News::Replay(time, words) => {
                    self.replayed = Some(time);
                    self.ui.replay = Some(words);
                    self.dirty = true;
                }
            }
        }
        if self.dirty {
            self.ui.follow(&self.state);
        }
    }

    /// An engine came, left, or waits.
    fn engine(&mut self, liveness: &Liveness) {
        self.dirty = true;
        self.ui.engine_alive = liveness.is_alive();
        self.ui.standing = None;
        let Some(folder) = self.folder.as_ref().filter(|_| self.state.ended.is_none()) else { return };
        let standing = self.state.progress.standing(liveness, folder);
        if let Standing::Crashed(detail) | Standing::Unreachable(detail) | Standing::Paused(Some(detail)) = &standing {
            self.ui.standing = Some(standing.word());
            let words = format!("{}: {detail}", standing.word());
            self.say(&words);
        }
        if !self.ui.engine_alive && self.last.is_some() {
            // Nobody will answer.
            self.leave = true;
        }
    }

    /// Refusals are said in the footer.
    fn answers(&mut self) {
        let answers = &self.state.answers;
        let mut said = None;
        let last = self.last.as_ref();
        let mut leave = false;
        self.waiting.retain(|id| match answers.iter().find(|a| a.id == *id) {
            Some(answer) => {
                said = answer.refused.clone().or(said.take());
                leave |= answer.refused.is_none() && last == Some(id);
                false
            }
            None => true,
        });
        self.leave |= leave;
        if said.is_some() {
            self.last = None;
            self.ui.leaving = false;
        }
        if self.state.ended.is_some() {
            self.ui.standing = None;
            self.leave |= self.last.is_some();
        }
        if let Some(reason) = said {
            self.say(&reason);
        }
    }

    fn say(&mut self, words: &str) {
        self.ui.flash = Some((text::sanitize(words), clock() + FLASH));
        self.dirty = true;
    }

    fn input(&mut self, input: Input, guard: &Guard) -> io::Result<()> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                let context = self.ui.context(&self.state);
                self.ui.flash = None;
                (self.dirty, self.key) = (true, true);
                let key = Key::from(key);
                let action = self.keymap.action(context, key);
                if context == Context::Text && action.is_none() {
                    match key.code {
                        KeyCode::Char(c) if !key.ctrl && !key.alt => self.ui.typed(Some(c)),
                        KeyCode::Backspace => self.ui.typed(None),
                        _ => false,
                    };
                    self.listed();
                }
                if let Some(action) = action {
                    self.act(action, guard)?;
                }
                self.shorten_flash();
            }
            Input::Mouse(mouse) => {
                let target = self.hits.at(mouse.column, mouse.row);
                let effect = match mouse.kind {
                    MouseEventKind::Down(MouseButton::Left) => self.ui.click(target, &self.state),
                    MouseEventKind::ScrollUp => self.ui.wheel(true, &self.state),
                    MouseEventKind::ScrollDown => self.ui.wheel(false, &self.state),
                    _ => return Ok(()),
                };
                (self.dirty, self.key) = (true, true);
                if let Some(effect) = effect {
                    self.effect(effect, guard)?;
                }
                self.shorten_flash();
            }
            Input::Paste(text) => {
                for c in text.chars() {
                    self.ui.typed(Some(c));
                }
                self.listed();
                (self.dirty, self.key) = (true, true);
            }
            Input::Resize(..) | Input::FocusGained => (self.dirty, self.key) = (true, true),
            _ => {}
        }
        Ok(())
    }

    fn act(&mut self, action: Action, guard: &Guard) -> io::Result<()> {
        if self.in_replay(action) {
            return Ok(());
        }
        if action == Action::Choose {
            if let Some(name) = self.row(self.ui.runs).map(|r| r.name.clone()) {
                self.ui.choose(&name);
            }
        } else if let Some(effect) = self.ui.update(action, &self.state) {
            self.effect(effect, guard)?;
        }
        self.listed();
        Ok(())
    }

    fn shorten_flash(&mut self) {
        if let Some((_, until)) = &mut self.ui.flash {
            *until = until.min(clock() + FLASH);
        }
    }

    /// A row of the list of runs, of those that pass the filter.
    fn row(&self, row: usize) -> Option<&Row> {
        self.runs.iter().filter(|r| self.ui.lists(r)).nth(row)
    }

    /// The list of runs, or its filter, has changed.
    fn listed(&mut self) {
        self.ui.runs_total = self.runs.iter().filter(|r| self.ui.lists(r)).count();
        self.ui.runs = self.ui.runs.min(self.ui.runs_total.saturating_sub(1));
    }

    fn compare(&mut self) {
        let mut names = self.ui.chosen.clone();
        // One alone is compared with the run that is open, or with the one under the cursor.
        let open = self.folder.as_ref().map(RunFolder::name);
        for name in open.into_iter().chain(self.row(self.ui.runs).map(|r| r.name.clone())) {
            if names.len() < 2 && !names.contains(&name) {
                names.insert(0, name);
            }
        }
        let folders: Vec<RunFolder> =
            names.iter().filter_map(|n| self.runs.iter().find(|r| r.name == *n)).map(|r| r.folder.clone()).collect();
        if folders.len() < 2 {
            self.say("choose two runs or more with space, then compare");
            return;
        }
        self.sides.clear();
        self.reading = Some(compare::load(folders));
        self.ui.comparing = Some(0);
    }

    /// Keys of a replay; false for all others, and where there is none.
    fn in_replay(&mut self, action: Action) -> bool {
        let ask = match action {
            // On a screen where the same key would change something.
            Action::Pause | Action::Toggle => Ask::Pause,
            Action::Faster => Ask::Faster,
            Action::Slower => Ask::Slower,
            Action::Forward => Ask::Forward,
            Action::Back => Ask::Back,
            _ => return false,
        };
        self.feed.as_ref().is_some_and(|f| f.ask(ask))
    }

    fn effect(&mut self, effect: Effect, guard: &Guard) -> io::Result<()> {
        match effect {
            Effect::Send(body) => self.send(body),
            Effect::Leave => self.leave = true,
            Effect::LeaveAfter(body) => {
                self.send(body);
                self.last = self.waiting.last().cloned();
                self.ui.leaving = self.last.is_some();
            }
            Effect::Suspend => self.suspend(guard)?,
            Effect::Redraw => self.screen.forget(),
            Effect::Run(action) => self.act(action, guard)?,
            Effect::Compare => self.compare(),
            Effect::Freeze(on) => self.frozen = on.then(|| self.state.clone()),
            Effect::Theme => {
                let next = self.ui.theme.unwrap_or(self.theme.name).next();
                self.ui.theme = Some(next);
                self.say(&format!("theme: {}", next.title()));
            }
            Effect::Mouse => {
                self.mouse = !self.mouse;
                guard.set_mouse(self.mouse)?;
                self.say(if self.mouse {
                    "the mouse is heard"
                } else {
                    "the mouse is the terminal's: text can be selected"
                });
            }
            Effect::Copy => {
                if let Some(genotype) = self.state.genotype() {
                    let python = genotype.to_string();
                    self.screen.write(&clipboard::osc52(&python, std::env::var_os("TMUX").is_some()))?;
                    self.say("copied, if this terminal takes OSC 52; e writes it into files");
                }
            }
            Effect::Export => self.export(),
            Effect::Open(row) => self.open(row),
            Effect::Replay(row) => {
                if let Some(folder) = self.row(row).map(|r| r.folder.clone()) {
                    self.attach(folder.clone());
                    self.feed = Some(Feed::replay(folder, REPLAY));
                }
            }
            Effect::StartDemo => self.start(),
            Effect::Scan => self.scan = Some(runs::scan(&self.options.runs)),
        }
        Ok(())
    }

    fn send(&mut self, body: Body) {
        let Some(folder) = &self.folder else { return };
        match journal::send(folder, body) {
            Ok(id) => {
                self.waiting.push(id);
                if self.waiting.len() > 64 {
                    self.waiting.remove(0);
                }
            }
            Err(e) => self.say(&e.to_string()),
        }
    }

    fn suspend(&mut self, guard: &Guard) -> io::Result<()> {
        guard.suspend()?;
        self.screen.forget();
        (self.dirty, self.key) = (true, true);
        Ok(())
    }

    fn export(&mut self) {
        let (Some(folder), Some(genotype)) = (&self.folder, self.state.genotype()) else { return };
        let word = match export::write(folder, genotype, &self.state) {
            Ok(files) => format!("written to {}: {}", folder.path().display(), files.join(", ")),
            Err(e) => e.to_string(),
        };
        self.say(&word);
    }

    fn open(&mut self, row: usize) {
        let Some(folder) = self.row(row).map(|r| r.folder.clone()) else { return };
        if self.folder.as_ref() != Some(&folder) {
            self.attach(folder);
        }
        self.ui.follow_stage = true;
        self.ui.follow(&self.state);
    }

    fn attach(&mut self, folder: RunFolder) {
        self.state = State::default();
        (self.sizes, self.forecast, self.counting, self.frozen) = (None, None, None, None);
        self.waiting.clear();
        (self.last, self.replayed) = (None, None);
        (self.ui.leaving, self.ui.replay, self.ui.standing) = (false, None, None);
        (self.ui.inspect, self.ui.frozen, self.ui.zoom) = (None, false, 0);
        self.ui.marks.clear();
        self.feed = Some(Feed::new(folder.clone()));
        self.folder = Some(folder);
        self.ui.tab = Tab::Score;
        self.ui.follow_stage = true;
        self.ui.engine_alive = false;
        self.dirty = true;
    }

    fn start(&mut self) {
        match self.launch.as_mut().map(|launch| launch()) {
            Some(Ok(folder)) => {
                self.attach(folder);
                self.ui.engine_alive = true;
            }
            Some(Err(reason)) => self.say(&reason),
            None => self.say("`zonas` without a run offers the demo"),
        }
    }

    /// After the terminal is back: a summary.
    fn finish(self, ended: io::Result<Exit>) -> Result<Exit, ExplorerError> {
        // A terminal that is gone is the same as a hang-up: the run goes on, only the window is closed.
        let exit = ended.unwrap_or(Exit::Signal(signal_hook::consts::SIGHUP));
        if let Some(folder) = &self.folder {
            let alive = self.ui.engine_alive && self.state.is_live() && self.last.is_none();
            let status = self.ui.standing.map_or_else(|| self.state.status(), str::to_string);
            // Standard output may be gone with the terminal.
            let _ = writeln!(stdout(), "{}", summary::text(&self.state, folder, &status, alive));
        }
        Ok(exit)
    }
}
