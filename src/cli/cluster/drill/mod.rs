//! `rialto cluster drill`: a cluster of processes on this machine whose leader is killed again and again
//! while brokers trade, and what they saw of it.

mod broker;
mod site;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::json;

use self::broker::{Broker, Traded, heard_of};
use self::site::{Site, claim_ports};
use crate::cli::CliError;
use crate::cli::lab::{self, Children, ProcessId, Said};
use crate::client::{FeedOrder, FeedSocket};
use crate::config::secrets::{PortSecrets, load_or_create_cluster_key};
use crate::event_store::Reader;

/// Arguments of `rialto cluster drill`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto cluster drill --kills 30 --json\n\n\
    Nodes listen on loopback only; their logs are in /dev/shm. It fails if an acknowledged order was \
    lost or done twice, a message of the feed is missing, or two nodes disagree.")]
pub(super) struct Args {
    /// How often the leader is killed (SIGKILL).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kills: u32,
    /// Brokers, each with a session of its own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    brokers: u32,
    /// Orders a second of each broker.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// The least silence before an election, in milliseconds.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(60..=10_000))]
    election_ms: u32,
    /// Where its files go; it must not exist, and is on a disk.
    #[arg(long, default_value = "rialto-drill")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Nodes of the cluster.
const NODES: u32 = 3;
/// Patience with whatever is going to happen at all.
const SOON: Duration = Duration::from_secs(30);
/// Trading between one kill and the next.
const CALM: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

/// Kills, and says what came of it.
///
/// # Errors
/// What was lost, or why there was no drill.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut drill = Drill::begin(args)?;
    let done = drill.go(args).and_then(|outcome| outcome.tell(args));
    drop(drill);
    if done.is_ok() {
        fs::remove_dir_all(&args.dir)?;
    }
    done
}

struct Drill {
    // Before their files, which go when they have ended.
    children: Children,
    sites: Vec<Site>,
    /// The process of each node, and how often it was started.
    running: Vec<(ProcessId, u32)>,
}

/// What came of it.
struct Outcome {
    gaps: Vec<Duration>,
    acknowledged: usize,
    rejected: u64,
    lost: usize,
    doubled: usize,
    feed_missing: u64,
    feed_messages: u64,
    are_equal: bool,
}

