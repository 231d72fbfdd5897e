//! After warm-up the stages of an order's path ask nothing of the heap: counted, over kernel sockets on
//! loopback and over our own TCP on a wire in memory.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod pipeline;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::rc::Rc;

use rialto::consensus::udp::{UdpConfig, UdpTransport};
use rialto::consensus::{MESSAGE_BYTES_MAX, Transport as _};
use rialto::counters::CounterBlock;
use rialto::net::device::Device;
use rialto::net::ethernet::{ETHER_TYPE_IPV4, EthernetHeader};
use rialto::net::ipv4::{Ipv4Header, Ipv4Network, PROTOCOL_UDP};
use rialto::net::udp::UdpHeader;
use rialto::net::{
    ClientConnection, ClientHost, KernelConfig, KernelTransport, MemoryDevice, NetEvent, Stack,
    StackConfig, Transport,
};
use rialto::sys::alloc_count::{
    CountingAllocator, counted, counted_bytes, counted_held, uncounted,
};
use rialto::types::command::{CommandHeader, NewOrder, PortUp, SetPhase};
use rialto::types::{
    Epoch, Line, Nanos, Phase, PortId, Price, Quantity, Record, Side, Symbol, TimeInForce,
    UserRefNum,
};
use rialto::wire::ouch::{CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::soup::{self, Packet};
use zerocopy::FromZeros as _;

use pipeline::uncounted::Uncounted;
use pipeline::{Core, Pipeline};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Steps of a story before and while it is counted. In each: a trade, and an order that is canceled.
const WARM_UP: u32 = 2_000;
const COUNTED: u32 = 5_000;
/// Small, so that the logs go through several.
const SEGMENT_BYTES: u64 = 1 << 20;
/// Cycles in which a step must be answered.
const CYCLES_MAX: usize = 20_000;

/// Every check has something to look at, and refuses nothing.
const RULES: &str = r#"
[[fee]]
account = 1001
maker_bp = "-0.20"
taker_bp = "0.30"

[[limit]]
currency = "USD"
order_quantity_max = 999999
order_notional_max = "1000000000.00"
collar_bp = 9000
shares_per_day_max = 1000000000000
open_orders_max = 1000000
gross_exposure_max = "900000000000000.00"
net_exposure_max = "900000000000000.00"
message_rate_max = 4000000000
symbol_message_rate_max = 4000000000
duplicate_window_ms = 1
"#;

#[test]
fn nothing_is_allocated_over_kernel_sockets() {
    let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let transport = KernelTransport::new(&KernelConfig::new(listen), CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let mut pipeline = Pipeline::open(transport, SEGMENT_BYTES, RULES);
    story(&mut pipeline, [connect(), connect()]);
}

#[test]
fn nothing_is_allocated_over_our_own_tcp() {
    let (near, far) = MemoryDevice::pair(1_024);
    let ours = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 7_001);
    let stack = StackConfig::new(*ours.ip(), 24, ours.port());
    let device = Uncounted::new(near);
    let stack = Stack::new(stack, device, CounterBlock::none()).unwrap();
    let mut pipeline = Pipeline::open(stack, SEGMENT_BYTES, RULES);
    let network = Ipv4Network::new(Ipv4Addr::new(10, 9, 0, 2), 24).unwrap();
    let host = ClientHost::new(far, network, ours, pipeline.core.now);
    let host = Rc::new(RefCell::new(host));
    let wires = [40_001, 40_002].map(|port| {
        let connection = host.borrow_mut().connect(port);
        HostWire { host: Rc::clone(&host), connection, unsent: Vec::new() }
    });
    story(&mut pipeline, wires);
}

#[test]
fn a_connection_takes_no_more_memory_than_is_stated_and_all_of_it_at_the_start() {
    const CONNECTIONS: usize = 2_000;
    let ours = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 7_001);
    let stack = |connections_max: usize| {
        let (near, far) = MemoryDevice::pair(1_024);
        let device = Uncounted::new(near);
        let config =
            StackConfig { connections_max, ..StackConfig::new(*ours.ip(), 24, ours.port()) };
        let stated = config.bytes_per_connection();
        let make = || Stack::new(config, device, CounterBlock::none()).unwrap();
        let (stack, bytes) = counted_bytes(make);
        (stack, far, bytes, stated)
    };
    let (.., none, stated) = stack(1);
    let (mut stack, far, bytes, _) = stack(CONNECTIONS + 1);
    let each = (bytes - none) / CONNECTIONS;
    assert!(each <= stated, "{each} bytes each, {stated} stated");
    assert!(stated <= each + 1_024, "{each} bytes each, {stated} stated");

    // As many handshakes as one host may have, and their ends.
    let network = Ipv4Network::new(Ipv4Addr::new(10, 9, 0, 2), 24).unwrap();
    let mut now = Nanos::SECOND;
    let mut host = ClientHost::new(far, network, ours, now);
    let wires: Vec<_> = (40_000..40_200).map(|port| host.connect(port)).collect();
    let (mut opened, mut allocated) = (Vec::with_capacity(wires.len()), 0);
    for _ in 0..1_000 {
        now = now.after(Nanos::from_micros(100));
        host.poll(now);
        let ((), count) = counted(|| {
            stack.poll(now);
            stack.flush(now);
            while let Some(event) = stack.next_event() {
                if let NetEvent::Opened { connection, .. } = event {
                    opened.push(connection);
                }
            }
            if opened.len() == wires.len() {
                for &connection in &opened {
                    stack.abort(connection);
                }
            }
        });
        allocated += count;
    }
    assert_eq!((opened.len(), stack.connection_count()), (wires.len(), 0));
    assert_eq!(allocated, 0);
}

