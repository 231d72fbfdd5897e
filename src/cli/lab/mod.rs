//! The lab: a private network in which commands show and measure a node, and the processes in it.
//!
//! A command runs twice, outside, where it makes the network and waits, and inside, where it works.
//! Nothing is left on the host. What the processes do is the commands' business.

mod children;
pub(super) mod cluster;
pub(super) mod nodes;
pub(super) mod site;

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

pub(super) use children::{Children, ProcessId, Said};

/// Makes the network and becomes the command it is given.
const LAB: &str = include_str!("../../../hwconfig/lab.sh");

/// The node's end of the network, which `lab.sh` leaves without an address for a DPDK port.
pub(super) const NODE_INTERFACE: &str = "rialto0";
pub(super) const NODE_ADDRESS: &str = "10.9.0.1";
pub(super) const NODE_PREFIX: u8 = 24;
/// The brokers' end, and the namespace it is in.
pub(super) const BROKERS_ADDRESS: &str = "10.9.0.2";
const BROKERS: &str = "brokers";
/// How often an end is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Why there was no lab, or no good end of a process in it.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The private network cannot be made.
    #[error("the private network could not be made:{said}")]
    Network {
        /// What the set-up said.
        said: String,
    },
    /// A process does not start.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// Which.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A process ended that should not have, or not like this.
    #[error("{name} ended with {status}; the end of {log}:{tail}", log = .log.display())]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A process does not do what it should.
    #[error("{name} did not {what} within {seconds} s; the end of {log}:{tail}", log = .log.display())]
    Slow {
        /// Which.
        name: String,
        /// What.
        what: &'static str,
        /// The patience.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
}

impl LabError {
    fn start(name: &str) -> impl FnOnce(io::Error) -> Self {
        let name = name.to_owned();
        move |source| Self::Start { name, source }
    }
}

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lab {
    /// A node, a wire, and brokers at its other end.
    Wire,
    /// So many nodes, and two switches: see [`nodes`].
    Nodes(u32),
}

/// Makes a lab and does nothing in it, so that a machine that allows none is told from a command that
/// fails.
pub(super) fn check(lab: Lab) -> Result<(), LabError> {
    let tried = enter(lab).arg("true").stdin(Stdio::null()).output();
    let tried = tried.map_err(LabError::start("sh"))?;
    if tried.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    Err(LabError::Network { said: indented(&said.lines().collect::<Vec<_>>()) })
}

/// Runs this program in a lab with `arguments`, to its end.
pub(super) fn run(
    lab: Lab,
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<ExitStatus, LabError> {
    let mut inside = enter(lab);
    inside.arg(exe()?).args(arguments.into_iter().map(Into::into));
    let stop = signals()?;
    let mut inside = inside.stdin(Stdio::piped()).spawn().map_err(LabError::start("unshare"))?;
    loop {
        if let Some(status) = inside.try_wait().map_err(LabError::start("unshare"))? {
            return Ok(status);
        }
        if stop.load(Ordering::Relaxed) {
            // The end of its input tells the inside to come to an end. Should we be killed, it is
            // told too.
            inside.stdin = None;
        }
        thread::sleep(LOOK);
    }
}

fn enter(lab: Lab) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", LAB, "lab"]);
    if let Lab::Nodes(nodes) = lab {
        command.args(["--nodes", &nodes.to_string()]);
    }
    command
}

/// Inside: set by a signal, or by the end of standard input: the outside has gone, or wants an end.
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>, LabError> {
    let stop = signals()?;
    let ended = Arc::clone(&stop);
    thread::spawn(move || {
        let _any_end_is_one = io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

fn signals() -> Result<Arc<AtomicBool>, LabError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let registered = signal_hook::flag::register(signal, Arc::clone(&stop));
        registered.map_err(LabError::start("the handling of signals"))?;
    }
    Ok(stop)
}

/// This program, in the node's namespace.
pub(super) fn rialto() -> Result<Command, LabError> {
    Ok(Command::new(exe()?))
}

/// This program in the brokers' namespace: all it has of the node is the other end of the wire.
pub(super) fn rialto_beyond_the_wire() -> Result<Command, LabError> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", BROKERS]).arg(exe()?);
    Ok(command)
}

/// Inside: for the kernel to answer for the node, it must know the node's address.
pub(super) fn give_address() -> Result<(), LabError> {
    address("add")
}

/// Inside: with a DPDK port the kernel must not know it.
pub(super) fn take_address() -> Result<(), LabError> {
    address("del")
}

fn address(change: &str) -> Result<(), LabError> {
    let address = format!("{NODE_ADDRESS}/{NODE_PREFIX}");
    ip(&["addr", change, &address, "dev", NODE_INTERFACE])
}

/// Inside: changes the network.
fn ip(arguments: &[&str]) -> Result<(), LabError> {
    let output = Command::new("ip").args(arguments).output().map_err(LabError::start("ip"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Network { said: String::from_utf8_lossy(&output.stderr).into_owned() })
}

fn exe() -> Result<PathBuf, LabError> {
    env::current_exe().map_err(LabError::start("/proc/self/exe"))
}

/// Lines to be shown under a sentence.
fn indented(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| ["\n    ", line]).collect()
}
