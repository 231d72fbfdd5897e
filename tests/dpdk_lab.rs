//! The stack over a real DPDK port, against kernel clients on the other side of a wire.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod lab;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rialto::counters::CounterBlock;
use rialto::net::ipv4::{Ipv4Header, checksum, sum};
use rialto::net::stack::Counters;
use rialto::net::steering::SPREAD_KEY;
use rialto::net::{DpdkConfig, DpdkDevice, NetEvent, Stack, StackConfig, Transport, WithEcho};
use rialto::sys::dpdk::{DpdkError, Eal, Mempool, Port, PortConfig};
use rialto::types::Nanos;
use socket2::{Domain, Protocol, Socket, Type};

use lab::{LAB, OURS, PATIENCE, PORT, ROLE, THEIRS, arguments, eal, echo, now, role, runs};

const BROKERS: [&str; 4] = ["ip", "netns", "exec", "brokers"];
const MARKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/market-small.toml");
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 0, 1), 26_400);
const AF_PACKET: &str = "--vdev=net_af_packet0,iface=rialto0";

#[test]
fn a_kernel_client_is_echoed_over_dpdk_and_a_kernel_member_gets_the_multicast() {
    echo_story(
        "a_kernel_client_is_echoed_over_dpdk_and_a_kernel_member_gets_the_multicast",
        AF_PACKET,
    );
}

#[test]
fn the_same_over_af_xdp() {
    if !is_root() {
        // It loads a program into the kernel, which no namespace of a user's own gives the right to. Said past
        // the harness, which keeps what a test that passes prints.
        let why = b"not tested: net_af_xdp is for root alone\n";
        return std::io::stderr().write_all(why).unwrap();
    }
    echo_story("the_same_over_af_xdp", "--vdev=net_af_xdp0,iface=rialto0");
}

#[test]
fn the_same_over_a_tap_which_looks_at_checksums_and_fills_them_in() {
    const TEST: &str = "the_same_over_a_tap_which_looks_at_checksums_and_fills_them_in";
    // In a lab anybody may make one.
    std::fs::File::open("/dev/net/tun").expect("a tap needs the kernel's tun: modprobe tun");
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            runs(role(&[LAB], TEST, "server"));
        }
        Ok("server") => {
            // The kernel's end is in the same namespace, and has its address when the port is there.
            let counters = serve(role(&[], TEST, "client"), "--vdev=net_tap0,iface=tap0");
            let Counters { opened, malformed, denied, checksum_wrong, .. } = counters;
            let counted = (opened, malformed, denied, checksum_wrong);
            assert_eq!(counted, (9, 0, 0, 1), "{counters:?}");
        }
        Ok("client") => {
            run("ip addr add 10.9.0.2/24 dev tap0");
            run("ip link set tap0 up");
            be_a_client();
        }
        Ok(other) => panic!("no role {other}"),
    }
}

/// Runs a command that must succeed, and returns what it says.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_switch_of_the_kernels_learns_of_our_groups_and_forwards_them_as_long_as_we_answer_it() {
    const TEST: &str =
        "a_switch_of_the_kernels_learns_of_our_groups_and_forwards_them_as_long_as_we_answer_it";
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            for version in ["2", "3"] {
                let mut command = role(&[LAB], TEST, "server");
                command.env("RIALTO_IGMP", version);
                runs(command);
            }
        }
        Ok("server") => be_a_member(role(&BROKERS, TEST, "client")),
        Ok("client") => be_a_switch(),
        Ok(other) => panic!("no role {other}"),
    }
}

const JOINED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 9, 0, 7), PORT);
/// Datagrams to the group behind the time after which a switch forgets who does not answer.
const FORWARDED: usize = 10;

/// Takes what comes to a group until the client is done.
fn be_a_member(mut client: Command) {
    let device = DpdkDevice::open(&DpdkConfig::new(eal(AF_PACKET)), CounterBlock::none()).unwrap();
    let config = StackConfig {
        receive_port: Some(PORT),
        groups: vec![*JOINED.ip()],
        ..StackConfig::new(OURS, 24, PORT)
    };
    let mut stack = Stack::new(config, device, CounterBlock::none()).unwrap();
    let mut client = client.spawn().unwrap();
    let (start, mut heard) = (Instant::now(), 0);
    let status = loop {
        assert!(start.elapsed() < PATIENCE, "the client takes too long: {:?}", stack.counters());
        stack.poll(now());
        stack.flush(now());
        while let Some((_, payload)) = stack.next_datagram() {
            heard += usize::from(payload == b"late");
        }
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success(), "the client failed: {status}, {:?}", stack.counters());
    assert_eq!(heard, FORWARDED, "{:?}", stack.counters());
    assert!(stack.counters().membership_reports >= 4, "{:?}", stack.counters());
}

