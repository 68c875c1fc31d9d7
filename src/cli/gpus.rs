//! What `zonas doctor` says of GPUs: what was found, or precisely why there is none.

#[cfg(not(feature = "cuda"))]
pub fn told() -> Vec<String> {
    let mut lines = vec![format!("the CPU; no GPU: {}", crate::device::NoGpu::NotBuilt)];
    // Worth a build with CUDA, then.
    if let Ok(text) = std::fs::read_to_string("/proc/driver/nvidia/version") {
        let version: String = text.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(format!("this machine has NVIDIA's driver ({version})"));
    }
    lines
}

#[cfg(feature = "cuda")]
pub fn told() -> Vec<String> {
    use crate::device::cuda;

    let all = match cuda::all() {
        Ok(all) => all,
        Err(e) => return vec![format!("the CPU; no GPU: {e}")],
    };
    // Only taking one shows that it lets itself be taken; it is given back at once.
    let mut lines = vec![match crate::device::Gpu::open(None) {
        Ok(gpu) => format!("{}: the GPU with most free memory; `--device cpu|cuda:N` takes another", gpu.label()),
        Err(e) => format!("the CPU; no GPU: {e}"),
    }];
    for (i, one) in all.iter().enumerate() {
        lines.push(match one {
            Ok(seen) => seen_in_words(i, seen),
            Err(e) => format!("cuda:{i} can't be used: {e}"),
        });
    }
    let driver = cuda::driver_version().map_or_else(|e| e.to_string(), |v| format!("for CUDA {v}"));
    let number = cuda::Nvml::open().and_then(|nvml| nvml.driver());
    lines.push(match number {
        Some(n) => format!("driver {n}, {driver}"),
        None => format!("driver {driver}; NVML can't be opened, so nothing is known of other users, heat and power"),
    });
    lines.push(match cuda::Compiler::get() {
        Ok(compiler) => format!("kernel compiler NVRTC {}, {}", compiler.version(), compiler.path().display()),
        Err(e) => e.to_string(),
    });
    lines
}

/// `cuda:0 NVIDIA A100-SXM4-80GB, compute capability 8.0, 78.1 GiB free of 79.2 GiB, 2 programs on it, 41 °C`.
#[cfg(feature = "cuda")]
fn seen_in_words(ordinal: usize, seen: &crate::device::cuda::Seen) -> String {
    use crate::text;

    let mut parts = vec![format!("cuda:{ordinal} {}, compute capability {}", seen.name, seen.capability)];
    if seen.is_slice() {
        parts.push("a slice of a GPU (MIG)".into());
    }
    let total = text::bytes(seen.total_bytes);
    match &seen.in_use {
        Some(u) => {
            parts.push(format!("{} free of {total}", text::bytes(u.free_bytes)));
            match u.programs {
                Some(0) => parts.push("nobody on it".into()),
                Some(1) => parts.push("1 program on it".into()),
                Some(n) => parts.push(format!("{n} programs on it")),
                None => {}
            }
            parts.extend(u.busy.map(|b| format!("{:.0} % busy", 100.0 * b)));
            parts.extend(u.temperature.map(|t| format!("{t:.0} °C")));
            parts.extend(u.watts.map(|w| format!("{w:.0} W")));
            if u.exclusive {
                parts.push("for one program at a time, or none (compute mode)".into());
            }
        }
        None => parts.push(format!("{total} (what is free is not told)")),
    }
    parts.join(", ")
}
