//! The loop: news and keys in, pictures out. Draws only when something changed, and waits otherwise.

mod effect;
mod input;
mod news;
mod notice;

use std::io::{self, Stdout, Write, stdout};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::clipboard::Way;
use super::compare::{Comparison, Side};
use super::errands::Errands;
use super::feed::Feed;
use super::forecast::Forecast;
use super::form::Desk;
use super::judge::Judge;
use super::keymap::Keymap;
use super::runs::{Row, Scanner};
use super::screen::Screen;
use super::state::{Size, State};
use super::study::{Asked, Seen, Watch, Watched};
use super::terminal::{self, Guard, Signals};
use super::theme::Theme;
use super::ui::{Hits, Ui};
use super::view::{self, Scene};
use super::{Engines, Exit, ExplorerError, Options, summary, text};
use crate::clock;
use crate::run::RunFolder;
use crate::space::Mask;

/// Between two pictures at least: after a key, and after news only.
const AFTER_KEY: Duration = Duration::from_millis(30);
const AFTER_NEWS: Duration = Duration::from_millis(90);
/// News are looked for this often.
const LISTEN: Duration = Duration::from_millis(40);
/// A word in the footer stays so long.
const FLASH: f64 = 6.0;

/// The explorer while it runs.
struct App<'a> {
    options: &'a Options,
    theme: Theme,
    keymap: Keymap,
    ui: Ui,
    state: State,
    folder: Option<RunFolder>,
    feed: Option<Feed>,
    errands: Errands,
    clipboard: Way,
    runs: Vec<Row>,
    scan: Scanner,
    /// When it was begun, and when the next is due.
    scanned: Instant,
    rescan: Instant,
    /// Runs that are compared, once they are read.
    compared: Comparison,
    reading: Option<Receiver<Comparison>>,
    /// Runs that are pinned, as they were when they were read last; and those that are being read.
    pinned: Vec<Side>,
    pinning: Option<Receiver<Vec<Side>>>,
    pinned_at: Vec<f64>,
    /// Memory over pruning level, once it is counted.
    forecast: Option<Forecast>,
    counting: Option<Receiver<Forecast>>,
    judge: Judge,
    /// Looks at what is typed for a new run.
    desk: Desk,
    /// The study that is watched, what was seen of it last, and what the person wants to see.
    study: Option<Watch>,
    seen: Option<Result<Box<Seen>, String>>,
    asked: Asked,
    /// The picture that is held still.
    frozen: Option<State>,
    hits: Hits,
    mouse: bool,
    /// Whether the bell rings.
    bell: bool,
    screen: Screen<io::BufWriter<Stdout>>,
    /// Sizes of the full space and of the cut, and the mask that they are of.
    sizes: Option<(Mask, Size, Size)>,
    /// Something changed since the last picture; by a key.
    dirty: bool,
    key: bool,
    leave: bool,
    /// Leave whatever is not done yet.
    at_once: bool,
    pictures: u32,
    /// Commands that were sent and not answered yet.
    waiting: Vec<String>,
    /// The one of them after whose answer the person leaves.
    last: Option<String>,
    /// Time of the run, in a replay.
    replayed: Option<f64>,
    /// What the run wants of the person, and whether that has been told or was so from the beginning.
    wants: Option<String>,
    caught_up: bool,
    /// An engine was at work on the run while it was watched.
    seen_at_work: bool,
}

