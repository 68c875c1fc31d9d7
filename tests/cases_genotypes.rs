//! Genotypes as people have them, given to the program: files in `tests/data/cases/genotypes`, each of which is one cell.

use std::path::Path;

use assert_cmd::Command;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cases/genotypes");

fn case(name: &str) -> String {
    format!("{CASES}/{name}")
}

fn zonas(args: &[&str], input: &str) -> (String, String, i32) {
    let out = Command::cargo_bin("zonas").unwrap().args(args).write_stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(out.stdout), text(out.stderr), out.status.code().expect("an exit code, not a signal"))
}

/// What is said on standard error, if the cell is that of all the files.
fn is_the_cell(args: &[&str], input: &str) -> String {
    let (out, err, code) = zonas(&[&["count", "--json"], args].concat(), input);
    assert_eq!(code, 0, "{args:?}: {err}");
    let count: serde_json::Value = serde_json::from_str(&out).unwrap();
    // Without the classifier's 5760: convolutions alone.
    let size = ["parameters", "macs"].map(|key| count[key].as_u64().unwrap());
    assert_eq!(size, [3_033_982, 480_666_240], "{args:?}");
    err
}

/// One sentence on standard error that has every one of the parts, exit code 2, nothing on standard output.
fn refused(args: &[&str], because: &[&str]) -> String {
    let (out, err, code) = zonas(args, "");
    assert_eq!(code, 2, "{args:?}: {err}");
    assert!(out.is_empty(), "{args:?} printed {out}");
    assert!(err.starts_with("error: ") && err.trim_end().lines().count() == 1, "{args:?}: {err}");
    for part in because {
        assert!(err.contains(part), "{args:?}: `{part}` is not in {err}");
    }
    err
}

#[test]
fn every_file_is_the_cell_or_says_what_it_is() {
    for name in [
        "00_plain.txt",
        "01_logline.txt",
        "03_nested.txt",
        "06_asdict.json",
        "09_positional.txt",
        "14_nni.json",
        "15g_backtick.txt",
    ] {
        let path = case(name);
        assert_eq!(is_the_cell(&[&path], ""), "", "{name}");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(is_the_cell(&["-"], &text), "", "{name}");
        assert_eq!(is_the_cell(&[text.trim()], ""), "", "{name}");
    }
    let file = case("07_genotypes.py");
    refused(
        &["count", &file],
        &["07_genotypes.py defines several genotypes: MINE_A, MINE_B, MINE", "07_genotypes.py:MINE`"],
    );
    for name in ["MINE_B", "MINE"] {
        is_the_cell(&[&format!("{file}:{name}")], "");
        is_the_cell(&[&file, "--which", name], "");
    }
    is_the_cell(&[&file, "--which", "2"], "");
    is_the_cell(&[&file, "--which", "-1"], "");
    refused(&["count", &format!("{file}:MINE_C")], &["MINE_C", "MINE_A, MINE_B, MINE"]);
    refused(&["count", &file, "--which", "3"], &["there are 2 genotypes"]);
    refused(&["count", &format!("{file}:MINE_A"), "--which", "MINE_B"], &["give one of them"]);
    let wrong = refused(
        &["count", &case("12d_conv9x1.txt")],
        &[
            "12d_conv9x1.txt: line 1, column 19",
            "`conv_9x1_1x9` is not an operation that is built",
            "none, max_pool_3x3",
            "dil_conv_5x5",
        ],
    );
    assert!(!wrong.contains("nearest") && !wrong.contains("near)"), "{wrong}");
}

