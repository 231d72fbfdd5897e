//! What machine the figures are of, and how quiet it is. Figures of different machines are not to be
//! compared; those of a noisy one only within a run.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::BenchError;
use crate::agent::pin;

/// The machine and the program.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Host {
    cpu: String,
    cores: usize,
    /// Whether it is a virtual machine, where no figure is what it seems.
    hypervisor: bool,
    memory_mib: u64,
    kernel: String,
    dpdk: Option<String>,
    rialto: &'static str,
    /// Processes that wanted a core in the last minute.
    load: String,
    /// What stamps the times: the clock of the program that measures, since no device here does.
    stamps: &'static str,
    pub(super) jitter: Vec<Jitter>,
}

/// What a core lost to others while a thread did nothing but look at the clock.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Jitter {
    core: usize,
    window_ms: u64,
    /// The longest time between two looks.
    longest_us: u64,
    /// Times of more than [`GAP_MIN`] between two looks.
    gaps: u64,
    /// Their share of the window, in millionths.
    lost_ppm: u64,
}

const WINDOW: Duration = Duration::from_millis(500);
/// An undisturbed look takes some 30 ns; an interrupt takes a microsecond or more.
const GAP_MIN: Duration = Duration::from_micros(1);

impl Host {
    /// Asks the machine, and watches `cores` for a while.
    pub(super) fn look(cores: &[usize]) -> Result<Self, BenchError> {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let cpus = text("/proc/cpuinfo");
        let memory = field(&text("/proc/meminfo"), "MemTotal");
        let memory_kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
        Ok(Self {
            cpu: field(&cpus, "model name"),
            cores: thread::available_parallelism().map_or(1, usize::from),
            hypervisor: field(&cpus, "flags").split(' ').any(|flag| flag == "hypervisor"),
            memory_mib: memory_kib.unwrap_or(0) >> 10,
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            dpdk: dpdk_version(),
            rialto: env!("RIALTO_BUILD"),
            load: text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            stamps: "software",
            jitter: cores.iter().map(|&core| jitter(core)).collect::<Result<_, _>>()?,
        })
    }

    /// In a line for people.
    pub(super) fn line(&self) -> String {
        let Self { cpu, cores, kernel, load, stamps, .. } = self;
        let virtual_machine = if self.hypervisor { ", virtual" } else { "" };
        format!(
            "{cpu}, {cores} cores{virtual_machine}, Linux {kernel}, load {load}; {stamps} stamps"
        )
    }
}

impl Jitter {
    /// In a line for people.
    pub(super) fn line(&self) -> String {
        let Self { core, window_ms, longest_us, gaps, lost_ppm } = self;
        format!(
            "core {core}: in {window_ms} ms {gaps} gaps over 1 us, the longest {longest_us} us, \
             {lost_ppm} ppm lost"
        )
    }
}

#[cfg(feature = "dpdk")]
#[expect(clippy::unnecessary_wraps, reason = "there is none in a build without DPDK")]
fn dpdk_version() -> Option<String> {
    Some(crate::sys::dpdk::version())
}

#[cfg(not(feature = "dpdk"))]
fn dpdk_version() -> Option<String> {
    None
}

/// The first value of `name` in a file of `name : value` lines.
fn field(text: &str, name: &str) -> String {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(key, _)| key.trim() == name);
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Watches the clock from `core`.
fn jitter(core: usize) -> Result<Jitter, BenchError> {
    let watch = thread::spawn(move || {
        if !pin(core) {
            return Err(BenchError::Core { core });
        }
        let (mut longest, mut lost, mut gaps) = (Duration::ZERO, Duration::ZERO, 0);
        let start = Instant::now();
        let mut seen = start;
        while seen - start < WINDOW {
            let now = Instant::now();
            let gap = now - seen;
            if gap > GAP_MIN {
                (gaps, lost) = (gaps + 1, lost + gap);
                longest = longest.max(gap);
            }
            seen = now;
        }
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Ok(Jitter {
            core,
            window_ms: micros(WINDOW) / 1_000,
            longest_us: micros(longest),
            gaps,
            lost_ppm: micros(lost) * 1_000_000 / micros(WINDOW),
        })
    });
    watch.join().expect("looking at the clock does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "processor\t: 0\nmodel name\t: Fast: very\nmodel\t\t: 17\n";
        assert_eq!(field(text, "model name"), "Fast: very");
        assert_eq!(field(text, "model"), "17");
        assert_eq!(field(text, "cache"), "");
    }

    #[test]
    fn a_core_that_is_not_there_is_named() {
        let error = jitter(100_000).unwrap_err();
        assert!(error.to_string().contains("no core 100000"), "{error}");
        let here = core_affinity::get_core_ids().unwrap()[0].id;
        assert_eq!(jitter(here).unwrap().window_ms, 500);
    }
}
