//! A terminal of the tests' own: a pseudo-terminal, a program in it, and what it shows.
#![allow(dead_code, reason = "each user takes a part")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// What comes that is waited for comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal and the program in it.
pub struct Terminal {
    master: Option<File>,
    /// Kept open, so that the terminal can be asked how it is after the program has left.
    slave: Option<OwnedFd>,
    child: Child,
    shared: Arc<Shared>,
    before: String,
}

struct Shared {
    parser: Mutex<vt100::Parser>,
    raw: Mutex<Vec<u8>>,
    /// Nobody reads what the program writes.
    blocked: AtomicBool,
}

fn window((width, height): (u16, u16)) -> Winsize {
    Winsize { ws_col: width, ws_row: height, ws_xpixel: 0, ws_ypixel: 0 }
}

/// The emulator gives up on some texts that were meant for another size than it has by now, which real terminals draw
/// somehow: then it starts anew, and the next picture fills it.
fn show(parser: &mut vt100::Parser, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| parser.process(bytes))).is_err() {
        let screen = parser.screen();
        let ((rows, columns), taken, hidden) = (screen.size(), screen.alternate_screen(), screen.hide_cursor());
        *parser = vt100::Parser::new(rows, columns, 0);
        parser.process(if taken { b"\x1b[?1049h" } else { b"" });
        parser.process(if hidden { b"\x1b[?25l" } else { b"" });
    }
}

impl Terminal {
    /// Starts a program in a new terminal of so many columns and lines; one that says 0 shows 80 and 24.
    pub fn start(mut command: Command, size: (u16, u16)) -> Terminal {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave: OwnedFd =
            File::options().read(true).write(true).open(name.to_str().unwrap()).map(OwnedFd::from).unwrap();
        rustix::termios::tcsetwinsize(&slave, window(size)).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        // SAFETY: two system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(std::io::stdin())?;
                Ok(())
            });
        }
        let before = modes(&slave);
        let child = command.spawn().unwrap();
        // It holds copies of the terminal.
        drop(command);
        let shared = Arc::new(Shared {
            parser: Mutex::new(if size.0 == 0 || size.1 == 0 {
                vt100::Parser::new(24, 80, 0)
            } else {
                vt100::Parser::new(size.1, size.0, 0)
            }),
            raw: Mutex::default(),
            blocked: AtomicBool::new(false),
        });
        let (reads, mut from) = (shared.clone(), File::from(master.try_clone().unwrap()));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                while reads.blocked.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                match from.read(&mut bytes) {
                    Ok(n @ 1..) => {
                        show(&mut reads.parser.lock().unwrap(), &bytes[..n]);
                        reads.raw.lock().unwrap().extend_from_slice(&bytes[..n]);
                    }
                    _ => return,
                }
            }
        });
        Terminal { master: Some(master.into()), slave: Some(slave), child, shared, before }
    }

    /// Types.
    pub fn keys(&mut self, text: &str) {
        self.master.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub fn text(&self) -> String {
        self.shared.parser.lock().unwrap().screen().contents()
    }

    /// All bytes so far.
    pub fn raw(&self) -> Vec<u8> {
        self.shared.raw.lock().unwrap().clone()
    }

    pub fn mouse(&self) -> bool {
        self.shared.parser.lock().unwrap().screen().mouse_protocol_mode() != vt100::MouseProtocolMode::None
    }

    /// Whether the screen is the explorer's.
    pub fn taken(&self) -> bool {
        self.shared.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Waits until the screen shows a text.
    pub fn shows(&self, text: &str) {
        self.until(&format!("`{text}`"), |t| t.text().contains(text));
    }

    pub fn until(&self, what: &str, so: impl Fn(&Terminal) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} did not come:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn resize(&self, size: (u16, u16)) {
        rustix::termios::tcsetwinsize(self.master.as_ref().unwrap(), window(size)).unwrap();
        self.shared.parser.lock().unwrap().screen_mut().set_size(size.1, size.0);
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether what the program writes is taken.
    pub fn block(&self, blocked: bool) {
        self.shared.blocked.store(blocked, Ordering::SeqCst);
    }

    /// The terminal goes away.
    pub fn vanish(&mut self) {
        // The reader holds a copy of one end: it goes when there is no other end.
        self.slave = None;
        self.master = None;
        self.signal(Signal::HUP);
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the program.
    pub fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                let text = self.text();
                let _ = self.child.kill();
                panic!("it does not end:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end; then the terminal must be as it was: modes, screen, cursor, mouse, pasting.
    pub fn left(&mut self) -> ExitStatus {
        let status = self.wait();
        self.is_restored();
        status
    }

    pub fn is_restored(&self) {
        let slave = self.slave.as_ref().unwrap();
        // What was written last is on its way.
        self.until("the normal screen", |t| !t.taken());
        self.until("the cursor", |t| !t.shared.parser.lock().unwrap().screen().hide_cursor());
        let parser = self.shared.parser.lock().unwrap();
        assert_eq!(parser.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still taken");
        assert!(!parser.screen().bracketed_paste(), "pasted text still comes in brackets");
        assert_eq!(modes(slave), self.before, "stty differs");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.blocked.store(false, Ordering::SeqCst);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `stty -a` tells.
fn modes(terminal: impl AsFd) -> String {
    let t = rustix::termios::tcgetattr(terminal).unwrap();
    format!("{:?} {:?} {:?} {:?} {:?}", t.input_modes, t.output_modes, t.control_modes, t.local_modes, t.special_codes)
}
