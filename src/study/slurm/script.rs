//! The batch script of an array: plain text, to be read and edited.

use std::path::Path;

use super::super::design::Stage;
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
    /// Predicted peak of the largest of its runs, with what the program itself takes; `None`: the partition's default.
    pub memory_bytes: Option<u64>,
    /// Predicted seconds of the longest; `None`: not known.
    pub seconds: Option<f64>,
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
    options.extend(array.memory_bytes.map(|b| format!("--mem={}M", with_room(b).div_ceil(1 << 20))));
    match (&ask.time, array.seconds) {
        (Some(time), _) => options.push(format!("--time={time}")),
        (None, Some(seconds)) => options.push(format!("--time={}", minutes(seconds))),
        (None, None) => {}
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
    format!(
        "#!/bin/bash\n\
         {header}\n\
         # Each task of this array {what}: the run in its line of the list. The script may be edited and submitted again; a run\n\
         # that is done is not run twice. Before its time is over the program gets USR1: it saves a checkpoint, has Slurm queue\n\
         # the task again, and goes on there. Memory is what is predicted, a fifth and 512 MiB more.\n\
         study={study}\n\
         list={list}\n\
         run=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" \"$list\")\n\
         exec {program} study task \"$study\" \"$run\"\n",
        study = word(study),
        list = word(&slurm.join(format!("{}.txt", array.list))),
        program = word(program),
    )
}
