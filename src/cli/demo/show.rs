//! The demo seen from inside the lab: starts subscriber, node and brokers, adds up what they say, and
//! brings them to an end in an order that leaves nothing in flight. It trades nothing itself.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::children::{Children, ProcessId, Said};
use super::market::DemoMarket;
use super::report::{FeedResult, Summary, Totals};
use super::{Args, BackendArg, DemoError, broker};
use crate::config::{Config, market::Market, secrets};

/// The node's end of the lab's network, which `lab.sh` leaves without an address for a DPDK port.
const NODE_INTERFACE: &str = "rialto0";
const NODE_ADDRESS: &str = "10.9.0.1";
const NODE_PREFIX: u8 = 24;
const ORDER_ENTRY: &str = "10.9.0.1:9001";
const FEED_GROUP: &str = "239.9.9.9:9100";
/// The brokers' end, and the namespace it is in.
const BROKERS_ADDRESS: &str = "10.9.0.2";
const BROKERS: &str = "brokers";

/// What node and brokers say when they may be used, and what the subscriber's line begins with.
const READY: &str = broker::READY;
const FEED_READY: &str = "joined ";

const SECOND: Duration = Duration::from_secs(1);
/// Patience with a start, with an end, and with brokers that should have ended.
const START_MAX: Duration = Duration::from_mins(1);
const END_MAX: Duration = Duration::from_mins(1);
/// Until the last events have left the node.
const QUIET: Duration = Duration::from_millis(500);
/// Brokers report each second; so long after it, all of them have been heard.
const HEARING: Duration = Duration::from_millis(150);
/// How often a stop is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// The subscriber's patience for the end of the feed.
const FEED_MAX: Duration = Duration::from_secs(5);

pub(super) fn run(args: &Args, logs: &Path) -> Result<(), DemoError> {
    let stop = stop_flag()?;
    let files = Files::write(args, logs)?;
    if args.backend == BackendArg::Kernel {
        give_address()?;
    }
    let mut show = Show::start(args, &files)?;
    show.trade(&stop)?;
    let books_equal = show.end(&files)?;
    let pmd = (args.backend == BackendArg::Dpdk).then(|| files.config.dpdk().driver().to_owned());
    let summary = Summary::new(
        &show.totals,
        show.brokers.len(),
        show.feed,
        books_equal,
        args.backend.name(),
        pmd,
    );
    say(&summary.json());
    Ok(())
}

