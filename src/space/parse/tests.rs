//! Genotypes as people have them, and what is none.

use proptest::prelude::*;

use super::*;
use crate::space::{CellKind, Choice, Operation, Stacking, darts};

fn drawn_cell() -> impl Strategy<Value = Vec<Choice>> {
    let node = |n: usize| {
        (0..n + 2, 0..n + 1, 1usize..8, 1usize..8).prop_map(move |(a, b, o, p)| {
            let b = if b >= a { b + 1 } else { b };
            [(a, o), (b, p)].map(|(source, o)| Choice { operation: darts::SPACE.operations()[o], source })
        })
    };
    (node(0), node(1), node(2), node(3)).prop_map(|(a, b, c, d)| [a, b, c, d].concat())
}

fn genotype() -> impl Strategy<Value = Genotype> {
    let concat = proptest::sample::subsequence(vec![2usize, 3, 4, 5], 1..=4);
    (drawn_cell(), concat.clone(), drawn_cell(), concat).prop_map(
        |(normal, normal_concat, reduction, reduction_concat)| Genotype {
            stacking: Stacking::Darts,
            normal,
            normal_concat,
            reduction,
            reduction_concat,
        },
    )
}

proptest! {
    #[test]
    fn python_and_json_round_trip(g in genotype()) {
        prop_assert_eq!(&parse_genotype(&g.to_string()).unwrap(), &g);
        prop_assert_eq!(&parse_genotype(&serde_json::to_string(&g).unwrap()).unwrap(), &g);
    }

    #[test]
    fn mutations_never_panic(g in genotype(), at in 0usize..400, with in "\\PC{0,3}") {
        let mut text = g.to_string();
        let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.insert_str(at, &with);
        let _ = parse_genotype(&text);
        let _ = parse_genotype(&text[..at]);
        let twice = format!("{text}\nA = {text}\n");
        let _ = parse_genotype(&twice);
    }
}

const V1: &str = "DARTS_V1 = Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), \
    ('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], \
    normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), \
    ('max_pool_3x3', 0), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], \
    reduce_concat=[2, 3, 4, 5])";

#[test]
fn published_spellings_are_one_genotype() {
    let g = parse_genotype(V1).unwrap();
    let other = V1
        .replace("[2, 3, 4, 5]", "range(2, 6)")
        .replace("('sep_conv_3x3', 1)", "( \"sep_conv_3x3\" ,\n 1 , )")
        .replace("DARTS_V1 = ", "# the first\ngenotypes.");
    assert_eq!(parse_genotype(&other).unwrap(), g);
    assert_eq!(parse_genotype(&V1.replace("[2, 3, 4, 5]", "list(range(2, 6))")).unwrap(), g);
    assert_eq!(parse_genotype(&format!("\u{feff}{V1}\r\n")).unwrap(), g);
}

