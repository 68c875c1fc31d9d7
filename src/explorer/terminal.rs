//! Entering and leaving the terminal. Whatever ends the explorer (quit, panic, signal, suspension), the terminal is as it
//! was: what is entered here is left in reverse order, once.

use std::io::{self, IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::ThreadId;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{queue, terminal};

/// Whether the terminal is ours now.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// The thread that draws; panics of others must not take the screen away.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// Whether clicks and the wheel are ours; off lets the terminal select text.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Presses, releases and the wheel, with coordinates as text: no reports of mere movement, which would flood a slow line.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";
/// What other threads said when they panicked, to be read when the terminal is back.
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();
static WATCH: Once = Once::new();
/// How long the explorer may take to notice by itself that its terminal is gone.
const NOTICE: std::time::Duration = std::time::Duration::from_secs(2);

/// The terminal, from [`Guard::enter`] until it is dropped.
pub struct Guard {
    _private: (),
}

impl Guard {
    /// Raw mode, the alternate screen, no cursor.
    ///
    /// # Errors
    /// No terminal.
    pub fn enter(mouse: bool) -> io::Result<Guard> {
        MOUSE.store(mouse, Ordering::SeqCst);
        HOOK.call_once(chain_hook);
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        enter()?;
        WATCH.call_once(watch);
        Ok(Guard { _private: () })
    }

    /// Takes the mouse, or leaves it to the terminal.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn set_mouse(&self, on: bool) -> io::Result<()> {
        MOUSE.store(on, Ordering::SeqCst);
        let mut out = stdout();
        out.write_all(if on { MOUSE_ON } else { MOUSE_OFF }.as_bytes())?;
        out.flush()
    }

    /// Gives the terminal back to the shell and stops the process group; returns when it goes on, with the terminal
    /// entered again. Everything must be drawn anew.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&self) -> io::Result<()> {
        leave();
        // The whole group, so that a parent in it (`cargo run`, a script) stops too and the shell takes notice.
        // Afterwards, whatever stopped us, we go on here.
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::STOP);
        enter()?;
        // Keys typed meanwhile were for the shell.
        while input(std::time::Duration::ZERO)?.is_some() {}
        Ok(())
    }
}

fn is_gone(flags: rustix::event::PollFlags) -> bool {
    use rustix::event::PollFlags;
    flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Ends the process, as a hang-up does, when the terminal is gone and nobody has noticed: the terminal library reads a closed
/// terminal forever, and it may close between the question whether it has and the reading.
fn watch() {
    let wait = || {
        let stdin = io::stdin();
        let mut fds = [rustix::event::PollFd::new(&stdin, rustix::event::PollFlags::empty())];
        while !is_gone(fds[0].revents()) {
            match rustix::event::poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
        std::thread::sleep(NOTICE);
        std::process::exit(128 + signal_hook::consts::SIGHUP);
    };
    // Without the thread the explorer is as good as it was.
    let _ = std::thread::Builder::new().name("hang-up".into()).spawn(wait);
}

/// The next input, if one comes in time, or a signal.
///
/// # Errors
/// The terminal is gone. It is asked before the terminal library is: that reads a closed terminal forever.
pub fn input(wait: std::time::Duration) -> io::Result<Option<crossterm::event::Event>> {
    use rustix::event::{PollFd, PollFlags, Timespec};
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Whether it was not interrupted.
    let ask = |fds: &mut [PollFd; 1], wait: &Timespec| match rustix::event::poll(fds, Some(wait)) {
        Ok(_) if is_gone(fds[0].revents()) => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e.into()),
    };
    ask(&mut fds, &now)?;
    // Something may be read already but not taken.
    if !crossterm::event::poll(std::time::Duration::ZERO)? {
        let wait =
            Timespec { tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: wait.subsec_nanos().into() };
        if !ask(&mut fds, &wait)? || !crossterm::event::poll(std::time::Duration::ZERO)? {
            return Ok(None);
        }
    }
    crossterm::event::read().map(Some)
}

/// Columns and lines of a terminal that tells none: COLUMNS and LINES, or what has been usual since there were screens.
const USUAL: (u16, u16) = (80, 24);
/// More than any screen has; a size that is nonsense must not take all memory.
const MOST: (u16, u16) = (1000, 500);

/// Columns and lines of the terminal. Serial lines and fresh containers say 0 by 0.
///
/// # Errors
/// No terminal.
pub fn size() -> io::Result<(u16, u16)> {
    let told = terminal::size().or_else(|e| if stdout().is_terminal() { Ok((0, 0)) } else { Err(e) })?;
    Ok(sensible(told, |key| std::env::var(key).ok()))
}

/// What a terminal says of its size, with what it leaves out from the environment.
fn sensible((width, height): (u16, u16), env: impl Fn(&str) -> Option<String>) -> (u16, u16) {
    let side = |told: u16, key: &str, usual: u16, most: u16| {
        let set = || env(key).and_then(|v| v.trim().parse().ok()).filter(|v| *v > 0);
        let known = Some(told).filter(|v| *v > 0).or_else(set);
        known.unwrap_or(usual).min(most)
    };
    (side(width, "COLUMNS", USUAL.0, MOST.0), side(height, "LINES", USUAL.1, MOST.1))
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for report in REPORTS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = writeln!(io::stderr(), "{report}");
        }
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let mut out = stdout();
    let entered = queue!(out, EnterAlternateScreen, EnableBracketedPaste, Hide, Clear(ClearType::All))
        .and_then(|()| if MOUSE.load(Ordering::SeqCst) { out.write_all(MOUSE_ON.as_bytes()) } else { Ok(()) })
        .and_then(|()| out.flush());
    if let Err(e) = entered {
        leave();
        return Err(e);
    }
    Ok(())
}

