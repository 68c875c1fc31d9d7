//! Copying through the terminal (OSC 52), which works over SSH. No terminal answers to it, so what is known beforehand of
//! those that can't is said. tmux keeps programs in it from the clipboard as it comes, so it is asked by its own command.

use std::io::Write;
use std::process::{Command, Stdio};

/// How a text gets from here to the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Bytes to the terminal, which takes them if it knows OSC 52.
    Terminal,
    /// By `tmux load-buffer`.
    Tmux,
    /// In tmux or screen on another machine: wrapped, too, for those that hand it on.
    Wrapped,
    /// It can't; why.
    Cannot(&'static str),
}

impl Way {
    /// From the environment.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Way {
        let set = |key: &str| env(key).filter(|v| !v.is_empty());
        let term = set("TERM").unwrap_or_default();
        if set("TMUX").is_some() {
            return Way::Tmux;
        }
        match term.as_str() {
            "dumb" | "" => return Way::Cannot("this terminal (TERM=dumb) has no clipboard"),
            "linux" => return Way::Cannot("the Linux console (TERM=linux) has no clipboard"),
            t if t.starts_with("vt") => return Way::Cannot("this terminal (TERM=vt…) has no clipboard"),
            _ => {}
        }
        if set("TERM_PROGRAM").is_some_and(|p| p == "Apple_Terminal") {
            return Way::Cannot("Apple's Terminal lets no program copy (OSC 52)");
        }
        if term.starts_with("tmux") || term.starts_with("screen") { Way::Wrapped } else { Way::Terminal }
    }

    /// The bytes that ask the terminal to put `text` on the clipboard.
    pub fn bytes(self, text: &str) -> Option<String> {
        let plain = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
        match self {
            Way::Terminal => Some(plain),
            // tmux takes the first itself where `set-clipboard` is on, and hands the second on where `allow-passthrough`
            // is.
            Way::Wrapped => Some(format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b"))),
            Way::Tmux | Way::Cannot(_) => None,
        }
    }
}

/// Puts a text into tmux's own buffer, and through tmux onto the clipboard of the terminal around it; what is to be said
/// of it.
pub fn by_tmux(text: &str) -> String {
    let mut command = Command::new("tmux");
    let command = command.args(["load-buffer", "-w", "-"]).stdin(Stdio::piped());
    let loaded = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().and_then(|mut child| {
        // The pipe is closed at once, or tmux would wait for more.
        let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(text.as_bytes()));
        let status = child.wait();
        written.and(status)
    });
    if !loaded.is_ok_and(|status| status.success()) {
        return "tmux did not take it (`tmux load-buffer -w` needs tmux 3.2 or newer)".into();
    }
    let features = Command::new("tmux").args(["display-message", "-p", "#{client_termfeatures}"]).output();
    if features.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("clipboard")) {
        "copied into tmux's buffer, and onto the clipboard of the terminal around it if that takes OSC 52".into()
    } else {
        "copied into tmux's buffer (prefix ] pastes it); tmux knows of no clipboard of the terminal around it".into()
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(DIGITS[(word >> (18 - 6 * i) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[test]
    fn terminals_without_a_clipboard_are_known() {
        let way = |pairs: &[(&str, &str)]| {
            Way::detect(|key| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_string()))
        };
        assert_eq!(way(&[("TERM", "xterm-256color")]), Way::Terminal);
        assert_eq!(way(&[("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0")]), Way::Tmux);
        assert_eq!(way(&[("TERM", "screen")]), Way::Wrapped);
        for term in ["linux", "dumb", "", "vt220"] {
            assert!(matches!(way(&[("TERM", term)]), Way::Cannot(_)), "{term}");
        }
        let apple = [("TERM", "xterm-256color"), ("TERM_PROGRAM", "Apple_Terminal")];
        assert!(matches!(way(&apple), Way::Cannot(_)));
    }

    #[test]
    fn the_bytes_are_those_of_osc_52() {
        assert_eq!(Way::Terminal.bytes("f").unwrap(), "\x1b]52;c;Zg==\x07");
        assert!(Way::Wrapped.bytes("f").unwrap().ends_with("\x1bPtmux;\x1b\x1b]52;c;Zg==\x07\x1b\\"));
        assert_eq!(Way::Cannot("").bytes("f"), None);
    }
}
