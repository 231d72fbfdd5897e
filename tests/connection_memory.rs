//! What a connection takes of the node's memory over kernel sockets, and over TLS, is no more than is stated,
//! whatever its peer does: here all send as much as is taken and read nothing, and so does their user.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rialto::counters::CounterBlock;
use rialto::net::{ConnectionId, KernelConfig, KernelTransport, NetEvent, Transport};
use rialto::sys::alloc_count::{CountingAllocator, counted, counted_bytes};
use rialto::types::Nanos;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CONNECTIONS: usize = 16;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Duty cycles in which nothing moves any more: all is full.
const IDLE_CYCLES: u32 = 1_000;

#[test]
fn a_connection_over_kernel_sockets_takes_no_more_than_is_stated_and_all_of_it_at_the_start() {
    let transport = |connections_max| {
        let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let config = KernelConfig { connections_max, ..KernelConfig::new(listen) };
        let make = || KernelTransport::new(&config, CounterBlock::none()).unwrap();
        let (transport, bytes) = counted_bytes(make);
        (transport, bytes, config.bytes_per_connection())
    };
    let (_, none, stated) = transport(1);
    let (mut transport, bytes, _) = transport(1 + CONNECTIONS);
    let each = (bytes - none) / CONNECTIONS;
    assert!(each <= stated, "{each} bytes each, {stated} stated");
    assert!(stated <= each + 1_024, "{each} bytes each, {stated} stated");

    let address = transport.local_address().unwrap();
    let mut peers: Vec<_> = (0..CONNECTIONS).map(|_| Greedy::connect(address)).collect();
    let mut user = User::new();
    let mut allocated = 0;
    until_all_is_full(|now| {
        let (moved, count) = counted(|| user.cycle(&mut transport, now));
        allocated += count;
        peers.iter_mut().fold(moved, |any, peer| peer.send() | any)
    });
    assert_eq!((user.open.len(), allocated), (CONNECTIONS, 0));
    // The room of a session, and what the kernel has taken.

    assert!(user.sent > CONNECTIONS * 64 * 1024, "{} bytes sent", user.sent);
}

/// Runs duty cycles until none has moved anything for a while.
fn until_all_is_full(mut cycle: impl FnMut(Nanos) -> bool) {
    let (start, mut idle, mut now) = (Instant::now(), 0, Nanos::SECOND);
    while idle < IDLE_CYCLES {
        assert!(start.elapsed() < PATIENCE, "it never is full");
        now = now.after(Nanos::from_micros(10));
        idle = if cycle(now) { 0 } else { idle + 1 };
    }
}

/// Who sends as much as is taken, and reads nothing.
struct Greedy(TcpStream);

impl Greedy {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self(stream)
    }

    /// Whether anything was taken.
    fn send(&mut self) -> bool {
        match self.0.write(&[7; 16 * 1024]) {
            Ok(count) => count > 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                false
            }
        }
    }
}

/// A user of a transport that does the same.
struct User {
    open: Vec<ConnectionId>,
    sent: usize,
}

impl User {
    /// With room for what it knows, which is not the transport's.
    fn new() -> Self {
        Self { open: Vec::with_capacity(CONNECTIONS), sent: 0 }
    }

    /// Whether anything was taken.
    fn cycle(&mut self, transport: &mut impl Transport, now: Nanos) -> bool {
        transport.poll(now);
        while let Some(event) = transport.next_event() {
            match event {
                NetEvent::Opened { connection, .. } => self.open.push(connection),
                NetEvent::Readable(_) | NetEvent::Writable(_) => {}
                NetEvent::Ended(_) | NetEvent::Closed(_) => panic!("{event:?}"),
            }
        }
        let before = self.sent;
        for &id in &self.open {
            let room = transport.send_room(id).min(4 * 1024);
            if room > 0 && transport.send(id, &[7; 4 * 1024][..room]) {
                self.sent += room;
            }
        }
        transport.flush(now);
        self.sent > before
    }
}

#[cfg(feature = "tls")]
mod over_tls {
    use std::io::Read as _;
    use std::path::Path;
    use std::sync::Arc;

    use rialto::net::tls::{BYTES_PER_CONNECTION_MAX, BYTES_PER_HANDSHAKE_MAX, Tls, identity};
    use rialto::sys::alloc_count::counted_held;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/certificate.pem");
    const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/key.pem");

