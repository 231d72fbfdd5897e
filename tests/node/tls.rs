//! Brokers who come by TLS: the same sessions and the same admission as for those on the trading network,
//! and strangers who cost nobody anything.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rialto::counters::CounterReader;
use rialto::types::Side;
use rialto::wire::soup::{self, LOGOUT_REQUEST, Packet};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::broker::{Broker, order, said};
use crate::harness::{Node, SOON, Setup, Site, eventually};
use crate::raw::{Raw, enter_packet, login_packet};
use crate::replay::Replay;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/certificate.pem");
const PLACEMENT: &str = r#"
    { agents = ["order_entry", "sequencer", "engine", "market_data", "admin"] },
    { agents = ["order_entry_tls"] },
"#;

fn setup() -> Setup {
    Setup { tls: true, placement: PLACEMENT, ..Setup::default() }
}

fn counter(node: &Node, name: &str) -> u64 {
    let reader = CounterReader::open(&node.site.logs).unwrap();
    reader.counters().find(|(known, _)| known == name).expect("it is counted").1
}

/// A broker's connection.
struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

impl Secured {
    fn connect(node: &Node) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(CERTIFICATE).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(node.site.tls).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: StreamOwned::new(connection, stream), unread: Vec::new() }
    }

    fn login(node: &Node, port: &str, sequence: u64) -> Self {
        let mut secured = Self::connect(node);
        secured.sends(&login_packet(node, port, sequence));
        assert_eq!(secured.hears().as_deref(), Some("login accepted"));
        secured
    }

    fn sends(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next packet but heartbeats in words; `None` when the connection is closed.
    fn hears(&mut self) -> Option<String> {
        loop {
            if let Some((packet, size)) = soup::parse(&self.unread, usize::from(u16::MAX)).unwrap()
            {
                let words = match packet {
                    Packet::LoginAccepted(_) => Some("login accepted".to_owned()),
                    Packet::LoginRejected(reason) => Some(format!("login rejected {reason:?}")),
                    Packet::SequencedData(message) => Some(said(message)),
                    Packet::ServerHeartbeat => None,
                    other => panic!("{other:?}"),
                };
                self.unread.drain(..size);
                if words.is_some() {
                    return words;
                }
                continue;
            }
            let mut bytes = [0; 4096];
            // A reset is an end too, also one without a word of TLS.
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.unread.extend_from_slice(&bytes[..count]),
            }
        }
    }

    #[track_caller]
    fn must_hear(&mut self, expected: &[&str]) {
        for message in expected {
            assert_eq!(self.hears().as_deref(), Some(*message));
        }
    }
}

fn sell(number: u32) -> Vec<u8> {
    enter_packet(number, order(Side::Sell, 100, "ACME", "25.00"))
}

