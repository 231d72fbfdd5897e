//! After warm-up the rarer ways through the gateway ask nothing of the heap either: OUCH 4.2 and drop
//! copies, logins that are refused, and frames that shards pass on. UFO has its own test, of datagrams.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod pipeline;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Mutex;

use rialto::counters::CounterBlock;
use rialto::gateway::{SESSION_BYTES_MAX, TOKENS_BYTES_MAX};
use rialto::net::device::Device;
use rialto::net::ethernet::{ETHER_TYPE_IPV4, EthernetHeader};
use rialto::net::ipv4::{Ipv4Header, PROTOCOL_UDP};
use rialto::net::steering::{PLACES, Spread, Steering};
use rialto::net::udp::UdpHeader;
use rialto::net::{KernelConfig, KernelTransport, MemoryDevice, Stack, StackConfig, Transport};
use rialto::sys::alloc_count::{CountingAllocator, counted, counted_bytes};
use rialto::types::{Nanos, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::ouch42::{self, Token};
use rialto::wire::soup::{self, Packet};
use zerocopy::IntoBytes as _;

use pipeline::Pipeline;
use pipeline::uncounted::Uncounted;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Small, so that the logs go through several.
const SEGMENT_BYTES: u64 = 1 << 20;
/// Cycles in which a step must be answered.
const CYCLES_MAX: usize = 20_000;
const OLDER_AND_COPIES: &str = r#"
[[port]]
name = "ALFA42"
firm = "ALFA"
kind = "order_entry"
protocol = "ouch42"
disconnect = "keep"
default_account = 1001
[[port]]
name = "ALFADC"
firm = "ALFA"
kind = "drop_copy"
"#;

#[test]
fn nothing_is_allocated_for_ouch_4_2_and_for_drop_copies() {
    const WARM_UP: u32 = 1_000;
    const COUNTED: u32 = 3_000;
    let mut exchange = Exchange::open(OLDER_AND_COPIES);
    let [mut older, mut other, mut copies] =
        ["ALFA42", "BETA01", "ALFADC"].map(|port| exchange.client(port));
    exchange.run(&mut [&mut older, &mut other, &mut copies]);
    let mut allocated = 0;
    for step in 0..WARM_UP + COUNTED {
        let price = 250_000 + step % 50 * 100;
        let (rests, trades) = (format!("R{step}"), format!("T{step}"));
        older.says(ouch42_order(&trades, price).as_bytes());
        other.says(&order(step + 1, price, TimeInForce::Day));
        older.says(ouch42_order(&rests, 200_000).as_bytes());
        older.says(ouch42::Cancel::new(token(&rests), Quantity::ZERO).as_bytes());
        // Accepted, executed, accepted, canceled; the copies say the same.
        older.expected += 4;
        copies.expected += 4;
        other.expected += 2;
        let count = exchange.run(&mut [&mut older, &mut other, &mut copies]);
        allocated += if step < WARM_UP { 0 } else { count };
    }
    assert_eq!(allocated, 0);
}

#[test]
fn an_ouch_4_2_port_takes_the_stated_memory_at_once_and_is_closed_when_its_tokens_are_used_up() {
    const TOKENS: u32 = 200_000;
    const ORDERS_PER_STEP: u32 = 400;
    let mut exchange = Exchange::open(OLDER_AND_COPIES);
    // The first sessions of a gateway take what all of them need.
    let mut other = exchange.client("BETA01");
    exchange.run(&mut [&mut other]);
    let before = exchange.gateway_bytes;
    let mut older = exchange.client("ALFA42");
    exchange.run(&mut [&mut older]);
    let taken = exchange.gateway_bytes - before;
    assert!(taken <= SESSION_BYTES_MAX + TOKENS_BYTES_MAX, "{taken} bytes");
    assert!(taken >= TOKENS_BYTES_MAX, "{taken} bytes: more is stated than is taken");
    let mut allocated = 0;
    for step in 0..TOKENS / ORDERS_PER_STEP {
        for number in 1..=ORDERS_PER_STEP {
            // Of no instrument: each is answered, and none stays.
            let text = format!("T{}", step * ORDERS_PER_STEP + number);
            let symbol = Symbol::new("NONE").unwrap();
            let enter = ouch42::Enter::new(token(&text), Side::Buy, Quantity(100), symbol, 250_000);
            older.says(enter.as_bytes());
        }
        older.expected += u64::from(ORDERS_PER_STEP);
        let count = exchange.run(&mut [&mut older]);
        allocated += if step < 20 { 0 } else { count };
    }
    assert_eq!((allocated, exchange.pipeline.gateway.counters().violations), (0, 0));
    // One more ends the session, which may begin again.
    older.says(ouch42_order("ONE MORE", 250_000).as_bytes());
    for _ in 0..CYCLES_MAX {
        exchange.run(&mut []);
        older.hear();
        if exchange.pipeline.gateway.counters().violations > 0 {
            break;
        }
    }
    assert_eq!(exchange.pipeline.gateway.counters().violations, 1);
    let mut older = exchange.client("ALFA42");
    exchange.run(&mut [&mut older]);
    assert!(!older.is_refused);
}

#[test]
fn a_session_takes_no_more_memory_than_is_stated_however_much_it_has_missed() {
    const SESSIONS: usize = 32;
    // More than a session remembers of what lies before it.
    const ORDERS: u32 = 5_000;
    let name = |number: usize| format!("COPY{number:02}");
    let copies = (0..SESSIONS).map(|number| {
        format!("[[port]]\nname = \"{}\"\nfirm = \"ALFA\"\nkind = \"drop_copy\"\n", name(number))
    });
    let mut exchange = Exchange::open(&copies.collect::<String>());
    let mut alfa = exchange.client("ALFA01");
    for number in 1..=ORDERS {
        alfa.says(&order(number, 250_000, TimeInForce::ImmediateOrCancel));
        alfa.expected += 1;
        exchange.run(&mut [&mut alfa]);
    }
    let before = exchange.gateway_bytes;
    for number in 0..SESSIONS {
        let mut login = exchange.pipeline.login(&name(number));
        login[29..49].copy_from_slice(format!("{:>20}", 1).as_bytes());
        let mut copy = exchange.stranger();
        copy.stream.write_all(&login).unwrap();
        // Behind the start of the day.
        copy.expected += 1 + u64::from(ORDERS);
        exchange.run(&mut [&mut copy]);
        std::mem::forget(copy);
    }
    let each = (exchange.gateway_bytes - before) / SESSIONS;
    assert!(each <= SESSION_BYTES_MAX, "{each} bytes each");
    assert!(2 * each >= SESSION_BYTES_MAX, "{each} bytes each: more is stated than is taken");
}

#[test]
fn nothing_is_allocated_for_logins_that_are_refused_whether_their_secret_is_looked_at_or_not() {
    const WARM_UP: u32 = 20;
    // Together fewer than connections of one host, whose ends take a while.
    const COUNTED: u32 = 200;
    let mut exchange = Exchange::open("");
    let mut allocated = 0;
    for step in 0..WARM_UP + COUNTED {
        // A wrong secret of a port, which soon is not looked at any more, and names that are nobody's.
        let mut login = exchange.pipeline.login("ALFA01");
        let name = if step % 2 == 0 { "ALFA01".to_owned() } else { format!("X{step:05}") };
        login[3..9].copy_from_slice(name.as_bytes());
        login[9] ^= 1;
        let mut stranger = exchange.stranger();
        stranger.stream.write_all(&login).unwrap();
        let count = exchange.run(&mut [&mut stranger]);
        assert!(stranger.is_refused);
        allocated += if step < WARM_UP { 0 } else { count };
    }
    let counters = exchange.pipeline.gateway.counters();
    assert_eq!(counters.logins_rejected, u64::from(WARM_UP + COUNTED), "{counters:?}");
    assert!(counters.logins_backed_off > 100, "{counters:?}");
    assert_eq!(allocated, 0);
}

#[test]
fn strangers_who_try_secrets_without_end_do_not_fill_the_log() {
    const STRANGERS: usize = 150;
    let mut exchange = Exchange::open("");
    let (log, writer) = std::io::pipe().unwrap();
    let subscriber = tracing_subscriber::fmt().with_writer(Mutex::new(writer)).finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..STRANGERS {
            let mut login = exchange.pipeline.login("ALFA01");
            login[9] ^= 1;
            let mut stranger = exchange.stranger();
            stranger.stream.write_all(&login).unwrap();
            exchange.run(&mut [&mut stranger]);
            assert!(stranger.is_refused);
        }
    });
    assert_eq!(exchange.pipeline.gateway.counters().logins_rejected, STRANGERS as u64);
    let log = std::io::read_to_string(log).unwrap();
    // In less than a second: what is said at once, and no more.
    assert_eq!(log.matches("login refused").count(), 100);
}

