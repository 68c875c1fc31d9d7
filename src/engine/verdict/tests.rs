//! Scores that are known to be sure, or noise, and what is said of cuts by them.

use std::collections::BTreeMap;

use super::*;
use crate::random;
use crate::space::{By, darts};

const DRAWS: usize = 6;

/// Two functions: one puts the operations of each edge in the order of the catalogue, with this much noise; the other is noise.
fn stored(noise: f64, draws: usize) -> Stored {
    let mut found = BTreeMap::new();
    let mut rng = random::stream(3, "test");
    let mut random = || random::below(&mut rng, 1_000_001) as f64 / 1e6 - 0.5;
    for place in darts::NO_NONE.places() {
        for draw in 0..draws {
            let sure = f64::from(place.operation as u8);
            found.insert((place, draw), vec![sure + noise * random(), random()]);
        }
    }
    Stored::new(vec!["sure".into(), "luck".into()], darts::NO_NONE, found, 1)
}

fn config(aggregate: &str) -> Config {
    Config::default().set(&format!("score.aggregate={aggregate}")).unwrap()
}

fn cut_of(stored: &Stored, by: &By, config: &Config, xi: f64) -> (Cut, Vec<Removal>) {
    let order = stored.order(by, Source::Scores, config).unwrap();
    let cutter = Cutter { space: darts::NO_NONE, order: order.iter().map(|r| r.place).collect(), seed: 1 };
    let mask = cutter.automatic(Source::Scores, xi);
    let cut = Cut { xi, mask, source: "scores".into(), by: by.clone(), full_memory_bytes: 100, ..Cut::default() };
    (cut, order)
}

fn judged(stored: &Stored, by: &By, config: &Config, xi: f64) -> Assessed {
    let (cut, order) = cut_of(stored, by, config, xi);
    let own = stored.order(&By::default(), Source::Scores, config).unwrap();
    let bytes = |mask: Mask| Some(mask.places().map(|p| p.operation.cost() as u64).sum());
    let asked = Asked {
        cut: &cut,
        space: darts::NO_NONE,
        order: &order,
        own: &own,
        stored: Some(stored),
        config,
        bytes: &bytes,
    };
    assess(&asked).unwrap()
}

fn alone(name: &str) -> By {
    By { functions: vec![name.into()], aggregate: None }
}

#[test]
fn what_is_sure_stays_and_what_is_noise_is_chance() {
    let (stored, config) = (stored(0.1, DRAWS), config("noise"));
    let sure = judged(&stored, &alone("sure"), &config, 0.5);
    assert_eq!((sure.stays, sure.kept, sure.draws), (Some(1.0), 112, DRAWS));
    assert!(sure.unsure.is_empty() && sure.within_noise.is_empty());
    assert!(sure.words[0].starts_with("settled: 100 % of 112 operations"), "{:?}", sure.words);
    // Four of seven stay: by chance four sevenths of them again.
    assert!((sure.by_chance - 64.0).abs() < 1e-9);
    let luck = judged(&stored, &alone("luck"), &config, 0.5);
    let stays = luck.stays.unwrap();
    assert!(stays < SURE && stays > 4.0 / 7.0, "{stays}");
    assert!(luck.words[0].starts_with("not settled: "), "{:?}", luck.words);
    assert!(luck.unsure.windows(2).all(|w| w[0].stays <= w[1].stays) && luck.unsure[0].stays < SURE);
    assert!(!luck.within_noise.is_empty() && luck.words.iter().any(|w| w.starts_with("within noise: ")));
    assert!(luck.words.iter().any(|w| w.starts_with("next: more draws or cells")), "{:?}", luck.words);
    // The same each time, and what is told of a level is told of the cut at that level.
    assert_eq!(judged(&stored, &alone("luck"), &config, 0.5), luck);
    let level = luck.levels.iter().find(|l| l.xi == 0.5).unwrap();
    assert_eq!(Some(level.stays), luck.stays);
    assert!((level.by_chance - 4.0 / 7.0).abs() < 1e-9 && luck.levels.len() == 6);
    // Beside the run's own scores, which both functions make.
    assert!(luck.scores.unwrap().same < luck.kept && sure.scores.unwrap().same > luck.scores.unwrap().same);
}

#[test]
fn who_decides_and_who_is_noise_is_named() {
    let (stored, config) = (stored(0.1, DRAWS), config("noise"));
    let both = judged(&stored, &By::default(), &config, 0.5);
    let [sure, luck] = &both.functions[..] else { panic!("{:?}", both.functions) };
    assert!((sure.part.unwrap() + luck.part.unwrap() - 1.0).abs() < 1e-9);
    assert!(sure.part.unwrap() > 0.9 && sure.noise.unwrap() < 0.01 && luck.noise.unwrap() > 0.5);
    let words = both.words.join("\n");
    assert!(words.contains("sure makes") && words.contains("luck is mostly noise"), "{words}");
    assert!(words.contains("leave luck out"), "{words}");
    assert!(both.scores.is_none(), "it is by them");
    // By the plain sum of a function whose numbers are small nothing changes; alone it has everything to say.
    let alone = judged(&stored, &alone("luck"), &config, 0.5);
    assert_eq!(alone.functions.len(), 1);
    assert!((alone.functions[0].part.unwrap() - 1.0).abs() < 1e-9);
    // One that is the same for all has no vote, and the reason is told.
    let mut constant = stored.clone();
    constant.relative.iter_mut().flatten().for_each(|v| v[1] = 1.0);
    let words = judged(&constant, &By::default(), &config, 0.5).words.join("\n");
    assert!(words.contains("luck has no vote: it is the same whichever operation"), "{words}");
}

