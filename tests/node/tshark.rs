//! What a node's DPDK port puts on the wire, as tshark reads it: every frame with its checksums, and in
//! them every message of a broker's stream and of the feed, under its number.
//!
//! Not covered: tshark knows OUCH 4.2 and a text edition of ITCH, not ours; what is in the messages is
//! compared with the event log byte for byte. `hwconfig/setup.sh test` installs tshark.
#![cfg(feature = "dpdk")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rialto::config::secrets::PortSecrets;
use rialto::engine::FrameList;
use rialto::types::event::{Event, EventHeader};
use rialto::types::{Nanos, PortName, Symbol};
use rialto::wire::itch;
use rialto::wire::ufo::Downstream;

use crate::harness::{eventually, rialto};
use crate::replay::{bytes_of, port_stream, read_log};

const TEST: &str = "tshark::tshark_reads_all_that_the_exchange_sends_and_nothing_is_wrong_with_it";
/// Set in the lab, where this test runs again: its files.
const DIRECTORY: &str = "RIALTO_LAB_DIRECTORY";
const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/lab.sh");
const MARKET: &str = include_str!("../../hwconfig/market-small.toml");
const ORDER_ENTRY: &str = "10.9.0.1:9001";
/// By the first header of the frame: a broker's kernel quotes what it no longer has a use for.
const OURS: &str = "ip.src#1 == 10.9.0.1";
const END_OF_FEED: &str = "ip.src == 10.9.0.1 && moldudp64.count == 65535";
/// tshark's notes on connections that come and go are less severe than this.
const WARNING: u32 = 0x0060_0000;
/// What tshark is told of ports and of checksums, which it does not look at by itself.
const AS_OURS: &str = "-n -d tcp.port==9001,soupbintcp -d udp.port==9100,moldudp64 \
    --disable-protocol ouch \
    -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE";
/// Orders of the first session. Its replay is more than one segment.
const ORDERS: usize = 100;
/// How many of them trade while their broker is away.
const FILLS: usize = 20;
/// The first message that the broker asks for again.
const AGAIN_FROM: usize = 3;

