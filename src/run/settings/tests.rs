//! Settings from files, from words and from presets; what is refused.

use super::table::{KEYS, keys};
use super::*;
use crate::oneshot::{Order, PRESETS};
use crate::space::cut::Source;

#[test]
fn the_template_is_the_defaults_and_names_every_key() {
    let template = Config::default().template();
    assert_eq!(Config::parse(&template, "t").unwrap(), Config::default());
    let table = Config::default().as_table();
    let mut real: Vec<String> = Vec::new();
    for (k, v) in &table {
        match v.as_table() {
            Some(t) => real.extend(t.keys().map(|n| format!("{k}.{n}"))),
            None => real.push(k.clone()),
        }
    }
    let mut told: Vec<String> = keys().collect();
    real.sort();
    told.sort();
    assert_eq!(real, told);
    assert_eq!(template.lines().filter(|l| l.starts_with('#')).count(), told.len());
}

#[test]
fn mistakes_are_named_with_line_and_remedy() {
    let text = |t: &str| Config::parse(t, "my.toml").unwrap_err().to_string();
    let e = text("seed = 3\n[search]\nchanels = 4\n");
    assert!(e.contains("my.toml, line 3") && e.contains("did you mean `channels`"), "{e}");
    let e = text("[search]\nbatch = \"many\"\n");
    assert!(e.contains("line 2"), "{e}");
    let e = text("version = 7\n");
    assert!(e.contains("version 7"), "{e}");
    assert!(text("[serch]\n").contains("did you mean `search`"));
    assert!(text("seed = \n").contains("line 1"));
    let e = text("# mine\nseed = 3\n\n[cut]\nxi = 2 # too much\n");
    assert!(e.contains("my.toml, line 5") && e.contains("`cut.xi`") && e.contains("pruning level"), "{e}");
    assert!(text("cut.xi = -0.5\n").contains("line 1"));
    assert!(text("cut = {xi = 1}\n").contains("line 1"));
    let e = text("seed = -1\n");
    assert!(e.contains("a whole number, 0 or more") && !e.contains("u64"), "{e}");
}

#[test]
fn what_passes_the_check_is_kept_whole_as_text() {
    let seed = i64::MAX as u64;
    let c = Config { seed, ..Config::default() }.set("search.weight_decay=1e-300").unwrap();
    let c = c.set("data.source=a \"strange\"\u{9b}\tpath\\ # with everything").unwrap();
    assert_eq!(Config::parse(&c.to_toml(), "t").unwrap(), c);
    assert_eq!(Config::parse(&c.template(), "t").unwrap(), c);
    for (name, _) in crate::run::PRESETS {
        let p = crate::run::preset(name).unwrap();
        p.check().unwrap();
        assert_eq!(Config::parse(&p.template(), name).unwrap(), p);
    }
    // The whole of it would be lost.
    assert!(Config { seed: seed + 1, ..Config::default() }.check().is_err());
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for bad in [
        "cut.xi=-0.1",
        "cut.xi=1",
        "cut.xi=-1",
        "cut.xi=nan",
        "search.cells=0",
        "search.channels=0",
        "score.draws=0",
        "search.order=3",
        "search.train_share=1.0",
        "score.none=maybe",
        "device.kind=tpu",
        "device.precision=fp8",
        "search.momentum=1.0",
        "search.learning_rate=nan",
        "score.cells=[]",
        "score.functions=[]",
        "score.functions=[\"naswot\", \"naswot\"]",
        "score.batch=0",
        "score.batch=1",
        "search.batch=0",
        "search.epochs=0",
        "search.epochs=9000000000000000000",
        "search.train_share=0",
        "search.train_share=nan",
        "search.clip=inf",
        "search.order=0",
        "search.order=256",
        "data.size=5000",
        "data.flip=yes",
        "cut.source=best",
        "seed=-1",
        "version=2",
        "score.cells=[\"odd\"]",
        "search.batch=-3",
        "search.batch=x",
        "serch.batch=3",
        "search.batch",
    ] {
        let e = Config::default().set(bad).expect_err(bad).to_string();
        assert!(!e.is_empty() && !e.contains('\n'), "{bad}: {e}");
    }
}

