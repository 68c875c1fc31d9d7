//! What a training takes home: files whose metadata say all that is needed to use them, here and in the published code.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use candle_core::{Device, Tensor};
use flate2::read::GzDecoder;
use safetensors::SafeTensors;
use zonas::nn::{Evaluation, EvaluationConfig, EvaluationPass};
use zonas::space::parse_genotype;

/// CIFAR-10, unpacked; and a run that has trained on it, with everything that a network can have.
fn trained(dir: &Path) -> (PathBuf, PathBuf) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cifar-10-binary-mini.tar.gz");
    tar::Archive::new(GzDecoder::new(std::fs::File::open(archive).unwrap())).unpack(dir).unwrap();
    let data = dir.join("cifar-10-batches-bin");
    let genotype = "Genotype(normal=[('sep_conv_3x3', 0), ('max_pool_3x3', 1), ('dil_conv_3x3', 0), ('skip_connect', 2), \
        ('sep_conv_5x5', 1), ('avg_pool_3x3', 3), ('skip_connect', 0), ('dil_conv_5x5', 4)], normal_concat=range(2, 6), \
        reduce=[('max_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_5x5', 2), ('avg_pool_3x3', 1), \
        ('dil_conv_3x3', 0), ('sep_conv_5x5', 0), ('skip_connect', 1)], reduce_concat=[3, 4, 5])";
    let runs = dir.join("runs");
    let mut command = Command::cargo_bin("zonas").unwrap();
    command.arg("--runs").arg(&runs).args([
        "train",
        genotype,
        "--name",
        "home",
        "--foreground",
        "--device",
        "cpu",
        "--data",
    ]);
    command.arg(&data);
    for set in ["train.channels=4", "train.cells=4", "train.epochs=2", "train.batch=16"] {
        command.args(["--set", set]);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (runs.join("home"), data)
}

fn exported(run: &Path, form: &str) -> Vec<u8> {
    let mut command = Command::cargo_bin("zonas").unwrap();
    let out = command.arg("export").arg(run).args(["--as", form]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn floats(file: &SafeTensors, name: &str) -> Vec<f32> {
    file.tensor(name).unwrap().data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn a_trained_network_is_used_by_its_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (run, data) = trained(dir.path());
    let (weights, logits) = (exported(&run, "safetensors"), exported(&run, "logits"));
    assert_eq!(weights, std::fs::read(run.join("weights.safetensors")).unwrap());
    let (_, header) = SafeTensors::read_metadata(&weights).unwrap();
    let about = header.metadata().clone().expect("the file says what it is");
    let number = |key: &str| about[key].parse::<usize>().unwrap();
    let json = |key: &str| serde_json::from_str::<Vec<f32>>(&about[key]).unwrap();
    assert_eq!(about["program"], concat!("zonas ", env!("CARGO_PKG_VERSION")));
    assert_eq!((about["space"].as_str(), about["run"].as_str(), about["seed"].as_str()), ("darts", "home", "2"));
    let names: Vec<String> = serde_json::from_str(&about["class_names"]).unwrap();
    assert_eq!((names.len(), number("classes")), (10, 10));
    assert_eq!((number("height"), number("width"), number("input_channels")), (32, 32, 3));

    // The pictures as the file says, read by hand: a byte for the class, then the planes.
    let records = std::fs::read(data.join("test_batch.bin")).unwrap();
    let (mean, deviation) = (json("mean"), json("deviation"));
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for record in records.chunks_exact(1 + 3 * 1024) {
        labels.push(i64::from(record[0]));
        for pixel in 0..1024 {
            let value = |c: usize| (f32::from(record[1 + c * 1024 + pixel]) / 255.0 - mean[c]) / deviation[c];
            images.extend([value(0), value(1), value(2)]);
        }
    }
    let net = Evaluation::new(&EvaluationConfig {
        genotype: parse_genotype(&about["genotype"]).unwrap(),
        channels: number("channels"),
        cells: number("cells"),
        input_channels: 3,
        classes: 10,
        auxiliary: about["auxiliary"] == "true",
    })
    .unwrap();
    let tensors: HashMap<String, Tensor> = candle_core::safetensors::load_buffer(&weights, &Device::Cpu).unwrap();
    net.parameters().set_tensors(&tensors).unwrap();
    let images = Tensor::from_vec(images, (labels.len(), 32, 32, 3), &Device::Cpu).unwrap();
    let found = net.forward(&images, EvaluationPass::Test).unwrap().main.to_vec2::<f32>().unwrap();
    let told = SafeTensors::deserialize(&logits).unwrap();
    let rows: Vec<Vec<f32>> = floats(&told, "logits").chunks(10).map(<[f32]>::to_vec).collect();
    assert_eq!(rows.len(), number("test_pictures"));
    let own: Vec<i64> =
        told.tensor("labels").unwrap().data().chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(own, labels);
    for (a, b) in found.iter().flatten().zip(rows.iter().flatten()) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} and {b}");
    }
    let top = |row: &[f32]| (0..10).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as i64;
    let right = rows.iter().zip(&labels).filter(|(row, label)| top(row) == **label).count();
    let accuracy: f64 = about["test_accuracy"].parse().unwrap();
    assert!((accuracy - right as f64 / labels.len() as f64).abs() < 1e-12, "{accuracy}: {right} of {}", labels.len());

    published(&run, &data.join("test_batch.bin"));
    other_forms(&run, &about);
}

