//! Three nodes, each a thread with a socket on loopback, and one alone: how long a batch is under way by the
//! clock, with nothing lost and with one message of a hundred, and how many are committed in a second.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::member::{Member, member, moment};
use super::{Batches, PATIENCE, PaceError, with_logs};
use crate::consensus::Transport;
use crate::consensus::udp::{UdpConfig, UdpTransport};
use crate::types::Line;

/// Who replicates, and what of it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// One node, which is its own majority.
    Alone,
    /// Three.
    Three,
    /// Three, and of a hundred messages that one of them sends one is lost.
    Lossy,
}

/// Under way at a time, where the rate is what is measured.
const WINDOW: u64 = 64;
const PING_BYTES: usize = 64;
const MTU: usize = 9_000;

impl Setting {
    const fn hosts(self) -> u32 {
        match self {
            Self::Alone => 1,
            Self::Three | Self::Lossy => 3,
        }
    }

    const fn lost_permille(self) -> u32 {
        match self {
            Self::Alone | Self::Three => 0,
            Self::Lossy => 10,
        }
    }
}

/// How long each of so many batches, one at a time, took from the proposal to the commit, in nanoseconds.
///
/// # Errors
/// [`PaceError`].
pub fn under_way(
    directory: &Path,
    setting: Setting,
    batches: &Batches,
    count: u32,
) -> Result<Vec<u64>, PaceError> {
    run(directory, setting, |leader| {
        let mut times = Vec::new();
        for payload in batches.cycle(count) {
            let begin = Instant::now();
            let index = leader.propose(batches.commands, payload)?;
            leader.work_until(|node| node.committed() >= index)?;
            times.push(nanos(begin.elapsed()));
        }
        Ok(times)
    })
}

/// Commands committed in a second, of so many batches with many under way.
///
/// # Errors
/// [`PaceError`].
pub fn rate(
    directory: &Path,
    setting: Setting,
    batches: &Batches,
    count: u32,
) -> Result<u64, PaceError> {
    run(directory, setting, |leader| {
        let begin = Instant::now();
        let mut index = 0;
        for payload in batches.cycle(count) {
            index = leader.propose(batches.commands, payload)?;
            leader.work_until(|node| node.committed() + WINDOW > index)?;
        }
        leader.work_until(|node| node.committed() >= index)?;
        let commands = u64::from(count) * u64::from(batches.commands);
        Ok(commands * 1_000_000_000 / nanos(begin.elapsed()).max(1))
    })
}

/// How long each of so many datagrams is under way to another thread and back, in nanoseconds.
///
/// # Errors
/// [`PaceError`].
pub fn round_trips(count: u32) -> Result<Vec<u64>, PaceError> {
    let [ours, theirs] = [socket()?, socket()?];
    let (to, from) = (address(&theirs)?, address(&ours)?);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            let mut bytes = [0; PING_BYTES];
            while !stop.load(Ordering::Relaxed) {
                match theirs.recv(&mut bytes) {
                    // What cannot be sent is waited for in vain, and that is said there.
                    Ok(_) => drop(theirs.send_to(&bytes, from)),
                    Err(_) => thread::yield_now(),
                }
            }
        });
        let mut bytes = [0; PING_BYTES];
        let mut times = Vec::new();
        for _ in 0..count {
            let begin = Instant::now();
            ours.send_to(&bytes, to).map_err(PaceError::Socket)?;
            while ours.recv(&mut bytes).is_err() {
                if begin.elapsed() > PATIENCE {
                    return Err(PaceError::Silence("echo"));
                }
                thread::yield_now();
            }
            times.push(nanos(begin.elapsed()));
        }
        Ok(times)
    })
}

/// Has `work` done by the leader of a cluster, whose followers have threads of their own.
fn run<R>(
    directory: &Path,
    setting: Setting,
    work: impl FnOnce(&mut Running) -> Result<R, PaceError>,
) -> Result<R, PaceError> {
    with_logs(directory.to_owned(), || {
        let mut members = Running::all(directory, setting, Instant::now())?;
        let mut leader = members.remove(0);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let follow = |mut follower: Running| {
                let stop = &stop;
                scope.spawn(move || follower.work_until_stopped(stop))
            };
            let followers: Vec<_> = members.into_iter().map(follow).collect();
            let result = {
                let _stop = Stop(&stop);
                leader.lead().and_then(|()| work(&mut leader))
            };
            for follower in followers {
                follower.join().expect("a follower does not panic")?;
            }
            result
        })
    })
}

