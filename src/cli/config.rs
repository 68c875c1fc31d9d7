//! `zonas config`: every setting with its default and meaning, as TOML; and all there is to say about one.

use clap::Args;
use color_eyre::eyre;

use super::exit::{Exit, Usage};
use super::output::Output;
use crate::run::config::{Config, KEYS, Key, key_hint};
use crate::text;

#[derive(Args, Debug)]
pub struct ConfigArguments {
    /// Values of a preset instead of the defaults: `darts`, `paper`, `nas_bench_201`, `demo` or `nas_bench_201_demo`.
    #[arg(long, default_value = "darts")]
    preset: String,
    /// Print JSON: of each setting its key, value, meaning, longer help, an example, and whether a run may be resumed with another value.
    #[arg(long, conflicts_with = "help")]
    json: bool,
    /// Print help, or all about one setting: `zonas config --help search.batch`.
    #[arg(short, long, value_name = "KEY", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "whether it is there, and with a key")]
    help: Option<Option<String>>,
}

pub fn run(a: &ConfigArguments) -> eyre::Result<Exit> {
    let config = named(&a.preset)?;
    let mut out = Output::stdout();
    match &a.help {
        None if a.json => out.json(&KEYS.iter().map(|key| told(key, &config)).collect::<Vec<_>>())?,
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

fn told(key: &Key<Config>, config: &Config) -> serde_json::Value {
    let path = key.path();
    serde_json::json!({
        "key": path,
        "value": config.json(&path),
        "meaning": key.meaning,
        "help": key.help,
        "example": key.example,
        "free": key.free,
    })
}

/// All there is to say about a setting.
fn about(path: &str, preset: &str, config: &Config) -> Result<String, Usage> {
    let Some(key) = KEYS.iter().find(|k| k.path() == path) else {
        let shown: String = path.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Usage(format!("there is no setting `{shown}`; {}", key_hint(path))));
    };
    let value = config.value(&key.path()).unwrap_or_default();
    let resuming = text::wrap(&resuming(key), 96);
    let help = text::wrap(key.help, 96);
    Ok(format!(
        "{path} = {value}  # preset {preset}\n\n{}\n\n{}\n\n{}\n\nExample:\n  --set {}\n",
        key.meaning,
        help.join("\n"),
        resuming.join("\n"),
        text::shell_word(&format!("{path}={}", key.example))
    ))
}

/// What becomes of a run that is resumed with another value: what [`Config::differences`] compares.
fn resuming(key: &Key<Config>) -> String {
    let flag = match key.path().as_str() {
        // Only a name for them; the keys are compared.
        "search.method" => {
            let parts = "search.order, search.regularisers, search.alpha_warmup_epochs or search.stop";
            return format!(
                "Results depend on what it stands for: a run is resumed with another {parts} only by --force."
            );
        }
        "data.source" => {
            return "A run may be resumed with another path (in its config.toml), not with other pictures.".into();
        }
        "device.kind" => {
            return "Results depend on it but for rounding only: a run may be resumed with another value (--device)."
                .into();
        }
        "device.threads" => "--threads",
        "device.memory" => "--memory",
        "device.memory_budget" => "--memory-budget",
        _ if key.free => "in its config.toml",
        _ => return "Results depend on it: a run is resumed with another value only by --force.".into(),
    };
    format!("Results do not depend on it: a run may be resumed with another value ({flag}).")
}

/// A preset, or a sentence with the nearest name.
pub fn named(name: &str) -> eyre::Result<Config> {
    crate::run::named_preset(name).map_err(|e| Usage(e).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_survive_a_shell_when_they_are_pasted() {
        for key in KEYS {
            let path = key.path();
            let told = about(&path, "darts", &Config::default()).unwrap();
            let pasted = told.split_once("Example:\n").unwrap().1.trim();
            // In a folder where a pattern would find nothing else; each word on a line.
            let shell =
                std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {pasted}")]).output().unwrap();
            let words = String::from_utf8(shell.stdout).unwrap();
            let words: Vec<&str> = words.lines().collect();
            assert_eq!(words, ["--set", &format!("{path}={}", key.example)], "{pasted}");
            Config::default().set(words[1]).unwrap_or_else(|e| panic!("{path}: {e}"));
        }
    }

    #[test]
    fn what_is_said_of_resuming_is_what_is_compared() {
        let base = Config::default();
        for key in KEYS {
            let path = key.path();
            let told = resuming(key);
            let other = base.set(&format!("{path}={}", key.example)).unwrap();
            let compared = !base.differences(&other).is_empty();
            let may = told.contains("may be resumed with another");
            assert!(other == base || compared != may, "{path}: {told}");
        }
        let told = |path: &str| about(path, "darts", &base).unwrap().replace('\n', " ");
        assert!(
            told("search.method").contains("with another search.order, search.regularisers"),
            "{}",
            told("search.method")
        );
        assert!(!told("run.grace_seconds").contains("rounding"));
    }
}