#[test]
fn tshark_reads_all_that_the_exchange_sends_and_nothing_is_wrong_with_it() {
    if let Ok(directory) = env::var(DIRECTORY) {
        trade_and_capture(&Site(directory.into()));
        return;
    }
    let name = format!("rialto-tshark-{}", std::process::id());
    let site = Site(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    site.write();
    let mut lab = Command::new(LAB);
    lab.arg(env::current_exe().unwrap()).args(["--exact", TEST, "--nocapture"]);
    let lab = lab.env(DIRECTORY, &site.0).stdin(Stdio::null()).output().unwrap();
    let [said, complained] = [&lab.stdout, &lab.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let log = fs::read_to_string(site.file("log")).unwrap_or_default();
    let passed = lab.status.success() && said.contains("1 passed");
    assert!(passed, "{}\n{said}\n{complained}\nthe node's log:\n{log}", lab.status);

    no_frame_is_malformed(&site);
    brokers_streams_are_those_of_the_log(&site);
    a_stream_over_udp_is_that_of_the_log(&site);
    the_feed_is_that_of_the_log(&site);
    // A capture that something is wrong with is left to look at.
    fs::remove_dir_all(&site.0).unwrap();
}

fn no_frame_is_malformed(site: &Site) {
    let columns = ["frame.number", "_ws.malformed", "ip.checksum.status", "tcp.checksum.status"];
    let columns = [&columns[..], &["udp.checksum.status", "_ws.expert.severity"]].concat();
    let frames = site.fields(OURS, &columns);
    assert!(frames.len() > 30, "{} frames", frames.len());
    for frame in frames {
        let [number, malformed, ip, tcp, udp, severity] = &frame[..] else { panic!("{frame:?}") };
        assert_eq!(malformed, "", "frame {number}");
        assert_eq!(ip, "1", "frame {number}: IP checksum");
        assert_eq!(format!("{tcp}{udp}"), "1", "frame {number}: TCP or UDP checksum");
        let severities = severity.split(',').filter(|text| !text.is_empty());
        for severity in severities.map(|text| text.parse::<u32>().unwrap()) {
            assert!(severity < WARNING, "frame {number} has a warning");
        }
    }
}

/// Each connection's messages have consecutive numbers, and are the log's messages of these numbers.
fn brokers_streams_are_those_of_the_log(site: &Site) {
    let sent = format!("{OURS} && soupbintcp.message");
    let columns = ["tcp.stream", "soupbintcp.message"];
    let rows = site.fields(&sent, &columns);
    let messages = rows.iter().flat_map(|row| {
        let stream: u32 = row[0].parse().unwrap();
        row[1].split(',').map(move |message| (stream, bytes_of(message)))
    });
    // Fields have no numbers, for tshark counts the messages itself; its text has them.
    let text = site.tshark(&["-Y", &sent, "-V", "-O", "soupbintcp"]);
    let numbers = text.lines().filter_map(|line| {
        let number =
            line.trim().strip_prefix("Sequence number: ")?.strip_suffix(" (Calculated)")?;
        Some(number.parse::<usize>().unwrap())
    });
    let numbers: Vec<_> = numbers.collect();
    let mut connections: BTreeMap<u32, Vec<(usize, Vec<u8>)>> = BTreeMap::new();
    let mut count = 0;
    for (stream, message) in messages {
        connections.entry(stream).or_default().push((numbers[count], message));
        count += 1;
    }
    assert_eq!(count, numbers.len());

    let events = read_log(&site.file("logs/events"));
    let [alfa, beta] = ["ALFA01", "BETA01"].map(|port| {
        let stream = port_stream(&events, port);
        (1..).zip(stream).collect::<Vec<_>>()
    });
    // The start of the day, the order or orders, and what became of them.
    let first_end = 1 + ORDERS;
    let again_end = first_end + FILLS + 1;
    let expected = [&alfa[..first_end], &beta[..2 + FILLS], &alfa[AGAIN_FROM - 1..again_end]];
    assert_eq!(connections.into_values().collect::<Vec<_>>(), expected);
}

/// All that was asked for came, and what came is the log's. tshark does not know UFO: its fields are read
/// by our codec.
fn a_stream_over_udp_is_that_of_the_log(site: &Site) {
    let datagrams = site.fields(&format!("{OURS} && udp.srcport == 9001"), &["udp.payload"]);
    let mut heard = BTreeMap::new();
    for datagram in &datagrams {
        let bytes = bytes_of(&datagram[0]);
        if let Downstream::Sequenced { sequence, messages } = Downstream::parse(&bytes).unwrap() {
            heard.extend((0..).zip(messages).map(|(at, m)| (sequence + at, m.to_vec())));
        }
    }
    let beta = port_stream(&read_log(&site.file("logs/events")), "BETA01");
    // What was said before, and the last order; of the end of the day, only TCP and the log know.
    let expected = (1..).zip(&beta[..=2 + FILLS]).map(|(number, m)| (number, m.clone()));
    assert_eq!(heard, expected.collect::<BTreeMap<_, _>>());
}

/// The feed is complete, each message under its number and with its bytes, and ended.
fn the_feed_is_that_of_the_log(site: &Site) {
    let columns = ["moldudp64.session", "moldudp64.msgseq", "moldudp64.msgdata"];
    let packets = site.fields(&format!("{OURS} && moldudp64.msgseq"), &columns);
    let mut messages = Vec::new();
    for packet in &packets {
        assert_eq!(packet[0], packets[0][0], "one session");
        let numbers = packet[1].split(',').map(|number| number.parse::<usize>().unwrap());
        messages.extend(numbers.zip(packet[2].split(',').map(bytes_of)));
    }
    let expected = feed_stream(&read_log(&site.file("logs/events")));
    assert_eq!(messages, (1..).zip(expected).collect::<Vec<_>>());
    let ends = site.fields(END_OF_FEED, &["moldudp64.sequence"]);
    assert_eq!(ends[0], [(messages.len() + 1).to_string()]);
}

/// The messages of the day's feed, as the event log says they must be.
fn feed_stream(events: &FrameList) -> Vec<Vec<u8>> {
    let (mut symbols, mut midnight, mut stream) = (BTreeMap::new(), Nanos::ZERO, Vec::new());
    for (header, payload) in &events.0 {
        let frame = FrameList(vec![(*header, payload.clone())]);
        for (sequence, record) in frame.records() {
            let event = Event::parse(record).unwrap();
            let place = EventHeader::view(record).unwrap();
            match event {
                Event::DayStarted(day) => midnight = day.midnight,
                Event::InstrumentDefined(defined) => {
                    symbols.insert(place.instrument, defined.symbol);
                }
                _ => {}
            }
            if place.feed_sequence > 0 {
                assert_eq!(place.feed_sequence, stream.len() as u64 + 1, "a gap in the feed");
                let symbol = symbols.get(&place.instrument).copied().unwrap_or(Symbol::BLANK);
                let mut message = [0; itch::OUT_MAX];
                let time = header.time.since(midnight).0;
                let size = itch::emit(&event, sequence, time, symbol, &mut message).unwrap();
                stream.push(message[..size].to_vec());
            }
        }
    }
    stream
}

/// A day of a node in the lab, from before its first frame to after its last.
fn trade_and_capture(site: &Site) {
    let mut capture = brokers("dumpcap");
    capture.args(["-q", "-i", "lab0", "-w"]).arg(site.capture()).stderr(site.log());
    let capture = capture.spawn().unwrap();
    // It opens the interface first, then the file.
    eventually("the capture", || site.capture().exists());
    let node = site.node();

    let orders: Vec<_> = (0..ORDERS).map(|_| "buy 1 ACME 25.00").collect();
    site.trades("ALFA01", 1, &orders);
    site.trades("BETA01", 1, &[&format!("sell {FILLS} ACME 25.00")]);
    site.trades("ALFA01", AGAIN_FROM, &["sell 1 ACME 25.10"]);
    site.trades_by("ufo", "BETA01", 1, &["sell 1 ACME 25.20"]);
    let mut day_end = rialto();
    day_end.args(["market", "day-end", "--port", "OPER01", "--secrets"]);
    let day_end = day_end.arg(site.file("secrets")).output().unwrap();
    assert!(day_end.status.success(), "{day_end:?}");
    // The last that is said of the day. What is in the file so far may end within a frame.
    eventually("the end of the feed", || {
        let found = site.tshark_command(&["-Y", END_OF_FEED]).output().unwrap();
        !found.stdout.is_empty()
    });
    stop("TERM", node);
    stop("INT", capture);
}

/// A command on the brokers' side of the wire.
fn brokers(program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", "brokers", program]).stdin(Stdio::null());
    command
}

fn stop(signal: &str, mut child: Child) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// The files of a node and of what was heard of it.
struct Site(PathBuf);

impl Site {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn capture(&self) -> PathBuf {
        self.file("capture.pcapng")
    }

    fn log(&self) -> fs::File {
        fs::File::options().create(true).append(true).open(self.file("log")).unwrap()
    }

    fn write(&self) {
        fs::create_dir_all(&self.0).unwrap();
        let directory = self.0.display();
        let config = format!(
            r#"
            [node]
            id = 1
            name = "tshark"
            [logs]
            directory = "{directory}/logs"
            command_segment_mib = 4
            event_segment_mib = 4
            [snapshots]
            every_commands = 0
            [control]
            directory = "{directory}/control"
            [order_entry]
            backend = "dpdk"
            listen = "{ORDER_ENTRY}"
            ufo_port = 9001
            allow = ["10.9.0.0/24"]
            [feed]
            group = "239.9.9.9:9100"
            [capacity]
            orders = 1024
            ports = 16
            accounts = 16
            instruments = 16
            "#
        );
        fs::write(self.file("node.toml"), config).unwrap();
        // However slow the machine is, the orders wait for their broker.
        let market = MARKET.replace("grace_ms = 10000", "grace_ms = 600000");
        fs::write(self.file("market.toml"), market).unwrap();
    }

    fn node(&self) -> Child {
        let mut command = rialto();
        command.arg("run").arg("--config").arg(self.file("node.toml"));
        command.arg("--market").arg(self.file("market.toml"));
        command.arg("--secrets").arg(self.file("secrets"));
        let mut child = command.stdout(Stdio::piped()).stderr(self.log()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the node does not start");
        child
    }

    /// Logs in, asks for what was said from a number on, enters orders, and logs out when all is quiet.
    fn trades(&self, port: &str, from: usize, orders: &[&str]) {
        self.trades_by("soup", port, from, orders);
    }

    fn trades_by(&self, protocol: &str, port: &str, from: usize, orders: &[&str]) {
        let secrets = PortSecrets::read(&self.file("secrets")).unwrap();
        let secret = secrets.get(PortName::new(port).unwrap()).unwrap().reveal();
        let mut command = brokers(rialto().get_program().to_str().unwrap());
        command.args(["client", "--connect", ORDER_ENTRY, "--user", port, "--secret", &secret]);
        command.args(["--protocol", protocol, "--sequence", &from.to_string()]);
        command.args(["--wait-ms", "1000"]).args(orders);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{port}: {output:?}");
    }

    fn tshark_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(self.capture()).args(AS_OURS.split_whitespace()).args(arguments);
        command
    }

    /// What tshark prints of the capture.
    fn tshark(&self, arguments: &[&str]) -> String {
        let output = self.tshark_command(arguments).output().expect("tshark can be started");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// These fields of each frame that the filter passes; values of a field with several are joined by
    /// commas.
    fn fields(&self, filter: &str, names: &[&str]) -> Vec<Vec<String>> {
        let names = names.iter().flat_map(|&name| ["-e", name]);
        let arguments: Vec<_> = ["-Y", filter, "-T", "fields"].into_iter().chain(names).collect();
        let rows = self.tshark(&arguments);
        rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
    }
}
