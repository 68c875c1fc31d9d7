//! Submitting what is still to be done.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::design::{Design, Stage};
use super::super::need::{Asked, Needs};
use super::super::plan::Plan;
use super::super::standing::{Standing, State};
use super::super::{Study, StudyError, io_error};
use super::SLURM;
use super::command::call;
use super::identity::Jobs;
use super::query::{jobs, lost};
use super::script::{Array, Ask, Predicted, script};
use crate::device;
use crate::run::RunFolder;

/// Processors of a run where `limits.threads` says nothing.
const CPUS: usize = 4;
/// Tasks of an array where Slurm does not say how many it may have.
const LARGEST: usize = 1000;

/// An array that Slurm took.
#[derive(Clone, Debug)]
pub struct Submitted {
    pub stage: Stage,
    pub id: String,
    pub runs: usize,
    pub script: std::path::PathBuf,
    /// Ids of the arrays that it waits for.
    pub after: Vec<String>,
    /// What of its needs is not known.
    pub missing: Vec<String>,
}

/// Submits the runs that are not done, not at work, and not with Slurm already, stage by stage.
///
/// # Errors
/// Another that runs the study, Slurm's commands missing or failing, a folder that can't be written. What was submitted
/// before stays so.
pub fn submit(study: &Study, ask: &Ask, told: &mut dyn FnMut(&Submitted)) -> Result<usize, StudyError> {
    let new = Jobs::of(study)? == Jobs::None;
    let mut count = 0;
    let ended = submit_all(study, ask, &mut |submitted| {
        count += submitted.runs;
        told(submitted);
    });
    if ended.is_err() && new && count == 0 {
        // Slurm has nothing of it, so nobody has to ask.
        Jobs::forget(study);
    }
    ended.map(|()| count)
}

fn submit_all(study: &Study, ask: &Ask, told: &mut dyn FnMut(&Submitted)) -> Result<(), StudyError> {
    let _lock = study.take()?;
    let design = study.design()?;
    let mut needs = Needs::default();
    needs.check(&design, false)?;
    let plan = Plan::of(&design);
    let slurm = study.path().join(SLURM);
    std::fs::create_dir_all(&slurm).map_err(io_error("make", &slurm))?;
    let folder = RunFolder::plain(&slurm);
    let prefix = Jobs::own(study)?;
    let live = jobs(study)?;
    let here: HashSet<&str> = live.iter().map(|j| j.run.as_str()).collect();
    let standing = Standing::of(study, &design, &plan)?;
    let open = |i: &usize| {
        let known = &standing.tasks[*i];
        let busy = match known.state {
            State::Done => true,
            State::Running(_) => known.folder.as_ref().is_none_or(|f| lost(f, &live).is_none()),
            _ => false,
        };
        !busy && !here.contains(plan.tasks[*i].name.as_str())
    };
    let program = std::env::current_exe().map_err(io_error("find", study.path()))?;
    let (largest, longest) = (largest_array(), longest_time(ask));
    let mut ids: HashMap<Stage, Vec<String>> = HashMap::new();
    for job in &live {
        let stage = Stage::ALL.into_iter().find(|s| job.list.starts_with(s.name()));
        if let Some(ids) = stage.map(|s| ids.entry(s).or_default())
            && !ids.contains(&job.array)
        {
            ids.push(job.array.clone());
        }
    }
    for stage in Stage::ALL {
        let tasks: Vec<usize> = (0..plan.tasks.len()).filter(|i| plan.tasks[*i].stage == stage).filter(open).collect();
        let before: Vec<String> = match stage {
            Stage::Score => Vec::new(),
            Stage::Search => ids.get(&Stage::Score).cloned().unwrap_or_default(),
            Stage::Train => ids.get(&Stage::Search).cloned().unwrap_or_default(),
        };
        for group in alike(&design, &plan, &standing, &mut needs, &tasks, ask) {
            for part in group.tasks.chunks(largest) {
                let list = fresh(&slurm, stage);
                let array = Array {
                    list: &list,
                    job: format!("{prefix}{list}"),
                    stage,
                    runs: part.len(),
                    at_once: design.limits.at_once,
                    cpus: cpus(&design),
                    predicted: Predicted { longest, ..group.predicted.clone() },
                };
                let names: String = part.iter().map(|i| format!("{}\n", plan.tasks[*i].name)).collect();
                folder.write_atomic(&format!("{list}.txt"), names.as_bytes())?;
                let text = script(study.path(), &slurm, &program, ask, &array);
                let file = format!("{list}.sbatch");
                folder.write_atomic(&file, text.as_bytes())?;
                let path = slurm.join(&file);
                let mut arguments = vec!["--parsable".to_string()];
                if !before.is_empty() {
                    arguments.push(format!("--dependency=afterany:{}", before.join(":")));
                }
                arguments.push(path.display().to_string());
                let id: String = match call("sbatch", &arguments) {
                    Ok(said) if said.trim().starts_with(|c: char| c.is_ascii_digit()) => {
                        said.trim().chars().take_while(char::is_ascii_digit).collect()
                    }
                    Ok(said) => {
                        let said: String = said.chars().filter(|c| !c.is_control()).take(80).collect();
                        return Err(StudyError::Refused(format!("`sbatch` gave no number of a job, but `{said}`")));
                    }
                    // One that was not answered in time may have been taken.
                    Err(e) => match jobs(study)?.into_iter().find(|j| j.list == list) {
                        Some(job) => job.array,
                        None => {
                            for left in [format!("{list}.txt"), file] {
                                let _ = std::fs::remove_file(slurm.join(left));
                            }
                            return Err(e);
                        }
                    },
                };
                ids.entry(stage).or_default().push(id.clone());
                let missing = group.predicted.missing(ask.has_time());
                told(&Submitted { stage, id, runs: part.len(), script: path, after: before.clone(), missing });
            }
        }
    }
    Ok(())
}

