//! Journals as written, cut short, damaged, and of versions before.

use std::path::Path;

use super::*;
use crate::run::config::Config;

fn folder(dir: &Path) -> RunFolder {
    RunFolder::create(dir, Some("r"), "x", &Config::default()).unwrap()
}

fn all(tail: &mut Tail<Event>) -> Vec<u64> {
    tail.rest().iter().map(|e| e.seq).collect()
}

#[test]
fn cut_at_every_byte_of_its_last_kilobyte_a_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut writer = Writer::open(&folder).unwrap();
    for i in 0..40 {
        writer
            .emit(Body::RoundEnded { round: i, seconds: 1.5, removed: vec![], summaries: vec![], votes: vec![] })
            .unwrap();
    }
    let path = folder.file(EVENTS);
    let whole = std::fs::read(&path).unwrap();
    for cut in whole.len() - 1024..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        let mut tail = Tail::events(&folder);
        assert_eq!(all(&mut tail).len(), lines);
        let mut writer = Writer::open(&folder).unwrap();
        writer.emit(Body::Paused).unwrap();
        let seqs = all(&mut Tail::events(&folder));
        // The torn line may be whole but for its end; then it counts.
        assert!(seqs.len() == lines + 1 || seqs.len() == lines + 2, "{cut}");
        let mut sorted = seqs.clone();
        sorted.dedup();
        assert_eq!(seqs, sorted, "sequence numbers repeat after a cut at {cut}");
    }
}

#[test]
fn what_is_not_understood_is_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut writer = Writer::open(&folder).unwrap();
    writer.emit(Body::Paused).unwrap();
    let mut text = std::fs::read_to_string(folder.file(EVENTS)).unwrap();
    text.push_str("{\"v\":99,\"seq\":7,\"time\":0,\"event\":\"paused\"}\nnonsense\n{\"v\":1,\"seq\":8,\"time\":0,\"event\":\"unheard_of\"}\n");
    text.push_str(&"x".repeat(LONGEST + 10));
    text.push_str("\n{\"v\":1,\"seq\":9,\"time\":0,\"event\":\"resumed\",\"more\":1}\n");
    std::fs::write(folder.file(EVENTS), text).unwrap();
    let mut tail = Tail::events(&folder);
    assert_eq!(all(&mut tail), [0, 9]);
    assert_eq!(tail.skipped, 4);
}

#[test]
fn of_a_long_journal_an_overview_leaves_out_only_what_is_dense_and_old() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut text = String::new();
    let line = |seq: u64, body: Body| {
        let event = Event { v: VERSION, seq, time: 1.5, body };
        serde_json::to_string(&event).unwrap() + "\n"
    };
    let memory = |n| Body::Memory { used_bytes: n, peak_bytes: n, total_bytes: n };
    // Long lines, so that the file is long and not too many.
    let pad = " ".repeat(4000);
    let count = 3 * DENSE_BYTES / 4000;
    for seq in 0..count {
        text += line(seq, if seq % 100 == 0 { Body::Paused } else { memory(seq) }).trim_end();
        text += &pad;
        text.push('\n');
    }
    std::fs::write(folder.file(EVENTS), &text).unwrap();
    let read = |mut tail: Tail<Event>| (all(&mut tail), tail.passed, tail.skipped);
    let (everything, passed, skipped) = read(Tail::events(&folder));
    assert_eq!((everything.len() as u64, passed, skipped), (count, 0, 0));
    let (seen, passed, skipped) = read(Tail::events(&folder).overview());
    assert_eq!((seen.len() as u64 + passed, skipped), (count, 0));
    assert!(passed > count / 2, "{passed} of {count}");
    assert!((0..count).step_by(100).all(|s| seen.contains(&s)), "one that is not dense was left out");
    let end = count - END / 5000;
    assert!((end..count).all(|s| seen.contains(&s)), "the end is not whole");
    let (sparse, ..) = read(Tail::events(&folder).without_dense());
    assert_eq!(sparse, (0..count).step_by(100).collect::<Vec<_>>());
}

