//! How long the explorer takes from the start of its process to its first picture, and from a key to the picture that
//! answers it, in a terminal, while an engine uses all cores: `cargo bench --bench latency`. Numbers to read; nothing here
//! fails by the clock.

#[cfg(target_os = "linux")]
#[path = "../tests/pty/mod.rs"]
mod pty;

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
    #[cfg(not(target_os = "linux"))]
    println!("skipped: the terminal of the tests is Linux's");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use crate::pty::Terminal;
    use zonas::run::config::Config;

    fn zonas(runs: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zonas"));
        command.arg("--runs").arg(runs).args(arguments);
        command.env("XDG_CONFIG_HOME", runs).env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env_remove("TMUX");
        command
    }

    /// Milliseconds until something is on the screen.
    fn until(terminal: &Terminal, begun: Instant, so: impl Fn(&Terminal) -> bool) -> f64 {
        while !so(terminal) && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_micros(100));
        }
        begun.elapsed().as_secs_f64() * 1e3
    }

    fn tell(what: &str, mut times: Vec<f64>) {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (p50, p95, most) = (at(0.5), at(0.95), at(1.0));
        println!("{what}: p50 {p50:.1} ms, p95 {p95:.1} ms, most {most:.1} ms, of {}", times.len());
    }

    fn measure(name: &str, runs: &Path, count: usize) {
        let open = || Terminal::start(zonas(runs, &["open", "live"]), (200, 60));
        let first = (0..count.div_ceil(5)).map(|_| {
            let begun = Instant::now();
            let terminal = open();
            // The end of a synchronized update: a whole picture is there.
            until(&terminal, begun, |t| t.raw().windows(8).any(|w| w == b"\x1b[?2026l"))
        });
        tell(&format!("{name}: process start to first picture at 200x60"), first.collect());
        let mut terminal = open();
        terminal.shows("Search");
        let key = (0..count).map(|i| {
            // At any moment of the explorer's own rhythm.
            std::thread::sleep(Duration::from_millis(120 + 7 * (i as u64 % 13)));
            let (key, words) = [("6", "newest at the bottom"), ("3", "progress")][i % 2];
            let begun = Instant::now();
            terminal.keys(key);
            until(&terminal, begun, |t| t.text().contains(words))
        });
        tell(&format!("{name}: key to its picture"), key.collect());
        // Detached.
        terminal.keys("q\r");
        terminal.wait();
    }

    pub fn main() {
        // `cargo test --benches` runs this too; there it only has to work.
        let count = if std::env::args().any(|a| a == "--bench") { 100 } else { 4 };
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.limit = 400;
        (config.score.draws, config.score.batch, config.score.channels) = (1.into(), 4, 1);
        config.score.remove_per_round = 3;
        (config.search.channels, config.search.cells, config.search.epochs) = (8, 5, 100_000);
        let path = dir.path().join("settings.toml");
        std::fs::write(&path, config.to_toml()).unwrap();
        let run = ["run", "--name", "live", "--yes", "--detach", "--config", path.to_str().unwrap()];
        assert!(zonas(dir.path(), &run).output().unwrap().status.success());
        let terminal = Terminal::start(zonas(dir.path(), &["open", "live"]), (200, 60));
        terminal.shows("images/s");
        drop(terminal);
        measure("engine at work on all cores", dir.path(), count);
        assert!(zonas(dir.path(), &["abort", "live"]).output().unwrap().status.success());
        measure("no engine", dir.path(), count);
    }
}
