use std::time::{Duration, Instant};

use super::{EngineError, Past};
use crate::device;
use crate::run::RunFolder;
use crate::run::command::{Body as Order, Command};
use crate::run::event::{Body, Level, Stage};
use crate::run::journal::{Tail, Writer};

/// Shortest time between two looks at the commands, and between two looks while there is nothing else to do.
const LOOK: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(50);
/// Shortest time between two samples of the memory. It grows with the run, so that the journal stays small.
const SAMPLE: Duration = Duration::from_secs(1);

/// The engine's side of a run: it writes the journal, reads the commands, answers each of them, and remembers what was
/// asked for.
pub(super) struct Control {
    writer: Writer,
    commands: Tail<Command>,
    stage: Option<Stage>,
    paused: bool,
    stop: bool,
    abort: bool,
    save: bool,
    /// Commands about the cut that wait to be obeyed.
    cut: Vec<Command>,
    /// Lines of `commands.jsonl` that could not be read, so far.
    unread: u64,
    began: Instant,
    looked: Option<Instant>,
    sampled: Option<Instant>,
}

impl Control {
    /// Opens the journal and the commands. Commands that an earlier engine left unanswered are refused: whoever sent them
    /// has seen another state.
    pub fn open(folder: &RunFolder, past: &Past) -> Result<Control, EngineError> {
        let mut control = Control {
            writer: Writer::open(folder)?,
            commands: Tail::commands(folder),
            stage: None,
            paused: false,
            stop: false,
            abort: false,
            save: false,
            cut: Vec::new(),
            unread: 0,
            began: Instant::now(),
            looked: None,
            sampled: None,
        };
        if past.started {
            loop {
                let old = control.commands.read();
                if old.is_empty() {
                    break;
                }
                for c in old.iter().filter(|c| !past.answered.contains(&c.id)) {
                    control.refuse(c, "it was sent while no engine was at work; send it again if it still holds")?;
                }
            }
            control.unread = control.commands.skipped;
        }
        Ok(control)
    }

    pub fn emit(&mut self, body: Body) -> Result<(), EngineError> {
        self.writer.emit(body)?;
        Ok(())
    }

    pub fn log(&mut self, level: Level, text: impl Into<String>) -> Result<(), EngineError> {
        self.emit(Body::Log { level, text: text.into() })
    }

    pub fn begin(&mut self, stage: Stage) -> Result<StageClock, EngineError> {
        self.stage = Some(stage);
        self.emit(Body::StageStarted { stage })?;
        Ok(StageClock { start: Instant::now(), memory: device::Meter::begin() })
    }

    pub fn end(&mut self, clock: &StageClock) -> Result<(), EngineError> {
        let Some(stage) = self.stage.take() else { return Ok(()) };
        self.sample(true)?;
        // A stage that only waits has no use for memory.
        let peak_bytes = (stage != Stage::Cut).then(|| clock.memory.peak_over_start()).flatten();
        self.emit(Body::StageEnded { stage, seconds: clock.seconds(), peak_bytes })
    }

    /// Asked to stop at the next good moment.
    pub fn stops(&self) -> bool {
        self.stop
    }

    /// Asked to stop at once.
    pub fn aborts(&self) -> bool {
        self.abort
    }

    /// Whether a checkpoint is asked for; true once for each time.
    pub fn takes_checkpoint(&mut self) -> bool {
        std::mem::take(&mut self.save)
    }

