//! Load: traders that enter, replace and cancel orders as fast as the exchange answers, lose their
//! connection, come back, ask for what they missed and more, and send again what they do not know the
//! fate of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rialto::client::{ClientError, Credentials, Incoming, SessionClient};
use rialto::types::{Quantity, SessionId, Side, UserRefNum};
use rialto::wire::ouch::{Cancel, Enter, Options, Outbound, Replace};

use crate::broker::{order, price};
use crate::harness::{Node, SOON};
use crate::replay::{port_stream, read_log};

/// The ports that trade.
pub(crate) const PORTS: [&str; 4] = ["ALFA01", "ALFA02", "BETA01", "BETA02"];
/// Orders of a trader that are under way at a time.
const WINDOW: usize = 32;
/// How long a trader tries to come back.
const PATIENCE: Duration = Duration::from_secs(20);

/// All traders at work.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Trader>>,
    /// An item for each message that any of them hears.
    heard: Receiver<()>,
}

impl Traffic {
    /// Sends them to the node, each with a seed of its own made from `seed`.
    pub(crate) fn start(node: &Node, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, heard) = channel();
        let trade = |(port, number): (&'static str, u64)| {
            let random = Random(seed.wrapping_mul(1_000).wrapping_add(number));
            let credentials = node.site.credentials(port);
            let trader = Trader::new(port, node.site.order_entry, credentials, random);
            let (stop, tell) = (Arc::clone(&stop), tell.clone());
            thread::spawn(move || trader.trade(&stop, &tell))
        };
        let threads = PORTS.into_iter().zip(0..).map(trade).collect();
        Self { stop, threads, heard }
    }

    /// Waits until they have heard `count` more messages in all.
    pub(crate) fn wait(&self, count: usize) {
        for _ in 0..count {
            self.heard.recv_timeout(PATIENCE).expect("the traders hear nothing");
        }
    }

    /// Lets them finish: every order of theirs is answered when this returns.
    pub(crate) fn finish(self) -> Vec<Trader> {
        self.stop.store(true, Ordering::Relaxed);
        // Nobody waits for what they hear any more.
        drop(self.heard);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}

/// One of them.
pub(crate) struct Trader {
    pub(crate) port: &'static str,
    address: SocketAddr,
    credentials: Credentials,
    session: Option<SessionClient>,
    /// The day's session, blank before the first login.
    day: SessionId,
    random: Random,
    /// Every message of the stream, in its order.
    pub(crate) stream: Vec<Vec<u8>>,
    last_ref: u32,
    /// Orders that were sent and not answered.
    unanswered: BTreeMap<u32, Enter>,
    /// How often it had to come back.
    pub(crate) logins: u32,
}

impl Trader {
    fn new(
        port: &'static str,
        address: SocketAddr,
        credentials: Credentials,
        random: Random,
    ) -> Self {
        Self {
            port,
            address,
            credentials,
            session: None,
            day: SessionId::BLANK,
            random,
            stream: Vec::new(),
            last_ref: 0,
            unanswered: BTreeMap::new(),
            logins: 0,
        }
    }

