//! The stages of a node on one thread, over a transport of the test's choice and logs in /dev/shm: what
//! tests and benches of the whole path drive, cycle by cycle, with time of their own.
#![allow(dead_code, reason = "tests and benches use different parts of it")]

pub(crate) mod uncounted;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rialto::agent::{Agent, ReadyFlag, Watch};
use rialto::config::market::Market;
use rialto::config::secrets::{PortSecrets, load_or_create_cluster_key};
use rialto::counters::{COUNTERS_FILE, CounterFile, CounterSet as _};
use rialto::engine::{Capacity, Engine, EngineAgent, EngineCounters, EngineGauges, IndexSeed};
use rialto::event_store::{Durability, LogKind, Options, Reader, Writer};
use rialto::gateway::{Gateway, GatewayConfig, GatewayCounters};
use rialto::market_data::{FeedCounters, MarketData, MarketDataConfig};
use rialto::net::{DATAGRAM_LINES_MAX, PortNetworks, Transport};
use rialto::ring::{Producer, ring};
use rialto::sequencer::{Sequencer, SequencerCounters};
use rialto::types::command::{CommandHeader, DayStart, TermStart};
use rialto::types::{
    ClusterKey, Date, Line, Nanos, PortKind, PortName, RECORD_LINES_MAX, Record, SessionId,
};
use rialto::wire::soup::{LOGIN_REQUEST_BYTES_MAX, LoginRequest};
use zerocopy::FromZeros;

/// 2026-03-02 14:30 UTC.
const OPENING: Nanos = Nanos(1_772_461_800_000_000_000);
/// What a duty cycle takes.
const CYCLE: Nanos = Nanos::from_micros(10);
const TERM: u32 = 1;
/// More than the market and the day need.
const OPENING_CYCLES: usize = 100;
const RING_LINES: usize = 16 * 1024;

/// Sequencer and engine with their logs, and a ring into them.
pub(crate) struct Core {
    pub(crate) commands: Producer,
    pub(crate) sequencer: Sequencer,
    pub(crate) engine: EngineAgent,
    pub(crate) events: Reader,
    counters: CounterFile,
    pub(crate) now: Nanos,
    secrets: PortSecrets,
    key: ClusterKey,
    _directory: Directory,
}

/// The whole path.
pub(crate) struct Pipeline<T: Transport> {
    pub(crate) gateway: Gateway<T>,
    pub(crate) market_data: MarketData,
    pub(crate) core: Core,
}

/// The logs' directory, which goes with the pipeline.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rialto-pipeline-{}-{number}", std::process::id());
        let path = Path::new("/dev/shm").join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Core {
    /// With a market whose day is open: two firms, ALFA and BETA, with a port each, and ACME; and what
    /// else its file says.
    pub(crate) fn open(segment_bytes: u64, rules: &str) -> Self {
        let directory = Directory::make();
        let key = load_or_create_cluster_key(&directory.0.join("cluster.key")).unwrap();
        let market = Market::parse(Path::new("market"), &(market_text() + rules)).unwrap();
        let secrets = PortSecrets::generate(market.port_names()).unwrap();
        let definitions = market.commands(&key, &secrets, OPENING).concat();
        let today = Date::of(OPENING);
        let day = DayStart {
            header: CommandHeader::internal::<DayStart>(OPENING),
            midnight: today.midnight(),
            date: today.number(),
            session: today.session(1),
            ..DayStart::new_zeroed()
        };
        let log = |name: &str, kind| {
            let options = Options::new(kind, segment_bytes);
            Writer::open(&directory.0.join(name), options).unwrap().0
        };
        let commands = log("commands", LogKind::Commands);
        let events = log("events", LogKind::Events);
        let reader = events.reader();
        // The market's two firms share the orders.
        let ports = u32::try_from(market.port_names().count()).unwrap();
        let ports = ports.max(Capacity::SMALL.ports);
        let capacity = Capacity { orders: 8_192, ports, ..Capacity::SMALL };
        let limits = capacity.limits(segment_bytes);
        let engine = Engine::new(&limits, IndexSeed::new([0; IndexSeed::BYTES]));
        let path = directory.0.join(COUNTERS_FILE);
        let mut counters = CounterFile::create(&path, 1, OPENING).unwrap();
        let published =
            counters.block("engine", &[EngineCounters::NAMES, EngineGauges::NAMES].concat());
        let (past, existing) = (commands.reader(), reader.clone());
        let engine = EngineAgent::recover(engine, past, existing, events, published, &mut |_| ());
        let (engine, _) = engine.unwrap();
        let (producer, consumer) = ring(RING_LINES, RECORD_LINES_MAX);
        let proposals = [limits.lines(), definitions.as_slice(), day.lines()].concat();
        let start = TermStart {
            header: CommandHeader::internal::<TermStart>(OPENING),
            term: TERM,
            node: 1,
            ..TermStart::new_zeroed()
        };
        let inputs = vec![consumer];
        let published = counters.block("sequencer", SequencerCounters::NAMES);
        let durability = Durability::Memory;
        let sequencer = Sequencer::new(commands, durability, &start, &proposals, inputs, published);
        let mut core = Self {
            commands: producer,
            sequencer,
            engine,
            events: reader,
            counters,
            now: OPENING,
            secrets,
            key,
            _directory: directory,
        };
        for _ in 0..OPENING_CYCLES {
            core.cycle();
        }
        core
    }

    /// Lets both stages do what is waiting.
    pub(crate) fn cycle(&mut self) {
        self.now = self.now.after(CYCLE);
        self.sequencer.do_work(self.now).unwrap();
        self.engine.do_work(self.now).unwrap();
    }
}