/// A bridge that asks for members each half second, forgets them after three, and forwards to nobody else.
fn be_a_switch() {
    let version = std::env::var("RIALTO_IGMP").unwrap();
    run("ip addr flush dev lab0");
    run(&format!(
        "ip link add br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_use_ifaddr 1 \
         mcast_igmp_version {version} mcast_startup_query_interval 50 mcast_query_interval 50 \
         mcast_query_response_interval 30 mcast_membership_interval 300"
    ));
    run("ip link set lab0 master br0");
    run("ip addr add 10.9.0.2/24 dev br0");
    run("ip link set br0 up");
    let knows = || run("bridge mdb show dev br0").contains(&JOINED.ip().to_string());
    let start = Instant::now();
    while !knows() {
        assert!(start.elapsed() < PATIENCE, "it is not told: {}", run("bridge mdb show dev br0"));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(4));
    assert!(knows(), "its questions are not answered");
    let sender = UdpSocket::bind(SocketAddrV4::new(THEIRS, 0)).unwrap();
    for _ in 0..FORWARDED {
        sender.send_to(b"late", JOINED).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line == "Uid:\t0\t0\t0\t0")
}

fn echo_story(test: &str, device: &str) {
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            runs(role(&[LAB], test, "server"));
        }
        Ok("server") => {
            let counters = serve(role(&BROKERS, test, "client"), device);
            let Counters { opened, malformed, denied, checksum_wrong, .. } = counters;
            // These devices do no checksums.
            let counted = (opened, malformed, denied, checksum_wrong);
            assert_eq!(counted, (9, 1, 0, 0), "{counters:?}");
        }
        Ok("client") => be_a_client(),
        Ok(other) => panic!("no role {other}"),
    }
}

/// Echoes, and sends a datagram to the group each millisecond, until the client is done.
#[expect(clippy::zombie_processes, reason = "the lab ends with the server, and the client with it")]
fn serve(mut client: Command, device: &str) -> Counters {
    let device = DpdkDevice::open(&DpdkConfig::new(eal(device)), CounterBlock::none()).unwrap();
    let mut stack =
        Stack::new(StackConfig::new(OURS, 24, PORT), device, CounterBlock::none()).unwrap();
    let mut client = client.spawn().unwrap();

    let (start, mut next_datagram) = (Instant::now(), Nanos::ZERO);
    let status = loop {
        assert!(start.elapsed() < PATIENCE, "the client takes too long: {:?}", stack.counters());
        let now = now();
        stack.poll(now);
        while let Some(event) = stack.next_event() {
            match event {
                NetEvent::Readable(id) | NetEvent::Writable(id) => echo(&mut stack, id),
                NetEvent::Ended(id) => stack.close(id),
                NetEvent::Opened { .. } | NetEvent::Closed(_) => {}
            }
        }
        stack.flush(now);
        if now >= next_datagram {
            assert!(stack.send_datagram(GROUP, b"prices"));
            next_datagram = now.after(Nanos::from_millis(1));
            if let Some(status) = client.try_wait().unwrap() {
                break status;
            }
        }
    };
    assert!(status.success(), "the client failed: {status}, {:?}", stack.counters());
    let counted = stack.device().stats();
    assert!(counted.rx_packets > 0 && counted.tx_packets > 0, "{counted:?}");
    *stack.counters()
}

/// Pings us with this much, and takes the answer.
fn ping(length: usize) {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(&SocketAddrV4::new(OURS, 0).into()).unwrap();
    let mut request = vec![0; 8 + length];
    request[0] = 8;
    request[8..].fill(7);
    let check = checksum(sum(0, &request));
    request[2..4].copy_from_slice(&check.to_be_bytes());
    socket.send(&request).unwrap();
    let mut bytes = [0; 2_048];
    let count = (&socket).read(&mut bytes).unwrap();
    let (_, answer) = Ipv4Header::parse(&bytes[..count]).unwrap();
    assert_eq!((answer[0], &answer[8..]), (0, &request[8..]), "{length} bytes");
}

/// Sends a datagram whose checksum is wrong.
fn send_damaged() {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap();
    socket.connect(&SocketAddrV4::new(OURS, 0).into()).unwrap();
    socket.send(&[0, 1, 0, 2, 0, 12, 0x12, 0x34, b'd', b'a', b't', b'a']).unwrap();
}

