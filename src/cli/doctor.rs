//! `zonas doctor`: what of this machine and of the data will be used, and why.

use std::io::IsTerminal;

use clap::Args;
use color_eyre::eyre;

use super::exit::Exit;
use super::gpus;
use super::output::Output;
use super::patience;
use super::place::Place;
use super::settings::SettingArguments;
use crate::data::{self, Dataset, Split, Summary};
use crate::device;
use crate::engine::plan::{DataShape, Planner, reading};
use crate::explorer::theme::ColorDepth;
use crate::kernels;
use crate::nn::Policy;
use crate::run::{self, config::Config};
use crate::space::darts;
use crate::text;

#[derive(Args, Debug)]
pub struct DoctorArguments {
    #[command(flatten)]
    settings: SettingArguments,
    /// Print JSON: the same lines by their keys.
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, a: &DoctorArguments) -> eyre::Result<Exit> {
    let asked = a.settings.config()?;
    let mut out = Output::stdout();
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    let mut line = |key: &str, value: String| {
        if !a.json {
            return out.line(&format!("{key:<10} {}", text::sanitize(&value)));
        }
        match told.last_mut() {
            // What has no key of its own goes on with what is above it.
            Some((_, lines)) if key.is_empty() => lines.push(value),
            _ => told.push((key.into(), vec![value])),
        }
        Ok(())
    };
    line("program", format!("zonas {}", env!("CARGO_PKG_VERSION")))?;
    for (i, told) in gpus::told().iter().enumerate() {
        line(if i == 0 { "device" } else { "" }, told.clone())?;
    }
    let levels: Vec<&str> = kernels::Level::available().iter().map(|l| l.name()).collect();
    line("vectors", format!("{}; this processor has {}", kernels::level().name(), levels.join(", ")))?;
    line("threads", format!("{}; `zonas run --threads N` changes it", device::Threads::plan(0)))?;
    match device::machine_memory() {
        Some(m) => {
            let (total, free) = (text::bytes(m.total_bytes), text::bytes(m.available_bytes));
            line("memory", format!("{free} free of {total} (of the machine, or of this control group)"))?;
        }
        None => line("memory", "not available on this system".into())?,
    }
    let c = Config::default();
    let cifar = DataShape { classes: 10, channels: 3, height: 32, width: 32 };
    let published = Planner::new(&c, cifar, None, device::threads(c.device.threads)).bytes(darts::FULL, Policy::Keep);
    line("", format!("the published search (batch 64, 32x32) needs about {} uncut", text::bytes(published)))?;
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let term = std::env::var("TERM").unwrap_or_else(|_| "not set".into());
    let size = crate::explorer::terminal_size().ok().filter(|_| terminal);
    let size = size.map_or("no terminal: commands print text".to_string(), |(w, h)| format!("{w}x{h}, TERM {term}"));
    line("terminal", size)?;
    let depth = ColorDepth::detect(|name| std::env::var(name).ok());
    let depth = match depth {
        ColorDepth::Mono => "none (NO_COLOR is set, or TERM names a terminal without)",
        ColorDepth::Ansi16 => "16, by TERM",
        ColorDepth::Ansi256 => "256, by TERM",
        ColorDepth::True => "24 bits, by COLORTERM or TERM",
    };
    line("colours", depth.into())?;
    let source = &asked.data.source;
    let found = patience::reading(source, || data::open(source, &reading(&asked, None)));
    match &found {
        Ok(set) => about(&**set).into_iter().try_for_each(|(key, value)| line(key, value))?,
        Err(e) => line("data", format!("unusable: {e}"))?,
    }
    let runs = place.folder()?;
    match run::check_writable(&runs) {
        Ok(()) if runs.is_dir() => line("runs", format!("{}, writable", runs.display()))?,
        Ok(()) => line("runs", format!("{}, which the first run makes", runs.display()))?,
        Err(e) => line("runs", format!("unusable: {e}"))?,
    }
    if a.json {
        let all: serde_json::Map<_, _> = told.into_iter().map(|(key, lines)| (key, lines.into())).collect();
        out.json(&all)?;
    }
    found?;
    Ok(Exit::Done)
}

/// Classes whose names and numbers of pictures are told one by one.
const NAMED: usize = 20;

/// What is known about a data set, a key and a sentence a line.
fn about(set: &dyn Dataset) -> Vec<(&'static str, String)> {
    let summary = set.summary();
    let found = &summary.found;
    let mut plain = Summary { note: String::new(), ..summary.clone() };
    plain.found.memory.clear();
    let mut lines = vec![("data", plain.to_string())];
    let notes = summary.note.split("; ").filter(|note| !note.is_empty() && !note.starts_with("passed over"));
    lines.extend(notes.map(|note| ("", note.to_string())));

    let mut counts = vec![[0usize; 2]; summary.classes()];
    for (part, split) in [Split::Train, Split::Test].into_iter().enumerate() {
        (0..set.len(split)).for_each(|index| counts[set.label(split, index)][part] += 1);
    }
    let told = summary.class_names.iter().zip(&counts).take(NAMED);
    let mut classes: Vec<String> = told.map(|(name, [train, test])| format!("`{name}` {train} + {test}")).collect();
    if counts.len() > NAMED {
        let train = || counts.iter().map(|[train, _]| *train);
        let (least, most) = (train().min().unwrap_or(0), train().max().unwrap_or(0));
        classes.push(format!("and {} more; from {least} to {most} training pictures each", counts.len() - NAMED));
    }
    lines.push(("classes", format!("training + test pictures: {}", classes.join(", "))));

    let modes: Vec<String> = found.modes.iter().map(|(mode, count)| format!("{count} {mode}")).collect();
    let taken = if summary.channels == 1 { "taken as grey" } else { "taken as colour" };
    let (width, height) = (summary.width, summary.height);
    let stored = found.sizes.map_or(format!("{width}x{height}"), |sizes| sizes.to_string());
    let scaled =
        if stored == format!("{width}x{height}") { String::new() } else { format!(", scaled to {width}x{height}") };
    let modes = if modes.is_empty() { String::new() } else { format!("{}, ", modes.join("; ")) };
    lines.push(("pictures", format!("{stored}{scaled}; {modes}{taken}")));

    let skipped: Vec<String> = found.skipped.iter().map(ToString::to_string).collect();
    lines.push((
        "passed",
        if skipped.is_empty() { "nothing was passed over".into() } else { format!("over: {}", skipped.join("; ")) },
    ));
    let numbers = |values: &[f32]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ");
    let (mean, std) = (numbers(&summary.mean), numbers(&summary.std));
    lines.push(("pixels", format!("mean {mean}, deviation {std}, {}", found.normalisation)));
    let bytes = summary.picture_bytes() as u64 * (summary.train + summary.test) as u64;
    let held = || format!("held in memory: {}", text::bytes(bytes));
    lines.push(("", if found.memory.is_empty() { held() } else { found.memory.clone() }));
    lines.push(("changes", format!("known by {}", found.fingerprint)));
    lines
}