#[test]
fn mistakes_have_a_place_and_a_reason() {
    let error = |t: String| parse_genotype(&t).unwrap_err().to_string();
    let e = error(V1.replace("('avg_pool_3x3', 0)", "('avg_pol_3x3', 0)"));
    assert!(e.contains("column") && e.contains("`avg_pool_3x3`"), "{e}");
    assert!(error(V1.replace("('skip_connect', 2)]", "('skip_connect', 5)]")).contains("may read only"));
    assert!(
        error(V1.replacen("('sep_conv_3x3', 1), ('sep_conv_3x3', 0), (", "('sep_conv_3x3', 1), (", 1))
            .contains("7 choices")
    );
    assert!(error(V1[..80].to_string()).contains("line 1"));
    assert!(error(V1.replace("reduce_concat", "reduce_concats")).contains("arguments are"));
    assert!(error("x".repeat(LONGEST + 1)).contains("at most"));
    assert!(error(V1.replacen("('sep_conv_3x3', 1)", "('sep_conv_3x3', -1)", 1)).contains("found `-1`"));
    let long = format!("'{}'", "x".repeat(80));
    assert!(error(V1.replacen("'sep_conv_3x3'", &long, 1)).contains("too long"));
    // Places of what is well written and wrong, on lines of their own.
    let lines = V1.replace("), (", "),\n(").replace("], ", "],\n");
    let at = |from: &str, to: &str, n: usize| {
        let (i, _) = lines.match_indices(from).nth(n).unwrap();
        let text = format!("{}{to}{}", &lines[..i], &lines[i + from.len()..]);
        match Genotypes::of_space(&text, darts::SPACE).unwrap().take(None) {
            Err(ParseError::Wrong { line, column, error }) => (line, column, error),
            other => panic!("{other:?}"),
        }
    };
    let normal = CellKind::Normal;
    let twice = GenotypeError::Twice { cell: normal, node: 0, source_state: 1 };
    assert_eq!(at("'sep_conv_3x3', 0", "'sep_conv_3x3', 1", 0), (2, 1, twice));
    let wrong = GenotypeError::Source { cell: normal, node: 3, source_state: 5, last: 4 };
    assert_eq!(at("'skip_connect', 2", "'skip_connect', 5", 0), (8, 1, wrong));
    let none = GenotypeError::NoOperation { cell: CellKind::Reduction, node: 3 };
    assert_eq!(at("'avg_pool_3x3', 0", "'none', 0", 0), (17, 1, none));
    let concat = GenotypeError::Concat { cell: normal, state: 6, last: 5 };
    assert_eq!(at("[2, 3, 4, 5]", "range(2, 7)", 0), (9, 15, concat));
    // JSON says its place once.
    assert_eq!(error("{\"normal\": 3}".into()).matches("line").count(), 1);
    assert!(error(String::new()).contains("expected"));
}

/// The cell of most tests here, as one line of text.
const CELL: &str = "Genotype(normal=[('sep_conv_5x5', 1), ('skip_connect', 0), ('dil_conv_3x3', 2), ('sep_conv_3x3', 0), \
    ('max_pool_3x3', 3), ('sep_conv_3x3', 1), ('dil_conv_5x5', 4), ('skip_connect', 2)], normal_concat=range(2, 6), \
    reduce=[('max_pool_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 2), ('sep_conv_3x3', 1), ('dil_conv_5x5', 0), \
    ('skip_connect', 3), ('max_pool_3x3', 4), ('sep_conv_5x5', 2)], reduce_concat=range(2, 6))";

fn cell() -> Genotype {
    parse_genotype(CELL).unwrap()
}

fn same(text: &str) {
    match parse_genotype(text) {
        Ok(g) => assert_eq!(g, cell(), "{text}"),
        Err(e) => panic!("{e}: {text}"),
    }
}

/// Every pair of [`CELL`], changed.
fn pairs(change: impl Fn(&str, usize) -> String) -> String {
    let mut text = CELL.to_string();
    for choice in [cell().normal, cell().reduction].concat() {
        let pair = format!("('{}', {})", choice.operation, choice.source);
        text = text.replace(&pair, &change(choice.operation.name(), choice.source));
    }
    assert_ne!(text, CELL);
    text
}

#[test]
fn lines_of_logs_and_pages_are_read() {
    for around in [
        "2025-03-02 11:20:41,305 genotype = {}",
        "03/02 11:20:41 AM genotype = {}\n03/02 11:20:42 AM [[0.1 0.2]]",
        "\u{1b}[32m[INFO]\u{1b}[0m epoch 3: {}\u{1b}[0m",
        "```python\n{}\n```",
        "```\nDARTS = {}\n```\n",
        "`{}`",
        "The cell is **{}**.",
        "> On Monday:\n> DARTS_V9 = {}",
        ">>> {}\n",
        "\"{}\"",
        "- {}",
        "{\"epoch\": 3, \"genotype\": \"{}\", \"accuracy\": 0.9}",
        "MINE = {}\nDARTS = MINE\n",
        "MINE: Genotype = {};",
        "MINE = (\n    {}\n)",
        "# best so far: {}",
        "OTHER = MINE = {}  # was Genotype(normal=[], …)",
        "genotypes.{}",
        "best={} # 97.2 %",
    ] {
        same(&around.replace("{}", CELL));
    }
}