#[test]
fn a_file_that_was_replaced_or_cut_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut writer = Writer::open(&folder).unwrap();
    for _ in 0..3 {
        writer.emit(Body::Paused).unwrap();
    }
    let mut tail = Tail::events(&folder);
    assert_eq!(all(&mut tail), [0, 1, 2]);
    let path = folder.file(EVENTS);
    let bytes = std::fs::read(&path).unwrap();
    // Another file, and longer than what was read.
    let other = dir.path().join("other");
    std::fs::write(&other, [&bytes[..], &bytes[..]].concat()).unwrap();
    std::fs::rename(&other, &path).unwrap();
    assert_eq!((all(&mut tail), tail.restarts), (vec![0, 1, 2, 0, 1, 2], 1));
    // The same file, shorter.
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!((all(&mut tail), tail.restarts), (vec![0, 1, 2], 2));
    assert_eq!((all(&mut tail), tail.restarts), (vec![], 2));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut writer = Writer::open(&folder).unwrap();
    writer.lines.file = File::options().append(true).open("/dev/full").unwrap();
    let e = writer.emit(Body::Paused).unwrap_err();
    assert_eq!(e.source.kind(), io::ErrorKind::StorageFull);
    assert!(e.to_string().contains("events.jsonl"), "{e}");
    assert!(writer.emit(Body::Paused).is_err());
}

#[test]
fn what_is_no_regular_file_is_not_waited_for_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut tail = Tail::events(&folder);
    assert!(tail.read().is_empty() && tail.fault.is_none(), "a journal that is not there yet is no fault");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.file(EVENTS),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(tail.read().is_empty());
    assert!(tail.fault.as_deref().is_some_and(|f| f.contains("a pipe")), "{:?}", tail.fault);
    assert!(Writer::open(&folder).unwrap_err().to_string().contains("a pipe"));
}

#[test]
fn a_torn_command_does_not_swallow_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    std::fs::write(folder.file(COMMANDS), "{\"id\":\"a\",\"comm").unwrap();
    let id = send(&folder, command::Body::Stop).unwrap();
    let mut tail = Tail::commands(&folder);
    assert_eq!(tail.read().iter().map(|c| c.id.clone()).collect::<Vec<_>>(), [id]);
    assert_eq!(tail.skipped, 1);
}

#[test]
fn commands_arrive_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let mut tail = Tail::commands(&folder);
    assert!(tail.read().is_empty());
    let a = send(&folder, command::Body::Pause).unwrap();
    let b = send(&folder, command::Body::Confirm { revision: Some(3) }).unwrap();
    let got = tail.read();
    assert_eq!(got.iter().map(|c| c.id.clone()).collect::<Vec<_>>(), [a, b]);
    assert_eq!(got[1].body, command::Body::Confirm { revision: Some(3) });
}

#[test]
fn a_training_of_before_is_read_as_one_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    let genotype = crate::space::published::find("DARTS_V2").unwrap().genotype;
    let genotype = serde_json::to_string(&genotype).unwrap();
    let step = r#""epoch":0,"step":3,"train_loss":1.5,"train_accuracy":0.25,"valid_loss":"nan","gradient_norm":2.0,"learning_rate":0.1,"images_per_second":9.0"#;
    let epoch = format!(
        r#""epoch":0,"train_loss":1.25,"train_accuracy":0.5,"valid_loss":"nan","valid_accuracy":0.75,"seconds":3.0,"genotype":{genotype},"alphas_normal":[],"alphas_reduction":[]"#
    );
    let began = format!(
        r#""genotype":{genotype},"channels":8,"cells":5,"epochs":2,"steps_per_epoch":4,"batch":8,"train":32,"test":8,"parameters":9,"macs":9,"auxiliary":false,"predicted_bytes":9,"journal_every":1"#
    );
    let lines = |with: bool| -> String {
        let told = [("training_started", began.as_str()), ("step", step), ("epoch_ended", &epoch)];
        let told = told.iter().filter(|(name, _)| with || *name != "training_started");
        told.enumerate()
            .map(|(seq, (name, rest))| format!("{{\"v\":1,\"seq\":{seq},\"time\":1.0,\"event\":\"{name}\",{rest}}}\n"))
            .collect()
    };
    std::fs::write(folder.file(EVENTS), lines(true)).unwrap();
    let mut tail = Tail::events(&folder);
    let bodies: Vec<Body> = tail.rest().into_iter().map(|e| e.body).collect();
    assert_eq!(tail.skipped, 0);
    let [Body::TrainingStarted(_), Body::TrainingStep(s), Body::TrainingEpochEnded(e)] = &bodies[..] else {
        panic!("{bodies:?}")
    };
    assert_eq!((s.epoch, s.step, s.loss.0, s.accuracy, s.learning_rate), (0, 3, 1.5, 0.25, 0.1));
    assert_eq!((e.train_loss.0, e.train_accuracy, e.test_accuracy, e.seconds), (1.25, 0.5, 0.75, 3.0));
    assert!(e.test_loss.0.is_nan());
    // The same lines in another file are a search's.
    std::fs::write(folder.file(EVENTS), lines(false)).unwrap();
    let bodies: Vec<Body> = tail.rest().into_iter().map(|e| e.body).collect();
    assert!(matches!(bodies[..], [Body::Step(_), Body::EpochEnded(_)]), "{bodies:?}");
}