/// Stops the other threads when it goes, however that comes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A node and its socket.
struct Running {
    since: Instant,
    node: Member,
    transport: Lossy,
    message: Vec<u8>,
}

impl Running {
    fn all(directory: &Path, setting: Setting, since: Instant) -> Result<Vec<Self>, PaceError> {
        // The sockets are bound once to learn their ports, and again with the peers that they have.
        let free: Vec<_> = (0..setting.hosts()).map(|_| socket()).collect::<Result<_, _>>()?;
        let addresses: Vec<_> = free.iter().map(address).collect::<Result<_, _>>()?;
        drop(free);
        let hosts = || (1..).zip(addresses.iter().copied());
        hosts()
            .map(|(host, bind)| {
                let peers = hosts().filter(|(other, _)| *other != host).collect();
                let config = UdpConfig { host, bind, peers, mtu: MTU };
                Ok(Self {
                    since,
                    node: member(directory, host, setting.hosts(), moment(since))?,
                    transport: Lossy {
                        transport: UdpTransport::new(&config)?,
                        permille: setting.lost_permille(),
                        drawn: host,
                    },
                    message: Vec::new(),
                })
            })
            .collect()
    }

    fn lead(&mut self) -> Result<(), PaceError> {
        self.node.campaign(moment(self.since), &mut self.transport)?.expect("it votes");
        self.work_until(Member::is_serving)
    }

    fn propose(&mut self, commands: u16, payload: &[Line]) -> Result<u64, PaceError> {
        let (now, payload) = (moment(self.since), payload.to_vec());
        let proposed = self.node.propose(now, commands, payload, &mut self.transport)?;
        Ok(proposed?.0)
    }

    /// Takes what came, and does what is due; whether anything came.
    fn work(&mut self) -> Result<bool, PaceError> {
        let mut has_come = false;
        while let Some((_, message)) = self.transport.transport.receive() {
            self.message.clear();
            self.message.extend_from_slice(message);
            self.node.receive(moment(self.since), &self.message, &mut self.transport)?;
            has_come = true;
        }
        self.node.do_work(moment(self.since), &mut self.transport)?;
        Ok(has_come)
    }

    fn work_until(&mut self, is_done: impl Fn(&Member) -> bool) -> Result<(), PaceError> {
        let begin = Instant::now();
        while !is_done(&self.node) {
            if !self.work()? {
                if begin.elapsed() > PATIENCE {
                    return Err(PaceError::Silence("commit"));
                }
                thread::yield_now();
            }
        }
        Ok(())
    }

    fn work_until_stopped(&mut self, stop: &AtomicBool) -> Result<(), PaceError> {
        while !stop.load(Ordering::Relaxed) {
            if !self.work()? {
                thread::yield_now();
            }
        }
        Ok(())
    }
}

/// The transport, which loses some of what it is to send.
struct Lossy {
    transport: UdpTransport,
    permille: u32,
    /// What was drawn last.
    drawn: u32,
}

impl Lossy {
    /// Draws by a linear congruence: the same messages are lost whenever the same are sent.
    fn is_lost(&mut self) -> bool {
        self.drawn = self.drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.drawn >> 16) % 1_000 < self.permille
    }
}

impl Transport for Lossy {
    fn send(&mut self, host: u32, message: &[u8]) {
        if !self.is_lost() {
            self.transport.send(host, message);
        }
    }

    /// To all or to none, as where the sender's own port loses it.
    fn publish(&mut self, message: &[u8]) {
        if !self.is_lost() {
            self.transport.publish(message);
        }
    }
}

fn socket() -> Result<UdpSocket, PaceError> {
    let bind = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    bind().map_err(PaceError::Socket)
}

fn address(socket: &UdpSocket) -> Result<SocketAddrV4, PaceError> {
    let port = socket.local_addr().map_err(PaceError::Socket)?.port();
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