#[test]
fn spellings_of_lists_numbers_and_strings_are_read() {
    same(&pairs(|o, s| format!("(\"{o}\", {s},)")));
    same(&pairs(|o, s| format!("[u'{o}', {s}L]")));
    same(&pairs(|o, s| format!("(np.str_('{o}'), np.int64({s}))")));
    same(&pairs(|o, s| format!("('{o}', tensor({s}, device='cuda:0'))")));
    same(&pairs(|o, s| format!("('{o}', torch.tensor([{s}][0:1]))").replace(&format!("[{s}][0:1]"), &s.to_string())));
    same(&pairs(|o, s| format!("('{o}', {s}, 0.12{s})")));
    same(&pairs(|o, s| format!("('{o}', {s}, np.float32(1.0))")));
    same(&pairs(|o, s| format!("('{o}', {s}, tensor(0.3, grad_fn=<x>))").replace(", grad_fn=<x>", "")));
    same(&pairs(|o, s| format!("({s}, '{o}')")));
    same(&pairs(|o, s| format!("({o}, {s})")));
    same(&pairs(|o, s| format!("(‘{o}’,\u{a0}{s})")));
    same(&pairs(|o, s| format!("(“{o}”, {s})")));
    same(&pairs(|o, s| format!("(\\\"{o}\\\", {s})")));
    same(&pairs(|o, s| format!("(\\u0027{o}\\u0027, {s})")));
    same(&pairs(|o, s| format!("(&#39;{}&#39;, {s})", o.replace('_', "\\_"))));
    same(&pairs(|o, s| format!("('{}', {s}.0)", o.replace('x', "×"))));
    same(&pairs(|o, s| format!("{{'op': '{o}', 'input': {s}}}")));
    same(&pairs(|o, s| format!("('{}', {s})", o.parse::<Operation>().unwrap().short())));
    for concat in [
        "[2, 3, 4, 5]",
        "(2, 3, 4, 5)",
        "{2, 3, 4, 5}",
        "list(range(2, 6))",
        "tuple(range(2, 6, 1))",
        "np.array([2, 3, 4, 5])",
        "array([2, 3, 4, 5], dtype=int64)",
        "tensor([2, 3, 4, 5])",
        "np.arange(2, 6)",
        "range(2, 2 + 4)",
        "[np.int64(2), np.int64(3), np.int64(4), np.int64(5)]",
    ] {
        same(&CELL.replace("range(2, 6)", concat));
    }
    same(
        &CELL.replace("normal=", "").replace("normal_concat=", "").replace("reduce=", "").replace("reduce_concat=", ""),
    );
    same(&CELL.replace("reduce", "reduction"));
    same(&CELL.replace(", ", " ,\r\n\t# a comment, with ) and '\r\n  "));
    same(&format!("OPS = range(2, 6)\nX = {}", CELL.replace("range(2, 6)", "OPS")));
}