fn cpus(design: &Design) -> usize {
    if design.limits.threads > 0 { design.limits.threads } else { CPUS }
}

/// Tasks that ask for like memory.
#[derive(Default)]
struct Alike {
    predicted: Predicted,
    tasks: Vec<usize>,
}

/// Tasks in groups that ask for like memory: within a factor of two, so that a small cut is not given the room of the whole
/// space.
fn alike(
    design: &Design,
    plan: &Plan,
    standing: &Standing,
    needs: &mut Needs,
    tasks: &[usize],
    ask: &Ask,
) -> Vec<Alike> {
    let mut groups: BTreeMap<u32, Alike> = BTreeMap::new();
    for i in tasks {
        let task = &plan.tasks[*i];
        let genotype = standing.genotype(plan, *i);
        let before = task.needs.map(|n| &standing.tasks[n]);
        let gpu = ask.has_gpu(&task.config);
        let predicted = match gpu {
            true => Predicted { gpu, ..Predicted::default() },
            false => {
                predicted(needs, Asked { task, before, found: genotype.as_ref(), gpu, threads: cpus(design) }, ask)
            }
        };
        let class = predicted.bytes.map_or(0, |b| 64 - b.leading_zeros());
        let group = groups.entry(class).or_default();
        group.predicted = std::mem::take(&mut group.predicted).and(predicted);
        group.tasks.push(*i);
    }
    groups.into_values().collect()
}

/// What one run needs on CPUs.
fn predicted(needs: &mut Needs, asked: Asked, ask: &Ask) -> Predicted {
    let bytes =
        match needs.bytes(asked, false).and_then(|bytes| Ok(bytes.unwrap_or(0) + needs.picture_bytes(asked.task)?)) {
            Ok(bytes) => bytes,
            Err(why) => return Predicted { unknown: Some(why), ..Predicted::default() },
        };
    let seconds = if ask.has_time() { None } else { needs.seconds(asked) };
    Predicted { bytes: Some(bytes), seconds, estimate: asked.estimate(), ..Predicted::default() }
}