fn be_a_client() {
    let member = UdpSocket::bind(GROUP).unwrap();
    member.join_multicast_v4(GROUP.ip(), &THEIRS).unwrap();
    member.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut datagram = [0; 16];
    let (count, from) = member.recv_from(&mut datagram).unwrap();
    assert_eq!((&datagram[..count], from.ip()), (&b"prices"[..], OURS.into()));

    // As long as a frame can be.
    ping(56);
    ping(1_472);
    send_damaged();
    let connect = || {
        let stream =
            TcpStream::connect_timeout(&SocketAddrV4::new(OURS, PORT).into(), PATIENCE).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    // Many small messages on several connections at once.
    let mut streams: Vec<_> = (0..8).map(|_| connect()).collect();
    for round in 0..200_u32 {
        for stream in &mut streams {
            stream.write_all(&round.to_be_bytes()).unwrap();
        }
        for stream in &mut streams {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            assert_eq!(u32::from_be_bytes(bytes), round);
        }
    }
    drop(streams);

    // Much at once, and an orderly end.
    let mut stream = connect();
    let bulk: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = bulk.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    let mut received = vec![0; bulk.len()];
    stream.read_exact(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == bulk);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut received).unwrap(), 0);
}

#[test]
fn datagrams_of_a_kernel_client_are_echoed_over_dpdk_and_those_to_other_ports_are_dropped() {
    const TEST: &str =
        "datagrams_of_a_kernel_client_are_echoed_over_dpdk_and_those_to_other_ports_are_dropped";
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            runs(role(&[LAB], TEST, "server"));
        }
        Ok("server") => echo_datagrams(role(&BROKERS, TEST, "client")),
        Ok("client") => send_datagrams(),
        Ok(other) => panic!("no role {other}"),
    }
}

/// Source ports whose datagrams are echoed.
const ECHO_PORTS: std::ops::RangeInclusive<u16> = 46_000..=46_009;
const ECHOES: u32 = 500;

/// Echoes until the client is done. What it sent elsewhere came before the echoes that it waits for.
fn echo_datagrams(mut client: Command) {
    let device = DpdkDevice::open(&DpdkConfig::new(eal(AF_PACKET)), CounterBlock::none()).unwrap();
    let config = StackConfig { receive_port: Some(PORT), ..StackConfig::new(OURS, 24, PORT) };
    let published = CounterBlock::none();
    let mut transport = WithEcho::new(Stack::new(config, device, published).unwrap(), ECHO_PORTS);
    let mut client = client.spawn().unwrap();
    let start = Instant::now();
    let mut others = Vec::new();
    let status = loop {
        assert!(start.elapsed() < PATIENCE, "the client takes too long: {transport:?}");
        if transport.poll(now()) + transport.flush(now()) > 0 {
            continue;
        }
        while let Some((from, payload)) = transport.next_datagram() {
            others.push((from.port(), payload.to_vec()));
        }
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success(), "the client failed: {status}, {transport:?}");
    assert_eq!(others, [(ECHO_PORTS.end() + 1, b"order".to_vec())], "{transport:?}");
    let said = format!("{transport:?}");
    for count in ["datagrams_unwanted: 1", "datagrams_lost: 0", "malformed: 0"] {
        assert!(said.contains(count), "{count} in {said}");
    }
}

fn send_datagrams() {
    let socket = |port| {
        let socket = UdpSocket::bind(SocketAddrV4::new(THEIRS, port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // Connected, so that an ICMP error would be told.
        socket.connect(SocketAddrV4::new(OURS, PORT)).unwrap();
        socket
    };
    let echoed = socket(*ECHO_PORTS.start());
    let other = socket(ECHO_PORTS.end() + 1);
    let elsewhere = socket(ECHO_PORTS.end() + 2);
    elsewhere.connect(SocketAddrV4::new(OURS, PORT + 1)).unwrap();
    other.send(b"order").unwrap();
    elsewhere.send(b"order").unwrap();
    let longest: Vec<u8> = (0..=250).cycle().take(1_472).collect();
    for round in 0..ECHOES {
        let sent = &longest[..round as usize * 7 % (longest.len() + 1)];
        echoed.send(sent).unwrap();
        let mut bytes = [0; 2_048];
        let count = echoed.recv(&mut bytes).unwrap();
        assert!(&bytes[..count] == sent, "round {round}");
    }
    elsewhere.set_nonblocking(true).unwrap();
    let told = elsewhere.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::WouldBlock, "no answer, and no ICMP error");
}

#[test]
fn a_kernel_client_that_lost_power_connects_at_once_from_the_port_it_had() {
    const TEST: &str = "a_kernel_client_that_lost_power_connects_at_once_from_the_port_it_had";
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            runs(role(&[LAB], TEST, "server"));
        }
        Ok("server") => {
            let counters = serve(role(&BROKERS, TEST, "client"), AF_PACKET);
            assert_eq!((counters.opened, counters.rst_sent), (2, 0), "{counters:?}");
            assert!(counters.challenged > 0, "{counters:?}");
        }
        Ok("client") => {
            drop(echoed_from_one_port());
            let start = Instant::now();
            drop(echoed_from_one_port());
            let taken = start.elapsed();
            assert!(taken < Duration::from_millis(500), "it took {taken:?}");
        }
        Ok(other) => panic!("no role {other}"),
    }
}