#[test]
fn cells_by_node_json_and_tuples_are_read() {
    let nested = |cell: &[Choice], pair: &dyn Fn(&Choice) -> String| {
        let nodes = cell.chunks(2).map(|n| format!("[{}, {}]", pair(&n[0]), pair(&n[1])));
        format!("[{}]", nodes.collect::<Vec<_>>().join(", "))
    };
    let g = cell();
    for with in ["", ", 0.25"] {
        let pair = |c: &Choice| format!("('{}', {}{with})", c.operation, c.source);
        let (n, r) = (nested(&g.normal, &pair), nested(&g.reduction, &pair));
        same(&format!("Genotype(normal={n}, normal_concat=range(2, 6), reduce={r}, reduce_concat=range(2, 6))"));
    }
    // The node that an edge leads to.
    let targets = |cell: &[Choice]| {
        let pairs = cell.iter().enumerate().map(|(i, c)| format!("('{}', {}, {})", c.operation, c.source, i / 2 + 2));
        format!("[{}]", pairs.collect::<Vec<_>>().join(", "))
    };
    let (n, r) = (targets(&g.normal), targets(&g.reduction));
    same(&format!("Genotype(normal={n}, normal_concat=range(2, 6), reduce={r}, reduce_concat=range(2, 6))"));

    let list = |cell: &[Choice]| cell.iter().map(|c| (c.operation.name(), c.source)).collect::<Vec<_>>();
    let asdict = serde_json::json!({
        "normal": list(&g.normal), "normal_concat": [2, 3, 4, 5], "reduce": list(&g.reduction), "reduce_concat": [2, 3, 4, 5],
    });
    same(&asdict.to_string());
    same(&serde_json::to_string_pretty(&asdict).unwrap());
    same(&serde_json::json!({"epoch": 3, "best": {"genotype": asdict, "accuracy": 0.9}, "notes": null}).to_string());
    same(&serde_json::json!([list(&g.normal), [2, 3, 4, 5], list(&g.reduction), [2, 3, 4, 5]]).to_string());
    same(&format!("```json\n{asdict}\n```"));
    let lines = V1.split_once('=').unwrap().1;
    same(&format!("{{\"epoch\": 1, \"genotype\": \"{lines}\"}}\n{{\"epoch\": 2, \"genotype\": \"{CELL}\"}}\n"));
}

#[test]
fn exports_of_nni_are_read_or_said_to_be_what_they_are() {
    let g = cell();
    let mut old = serde_json::Map::new();
    let mut new = serde_json::Map::new();
    for (word, cell) in [("normal", &g.normal), ("reduce", &g.reduction)] {
        for (node, pair) in cell.chunks(2).enumerate().map(|(n, p)| (n + 2, p)) {
            for source in 0..node {
                old.insert(format!("{word}_n{node}_p{source}"), serde_json::json!([]));
            }
            for (i, c) in pair.iter().enumerate() {
                let name = c.operation.name().replace('_', "");
                let name = if name.contains("pool") { name.replace("3x3", "") } else { name };
                old.insert(format!("{word}_n{node}_p{}", c.source), name.into());
                new.insert(format!("{word}/op_{node}_{i}"), c.operation.name().into());
                new.insert(format!("{word}/input_{node}_{i}"), serde_json::json!([c.source]));
            }
            let names: Vec<String> = pair.iter().map(|c| format!("{word}_n{node}_p{}", c.source)).collect();
            old.insert(format!("{word}_n{node}_switch"), names.into());
        }
    }
    same(&serde_json::to_string_pretty(&old).unwrap());
    same(&serde_json::to_string(&new).unwrap());
    let error = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut changed = old.clone();
        change(&mut changed);
        parse_genotype(&serde_json::to_string(&changed).unwrap()).unwrap_err().to_string()
    };
    for e in [
        error(&|m| drop(m.remove("reduce_n4_switch"))),
        error(&|m| drop(m.insert("normal_n2_switch".into(), serde_json::json!(["normal_n2_p0"])))),
        error(&|m| drop(m.insert("normal_n5_switch".into(), serde_json::json!(["normal_n5_p1", "normal_n5_p4"])))),
        error(&|m| drop(m.insert("normal_n2_p0".into(), serde_json::json!([true, false])))),
    ] {
        assert!(e.contains("an export of NNI") && e.contains("line 1, column"), "{e}");
    }
    assert!(
        error(&|m| drop(m.insert("normal_n2_p0".into(), "conv7".into()))).contains("not an operation that is built")
    );
}