pub fn run(
    folder: Option<RunFolder>,
    replay: Option<f64>,
    options: &Options,
    engines: Box<dyn Engines>,
) -> Result<Exit, ExplorerError> {
    let env = |key: &str| std::env::var(key).ok();
    let theme = Theme::detect(env, options.ascii, options.depth);
    let theme = options.settings.theme.map_or(theme.clone(), |name| theme.named_as(name));
    let mouse = options.settings.mouse.unwrap_or(true);
    let mut ui = Ui::new(theme.markers);
    ui.engine_alive = replay.is_none();
    ui.reading = Some((0, 0));
    ui.opened = folder.as_ref().map(|f| text::sanitize(&f.name()));
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
        errands: Errands::new(engines),
        clipboard: Way::detect(env),
        runs: Vec::new(),
        scan: Scanner::new(&options.runs),
        scanned: Instant::now(),
        rescan: Instant::now(),
        compared: Comparison::default(),
        reading: None,
        pinned: Vec::new(),
        pinning: None,
        pinned_at: Vec::new(),
        forecast: None,
        counting: None,
        judge: Judge::new(),
        desk: Desk::new(&options.runs),
        study: options.study.clone().map(Watch::new),
        seen: None,
        asked: Asked::default(),
        frozen: None,
        hits: Hits::default(),
        mouse,
        bell: options.settings.bell.unwrap_or(true),
        screen: Screen::new(io::BufWriter::with_capacity(64 * 1024, stdout())),
        sizes: None,
        theme,
        dirty: true,
        key: true,
        leave: false,
        at_once: false,
        pictures: 0,
        waiting: Vec::new(),
        last: None,
        replayed: None,
        wants: None,
        caught_up: false,
        seen_at_work: false,
    };
    app.read_list();
    let signals = Signals::new()?;
    let guard = Guard::enter(mouse)?;
    let ended = app.listen(&guard, &signals);
    drop(guard);
    app.finish(ended)
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
            let wall = clock::now();
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
            if self.leave && (self.at_once || !self.errands.holds()) {
                return Ok(Exit::Left);
            }
            let finishing =
                self.leave.then(|| self.errands.left().join(", ")).filter(|_| self.errands.waits().is_some());
            if finishing != self.ui.finishing {
                (self.ui.finishing, self.dirty) = (finishing, true);
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
        self.pictures = self.pictures.saturating_add(1);
        let size = terminal::size()?;
        self.ui.width = size.0;
        // Beside what is above and below a list, two lines of the page before stay in sight.
        self.ui.page = usize::from(size.1.saturating_sub(6).max(1));
        self.ui.settle(self.frozen.as_ref().unwrap_or(&self.state));
        let sizes = self.measure();
        let folder = self.options.runs.display().to_string();
        let scene = Scene {
            state: self.frozen.as_ref().unwrap_or(&self.state),
            ui: &self.ui,
            runs: &self.runs,
            keymap: &self.keymap,
            compared: &self.compared,
            pinned: &self.pinned,
            forecast: self.forecast.as_ref(),
            judged: self.judge.judged(),
            study: match (&self.study, &self.seen) {
                (None, _) => Watched::Nothing,
                (Some(_), None) => Watched::Reading,
                (Some(_), Some(Ok(seen))) => Watched::Seen(seen),
                (Some(_), Some(Err(why))) => Watched::Unreadable(why),
            },
            hits: &self.hits,
            folder: &folder,
            now,
            sizes,
        };
        let theme = self.ui.theme.map_or_else(|| self.theme.clone(), |name| self.theme.named_as(name));
        let theme = &theme;
        let broken = self.options.panic_at == Some(self.pictures);
        self.screen.draw(size, |buffer| {
            view::draw(buffer, &scene, theme);
            assert!(!broken, "asked to break down at this picture");
        })
    }

    /// Counted once for each cut.
    fn measure(&mut self) -> Option<(Size, Size)> {
        let mask = self.state.cut.cut.as_ref()?.mask;
        if self.sizes.as_ref().is_none_or(|(of, ..)| *of != mask) {
            let run = self.state.run.as_ref();
            self.sizes = Some((mask, Size::of(&self.state.full(), run), Size::of(&mask, run)));
        }
        self.sizes.as_ref().map(|(_, full, now)| (*full, *now))
    }

    /// A word in the footer, for a while.
    fn say(&mut self, words: &str) {
        self.ui.flash = Some((text::sanitize(words), clock::now() + FLASH));
        self.dirty = true;
    }

    fn suspend(&mut self, guard: &Guard) -> io::Result<()> {
        guard.suspend()?;
        self.screen.forget();
        (self.dirty, self.key) = (true, true);
        Ok(())
    }

    /// After the terminal is back: a summary.
    fn finish(self, ended: io::Result<Exit>) -> Result<Exit, ExplorerError> {
        // A terminal that is gone is the same as a hang-up: the run goes on, only the window is closed.
        let exit = ended.unwrap_or(Exit::Signal(signal_hook::consts::SIGHUP));
        if let Some(folder) = &self.folder {
            let alive = self.ui.engine_alive && self.state.is_live() && self.last.is_none();
            let status = self.ui.standing.map_or_else(|| self.state.status(), str::to_string);
            // Standard output may be gone with the terminal.
            let words = if self.ui.missing {
                summary::missing(folder)
            } else {
                summary::text(&self.state, folder, &status, alive)
            };
            let _ = writeln!(stdout(), "{words}");
        }
        for what in self.errands.left() {
            let _ = writeln!(stdout(), "not finished: {what}");
        }
        Ok(exit)
    }
}
