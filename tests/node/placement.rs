//! One command log gives one event log, byte for byte, whichever threads run the stages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rialto::agent::{Agent, AgentThread, Composite, Idle, ReadyFlag, StopFlag, WorkResult};
use rialto::counters::CounterBlock;
use rialto::engine::{EngineAgent, FrameList};
use rialto::event_store::{LogKind, Options, Reader, Writer};
use rialto::market_data::{MarketData, MarketDataConfig};
use rialto::net::{DATAGRAM_LINES_MAX, Datagram};
use rialto::ring::{Consumer, ring};
use rialto::types::{FrameSink as _, Nanos};
use rialto::wire::mold::{Body, Packet};

use crate::broker::Broker;
use crate::harness::{COMPOSITE, Node, PLACEMENTS, SOON, Setup, Site, eventually};
use crate::replay::{
    Replay, assert_same_frames, last_feed_sequence, new_engine, port_stream, read_log,
};
use crate::traffic::Traffic;

const SEGMENT_BYTES: u64 = 4 << 20;

/// A node that has traded, been killed and traded on.
fn after_some_trade(placement: &'static str) -> Node {
    let mut node = Node::start_with(&Setup { placement, ..Setup::default() });
    let traffic = Traffic::start(&node, 3);
    traffic.wait(3_000);
    node.kill9();
    node.start_again();
    traffic.wait(1_000);
    let traders = traffic.finish();
    for mut trader in traders {
        trader.hears_its_stream(&node.site.events());
    }
    node
}

#[test]
fn a_node_trades_and_recovers_under_every_placement() {
    for placement in PLACEMENTS {
        let mut node = after_some_trade(placement);
        let books = node.stop_in_order();
        assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
        assert!(books.lines().count() > 3, "the books are not empty");
    }
}

#[test]
fn the_stages_make_the_same_of_a_command_log_whichever_threads_run_them() {
    let mut node = after_some_trade(COMPOSITE);
    node.stop_in_order();
    let commands = read_log(&node.site.commands());
    let expected = read_log(&node.site.events());
    let mut feeds = Vec::new();
    // Feeder, engine, market data and network: which thread runs each of them.
    for placement in [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 1, 2, 3]] {
        for frames_per_cycle in [1, 50] {
            let logs = node.site.disk.join("pipeline");
            let feed = run_pipeline(&logs, &commands, &expected, placement, frames_per_cycle);
            assert_same_frames(&read_log(&logs.join("events")), &expected);
            feeds.push(feed);
            fs::remove_dir_all(&logs).unwrap();
        }
    }
    assert_eq!(feeds[0].len() as u64, last_feed_sequence(&expected));
    for feed in &feeds {
        assert!(*feed == feeds[0], "the messages of two feeds differ");
    }
}

