//! The demo seen from inside the lab: starts subscriber, node and brokers, adds up what they say, and
//! brings them to an end in an order that leaves nothing in flight. It trades nothing itself.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::market::DemoMarket;
use super::report::{FeedResult, Summary, Totals};
use super::{Args, BackendArg, DemoError, broker};
use crate::cli::lab::{
    self, BROKERS_ADDRESS, Children, LabError, NODE_ADDRESS, NODE_PREFIX, ProcessId, Said,
};
use crate::config::{Config, market::Market, secrets};

const ORDER_ENTRY: &str = "10.9.0.1:9001";
const FEED_GROUP: &str = "239.9.9.9:9100";
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
    let stop = lab::stop_flag()?;
    let files = Files::write(args, logs)?;
    if args.backend == BackendArg::Kernel {
        lab::give_address()?;
    }
    let mut show = Show::start(args, &files)?;
    show.trade(&stop)?;
    let books_equal = show.end(&files)?;
    let service = files.config.service().filter(|_| args.backend == BackendArg::Dpdk);
    let pmd = service.map(|service| service.dpdk.driver().to_owned());
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
        Market::load(&market_file)?.fits(&config)?;
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
        let mut feed = lab::rialto_beyond_the_wire()?;
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
        children.await_line(feed_process, FEED_READY, START_MAX)?;
        let mut node = lab::rialto()?;
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
        show.children.await_line(node, READY, START_MAX)?;
        for number in 0..args.brokers {
            let command = broker_command(args, files, number)?;
            let broker = show.children.start(&format!("broker-{}", number + 1), command)?;
            show.children.await_line(broker, READY, START_MAX)?;
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
                return Err(self.children.slow(trading[0], "end", END_MAX).into());
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
            Said::End => return Err(self.children.ended(id).into()),
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
                None => return Err(self.children.slow(awaited, "end", END_MAX).into()),
                Some((id, Said::End)) if id == awaited => break,
                Some((id, said)) => self.hear(id, said)?,
            }
        }
        Ok(self.children.join(awaited, END_MAX)?)
    }
}

fn broker_command(args: &Args, files: &Files, broker: u64) -> Result<Command, DemoError> {
    let mut command = lab::rialto_beyond_the_wire()?;
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
    let start = |source| LabError::Start { name: "books-diff".to_owned(), source };
    let mut command = lab::rialto()?;
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
        assert_eq!(config.service().unwrap().order_entry.listen.to_string(), ORDER_ENTRY);
        assert_eq!(config.service().unwrap().feed.group.to_string(), FEED_GROUP);
        assert_eq!((config.capacity().ports, config.capacity().accounts), (9, 8));
    }
}
