//! Help: the commands in groups, and examples of each.

use clap::Command;

/// Commands by what they are for, in the order of help.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Begin", &["run", "score", "train", "study"]),
    (
        "Watch and steer",
        &["open", "attach", "replay", "tail", "pause", "resume", "checkpoint", "stop", "abort", "cut", "confirm"],
    ),
    ("Look and take home", &["runs", "show", "export"]),
    ("Judge and predict", &["mask", "audit", "predict", "count"]),
    ("This program", &["bench", "doctor", "config", "spaces", "completions", "man"]),
];

/// Examples of each command: what is typed, and what for.
const EXAMPLES: [(&str, &[(&str, &str)]); 28] = [
    (
        "run",
        &[
            ("zonas run --preset demo --yes", "the demo, without asking"),
            ("zonas run --data cifar/ --xi 0.625 --detach --wait --name mine", "in the background, up to its cut"),
            ("zonas run --resume mine --yes", "go on where it stopped"),
        ],
    ),
    ("score", &[("zonas score --set score.functions=naswot,synflow --name two", "scores by two functions, and a cut")]),
    (
        "train",
        &[
            ("zonas train mine --detach", "what the run `mine` found, from scratch"),
            ("zonas train DARTS_V2 --preset demo", "a published cell, in minutes"),
        ],
    ),
    (
        "study",
        &[
            ("zonas study new ablation", "a folder with a study.toml to edit"),
            ("zonas study run ablation", "run what is still to be done"),
        ],
    ),
    (
        "open",
        &[
            ("zonas open mine", "in the explorer"),
            ("zonas open mine --svg cut.svg --screen cut --size 120x40", "a picture of a screen"),
        ],
    ),
    ("attach", &[("zonas attach mine", "come back to a run")]),
    ("replay", &[("zonas replay mine --speed 20", "twenty times as fast as it was")]),
    ("tail", &[("zonas tail mine --output json", "events as lines of JSON")]),
    ("pause", &[("zonas pause mine", "stop after this step, and keep the memory")]),
    ("resume", &[("zonas resume mine", "go on after a pause")]),
    ("checkpoint", &[("zonas checkpoint mine", "save now")]),
    ("stop", &[("zonas stop mine", "after this epoch, with a checkpoint")]),
    ("abort", &[("zonas abort mine", "at once")]),
    (
        "cut",
        &[
            ("zonas cut mine --budget 2GiB", "the best that fits"),
            ("zonas cut mine --keep 'normal:0>2:sep_conv_3x3'", "one operation by hand"),
        ],
    ),
    ("confirm", &[("zonas confirm mine", "begin the search")]),
    (
        "runs",
        &[
            ("zonas runs 'xi>0.5' state:done --sort test", "which runs, the best first"),
            ("zonas runs --columns run,seed,cut.xi,supernet --csv", "a table for other programs"),
        ],
    ),
    ("show", &[("zonas show mine --json", "everything that is known of a run")]),
    (
        "export",
        &[
            ("zonas export mine", "the genotype, as published code writes it"),
            ("zonas export mine --as pdf --what search --out losses.pdf", "a figure for a paper"),
        ],
    ),
    ("mask", &[("zonas mask mine --by naswot --xi 0.5 > naswot.json", "a cut by one function")]),
    ("audit", &[("zonas audit mine --table nb201.tsv --column test", "judge a cut by known accuracies")]),
    (
        "predict",
        &[
            ("zonas predict --data cifar/", "memory and time at each level, before anything runs"),
            ("zonas predict --run mine --front", "what each budget buys"),
        ],
    ),
    ("count", &[("zonas count DARTS_V2 --channels 48 --cells 14 --classes 1000 --size 224", "another network")]),
    ("bench", &[("zonas bench", "measure this machine")]),
    ("doctor", &[("zonas doctor --data pictures/", "whether these pictures can be used")]),
    ("config", &[("zonas config > my.toml", "all settings, to edit"), ("zonas config --help cut.xi", "all about one")]),
    ("spaces", &[("zonas spaces darts > mine.toml", "a start for a space of your own")]),
    ("completions", &[("source <(zonas completions bash)", "in ~/.bashrc: names of runs and settings too")]),
    ("man", &[("zonas man ~/.local/share/man/man1", "then: man zonas-run")]),
];

/// The command line with its help in groups and with examples.
pub fn with_examples(command: Command) -> Command {
    let overview = overview(&command);
    let command = command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}\nOptions:\n{{options}}{{after-help}}"
    ));
    EXAMPLES.iter().fold(command, |all, (name, lines)| {
        all.mut_subcommand(name, |c| c.after_help(format!("Examples:\n{}", examples(lines))))
    })
}

fn examples(lines: &[(&str, &str)]) -> String {
    let all = lines.iter().map(|(typed, meaning)| format!("  {typed}\n      {meaning}"));
    all.collect::<Vec<_>>().join("\n")
}

/// The commands by group, each with the first sentence of its help.
fn overview(command: &Command) -> String {
    let widest = command.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().len()).max().unwrap_or(0);
    let line = |name: &&str| {
        let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
        format!("  {name:widest$}  {}\n", about.unwrap_or_default())
    };
    let group =
        |(title, names): &(&str, &[&str])| format!("{title}:\n{}\n", names.iter().map(line).collect::<String>());
    let help = "`zonas COMMAND --help` tells more, with examples; `zonas man DIR` writes manual pages.\n";
    GROUPS.iter().map(group).chain([help.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Command {
        let mut all = crate::cli::command();
        all.build();
        all
    }

    fn visible(all: &Command) -> Vec<String> {
        let shown = all.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
        shown.map(|c| c.get_name().to_string()).collect()
    }

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().map(ToString::to_string)).collect();
        let mut shown: Vec<_> = EXAMPLES.iter().map(|(name, _)| (*name).to_string()).collect();
        let mut there = visible(&all());
        [&mut grouped, &mut shown, &mut there].into_iter().for_each(|list| list.sort());
        assert_eq!(grouped, there);
        assert_eq!(shown, there);
    }

    #[test]
    fn a_command_is_told_in_a_line() {
        for command in all().get_subcommands().filter(|c| !c.is_hide_set()) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((1..=85).contains(&about.len()), "{}: {about}", command.get_name());
        }
    }

    #[test]
    fn every_example_is_a_command_that_is_understood() {
        for (name, lines) in EXAMPLES {
            for (typed, _) in lines {
                // What is the shell's is left out.
                let inner = typed.trim_start_matches("source <(").trim_end_matches(')');
                let words = inner.split(" > ").next().unwrap_or(inner).replace('\'', "");
                let words: Vec<&str> = words.split(' ').collect();
                assert_eq!(words[1], name, "{typed}");
                if let Err(e) = all().try_get_matches_from(&words) {
                    assert!(!e.use_stderr(), "{typed}: {e}");
                }
            }
        }
    }
}