/// Only once; a terminal that is gone can't be put right and is no further error. Raw mode goes before the alternate screen:
/// whoever sees the shell's screen and types at once types lines, not raw bytes that no shell takes for one.
fn leave() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    // Whether or not it was on: no terminal minds, and none is left reporting clicks to a shell.
    let _ = out.write_all(MOUSE_OFF.as_bytes());
    let _ = queue!(out, DisableBracketedPaste).and_then(|()| out.flush());
    let _ = terminal::disable_raw_mode();
    let _ = queue!(out, Show, LeaveAlternateScreen).and_then(|()| out.flush());
}

/// Before the hook that is there: a panic of the drawing thread gives the terminal back first, so that its report can be
/// read; one of another thread is kept for later, since the screen goes on.
fn chain_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let owner = *OWNER.lock().unwrap_or_else(PoisonError::into_inner);
        if owner.is_some_and(|o| o != std::thread::current().id()) && ENTERED.load(Ordering::SeqCst) {
            let thread = std::thread::current().name().unwrap_or("unnamed").to_string();
            REPORTS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("thread {thread}: {info}"));
            return;
        }
        leave();
        before(info);
    }));
}

/// Signals that end a program which does not listen to them, without being its fault: the explorer gives the terminal back
/// first.
const ENDING: [i32; 10] = {
    use signal_hook::consts as c;
    [
        c::SIGTERM,
        c::SIGHUP,
        c::SIGINT,
        c::SIGQUIT,
        c::SIGUSR1,
        c::SIGUSR2,
        c::SIGALRM,
        c::SIGVTALRM,
        c::SIGPROF,
        c::SIGXCPU,
    ]
};

/// Signals that end or stop the explorer, noted as they come.
pub struct Signals {
    ending: Vec<(i32, Arc<AtomicBool>)>,
    stop: Arc<AtomicBool>,
    ids: Vec<signal_hook::SigId>,
}

impl Signals {
    /// # Errors
    /// Signals that can't be listened to.
    pub fn new() -> io::Result<Signals> {
        use signal_hook::consts::SIGTSTP;
        let mut signals = Signals { ending: Vec::new(), stop: Arc::default(), ids: Vec::new() };
        for signal in ENDING {
            let flag = Arc::new(AtomicBool::new(false));
            signals.ids.push(signal_hook::flag::register(signal, Arc::clone(&flag))?);
            signals.ending.push((signal, flag));
        }
        signals.ids.push(signal_hook::flag::register(SIGTSTP, Arc::clone(&signals.stop))?);
        Ok(signals)
    }

    /// The signal that ends the program, if one came.
    pub fn ending(&self) -> Option<i32> {
        self.ending.iter().find(|(_, flag)| flag.load(Ordering::SeqCst)).map(|(signal, _)| *signal)
    }

    /// Whether a stop was asked for since the last call.
    pub fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sensible;

    #[test]
    fn a_terminal_without_a_size_has_one() {
        let env = |columns: &'static str, lines: &'static str| {
            move |key: &str| Some(if key == "COLUMNS" { columns } else { lines }.to_string()).filter(|v| !v.is_empty())
        };
        assert_eq!(sensible((0, 0), env("", "")), (80, 24));
        assert_eq!(sensible((0, 0), env("132", "50")), (132, 50));
        assert_eq!(sensible((100, 30), env("132", "50")), (100, 30));
        assert_eq!(sensible((100, 0), env("132", "")), (100, 24));
        assert_eq!(sensible((0, 30), env("132", "")), (132, 30));
        for nonsense in ["0", "-3", "many", "70000", "1e3"] {
            assert_eq!(sensible((0, 0), env(nonsense, nonsense)), (80, 24));
        }
        assert_eq!(sensible((65_535, 65_535), env("", "")), (1000, 500));
        assert_eq!(sensible((0, 0), env("60000", "60000")), (1000, 500));
    }
}
