//! The form of a new run, without a screen.

use std::path::Path;
use std::time::{Duration, Instant};

use super::complete::complete;
use super::desk::looked;
use super::*;
use crate::engine::plan;
use crate::run::RunFolder;

/// Looks at what is typed, as the threads do.
fn look(form: &mut Form, runs: &Path) -> Answer {
    let question = form.question().expect("nothing was changed");
    let answer = question.answer(runs);
    form.take(Reply::Checked(question.revision, Box::new(answer.clone())));
    answer
}

/// What is wrong where these fields are typed.
fn wrong(texts: &[(Field, &str)]) -> Vec<(Field, String)> {
    let mut form = Form::default();
    texts.iter().for_each(|(field, text)| form.set(*field, text));
    look(&mut form, Path::new("/nowhere")).wrong
}

fn config(texts: &[(Field, &str)]) -> Config {
    let mut form = Form::default();
    texts.iter().for_each(|(field, text)| form.set(*field, text));
    let answer = look(&mut form, Path::new("/nowhere"));
    assert_eq!(answer.wrong, [], "{texts:?}");
    *answer.wanted.unwrap().config
}

#[test]
fn what_is_shown_at_first_is_what_zonas_run_does() {
    assert_eq!(config(&[]), Config::default().settled().unwrap());
    let demo = preset("demo").unwrap().settled().unwrap();
    assert_eq!(config(&[(Field::Preset, "demo")]), demo);
    // A field that is emptied has the preset's value again.
    assert_eq!(config(&[(Field::Preset, "demo"), (Field::Cut, "0.75"), (Field::Cut, "")]), demo);
}

#[test]
fn another_preset_changes_what_the_person_has_not() {
    let mut form = Form::default();
    form.set(Field::Cut, "0.75");
    form.set(Field::Preset, "nas_bench_201");
    assert_eq!((form.text(Field::Space), form.text(Field::Cut)), ("nas_bench_201", "0.75"));
    form.set(Field::Preset, "nas_bench_20");
    assert_eq!(form.text(Field::Space), "nas_bench_201", "a word that is half typed changes nothing");
}

#[test]
fn fields_become_settings() {
    let c = config(&[
        (Field::Functions, "naswot, synflow"),
        (Field::Seeds, "7"),
        (Field::Cut, "150MiB"),
        (Field::Method, "darts_plus"),
        (Field::Device, "cpu"),
        (Field::Settings, "search.batch=32  data.size=16"),
    ]);
    assert_eq!((c.score.functions, c.seed), (vec!["naswot".to_string(), "synflow".into()], 7));
    assert_eq!((c.cut.budget.as_str(), c.search.method.as_str()), ("150MiB", "darts_plus"));
    assert_eq!((c.search.batch, c.data.size, c.search.stop.len()), (32, 16, 1));
    let c = config(&[(Field::Cut, "0.75"), (Field::Functions, "naswot"), (Field::Data, "/some/pictures")]);
    assert_eq!((c.cut.xi, c.score.functions.len(), c.data.source.as_str()), (0.75, 1, "/some/pictures"));
    assert!(Path::new(&config(&[(Field::Data, "pictures")]).data.source).is_absolute());
}

#[test]
fn several_seeds_are_a_study() {
    let mut form = Form::default();
    form.set(Field::Seeds, "1..5");
    form.set(Field::Name, "mine");
    let answer = look(&mut form, Path::new("/nowhere"));
    assert_eq!(answer.note, "a study of 5 runs, each with its automatic cut");
    let wanted = answer.wanted.unwrap();
    assert_eq!(wanted.seeds.map(crate::study::Seeds::list), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(wanted.name.as_deref(), Some("mine"));
}

#[test]
fn mistakes_are_told_at_their_fields_by_the_settings_own_words() {
    let own = |assignment: &str| Config::default().set(assignment).unwrap_err().to_string();
    for (field, text, assignment) in [
        (Field::Cut, "2", "cut.xi=2"),
        (Field::Cut, "many", "cut.budget=many"),
        (Field::Method, "dart", "search.method=dart"),
        (Field::Device, "gpu", "device.kind=gpu"),
        (Field::Space, "dart", "space.name=dart"),
    ] {
        let said = wrong(&[(field, text)]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].0, field);
        assert!(own(assignment).ends_with(&said[0].1), "{said:?} is not {}", own(assignment));
    }
    let said =
        wrong(&[(Field::Functions, "naswott"), (Field::Seeds, "5..1"), (Field::Preset, "dem"), (Field::Name, "a b")]);
    let fields: Vec<Field> = said.iter().map(|s| s.0).collect();
    assert_eq!(fields, [Field::Preset, Field::Functions, Field::Seeds, Field::Name], "{said:?}");
    assert!(said[0].1.contains("did you mean `demo`") && said[1].1.contains("did you mean `naswot`"), "{said:?}");
    assert_eq!(said[3].1, crate::run::check_name("a b").unwrap_err().to_string());
    // What each alone would do, and both do not.
    let said = wrong(&[(Field::Settings, "device.precision=bf16 search.order=2")]);
    assert_eq!((said.len(), said[0].0), (1, Field::Settings));
    assert!(said[0].1.starts_with("device.precision: search.order = 2"), "{said:?}");
    assert!(wrong(&[(Field::Settings, "search.bath=3")])[0].1.contains("did you mean `search.batch`"));
    assert!(wrong(&[(Field::Space, "/nowhere/my.toml")])[0].1.starts_with("/nowhere/my.toml: "));
}