/// Set by a signal, or by the end of standard input: the demo outside has gone, or wants an end.
fn stop_flag() -> Result<Arc<AtomicBool>, DemoError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let registered = signal_hook::flag::register(signal, Arc::clone(&stop));
        registered.map_err(DemoError::file("handle signals in", "the demo"))?;
    }
    let ended = Arc::clone(&stop);
    thread::spawn(move || {
        let _any_end_is_one = io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

/// For the kernel to answer for the node, it must know the node's address.
fn give_address() -> Result<(), DemoError> {
    let mut command = Command::new("ip");
    command.args(["addr", "add", &format!("{NODE_ADDRESS}/{NODE_PREFIX}"), "dev", NODE_INTERFACE]);
    let start = |source| DemoError::Start { name: "ip".to_owned(), source };
    let output = command.output().map_err(start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Lab { said: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// The files that processes share.
struct Files {
    dir: PathBuf,
    config: Config,
    config_file: PathBuf,
    market_file: PathBuf,
    secrets: PathBuf,
    node_books: PathBuf,
    feed_books: PathBuf,
}

impl Files {
    /// Writes what the node reads, and removes what is left of a demo before.
    fn write(args: &Args, logs: &Path) -> Result<Self, DemoError> {
        let dir = args.dir.clone().ok_or(DemoError::NoHome)?;
        let control = dir.join("control");
        if control.exists() {
            fs::remove_dir_all(&control).map_err(DemoError::file("remove", &control))?;
        }
        fs::create_dir_all(&control).map_err(DemoError::file("make", &control))?;
        let file = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).map_err(DemoError::file("write", &path))?;
            Ok::<_, DemoError>(path)
        };
        let config_file = file("node.toml", node_toml(args, logs, &control))?;
        let market = DemoMarket { symbols: args.symbols, brokers: args.brokers };
        let market_file = file("market.toml", market.toml())?;
        let config = Config::load(&config_file)?;
        Market::load(&market_file)?.fits(config.capacity())?;
        secrets::load_or_create_cluster_key(&config.control().cluster_key_file)?;
        let [node_books, feed_books] = ["node.books", "feed.books"].map(|name| dir.join(name));
        for books in [&node_books, &feed_books] {
            if books.exists() {
                fs::remove_file(books).map_err(DemoError::file("remove", books))?;
            }
        }
        let secrets = dir.join("secrets");
        Ok(Self { dir, config, config_file, market_file, secrets, node_books, feed_books })
    }
}

fn node_toml(args: &Args, logs: &Path, control: &Path) -> String {
    let Args { backend, symbols, brokers, .. } = args;
    let [logs, control] =
        [logs, control].map(|path| toml::Value::from(path.to_string_lossy().as_ref()));
    format!(
        "# Made by `rialto demo`.\n\
         [node]\nid = 1\nname = \"demo\"\n\
         [logs]\ndirectory = {logs}\ndurability = \"memory\"\n\
         [control]\ndirectory = {control}\n\
         [order_entry]\nbackend = \"{}\"\nlisten = \"{ORDER_ENTRY}\"\nprefix = {NODE_PREFIX}\n\
         allow = [\"{BROKERS_ADDRESS}\"]\n\
         [feed]\ngroup = \"{FEED_GROUP}\"\nsource = \"{NODE_ADDRESS}\"\n\
         [capacity]\ninstruments = {symbols}\naccounts = {brokers}\nports = {}\n",
        backend.name(),
        brokers + 1
    )
}

/// The processes, and what they have said.
struct Show {
    children: Children,
    node: ProcessId,
    feed_process: ProcessId,
    brokers: Vec<ProcessId>,
    duration: Duration,
    totals: Totals,
    /// What the subscriber said last.
    feed: FeedResult,
}

impl Show {
    /// Starts all: the subscriber first, so that it hears everything; brokers when the node is ready.
    fn start(args: &Args, files: &Files) -> Result<Self, DemoError> {
        let mut children = Children::new(&files.dir);
        let mut feed = in_brokers_network()?;
        feed.args([
            "feed",
            "--group",
            FEED_GROUP,
            "--interface",
            BROKERS_ADDRESS,
            "--quiet",
            "--from-start",
            "--json",
        ])
        .arg("--books-out")
        .arg(&files.feed_books);
        if let Some(datagram) = args.drop {
            feed.args(["--drop", &datagram.to_string()]);
        }
        let feed_process = children.start("feed", feed)?;
        await_line(&mut children, feed_process, FEED_READY)?;
        let mut node = Command::new(exe()?);
        node.arg("run")
            .arg("--config")
            .arg(&files.config_file)
            .arg("--market")
            .arg(&files.market_file)
            .arg("--secrets")
            .arg(&files.secrets)
            .arg("--books-out")
            .arg(&files.node_books);
        let node = children.start("node", node)?;
        let mut show = Self {
            children,
            node,
            feed_process,
            brokers: Vec::new(),
            duration: Duration::from_secs(args.duration.into()),
            totals: Totals::new(),
            feed: FeedResult::default(),
        };
        await_line(&mut show.children, node, READY)?;
        for number in 0..args.brokers {
            let command = broker_command(args, files, number)?;
            let broker = show.children.start(&format!("broker-{}", number + 1), command)?;
            await_line(&mut show.children, broker, READY)?;
            show.brokers.push(broker);
        }
        Ok(show)
    }
}

impl Show {
    /// Lets the brokers trade until their time is over or `stop` is set, with a line each second.
    fn trade(&mut self, stop: &AtomicBool) -> Result<(), DemoError> {
        for &broker in &self.brokers {
            self.children.tell(broker, "go")?;
        }
        let start = Instant::now();
        let mut next_line = start + SECOND + HEARING;
        let mut deadline = start + self.duration + END_MAX;
        let mut stopping = false;
        let mut trading = self.brokers.clone();
        while !trading.is_empty() {
            let wait = next_line.saturating_duration_since(Instant::now()).min(LOOK);
            match self.children.next_said(wait) {
                Some((id, Said::End)) if trading.contains(&id) => {
                    self.children.join(id, END_MAX)?;
                    trading.retain(|broker| *broker != id);
                }
                Some((id, said)) => self.hear(id, said)?,
                None => {}
            }
            let now = Instant::now();
            if now >= next_line {
                next_line += SECOND;
                self.say_second(start);
            }
            if stop.load(Ordering::Relaxed) && !stopping {
                stopping = true;
                deadline = now + END_MAX;
                for &broker in &trading {
                    self.children.close_input(broker);
                }
            }
            if now > deadline {
                return Err(self.children.slow(trading[0], "end", END_MAX));
            }
        }
        // What came after the last whole second.
        self.say_second(start);
        Ok(())
    }

    fn say_second(&mut self, start: Instant) {
        let line = self.totals.end_second(start.elapsed(), self.feed.gaps);
        if let Some(line) = line {
            say(&line);
        }
    }

    fn hear(&mut self, id: ProcessId, said: Said) -> Result<(), DemoError> {
        let speech = |name| move |line, source| DemoError::Speech { name, line, source };
        match said {
            Said::End => return Err(self.children.ended(id)),
            Said::Line(line) if id == self.feed_process => {
                self.feed.hear(&line).map_err(|source| speech("feed")(line, source))?;
            }
            Said::Line(line) if self.brokers.contains(&id) => {
                let added = self.totals.add(&line);
                added.map_err(|source| speech("a broker")(line, source))?;
            }
            Said::Line(_) => {}
        }
        Ok(())
    }

    /// Brings node and subscriber to an end at the same message, and has their books compared.
    fn end(&mut self, files: &Files) -> Result<bool, DemoError> {
        self.listen(QUIET, |_| false)?;
        self.children.terminate(self.node)?;
        self.await_end(self.node)?;
        let last = last_sequence(&files.node_books)?;
        self.listen(FEED_MAX, |show| show.feed.sequence >= last)?;
        self.children.terminate(self.feed_process)?;
        self.await_end(self.feed_process)?;
        compare(&files.node_books, &files.feed_books)
    }

    /// Hears what is said for so long, or until `enough`.
    fn listen(&mut self, limit: Duration, enough: impl Fn(&Self) -> bool) -> Result<(), DemoError> {
        let deadline = Instant::now() + limit;
        while !enough(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if let Some((id, said)) = self.children.next_said(left) {
                self.hear(id, said)?;
            }
        }
        Ok(())
    }

    /// Waits for the end of a process that was asked to end, and hears its last words.
    fn await_end(&mut self, awaited: ProcessId) -> Result<(), DemoError> {
        let deadline = Instant::now() + END_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.children.next_said(left) {
                None => return Err(self.children.slow(awaited, "end", END_MAX)),
                Some((id, Said::End)) if id == awaited => break,
                Some((id, said)) => self.hear(id, said)?,
            }
        }
        self.children.join(awaited, END_MAX)
    }
}

/// Waits for the line with which a process says that it may be used; what else is said meanwhile is
/// of no interest yet, unless it is an end.
fn await_line(children: &mut Children, awaited: ProcessId, start: &str) -> Result<(), DemoError> {
    let deadline = Instant::now() + START_MAX;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match children.next_said(left) {
            None => return Err(children.slow(awaited, "become ready", START_MAX)),
            Some((id, Said::End)) => return Err(children.ended(id)),
            Some((id, Said::Line(line))) if id == awaited && line.starts_with(start) => {
                return Ok(());
            }
            Some(_) => {}
        }
    }
}

fn exe() -> Result<PathBuf, DemoError> {
    env::current_exe().map_err(DemoError::file("find", "/proc/self/exe"))
}

/// `rialto` in the brokers' namespace: all it has of the node is the other end of the wire.
fn in_brokers_network() -> Result<Command, DemoError> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", BROKERS]).arg(exe()?);
    Ok(command)
}