#[test]
fn whole_logs_give_the_last_and_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let line = std::fs::read_to_string(case("01_logline.txt")).unwrap();
    let early = line.replace("sep_conv_5x5", "skip_connect");
    let log = format!(
        "args: Namespace(seed=2)\r\n{}\r\nvalid_acc 71.3\r\n{}\r\nvalid_acc 80.1\r\n",
        early.trim(),
        line.trim()
    );
    let write = |name: &str, bytes: &[u8]| -> String {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    };
    let plain = write("log.txt", log.as_bytes());
    let said = is_the_cell(&[&plain], "");
    assert!(said.starts_with("note: ") && said.contains("log.txt has 2 genotypes; the last, on line 4,"), "{said}");
    assert_eq!(is_the_cell(&[&plain, "--which", "2"], ""), "");
    assert_eq!(is_the_cell(&[&plain, "--which", "last"], ""), "");
    let (out, _, _) = zonas(&["count", &plain, "--which", "first"], "");
    assert!(!out.contains("3033982"), "{out}");
    // PowerShell's encoding, and odd bytes elsewhere in the log.
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(log.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    is_the_cell(&[&write("wide.txt", &wide)], "");
    is_the_cell(&[&write("odd.txt", &[b"\xff\xfa class\n", log.as_bytes()].concat())], "");
    let torn = format!("{log}genotype = {}", &line[35..200]);
    refused(&["count", &write("torn.txt", torn.as_bytes())], &["torn.txt: line 6", "--which takes another"]);
}

/// Trainings, in settings too: the run holds the genotype's text, not the place where it was.
#[test]
fn trainings_take_them_too() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let runs = runs.to_str().unwrap();
    let tiny = [
        "--foreground",
        "--set",
        "data.limit=32",
        "--set",
        "train.channels=1",
        "--set",
        "train.cells=1",
        "--set",
        "train.epochs=1",
        "--set",
        "train.batch=32",
        "--set",
        "train.auxiliary=0",
        "--device",
        "cpu",
    ];
    let begin = |args: &[&str], name: &str| {
        let (_, err, code) = zonas(&[&["--runs", runs], args, &tiny[..], &["--name", name]].concat(), "");
        assert_eq!(code, 0, "{args:?}: {err}");
        let config = std::fs::read_to_string(Path::new(runs).join(name).join("config.toml")).unwrap();
        assert!(config.contains("Genotype(normal=[('sep_conv_5x5', 1), ('skip_connect', 0)"), "{config}");
    };
    let file = case("07_genotypes.py");
    begin(&["train", &file, "--which", "MINE_B"], "a");
    begin(&["run", "--set", &format!("train.genotype={file}:MINE")], "b");
    refused(&["--runs", runs, "train", &file], &["MINE_A, MINE_B, MINE"]);
    refused(
        &["--runs", runs, "run", "--set", &format!("train.genotype={file}")],
        &["train.genotype", "MINE_A, MINE_B, MINE"],
    );
}

/// And from one form to another.
#[test]
fn export_takes_them_too() {
    let (plain, nested) = (case("00_plain.txt"), case("03_nested.txt"));
    let (out, err, code) = zonas(&["export", &nested], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, std::fs::read_to_string(plain).unwrap());
    let (json, _, code) = zonas(&["export", &format!("{}:MINE", case("07_genotypes.py")), "--as", "json"], "");
    assert_eq!(code, 0);
    is_the_cell(&["-"], &json);
    refused(&["export", &case("07_genotypes.py")], &["MINE_A, MINE_B, MINE"]);
    refused(&["export", "no-such-run"], &["no-such-run"]);
}

#[test]
fn each_command_lists_only_what_it_takes() {
    let (help, _, code) = zonas(&["train", "--help"], "");
    assert_eq!(code, 0);
    for flag in ["--xi", "--memory ", "--precision"] {
        assert!(!help.contains(flag), "{flag} is listed:\n{help}");
        let value = match flag {
            "--precision" => "bf16",
            "--xi" => "0.5",
            _ => "keep",
        };
        refused(&["train", "DARTS_V2", flag.trim(), value], &[flag.trim(), "a training has no use for it"]);
    }
    assert!(help.contains("--memory-budget") && help.contains("--which"));
    let (help, _, _) = zonas(&["run", "--help"], "");
    assert!(["--xi", "--memory ", "--precision", "--runs"].iter().all(|flag| help.contains(flag)));
    for command in ["count", "bench", "config", "completions"] {
        let (help, _, code) = zonas(&[command, "--help"], "");
        assert!(code == 0 && !help.contains("--runs"), "{command} lists --runs:\n{help}");
    }
    // Harmless all the same, before the word and after it.
    for args in [["--runs", "x", "config"], ["config", "--runs", "x"]] {
        assert_eq!(zonas(&args, "").2, 0, "{args:?}");
    }
}