    /// Looks at the commands and answers them; waits inside while the run is paused, unless a checkpoint is asked for: then
    /// save it and call again.
    pub fn poll(&mut self) -> Result<(), EngineError> {
        if !self.paused && self.looked.is_some_and(|t| t.elapsed() < LOOK) {
            return Ok(());
        }
        loop {
            self.look()?;
            self.sample(false)?;
            if !self.paused || self.stop || self.abort || self.save {
                break;
            }
            std::thread::sleep(IDLE);
        }
        // A stop ends a pause: it must not wait for another command.
        if self.paused && (self.stop || self.abort) {
            self.paused = false;
            self.emit(Body::Resumed)?;
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Waits for commands about the cut. Empty if the run is to stop.
    pub fn wait_for_cut(&mut self) -> Result<Vec<Command>, EngineError> {
        loop {
            self.look()?;
            self.sample(false)?;
            if !self.cut.is_empty() || self.stop || self.abort {
                return Ok(std::mem::take(&mut self.cut));
            }
            std::thread::sleep(IDLE);
        }
    }

    fn look(&mut self) -> Result<(), EngineError> {
        loop {
            let new = self.commands.read();
            if new.is_empty() {
                break;
            }
            for c in &new {
                self.answer(c)?;
            }
        }
        if self.commands.skipped > self.unread {
            let n = self.commands.skipped - self.unread;
            self.unread = self.commands.skipped;
            self.log(Level::Warning, format!("commands.jsonl: {n} lines are no commands that this program knows"))?;
        }
        Ok(())
    }

    fn answer(&mut self, c: &Command) -> Result<(), EngineError> {
        match &c.body {
            Order::Pause if self.stage == Some(Stage::Cut) => {
                self.refuse(c, "nothing is running: the run waits for the cut to be confirmed")
            }
            Order::Pause if self.paused => self.refuse(c, "the run is paused already"),
            Order::Pause => {
                self.paused = true;
                self.accept(c)?;
                self.emit(Body::Paused)
            }
            Order::Resume if !self.paused => self.refuse(c, "the run is not paused"),
            Order::Resume => {
                self.paused = false;
                self.accept(c)?;
                self.emit(Body::Resumed)
            }
            Order::Checkpoint if self.stage != Some(Stage::Search) => {
                self.refuse(c, "only a search has checkpoints; scoring is taken up again from its journal")
            }
            Order::Checkpoint => {
                self.save = true;
                self.accept(c)
            }
            Order::Stop => {
                self.stop = true;
                self.accept(c)
            }
            Order::Abort => {
                self.abort = true;
                self.accept(c)
            }
            Order::Cut(_) | Order::Undo | Order::Redo | Order::Confirm { .. } => match self.stage {
                Some(Stage::Cut) => {
                    self.cut.push(c.clone());
                    Ok(())
                }
                None | Some(Stage::Score) => self.refuse(c, "there is no cut yet: scoring comes first"),
                _ => self.refuse(c, "the cut is confirmed and can't be changed any more"),
            },
        }
    }

    pub fn accept(&mut self, c: &Command) -> Result<(), EngineError> {
        self.emit(Body::CommandAccepted { id: c.id.clone(), command: c.body.name().into() })
    }

    pub fn refuse(&mut self, c: &Command, reason: impl Into<String>) -> Result<(), EngineError> {
        self.emit(Body::CommandRefused { id: c.id.clone(), command: c.body.name().into(), reason: reason.into() })
    }

    /// Answers what came too late, so that nobody waits for it.
    pub fn close(&mut self, body: Body) -> Result<(), EngineError> {
        self.look()?;
        for c in std::mem::take(&mut self.cut) {
            self.refuse(&c, "the run has ended")?;
        }
        self.emit(body)
    }

    fn sample(&mut self, now: bool) -> Result<(), EngineError> {
        let pause = SAMPLE.max(self.began.elapsed() / 500);
        if !now && self.sampled.is_some_and(|t| t.elapsed() < pause) {
            return Ok(());
        }
        self.sampled = Some(Instant::now());
        if let (Some(used_bytes), Some(peak_bytes), Some(machine)) =
            (device::used_bytes(), device::peak_bytes(), device::machine_memory())
        {
            self.emit(Body::Memory { used_bytes, peak_bytes, total_bytes: machine.total_bytes })?;
        }
        Ok(())
    }
}

/// When a stage began, and what it has used.
pub(super) struct StageClock {
    start: Instant,
    memory: device::Meter,
}

impl StageClock {
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn peak_bytes(&self) -> Option<u64> {
        self.memory.peak_over_start()
    }
}
