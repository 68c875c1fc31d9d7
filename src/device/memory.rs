//! Memory meters. Where the system does not tell, there is no number (`None`), never 0.

use std::path::Path;

use super::Device;

/// Memory that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineMemory {
    /// Of the machine, or of the tightest control group that holds this process (a job's, a container's) if that is less.
    pub total_bytes: u64,
    /// What could still be taken, there and everywhere above.
    pub available_bytes: u64,
}

/// A field of `/proc/self/status` in bytes.
fn status(field: &str) -> Option<u64> {
    field_of(&std::fs::read_to_string("/proc/self/status").ok()?, field)
}

fn field_of(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find(|l| l.strip_prefix(field).is_some_and(|r| r.starts_with(':')))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Resident bytes of this process.
pub fn used_bytes() -> Option<u64> {
    status("VmRSS")
}

/// Most resident bytes of this process since it started, or since a [`Meter`] began.
pub fn peak_bytes() -> Option<u64> {
    status("VmHWM")
}

/// The tightest limit of the control groups, version 2 or 1, that hold this process, and what is left under it and all
/// others. A limit counts for everything below it: a batch system sets it on the job, some folders above the process.
/// `groups` is what `/proc/self/cgroup` says, `root` where the groups are mounted.
fn control_groups(groups: &str, root: &Path) -> Option<(u64, u64)> {
    let mut tightest: Option<(u64, u64)> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mounts, limit, used, idle): (&[&str], _, _, _) = if controllers.is_empty() {
            (&["", "unified"], "memory.max", "memory.current", "inactive_file")
        } else if controllers.split(',').any(|c| c == "memory") {
            (&["memory"], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        } else {
            continue;
        };
        for mount in mounts {
            // In a container the path may be the host's, of which only the top is to be seen here.
            for group in Path::new(path.trim_start_matches('/')).ancestors() {
                let at = root.join(mount).join(group);
                let read = |name: &str| std::fs::read_to_string(at.join(name)).ok();
                let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
                let Some((limit, used)) = number(limit).zip(number(used)) else { continue };
                // Pages of files that nobody has used for long are given back when memory is asked for.
                let idle = read("memory.stat")
                    .and_then(|s| s.lines().find_map(|l| l.strip_prefix(idle)?.trim().parse().ok()))
                    .unwrap_or(0);
                let left = limit.saturating_sub(used.saturating_sub(idle));
                tightest = Some(tightest.map_or((limit, left), |(l, f)| (l.min(limit), f.min(left))));
            }
        }
    }
    tightest
}

/// Memory of the machine as this process sees it.
pub fn machine_memory() -> Option<MachineMemory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let (mut total, mut available) = (field_of(&text, "MemTotal")?, field_of(&text, "MemAvailable")?);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if let Some((limit, left)) = control_groups(&groups, Path::new("/sys/fs/cgroup")) {
        total = total.min(limit);
        available = available.min(left);
    }
    Some(MachineMemory { total_bytes: total, available_bytes: available })
}

/// Peak of a stretch of work over what was in use when it began: of this process, or of its part of a GPU's memory.
#[derive(Clone, Debug)]
pub struct Meter {
    device: Device,
    start: Option<u64>,
    /// The system could forget the peak of before.
    fresh: bool,
}

impl Meter {
    /// Of this process.
    pub fn begin() -> Meter {
        Meter::on(&Device::Cpu)
    }

    /// Of the memory that work on this device takes.
    pub fn on(device: &Device) -> Meter {
        match device {
            Device::Cpu => {
                // What the allocator keeps for the next map is no use at the start.
                super::reset_peak();
                // Linux: 5 sets the high-water mark back to the present use.
                let fresh = std::fs::write("/proc/self/clear_refs", "5").is_ok();
                Meter { device: Device::Cpu, start: used_bytes(), fresh }
            }
            Device::Cuda(gpu) => {
                gpu.restart_peak();
                Meter { device: device.clone(), start: gpu.meters().map(|m| m.used_bytes), fresh: true }
            }
        }
    }

    /// `None` where it can't be measured.
    pub fn peak_over_start(&self) -> Option<u64> {
        let peak = match &self.device {
            Device::Cpu => peak_bytes()?,
            Device::Cuda(gpu) => gpu.meters()?.peak_bytes,
        };
        let start = self.start?;
        self.fresh.then(|| peak.saturating_sub(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "MemTotalX:  1 kB\nMemTotal:       24592144 kB\nMemAvailable:   23941212 kB\n";
        assert_eq!(field_of(text, "MemTotal"), Some(24592144 * 1024));
        assert_eq!(field_of(text, "MemFree"), None);
    }

    #[test]
    fn the_tightest_group_above_this_process_counts() {
        let dir = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[(&str, &str)]| {
            let at = dir.path().join(path);
            std::fs::create_dir_all(&at).unwrap();
            files.iter().for_each(|(name, text)| std::fs::write(at.join(name), text).unwrap());
        };
        assert_eq!(control_groups("0::/job/step\n", dir.path()), None);
        group("job/step", &[("memory.max", "max\n"), ("memory.current", "500\n")]);
        assert_eq!(control_groups("0::/job/step\n", dir.path()), None);
        group("job", &[("memory.max", "1000\n"), ("memory.current", "900\n")]);
        group("job", &[("memory.stat", "inactive_file_x 7\nanon 1\ninactive_file 300\n")]);
        assert_eq!(control_groups("0::/job/step\n", dir.path()), Some((1000, 400)));
        // Another limit further up, with less left.
        group("", &[("memory.max", "5000\n"), ("memory.current", "4900\n")]);
        assert_eq!(control_groups("0::/job/step\n", dir.path()), Some((1000, 100)));
        // Version 1, with the path of a host that is not to be seen from a container.
        group("memory", &[("memory.limit_in_bytes", "800\n"), ("memory.usage_in_bytes", "100\n")]);
        group("memory", &[("memory.stat", "inactive_file 1\ntotal_inactive_file 50\n")]);
        assert_eq!(control_groups("3:cpuset:/\n4:memory:/docker/abc\n", dir.path()), Some((800, 750)));
        assert_eq!(control_groups("nonsense\n::\n", Path::new("/no/such/folder")), None);
    }
}