#[test]
fn nothing_is_allocated_for_frames_that_one_shard_passes_to_another() {
    const ROUNDS: u64 = 5_000;
    let ours = Ipv4Addr::new(10, 9, 0, 1);
    let config = StackConfig { receive_port: Some(7_001), ..StackConfig::new(ours, 24, 7_001) };
    let spread = Spread::new(2, ours, PLACES);
    let mut fars = Vec::new();
    let stack = |part| {
        let (near, far) = MemoryDevice::pair(1_024);
        fars.push(far);
        let device = Uncounted::new(near);
        Stack::new(config.clone(), device, CounterBlock::none()).unwrap().steered(part)
    };
    let mut stacks: Vec<_> = Steering::mesh(&spread, None).into_iter().map(stack).collect();
    let host = (2..200).map(|last| Ipv4Addr::new(10, 9, 0, last));
    let host = host.into_iter().find(|&host| spread.shard_of(host) == 1).unwrap();
    // The device brings to the first what is the second's.
    let [mut far, _] = <[MemoryDevice; 2]>::try_from(fars).unwrap();
    let frame = datagram(host, ours, &far, &stacks[0]);
    let (mut taken, mut allocated) = (0, 0);
    for round in 0..ROUNDS {
        far.transmit(frame.len(), |sent| sent.copy_from_slice(&frame)).unwrap();
        far.flush();
        while far.receive().is_some() {}
        let now = Nanos::from_millis(round);
        for stack in &mut stacks {
            let (heard, count) = counted(|| {
                stack.poll(now);
                stack.next_datagram().is_some()
            });
            taken += u64::from(heard);
            allocated += count;
        }
    }
    let passed = [stacks[0].counters().passed_on, stacks[1].counters().passed_here];
    assert_eq!((passed, taken), ([ROUNDS; 2], ROUNDS));
    assert_eq!(allocated, 0);
}