impl Drill {
    fn begin(args: &Args) -> Result<Self, CliError> {
        fs::create_dir(&args.dir).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", args.dir.display()))
        })?;
        let dir = args.dir.canonicalize()?;
        load_or_create_cluster_key(&dir.join("cluster.key"))?;
        let ports = claim_ports(NODES)?;
        let sites: Vec<_> = (1..=NODES).map(|host| Site::new(&dir, host, &ports)).collect();
        for site in &sites {
            site.write(args.election_ms, args.brokers)?;
        }
        let mut drill = Self { children: Children::new(&dir), running: Vec::new(), sites };
        for at in 0..drill.sites.len() {
            let process = drill.start(at, 1)?;
            drill.running.push((process, 1));
        }
        Ok(drill)
    }

    fn start(&mut self, at: usize, time: u32) -> Result<ProcessId, CliError> {
        let site = &self.sites[at];
        let mut command = lab::rialto()?;
        command.arg("run").arg("--config").arg(site.config());
        if at == 0 && time == 1 {
            command.arg("--market").arg(site.market()).arg("--secrets").arg(site.secrets());
        }
        let process = self.children.start(&format!("node{}-{time}", site.host), command)?;
        self.children.await_line(process, "ready", SOON)?;
        Ok(process)
    }

    fn go(&mut self, args: &Args) -> Result<Outcome, CliError> {
        self.await_that(|drill| {
            drill.leader().is_some_and(|at| drill.sites[at].counter("voters") == u64::from(NODES))
        })?;
        let secrets = PortSecrets::read(&self.sites[0].secrets())?;
        let stop = Arc::new(AtomicBool::new(false));
        let (back, backs) = channel();
        let addresses: Vec<_> = self.sites.iter().map(|site| site.order_entry).collect();
        let feed = follow_feed(&self.sites[0], Arc::clone(&stop))?;
        let interval = Duration::from_secs(1) / args.rate;
        let brokers: Vec<Broker> = (0..args.brokers)
            .map(|number| Broker::new(number, args.brokers, &secrets, &addresses))
            .collect::<Result<_, _>>()?;
        let trading: Vec<JoinHandle<Traded>> = brokers
            .iter()
            .map(|broker| {
                let (broker, stop, back) = (broker.clone(), Arc::clone(&stop), back.clone());
                thread::spawn(move || broker.trade(interval, &stop, &back))
            })
            .collect();
        let mut gaps = Vec::new();
        for kill in 1..=args.kills {
            thread::sleep(CALM);
            let gap = self.kill_leader(args.brokers, &backs)?;
            gaps.push(gap);
            eprintln!(
                "drill: kill {kill} of {}: service back after {} ms",
                args.kills,
                gap.as_millis()
            );
        }
        thread::sleep(CALM);
        stop.store(true, Ordering::Relaxed);
        let traded: Vec<_> = trading
            .into_iter()
            .map(|thread| thread.join().expect("a broker does not panic"))
            .collect();
        let (mut lost, mut doubled) = (0, 0);
        for (broker, traded) in brokers.iter().zip(&traded) {
            let told = heard_of(broker)?;
            lost += traded.acknowledged.iter().filter(|number| !told.contains_key(number)).count();
            doubled += told.values().filter(|times| **times > 1).count();
        }
        let feed = feed.join().expect("the subscriber does not panic");
        self.stop()?;
        Ok(Outcome {
            gaps,
            acknowledged: traded.iter().map(|traded| traded.acknowledged.len()).sum(),
            rejected: traded.iter().map(|traded| traded.rejected).sum(),
            lost,
            doubled,
            feed_missing: feed.counters().missing,
            feed_messages: feed.counters().messages,
            are_equal: self.are_logs_equal()?,
        })
    }

    /// Kills the leader, and says how long it took until every broker had a new order acknowledged by
    /// another; and has the killed node come back and catch up.
    fn kill_leader(
        &mut self,
        brokers: u32,
        backs: &Receiver<Instant>,
    ) -> Result<Duration, CliError> {
        self.await_that(|drill| drill.leader().is_some())?;
        let Some(at) = self.leader() else { return Err(slow("no leader")) };
        let (process, times) = self.running[at];
        while backs.try_recv().is_ok() {}
        let killed_at = Instant::now();
        self.children.kill(process)?;
        let mut last = killed_at;
        for _ in 0..brokers {
            match backs.recv_timeout(SOON) {
                Ok(back) => last = last.max(back),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(slow("a broker was not served again"));
                }
            }
        }
        // Its end is told once, and is as it should be.
        while !matches!(self.children.next_said(LOOK), Some((_, Said::End)) | None) {}
        self.running[at] = (self.start(at, times + 1)?, times + 1);
        let leader = |drill: &Self| drill.leader().filter(|other| *other != at);
        self.await_that(|drill| leader(drill).is_some())?;
        let Some(other) = leader(self) else { return Err(slow("no leader")) };
        let end = self.sites[other].counter("last_index");
        self.await_that(|drill| {
            let site = &drill.sites[at];
            site.counter("votes") == 1 && site.counter("committed_index") >= end
        })?;
        Ok(last - killed_at)
    }

    /// The node that leads, by the words of those that run.
    fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| self.sites[*at].counter("leads");
        (0..self.sites.len()).filter(|at| leads(at) > 0).max_by_key(leads)
    }

    fn await_that(&self, is_so: impl Fn(&Self) -> bool) -> Result<(), CliError> {
        let given_up = Instant::now() + SOON;
        while !is_so(self) {
            if Instant::now() > given_up {
                return Err(slow("the cluster does not come together"));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), CliError> {
        for (process, _) in self.running.clone() {
            self.children.terminate(process)?;
            self.children.join(process, SOON)?;
        }
        Ok(())
    }

    /// Whether all event logs are equal, byte for byte, as far as each goes.
    fn are_logs_equal(&self) -> Result<bool, CliError> {
        let mut readers: Vec<_> =
            self.sites.iter().map(|site| Reader::open(&site.events())).collect::<Result<_, _>>()?;
        loop {
            let mut frames = Vec::new();
            for reader in &mut readers {
                let Some(frame) = reader.next_frame()? else { return Ok(true) };
                frames.push((frame.header, frame.payload));
            }
            if frames.windows(2).any(|pair| pair[0] != pair[1]) {
                return Ok(false);
            }
        }
    }
}

impl Outcome {
    fn tell(mut self, args: &Args) -> Result<(), CliError> {
        self.gaps.sort_unstable();
        let ms = |share: usize| {
            let at = (self.gaps.len() * share / 100).min(self.gaps.len() - 1);
            u64::try_from(self.gaps[at].as_millis()).unwrap_or(u64::MAX)
        };
        let (p50, p99, max) = (ms(50), ms(99), ms(100));
        let is_continuous = self.feed_missing == 0;
        let Self { acknowledged, rejected, lost, doubled, are_equal, .. } = self;
        if args.json {
            let report = json!({
                "kills": args.kills,
                "orders": acknowledged,
                "rejected": rejected,
                "lost": lost,
                "doubled": doubled,
                "gap_ms": { "p50": p50, "p99": p99, "max": max },
                "feed_messages": self.feed_messages,
                "feed_continuous": is_continuous,
                "hashes_equal": are_equal,
            });
            println!("{report}");
        } else {
            println!("{} kills under {acknowledged} orders", args.kills);
            println!("lost {lost}, doubled {doubled}, rejected {rejected}");
            println!("time without service: p50 {p50} ms, p99 {p99} ms, max {max} ms");
            println!("feed: {} messages, {} missing", self.feed_messages, self.feed_missing);
            println!("logs equal: {are_equal}");
        }
        if lost + doubled > 0 || rejected > 0 || !is_continuous || !are_equal {
            return Err(CliError::Drill { dir: args.dir.clone() });
        }
        Ok(())
    }
}

fn slow(what: &str) -> CliError {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {} s", SOON.as_secs())).into()
}

/// A subscriber from before the first order on.
fn follow_feed(site: &Site, stop: Arc<AtomicBool>) -> Result<JoinHandle<FeedOrder>, CliError> {
    let mut socket = FeedSocket::join(site.feed, Ipv4Addr::LOCALHOST)?;
    Ok(thread::spawn(move || {
        let mut order = FeedOrder::new(false);
        while !stop.load(Ordering::Relaxed) {
            if let Ok(Some(datagram)) = socket.receive(Duration::from_millis(50)) {
                order.take(datagram, |_| ());
            }
        }
        order
    }))
}
