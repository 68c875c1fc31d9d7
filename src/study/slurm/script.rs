//! The batch script of an array: plain text, to be read and edited.

use std::path::Path;

use super::super::design::Stage;
use super::super::need::Estimate;
use crate::device::Choice;
use crate::run::config::Config;
use crate::text;

/// What is asked of Slurm.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub partition: Option<String>,
    /// GPUs of each run; 0: none.
    pub gpus: usize,
    /// As Slurm has it: `8:00:00`.
    pub time: Option<String>,
    /// Options of `sbatch`, as they are, each a line.
    pub options: Vec<String>,
}

impl Ask {
    /// Whether a run of these settings will compute on a GPU, as far as what is asked for tells.
    pub fn has_gpu(&self, config: &Config) -> bool {
        match config.device.kind {
            Choice::Cpu => false,
            Choice::Cuda { .. } => true,
            Choice::Auto => {
                let words = ["--gpus", "--gres=gpu", "--gres gpu", "-G"];
                self.gpus > 0 || words.iter().any(|word| self.names(word))
            }
        }
    }

    /// Whether the time is asked for by hand.
    pub fn has_time(&self) -> bool {
        self.time.is_some() || self.names("--time") || self.names("-t")
    }

    /// Whether one of the options begins so.
    fn names(&self, option: &str) -> bool {
        self.options.iter().any(|o| o.starts_with(option) || o.contains(&format!(" {option}")))
    }
}

/// One array.
pub struct Array<'a> {
    /// `search-1`: of its script, its list and its output.
    pub list: &'a str,
    pub job: String,
    pub stage: Stage,
    pub runs: usize,
    /// Tasks at once; 0: as many as Slurm starts.
    pub at_once: usize,
    pub cpus: usize,
    pub predicted: Predicted,
}

/// What the runs of an array need, as far as it can be known before they run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predicted {
    /// Peak of the largest, with its pictures; `None`: the partition's default.
    pub bytes: Option<u64>,
    /// Of the longest; `None`: not known.
    pub seconds: Option<f64>,
    /// Seconds that the partition allows at most, where that is known.
    pub longest: Option<f64>,
    /// What stands in for what is not known yet.
    pub estimate: Option<Estimate>,
    /// They compute on GPUs.
    pub gpu: bool,
    /// Why nothing can be known here.
    pub unknown: Option<String>,
}

impl Predicted {
    /// What the larger and longer of both needs.
    pub fn and(self, other: Predicted) -> Predicted {
        Predicted {
            bytes: self.bytes.max(other.bytes),
            // One that is not known could be the longest.
            seconds: match (&self.bytes, &other.bytes) {
                (Some(_), Some(_)) => self.seconds.zip(other.seconds).map(|(a, b)| a.max(b)),
                (Some(_), None) => self.seconds,
                (None, _) => other.seconds,
            },
            longest: self.longest.or(other.longest),
            estimate: self.estimate.max(other.estimate),
            gpu: self.gpu || other.gpu,
            unknown: self.unknown.or(other.unknown),
        }
    }

    /// What a person has to know who gave this `--time`, or none: nothing is predicted here, and what is asked for then.
    pub fn missing(&self, has_time: bool) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(why) = &self.unknown {
            all.push(format!("memory and time can't be predicted here: {why}; those of the partition hold"));
        } else if self.gpu {
            all.push(
                "the memory of the node that a run on a GPU takes is not predicted: that of the partition holds".into(),
            );
            if !has_time {
                all.push(
                    "no time is predicted of a run on a GPU: that of the partition holds, unless --time is given"
                        .into(),
                );
            }
        } else if self.bytes.is_some() && self.seconds.is_none() && !has_time {
            all.push(
                "the time of these runs can't be predicted: that of the partition holds, unless --time is given".into(),
            );
        }
        all
    }

    /// Minutes to ask for, and whether the longest run is predicted to need more than the partition allows.
    fn minutes(&self) -> Option<(u64, bool)> {
        let wanted = minutes(self.seconds?);
        let most = self.longest.map_or(u64::MAX, |seconds| (seconds / 60.0) as u64).max(1);
        Some((wanted.min(most), wanted > most))
    }

    /// All of it, for the script.
    fn words(&self, has_time: bool) -> Vec<String> {
        let mut all = Vec::new();
        if self.bytes.is_some() {
            all.push(
                "Memory is what is predicted for the largest of these runs, a fifth and 512 MiB more.".to_string(),
            );
        }
        if self.minutes().is_some_and(|(_, more)| more) && !has_time {
            all.push(
                "The longest is predicted to need more time than the partition allows: all of that is asked for, and runs go on in \
                 further tasks."
                    .into(),
            );
        } else if self.seconds.is_some() && !has_time {
            all.push(
                "Time is predicted for the longest from work of its kind, timed where this was submitted; half as much again and \
                 ten minutes more."
                    .into(),
            );
        }
        if let (Some(estimate), true) = (self.estimate, self.bytes.is_some()) {
            all.push(
                match estimate {
                    Estimate::HeaviestCell => {
                        "The cells that these runs train are not found yet: what is asked for is what the heaviest cell needs that \
                         their cuts, or the space, allow, an estimate from above."
                    }
                    Estimate::WholeSpace => {
                        "What these runs cut is not known before the space is scored: what is asked for is what the whole space \
                         needs, an estimate from above."
                    }
                }
                .into(),
            );
        }
        let capital = |s: String| s[..1].to_uppercase() + &s[1..] + ".";
        all.extend(self.missing(has_time).into_iter().map(capital));
        all
    }
}

