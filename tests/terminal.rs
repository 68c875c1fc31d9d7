//! Entering and leaving the explorer in a real terminal (tmux), by the script beside this file.

use std::process::Command;

/// A journal that has ended is enough: what is tested is the terminal. It is made by hand, so that this test is quick.
fn run_folder(runs: &std::path::Path) {
    let zonas = env!("CARGO_BIN_EXE_zonas");
    let folder = runs.join("finished");
    std::fs::create_dir_all(&folder).unwrap();
    let config = Command::new(zonas).args(["config", "--preset", "demo"]).output().unwrap();
    std::fs::write(folder.join("config.toml"), config.stdout).unwrap();
    let lines = [
        r#"{"v":1,"seq":0,"time":1.0,"event":"stage_started","stage":"score"}"#,
        r#"{"v":1,"seq":1,"time":2.0,"event":"log","level":"info","text":"nearly done"}"#,
        r#"{"v":1,"seq":2,"time":3.0,"event":"run_ended","outcome":"done","detail":""}"#,
    ];
    std::fs::write(folder.join("events.jsonl"), lines.join("\n") + "\n").unwrap();
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let runs = tempfile::tempdir().unwrap();
    run_folder(runs.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal.sh");
    let out = Command::new("sh")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_zonas"))
        .arg(runs.path())
        .arg("finished")
        .env("XDG_CONFIG_HOME", runs.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    println!("{text}");
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
}