    fn trade(mut self, stop: &AtomicBool, tell: &Sender<()>) -> Self {
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            if stopping && self.unanswered.is_empty() {
                return self;
            }
            let room = if stopping { 0 } else { WINDOW - self.unanswered.len() };
            let worked = self.send(room).and_then(|()| self.hear(tell));
            if let Err(error) = worked {
                self.lost(&error);
            }
        }
    }

    /// Listens until the stream has `length` messages.
    fn listen_until(&mut self, length: usize) {
        let (tell, _) = channel();
        while self.stream.len() < length {
            self.hear(&tell).unwrap();
        }
    }

    /// Hears all of its stream that the event log has by now, and nothing else. A cancel that was sent
    /// last may make it longer meanwhile.
    pub(crate) fn hears_its_stream(&mut self, events: &Path) {
        self.listen_until(port_stream(&read_log(events), self.port).len());
        let stream = port_stream(&read_log(events), self.port);
        let heard = self.stream.as_slice();
        assert!(stream.starts_with(heard), "{} heard something else than its stream", self.port);
    }

    /// A dead node closes its connections; anything else is not what a trader may see.
    fn lost(&mut self, error: &ClientError) {
        let is_loss = matches!(error, ClientError::Closed | ClientError::Io { .. });
        assert!(is_loss, "{}: {error}", self.port);
        self.session = None;
    }

    fn session(&mut self) -> Result<&mut SessionClient, ClientError> {
        if self.session.is_none() {
            self.come_back()?;
        }
        Ok(self.session.as_mut().expect("just made"))
    }

    /// Logs in, asks for the stream from anywhere up to where it broke off, and sends again what was
    /// not answered. What the exchange had taken it ignores, and answers with the stream.
    fn come_back(&mut self) -> Result<(), ClientError> {
        let deadline = Instant::now() + PATIENCE;
        let next = 1 + self.random.below(self.stream.len() + 1) as u64;
        let mut session = loop {
            let to = (self.address, self.credentials);
            match SessionClient::login(to.0, to.1, self.day, next, SOON) {
                Ok(session) => break session,
                Err(ClientError::Refused(reason)) => panic!("{}: {reason:?}", self.port),
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.port),
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        };
        assert_eq!(session.next_sequence(), next);
        self.day = session.session();
        for order in self.unanswered.values() {
            session.enter(order, &Options::default())?;
        }
        session.flush()?;
        self.logins += 1;
        self.session = Some(session);
        Ok(())
    }

    fn send(&mut self, room: usize) -> Result<(), ClientError> {
        for _ in 0..room {
            let number = self.last_ref + 1;
            let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
            let symbol = ["ACME", "GLOBX", "INITECH"][self.random.below(3)];
            let quantity = u32::try_from(1 + self.random.below(300)).unwrap();
            let at = format!("25.{:02}", self.random.below(20));
            let order = Enter { user_ref_num: number.into(), ..order(side, quantity, symbol, &at) };
            let cancel = (self.random.below(2) == 0).then(|| {
                // One of its last orders, wherever it is now.
                let back = u32::try_from(self.random.below(40)).unwrap();
                Cancel::new(UserRefNum(number.saturating_sub(back)), Quantity::ZERO)
            });
            let replace = (self.random.below(3) == 0).then(|| {
                let back = u32::try_from(self.random.below(20)).unwrap();
                let (original, new) = (number.saturating_sub(back), number + 1);
                let quantity = u32::try_from(1 + self.random.below(300)).unwrap();
                let at = price(&format!("25.{:02}", self.random.below(20)));
                Replace::new(UserRefNum(original), UserRefNum(new), Quantity(quantity), at)
            });
            // Coming back sends what is unanswered: this one is not yet.
            self.session()?;
            self.last_ref = number;
            self.unanswered.insert(number, order);
            let session = self.session()?;
            session.enter(&order, &Options::default())?;
            // Nobody waits for the answer of a replace or a cancel: there may be none.
            if let Some(replace) = replace {
                session.replace(&replace, &Options::default())?;
                self.last_ref += 1;
            }
            let session = self.session()?;
            if let Some(cancel) = cancel {
                session.cancel(&cancel, &Options::default())?;
            }
        }
        Ok(())
    }

    /// Takes what has come, and waits a little if that is nothing.
    fn hear(&mut self, tell: &Sender<()>) -> Result<(), ClientError> {
        let mut wait = Duration::from_millis(1);
        loop {
            let session = self.session()?;
            let expected = session.next_sequence();
            let (sequence, message) = match session.receive(wait)? {
                None => return Ok(()),
                Some(Incoming::EndOfSession) => panic!("nobody ended the day"),
                Some(Incoming::Message { sequence, message }) => (sequence, message.to_vec()),
            };
            assert_eq!(sequence, expected);
            let known = self.stream.get(usize::try_from(sequence).unwrap() - 1);
            if let Some(known) = known {
                assert!(*known == message, "{}: another message {sequence}", self.port);
                continue;
            }
            match Outbound::parse(&message).unwrap() {
                Outbound::Accepted(accepted, _) => self.answered(accepted.user_ref_num.get()),
                Outbound::Rejected(rejected, _) => self.answered(rejected.user_ref_num.get()),
                _ => {}
            }
            self.stream.push(message);
            let _ = tell.send(());
            wait = Duration::ZERO;
        }
    }

    fn answered(&mut self, number: u32) {
        let order = self.unanswered.remove(&number);
        assert!(order.is_some(), "{}: a second answer to order {number}", self.port);
    }
}

/// A small generator, so that a run is made again from its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The seed of this run, which is printed: `RIALTO_SEED`, or chosen by the clock.
    pub(crate) fn seed() -> u64 {
        let given = std::env::var("RIALTO_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || {
            u64::from(
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap()
                    .subsec_micros(),
            )
        };
        let seed = given.unwrap_or_else(clock);
        println!("RIALTO_SEED={seed}");
        seed
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}