#[test]
fn a_method_is_a_name_for_the_keys_of_its_parts() {
    let set = |c: &Config, assignment: &str| c.set(assignment).map_err(|e| e.to_string());
    let c = set(&Config::default(), "search.method=beta_darts").unwrap();
    assert_eq!((c.search.regularisers.clone(), c.search.method.as_str()), (vec!["beta_decay".into()], "beta_darts"));
    // Another method leaves nothing of it behind, and parts that no method has are one's own.
    let plus = set(&c, "search.method=darts_plus").unwrap();
    assert!(plus.search.regularisers.is_empty() && plus.search.stop == ["skips"]);
    let own = set(&c, "search.order=2").unwrap();
    assert_eq!((own.search.method.as_str(), own.search.order), ("own", Order::Second));
    assert_eq!(set(&Config::default(), "search.order=2").unwrap().search.method, "darts_2nd");
    // In a file, what is said beside the name holds.
    let text = "[search]\nregularisers = [\"beta_decay:3\"]\nmethod = \"darts_2nd\"\n";
    let c = Config::parse(text, "f").unwrap();
    assert_eq!((c.search.order, c.search.regularisers.concat()), (Order::Second, "beta_decay:3".into()));
    assert_eq!(Config::parse(&c.to_toml(), "f").unwrap(), c);
    // A file of before, without the key.
    assert_eq!(Config::parse("[search]\norder = 2\n", "f").unwrap().search.method, "darts_2nd");
    let refused = |assignment: &str| set(&Config::default(), assignment).unwrap_err();
    assert!(refused("search.method=pc_darts").contains("none of darts, darts_2nd, beta_darts, darts_plus, own"));
    assert!(refused("search.regularisers=beta").starts_with("setting `search.regularisers`: there is no `beta`"));
    assert!(refused("search.stop=skips:0").starts_with("setting `search.stop`: `skips`: the limit must be"));
    assert!(refused("search.order=3").contains("must be 1 or 2"));
    assert_eq!(PRESETS.map(|p| p.name), ["darts", "darts_2nd", "beta_darts", "darts_plus"]);
}

#[test]
fn rounded_maps_are_for_the_first_order() {
    let c = Config::default().set("device.precision=bf16").unwrap();
    let e = c.set("search.order=2").unwrap_err().to_string();
    assert!(e.starts_with("setting `device.precision`: search.order = 2 takes small differences"), "{e}");
    let e = c.set("train.genotype=DARTS_V2").unwrap_err().to_string();
    assert!(e.starts_with("setting `device.precision`: `bf16` is how a search keeps its maps"), "{e}");
}

#[test]
fn what_a_result_depends_on_is_compared() {
    let a = Config::default();
    let free = ["device.threads=7", "run.checkpoint_seconds=1", "data.source=/elsewhere", "search.journal_every=3"];
    let b = free.iter().fold(a.clone(), |c, assignment| c.set(assignment).unwrap());
    assert!(a != b && a.differences(&b).is_empty());
    let b = b.set("search.batch=8").unwrap().set("seed=5").unwrap();
    let told = |key: &str, was: &str, is: &str| (key.to_string(), was.to_string(), is.to_string());
    assert_eq!(a.differences(&b), [told("seed", "2", "5"), told("search.batch", "64", "8")]);
    let b = a.set("device.precision=bf16").unwrap();
    assert_eq!(a.differences(&b), [told("device.precision", "\"float32\"", "\"bf16\"")]);
    assert!(keys().all(|k| a.as_table().contains_key(&k) || k.contains('.')));
}

#[test]
fn one_key_is_set_and_the_rest_stays() {
    let c = Config::default().set("search.batch=8").unwrap().set("cut.source=random").unwrap();
    assert_eq!((c.search.batch, c.cut.source.clone()), (8, Source::Random.into()));
    let c = c.set("cut.xi=0.75").unwrap().overlay("[search]\nepochs = 2\n", "f").unwrap();
    assert_eq!((c.search.batch, c.search.epochs, c.cut.xi), (8, 2, 0.75));
}

#[test]
fn lists_are_set_without_brackets() {
    let set = |assignment: &str| Config::default().set(assignment).map_err(|e| e.to_string());
    let functions = |c: Config| c.score.functions;
    assert_eq!(functions(set("score.functions=naswot,synflow").unwrap()), ["naswot", "synflow"]);
    assert_eq!(functions(set("score.functions = zen").unwrap()), ["zen"]);
    assert_eq!(functions(set("score.functions=[\"zen\", \"params\"]").unwrap()), ["zen", "params"]);
    assert_eq!(set("score.cells=normal,reduction,normal").unwrap().score.cells.len(), 3);
    assert!(set("score.cells=normal,nomal").is_err());
}

#[test]
fn every_key_has_a_line_a_help_and_an_example_that_is_taken() {
    for key in KEYS {
        let path = key.path();
        assert!(!key.meaning.is_empty() && !key.meaning.contains('\n') && !key.help.is_empty(), "{path}");
        assert!(key.help.ends_with('.'), "{path}");
        if key.name != "version" {
            Config::default().set(&format!("{path}={}", key.example)).unwrap();
        }
        // A line of `zonas config` on a terminal of 120 columns.
        assert!(key.meaning.chars().count() <= 118, "{path}");
    }
}