#[test]
fn who_comes_by_tls_trades_with_those_who_do_not_and_goes_on_where_it_stood() {
    let mut node = Node::start_with(&setup());
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let mut alfa = Secured::login(&node, "ALFA01", 1);
    alfa.sends(&sell(1));
    let told = ["system S", "accepted #1 S 100 ACME 25.00"];
    alfa.must_hear(&told);
    beta.buys(100, "ACME", "25.00");
    beta.must_hear(&["accepted #1 B 100 ACME 25.00", "executed #1 100 25.00 R"]);
    let executed = "executed #1 100 25.00 A";
    alfa.must_hear(&[executed]);

    // The newer login wins, whichever way it comes.
    let mut plain = Raw::login(&node, "ALFA01", 1);
    plain.must_hear(&[told[0], told[1], executed]);
    assert_eq!(alfa.hears(), None);
    let mut alfa = Secured::login(&node, "ALFA01", 2);
    plain.must_be_closed();
    alfa.must_hear(&[told[1], executed]);
    // A drop copy comes this way as well, and so does an end.
    let mut copy = Secured::login(&node, "ALFADC", 2);
    copy.must_hear(&[told[1], executed]);
    alfa.sends(&LOGOUT_REQUEST);
    assert_eq!(alfa.hears(), None);

    node.kill9();
    node.start_again();
    let mut again = Secured::login(&node, "ALFA01", 1);
    again.must_hear(&[told[0], told[1], executed]);
    drop((again, copy));
    // Since its start one has come this way.
    eventually("it is counted", || counter(&node, "order_entry_tls.tls.established") == 1);
    eventually("it is gone", || counter(&node, "order_entry_tls.tls.connections") == 0);
    eventually("its login is counted", || counter(&node, "order_entry_tls.logins") == 1);
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn much_at_once_is_answered_in_order_and_a_slow_reader_gets_it_later() {
    // As many as its firm may have open.
    const ORDERS: u32 = 8_000;
    let node = Node::start_with(&setup());
    let mut alfa = Secured::login(&node, "ALFA01", 1);
    for first in (1..=ORDERS).step_by(100) {
        let orders: Vec<_> = (first..first + 100)
            .flat_map(|number| enter_packet(number, order(Side::Sell, 1, "ACME", "900.00")))
            .collect();
        alfa.sends(&orders);
    }
    alfa.must_hear(&["system S"]);
    for number in 1..=ORDERS {
        alfa.must_hear(&[&format!("accepted #{number} S 1 ACME 900.00")]);
    }
}

#[test]
fn who_is_refused_or_blocked_on_the_trading_network_is_so_by_tls_too() {
    let site = Site::new(&setup());
    let config = fs::read_to_string(site.config()).unwrap();
    let file = site.disk.join("access.toml");
    fs::write(&file, "").unwrap();
    let line = format!("access_file = \"{}\"\n            allow =", file.display());
    fs::write(site.config(), config.replacen("allow =", &line, 1)).unwrap();
    let node = Node::start_at(site);
    let right = login_packet(&node, "ALFA01", 1);
    let mut wrong = right.clone();
    wrong[9..19].fill(b'X');
    for _ in 0..10 {
        let mut guesser = Secured::connect(&node);
        guesser.sends(&wrong);
        guesser.must_hear(&["login rejected NotAuthorized"]);
        assert_eq!(guesser.hears(), None);
    }
    eventually("guesses are not looked at", || {
        counter(&node, "order_entry_tls.logins_backed_off") > 3
    });
    let mut beta = Secured::login(&node, "BETA01", 1);
    beta.must_hear(&["system S"]);
    fs::write(&file, "block = [\"127.0.0.1\"]").unwrap();
    assert_eq!(beta.hears(), None);
    eventually("it is counted", || counter(&node, "order_entry_tls.kernel.expelled") == 1);
}

#[test]
fn strangers_who_speak_no_tls_or_too_slowly_are_counted_and_nobody_waits_for_them() {
    const STRANGERS: usize = 60;
    let node = Node::start_with(&setup());
    let mut beta = Broker::login(&node, "BETA01");
    let mut alfa = Secured::login(&node, "ALFA01", 1);
    beta.must_hear(&["system S"]);
    alfa.must_hear(&["system S"]);
    let mut silent = Vec::new();
    for number in 0..STRANGERS {
        let mut stranger = Raw::connect(node.site.tls);
        if number % 2 == 0 {
            stranger.sends(b"GET / HTTP/1.1\r\n\r\n");
            let mut alert = Vec::new();
            // An alert, and then nothing, or a reset.
            let _ = stranger.stream.read_to_end(&mut alert);
        } else {
            stranger.sends(b"\x16\x03\x01\x02\0");
            silent.push(stranger);
        }
        beta.must_hear_nothing();
    }
    alfa.sends(&sell(1));
    alfa.must_hear(&["accepted #1 S 100 ACME 25.00"]);
    let half = STRANGERS as u64 / 2;
    eventually("garbage is counted", || {
        counter(&node, "order_entry_tls.tls.handshakes_bad") == half
    });
    eventually("the slow ones are let go", || {
        counter(&node, "order_entry_tls.tls.handshakes_slow") == half
    });
    assert_eq!(counter(&node, "order_entry_tls.connections"), 1);
    alfa.sends(&sell(2));
    alfa.must_hear(&["accepted #2 S 100 ACME 25.00"]);
}

#[test]
fn the_clients_of_others_log_in() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("not tested: there is no openssl");
        return;
    }
    let node = Node::start_with(&setup());
    let login = login_packet(&node, "ALFA01", 1);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", version, "-CAfile", CERTIFICATE])
            .args(["-connect", &node.site.tls.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(&login).unwrap();
        let mut stdout = client.stdout.take().unwrap();
        let hears = thread::spawn(move || {
            // The acceptance, and the first message of the day.
            let mut bytes = [0; 33 + 3];
            stdout.read_exact(&mut bytes).map(|()| bytes)
        });
        eventually("it is answered", || hears.is_finished());
        let bytes = hears.join().unwrap().unwrap();
        let accepted = soup::parse(&bytes, 1_000).unwrap();
        assert!(matches!(accepted, Some((Packet::LoginAccepted(_), 33))), "{accepted:?}");
        client.kill().unwrap();
        client.wait().unwrap();
    }
}

#[test]
fn a_node_without_the_files_that_it_was_told_of_does_not_start() {
    let site = Site::new(&setup());
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config.replace("tls/key.pem", "tls/certificate.pem")).unwrap();
    let said = crate::harness::fails(&mut site.command());
    assert!(said.contains("certificate.pem: no private key in PEM"), "{said}");
}