fn broker_command(args: &Args, files: &Files, broker: u64) -> Result<Command, DemoError> {
    let mut command = in_brokers_network()?;
    command.args(["demo-broker", "--connect", ORDER_ENTRY, "--secrets"]).arg(&files.secrets);
    let numbers = [
        ("--broker", broker),
        ("--brokers", args.brokers),
        ("--symbols", args.symbols),
        ("--rate", args.rate.into()),
        ("--duration", args.duration.into()),
        ("--seed", args.seed),
    ];
    for (name, number) in numbers {
        command.args([name, &number.to_string()]);
    }
    Ok(command)
}

/// The feed's message that a dump of books stands for: its first line.
fn last_sequence(books: &Path) -> Result<u64, DemoError> {
    let text = fs::read_to_string(books).map_err(DemoError::file("read", books))?;
    let first = text.lines().next().and_then(|line| line.strip_prefix("sequence "));
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no sequence in the first line");
    let sequence = first.and_then(|number| number.parse().ok()).ok_or_else(wrong);
    sequence.map_err(DemoError::file("understand", books))
}

/// Has the books compared by a program that knows neither side; a difference is shown.
fn compare(node: &Path, feed: &Path) -> Result<bool, DemoError> {
    let start = |source| DemoError::Start { name: "books-diff".to_owned(), source };
    let mut command = Command::new(exe()?);
    let output = command.arg("books-diff").args([node, feed]).output().map_err(start)?;
    if !output.status.success() {
        eprint!(
            "demo: {} and {} are not equal; {}",
            node.display(),
            feed.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.status.success())
}

/// Prints a line. Whether somebody still reads it changes nothing: the demo ends in order either way.
fn say(line: &str) {
    let mut output = io::stdout().lock();
    let _nobody_reads = writeln!(output, "{line}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_configuration_is_proven() {
        let args = Args {
            duration: 1,
            rate: 1,
            brokers: 8,
            symbols: 100,
            backend: BackendArg::default(),
            dir: None,
            seed: 1,
            drop: None,
            inside_with_logs: None,
        };
        let text = node_toml(&args, Path::new("/dev/shm/logs"), Path::new("/var/control"));
        let config = Config::parse(Path::new("node.toml"), &text).unwrap();
        assert_eq!(config.order_entry().listen.to_string(), ORDER_ENTRY);
        assert_eq!(config.feed().group.to_string(), FEED_GROUP);
        assert_eq!((config.capacity().ports, config.capacity().accounts), (9, 8));
    }
}