#[test]
fn mean_and_deviation_are_lists_of_numbers() {
    let set = |assignments: &[&str]| {
        let config = Config::default().assign(assignments).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok::<_, String>((config.data.mean, config.data.deviation))
    };
    let both = (vec![0.5, 0.25, 1.0], vec![0.1, 0.2, 0.3]);
    assert_eq!(set(&["data.mean=0.5,0.25,1", "data.deviation=[0.1, 0.2, 0.3]"]), Ok(both));
    assert_eq!(set(&["data.mean=0.5", "data.deviation = 1"]), Ok((vec![0.5], vec![1.0])));
    for (bad, part) in [
        (&["data.mean=0.5,0.5,0.5", "data.deviation=0.2"][..], "`data.deviation`: there are 1, and 3 of data.mean"),
        (&["data.mean=125.3"], "`data.mean`: pixels are scaled to 0 to 1"),
        (&["data.deviation=0"], "above 0"),
        (&["data.deviation=nan"], "data.deviation"),
        (
            &["search.train_share=0.5", "search.alphas_share=0.51"],
            "`search.alphas_share`: 0.51 and search.train_share = 0.5",
        ),
    ] {
        let told = set(bad).unwrap_err();
        assert!(told.contains(part), "{told}");
    }
    assert!(Config::default().assign(&["search.train_share=0.7", "search.alphas_share=0.3"]).unwrap().check().is_ok());
    assert!(Config::default().set("search.class_weights=balanced").is_ok());
    assert!(Config::default().set("train.class_weights=equal").is_err());
}

#[test]
fn a_stem_is_chosen_by_the_pictures_or_by_word_where_there_are_two() {
    use crate::run::config::StemChoice;
    use crate::space::{Stacking, Stem};
    let auto = Config::default().search.stem;
    assert_eq!((auto, Config::default().train.stem), (StemChoice::Auto, StemChoice::Auto));
    assert_eq!(auto.stem(Stacking::Darts, 224, 224), Stem::ImageNet);
    assert_eq!(auto.stem(Stacking::Darts, 32, 32), Stem::Cifar);
    assert_eq!(auto.stem(Stacking::NasBench201, 224, 224), Stem::Cifar);
    let c = Config::default().set("search.stem=imagenet").unwrap();
    assert_eq!(c.search.stem.stem(Stacking::Darts, 32, 32), Stem::ImageNet);
    assert!(Config::default().set("search.stem=large").unwrap_err().to_string().contains("auto, cifar, imagenet"));
    let other = Config::default().set("space.name=nas_bench_201").unwrap();
    for key in ["search.stem", "train.stem"] {
        let e = other.set(&format!("{key}=imagenet")).unwrap_err().to_string();
        assert!(e.contains(key) && e.contains("stem `cifar` alone"), "{e}");
        assert!(other.set(&format!("{key}=cifar")).is_ok());
    }
    assert!(crate::engine::of_scoring("search.stem") && !crate::engine::of_scoring("train.stem"));
}

/// As journals and configurations of before are.
#[test]
fn what_says_nothing_of_a_stem_has_the_plain_one_in_a_journal() {
    use crate::run::event::{Body, Event};
    use crate::space::Stem;
    let found = r#"{"v":1,"seq":9,"time":1.0,"event":"found","genotype":"GENOTYPE","parameters":1,"macs":2}"#;
    let text = crate::space::published::find("DARTS_V2").unwrap().genotype;
    let found = found.replace("\"GENOTYPE\"", &serde_json::to_string(&text).unwrap());
    let event: Event = serde_json::from_str(&found).unwrap();
    assert!(matches!(event.body, Body::Found { stem: Stem::Cifar, .. }), "{event:?}");
    let started = serde_json::json!({
        "v": 1, "seq": 0, "time": 1.0, "event": "run_started", "run": "old", "program": "zonas 0.1.0", "seed": 2, "device": "cpu",
        "threads": 1, "total_bytes": null, "classes": 10, "channels": 4, "cells": ["normal"], "batch": 8,
        "space": crate::space::darts::FULL,
        "data": {"name": "d", "train": 1, "test": 1, "height": 224, "width": 224, "channels": 3, "class_names": []},
    });
    let event: Event = serde_json::from_value(started).unwrap();
    assert!(matches!(event.body, Body::RunStarted(s) if s.stem == Stem::Cifar));
}
