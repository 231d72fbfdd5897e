//! The drill inside its network: nodes, brokers, a subscriber, and what happens to whoever leads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::Args;
use super::broker::{Broker, Traded, heard_of};
use super::fault::Fault;
use super::outcome::Outcome;
use super::site::{self, Site};
use crate::cli::CliError;
use crate::cli::lab::nodes::{INSIDE, SERVICE, rialto_on};
use crate::cli::lab::{self, Children, ProcessId, Said};
use crate::client::{FeedOrder, FeedSocket};
use crate::config::secrets::{PortSecrets, load_or_create_cluster_key};
use crate::event_store::Reader;

/// Nodes of the cluster.
pub(super) const NODES: u32 = 3;
/// Patience with whatever is going to happen at all.
const SOON: Duration = Duration::from_secs(30);
/// Trading between what happens and what happens next.
const CALM: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(args: &Args, logs: &Path) -> Result<(), CliError> {
    let ended = lab::stop_flag()?;
    Drill::begin(args, logs)?.go(args, &ended)?.tell(args.json, &args.dir)
}

struct Drill {
    children: Children,
    sites: Vec<Site>,
    /// The process of each node, and how often it was started.
    running: Vec<(ProcessId, u32)>,
}

impl Drill {
    fn begin(args: &Args, logs: &Path) -> Result<Self, CliError> {
        let dir = &args.dir;
        load_or_create_cluster_key(&site::cluster_key(dir))?;
        let sites: Vec<_> = (1..=NODES).map(|host| Site::new(dir, logs, host)).collect();
        for site in &sites {
            fs::write(site.config(), site.config_text(args))?;
        }
        fs::write(site::market(dir), site::market_text(args.brokers))?;
        let mut drill = Self { children: Children::new(dir), running: Vec::new(), sites };
        for at in 0..drill.sites.len() {
            let process = drill.start(at, 1, dir)?;
            drill.running.push((process, 1));
        }
        Ok(drill)
    }

    fn start(&mut self, at: usize, time: u32, dir: &Path) -> Result<ProcessId, CliError> {
        let site = &self.sites[at];
        let mut command = rialto_on(site.host)?;
        command.arg("run").arg("--config").arg(site.config());
        if at == 0 && time == 1 {
            command.arg("--market").arg(site::market(dir));
            command.arg("--secrets").arg(site::secrets(dir));
        }
        let process = self.children.start(&format!("node{}-{time}", site.host), command)?;
        self.children.await_line(process, "ready", SOON)?;
        Ok(process)
    }

    fn go(&mut self, args: &Args, ended: &AtomicBool) -> Result<Outcome, CliError> {
        self.await_that("the nodes to be one cluster", |drill| {
            drill.leader().is_some_and(|at| drill.sites[at].counter("voters") == u64::from(NODES))
        })?;
        let secrets = PortSecrets::read(&site::secrets(&args.dir))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (back, backs) = channel();
        let heard_all = Arc::new(AtomicBool::new(false));
        let feed = follow_feed(Arc::clone(&heard_all))?;
        let brokers: Vec<Broker> = (0..args.brokers)
            .map(|number| Broker::new(number, args.brokers, args.rate, &secrets))
            .collect::<Result<_, _>>()?;
        let trading: Vec<JoinHandle<Traded>> = brokers
            .iter()
            .map(|broker| {
                let (broker, stop, back) = (broker.clone(), Arc::clone(&stop), back.clone());
                thread::spawn(move || broker.trade(&stop, &back))
            })
            .collect();
        let leader = self.leader().map_or(0, |at| self.sites[at].host);
        eprintln!(
            "drill: {NODES} nodes, of which node {leader} leads and has {SERVICE}; {} brokers that \
             know only this address enter {} orders a second each",
            args.brokers, args.rate
        );
        let mut gaps = Vec::new();
        for (fault, times) in args.faults() {
            for time in 1..=times {
                thread::sleep(CALM);
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                eprint!("drill: {} {time} of {times}: ", fault.name());
                gaps.push((fault, self.disturb(fault, args, &backs)?));
            }
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
        heard_all.store(true, Ordering::Relaxed);
        let feed = feed.join().expect("the subscriber does not panic");
        self.stop()?;
        Ok(Outcome {
            gaps,
            acknowledged: traded.iter().map(|traded| traded.acknowledged.len()).sum(),
            rejected: traded.iter().map(|traded| traded.rejected).sum(),
            lost,
            doubled,
            reconnections: traded.iter().map(|traded| traded.connections.saturating_sub(1)).sum(),
            feed_missing: feed.counters().missing,
            feed_messages: feed.counters().messages,
            are_equal: self.are_logs_equal()?,
        })
    }

    /// Has something happen to the leader, and says how long it took until every broker had a new order
    /// acknowledged by another; and has it be over, and the node catch up.
    fn disturb(
        &mut self,
        fault: Fault,
        args: &Args,
        backs: &Receiver<Instant>,
    ) -> Result<Duration, CliError> {
        self.await_that("a leader", |drill| drill.leader().is_some())?;
        let Some(at) = self.leader() else { return Err(slow("a leader")) };
        let (process, times) = self.running[at];
        let host = self.sites[at].host;
        while backs.try_recv().is_ok() {}
        let since = Instant::now();
        fault.begin(host, process, &mut self.children)?;
        let mut last = since;
        for _ in 0..args.brokers {
            match backs.recv_timeout(SOON) {
                Ok(back) => last = last.max(back),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(slow("service for every broker"));
                }
            }
        }
        let gap = last - since;
        fault.end(host, process, &mut self.children)?;
        if fault == Fault::Kill {
            // Its end is told once, and is as it should be.
            while !matches!(self.children.next_said(LOOK), Some((_, Said::End)) | None) {}
            self.running[at] = (self.start(at, times + 1, &args.dir)?, times + 1);
        }
        let leader = |drill: &Self| drill.leader().filter(|other| *other != at);
        self.await_that("another leader", |drill| leader(drill).is_some())?;
        let Some(other) = leader(self) else { return Err(slow("another leader")) };
        let end = self.sites[other].counter("last_index");
        self.await_that("the node to catch up", |drill| {
            let site = &drill.sites[at];
            site.counter("leads") == 0
                && site.counter("votes") == 1
                && site.counter("committed_index") >= end
        })?;
        eprintln!(
            "node {host} was {}; node {} leads, and every broker trades again after {} ms",
            fault.verb(),
            self.sites[other].host,
            gap.as_millis()
        );
        Ok(gap)
    }

    /// The node that leads, by the words of those that run.
    fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| self.sites[*at].counter("leads");
        (0..self.sites.len()).filter(|at| leads(at) > 0).max_by_key(leads)
    }

    fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), CliError> {
        let given_up = Instant::now() + SOON;
        while !is_so(self) {
            if Instant::now() > given_up {
                return Err(slow(what));
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

fn slow(what: &str) -> CliError {
    let text = format!("waited {} s for {what}, in vain", SOON.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

/// A subscriber from before the first order on.
fn follow_feed(stop: Arc<AtomicBool>) -> Result<JoinHandle<FeedOrder>, CliError> {
    let mut socket = FeedSocket::join(site::FEED, INSIDE)?;
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
