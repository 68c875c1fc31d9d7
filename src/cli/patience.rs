//! What takes its time is said to, once, on standard error.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::text;

/// Nobody wonders before so long.
const QUIET: Duration = Duration::from_secs(3);

/// Waits to say something.
pub struct Patience {
    begun: Instant,
    words: Option<String>,
}

impl Patience {
    pub fn new(words: String) -> Patience {
        Patience { begun: Instant::now(), words: Some(words) }
    }

    /// To be called while nothing has happened.
    pub fn look(&mut self) {
        if let Some(words) = self.due() {
            let _ = writeln!(std::io::stderr(), "{}", text::sanitize(&words));
        }
    }

    fn due(&mut self) -> Option<String> {
        if self.begun.elapsed() >= QUIET { self.words.take() } else { None }
    }
}

/// Reads the data at a place; says so where that takes long.
pub fn reading<T>(source: &str, read: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    let mut patience =
        Patience::new(format!("reading {source}; a large folder of pictures takes a while, the first time"));
    std::thread::scope(|scope| {
        // Without a thread it is read all the same.
        let _ = std::thread::Builder::new().spawn_scoped(scope, move || {
            if waiting.recv_timeout(QUIET) == Err(mpsc::RecvTimeoutError::Timeout) {
                patience.look();
            }
        });
        let read = read();
        drop(done);
        read
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_said_once_and_nothing_else() {
        let mut patience = Patience::new("it takes long".into());
        assert_eq!(patience.due(), None);
        patience.begun = Instant::now().checked_sub(QUIET).unwrap();
        assert_eq!(patience.due().as_deref(), Some("it takes long"));
        assert_eq!(patience.due(), None);
        assert_eq!(reading("a place", || 7), 7);
    }
}