/// Bytes asked for beyond what is predicted: the program itself, its data, and a fifth.
fn with_room(bytes: u64) -> u64 {
    bytes + bytes / 5 + (512 << 20)
}

/// Seconds asked for: half as much again, ten minutes more, in whole ten minutes.
fn minutes(seconds: f64) -> u64 {
    let ten = ((seconds * 1.5 / 60.0 + 10.0) / 10.0).ceil();
    10 * (ten.clamp(1.0, 1e6) as u64)
}

/// Where a task prints to, as `#SBATCH` has it: quoted, and `%` doubled where it means nothing.
fn output(slurm: &Path, list: &str) -> String {
    let path = format!("{}/{list}-", slurm.display()).replace('%', "%%");
    if path.contains(|c: char| c.is_whitespace() || "'#\\".contains(c)) {
        format!("\"{path}%a.log\"")
    } else {
        format!("{path}%a.log")
    }
}

/// The script; `slurm` is the folder where it is, `program` is this program.
pub fn script(study: &Path, slurm: &Path, program: &Path, ask: &Ask, array: &Array) -> String {
    let word = |path: &Path| text::shell_word(&path.display().to_string());
    let last = array.runs.saturating_sub(1);
    let limit = if array.at_once > 0 { format!("%{}", array.at_once) } else { String::new() };
    let mut options = vec![
        format!("--job-name={}", array.job),
        format!("--array=0-{last}{limit}"),
        // To the script itself, which is the program by then: without `B:` only steps of srun would get it.
        "--signal=B:USR1@90".into(),
        "--requeue".into(),
        "--open-mode=append".into(),
        format!("--output={}", output(slurm, array.list)),
        "--ntasks=1".into(),
        format!("--cpus-per-task={}", array.cpus),
    ];
    // Slurm refuses two ways of asking for memory.
    let bytes = array.predicted.bytes.filter(|_| !ask.names("--mem"));
    options.extend(bytes.map(|b| format!("--mem={}M", with_room(b).div_ceil(1 << 20))));
    match (&ask.time, array.predicted.minutes()) {
        (Some(time), _) => options.push(format!("--time={time}")),
        (None, Some((minutes, _))) if !ask.has_time() => options.push(format!("--time={minutes}")),
        (None, _) => {}
    }
    options.extend(ask.partition.iter().map(|p| format!("--partition={p}")));
    options.extend((ask.gpus > 0).then(|| format!("--gpus={}", ask.gpus)));
    options.extend(ask.options.iter().cloned());
    let header: String = options.iter().map(|o| format!("#SBATCH {o}\n")).collect();
    let what = match array.stage {
        Stage::Score => "scores the space",
        Stage::Search => "searches what a cut leaves",
        Stage::Train => "trains a cell that was found",
    };
    let about = format!(
        "Each task of this array {what}: the run in its line of the list. The script may be edited and submitted again; a run \
         that is done is not run twice. Before its time is over the program gets USR1: it saves a checkpoint, has Slurm queue \
         the task again, and goes on there."
    );
    let about = [vec![about], array.predicted.words(ask.has_time())].concat().join(" ");
    let about: String = text::wrap(&text::sanitize(&about), 120).iter().map(|line| format!("# {line}\n")).collect();
    format!(
        "#!/bin/bash\n\
         {header}\n\
         {about}\
         study={study}\n\
         list={list}\n\
         run=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" \"$list\")\n\
         exec {program} study task \"$study\" \"$run\"\n",
        study = word(study),
        list = word(&slurm.join(format!("{}.txt", array.list))),
        program = word(program),
    )
}
