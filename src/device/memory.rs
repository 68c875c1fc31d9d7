//! Memory meters. Where the system does not tell, there is no number (`None`), never 0.

/// Memory that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineMemory {
    /// Of the machine, or of the control group that holds this process if that is less.
    pub total_bytes: u64,
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

/// The control group's limit and use, version 2 or 1.
fn control_group() -> Option<(u64, u64)> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let number = |path: String| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let found = if controllers.is_empty() {
            let at = format!("/sys/fs/cgroup{path}");
            number(format!("{at}/memory.max")).zip(number(format!("{at}/memory.current")))
        } else if controllers.split(',').any(|c| c == "memory") {
            let at = format!("/sys/fs/cgroup/memory{path}");
            number(format!("{at}/memory.limit_in_bytes")).zip(number(format!("{at}/memory.usage_in_bytes")))
        } else {
            None
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Memory of the machine as this process sees it.
pub fn machine_memory() -> Option<MachineMemory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let (mut total, mut available) = (field_of(&text, "MemTotal")?, field_of(&text, "MemAvailable")?);
    if let Some((limit, used)) = control_group()
        && limit < total
    {
        total = limit;
        available = available.min(limit.saturating_sub(used));
    }
    Some(MachineMemory { total_bytes: total, available_bytes: available })
}

/// Peak of a stretch of work over what was in use when it began.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    start: Option<u64>,
    /// The system could forget the peak of before.
    fresh: bool,
}

impl Meter {
    pub fn begin() -> Meter {
        // Linux: 5 sets the high-water mark back to the present use.
        let fresh = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Meter { start: used_bytes(), fresh }
    }

    /// `None` where it can't be measured.
    pub fn peak_over_start(&self) -> Option<u64> {
        let (start, peak) = (self.start?, peak_bytes()?);
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
}
