//! `zonas audit`: exact numbers against brute force, tables as they come and as they should not, and published cells.
//! `ZONAS_NB301_TABLE` and `ZONAS_NB201_TABLE` name tables; without them the shared ones are read; where there is neither, the
//! test says that it skipped.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use zonas::engine::{self, Confirm, Options, Outcome};
use zonas::random;
use zonas::run::RunFolder;
use zonas::run::config::{self, Config};
use zonas::space::{CellKind, Choice, Edge, Genotype, INPUTS, Mask, Operation, Space, darts};
use zonas::truth::{Cells, Table};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/small_space.toml");

fn audit(args: &[&str]) -> (String, String, i32) {
    let out = Command::cargo_bin("zonas").unwrap().arg("audit").args(args).output().unwrap();
    (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
        out.status.code().expect("an exit code, not a signal"),
    )
}

fn json(args: &[&str]) -> Value {
    let (out, err, code) = audit(&[args, &["--json"]].concat());
    assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
    serde_json::from_str(&out).unwrap()
}

/// One sentence on standard error that has every one of the parts, exit code 2, nothing on standard output.
fn refused(args: &[&str], because: &[&str]) {
    let (out, err, code) = audit(args);
    assert_eq!(code, 2, "{args:?}: {err}");
    assert!(out.is_empty(), "{args:?} printed {out}");
    assert!(err.starts_with("error: ") && err.trim_end().lines().count() == 1, "{args:?}: {err}");
    for part in because {
        assert!(err.contains(part), "{args:?}: `{part}` is not in {err}");
    }
}

struct Files(tempfile::TempDir);

impl Files {
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().into()
    }
}

fn files() -> Files {
    Files(tempfile::tempdir().unwrap())
}

/// Every cell of a kind, by loops over pairs of edges and their operations.
fn cells(space: Space, kind: CellKind) -> Vec<Vec<Choice>> {
    let graph = space.graph(kind).unwrap();
    let mut all: Vec<Vec<Choice>> = vec![Vec::new()];
    for node in 0..graph.nodes {
        let into: Vec<Edge> = graph.edges.iter().copied().filter(|e| e.target() == INPUTS + node).collect();
        let options = |e: &Edge| {
            let own = space.full().kept(kind, *e).filter(|o| *o != Operation::None);
            own.map(|operation| Choice { operation, source: e.source() }).collect::<Vec<_>>()
        };
        let mut pairs = Vec::new();
        for (i, a) in into.iter().enumerate() {
            for b in &into[i + 1..] {
                for x in options(a) {
                    pairs.extend(options(b).into_iter().map(|y| [x, y]));
                }
            }
        }
        all = all.iter().flat_map(|cell| pairs.iter().map(move |p| [&cell[..], &p[..]].concat())).collect();
    }
    all
}

/// Every cell of the small space, with accuracies of which many are equal.
fn small() -> (Space, Vec<(Genotype, f64)>) {
    let space = Space::open(Path::new(SMALL)).unwrap();
    let (mut all, mut rng) = (Vec::new(), random::stream(1, "test"));
    for normal in cells(space, CellKind::Normal) {
        for reduction in cells(space, CellKind::Reduction) {
            let genotype = Genotype {
                normal: normal.clone(),
                normal_concat: vec![2, 3],
                reduction,
                reduction_concat: vec![2, 3],
                ..Genotype::default()
            };
            let convolutions = genotype.normal.iter().filter(|c| c.operation == Operation::SepConv3x3).count();
            let accuracy = 90.0 + convolutions as f64 + random::below(&mut rng, 40) as f64 / 10.0;
            all.push((genotype, accuracy));
        }
    }
    (space, all)
}

fn tsv(rows: &[(Genotype, f64)]) -> String {
    let rows = rows.iter().map(|(genotype, accuracy)| format!("{genotype}\t{accuracy}\n"));
    format!("# every cell\ngenotype\tval_acc\n{}", rows.collect::<String>())
}

