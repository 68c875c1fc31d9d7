//! The loop: news and keys in, pictures out. Draws only when something changed, and waits otherwise.

use std::io::{self, Stdout, Write, stdout};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event as Input, KeyEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Action;
use super::feed::{Feed, News};
use super::keymap::{Key, Keymap};
use super::replay::Ask;
use super::runs::{self, Row};
use super::screen::Screen;
use super::state::{Size, State};
use super::terminal::{self, Guard, Signals};
use super::theme::Theme;
use super::ui::{Effect, Tab, Ui};
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
    let mut ui = Ui::new(theme.markers);
    ui.engine_alive = replay.is_none();
    if let Some(tab) = options.tab {
        ui.tab = tab;
        ui.follow_stage = false;
    }
    let mut app = App {
        options,
        keymap: Keymap::new().map_err(ExplorerError::Keys)?,
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
    let guard = Guard::enter()?;
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
    let scene = Scene { state, ui: &ui, runs: &[], folder: &folder, now: state.now, sizes };
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
        let scene = Scene { state: &self.state, ui: &self.ui, runs: &self.runs, folder: &folder, now, sizes };
        let theme = &self.theme;
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
            self.ui.runs_total = rows.len();
            self.ui.runs = self.ui.runs.min(rows.len().saturating_sub(1));
            self.runs = rows;
            self.scan = None;
            self.dirty = true;
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
                    self.sizes = None;
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
                let Some(action) = self.keymap.action(context, Key::from(key)) else { return Ok(()) };
                if self.in_replay(action) {
                    return Ok(());
                }
                if let Some(effect) = self.ui.update(action, &self.state) {
                    self.effect(effect, guard)?;
                }
                if let Some((_, until)) = &mut self.ui.flash {
                    *until = until.min(clock() + FLASH);
                }
            }
            Input::Resize(..) | Input::FocusGained => (self.dirty, self.key) = (true, true),
            _ => {}
        }
        Ok(())
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
            Effect::Copy => {
                if let Some(genotype) = self.state.genotype() {
                    let python = export::python(genotype);
                    self.screen.write(&clipboard::osc52(&python, std::env::var_os("TMUX").is_some()))?;
                    self.say("copied, if this terminal takes OSC 52; e writes it into files");
                }
            }
            Effect::Export => self.export(),
            Effect::Open(row) => self.open(row),
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
        let word = match export::write(folder, genotype) {
            Ok(files) => format!("written to {}: {}", folder.path().display(), files.join(", ")),
            Err(e) => e.to_string(),
        };
        self.say(&word);
    }

    fn open(&mut self, row: usize) {
        let Some(folder) = self.runs.get(row).map(|r| r.folder.clone()) else { return };
        if self.folder.as_ref() != Some(&folder) {
            self.attach(folder);
        }
        self.ui.follow_stage = true;
        self.ui.follow(&self.state);
    }

    fn attach(&mut self, folder: RunFolder) {
        self.state = State::default();
        self.sizes = None;
        self.waiting.clear();
        (self.last, self.replayed) = (None, None);
        (self.ui.leaving, self.ui.replay, self.ui.standing) = (false, None, None);
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
