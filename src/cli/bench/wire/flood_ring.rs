//! What a dropped frame costs without a kernel in the way: bursts of a flood through a DPDK ring, each
//! with one frame that is wanted, into the stack.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::flood_frames::{Kind, Target};
use crate::agent::{pin, real_time};
use crate::counters::CounterBlock;
use crate::net::device::RX_BURST_MAX;
use crate::net::ethernet::MacAddress;
use crate::net::{Device, DpdkConfig, DpdkDevice, Stack, StackConfig, Transport as _};

/// Arguments of `rialto bench flood-ring`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct Args {
    /// The core to spin on.
    #[arg(long)]
    core: usize,
    /// Bursts of each kind.
    #[arg(long)]
    bursts: u32,
}

/// What one kind of frame costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    pub(super) kind: String,
    /// Of a frame, in the median burst: received, looked at, dropped and given back.
    pub(super) ns_per_frame: u64,
    pub(super) bursts: u64,
    /// Bursts whose wanted frame was handed over before the next burst.
    pub(super) served: u64,
    /// Frames that were answered, of all.
    pub(super) answered: u64,
}

const EAL: &str = "--no-pci --no-telemetry --no-huge -m 64 --no-shconf --vdev=net_ring0";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PORT: u16 = 9_001;
/// Hosts in whose name the flood is: so many that each is below its rate, or one that is not.
const MANY_HOSTS: u32 = 150;
/// The host whose frames are wanted, and others of its broker, in turns.
const WANTED_HOSTS: u8 = 60;
/// The longest frame.
const FRAME_BYTES: usize = 1_514;
/// Frames of a kind that are made beforehand.
const TEMPLATES: u32 = 1_024;

/// Measures each kind, and prints the costs as a line of JSON.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    if !pin(args.core) {
        return Err(BenchError::Core { core: args.core });
    }
    let arguments = EAL.split(' ').map(str::to_owned).collect();
    let config = DpdkConfig { mbufs: 4_095, ..DpdkConfig::new(arguments) };
    let device = DpdkDevice::open(&config, CounterBlock::none())?;
    let mac = device.mac();
    let settings = StackConfig {
        allow: vec!["10.9.0.0/24".parse().expect("a network")],
        receive_port: Some(PORT),
        ..StackConfig::new(ADDRESS, 24, PORT)
    };
    let flooded = Flooded {
        device,
        bursts: Vec::new(),
        next: 0,
        injecting: Duration::ZERO,
        answer: [0; FRAME_BYTES],
        answers: 0,
    };
    let stack = Stack::new(settings, flooded, CounterBlock::none());
    let mut stack = stack.expect("the settings are sound");
    let mut costs = Vec::new();
    let many = Kind::ALL.map(|kind| (kind, kind.name(), MANY_HOSTS));
    // For the caches and the clock's, and not counted.
    let warm_up = Target { mac, address: ADDRESS, port: PORT, hosts: MANY_HOSTS };
    stack.device_mut().load(mac, &warm_up, Kind::Garbage);
    measure(&mut stack, "warm-up", args.bursts);
    for (kind, name, hosts) in many.into_iter().chain([(Kind::Udp, "one_source_flood", 1)]) {
        let target = Target { mac, address: ADDRESS, port: PORT, hosts };
        stack.device_mut().load(mac, &target, kind);
        costs.push(measure(&mut stack, name, args.bursts));
    }
    let line = serde_json::to_string(&costs).expect("numbers and names are JSON");
    writeln!(io::stdout(), "{line}").map_err(BenchError::file("standard output"))
}

fn measure(stack: &mut Stack<Flooded>, name: &str, bursts: u32) -> Cost {
    let mut times = Vec::with_capacity(bursts as usize);
    let mut served = 0;
    let before = stack.device().answers;
    for _ in 0..bursts {
        let start = Instant::now();
        let now = real_time();
        stack.poll(now);
        stack.flush(now);
        let spent = start.elapsed().saturating_sub(stack.device().injecting);
        times.push(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
        let mut heard = 0;
        while stack.next_datagram().is_some() {
            heard += 1;
        }
        served += u64::from(heard > 0);
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or(0);
    Cost {
        kind: name.to_owned(),
        ns_per_frame: median / RX_BURST_MAX as u64,
        bursts: bursts.into(),
        served,
        answered: stack.device().answers - before,
    }
}

/// A ring whose every burst is one of the flood's, put in just before it is taken.
struct Flooded {
    device: DpdkDevice,
    bursts: Vec<Vec<Vec<u8>>>,
    next: usize,
    /// How long it took to put the last burst in.
    injecting: Duration,
    /// Where answers are written, and how many were. In the ring they would come back as frames.
    answer: [u8; FRAME_BYTES],
    answers: u64,
}

impl Flooded {
    /// Floods with frames of this kind from now on, but for the last of each burst.
    fn load(&mut self, mac: MacAddress, target: &Target, kind: Kind) {
        let flood = u32::try_from(RX_BURST_MAX - 1).expect("a small number");
        let burst = |number: u32| {
            let frames = (0..flood).map(|at| target.frame(kind, number * flood + at));
            let [.., low] = number.to_be_bytes();
            let host = Ipv4Addr::new(10, 9, 0, 2 + low % WANTED_HOSTS);
            let wanted = Target { mac, ..*target }.datagram(host, PORT, b"wanted");
            frames.chain([wanted]).collect()
        };
        self.bursts = (0..TEMPLATES / flood).map(burst).collect();
        self.next = 0;
    }
}

impl Device for Flooded {
    type Burst = <DpdkDevice as Device>::Burst;

    fn receive(&mut self) -> Option<Self::Burst> {
        let start = Instant::now();
        if let Some(burst) = self.bursts.get(self.next) {
            for frame in burst {
                self.device.transmit(frame.len(), |sent| sent.copy_from_slice(frame));
            }
            self.device.flush();
            self.next = (self.next + 1) % self.bursts.len();
        }
        self.injecting = start.elapsed();
        self.device.receive()
    }

    fn room(&mut self) -> usize {
        RX_BURST_MAX
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.answers += 1;
        self.answer.get_mut(..length).map(write)
    }

    fn flush(&mut self) -> usize {
        0
    }

    fn mac(&self) -> MacAddress {
        self.device.mac()
    }

    fn mtu(&self) -> usize {
        self.device.mtu()
    }
}