/// A name that no script has: `search-1`, `search-2`, …
fn fresh(slurm: &std::path::Path, stage: Stage) -> String {
    let names = (1..).map(|n| format!("{}-{n}", stage.name()));
    let free =
        |name: &String| !slurm.join(format!("{name}.txt")).exists() && !slurm.join(format!("{name}.sbatch")).exists();
    names.into_iter().find(free).unwrap_or_else(|| stage.name().into())
}

/// Seconds that a task may take in the partition that is asked for, or in the one of those who ask for none; `None` where that is
/// without end, or not told.
fn longest_time(ask: &Ask) -> Option<f64> {
    let mut arguments = vec!["--noheader".to_string(), "--format=%P %l".to_string()];
    arguments.extend(ask.partition.iter().map(|p| format!("--partition={p}")));
    longest_of(&call("sinfo", &arguments).ok()?, ask.partition.is_some())
}

/// Of the lines of `sinfo`: a partition, which has a star if it is the default, and its limit. Of several the longest.
fn longest_of(said: &str, named: bool) -> Option<f64> {
    let lines = said.lines().filter_map(|l| l.trim().split_once(' '));
    let limits = lines.filter(|(partition, _)| named || partition.ends_with('*')).map(|(_, limit)| seconds_of(limit));
    limits.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
}

/// `1-12:00:00`, `4:00:00`, `30:00`; `None` of `infinite` and of all else.
fn seconds_of(limit: &str) -> Option<f64> {
    let (days, clock) = limit.trim().split_once('-').unwrap_or(("0", limit.trim()));
    let parts: Vec<f64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [hours, minutes, seconds] => 3600.0 * hours + 60.0 * minutes + seconds,
        [minutes, seconds] => 60.0 * minutes + seconds,
        _ => return None,
    };
    Some(86_400.0 * days.parse::<f64>().ok()? + seconds).filter(|s| *s > 0.0)
}

/// Tasks that an array may have here.
fn largest_array() -> usize {
    let config = call("scontrol", &["show", "config"]).unwrap_or_default();
    let line = config.lines().find_map(|l| l.trim().strip_prefix("MaxArraySize"));
    let number = line.and_then(|l| l.trim_start_matches([' ', '=']).trim().parse::<usize>().ok());
    // Numbers of tasks lie below it.
    number.filter(|n| *n > 1).map_or(LARGEST, |n| n - 1)
}

/// What a task of a job may take of the machine: what Slurm says it has.
pub fn share() -> super::super::begin::Share {
    let number = |name: &str| std::env::var(name).ok()?.trim().parse::<u64>().ok();
    let threads = number("SLURM_CPUS_PER_TASK").map_or(0, |n| n as usize).min(device::threads(0));
    // What a control group enforces is seen anyway; without one, what was asked for is what may be taken.
    let each = || Some(number("SLURM_MEM_PER_CPU")? * number("SLURM_CPUS_PER_TASK").unwrap_or(1));
    let memory_bytes = number("SLURM_MEM_PER_NODE")
        .or_else(each)
        .filter(|mib| *mib > 0)
        .map(|mib| (mib << 20).saturating_sub(160 << 20).max(1));
    super::super::begin::Share { threads, memory_bytes, tight: true, files: false, gpu: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_partitions_are_read() {
        for (text, seconds) in [
            ("infinite", None),
            ("n/a", None),
            ("1-12:00:00", Some(129_600.0)),
            ("4:00:00", Some(14_400.0)),
            ("30:00", Some(1800.0)),
            ("", None),
        ] {
            assert_eq!(seconds_of(text), seconds, "{text}");
        }
        let all = "cpu* 30:00\ngpu 1-00:00:00\n";
        assert_eq!((longest_of(all, false), longest_of(all, true)), (Some(1800.0), Some(86_400.0)));
        assert_eq!(
            (longest_of("cpu infinite", true), longest_of("cpu 30:00", false), longest_of("", true)),
            (None, None, None)
        );
    }
}