#[test]
fn nothing_is_allocated_for_datagrams_whether_they_are_taken_or_lost() {
    let (near, mut far) = MemoryDevice::pair(1_024);
    let [ours, theirs] = [1, 2].map(|host| SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, host), 7_001));
    let device = Uncounted::new(near);
    let config =
        StackConfig { receive_port: Some(7_001), ..StackConfig::new(*ours.ip(), 24, 7_001) };
    let frame = datagram(EthernetHeader {
        destination: device.mac(),
        source: far.mac(),
        ether_type: ETHER_TYPE_IPV4,
    });
    let mut stack = Stack::new(config, device, CounterBlock::none()).unwrap();
    let mut allocated = 0;
    for cycle in 0..COUNTED {
        for _ in 0..30 {
            far.transmit(frame.len(), |sent| sent.copy_from_slice(&frame)).unwrap();
        }
        far.flush();
        while far.receive().is_some() {}
        let now = Nanos::from_millis(u64::from(cycle));
        let ((), count) = counted(|| {
            stack.poll(now);
            // At times the user does not come for so long that some are lost.
            while cycle % 16 == 0
                && let Some((from, payload)) = stack.next_datagram()
            {
                assert_eq!((from, payload), (theirs, &b"order"[..]));
            }
        });
        allocated += count;
    }
    assert!(stack.counters().datagrams_lost > 0 && stack.counters().datagrams_received > 0);
    assert_eq!(allocated, 0);
}

/// A frame with a datagram from .2 to .1.
fn datagram(header: EthernetHeader) -> Vec<u8> {
    let payload = b"order";
    let ip = Ipv4Header {
        source: Ipv4Addr::new(10, 9, 0, 2),
        destination: Ipv4Addr::new(10, 9, 0, 1),
        protocol: PROTOCOL_UDP,
        ttl: 64,
        payload_len: u16::try_from(UdpHeader::LEN + payload.len()).unwrap(),
    };
    let udp = UdpHeader { source_port: 7_001, destination_port: 7_001 };
    [&header.emit()[..], &ip.emit(), &udp.emit(&ip, payload), payload].concat()
}

#[test]
fn nothing_is_allocated_in_an_auction() {
    let mut core = Core::open(SEGMENT_BYTES, RULES);
    let port = PortId(1);
    let header = CommandHeader::new::<PortUp>(port, Epoch::NONE, Nanos::ZERO);
    core.commands.push(PortUp { header, ..PortUp::new_zeroed() }.lines()).unwrap();
    core.cycle();
    let epoch = core.engine.engine().order_manager().ports.get(port.0).unwrap().epoch;
    let mut number = 0;
    let mut allocated = 0;
    for round in 0..40 {
        let mut give = |command: &[Line]| {
            core.commands.push(command).unwrap();
            core.now = core.now.after(Nanos::SECOND);
            let count = counted(|| core.cycle()).1;
            allocated += if round < 20 { 0 } else { count };
        };
        give(phase(Phase::PreOpen).lines());
        for step in 0..30 {
            number += 1;
            let order = NewOrder {
                header: CommandHeader::new::<NewOrder>(port, epoch, Nanos::ZERO),
                price: if step < 2 { Price::MARKET } else { Price(250_000 + step * 100) },
                symbol: Symbol::new("ACME").unwrap(),
                user_ref_num: UserRefNum(number),
                quantity: Quantity(100),
                side: if number % 2 == 0 { b'B' } else { b'S' },
                time_in_force: TimeInForce::Day.byte(),
                display: b'Y',
                capacity: b'A',
                intermarket_sweep: b'N',
                cross_type: if step < 10 { b'O' } else { b'N' },
                ..NewOrder::new_zeroed()
            };
            give(order.lines());
        }
        give(phase(Phase::Continuous).lines());
        give(phase(Phase::Closed).lines());
    }
    let last_price = core.engine.engine().order_manager().instruments.get(1).unwrap().trading;
    assert!(last_price.last_price > Price(250_000), "{last_price:?}");
    assert_eq!(allocated, 0);
}

