//! Commands to a running engine, looked at between steps: pause, checkpoint, stop, abort.

use std::time::{Duration, Instant};

use super::error::EngineError;
use super::options::{Interrupt, Notices, Options};
use super::seal::Seal;
use crate::device::{self, Device, DeviceMeters};
use crate::run::RunFolder;
use crate::run::command::{Body as Order, Command};
use crate::run::event::{Body, Level, Stage};
use crate::run::journal::{Tail, Writer};
use crate::run::lock::RunLock;

/// Shortest time between two looks at the commands, and between two looks while there is nothing else to do.
const LOOK: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(50);
/// Shortest time between two samples of the memory. It grows with the run, so that the journal stays small.
const SAMPLE: Duration = Duration::from_secs(1);
/// Between two tries to write where there is no room.
const ROOM: Duration = Duration::from_millis(500);
/// While scoring, the journal is made safe against a power cut this often.
const SYNC: Duration = Duration::from_secs(10);

/// Why a change of the cut comes too late.
pub(super) const CONFIRMED: &str = "the cut is confirmed and can't be changed any more";

/// The engine's side of a run: it writes the journal, reads the commands, answers each of them, and remembers what was
/// asked for.
pub(super) struct Control {
    writer: Writer,
    commands: Tail<Command>,
    /// Commands that were read and not yet answered.
    pending: Vec<Command>,
    lock: RunLock,
    interrupt: Interrupt,
    notices: Notices,
    folder: RunFolder,
    /// What the run computes on, once that is known.
    pub device: Device,
    /// What the run's checkpoints carry, once that is known.
    pub seal: Seal,
    stage: Option<Stage>,
    paused: bool,
    stop: bool,
    abort: bool,
    save: bool,
    /// Commands about the cut that wait to be obeyed.
    cut: Vec<Command>,
    cut_is_over: bool,
    /// Lines of `commands.jsonl` that could not be read, so far.
    unread: u64,
    /// Why none can be read now.
    deaf: Option<String>,
    began: Instant,
    looked: Option<Instant>,
    sampled: Option<Instant>,
    synced: Instant,
}

impl Control {
    /// Opens the journal; `commands` are those that come from now on.
    pub fn open(
        folder: &RunFolder,
        lock: RunLock,
        commands: Tail<Command>,
        options: &Options,
    ) -> Result<Control, EngineError> {
        Ok(Control {
            writer: Writer::open(folder)?,
            unread: commands.skipped,
            deaf: None,
            commands,
            pending: Vec::new(),
            lock,
            interrupt: options.interrupt.clone(),
            notices: options.notices.clone(),
            folder: folder.clone(),
            device: Device::Cpu,
            seal: Seal::default(),
            stage: None,
            paused: false,
            stop: false,
            abort: false,
            save: false,
            cut: Vec::new(),
            cut_is_over: false,
            began: Instant::now(),
            looked: None,
            sampled: None,
            synced: Instant::now(),
        })
    }

