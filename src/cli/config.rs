//! `zonas config`: every setting with its default and meaning, as TOML; and all there is to say about one.

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use crate::nearest::nearest;
use crate::run::config::{Config, KEYS, Key, keys};
use crate::run::{PRESETS, preset};
use crate::text;

#[derive(Args, Debug)]
pub struct ConfigArguments {
    /// Values of a preset instead of the defaults: `darts` or `demo`.
    #[arg(long, default_value = "darts")]
    preset: String,
    /// Print help, or all about one setting: `zonas config --help search.batch`.
    #[arg(short, long, value_name = "KEY", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "whether it is there, and with a key")]
    help: Option<Option<String>>,
}

pub fn run(a: &ConfigArguments) -> eyre::Result<Exit> {
    let config = named(&a.preset)?;
    let mut out = Output::stdout();
    match &a.help {
        None => out.write(config.template().as_bytes())?,
        Some(Some(path)) => out.write(about(path, &a.preset, &config)?.as_bytes())?,
        Some(None) => {
            let mut all = super::command();
            all.build();
            if let Some(own) = all.find_subcommand_mut("config") {
                out.write(own.render_long_help().to_string().as_bytes())?;
            }
        }
    }
    Ok(Exit::Done)
}

/// All there is to say about a setting.
fn about(path: &str, preset: &str, config: &Config) -> Result<String, Usage> {
    let Some(key) = KEYS.iter().find(|k| k.path() == path) else {
        let all: Vec<String> = keys().collect();
        // A name without its section may be that of several.
        let same: Vec<String> = KEYS.iter().filter(|k| k.name == path).map(Key::path).collect();
        let hint = match (&same[..], nearest(path, all.iter().map(String::as_str))) {
            ([], Some(near)) => format!("did you mean `{near}`?"),
            ([], None) => "`zonas config` lists all".into(),
            (same, _) => {
                format!("did you mean {}?", same.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(" or "))
            }
        };
        let shown: String = path.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Usage(format!("there is no setting `{shown}`; {hint}")));
    };
    let value = config.value(&key.path()).unwrap_or_default();
    let free = if key.free {
        "\nResults do not depend on it, but for rounding: a run may be resumed with another value.\n"
    } else {
        ""
    };
    let help = text::wrap(key.help, 96);
    Ok(format!(
        "{path} = {value}  # preset {preset}\n\n{}\n\n{}\n{free}\nExample:\n  --set {path}={}\n",
        key.meaning,
        help.join("\n"),
        key.example
    ))
}

/// A preset, or a sentence with the nearest name.
pub fn named(name: &str) -> eyre::Result<Config> {
    preset(name).ok_or_else(|| {
        let names: Vec<&str> = PRESETS.iter().map(|p| p.0).collect();
        let hint = nearest(name, names.iter().copied()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
        Usage(format!("there is no preset `{name}`, only {}{hint}", names.join(" and "))).into()
    })
}
