//! Keys, filters, order and groups of made-up runs; what is read is what `zonas show` tells.

use std::sync::Arc;

use super::*;
use crate::run::RunFolder;
use crate::run::config::Config;
use crate::run::notes::Notes;
use crate::statistics::Spread;

const NOW: f64 = 2e9;

fn run(name: &str, change: impl FnOnce(&mut Config, &mut Listed)) -> Listed {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    let folder = RunFolder::create(dir.path(), Some(name), "x", &config).unwrap();
    let mut listed = Listed { word: "done", status: "done".into(), is_done: true, ..Listed::unread(folder) };
    change(&mut config, &mut listed);
    listed.settings = Ok(Arc::new(Settings::of(&config)));
    listed
}

/// Five seeds of one setting, the last of which is still at work, and one run of another.
fn six() -> Vec<Listed> {
    let seeded = |seed: u64| {
        run(&format!("nb-s{seed}"), |c, l| {
            c.seed = seed;
            l.accuracy = Some(0.70 + 0.01 * seed as f64);
            (l.data, l.last) = ("CIFAR-10 binary".into(), NOW - 100.0 * seed as f64);
            l.peak = Some(seed << 30);
            if seed == 5 {
                (l.word, l.status, l.is_done) = ("running", "epoch 3 of 50".into(), false);
                l.accuracy = Some(0.1);
            }
        })
    };
    let mut all: Vec<Listed> = (1..=5).map(seeded).collect();
    all.push(run("other", |c, l| {
        (c.seed, c.cut.xi, c.search.method) = (1, 0.75, "beta_darts".into());
        l.notes = Ok(Notes { note: "looks odd".into(), tags: vec!["paper".into()] });
        l.data = "Fashion-MNIST".into();
    }));
    all
}

fn shown(runs: &[Listed], filter: &str) -> Vec<String> {
    let (filter, wrong) = Filter::parse(filter);
    assert!(wrong.is_empty(), "{wrong:?}");
    runs.iter().filter(|r| filter.lets(r, NOW)).map(|r| r.name.clone()).collect()
}

#[test]
fn keys_are_found_by_a_part_that_is_clear() {
    let key = |word: &str| resolve(word).map(Column::key).map_err(|e| e.to_string());
    for (word, whole) in [
        ("seed", "seed"),
        ("method", "search.method"),
        ("meth", "search.method"),
        ("xi", "cut.xi"),
        ("search.b", "search.batch"),
        ("XI", "cut.xi"),
        ("state", "state"),
        ("name", "run"),
        ("supernet", "supernet"),
    ] {
        assert_eq!(key(word).as_deref(), Ok(whole), "{word}");
    }
    let several = key("source").unwrap_err();
    assert!(several.contains("`source` may be data.source or cut.source: write which"), "{several}");
    assert!(key("methud").unwrap_err().contains("did you mean `method`"));
    assert!(key("").is_err() && key("qqqqqqqq").unwrap_err().contains("no column `qqqqqqqq`"));
    assert_eq!(parse_columns("run, xi xi").unwrap().len(), 2);
    assert_eq!(suggest("meth")[0].key(), "search.method");
    // No result hides a setting, nor another result.
    for column in columns() {
        assert_eq!(resolve(&column.key()).unwrap(), column);
    }
}