/// Whether a mask leaves a cell.
fn leaves(mask: &Mask, genotype: &Genotype) -> bool {
    genotype.kinds().all(|kind| {
        let choices = genotype.choices(kind).iter().enumerate();
        choices.into_iter().all(|(i, c)| {
            let edge = Edge::between(c.source, INPUTS + i / 2).unwrap();
            mask.keeps(kind, edge, c.operation)
        })
    })
}

#[test]
fn where_every_cell_is_known_numbers_are_those_of_brute_force() {
    let (files, (space, rows)) = (files(), small());
    assert_eq!(rows.len(), 512);
    let table = files.write("t.tsv", tsv(&rows));
    let mut sorted: Vec<f64> = rows.iter().map(|r| r.1).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    // Every second candidate of the edges that have two and more.
    let mut mask = space.full();
    for (i, (kind, edge)) in space.all_edges().enumerate() {
        let gone = if i % 2 == 0 { Operation::SkipConnect } else { Operation::SepConv3x3 };
        if space.full().keeps(kind, edge, Operation::SepConv3x3) {
            mask.set(zonas::space::Place::new(kind, edge, gone), false);
        }
    }
    let own: Vec<f64> = rows.iter().filter(|r| leaves(&mask, &r.0)).map(|r| r.1).collect();
    let best = own.iter().copied().fold(f64::MIN, f64::max);
    let file = files.write("mask.json", serde_json::to_string(&mask).unwrap());
    let found = json(&["--mask", &file, "--space", SMALL, "--table", &table]);
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
    };
    assert_eq!((found["by"].as_str(), &found["model"]), (Some("exact"), &Value::Null));
    near(&found["cells"], own.len() as f64);
    near(&found["of_cells"], 512.0);
    near(&found["cut"]["mean"], own.iter().sum::<f64>() / own.len() as f64);
    near(&found["cut"]["best"], best);
    near(&found["cut"]["regret"], sorted[0] - best);
    // The hundredth has equals, of which some count: between those above it and those at least as good.
    let share = found["cut"]["of_best_100"].as_f64().unwrap() * 100.0;
    let count = |least: &dyn Fn(f64) -> bool| own.iter().filter(|a| least(**a)).count() as f64;
    assert!(count(&|a| a > sorted[99]) <= share + 1e-9 && share - 1e-9 <= count(&|a| a >= sorted[99]));
    assert_eq!(found["cut"]["of_best_1000"], Value::Null);
    let mut ascending = own.clone();
    ascending.sort_by(f64::total_cmp);
    let quantiles = &found["cut"]["quantiles"];
    let middle = (ascending[(own.len() - 1) / 2] + ascending[own.len() / 2]) / 2.0;
    near(&quantiles[2], middle);
    // Random cuts of this shape: 2^8 of them, so the mean over 2,000 draws is near that over all.
    let mut means = Vec::new();
    for bits in 0..256u32 {
        let mut cut = space.full();
        let edges = space.all_edges().filter(|(k, e)| space.full().keeps(*k, *e, Operation::SepConv3x3));
        for (i, (kind, edge)) in edges.enumerate() {
            let gone = if bits >> i & 1 == 0 { Operation::SkipConnect } else { Operation::SepConv3x3 };
            cut.set(zonas::space::Place::new(kind, edge, gone), false);
        }
        let own: Vec<f64> = rows.iter().filter(|r| leaves(&cut, &r.0)).map(|r| r.1).collect();
        means.push(own.iter().sum::<f64>() / own.len() as f64);
    }
    let all = means.iter().sum::<f64>() / 256.0;
    assert!((found["random"]["mean"].as_f64().unwrap() - all).abs() < 0.1);
    let below = means.iter().filter(|m| **m < found["cut"]["mean"].as_f64().unwrap() - 1e-9).count() as f64;
    assert!((found["percentile"]["mean"].as_f64().unwrap() - 100.0 * below / 256.0).abs() < 4.0);
    // `none` is no operation of a cell, and on the edge 2>3 of the normal cell nothing was cut.
    assert_eq!(found["kept_per_edge"], serde_json::json!([1, 1, 1, 1, 1, 1, 1, 1, 1]));
    assert_eq!((found["none_kept"].as_u64(), found["candidates"].as_u64()), (Some(9), Some(17)));
    let (out, _, _) = audit(&["--mask", &file, "--space", SMALL, "--table", &table]);
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("these numbers are exact") && words.contains("`none`, kept on 9 edges"), "{out}");
    assert!(out.lines().all(|l| l.chars().count() <= 80), "{out}");
    // Without a cell, nothing is exact.
    let most = files.write("most.tsv", tsv(&rows[1..]));
    assert_eq!(json(&["--mask", &file, "--space", SMALL, "--table", &most])["by"], "regression");
}

