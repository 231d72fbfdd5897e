//! A cluster in its lab: nodes as processes, each on a machine of its own as far as it can see.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use super::nodes::rialto_on;
use super::site::{self, Setup, Site};
use super::{Children, ProcessId};
use crate::cli::CliError;
use crate::config::secrets::load_or_create_cluster_key;

/// Patience with whatever is going to happen at all.
pub(in crate::cli) const SOON: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// The nodes.
pub(in crate::cli) struct Cluster {
    dir: PathBuf,
    pub(in crate::cli) children: Children,
    pub(in crate::cli) sites: Vec<Site>,
    /// The process of each node, and how often it was started.
    pub(in crate::cli) running: Vec<(ProcessId, u32)>,
}

impl Cluster {
    /// Starts them, with their files in `dir` and their logs in `logs`. The first brings the market.
    pub(in crate::cli) fn begin(setup: &Setup, dir: &Path, logs: &Path) -> Result<Self, CliError> {
        load_or_create_cluster_key(&site::cluster_key(dir))?;
        let sites: Vec<_> = (1..=setup.nodes).map(|host| Site::new(dir, logs, host)).collect();
        for site in &sites {
            fs::write(site.config(), site.config_text(setup))?;
        }
        fs::write(site::market(dir), site::market_text(setup.brokers))?;
        let children = Children::new(dir);
        let mut cluster = Self { dir: dir.to_owned(), children, running: Vec::new(), sites };
        for at in 0..cluster.sites.len() {
            let process = cluster.start(at, 1)?;
            cluster.running.push((process, 1));
        }
        if setup.nodes > 1 {
            let voters = u64::from(setup.nodes);
            cluster.await_that("the nodes to be one cluster", |cluster| {
                cluster.leader().is_some_and(|at| cluster.sites[at].counter("voters") == voters)
            })?;
        }
        Ok(cluster)
    }

    /// Starts a node for the so-many-th time.
    pub(in crate::cli) fn start(&mut self, at: usize, time: u32) -> Result<ProcessId, CliError> {
        let site = &self.sites[at];
        let mut command = rialto_on(site.host)?;
        command.arg("run").arg("--config").arg(site.config());
        if at == 0 && time == 1 {
            command.arg("--market").arg(site::market(&self.dir));
            command.arg("--secrets").arg(site::secrets(&self.dir));
        }
        let process = self.children.start(&format!("node{}-{time}", site.host), command)?;
        self.children.await_line(process, "ready", SOON)?;
        Ok(process)
    }

    /// The node that leads, by the words of those that run.
    pub(in crate::cli) fn leader(&self) -> Option<usize> {
        let leads = |at: &usize| self.sites[*at].counter("leads");
        (0..self.sites.len()).filter(|at| leads(at) > 0).max_by_key(leads)
    }

    /// Waits for something that is going to be so.
    pub(in crate::cli) fn await_that(
        &self,
        what: &str,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<(), CliError> {
        let given_up = Instant::now() + SOON;
        while !is_so(self) {
            if Instant::now() > given_up {
                return Err(slow(what));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Stops them in order.
    pub(in crate::cli) fn stop(&mut self) -> Result<(), CliError> {
        for (process, _) in self.running.clone() {
            self.children.terminate(process)?;
            self.children.join(process, SOON)?;
        }
        Ok(())
    }
}

/// That something did not happen.
pub(in crate::cli) fn slow(what: &str) -> CliError {
    let text = format!("waited {} s for {what}, in vain", SOON.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}