/// The forms of a training that other programs read, in short: `tests/exports.sh` has those programs read them.
fn other_forms(run: &Path, about: &HashMap<String, String>) {
    let onnx = exported(run, "onnx");
    let has = |words: &str| onnx.windows(words.len()).any(|w| w == words.as_bytes());
    for words in
        ["images", "logits", "BatchNormalization", "cells.0._ops.0.op.1.weight", "class_names", &about["genotype"]]
    {
        assert!(has(words), "the ONNX lacks `{words}`");
    }
    assert!(!has("auxiliary_head"), "the ONNX has the auxiliary head");
    assert_eq!(onnx, exported(run, "onnx"));
    let script = String::from_utf8(exported(run, "script")).unwrap();
    for words in
        [&format!("GENOTYPE = {}", about["genotype"]), &format!("MEAN, DEVIATION = {}", about["mean"]), "strict=True"]
    {
        assert!(script.contains(words), "the script lacks `{words}`");
    }
    assert!(!script.contains("<<") && !script.contains(">>"));
    let mut command = Command::cargo_bin("zonas").unwrap();
    let table = command.arg("export").arg(run).args(["--as", "csv", "--what", "losses"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.lines().filter(|l| l.starts_with("epoch,")).count(), 2, "{table}");
    let to = run.join("board");
    let mut command = Command::cargo_bin("zonas").unwrap();
    let out = command.arg("export").arg(run).args(["--as", "tensorboard", "--out"]).arg(&to).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let files: Vec<String> =
        std::fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.len() == 1 && files[0].starts_with("events.out.tfevents."), "{files:?}");
    for (form, words) in [("supernet", "it has no supernet"), ("csv", "say which with --what; home has losses, memory")]
    {
        refused(run.parent().unwrap(), "home", &["--as", form], words);
    }
    refused(run.parent().unwrap(), "home", &["--as", "csv", "--what", "scores"], "it has no scores and will have none");
    refused(run.parent().unwrap(), "home", &["--as", "onnx", "--width", "85mm"], "--width is that of a figure");
}

fn refused(runs: &Path, run: &str, words: &[&str], sentence: &str) {
    let mut command = Command::cargo_bin("zonas").unwrap();
    let out = command.arg("--runs").arg(runs).args(["export", run]).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{words:?}: {said}");
    assert!(said.contains(sentence) && said.trim().lines().count() == 1 && out.stdout.is_empty(), "{words:?}: {said}");
}

/// The same in PyTorch, where it is installed; `ZONAS_PYTHON` names the interpreter.
fn published(run: &Path, pictures: &Path) {
    let named = std::env::var_os("ZONAS_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has = std::process::Command::new(&python).args(["-c", "import torch, safetensors.torch, numpy"]).output();
    if !has.is_ok_and(|o| o.status.success()) {
        assert!(named.is_none(), "ZONAS_PYTHON has no torch, safetensors and numpy");
        println!("skipped: no PyTorch with safetensors; name a Python that has them in ZONAS_PYTHON");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published_weights.py");
    let out = std::process::Command::new(&python).arg(script).args([run, pictures]).output().unwrap();
    let (said, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{err}");
    println!("{said}");
}

/// What a run of another kind, or one that has not come so far, does not have is refused with one sentence.
#[test]
fn forms_that_a_run_does_not_have_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (config, runs) = (zonas::run::config::Config::default(), dir.path().join("runs"));
    std::fs::create_dir_all(&runs).unwrap();
    zonas::run::RunFolder::create(&runs, Some("search"), "x", &config).unwrap();
    for (words, sentence) in [
        (&["--as", "logits"][..], "search has no logits"),
        (&["--as", "onnx"], "train what it finds with `zonas train search`"),
        (&["--as", "script"], "a script is made of trained weights"),
        (&["--as", "supernet"], "no checkpoint of a search yet"),
        (&["--as", "tensorboard"], "name one with --out DIR"),
        (&["--as", "csv"], "search has none yet"),
        (&["--as", "csv", "--what", "losses"], "has told nothing of its losses yet"),
        (&["--as", "csv", "--what", "cell"], "a table is of one series"),
        (&["--as", "svg", "--what", "losses"], "there is no such figure"),
        (&["--as", "svg", "--width", "10mm"], "from 60 to 400 mm"),
        (&["--as", "svg", "--width", "nan mm"], "from 60 to 400 mm"),
        (&["--as", "svg", "--width", "wide"], "85mm, 3.3in"),
    ] {
        refused(&runs, "search", words, sentence);
    }
}