/// A run in the small space: its cut, its cell, and its ranking functions.
#[test]
fn a_run_is_judged_with_its_cell_and_its_functions() {
    let (files, (_, rows)) = (files(), small());
    let table = files.write("t.tsv", tsv(&rows));
    let mut c = Config { seed: 7, ..Config::default() };
    c.data.limit = 64;
    (c.score.draws, c.score.batch, c.score.channels) = (2.into(), 8, 2);
    (c.search.channels, c.search.cells, c.search.batch, c.search.epochs) = (2, 3, 8, 1);
    c.space = config::Space { name: SMALL.into(), ..config::Space::default() }.embedded().unwrap();
    let folder = RunFolder::create(files.0.path(), Some("r"), "test", &c).unwrap();
    let path = folder.path().to_str().unwrap();
    refused(&[path, "--table", &table], &["has no cut yet"]);
    let done = engine::run(&folder, &c, &Options { confirm: Confirm::Automatic, ..Options::default() }).unwrap();
    assert_eq!(done, Outcome::Done);
    let found = json(&[path, "--table", &table]);
    let cell: Genotype = serde_json::from_slice(&std::fs::read(folder.file("genotype.json")).unwrap()).unwrap();
    assert_eq!(found["found"]["genotype"], cell.to_string());
    let sorted = |g: &Genotype| {
        let mut of: BTreeMap<CellKind, Vec<(usize, Choice)>> = BTreeMap::new();
        for kind in g.kinds() {
            let own = g.choices(kind).iter().enumerate().map(|(i, c)| (i / 2, *c));
            of.entry(kind).or_default().extend(own);
        }
        of.values_mut().for_each(|own| own.sort());
        of
    };
    let accuracy = rows.iter().find(|r| sorted(&r.0) == sorted(&cell)).unwrap().1;
    let rank = 1 + rows.iter().filter(|r| r.1 > accuracy).count();
    assert_eq!(found["found"]["accuracy"], accuracy);
    assert_eq!(found["found"]["rank"], rank);
    let names: Vec<&str> = found["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, [c.score.functions.iter().map(String::as_str).collect(), vec!["together"]].concat());
    let (out, _, _) = audit(&[path, "--table", &table]);
    assert!(out.contains(&format!("rank {rank} of 512")) && out.contains("Kendall's tau"), "{out}");
    // The explorer's screens say the same.
    let screens = |more: &[&str]| {
        let into = files.0.path().join("screens");
        let open = ["open", path, "--pictures", into.to_str().unwrap(), "--size", "120x50"];
        Command::cargo_bin("zonas").unwrap().args(open).args(more).assert().success();
        ["cut", "cell"].map(|name| std::fs::read_to_string(into.join(format!("{name}.txt"))).unwrap())
    };
    let [cut, shown] = screens(&["--table", &table]);
    let mean = format!("{:.3}", found["cut"]["mean"].as_f64().unwrap());
    assert!(cut.contains("by the table t.tsv, val_acc") && cut.contains(&mean), "{cut}");
    assert!(cut.contains("of 2,000 random cuts of this shape"), "{cut}");
    assert!(shown.contains(&format!("rank {rank} of 512")), "{shown}");
    let [cut, shown] = screens(&[]);
    assert!(!cut.contains("by the table") && !shown.contains("rank"), "{cut}");
    let missing = files.0.path().join("none.tsv");
    let [cut, _] = screens(&["--table", missing.to_str().unwrap()]);
    assert!(cut.contains("none.tsv"), "{cut}");
    // So does `zonas show`, where the settings name the table, or says why it can't.
    for (file, told) in
        [(table.clone(), mean.as_str()), (missing.to_str().unwrap().into(), "no judgement by the table")]
    {
        c.truth.table = file;
        std::fs::write(folder.file("config.toml"), c.to_toml()).unwrap();
        let out = Command::cargo_bin("zonas").unwrap().args(["show", path]).output().unwrap();
        let out = String::from_utf8(out.stdout).unwrap();
        assert!(out.contains("verdict ") && out.contains(told), "{out}");
    }
    // All cells, where more are asked for; the run's own functions, and the parameter count.
    let (out, _, _) = audit(&[path, "--table", &table, "--sample", "1000"]);
    assert!(out.contains("over 512 cells of the table, 2 draws each:"), "{out}");
    let sampled = out.split("draws each:").last().unwrap();
    assert!(["naswot", "logsynflow", "mean_jacobian", "params"].iter().all(|name| sampled.contains(name)), "{sampled}");
    refused(&[path, "--table", &table, "--sample", "9", "--functions", "nasswot"], &["nasswot", "`naswot`"]);
    // A run begins with a table that can judge it, or not at all.
    let foreign = files.write("foreign.tsv", "ops\tacc\n333132\t94\n");
    let small = files.write("small.tsv", format!("genotype\tval_acc\n{cell}\t94\n"));
    for (file, why) in [
        (missing.to_str().unwrap(), "none.tsv"),
        (&foreign, "table of NAS-Bench-201"),
        (&small, "can't judge"),
        (&table, ""),
    ] {
        c.truth.table = file.into();
        match engine::check(&c) {
            Ok(()) => assert!(why.is_empty(), "{file}"),
            Err(e) => {
                let told = e.to_string();
                assert!(e.is_bad_input() && told.contains("truth.table") && told.contains(why), "{file}: {told}");
                assert!(!why.is_empty(), "{told}");
            }
        }
    }
    let mut train = c.clone();
    train.train.genotype = cell.to_string();
    (train.train.epochs, train.train.channels, train.train.cells, train.train.batch) = (1, 2, 3, 16);
    let folder = RunFolder::create(files.0.path(), Some("train"), "test", &train).unwrap();
    engine::run(&folder, &train, &Options::default()).unwrap();
    refused(&[folder.path().to_str().unwrap(), "--table", &table], &["trains a genotype"]);
}

/// A cut of DARTS that keeps four operations on every edge.
fn four() -> String {
    use Operation::{DilConv3x3, SepConv3x3, SepConv5x5, SkipConnect};
    serde_json::to_string(&Mask::uniform(darts::SPACE, &[SkipConnect, SepConv3x3, SepConv5x5, DilConv3x3])).unwrap()
}

/// Random cells of DARTS with an accuracy that is nearly linear in their operations.
fn sample(count: usize) -> Vec<(Genotype, f64)> {
    let mut rng = random::stream(2, "test");
    let catalogue: Vec<Operation> = darts::SPACE.operations()[1..].to_vec();
    let mut all = Vec::new();
    for _ in 0..count {
        let mut accuracy = 93.0 + 0.05 * random::normal(&mut rng);
        let mut cell = |worth: f64| -> Vec<Choice> {
            (0..4)
                .flat_map(|node| {
                    let first = random::below(&mut rng, node + 2);
                    let second = (first + 1 + random::below(&mut rng, node + 1)) % (node + 2);
                    [first, second].map(|source| {
                        let number = random::below(&mut rng, 7) as usize;
                        accuracy += worth * number as f64;
                        Choice { operation: catalogue[number], source: source as usize }
                    })
                })
                .collect()
        };
        let (normal, reduction, concat) = (cell(0.1), cell(0.02), vec![2, 3, 4, 5]);
        let (normal_concat, reduction_concat) = (concat.clone(), concat);
        let genotype = Genotype { normal, normal_concat, reduction, reduction_concat, ..Genotype::default() };
        all.push((genotype, accuracy));
    }
    all
}

/// The bytes as an .xz file, stored, not packed, with CRC-32: format 1.2.1.
fn xz(bytes: &[u8]) -> Vec<u8> {
    let sum = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let vli = |mut n: u64| {
        let mut out = Vec::new();
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    };
    let mut out = b"\xfd7zXZ\0\x00\x01".to_vec();
    out.extend(sum(&[0, 1]));
    let begin = out.len();
    // Header of 12 bytes: one filter, LZMA2 with a window of 1 MiB.
    let header = [2, 0, 0x21, 1, 16, 0, 0, 0];
    out.extend(header);
    out.extend(sum(&header));
    for (i, chunk) in bytes.chunks(1 << 16).enumerate() {
        out.push(if i == 0 { 1 } else { 2 });
        out.extend((chunk.len() as u16).wrapping_sub(1).to_be_bytes());
        out.extend(chunk);
    }
    out.push(0);
    let unpadded = out.len() - begin + 4;
    while !(out.len() - begin).is_multiple_of(4) {
        out.push(0);
    }
    out.extend(sum(bytes));
    let mut index = vec![0, 1];
    index.extend(vli(unpadded as u64));
    index.extend(vli(bytes.len() as u64));
    while !index.len().is_multiple_of(4) {
        index.push(0);
    }
    out.extend(&index);
    out.extend(sum(&index));
    let footer = [((index.len() + 4) as u32 / 4 - 1).to_le_bytes().to_vec(), vec![0, 1]].concat();
    out.extend(sum(&footer));
    out.extend(&footer);
    out.extend(b"YZ");
    out
}

#[test]
fn a_sample_is_judged_the_same_however_it_is_written() {
    let (files, rows) = (files(), sample(500));
    let mask = files.write("mask.json", four());
    let text = tsv(&rows).replace("every cell", "predicted by a \u{1b}[31msurrogate");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text.as_bytes()).unwrap();
    let mut turned: Vec<&str> = text.lines().collect();
    turned[2..].reverse();
    let all = [
        files.write("plain.tsv", &text),
        files.write("packed.tsv.xz", xz(text.as_bytes())),
        files.write("called_otherwise", xz(text.as_bytes())),
        files.write("packed.tsv.gz", gz.finish().unwrap()),
        files.write("turned.tsv", turned.join("\r\n")),
    ];
    let mut told: Vec<Value> = Vec::new();
    for file in &all {
        let mut found = json(&["--mask", &mask, "--table", file]);
        found["table"]["file"] = Value::Null;
        told.push(found);
    }
    assert!(told.iter().all(|t| *t == told[0]));
    let first = &told[0];
    assert!(first["model"]["spearman"].as_f64().unwrap() > 0.95, "{first}");
    assert_eq!((first["table"]["rows"].as_u64(), first["table"]["surrogate"].as_bool()), (Some(500), Some(true)));
    assert!(first["cut"]["gain"].as_f64().unwrap() < 1.0 && first["random"]["gain"].as_f64().unwrap().abs() < 1e-9);
    let best = first["controls"].as_array().unwrap().iter().find(|c| c["name"] == "best_by_model").unwrap();
    assert!((best["gain"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    // Another seed draws other cuts; the model is nearly the same.
    let other = json(&["--mask", &mask, "--table", &all[0], "--seed", "9"]);
    assert_ne!(other["model"]["spearman"], first["model"]["spearman"]);
    assert!((other["cut"]["mean"].as_f64().unwrap() - first["cut"]["mean"].as_f64().unwrap()).abs() < 0.05);
    let (out, _, _) = audit(&["--mask", &mask, "--table", &all[0]]);
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["Below three operations an edge", "predictions of a surrogate", "4 on every edge", "this cut"] {
        assert!(words.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("THIS CUT") && !out.contains('\u{1b}'), "{out}");
    assert!(out.lines().all(|l| l.chars().count() <= 80), "{out}");
    let two = Mask::uniform(darts::SPACE, &[Operation::SkipConnect, Operation::SepConv3x3]);
    let two = files.write("two.json", serde_json::to_string(&two).unwrap());
    let (out, _, _) = audit(&["--mask", &two, "--table", &all[0]]);
    assert!(out.contains("THIS CUT keeps fewer than three on 28 of 28 edges"), "{out}");
    // Nothing cut, nothing gained.
    let full = files.write("full.json", serde_json::to_string(&Mask::default()).unwrap());
    let found = json(&["--mask", &full, "--table", &all[0]]);
    assert_eq!((&found["cut"]["gain"], found["percentile"]["mean"].as_f64()), (&Value::Null, Some(50.0)));
}

#[test]
fn what_is_wrong_is_a_sentence_and_exit_code_2() {
    let (files, rows) = (files(), sample(120));
    let mask = files.write("mask.json", four());
    let table = files.write("t.tsv", tsv(&rows));
    let told = |file: &str, because: &[&str]| refused(&["--mask", &mask, "--table", file], because);
    told("/nowhere/t.tsv", &["can't read /nowhere/t.tsv"]);
    told(files.0.path().to_str().unwrap(), &["is a folder"]);
    let packed = xz(tsv(&rows).as_bytes());
    told(&files.write("torn.xz", &packed[..packed.len() / 2]), &["torn.xz: it is torn", "fetch it again"]);
    told(&files.write("bad.tsv", tsv(&rows).replace("val_acc", "loss")), &["bad.tsv, line 2", "--column"]);
    told(&files.write("nan.tsv", tsv(&rows[..1]) + &format!("{}\tnan", rows[1].0)), &["line 4", "no finite number"]);
    told(&files.write("few.tsv", tsv(&rows[..20])), &["can't judge cuts of darts", "20 cells", "at least 50"]);
    let none: Vec<_> = rows.iter().enumerate().map(|(i, r)| (r.0.clone(), (i * 7919 % 120) as f64)).collect();
    told(&files.write("noise.tsv", tsv(&none)), &["rank correlation", "give a table of more"]);
    told(&files.write("small.tsv", tsv(&small().1)), &["none of its 512 rows is of the space darts", "line 3"]);
    told(&files.write("ops.tsv", "ops\tacc\n421211\t85\n"), &["NAS-Bench-201", "the space darts"]);
    refused(&["--mask", &mask, "--table", &table, "--column", "acc"], &["no column `acc`", "genotype, val_acc"]);
    refused(&["--mask", &table, "--table", &table], &["is no mask"]);
    refused(&["--mask", "/nowhere", "--table", &table], &["can't read /nowhere"]);
    refused(&["nowhere", "--table", &table], &["nowhere"]);
    let empty = files.write("empty.json", four().replacen('1', "0", 4));
    refused(&["--mask", &empty, "--table", &table], &["keeps no operation"]);
    let only_none = Mask::uniform(darts::SPACE, &[Operation::None]);
    let only_none = files.write("none.json", serde_json::to_string(&only_none).unwrap());
    refused(&["--mask", &only_none, "--table", &table], &["leaves no cell", "node 0 of the normal cell"]);
    let unknown = files.write("u.json", four().replacen('{', "{\"space\": \"small#0\", ", 1));
    refused(&["--mask", &unknown, "--table", &table], &["not known here", "--space"]);
    // Usage: both, or neither.
    assert_eq!(audit(&["--table", &table]).2, 2);
    assert_eq!(audit(&["r", "--mask", &mask, "--table", &table]).2, 2);
}

/// Whatever bytes a table has, reading it ends, with a table or a reason.
#[test]
fn damaged_tables_are_read_or_refused() {
    let files = files();
    let cells = Cells::of(darts::SPACE);
    let plain = tsv(&sample(3));
    for bytes in [xz(plain.as_bytes()), include_bytes!("data/audit/three.tsv.xz").to_vec(), plain.clone().into_bytes()]
    {
        let whole = Path::new(&files.write("t", &bytes)).to_path_buf();
        assert_eq!(Table::read(&whole, &cells, None).unwrap().rows.len(), 3);
        for i in 0..bytes.len() {
            let mut other = bytes.clone();
            other[i] ^= 1 << (i % 8);
            let _ = Table::read(Path::new(&files.write("t", &other)), &cells, None);
            if bytes.starts_with(b"\xfd7zXZ") {
                let torn = Table::read(Path::new(&files.write("t", &bytes[..i])), &cells, None);
                assert!(torn.is_err(), "{i} of {} bytes", bytes.len());
            }
        }
    }
}

/// A shared table, if it is there; says so if not.
fn shared(variable: &str, name: &str) -> Option<String> {
    let path = std::env::var_os(variable).map(PathBuf::from).or_else(|| {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference").join(name);
        shared.exists().then_some(shared)
    });
    if path.is_none() {
        println!("skipped: no table; set {variable} to one");
    }
    Some(path?.to_str()?.into())
}

/// NAS-Bench-301's predictions of 400 random cells, and what was measured with another program on 725 of them: Spearman 0.91,
/// and gains at four operations an edge of -0.70 (cheapest) and 0.70 (most parameters), at two of -0.31 and 0.91.
#[test]
fn nas_bench_301_is_predicted() {
    let Some(table) = shared("ZONAS_NB301_TABLE", "nb301_darts_proxies.tsv.xz") else { return };
    let files = files();
    let mask = files.write("mask.json", four());
    let found = json(&["--mask", &mask, "--table", &table]);
    assert!(found["table"]["surrogate"].as_bool().unwrap() && found["table"]["column"] == "val_acc");
    assert!(found["model"]["spearman"].as_f64().unwrap() > 0.85, "{}", found["model"]);
    let gain = |name: &str| {
        let all = found["controls"].as_array().unwrap();
        all.iter().find(|c| c["name"] == name).unwrap()["gain"].as_f64().unwrap()
    };
    assert!((gain("cheapest") + 0.7).abs() < 0.1 && (gain("most_parameters") - 0.7).abs() < 0.1, "{found}");
}

/// All 15,625 cells, test accuracy on CIFAR-10: the numbers of both convolutions on every edge were computed by another program.
#[test]
fn nas_bench_201_is_known() {
    let Some(table) = shared("ZONAS_NB201_TABLE", "nb201_table.tsv.xz") else { return };
    let files = files();
    let space = Space::find("nas_bench_201").unwrap();
    let both = Mask::uniform(space, &[Operation::NorConv1x1, Operation::NorConv3x3]);
    let mask = files.write("mask.json", serde_json::to_string(&both).unwrap());
    let found = json(&["--mask", &mask, "--table", &table, "--column", "test200_c10"]);
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    assert_eq!(
        (found["by"].as_str(), number(&found, "cells"), number(&found, "of_cells")),
        (Some("exact"), 64.0, 15625.0)
    );
    let cut = &found["cut"];
    assert!((number(cut, "mean") - 93.20).abs() < 0.005 && (number(cut, "regret") - 0.39).abs() < 0.01, "{cut}");
    assert!((number(cut, "of_best_100") - 0.02).abs() < 1e-9, "{cut}");
    // Random cuts without `none`, as this one: in the mean that of the 4,096 cells without it.
    assert!((number(&found["random"], "mean") - 89.449058).abs() < 0.05, "{found}");
    assert!((number(&found["random"], "regret") - 0.9).abs() < 0.1, "{found}");
    refused(&["--mask", &mask, "--table", &table], &["name one of nb201_index, ops", "--column"]);
    let darts = files.write("darts.json", four());
    refused(&["--mask", &darts, "--table", &table], &["NAS-Bench-201", "line 3", "the space darts"]);
    let of_darts = files.write("t.tsv", "normal\treduce\tacc\n0:4 1:4\t0:4 1:4\t93\n");
    refused(&["--mask", &mask, "--table", &of_darts], &["a table of DARTS cells", "the space nas_bench_201", "line 1"]);
    // Digits mean the same whatever order a space of one's own has.
    let turned = files.write(
        "turned.toml",
        "name = \"turned\"\nstacking = \"nas_bench_201\"\noperations = [\"nor_conv_3x3\", \"skip_connect\", \"nor_conv_1x1\"]\n\
         [normal]\nnodes = 3\n",
    );
    let own = Space::open(Path::new(&turned)).unwrap();
    let one = Mask::uniform(own, &[Operation::NorConv3x3]);
    let named = files.write("one.json", serde_json::to_string(&one).unwrap().replace(&own.key(), own.name()));
    let found = json(&["--mask", &named, "--space", &turned, "--table", &table, "--column", "test200_c10"]);
    assert_eq!((number(&found, "cells"), number(&found, "of_cells")), (1.0, 729.0));
    assert!((number(&found["cut"], "mean") - 93.76).abs() < 0.005, "{found}");
    refused(&["--mask", &mask, "--space", "darts", "--table", &table], &["a mask of nas_bench_201", "names darts"]);
    refused(&["--mask", &mask, "--table", &table, "--column", "ops"], &["`ops` says which cell a row is of"]);
    // A run's own ranking functions on cells of the table; the parameter count is that of the table.
    let mut c = Config { seed: 3, ..Config::default() };
    c.space.name = "nas_bench_201".into();
    c.data.limit = 64;
    (c.score.draws, c.score.batch, c.score.channels) = (1.into(), 8, 4);
    (c.search.channels, c.search.cells, c.search.batch, c.search.epochs) = (4, 3, 8, 1);
    let folder = RunFolder::create(files.0.path(), Some("r"), "test", &c).unwrap();
    engine::run(&folder, &c, &Options { confirm: Confirm::Automatic, ..Options::default() }).unwrap();
    let path = folder.path().to_str().unwrap();
    // The cursor of a picture stands on an operation of this space.
    let into = files.0.path().join("screens");
    let open = ["open", path, "--pictures", into.to_str().unwrap(), "--size", "80x24"];
    Command::cargo_bin("zonas").unwrap().args(open).assert().success();
    let score = std::fs::read_to_string(into.join("score.txt")).unwrap();
    assert!(score.contains("0▸2 skip ·") && !score.contains("no candidate"), "{score}");
    let sample = ["--sample", "300", "--functions", "params,naswot,params"];
    let found = json(&[&[path, "--table", &table, "--column", "test200_c10"], &sample[..]].concat());
    let sampled = &found["sampled"];
    assert_eq!((number(sampled, "cells"), number(sampled, "draws")), (300.0, 1.0));
    let tau = |i: usize| number(&sampled["functions"][i], "tau");
    // Published over all cells: params 0.578, naswot 0.57 to 0.61.
    assert!((tau(0) - 0.578).abs() < 0.08 && tau(1) > 0.4, "{sampled}");
    assert_eq!(tau(0), tau(2));
}