/// A connection from always the same port, which answers. When it is dropped, nobody hears of it.
fn echoed_from_one_port() -> Unplugged {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddrV4::new(THEIRS, 45_000).into()).unwrap();
    socket.connect_timeout(&SocketAddrV4::new(OURS, PORT).into(), PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Without a reset that the kernel would have to deliver.
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    let mut stream = TcpStream::from(socket);
    let mut bytes = [0; 5];
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    Unplugged(Some(stream))
}

/// A connection whose end is not heard, because it comes while the cable is out.
struct Unplugged(Option<TcpStream>);

impl Drop for Unplugged {
    fn drop(&mut self) {
        let link = |state| {
            let status = Command::new("ip").args(["link", "set", "lab0", state]).status();
            assert!(status.unwrap().success());
        };
        link("down");
        self.0 = None;
        link("up");
    }
}

#[test]
fn a_node_over_an_interface_too_narrow_for_the_feed_does_not_start_and_says_what_to_do() {
    const TEST: &str =
        "a_node_over_an_interface_too_narrow_for_the_feed_does_not_start_and_says_what_to_do";
    if std::env::var(ROLE).is_err() {
        runs(role(&[LAB], TEST, "lab"));
        return;
    }
    let site = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mtu-{}", std::process::id()));
    std::fs::create_dir_all(&site).unwrap();
    let (config, path) = (site.join("node.toml"), site.display());
    let text = format!(
        "[node]\nid = 1\nname = \"narrow\"\n[logs]\ndirectory = \"{path}/logs\"\n\
         [control]\ndirectory = \"{path}/control\"\n\
         [order_entry]\nbackend = \"dpdk\"\nlisten = \"{OURS}:{PORT}\"\n\
         allow = [\"10.9.0.0/24\"]\n[feed]\ngroup = \"{GROUP}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    run("ip link set rialto0 mtu 1499");
    let mut node = Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(["run", "--market", MARKET, "--config"])
        .arg(&config)
        .arg("--secrets")
        .arg(site.join("secrets"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It ends, or says that it is ready.
    let mut ready = [0];
    let is_ready = node.stdout.take().unwrap().read(&mut ready).unwrap() > 0;
    if is_ready {
        node.kill().unwrap();
    }
    let node = node.wait_with_output().unwrap();
    std::fs::remove_dir_all(&site).unwrap();
    let said = String::from_utf8_lossy(&node.stderr);
    assert!(!is_ready && node.status.code() == Some(1), "{}: {said}", node.status);
    let why = "the device's MTU of 1499 is below 1500, which the feed's datagrams need: \
               use ip link set dev INTERFACE mtu 1500";
    assert!(said.contains(why), "{said}");
}

#[test]
fn frames_go_through_a_port_and_everything_is_given_back() {
    const TEST: &str = "frames_go_through_a_port_and_everything_is_given_back";
    if std::env::var(ROLE).is_err() {
        runs(role(&[], TEST, "port"));
        return;
    }
    let before = core_affinity::get_core_ids();
    // A port whose transmit ring is its receive ring.
    let eal = Eal::start(&arguments(
        "--no-pci -l 0 --no-telemetry --no-huge -m 64 --no-shconf --vdev=net_ring0",
    ))
    .unwrap();
    assert_eq!(core_affinity::get_core_ids(), before, "EAL moved the thread");
    eal.register_thread();
    assert!(matches!(Eal::start(&[]), Err(DpdkError::StartedBefore)));

    let pool = Mempool::new(&eal, 1023).unwrap();
    let queues =
        PortConfig { queues: 1, spread_key: &SPREAD_KEY, rx_descriptors: 256, tx_descriptors: 256 };
    let mut port = Port::start(&pool, queues).unwrap().pop().unwrap();
    assert!(port.receive().is_none());
    for round in 0..100_u8 {
        assert_eq!(port.room(), Port::OUTBOX_MAX);
        for number in 0..40_u8 {
            let written = port.transmit(60, |frame| {
                frame.fill(round);
                frame[0] = number;
                number
            });
            assert_eq!(written, Some(number));
        }
        assert_eq!((port.flush(), port.flush()), (40, 0));
        let mut number = 0;
        while let Some(mut burst) = port.receive() {
            // The last burst is dropped half read.
            while let Some(frame) = burst.next_frame().filter(|_| number < 36) {
                assert_eq!((frame.len(), frame[0], frame[59]), (60, number, round));
                number += 1;
            }
        }
        assert_eq!(number, 36);
    }
    assert!(port.transmit(4000, |_| ()).is_none(), "longer than a buffer");
    let stats = port.stats();
    assert_eq!((stats.rx_packets, stats.tx_packets), (4000, 4000));
    drop(port);
    assert_eq!(pool.available(), 1023, "buffers are lost");
}

/// A file of packets as `tcpdump` writes them: frames of 60 bytes, each the microseconds it was stamped with.
fn capture(stamps: &[u64]) -> Vec<u8> {
    const MAGIC: u32 = 0xA1B2_C3D4;
    const ETHERNET: u32 = 1;
    let words = |words: [u32; 4]| words.map(u32::to_ne_bytes).concat();
    let version = [2_u16, 4].map(u16::to_ne_bytes).concat();
    let mut file = [&MAGIC.to_ne_bytes()[..], &version, &words([0, 0, 65_535, ETHERNET])].concat();
    for stamp in stamps {
        let [seconds, micros] = [stamp / 1_000_000, stamp % 1_000_000];
        let [seconds, micros] = [seconds, micros].map(|part| u32::try_from(part).unwrap());
        file.extend(words([seconds, micros, 60, 60]));
        file.extend([0; 60]);
    }
    file
}

#[test]
fn a_drivers_stamps_are_read_and_one_whose_clock_nobody_can_read_is_not_taken_for_one_that_stamps()
{
    const TEST: &str = "a_drivers_stamps_are_read_and_one_whose_clock_nobody_can_read_is_not_taken_for_one_that_stamps";
    if std::env::var(ROLE).is_err() {
        runs(role(&[], TEST, "port"));
        return;
    }
    let stamps: Vec<u64> =
        (0..50).map(|number| 1_700_000_000_000_000 + 1_000_003 * number).collect();
    let file = std::env::temp_dir().join(format!("rialto-stamped-{}.pcap", std::process::id()));
    std::fs::write(&file, capture(&stamps)).unwrap();
    let eal = Eal::start(&arguments(&format!(
        "--no-pci -l 0 --no-telemetry --no-huge -m 64 --no-shconf --vdev=net_pcap0,rx_pcap={}",
        file.display()
    )))
    .unwrap();
    eal.register_thread();
    let pool = Mempool::new(&eal, 1023).unwrap();
    let queues =
        PortConfig { queues: 1, spread_key: &SPREAD_KEY, rx_descriptors: 256, tx_descriptors: 256 };
    let mut port = Port::start(&pool, queues).unwrap().pop().unwrap();
    assert_eq!((port.stamps(), port.clock()), (false, None), "the stamps are those of the file");
    let mut read = Vec::new();
    while let Some(mut burst) = port.receive() {
        while let Some(stamp) = burst.next_stamp() {
            read.push(stamp);
            assert_eq!(burst.next_frame().map(<[u8]>::len), Some(60));
        }
        assert!(burst.next_frame().is_none(), "a frame without a stamp");
    }
    assert_eq!(read, stamps);
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn what_eal_refuses_is_said_with_its_arguments_and_eals_own_lines_are_in_the_log() {
    const TEST: &str =
        "what_eal_refuses_is_said_with_its_arguments_and_eals_own_lines_are_in_the_log";
    if std::env::var(ROLE).is_err() {
        let log = runs(role(&[], TEST, "refused"));
        assert!(log.contains("ERROR dpdk: EAL: Invalid"), "{log}");
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let error = Eal::start(&arguments("--no-such-option")).unwrap_err().to_string();
    assert!(error.contains("--no-such-option"), "{error}");
}