#[test]
fn filters_ask_for_columns_and_words() {
    let runs = six();
    let nb = |seeds: &[u64]| seeds.iter().map(|s| format!("nb-s{s}")).collect::<Vec<_>>();
    assert_eq!(shown(&runs, "").len(), 6);
    assert_eq!(shown(&runs, "seed:1"), ["nb-s1", "other"]);
    assert_eq!(shown(&runs, "seed:1 data:cifar"), nb(&[1]));
    assert_eq!(shown(&runs, "seed:2..4"), nb(&[2, 3, 4]));
    assert_eq!(shown(&runs, "seed:2,5"), nb(&[2, 5]));
    assert_eq!(shown(&runs, "seed!=1,2,3 cifar"), nb(&[4, 5]));
    assert_eq!(shown(&runs, "xi>0.5"), ["other"]);
    assert_eq!(shown(&runs, "xi>=0.5").len(), 6);
    assert_eq!(shown(&runs, "state:running"), nb(&[5]));
    assert_eq!(shown(&runs, "state:epoch"), nb(&[5]));
    assert_eq!(shown(&runs, "state:done,running").len(), 6);
    // A setting's words are whole: `darts` is not `beta_darts`.
    assert_eq!(shown(&runs, "method:darts").len(), 5);
    assert_eq!(shown(&runs, "method:*darts").len(), 6);
    assert_eq!(shown(&runs, "method:BETA_darts"), ["other"]);
    assert_eq!(shown(&runs, "functions:naswot").len(), 6);
    assert_eq!(shown(&runs, "tags:paper"), ["other"]);
    assert_eq!(shown(&runs, "tags:pap"), Vec::<String>::new());
    assert_eq!(shown(&runs, "#paper"), ["other"]);
    assert_eq!(shown(&runs, "tags:none").len(), 5);
    assert_eq!(shown(&runs, "note:\"looks odd\""), ["other"]);
    assert_eq!(shown(&runs, "odd"), ["other"]);
    // Per cent as shown, or parts of 1.
    for filter in ["supernet>72.5%", "supernet>72.5", "supernet>0.725"] {
        assert_eq!(shown(&runs, filter), nb(&[3, 4]), "{filter}");
    }
    assert_eq!(shown(&runs, "peak>=3GiB"), nb(&[3, 4, 5]));
    assert_eq!(shown(&runs, "age<5m state:done"), nb(&[1, 2]));
    // A run without a value is neither above nor below nor different.
    assert_eq!(shown(&runs, "supernet<1%"), Vec::<String>::new());
    assert_eq!(shown(&runs, "supernet!=71%").len(), 4);
    // What a training has no use for it does not have.
    let training = run("t", |_, l| l.trains = true);
    assert_eq!(shown(&[training], "method:*"), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_filter_is_told_and_the_rest_holds() {
    let runs = six();
    for (filter, because) in [
        ("sed:1 cifar", "did you mean `seed`"),
        ("source:x cifar", "write which"),
        ("seed: cifar", "has no value yet"),
        ("data>5 cifar", "data> takes one number"),
        ("peak:lots cifar", "an amount of bytes"),
        ("age>soon cifar", "a time"),
        ("xi>a,b cifar", "takes one number"),
    ] {
        let (parsed, wrong) = Filter::parse(filter);
        assert_eq!(wrong.len(), 1, "{filter}");
        assert!(wrong[0].contains(because), "{filter}: {wrong:?}");
        assert_eq!(runs.iter().filter(|r| parsed.lets(r, NOW)).count(), 5, "{filter}");
    }
    // Any text can be typed.
    for odd in ["\"", ":", "::", "seed::1", "*", "method:*a*b*", "a..b", "seed:..", "seed:1..", "日:1", "xi>nan", "!="]
    {
        let (filter, _) = Filter::parse(odd);
        let _ = runs.iter().filter(|r| filter.lets(r, NOW)).count();
    }
}

#[test]
fn runs_are_sorted_by_any_column_and_what_has_no_value_stands_last() {
    let runs = six();
    let order = |key: &str, turned: bool| {
        let sort = Sort::by(resolve(key).unwrap());
        let sort = Some(Sort { falling: sort.falling != turned, ..sort });
        let table = Table::of(&runs, &Query { sort, ..Query::default() }, NOW);
        table.lines.iter().filter_map(Line::run).map(|i| runs[i].name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order("supernet", false), ["nb-s4", "nb-s3", "nb-s2", "nb-s1", "nb-s5", "other"]);
    assert_eq!(order("supernet", true), ["nb-s5", "nb-s1", "nb-s2", "nb-s3", "nb-s4", "other"]);
    assert_eq!(order("run", true)[0], "other");
    assert_eq!(order("seed", false)[..3], ["nb-s1", "other", "nb-s2"]);
}

#[test]
fn groups_tell_means_of_what_is_done() {
    let mut runs = six();
    let query = Query { grouped: true, ..Query::default() };
    let table = Table::of(&runs, &query, NOW);
    assert_eq!(table.lines.len(), 2);
    let text = |key: &str| table.text(&table.lines[0], resolve(key).unwrap());
    // 71 to 74 %: the one at work has no part in the mean, and that is said.
    assert_eq!(text("supernet"), "72.5 ± 1.3 %");
    assert_eq!(text("peak"), "2.50 ± 1.29 GiB");
    assert_eq!((text("seed"), text("state")), ("1–5".into(), "4 done, 1 running".into()));
    assert_eq!((text("run"), text("xi"), text("method")), ("×5 (4 done) nb-s…".into(), "0.5".into(), "darts".into()));
    assert_eq!(text("test"), "—");
    assert_eq!(table.varying().iter().map(|c| c.key()).collect::<Vec<_>>(), ["cut.xi", "search.method"]);
    // Its runs below it, once it is open.
    let Line::Group(group) = &table.lines[0] else { panic!("no group") };
    let open = [group.key.clone()].into();
    assert_eq!(Table::of(&runs, &Query { open, ..query.clone() }, NOW).lines.len(), 7);
    // One that is done without a value is told, too.
    runs[2].peak = None;
    let table = Table::of(&runs, &query, NOW);
    assert_eq!(table.text(&table.lines[0], resolve("peak").unwrap()), "2.33 ± 1.53 GiB (n=3)");
    // A cut that was changed by hand makes another run of it; a seed that comes twice is told.
    runs[0].by_hand = 1;
    runs[1] = run("again", |c, l| {
        c.seed = 3;
        l.data = "CIFAR-10 binary".into();
    });
    let table = Table::of(&runs, &query, NOW);
    let groups: Vec<&Line> = table.lines.iter().filter(|l| matches!(l, Line::Group(_))).collect();
    assert_eq!((table.lines.len(), groups.len()), (3, 1));
    assert_eq!(table.text(groups[0], resolve("seed").unwrap()), "3–5 (1 repeated)");
    // Settings that can't be read are in common with nothing.
    runs[2].settings = Err("no such file".into());
    assert_eq!(Table::of(&runs, &query, NOW).lines.len(), 4);
}

#[test]
fn means_tell_how_many_have_part() {
    assert_eq!(Cell::Mean(Spread::of(&[0.5]), Value::Share(0.5)).text(3), "50.0 % (n=1)");
    let values = || [0.25, 0.75].map(Value::Share).into_iter();
    assert_eq!(mean_of(values(), 2).text(2), "50.0 ± 35.4 %");
    assert_eq!(mean_of(std::iter::repeat_n(Value::Share(0.5), 2), 2), Cell::Same(Value::Share(0.5)));
    assert_eq!(mean_of(std::iter::empty(), 2), Cell::Same(Value::Missing));
    assert_eq!(Value::words("a,\"b\"\u{1b}[m").csv(), "\"a,\"\"b\"\"\u{fffd}[m\"");
}