    /// The front, and the most that it has held after a cycle beyond what it held at first.
    struct Front {
        tls: Tls<KernelTransport>,
        address: SocketAddr,
        user: User,
        held: i64,
        most: i64,
    }

    impl Front {
        fn new() -> Self {
            let listen = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
            let transport = KernelTransport::new(&KernelConfig::new(listen), CounterBlock::none());
            let transport = transport.unwrap();
            let address = transport.local_address().unwrap();
            let config = identity(Path::new(CERTIFICATE), Path::new(KEY)).unwrap();
            let slots = KernelConfig::new(listen).connections_max;
            let tls = Tls::new(transport, slots, config, CounterBlock::none());
            Self { tls, address, user: User::new(), held: 0, most: 0 }
        }

        fn cycle(&mut self, now: Nanos) -> bool {
            let Self { tls, user, .. } = self;
            let (moved, more) = counted_held(|| user.cycle(tls, now));
            self.held += more;
            self.most = self.most.max(self.held);
            moved
        }

        /// For each of the connections.
        fn most_each(&self) -> usize {
            usize::try_from(self.most).unwrap() / CONNECTIONS
        }
    }

    /// A peer that speaks TLS, until the handshake is done; then it only sends.
    struct Peer {
        tls: ClientConnection,
        stream: TcpStream,
    }

    impl Peer {
        fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
            let Greedy(stream) = Greedy::connect(address);
            let name = ServerName::try_from("localhost").unwrap();
            Self { tls: ClientConnection::new(Arc::clone(config), name).unwrap(), stream }
        }

        fn moves(&mut self) -> bool {
            let mut moved = false;
            if self.tls.is_handshaking() {
                moved |= self.tls.read_tls(&mut self.stream).is_ok();
                self.tls.process_new_packets().unwrap();
            } else if !self.tls.wants_write() {
                moved |= self.tls.writer().write(&[7; 16 * 1024]).unwrap() > 0;
            }
            while self.tls.wants_write() && self.tls.write_tls(&mut self.stream).is_ok() {
                moved = true;
            }
            moved
        }
    }

    #[test]
    fn a_connection_over_tls_takes_no_more_than_is_stated() {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(CERTIFICATE).unwrap()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        for version in rustls::ALL_VERSIONS {
            let config = config.clone().with_protocol_versions(&[version]).unwrap();
            let config =
                Arc::new(config.with_root_certificates(roots.clone()).with_no_client_auth());
            let mut front = Front::new();
            let peer = |_| Peer::connect(front.address, &config);
            let mut peers: Vec<_> = (0..CONNECTIONS).map(peer).collect();
            until_all_is_full(|now| {
                let moved = front.cycle(now);
                peers.iter_mut().fold(moved, |any, peer| peer.moves() | any)
            });
            assert_eq!(front.user.open.len(), CONNECTIONS);
            let each = front.most_each();
            assert!(each <= BYTES_PER_CONNECTION_MAX, "{each} bytes each, {version:?}");
            assert!(2 * each >= BYTES_PER_CONNECTION_MAX, "{each} bytes each: too much is stated");
        }
    }

    #[test]
    fn a_handshake_takes_no_more_than_is_stated_however_long_a_hello_is_announced() {
        let mut front = Front::new();
        // Most of the longest hello that there may be, each part in the longest record.
        let hello = [&[1, 0, 0xFF, 0xFF][..], &vec![0; 0xFC00]].concat();
        let records = hello.chunks(16 * 1024).flat_map(|part| {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[22, 3, 1][..], &length, part].concat()
        });
        let records: Vec<u8> = records.collect();
        let stranger = |_| (Greedy::connect(front.address), 0);
        let mut strangers: Vec<_> = (0..CONNECTIONS).map(stranger).collect();
        until_all_is_full(|now| {
            let mut moved = front.cycle(now);
            for (Greedy(stream), sent) in &mut strangers {
                let count = stream.write(&records[*sent..]).unwrap_or(0);
                *sent += count;
                moved |= count > 0;
            }
            moved
        });
        assert!(strangers.iter().all(|(_, sent)| *sent == records.len()));
        for (Greedy(stream), _) in &mut strangers {
            let nothing = stream.read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(nothing, Err(ErrorKind::WouldBlock), "the front still waits for the rest");
        }
        let each = front.most_each();
        assert!(each <= BYTES_PER_HANDSHAKE_MAX, "{each} bytes each");
        assert!(2 * each >= BYTES_PER_HANDSHAKE_MAX, "{each} bytes each: too much is stated");
    }
}
