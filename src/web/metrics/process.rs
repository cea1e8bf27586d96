//! The process, under the names that all exporters have for it. Read from `/proc`, where there is one.

use std::fmt;

use crate::telemetry::{Exposition, MetricKind, SampleValue};

/// Ticks of the kernel's clock in a second, in what it tells users: the same on all of Linux.
const TICKS: f64 = 100.0;

/// Writes what is known; nothing where the system does not tell.
pub(super) fn write(out: &mut Exposition<'_>) -> fmt::Result {
    let Some(process) = Process::read() else {
        return Ok(());
    };
    let families: [(&str, MetricKind, &str, SampleValue); 5] = [
        (
            "process_cpu_seconds_total",
            MetricKind::Counter,
            "Processor time used",
            process.cpu_seconds.into(),
        ),
        (
            "process_resident_memory_bytes",
            MetricKind::Gauge,
            "Memory in use",
            process.resident_bytes.into(),
        ),
        (
            "process_start_time_seconds",
            MetricKind::Gauge,
            "When the process was started",
            process.start_seconds.into(),
        ),
        (
            "process_open_fds",
            MetricKind::Gauge,
            "Open descriptors",
            process.descriptors.into(),
        ),
        (
            "process_max_fds",
            MetricKind::Gauge,
            "Descriptors that may be open",
            process.most_descriptors.into(),
        ),
    ];
    families
        .into_iter()
        .try_for_each(|(name, kind, help, value)| out.single(name, kind, help, value))
}

/// Bytes of memory that the process has; `None` where the system does not tell. Costs the same however many
/// descriptors are open: the charts ask every few seconds.
pub(in crate::web) fn resident_bytes() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// How many descriptors are open; `None` where the system does not tell. Linux tells since 6.2: before, they
/// are counted.
pub(in crate::web) fn descriptors() -> Option<u64> {
    const OPEN: &str = "/proc/self/fd";
    match std::fs::metadata(OPEN).ok()?.len() {
        0 => Some(std::fs::read_dir(OPEN).ok()?.count() as u64),
        told => Some(told),
    }
}

struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    start_seconds: f64,
    descriptors: u64,
    most_descriptors: u64,
}

impl Process {
    #[cfg(target_os = "linux")]
    fn read() -> Option<Self> {
        use std::fs;

        use rustix::process::{Resource, getrlimit};

        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name is in parentheses, and may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
        let boot: f64 = boot.trim().parse().ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / TICKS,
            resident_bytes: resident_bytes()?,
            start_seconds: boot + field(22)? as f64 / TICKS,
            descriptors: descriptors()?,
            most_descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{descriptors, resident_bytes};

    #[test]
    fn memory_that_is_written_is_resident() {
        let written = vec![1_u8; 64 << 20];
        let resident = resident_bytes().unwrap();
        assert!(resident >= 64 << 20, "{resident}");
        drop(written);
    }

    #[test]
    fn files_that_are_opened_are_counted() {
        let opened: Vec<_> = (0..100)
            .map(|_| std::fs::File::open("/proc/self/stat").unwrap())
            .collect();
        let counted = descriptors().unwrap();
        assert!(counted >= 103, "{counted}");
        drop(opened);
    }
}
