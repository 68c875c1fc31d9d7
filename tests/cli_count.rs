//! `zonas count`: what it takes for a genotype, and what it says of one that is none.

use std::path::Path;

use assert_cmd::Command;
use zonas::space::published;

/// As the published code of DARTS has them.
pub const NASNET: &str = "NASNet = Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), \
    ('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), ('avg_pool_3x3', 0), \
    ('sep_conv_3x3', 1), ('skip_connect', 1)], normal_concat=[2, 3, 4, 5, 6], reduce=[('sep_conv_5x5', 1), \
    ('sep_conv_7x7', 0), ('max_pool_3x3', 1), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), \
    ('skip_connect', 3), ('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)], reduce_concat=[4, 5, 6])";
pub const AMOEBANET: &str = "AmoebaNet = Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), \
    ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), ('skip_connect', 1), \
    ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=[4, 5, 6], reduce=[('avg_pool_3x3', 0), \
    ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), \
    ('max_pool_3x3', 0), ('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])";

const V2: &str = "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], \
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), \
    ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])";

fn run(args: &[&str]) -> (String, String, i32) {
    let out = Command::cargo_bin("zonas").unwrap().arg("count").args(args).output().unwrap();
    (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
        out.status.code().expect("an exit code, not a signal"),
    )
}

fn json(args: &[&str]) -> serde_json::Value {
    let mut all = args.to_vec();
    all.push("--json");
    let (out, err, code) = run(&all);
    assert_eq!(code, 0, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

/// One sentence on standard error that has every one of the parts, exit code 2, nothing on standard output.
fn refused(args: &[&str], because: &[&str]) {
    let (out, err, code) = run(args);
    assert_eq!(code, 2, "{args:?}: {err}");
    assert!(out.is_empty(), "{args:?} printed {out}");
    assert!(err.starts_with("error: ") && err.trim_end().lines().count() == 1, "{args:?}: {err}");
    for part in because {
        assert!(err.contains(part), "{args:?}: `{part}` is not in {err}");
    }
}

#[test]
fn every_published_cell_is_found_by_name_and_by_symbol() {
    for p in published::all() {
        for name in [&p.name, &p.symbol, &p.name.to_uppercase()] {
            let count = json(&[name]);
            assert_eq!(count["name"].as_str(), Some(p.name.as_str()), "{name}");
            assert_eq!(
                (count["parameters"].as_u64(), count["macs"].as_u64()),
                (Some(p.parameters), Some(p.macs)),
                "{name}"
            );
        }
        let small = json(&[&p.name, "--channels", "16", "--cells", "8"]);
        assert_eq!(small["parameters"].as_u64(), Some(p.parameters_small), "{}", p.name);
    }
}

#[test]
fn macs_are_told_apart() {
    let count = json(&["DARTS_V2", "--auxiliary"]);
    let part = |name: &str| count[name].as_u64().unwrap();
    assert_eq!(part("macs"), part("convolution_macs") + part("classifier_macs"));
    // 4 nodes of 4 · 36 channels, and the auxiliary head's 768, to 10 classes.
    assert_eq!(part("classifier_macs"), (4 * 4 * 36 + 768) * 10);
    let (out, _, _) = run(&["DARTS_V2"]);
    assert!(out.contains("parameters  3349342") && out.contains("macs        528359040"), "{out}");
}

#[test]
fn files_of_any_name_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let expected = json(&["DARTS_V2"])["macs"].clone();
    let write = |name: &str, text: &str| -> String {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let as_json = serde_json::to_string(&published::find("DARTS_V2").unwrap().genotype).unwrap();
    for file in [
        write("plain.py", V2),
        write("cell (1).py", &format!("# found\nBEST = {}\n", V2.replace(", ", " ,\n  "))),
        write("windows.py", &format!("\u{feff}{V2}\r\n")),
        write("cell.json", &as_json),
    ] {
        assert_eq!(json(&[&file])["macs"], expected, "{file}");
    }
    assert_eq!(json(&[&as_json])["macs"], expected);
    // A mistake in a file is said with the file and the place.
    let wrong = write("wrong.py", &format!("A = {}", V2.replace("), (", "),\n(").replace("_3x3', 2)", "_3x3', 5)")));
    refused(&[&wrong], &["wrong.py: line 8, column 1", "may read only states 0 to 4"]);
    refused(&[&write("empty.py", "")], &["empty.py", "line 1, column 1", "expected"]);
    refused(&[&write("large.py", &" ".repeat((16 << 20) + 1))], &["large.py", "at most"]);
    let bytes = dir.path().join("bytes.py");
    std::fs::write(&bytes, [0xff, 0xfe, 0x00]).unwrap();
    refused(&[bytes.to_str().unwrap()], &["bytes.py", "UTF-8"]);
    refused(&[dir.path().to_str().unwrap()], &["is a folder"]);
}

#[test]
#[cfg(unix)]
fn endless_files_end() {
    if !Path::new("/dev/zero").exists() {
        println!("skipped: there is no /dev/zero");
        return;
    }
    refused(&["/dev/zero"], &["at most"]);
}

#[test]
fn genotypes_that_are_none_are_refused_with_the_place() {
    let with = |from: &str, to: &str| {
        assert!(V2.contains(from));
        V2.replacen(from, to, 1)
    };
    let place = "line 1, column 165: ";
    refused(
        &[&with("'dil_conv_3x3', 2", "'dil_conv_9x9', 2")],
        &["column 166", "not an operation that is built", "dil_conv_3x3"],
    );
    refused(&[&with("'dil_conv_3x3', 2", "'dil_conv_3x3', 5")], &[place, "reads state 5", "0 to 4"]);
    refused(&[&with("'dil_conv_3x3', 2", "'dil_conv_3x3', -1")], &["expected the number of a state, found `-1`"]);
    refused(&[&with("'dil_conv_3x3', 2", "'none', 2")], &[place, "`none`"]);
    refused(&[&with(", ('dil_conv_3x3', 2)", "")], &["has 7 choices"]);
    refused(&["{"], &["line 1, column 2: expected a value"]);
    // A misspelt name with parentheses is taken for a name, not for text.
    refused(&["PC-DARTS (CIFR)"], &["the nearest name is `PC-DARTS (CIFAR)`"]);
    refused(&["DARTS_V9"], &["the nearest name is `DARTS_V"]);
}

#[test]
fn networks_that_are_none_are_refused() {
    for (option, value, because) in [
        ("--cells", "0", "at least 1 cell"),
        ("--channels", "0", "at least 1 channel"),
        ("--classes", "0", "at least 1 class"),
        ("--size", "0", "at least 1 pixel"),
        ("--input-channels", "0", "at least 1 input channel"),
        ("--channels", "2000000", "up to 1048576 channels"),
        ("--cells", "5000", "up to 4096 cells"),
    ] {
        refused(&["DARTS_V2", option, value], &[because]);
    }
    // Would wrap round in 64 bits.
    refused(&["DARTS_V2", "--channels", "16384", "--cells", "4096", "--size", "16384"], &["2^64"]);
    refused(&["DARTS_V2", "--auxiliary", "--size", "28"], &["8 to 10 pixels", "7x7"]);
    // FactorizedReduce halves only what a reduction has doubled: an odd width is a network.
    assert_eq!(json(&["DARTS_V2", "--channels", "5", "--cells", "3"])["channels"].as_u64(), Some(5));
}

#[test]
fn cells_of_nas_bench_201_are_counted_as_text_and_as_digits() {
    let best = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";
    for given in [best, "333132", "6111"] {
        let count = json(&[given]);
        // The table has 1.073466 million.
        assert_eq!(
            (count["parameters"].as_u64(), count["genotype"].as_str()),
            (Some(1_073_466), Some(best)),
            "{given}"
        );
        assert_eq!((count["channels"].as_u64(), count["cells"].as_u64()), (Some(16), Some(15)));
        assert_eq!((count["digits"].as_str(), count["index"].as_u64()), (Some("333132"), Some(6111)));
    }
    refused(&["15625"], &["15625 is no index of a cell", "0 to 15624"]);
    refused(&["333137"], &["a digit stands for an operation", "4 avg_pool_3x3"]);
    refused(&[&best.replace("skip_connect", "skip_conect")], &["`skip_conect` is not an operation"]);
    refused(&["|nor_conv_3x3~0|+|nor_conv_3x3~0|"], &["need"]);
    let out = Command::cargo_bin("zonas").unwrap().args(["export", "333132", "--as", "python"]).output().unwrap();
    // A string of Python, which is read back.
    let python = String::from_utf8(out.stdout).unwrap();
    assert_eq!(python.trim(), format!("\"{best}\""));
    assert_eq!(json(&[&python])["parameters"].as_u64(), Some(1_073_466));
}

/// Parameters of published cells of other spaces than DARTS' (Zoph et al. 2018, Real et al. 2019; as the published code of DARTS has
/// them), operation by operation: in evaluation networks a separable convolution has 2(k²c + c² + 2c) parameters, the factorised one
/// 14c² + 2c, and what else these cells have none, but for norms and projections of their inputs.
#[test]
fn cells_of_nasnet_and_amoebanet_are_counted() {
    let separable = |k: u64, c: u64| 2 * (k * k * c + c * c + 2 * c);
    let nasnet = |reduces: bool, c: u64| {
        let (three, five, seven) = (separable(3, c), separable(5, c), separable(7, c));
        if reduces { three + 2 * five + 2 * seven } else { 3 * three + 2 * five }
    };
    let amoebanet = |reduces: bool, c: u64| {
        let (three, five, seven) = (separable(3, c), separable(5, c), separable(7, c));
        if reduces { 2 * three + 2 * seven + 14 * c * c + 2 * c } else { 3 * three + five }
    };
    // Text, parameters of the operations, and nodes that are concatenated.
    type Cell<'a> = (&'a str, &'a dyn Fn(bool, u64) -> u64, [u64; 2]);
    let cells: [Cell; 2] = [(NASNET, &nasnet, [5, 3]), (AMOEBANET, &amoebanet, [3, 3])];
    for (text, operations, [normal, reduction]) in cells {
        for (channels, layers) in [(36, 20), (5, 8)] {
            // Stem: 3x3 from 3 channels, with its norm.
            let (mut older, mut last, mut c) = (3 * channels, 3 * channels, channels);
            let mut parameters = 27 * last + 2 * last;
            for i in 0..layers {
                let reduces = i == layers / 3 || i == 2 * layers / 3;
                c *= if reduces { 2 } else { 1 };
                parameters += (older + last) * c + 4 * c + operations(reduces, c);
                (older, last) = (last, c * if reduces { reduction } else { normal });
            }
            parameters += last * 10 + 10;
            let [width, depth] = [channels, layers].map(|n| n.to_string());
            let count = json(&[text, "--channels", &width, "--cells", &depth]);
            assert_eq!(count["parameters"].as_u64(), Some(parameters), "{text}");
        }
    }
    // Of the factorised convolution the first half, which strides along rows alone, has twice the pixels of the second.
    let one = |operation: &str| {
        let cell = format!(
            "Genotype(normal=[], normal_concat=[], reduce=[('{operation}', 0), ('skip_connect', 1)], reduce_concat=[2])"
        );
        json(&[&cell, "--channels", "4", "--cells", "1", "--size", "9"])["macs"].as_u64().unwrap()
    };
    // One cell that reduces: 8 channels; 9x5 pixels, then 5x5.
    assert_eq!(one("conv_7x1_1x7") - one("max_pool_3x3"), 7 * 64 * (9 * 5 + 5 * 5));
}