fn phase(phase: Phase) -> SetPhase {
    let header = CommandHeader::internal::<SetPhase>(Nanos::ZERO);
    SetPhase { header, phase: phase.byte(), ..SetPhase::new_zeroed() }
}

#[test]
fn an_allocation_is_counted() {
    let (boxed, count) = counted(|| Box::new(uncounted(|| String::from("not this one"))));
    assert_eq!((boxed.len(), count), (12, 1));
    let (mut kept, held) = counted_held(|| vec![7_u8; 1_000]);
    assert_eq!(held, 1_000);
    let ((), held) = counted_held(|| {
        kept.reserve_exact(9_000);
        drop(vec![7_u8; 500]);
    });
    assert_eq!(held, 9_000);
    assert_eq!(counted_held(|| drop(kept)).1, -10_000);
}

/// Two participants trade with each other, first uncounted, then counted.
fn story<T: Transport + std::fmt::Debug, W: Wire>(pipeline: &mut Pipeline<T>, wires: [W; 2]) {
    let mut clients = wires.map(Client::new);
    for (client, port) in clients.iter_mut().zip(["ALFA01", "BETA01"]) {
        client.wire.send(&pipeline.login(port));
        client.expected += 1;
    }
    let mut allocated = BTreeMap::new();
    answered(pipeline, &mut clients, &mut allocated);
    for step in 0..WARM_UP + COUNTED {
        if step == WARM_UP {
            allocated.clear();
        }
        let price = Price(250_000 + u64::from(step % 50) * 100);
        let [alfa, beta] = &mut clients;
        let number = 3 * step;
        alfa.enters(number + 1, Side::Buy, price);
        beta.enters(number + 2, Side::Sell, price);
        alfa.enters(number + 3, Side::Buy, Price(200_000 + u64::from(step % 70) * 100));
        alfa.cancels(number + 3);
        // Accepted, executed, accepted and canceled; accepted and executed.
        alfa.expected += 4;
        beta.expected += 2;
        answered(pipeline, &mut clients, &mut allocated);
    }
    allocated.retain(|_, count| *count > 0);
    assert!(allocated.is_empty(), "allocations in {COUNTED} steps: {allocated:?}");
}

/// Runs cycles until the clients have heard all that they expect.
fn answered<T: Transport + std::fmt::Debug, W: Wire>(
    pipeline: &mut Pipeline<T>,
    clients: &mut [Client<W>],
    allocated: &mut BTreeMap<&'static str, u64>,
) {
    for _ in 0..CYCLES_MAX {
        pipeline.cycle(&mut |agent, now| {
            let (done, count) = counted(|| agent.do_work(now).is_ok());
            assert!(done, "{} failed", agent.name());
            *allocated.entry(agent.name()).or_default() += count;
        });
        for client in clients.iter_mut() {
            client.hear(pipeline.core.now);
        }
        if clients.iter().all(|client| client.heard == client.expected) {
            return;
        }
    }
    let heard: Vec<_> = clients.iter().map(|client| (client.heard, client.expected)).collect();
    panic!("not answered: {heard:?}");
}

/// A participant's connection; it never waits.
trait Wire {
    fn send(&mut self, bytes: &[u8]);
    fn receive(&mut self, now: Nanos, into: &mut [u8]) -> usize;
}

impl Wire for TcpStream {
    fn send(&mut self, bytes: &[u8]) {
        self.write_all(bytes).unwrap();
    }

    fn receive(&mut self, _now: Nanos, into: &mut [u8]) -> usize {
        self.read(into).unwrap_or(0)
    }
}

struct HostWire {
    host: Rc<RefCell<ClientHost<MemoryDevice>>>,
    connection: ClientConnection,
    /// What waits for the connection to open.
    unsent: Vec<u8>,
}

impl Wire for HostWire {
    fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    fn receive(&mut self, now: Nanos, into: &mut [u8]) -> usize {
        let mut host = self.host.borrow_mut();
        host.poll(now);
        let sent = host.send(self.connection, &self.unsent);
        self.unsent.drain(..sent);
        host.receive(self.connection, into)
    }
}

struct Client<W> {
    wire: W,
    received: Vec<u8>,
    /// Packets that are no heartbeat.
    heard: u64,
    expected: u64,
}

impl<W: Wire> Client<W> {
    fn new(wire: W) -> Self {
        Self { wire, received: Vec::new(), heard: 0, expected: 0 }
    }

    fn enters(&mut self, number: u32, side: Side, price: Price) {
        let symbol = Symbol::new("ACME").unwrap();
        let (number, quantity) = (UserRefNum(number), Quantity(100));
        let order = Enter::new(number, side, quantity, symbol, price, TimeInForce::Day);
        let mut message = [0; ENTER_BYTES_MAX];
        let length = order.emit(&Options::default(), &mut message);
        self.says(&message[..length]);
    }

