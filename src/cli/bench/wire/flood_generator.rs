//! The flood of the flood bench: frames of every kind at a rate, through a DPDK port of its own, until
//! its standard input ends. What comes to the port is dropped.

use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::BenchError;
use super::flood_frames::{Kind, Target};
use crate::agent::pin;
use crate::counters::CounterBlock;
use crate::net::device::RX_BURST_MAX;
use crate::net::ethernet::MacAddress;
use crate::net::{Device, DpdkConfig, DpdkDevice};

/// Arguments of `rialto bench flood-generator`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct Args {
    /// The DPDK device.
    #[arg(long)]
    device: String,
    /// Whose Ethernet address the flood is for.
    #[arg(long)]
    mac: MacAddress,
    #[arg(long)]
    address: Ipv4Addr,
    #[arg(long)]
    port: u16,
    /// Frames a second; with 0 it only drops what comes.
    #[arg(long)]
    rate: u64,
    #[arg(long)]
    core: usize,
}

/// What it says when the flood has begun.
pub(super) const FLOODING: &str = "flooding";
const EAL: &str = "--no-pci --no-telemetry --no-huge -m 64 --no-shconf";
/// Between two looks at what is due: the core is not its own. So short that several of a hundred orders meet
/// what is then sent, and p99 is the time of such; at 500 us it was one, and p99 now with it, now without.
const PAUSE: Duration = Duration::from_micros(100);
/// What is due beyond this was missed.
const DUE_MAX: u64 = 4_096;
const HOSTS: u32 = 64;
/// Frames of each kind that are made beforehand.
const FRAMES_OF_A_KIND: u32 = 1_024;

/// Floods; the last line is how many frames were sent.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    if !pin(args.core) {
        return Err(BenchError::Core { core: args.core });
    }
    let arguments = format!("{EAL} --vdev={}", args.device);
    let arguments = arguments.split(' ').map(str::to_owned).collect();
    let mut device = DpdkDevice::open(&DpdkConfig::new(arguments), CounterBlock::none())?;
    let &Args { mac, address, port, rate, .. } = args;
    let target = Target { mac, address, port, hosts: HOSTS };
    let frames: Vec<_> = (0..FRAMES_OF_A_KIND)
        .flat_map(|number| Kind::ALL.map(|kind| target.frame(kind, number)))
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    thread::spawn(move || {
        let _any_end_is_one = io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    let say = |line: &str| writeln!(io::stdout(), "{line}");
    say(FLOODING).map_err(BenchError::file("standard output"))?;
    let (start, mut sent, mut missed, mut next) = (Instant::now(), 0_u64, 0, 0);
    while !over.load(Ordering::Relaxed) {
        let elapsed = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let due = (elapsed * rate / 1_000_000).saturating_sub(sent + missed);
        missed += due.saturating_sub(DUE_MAX);
        for _ in 0..due.min(DUE_MAX) {
            if device.room() < RX_BURST_MAX {
                device.flush();
            }
            let frame: &Vec<u8> = &frames[next];
            next = (next + 1) % frames.len();
            let put = device.transmit(frame.len(), |bytes| bytes.copy_from_slice(frame));
            missed += u64::from(put.is_none());
            sent += u64::from(put.is_some());
        }
        device.flush();
        // What comes the other way is not for us.
        while device.receive().is_some() {}
        thread::sleep(PAUSE);
    }
    say(&sent.to_string()).map_err(BenchError::file("standard output"))
}