/// Runs the stages behind the sequencer over recorded commands, and returns the feed's messages.
fn run_pipeline(
    logs: &Path,
    commands: &FrameList,
    expected: &FrameList,
    placement: [usize; 4],
    frames_per_cycle: usize,
) -> BTreeMap<u64, Vec<u8>> {
    let open = |name: &str, kind| {
        Writer::open(&logs.join(name), Options::new(kind, SEGMENT_BYTES)).unwrap().0
    };
    let (to_feed, events) = (open("commands", LogKind::Commands), open("events", LogKind::Events));
    let reader = events.reader();
    let engine = new_engine(commands);
    let (engine, _) = EngineAgent::recover(
        engine,
        to_feed.reader(),
        reader.clone(),
        events,
        CounterBlock::none(),
        &mut |_| (),
    )
    .unwrap();
    let (datagrams_in, datagrams) = ring(16 * 1024, DATAGRAM_LINES_MAX);
    let group = "239.1.2.3:4567".parse().unwrap();
    let market_data = MarketData::new(
        MarketDataConfig { group, term: 1, ready: ReadyFlag::default() },
        reader,
        datagrams_in,
        CounterBlock::none(),
    );
    let frames = commands.clone();
    let feeder = Feeder { log: to_feed, frames, next: 0, frames_per_cycle };
    let (done, is_done) = channel();
    let network =
        Network { datagrams, messages: BTreeMap::new(), last: last_feed_sequence(expected), done };

    let stages: [Box<dyn Agent>; 4] =
        [Box::new(feeder), Box::new(engine), Box::new(market_data), Box::new(network)];
    let mut threads: BTreeMap<usize, Vec<Box<dyn Agent>>> = BTreeMap::new();
    for (stage, thread) in stages.into_iter().zip(placement) {
        threads.entry(thread).or_default().push(stage);
    }
    let stop = StopFlag::default();
    let idle = Idle::BackOff { sleep: Duration::from_micros(50) };
    let running: Vec<_> = threads
        .into_values()
        .map(|agents| {
            let agents = Composite::new(agents);
            AgentThread::spawn("pipeline", None, idle, stop.clone(), agents).unwrap()
        })
        .collect();
    let messages = is_done.recv_timeout(SOON).expect("the feed reaches its end");
    // Behind the feed's last message there may be events that the feed does not show.
    let last = &expected.0.last().unwrap().0;
    let end = last.start.plus(last.frame_bytes());
    let written = Reader::open(&logs.join("events")).unwrap();
    eventually("the event log's end", || written.committed() == end);
    stop.stop();
    for thread in running {
        thread.join().unwrap();
    }
    messages
}

/// Appends recorded frames as the sequencer once did.
struct Feeder {
    log: Writer,
    frames: FrameList,
    next: usize,
    frames_per_cycle: usize,
}

impl Agent for Feeder {
    fn name(&self) -> &'static str {
        "feeder"
    }

    fn do_work(&mut self, _now: Nanos) -> WorkResult {
        let first = self.next;
        for (header, payload) in self.frames.0.iter().skip(first).take(self.frames_per_cycle) {
            self.log.frame(header, payload)?;
            self.next += 1;
        }
        self.log.commit(self.log.chain().end);
        Ok(self.next - first)
    }
}

/// Takes the datagrams of the feed apart.
struct Network {
    datagrams: Consumer,
    messages: BTreeMap<u64, Vec<u8>>,
    /// The feed's last message.
    last: u64,
    done: Sender<BTreeMap<u64, Vec<u8>>>,
}

impl Agent for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn do_work(&mut self, _now: Nanos) -> WorkResult {
        let Some(message) = self.datagrams.peek() else { return Ok(0) };
        let (_, payload) = Datagram::read(message).ok_or("no datagram")?;
        let packet = Packet::parse(payload)?;
        if let Body::Messages(messages) = packet.body {
            for (sequence, message) in (packet.sequence..).zip(messages) {
                assert!(self.messages.insert(sequence, message.to_vec()).is_none());
            }
        }
        self.datagrams.pop();
        if self.messages.len() as u64 == self.last {
            self.done.send(std::mem::take(&mut self.messages)).ok();
        }
        Ok(1)
    }
}

#[test]
fn a_copy_of_the_command_log_makes_the_same_node_under_every_placement() {
    let mut original = after_some_trade(COMPOSITE);
    let books = original.stop_in_order();
    let expected = read_log(&original.site.events());
    for placement in PLACEMENTS {
        let site = Site::new(&Setup { placement, ..Setup::default() });
        copy_files(&original.site.commands(), &site.commands());
        copy_files(&original.site.disk.join("control"), &site.disk.join("control"));
        fs::copy(original.site.secrets(), site.secrets()).unwrap();
        let mut node = Node::start_at(site);
        let heard = Broker::login(&node, "BETA02").hears_bytes();
        assert_eq!(heard, port_stream(&expected, "BETA02")[0]);
        assert_eq!(node.stop_in_order(), books);
        let mut events = read_log(&node.site.events());
        assert!(events.0.len() > expected.0.len(), "its own term is behind");
        events.0.truncate(expected.0.len());
        assert_same_frames(&events, &expected);
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