    /// Commands that an earlier engine left unanswered are refused: whoever sent them has seen another state.
    pub fn refuse_old<'a>(&mut self, old: impl Iterator<Item = &'a Command>) -> Result<(), EngineError> {
        for c in old {
            self.refuse(c, "it was sent while no engine was at work; send it again if it still holds")?;
        }
        Ok(())
    }

    /// Commands that are to be obeyed before others.
    pub fn take(&mut self, commands: Vec<Command>) {
        self.pending = commands;
    }

    /// Looks at the commands and answers them, whatever the run does.
    pub fn listen(&mut self) -> Result<(), EngineError> {
        self.look()
    }

    /// Who holds the run, and by it its place among those who wait for a turn.
    pub fn lock(&self) -> &RunLock {
        &self.lock
    }

    pub fn emit(&mut self, body: Body) -> Result<(), EngineError> {
        self.persist(|writer| Ok(writer.emit(body.clone()).map(drop)?))
    }

    /// Writes something; where the disk has no room, or can't be written for another reason that may pass, the run waits
    /// until it can, and says so in the lock file, which needs no room.
    ///
    /// # Errors
    /// Those of `write` that do not pass; asked to leave meanwhile.
    pub fn persist<T>(
        &mut self,
        mut write: impl FnMut(&mut Writer) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut since: Option<(Instant, String)> = None;
        self.is_ours()?;
        loop {
            let result = write(&mut self.writer);
            let Some(reason) = result.as_ref().err().and_then(EngineError::passing) else {
                let Some((began, reason)) = since else { return result };
                self.lock.waits(None);
                let text = format!("the run waited for {} s: {reason}", began.elapsed().as_secs());
                // It is the result that counts.
                let _ = self.writer.emit(Body::Log { level: Level::Warning, text });
                return result;
            };
            if since.is_none() {
                self.lock.waits(Some(&reason));
            }
            since.get_or_insert((Instant::now(), reason.clone()));
            self.is_ours()?;
            // Answers need room too, so commands other than these wait.
            self.pending.extend(self.commands.read());
            let ends = |c: &Command| matches!(c.body, Order::Abort | Order::Stop);
            if self.interrupt.is_asked() || self.pending.iter().any(ends) {
                return Err(EngineError::LeftWaiting(reason));
            }
            std::thread::sleep(ROOM);
        }
    }

    /// Makes what was told so far safe against a power cut.
    pub fn sync(&mut self) -> Result<(), EngineError> {
        self.synced = Instant::now();
        self.persist(|writer| Ok(writer.sync()?))
    }

    /// [`Control::poll`] for a stage whose state is the journal: a checkpoint is a sync, asked for or due.
    pub fn saved_poll(&mut self) -> Result<(), EngineError> {
        loop {
            self.poll()?;
            if !self.takes_checkpoint() {
                return if self.synced.elapsed() > SYNC { self.sync() } else { Ok(()) };
            }
            self.sync()?;
        }
    }

    pub fn log(&mut self, level: Level, text: impl Into<String>) -> Result<(), EngineError> {
        self.emit(Body::Log { level, text: text.into() })
    }

    pub fn begin(&mut self, stage: Stage) -> Result<StageClock, EngineError> {
        self.stage = Some(stage);
        self.emit(Body::StageStarted { stage })?;
        Ok(StageClock { start: Instant::now(), memory: device::Meter::on(&self.device) })
    }

    pub fn end(&mut self, clock: &StageClock) -> Result<(), EngineError> {
        let Some(stage) = self.stage.take() else { return Ok(()) };
        self.cut_is_over |= stage == Stage::Cut;
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

    /// Asked to leave after this step, with a checkpoint.
    pub fn leaves(&self) -> bool {
        self.interrupt.is_asked()
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
            if !self.paused || self.stop || self.abort || self.save || self.leaves() {
                break;
            }
            std::thread::sleep(IDLE);
        }
        // A stop ends a pause: it must not wait for another command. A run that leaves now does not go on first.
        if self.paused && (self.stop || self.abort || self.leaves()) {
            self.paused = false;
            if !self.abort && !self.leaves() {
                self.emit(Body::Resumed)?;
            }
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Waits for commands about the cut. Empty if the run is to stop.
    pub fn wait_for_cut(&mut self) -> Result<Vec<Command>, EngineError> {
        loop {
            self.look()?;
            self.sample(false)?;
            if !self.cut.is_empty() || self.stop || self.abort || self.leaves() {
                return Ok(std::mem::take(&mut self.cut));
            }
            std::thread::sleep(IDLE);
        }
    }

    /// Commands about the cut that nobody has obeyed.
    pub fn take_cut(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.cut)
    }

    /// # Errors
    /// Another engine has taken the run over.
    fn is_ours(&self) -> Result<(), EngineError> {
        if self.lock.is_lost() { Err(EngineError::Overtaken(self.folder.path().to_path_buf())) } else { Ok(()) }
    }

    fn look(&mut self) -> Result<(), EngineError> {
        self.is_ours()?;
        loop {
            let mut new = std::mem::take(&mut self.pending);
            new.extend(self.commands.read());
            if new.is_empty() {
                break;
            }
            for c in &new {
                self.answer(c)?;
            }
        }
        for (level, text) in self.notices.take() {
            self.log(level, text)?;
        }
        if self.commands.fault != self.deaf {
            self.deaf.clone_from(&self.commands.fault);
            if let Some(why) = &self.deaf {
                let text = format!("commands.jsonl can't be read: {why}; until it can, only signals reach this run");
                self.log(Level::Warning, text)?;
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
            Order::Checkpoint if !matches!(self.stage, Some(Stage::Score | Stage::Search | Stage::Train)) => {
                self.refuse(c, "nothing is running that could be saved")
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
                Some(Stage::Train) => self.refuse(c, "this run trains a genotype from scratch: it has no cut"),
                None | Some(Stage::Score) if !self.cut_is_over => {
                    self.refuse(c, "there is no cut yet: scoring comes first")
                }
                _ => self.refuse(c, CONFIRMED),
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
        if let Device::Cuda(gpu) = self.device.clone() {
            for text in gpu.warnings() {
                self.log(Level::Warning, text)?;
            }
            let Some(meters) = gpu.meters() else { return Ok(()) };
            let DeviceMeters { used_bytes, peak_bytes, total_bytes, .. } = meters;
            self.emit(Body::Memory { used_bytes, peak_bytes, total_bytes })?;
            return self.emit(Body::Device(meters));
        }
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
