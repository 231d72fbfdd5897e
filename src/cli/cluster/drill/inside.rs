//! The drill inside its network: nodes, brokers, a subscriber, and what happens to whoever leads.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Args;
use super::broker::{Broker, Traded, heard_of};
use super::fault::Fault;
use super::outcome::Outcome;
use crate::cli::CliError;
use crate::cli::lab::cluster::{Cluster, SOON, slow};
use crate::cli::lab::nodes::{INSIDE, SERVICE};
use crate::cli::lab::{self, Said, site};
use crate::client::{FeedOrder, FeedSocket};
use crate::config::secrets::PortSecrets;
use crate::event_store::Reader;

/// Nodes of the cluster.
pub(super) const NODES: u32 = 3;
/// Trading between what happens and what happens next.
const CALM: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(args: &Args, logs: &Path) -> Result<(), CliError> {
    let ended = lab::stop_flag()?;
    let cluster = Cluster::begin(&args.setup(), &args.dir, logs)?;
    Drill { cluster }.go(args, &ended)?.tell(args.json, &args.dir)
}

struct Drill {
    cluster: Cluster,
}

impl Drill {
    fn go(&mut self, args: &Args, ended: &AtomicBool) -> Result<Outcome, CliError> {
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
        let leader = self.cluster.leader().map_or(0, |at| self.cluster.sites[at].host);
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
        self.cluster.stop()?;
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
        self.cluster.await_that("a leader", |cluster| cluster.leader().is_some())?;
        let Some(at) = self.cluster.leader() else { return Err(slow("a leader")) };
        let (process, times) = self.cluster.running[at];
        let host = self.cluster.sites[at].host;
        while backs.try_recv().is_ok() {}
        let since = Instant::now();
        fault.begin(host, process, &mut self.cluster.children)?;
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
        fault.end(host, process, &mut self.cluster.children)?;
        if fault == Fault::Kill {
            // Its end is told once, and is as it should be.
            while !matches!(self.cluster.children.next_said(LOOK), Some((_, Said::End)) | None) {}
            self.cluster.running[at] = (self.cluster.start(at, times + 1)?, times + 1);
        }
        let leader = |cluster: &Cluster| cluster.leader().filter(|other| *other != at);
        self.cluster.await_that("another leader", |cluster| leader(cluster).is_some())?;
        let Some(other) = leader(&self.cluster) else { return Err(slow("another leader")) };
        let end = self.cluster.sites[other].counter("last_index");
        self.cluster.await_that("the node to catch up", |cluster| {
            let site = &cluster.sites[at];
            site.counter("leads") == 0
                && site.counter("votes") == 1
                && site.counter("committed_index") >= end
        })?;
        eprintln!(
            "node {host} was {}; node {} leads, and every broker trades again after {} ms",
            fault.verb(),
            self.cluster.sites[other].host,
            gap.as_millis()
        );
        Ok(gap)
    }

    /// Whether all event logs are equal, byte for byte, as far as each goes.
    fn are_logs_equal(&self) -> Result<bool, CliError> {
        let mut readers: Vec<_> = self
            .cluster
            .sites
            .iter()
            .map(|site| Reader::open(&site.events()))
            .collect::<Result<_, _>>()?;
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
