//! TLS over kernel sockets, against rustls' own client in threads.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::*;
use crate::net::{KernelConfig, KernelTransport};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/key.pem");
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
const SLOTS: usize = 2 * HANDSHAKES_MAX;

type Client = StreamOwned<ClientConnection, TcpStream>;

/// The front, and a user that echoes.
struct Server {
    tls: Tls<KernelTransport>,
    address: SocketAddr,
    now: Nanos,
    opened: usize,
    ended: usize,
    closed: usize,
}

impl Server {
    fn new() -> Self {
        let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (connections_max, connections_per_source_max) = (SLOTS, SLOTS);
        let config = KernelConfig {
            connections_max,
            connections_per_source_max,
            ..KernelConfig::new(listen)
        };
        let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
        let address = transport.local_address().unwrap();
        let config = identity(Path::new(CERTIFICATE), Path::new(KEY)).unwrap();
        let tls = Tls::new(transport, SLOTS, config, CounterBlock::none());
        Self { tls, address, now: Nanos::from_secs(100), opened: 0, ended: 0, closed: 0 }
    }

    /// A duty cycle, in which so much time passes.
    fn cycle(&mut self, step: Nanos) {
        self.now = self.now.after(step);
        self.tls.poll(self.now);
        while let Some(event) = self.tls.next_event() {
            match event {
                NetEvent::Opened { .. } => self.opened += 1,
                NetEvent::Readable(id) | NetEvent::Writable(id) => {
                    let room = self.tls.send_room(id);
                    let bytes = self.tls.received(id);
                    let bytes = bytes[..bytes.len().min(room)].to_vec();
                    assert!(bytes.is_empty() || self.tls.send(id, &bytes));
                    self.tls.consume(id, bytes.len());
                }
                NetEvent::Ended(id) => {
                    self.ended += 1;
                    self.tls.close(id);
                }
                NetEvent::Closed(_) => self.closed += 1,
            }
        }
        self.tls.flush(self.now);
    }