/// A frame with a datagram of `from`'s.
fn datagram(from: Ipv4Addr, to: Ipv4Addr, far: &MemoryDevice, stack: &Stack<Uncounted>) -> Vec<u8> {
    let payload = b"order";
    let ether = EthernetHeader {
        destination: stack.device().mac(),
        source: far.mac(),
        ether_type: ETHER_TYPE_IPV4,
    };
    let ip = Ipv4Header {
        source: from,
        destination: to,
        protocol: PROTOCOL_UDP,
        ttl: 64,
        payload_len: u16::try_from(UdpHeader::LEN + payload.len()).unwrap(),
    };
    let udp = UdpHeader { source_port: 7_001, destination_port: 7_001 };
    [&ether.emit()[..], &ip.emit(), &udp.emit(&ip, payload), payload].concat()
}

/// The whole path over kernel sockets.
struct Exchange {
    pipeline: Pipeline<KernelTransport>,
    address: SocketAddr,
    /// What the gateway has asked for.
    gateway_bytes: usize,
}

impl Exchange {
    fn open(rules: &str) -> Self {
        let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let config = KernelConfig::new(listen);
        let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
        let address = transport.local_address().unwrap();
        let pipeline = Pipeline::open(transport, SEGMENT_BYTES, rules);
        Self { pipeline, address, gateway_bytes: 0 }
    }

    fn stranger(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Client { stream, received: Vec::new(), heard: 0, expected: 1, is_refused: false }
    }

    /// One that asks to be let in, and expects to be.
    fn client(&self, port: &str) -> Client {
        let mut client = self.stranger();
        client.stream.write_all(&self.pipeline.login(port)).unwrap();
        client
    }

    /// Runs cycles until the clients have heard all that they expect, and counts what the gateway takes
    /// from the heap.
    fn run(&mut self, clients: &mut [&mut Client]) -> u64 {
        let mut allocated = 0;
        for _ in 0..CYCLES_MAX {
            self.pipeline.cycle(&mut |agent, now| {
                let work = || agent.do_work(now).is_ok();
                let ((done, bytes), count) = counted(|| counted_bytes(work));
                assert!(done, "{} failed", agent.name());
                allocated += count;
                self.gateway_bytes += if agent.name() == "order_entry" { bytes } else { 0 };
            });
            for client in clients.iter_mut() {
                client.hear();
            }
            if clients.iter().all(|client| client.heard >= client.expected) {
                break;
            }
        }
        for client in clients {
            assert_eq!(client.heard, client.expected);
        }
        allocated
    }
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Packets that are no heartbeat.
    heard: u64,
    expected: u64,
    is_refused: bool,
}

impl Client {
    fn says(&mut self, message: &[u8]) {
        let header = soup::unsequenced_header(message.len()).unwrap();
        self.stream.write_all(&[&header, message].concat()).unwrap();
    }

    fn hear(&mut self) {
        let mut bytes = [0; 4_096];
        let came = self.stream.read(&mut bytes).unwrap_or(0);
        self.received.extend_from_slice(&bytes[..came]);
        while let Some((packet, size)) = soup::parse(&self.received, 65_535).unwrap() {
            self.is_refused |= matches!(packet, Packet::LoginRejected(_));
            self.heard += u64::from(packet != Packet::ServerHeartbeat);
            self.received.drain(..size);
        }
    }
}

fn token(name: &str) -> Token {
    Token::new(name).unwrap()
}

fn ouch42_order(name: &str, price: u32) -> ouch42::Enter {
    let symbol = Symbol::new("ACME").unwrap();
    ouch42::Enter::new(token(name), Side::Buy, Quantity(100), symbol, price)
}

fn order(number: u32, price: u32, time_in_force: TimeInForce) -> Vec<u8> {
    let symbol = Symbol::new("ACME").unwrap();
    let (number, price) = (UserRefNum(number), Price(price.into()));
    let order = Enter::new(number, Side::Sell, Quantity(100), symbol, price, time_in_force);
    let mut message = [0; ENTER_BYTES_MAX];
    let length = order.emit(&Options::default(), &mut message);
    message[..length].to_vec()
}