#[test]
fn of_several_the_last_of_a_log_is_taken_and_definitions_are_named() {
    let log: String = (0..50)
        .map(|i| {
            let g = if i == 49 { CELL } else { V1.split_once("= ").unwrap().1 };
            format!("2025-03-02 11:{i:02}:41 epoch {i}\n2025-03-02 11:{i:02}:59 genotype = {g}\n")
        })
        .collect();
    let genotypes = Genotypes::of(&log).unwrap();
    let take = |which: &str| genotypes.take(Some(&which.parse().unwrap()));
    let last = genotypes.take(None).unwrap();
    assert_eq!((&last.genotype, last.line, last.of, last.alike), (&cell(), 100, 50, false));
    assert_eq!(take("last").unwrap(), last);
    assert_eq!(take("-1").unwrap(), last);
    assert_eq!(take("genotype").unwrap().genotype, cell());
    let first = take("1").unwrap();
    assert_eq!((first.genotype, first.line), (parse_genotype(V1).unwrap(), 2));
    assert_eq!(take("-50").unwrap().line, 2);
    for (which, says) in [("0", "50 genotypes"), ("51", "50 genotypes"), ("-51", "no number"), ("x", "`x`")] {
        assert!(take(which).unwrap_err().to_string().contains(says));
    }
    // Torn at the end: not the one before it without a word.
    let torn = format!("{log}genotype = {}", &CELL[..200]);
    let e = parse_genotype(&torn).unwrap_err().to_string();
    assert!(e.contains("line 101") && e.contains("51 genotypes") && e.contains("--which"), "{e}");
    let whole = format!("{}\n{CELL}", &CELL[..200]);
    assert_eq!(parse_genotype(&whole).unwrap(), cell());

    let other = V1.split_once("= ").unwrap().1;
    let file = format!(
        "from collections import namedtuple\n\nGenotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')\n\
         \nPRIMITIVES = ['none']\n\nNASNet = Genotype(normal=[('conv_9x1_1x9', 1)], normal_concat=[2], reduce=[], \
         reduce_concat=[2])\nMINE_A = {other}\n# OLD = {other}\nMINE_B = {CELL}\n\nMINE = MINE_B\nDARTS = genotypes.MINE\n"
    );
    let genotypes = Genotypes::of(&file).unwrap();
    let take = |which: &str| genotypes.take(Some(&which.parse().unwrap()));
    let Err(ParseError::Several { names }) = genotypes.take(None) else { panic!("one was taken") };
    assert_eq!(names, ["NASNet", "MINE_A", "MINE_B", "MINE", "DARTS"]);
    for name in ["MINE_B", "MINE", "DARTS", "mine_b"] {
        assert_eq!(take(name).unwrap().genotype, cell(), "{name}");
    }
    assert_eq!(take("MINE_A").unwrap().genotype, parse_genotype(V1).unwrap());
    assert!(
        take("NASNet").unwrap_err().to_string().contains("`conv_9x1_1x9` is not an operation that is built; those are")
    );
    assert!(take("OLD").unwrap_err().to_string().contains("NASNet, MINE_A, MINE_B, MINE, DARTS"));
    // Another order of arguments, by the file's own definition.
    let turned = format!(
        "Genotype = namedtuple('Genotype', ['reduce', 'reduce_concat', 'normal', 'normal_concat'])\nX = Genotype({})",
        {
            let (normal, reduce) = CELL[9..CELL.len() - 1].split_once(", reduce=").unwrap();
            let plain = |t: &str| t.replace("normal=", "").replace("normal_concat=", "").replace("reduce_concat=", "");
            format!("{}, {}", plain(reduce), plain(normal))
        }
    );
    same(&turned);
    let table = format!("CELLS = {{\n  'A': {other},\n  'B': {CELL},\n}}\n");
    let genotypes = Genotypes::of(&table).unwrap();
    assert!(matches!(genotypes.take(None), Err(ParseError::Several { names }) if names == ["A", "B"]));
    assert_eq!(genotypes.take(Some(&Which::Name("B".into()))).unwrap().genotype, cell());
    // On one line; and definitions that are all the same.
    assert_eq!(parse_genotype(&format!("{other} -> {CELL}")).unwrap(), cell());
    same(&format!("A = {CELL}\nB = {CELL}\n"));
}