    fn until(&mut self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let given_up = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(Instant::now() < given_up, "{what}: never, {:?}", self.tls);
            self.cycle(Nanos::from_micros(10));
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// Serves until the client is done.
    fn serves<R>(&mut self, client: JoinHandle<R>) -> R {
        self.until("the client is done", |_| client.is_finished());
        client.join().unwrap()
    }
}

fn client(address: SocketAddr, versions: &[&'static SupportedProtocolVersion]) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(CERTIFICATE).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, connect(address))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Whether the exchange has hung up, whatever it said before.
fn is_hung_up_on(mut stream: TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn bytes_go_both_ways_in_either_version_and_an_end_is_an_end() {
    const BYTES: usize = 1_000_000;
    for version in [&TLS12, &TLS13] {
        let mut server = Server::new();
        let address = server.address;
        let talks = thread::spawn(move || {
            let mut client = client(address, &[version]);
            for round in 0..100_u8 {
                let mut answer = [0; 40];
                client.write_all(&[round; 40]).unwrap();
                client.read_exact(&mut answer).unwrap();
                assert_eq!(answer, [round; 40]);
            }
            let sent: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
            let mut received = Vec::new();
            for piece in sent.chunks(10_000) {
                client.write_all(piece).unwrap();
                let mut answer = vec![0; piece.len()];
                client.read_exact(&mut answer).unwrap();
                received.extend(answer);
            }
            assert!(received == sent);
            client.conn.send_close_notify();
            client.flush().unwrap();
            // The exchange says so too, before it closes.
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        });
        server.serves(talks);
        assert_eq!((server.opened, server.ended, server.closed), (1, 1, 0));
        let TlsCounters { handshakes, established, handshakes_bad, broken, .. } =
            *server.tls.counters();
        assert_eq!((handshakes, established, handshakes_bad, broken), (1, 1, 0, 0));
        server.until("it is forgotten", |server| {
            server.tls.connections.iter().flatten().count() == 0
        });
    }
}

#[test]
fn what_is_no_handshake_is_answered_with_an_alert_and_hung_up_on_and_the_user_hears_nothing_of_it()
{
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        // A SoupBinTCP login.
        b"\0\x2fLBRKR01SECRET0001                   1",
        &[0; 100],
        // A record of a handshake that is none.
        b"\x16\x03\x01\0\x05\x01\0\0\x01\xff",
    ];
    let mut server = Server::new();
    for bytes in garbage {
        let address = server.address;
        let sends = thread::spawn(move || {
            let mut stream = connect(address);
            stream.write_all(bytes).unwrap();
            is_hung_up_on(stream)
        });
        assert!(server.serves(sends));
    }
    let counters = *server.tls.counters();
    assert_eq!((counters.handshakes, counters.handshakes_bad), (4, 4), "{counters:?}");
    assert_eq!((server.opened, server.closed), (0, 0));
}

#[test]
fn who_does_not_come_to_the_end_of_its_handshake_is_let_go_and_others_do_not_wait() {
    let mut server = Server::new();
    let address = server.address;
    // One says nothing, one begins and goes on in silence, one leaves.
    let silent = connect(address);
    let mut slow = connect(address);
    slow.write_all(b"\x16\x03\x01\x02").unwrap();
    drop(connect(address));
    server.until("all are there", |server| server.tls.counters().handshakes == 3);
    server.until("one has left", |server| server.tls.counters().handshakes_left == 1);
    let talks = thread::spawn(move || {
        let mut client = client(address, &[&TLS13]);
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        client
    });
    let honest = server.serves(talks);
    assert_eq!(server.tls.counters().handshakes_slow, 0);
    for _ in 0..40 {
        server.cycle(Nanos::from_millis(100));
    }
    assert_eq!(server.tls.counters().handshakes_slow, 2);
    let hung_up = thread::spawn(move || is_hung_up_on(silent) && is_hung_up_on(slow));
    assert!(server.serves(hung_up));
    // The honest one stays.
    assert_eq!(server.tls.connections.iter().flatten().count(), 1);
    drop(honest);
    server.until("it has ended", |server| server.ended + server.closed == 1);
}

#[test]
fn handshakes_beyond_what_there_is_room_for_give_way_and_newer_ones_go_on() {
    let mut server = Server::new();
    let address = server.address;
    let mut crowd = Vec::new();
    for count in 1..=HANDSHAKES_MAX + 20 {
        crowd.push(connect(address));
        server.until("it is there", |server| server.tls.counters().handshakes == count as u64);
    }
    let counters = *server.tls.counters();
    assert_eq!(counters.handshakes_gave_way, 20);
    assert_eq!(server.tls.connections.iter().flatten().count(), HANDSHAKES_MAX);
    let talks = thread::spawn(move || {
        let mut client = client(address, &[&TLS13]);
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    });
    server.serves(talks);
    assert_eq!(server.tls.counters().established, 1);
}

#[test]
fn a_reader_that_stops_holds_no_more_than_its_buffers_and_gets_everything_later() {
    // More than the kernel holds for a connection.
    const BYTES: usize = 64_000_000;
    let mut server = Server::new();
    let address = server.address;
    let talks = thread::spawn(move || {
        let mut client = client(address, &[&TLS13]);
        let sent: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
        let (mut written, mut received) = (0, Vec::new());
        client.sock.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // Until nothing is taken any more, since nothing is read.
        while written < sent.len() {
            match client.write(&sent[written..(written + 16_384).min(sent.len())]) {
                Ok(count) => written += count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        // Reading first: what it has not sent yet would wait for the exchange, which waits for it.
        client.sock.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut bytes = vec![0; 65_536];
        while received.len() < written {
            if client.conn.wants_write() {
                let _later = client.conn.write_tls(&mut client.sock);
            }
            assert!(client.conn.read_tls(&mut client.sock).unwrap() > 0, "closed");
            client.conn.process_new_packets().unwrap();
            while let Ok(count) = client.conn.reader().read(&mut bytes) {
                assert!(count > 0, "ended after {} of {written}", received.len());
                received.extend_from_slice(&bytes[..count]);
            }
        }
        assert!(received == sent[..written]);
        written
    });
    let written = server.serves(talks);
    assert!(written < BYTES, "the exchange takes without end");
}

#[test]
fn files_that_are_none_are_named() {
    let said = |certificate: &str, key: &str| {
        identity(Path::new(certificate), Path::new(key)).unwrap_err().to_string()
    };
    assert!(said("/nowhere", KEY).starts_with("/nowhere: no certificates in PEM"));
    assert!(said(KEY, KEY).contains("key.pem: no certificates in PEM"));
    assert!(said(CERTIFICATE, CERTIFICATE).contains("certificate.pem: no private key in PEM"));
}