    fn cancels(&mut self, number: u32) {
        let cancel = Cancel::new(UserRefNum(number), Quantity::ZERO);
        let mut message = [0; CANCEL_BYTES_MAX];
        let size = cancel.emit(&Options::default(), &mut message);
        self.says(&message[..size]);
    }

    fn says(&mut self, message: &[u8]) {
        let header = soup::unsequenced_header(message.len()).unwrap();
        self.wire.send(&[&header, message].concat());
    }

    fn hear(&mut self, now: Nanos) {
        let mut bytes = [0; 4_096];
        let came = self.wire.receive(now, &mut bytes);
        self.received.extend_from_slice(&bytes[..came]);
        while let Some((packet, size)) = soup::parse(&self.received, 65_535).unwrap() {
            assert!(!matches!(packet, Packet::LoginRejected(_) | Packet::EndOfSession));
            self.heard += u64::from(packet != Packet::ServerHeartbeat);
            self.received.drain(..size);
        }
    }
}

#[test]
fn messages_between_hosts_in_one_part_or_many_take_nothing_from_the_heap() {
    let place = |host: u8| SocketAddrV4::new(Ipv4Addr::new(127, 8, 0, host), 26_703);
    let host = |host: u8, other: u8| {
        let peers = vec![(u32::from(other), place(other))];
        let config = UdpConfig { host: host.into(), bind: place(host), peers, mtu: 1_500 };
        UdpTransport::new(&config).unwrap()
    };
    let (mut one, mut other) = (host(1, 2), host(2, 1));
    let message = vec![7; MESSAGE_BYTES_MAX];
    let (received, allocated) = counted(|| {
        let mut received = 0;
        for round in 0..500 {
            one.send(2, &message[..=round * 131]);
            one.publish(&message[..200]);
            for _ in 0..CYCLES_MAX {
                received += usize::from(other.receive().is_some());
                if received == 2 * (round + 1) {
                    break;
                }
            }
        }
        received
    });
    assert_eq!((received, allocated), (1_000, 0));
}

/// Of ours: what the driver's C asks for is not seen here.
#[cfg(feature = "aeron")]
#[test]
fn messages_between_hosts_over_aeron_take_nothing_from_the_heap() {
    use rialto::consensus::aeron::{AeronConfig, AeronTransport, PayloadStream};
    let place = |host: u8| SocketAddrV4::new(Ipv4Addr::new(127, 8, 1, host), 26_704);
    let host = |host: u8, other: u8| {
        let directory = format!("/dev/shm/rialto-test-{}-heap-{host}", std::process::id());
        let payload = PayloadStream::Destinations { control: 26_705 };
        let config = AeronConfig {
            host: host.into(),
            directory: directory.into(),
            bind: place(host),
            peers: vec![(other.into(), place(other))],
            voters: 2,
            votes: true,
            payload,
            mtu: 1_500,
        };
        AeronTransport::new(&config).unwrap()
    };
    let (mut one, mut other) = (host(1, 2), host(2, 1));
    let message = vec![7; MESSAGE_BYTES_MAX];
    // Both sides work and the other one hears, until it has heard so much.
    let mut hear = |one: &mut AeronTransport, wanted: u64| {
        for _ in 0..CYCLES_MAX {
            one.do_work().unwrap();
            other.do_work().unwrap();
            while other.receive().is_some() {}
            if other.counters().received >= wanted {
                break;
            }
        }
        other.counters().received
    };
    let mut heard = 0;
    for _ in 0..CYCLES_MAX {
        one.send(2, &message[..200]);
        one.publish(&message[..200]);
        heard = hear(&mut one, heard + 1);
        if one.counters().sent > 100 && one.counters().published > 100 {
            break;
        }
    }
    // A machine that is busy with something else may end the streams meanwhile: their beginning anew is
    // not what is counted.
    let left = |one: &AeronTransport| one.counters().sent + one.counters().published;
    let troubles = |one: &AeronTransport| {
        let counters = one.counters();
        (counters.not_sent_absent, counters.published_directly)
    };
    for _ in 0..20 {
        let (begun, undisturbed) = (left(&one), troubles(&one));
        let ((), allocated) = counted(|| {
            for round in 0..500 {
                let before = left(&one);
                one.send(2, &message[..=round * 131]);
                one.publish(&message[..=round * 131]);
                let wanted = heard + left(&one) - before;
                heard = hear(&mut one, wanted);
            }
        });
        if troubles(&one) == undisturbed {
            assert_eq!(allocated, 0);
            assert!(left(&one) - begun > 700, "{:?}", one.counters());
            return;
        }
    }
    panic!("never undisturbed: {:?}", one.counters());
}