#[test]
fn what_is_none_is_refused_with_the_place_and_without_absurd_hints() {
    let error = |text: String| parse_genotype(&text).unwrap_err().to_string();
    let with = |from: &str, to: &str| error(CELL.replacen(from, to, 1));
    for (name, near) in [
        ("conv_9x1_1x9", None),
        ("identity", None),
        ("blur_3x3", None),
        ("sep_conv_5x5_", Some("sep_conv_5x5")),
        ("sep_convv_5x5", Some("sep_conv_5x5")),
        ("skip_conect", Some("skip_connect")),
    ] {
        let text = CELL.replacen("sep_conv_5x5", name, 1);
        match (parse_genotype(&text), near) {
            (Ok(g), Some(_)) => assert_eq!(g.normal[0].operation, Operation::SepConv5x5),
            (Ok(_), None) => panic!("{name} was taken"),
            (Err(e), near) => {
                let e = e.to_string();
                assert!(e.contains("line 1, column 19") && e.contains(&format!("`{name}`")), "{e}");
                assert!(e.contains("none, max_pool_3x3") && e.contains("dil_conv_5x5"), "{e}");
                assert_eq!(e.contains(" is near"), near.is_some(), "{e}");
                assert!(near.is_none_or(|n| e.contains(&format!("(`{n}` is near)"))), "{e}");
            }
        }
    }
    assert!(with("('sep_conv_5x5', 1)", "('sep_conv_5x5', 1, 7)").contains("column 38: expected a weight"));
    assert!(with("('sep_conv_5x5', 1)", "('sep_conv_5x5', 1, 0.5, 2)").contains("a pair is"));
    assert!(with("('sep_conv_5x5', 1)", "'sep_conv_5x5'").contains("expected a pair"));
    assert!(with("normal_concat=range(2, 6)", "normal_concat=range(2, x)").contains("number of a state, found `x`"));
    assert!(with("normal_concat=range(2, 6), ", "").contains("`normal_concat` is missing"));
    assert!(with("reduce=", "normal=").contains("`normal` is given twice"));
    assert!(with("normal=", "**normal=").contains("found `**normal`"));
    let nested = with("[('sep_conv_5x5', 1), (", "[[('sep_conv_5x5', 1)], (");
    assert!(nested.contains("takes two inputs; this one has 1"), "{nested}");
    for none in
        ["", "x", "genotype", "Genotype", "class Genotype(NamedTuple): pass", "{}", "[1, 2]", "\u{feff}", "{\"a\": 1}"]
    {
        assert!(error(none.into()).contains("expected `Genotype("), "{none}");
    }
}

#[test]
fn hostile_texts_end_soon() {
    let began = std::time::Instant::now();
    let (deep, wide) = (50_000, 1 << 19);
    for text in [
        "{".repeat(wide),
        "{'a':".repeat(deep),
        "Genotype(".repeat(deep / 100),
        "Genotype(normal=[".repeat(9_000),
        format!("Genotype(normal=[{}", "('none', 1),".repeat(deep)),
        "a = a\n".repeat(deep),
        format!("a = b\nb = a\nGenotype(normal=a, normal_concat=b, reduce=a, reduce_concat={})", "(".repeat(deep)),
        format!(
            "x = [{}]\n{}",
            "0,".repeat(4000),
            "Genotype(normal=x, normal_concat=[x], reduce=x, reduce_concat=x)\n".repeat(5000)
        ),
        "\\".repeat(wide),
        "\u{1b}]".repeat(wide / 2),
        "‘".repeat(wide / 3),
        "\"\"\"#{".repeat(deep),
        "Genotype(1".repeat(20_000),
    ] {
        let e = parse_genotype(&text).unwrap_err().to_string();
        assert!(!e.is_empty() && e.len() < 2000);
    }
    println!("{:?}", began.elapsed());
}
