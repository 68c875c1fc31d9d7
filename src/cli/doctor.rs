use std::io::IsTerminal;

use clap::Args;
use color_eyre::eyre;

use super::{Exit, Output, Place, gpus};
use crate::data::{self, OpenOptions};
use crate::device;
use crate::engine::plan::{DataShape, Planner};
use crate::explorer::text;
use crate::explorer::theme::ColorDepth;
use crate::kernels;
use crate::nn::Policy;
use crate::run::{self, config::Config};
use crate::space::Mask;

#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// Pictures to look at: `embedded`, or a path.
    #[arg(long, default_value = "embedded")]
    data: String,
}

pub fn run(place: &Place, a: &DoctorArguments) -> eyre::Result<Exit> {
    let mut out = Output::stdout();
    let mut line = |key: &str, value: String| out.line(&format!("{key:<10} {}", text::sanitize(&value)));
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
    let published = Planner::new(&c, cifar, None, device::threads(c.device.threads)).bytes(Mask::FULL, Policy::Keep);
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
    let found = data::open(&a.data, &OpenOptions::default());
    match &found {
        Ok(set) => line("data", set.summary().to_string())?,
        Err(e) => line("data", format!("unusable: {e}"))?,
    }
    let runs = place.folder()?;
    match run::check_writable(&runs) {
        Ok(()) if runs.is_dir() => line("runs", format!("{}, writable", runs.display()))?,
        Ok(()) => line("runs", format!("{}, which the first run makes", runs.display()))?,
        Err(e) => line("runs", format!("unusable: {e}"))?,
    }
    found?;
    Ok(Exit::Done)
}