#[test]
fn a_name_that_is_taken_is_told() {
    let dir = tempfile::tempdir().unwrap();
    RunFolder::create(dir.path(), Some("r"), "x", &Config::default()).unwrap();
    let mut form = Form::default();
    form.set(Field::Name, "r");
    let answer = look(&mut form, dir.path());
    assert_eq!((answer.wrong[0].0, answer.wanted), (Field::Name, None));
    assert!(answer.wrong[0].1.starts_with("a run named `r` exists"), "{:?}", answer.wrong);
}

#[test]
fn it_starts_what_was_looked_at_and_goes_to_what_is_wrong() {
    let runs = Path::new("/nowhere");
    let mut form = Form::default();
    form.set(Field::Cut, "2");
    form.set(Field::Name, "r");
    assert_eq!(form.act(Action::Yes), None);
    assert_eq!(form.ready(), None, "nothing is started that was not looked at");
    look(&mut form, runs);
    assert_eq!((form.ready(), form.field()), (None, Field::Cut));
    form.set(Field::Cut, "0.25");
    form.act(Action::Yes);
    look(&mut form, runs);
    let wanted = form.ready().unwrap();
    assert_eq!((wanted.config.cut.xi, wanted.name.as_deref()), (0.25, Some("r")));
    assert!(form.starting && form.ready().is_none());
    form.act(Action::Yes);
    assert_eq!(form.ready(), None, "one at a time");
    form.started(Err("no disk".into()));
    assert_eq!((form.refused.as_deref(), form.text(Field::Name)), (Some("no disk"), "r"));
    form.started(Ok(()));
    assert_eq!((form.refused.as_deref(), form.text(Field::Name), form.text(Field::Cut)), (None, "", "0.25"));
    // An answer to what was typed before says nothing.
    let old = form.question().unwrap();
    form.set(Field::Cut, "0.5");
    form.take(Reply::Checked(old.revision, Box::new(old.answer(runs))));
    form.act(Action::Yes);
    assert_eq!(form.ready(), None);
}

#[test]
fn tab_completes_paths_and_steps_through_names() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cifar-10", "cifar-100", ".hidden"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("mine.toml"), "").unwrap();
    std::fs::write(dir.path().join("notes"), "").unwrap();
    let at = |text: &str| format!("{}/{text}", dir.path().display());
    let done = |field, text: &str| complete(field, &at(text), false);
    assert_eq!(done(Field::Data, "c").text, Some(at("cifar-10")));
    assert_eq!(done(Field::Data, "c").choices, ["cifar-10/", "cifar-100/"]);
    assert_eq!(done(Field::Data, "cifar-100").text, Some(at("cifar-100/")));
    assert_eq!(done(Field::Data, "").choices, ["cifar-10/", "cifar-100/", "mine.toml", "notes"]);
    assert_eq!(done(Field::Space, "").choices, ["cifar-10/", "cifar-100/", "mine.toml"]);
    assert_eq!(done(Field::Data, "nothing/x"), Completion::default());
    let word = |field, text, back| complete(field, text, back).text.unwrap();
    assert_eq!(word(Field::Preset, "d", false), "darts");
    assert_eq!(word(Field::Preset, "darts", false), "paper");
    assert_eq!(word(Field::Preset, "darts", true), "nas_bench_201_demo");
    assert_eq!(word(Field::Functions, "naswot, syn", false), "naswot, synflow");
    assert_eq!(word(Field::Settings, "search.batch=3 search.ep", false), "search.batch=3 search.epochs=");
    assert_eq!(word(Field::Data, "emb", false), "embedded");
    // Completed text is taken only where it still is what was asked about.
    let mut form = Form::default();
    form.set(Field::Method, "beta");
    let completion = complete(Field::Method, "beta", false);
    form.take(Reply::Completed(Field::Method, "bet".into(), completion.clone()));
    assert_eq!(form.text(Field::Method), "beta");
    form.take(Reply::Completed(Field::Method, "beta".into(), completion));
    assert_eq!((form.text(Field::Method), form.choices.len()), ("beta_darts", 5));
}

#[test]
fn the_threads_answer_and_tell_of_the_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    let mut form = Form::default();
    form.set(Field::Preset, "demo");
    let since = Instant::now();
    while form.note(Field::Cut).is_none() {
        if let Some(question) = form.question() {
            desk.ask(question);
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", form.pictures);
        match desk.next() {
            Some(reply) => form.take(reply),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    let Pictures::Found(words, _) = &form.pictures else { panic!("nothing was found") };
    // As `zonas predict --preset demo` has it.
    let shape = plan::DataShape { classes: 10, channels: 1, height: 28, width: 28 };
    let demo = preset("demo").unwrap();
    let planner = plan::Planner::new(&demo, shape, None, crate::device::threads(0));
    let uncut = crate::text::bytes(planner.bytes(demo.full(), crate::nn::Policy::Keep));
    let note = form.note(Field::Cut).unwrap();
    assert!(note.ends_with(&format!("uncut {uncut}")) && note.contains(" or more, "), "{note} {uncut}");
    assert!(words.contains("5000 training") && words.contains("10 classes"), "{words}");
    assert!(matches!(looked("/nowhere", &Config::default()), Pictures::Wrong(words) if words.contains("/nowhere")));
}