impl<T: Transport + std::fmt::Debug> Pipeline<T> {
    /// The whole path over `transport`, ready for logins.
    pub(crate) fn open(transport: T, segment_bytes: u64, rules: &str) -> Self {
        Self::over(transport, Core::open(segment_bytes, rules), None, None)
    }

    /// With a limit of messages a second for each session.
    pub(crate) fn open_throttled(
        transport: T,
        segment_bytes: u64,
        messages_per_second_max: Option<u32>,
    ) -> Self {
        Self::over(transport, Core::open(segment_bytes, ""), messages_per_second_max, None)
    }

    /// Told from where ports may log in.
    pub(crate) fn open_told(
        transport: T,
        segment_bytes: u64,
        networks: Watch<PortNetworks>,
    ) -> Self {
        Self::over(transport, Core::open(segment_bytes, ""), None, Some(networks))
    }

    fn over(
        transport: T,
        mut core: Core,
        messages_per_second_max: Option<u32>,
        networks: Option<Watch<PortNetworks>>,
    ) -> Self {
        let (unused, _) = ring(1, 1);
        let commands = std::mem::replace(&mut core.commands, unused);
        let (datagrams_in, datagrams) = ring(RING_LINES, DATAGRAM_LINES_MAX);
        let group = "239.9.9.9:9100".parse().unwrap();
        let feed = MarketDataConfig { group, term: TERM, ready: ReadyFlag::default() };
        let published = core.counters.block("market_data", FeedCounters::NAMES);
        let market_data = MarketData::new(feed, core.events.clone(), datagrams_in, published);
        let config = GatewayConfig {
            day: None,
            serves: PortKind::OrderEntry,
            shard: 0,
            term: TERM,
            cluster_key: core.key.clone(),
            messages_per_second_max,
            networks,
            traces: None,
            ufo_sessions_max: 8,
            ready: ReadyFlag::default(),
        };
        let [tail, history] = [core.events.clone(), core.events.clone()];
        let published = core.counters.block("order_entry", GatewayCounters::NAMES);
        let datagrams = Some(datagrams);
        let gateway =
            Gateway::new(config, transport, commands, datagrams, tail, history, published);
        Self { gateway, market_data, core }
    }

    /// One duty cycle of a node's composite; `run` is given each stage in its turn.
    pub(crate) fn cycle(&mut self, run: &mut dyn FnMut(&mut dyn Agent, Nanos)) {
        let Self { gateway, market_data, core } = self;
        core.now = core.now.after(CYCLE);
        run(gateway, core.now);
        run(&mut core.sequencer, core.now);
        run(&mut core.engine, core.now);
        run(gateway, core.now);
        run(market_data, core.now);
    }

    /// The login of a port, to hear what comes from now on.
    pub(crate) fn login(&self, port: &str) -> Vec<u8> {
        self.login_from(port, 0)
    }

    /// The same, to hear message `sequence` of the day and all behind it.
    pub(crate) fn login_from(&self, port: &str, sequence: u64) -> Vec<u8> {
        let name = PortName::new(port).unwrap();
        let secret = self.core.secrets.get(name).unwrap().reveal();
        let request = LoginRequest {
            name,
            secret: SessionId::new(&secret).unwrap().0,
            session: SessionId::BLANK,
            sequence,
            heartbeat_timeout_ms: None,
        };
        let mut packet = [0; LOGIN_REQUEST_BYTES_MAX];
        let size = request.emit(&mut packet);
        packet[..size].to_vec()
    }
}

/// The lines of a record, to push to a ring.
pub(crate) fn lines(record: &impl Record) -> &[Line] {
    record.lines()
}

/// The rules of so many ports of ALFA, besides its first.
pub(crate) fn ports(count: usize) -> String {
    let rules = (0..count).map(|number| {
        format!(
            "[[port]]\nname = \"{}\"\nfirm = \"ALFA\"\nkind = \"order_entry\"\n\
             disconnect = \"keep\"\ndefault_account = 1001\n",
            port_name(number)
        )
    });
    rules.collect()
}

/// The name of one of them.
pub(crate) fn port_name(number: usize) -> String {
    format!("P{number:05}")
}

fn market_text() -> String {
    let mut text = "[[currency]]\ncode = \"USD\"\ncash_decimals = 4\n\
                    [[firm]]\ncode = \"ALFA\"\nopen_orders_max = 4096\n\
                    [[firm]]\ncode = \"BETA\"\nopen_orders_max = 4096\n\
                    [[instrument]]\nsymbol = \"ACME\"\ncurrency = \"USD\"\ntick_size = \"0.01\"\n\
                    reference_price = \"25.00\"\n"
        .to_owned();
    for (firm, account) in [("ALFA", 1001), ("BETA", 2001)] {
        write!(
            text,
            "[[account]]\nnumber = {account}\nfirm = \"{firm}\"\nstatus = \"approved\"\n\
             cash = {{ USD = \"1000000000.00\" }}\nshares = {{ ACME = 1000000000 }}\n\
             [[port]]\nname = \"{firm}01\"\nfirm = \"{firm}\"\nkind = \"order_entry\"\n\
             disconnect = \"keep\"\ndefault_account = {account}\n"
        )
        .expect("a string takes everything");
    }
    text
}
