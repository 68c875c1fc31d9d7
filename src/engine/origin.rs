//! What a result comes from: whether a run that is resumed is still the same run.

use super::control::Control;
use super::error::EngineError;
use super::past::Past;
use super::setup::Setup;
use crate::data::difference;
use crate::kernels;
use crate::run::config::Config;
use crate::run::event::{Body, Level, Origin};

/// `run` tells the run from every other: what its journal says, or [`identity`].
pub(super) fn of(setup: &Setup, run: &str) -> Origin {
    Origin {
        run: run.into(),
        program: concat!("zonas ", env!("CARGO_PKG_VERSION")).into(),
        vectors: kernels::level().name().into(),
        data: setup.dataset.fingerprint(),
        config: setup.config.to_toml(),
    }
}

/// What is to tell a run from every other, from now on: what its journal says, or something new.
pub(super) fn identity(past: &Past, control: &Control) -> String {
    let known = past.origin.as_ref().map_or("", |o| o.run.as_str());
    if !known.is_empty() {
        return known.into();
    }
    let holder = control.lock().holder();
    let words = format!("{} {} {} {}", holder.host, holder.boot, holder.file, holder.token);
    format!("{:016x}", crate::random::fnv1a(words.as_bytes()))
}

/// What has changed; an error, unless it is forced.
pub(super) fn compare(before: Option<&Origin>, now: &Origin, force: bool) -> Result<Vec<String>, EngineError> {
    let Some(before) = before else { return Ok(Vec::new()) };
    let mut changes = Vec::new();
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(60).collect::<String>();
    if before.program != now.program {
        changes.push(format!("it was begun by {}, and this is {}", shown(&before.program), now.program));
    }
    if before.vectors != now.vectors {
        let (was, is) = (shown(&before.vectors), &now.vectors);
        changes.push(format!("it was begun with vector instructions {was}, and this machine has {is}"));
    }
    changes.extend(difference(&before.data, &now.data).map(String::from));
    match (Config::parse(&before.config, "the journal"), Config::parse(&now.config, "config.toml")) {
        (Ok(was), Ok(is)) => {
            let told = |(key, a, b)| format!("setting {key} was {a} and is {b}");
            changes.extend(was.differences(&is).into_iter().map(told));
        }
        _ => changes.push("the settings that it was begun with can't be read any more".into()),
    }
    if changes.is_empty() || force { Ok(changes) } else { Err(EngineError::Changed(changes)) }
}

/// Puts it into the journal, where it is new.
pub(super) fn tell(control: &mut Control, past: &Past, setup: &Setup, changes: &[String]) -> Result<(), EngineError> {
    let now = of(setup, &control.seal.run);
    if past.origin.as_ref() != Some(&now) {
        control.emit(Body::Origin(now))?;
    }
    if let Some(before) = past.devices.last().filter(|before| **before != setup.device.label()) {
        let text = format!(
            "resumed on {}, after {before}: from here on the numbers agree with those of one device within rounding, not bit \
             for bit",
            setup.device.label()
        );
        control.log(Level::Warning, text)?;
    }
    if !changes.is_empty() {
        let text = format!("resumed by force: {}; the result is not that of one run", changes.join("; "));
        control.log(Level::Warning, text)?;
    }
    Ok(())
}