#[test]
fn nothing_is_claimed_that_was_not_measured() {
    let config = config("noise");
    let one = judged(&stored(0.1, 1), &By::default(), &config, 0.5);
    assert_eq!((one.stays, one.levels.len()), (None, 0));
    assert!(one.words[0].starts_with("one draw: ") && one.functions.iter().all(|s| s.noise.is_none()));
    assert!(one.words.iter().any(|w| w.contains("three draws or more")), "{:?}", one.words);
    // After several rounds only another order, which is by the first, is known.
    let several = Stored { rounds: 3, ..stored(0.1, DRAWS) };
    let own = judged(&several, &By::default(), &config, 0.5);
    assert!(own.stays.is_none() && own.words[0].starts_with("decided over several rounds"), "{:?}", own.words);
    assert!(judged(&several, &alone("sure"), &config, 0.5).stays.is_some());
    // Nothing goes, or of another space: nothing to say.
    let (mut cut, order) = cut_of(&several, &By::default(), &config, 0.5);
    let asked = |cut: &Cut| {
        let bytes = |_| None;
        let asked = Asked {
            cut,
            space: darts::NO_NONE,
            order: &order,
            own: &order,
            stored: None,
            config: &config,
            bytes: &bytes,
        };
        assess(&asked)
    };
    assert!(asked(&cut).is_some_and(|a| a.words[0].contains("not there") && a.random_bytes.is_none()));
    cut.mask = darts::NO_NONE;
    assert_eq!(asked(&cut), None);
}

#[test]
fn controls_are_looked_at_like_scores() {
    let config = config("noise");
    let stored = stored(0.1, DRAWS);
    let (scores, order) = cut_of(&stored, &By::default(), &config, 0.5);
    let bytes = |mask: Mask| Some(mask.places().map(|p| p.operation.cost() as u64).sum());
    let told = |source: Source| {
        let cutter = Cutter { space: darts::NO_NONE, order: Vec::new(), seed: 1 };
        let mask = cutter.automatic(source, 0.5);
        let cut = Cut { mask, source: source.name().into(), memory_bytes: 80, ..scores.clone() };
        let asked = Asked {
            cut: &cut,
            space: darts::NO_NONE,
            order: &order,
            own: &order,
            stored: Some(&stored),
            config: &config,
            bytes: &bytes,
        };
        let a = assess(&asked).unwrap();
        assert!(a.stays.is_none() && a.functions.is_empty() && a.within_noise.is_empty());
        assert_eq!(a.scores.unwrap().same, mask.and(&scores.mask).count());
        (words::headline(&cut, &a).join("; "), a)
    };
    let (random, a) = told(Source::Random);
    assert!(random.starts_with("At random: another seed keeps 57 % the same; "), "{random}");
    assert!(random.ends_with("saves 20 % of memory") && a.parameters.is_some(), "{random}");
    let (counts, a) = told(Source::MostParameters);
    assert!(counts.starts_with("Counts only: every seed and data keep the same; "), "{counts}");
    assert!(a.parameters.is_none() && a.random_bytes.is_some());
    let (cheapest, a) = told(Source::Cheapest);
    assert!(cheapest.starts_with("By memory alone: "), "{cheapest}");
    let all = darts::NO_NONE;
    let dear = Cutter { space: all, order: Vec::new(), seed: 1 }.automatic(Source::MostParameters, 0.5);
    assert_eq!(a.parameters.unwrap().bytes, bytes(dear));
}

/// A budget buys cells: whether each operation is among the highest of its edge says nothing of that.
#[test]
fn a_budget_is_judged_by_its_cells() {
    let config = config("decorrelated");
    let stored = Stored { sampled: true, ..stored(2.0, DRAWS) };
    let of = |budget: Option<u64>, config: &Config| {
        let (mut cut, order) = cut_of(&stored, &By::default(), config, 0.5);
        cut.budget_bytes = budget;
        let asked = Asked {
            cut: &cut,
            space: darts::NO_NONE,
            order: &order,
            own: &order,
            stored: Some(&stored),
            config,
            bytes: &|_| None,
        };
        assess(&asked).unwrap()
    };
    let level = of(None, &config);
    assert!(level.stays.is_some() && !level.buys);
    let bought = of(Some(1 << 30), &config);
    assert!(bought.buys && bought.stays.is_none() && bought.within_noise.is_empty() && bought.levels.is_empty());
    assert!(bought.words[0].starts_with("its cells are what the budget buys"), "{:?}", bought.words);
    assert!(!bought.words.iter().any(|w| w.contains("round") || w.contains("score by cells")), "{:?}", bought.words);
    // Both are estimated alike, beside controls.
    for a in [&level, &bought] {
        let (estimate, (low, high)) = (a.estimate.unwrap(), a.random_percent.unwrap());
        assert!(estimate.percent > high && low <= high, "{a:?}");
        let (from, to) = estimate.interval.unwrap();
        assert!(from <= estimate.percent + 5.0 && to >= estimate.percent - 5.0, "{estimate:?}");
        assert!(a.words.iter().any(|w| w.starts_with("by the scores its cells are in the mean better than")));
    }
    // As many on every edge: a level within a budget.
    let even = of(Some(1 << 30), &config.clone().set("cut.by=level").unwrap());
    assert!(!even.buys && even.stays == level.stays);
    // By leave-one-out nothing is known of cells.
    let lone = Stored { sampled: false, ..stored.clone() };
    assert!(judged(&lone, &By::default(), &config, 0.5).estimate.is_none());
}
