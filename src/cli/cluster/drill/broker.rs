//! A broker of the drill: enters orders at a steady rate, finds whoever serves when its connection is gone,
//! and enters again what was not acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::CliError;
use crate::cli::lab::site::ORDER_ENTRY;
use crate::client::{ClientError, Credentials, Incoming, SessionClient};
use crate::config::secrets::PortSecrets;
use crate::types::{PortName, Price, Quantity, SessionId, Side, Symbol, TimeInForce, UserRefNum};
use crate::wire::ouch::{Enter, Options, Outbound};

/// Orders not yet acknowledged, in seconds: whoever says nothing is not told either that nobody listens.
const WINDOW_SECONDS: u32 = 2;
/// Patience with a connection, and with an acknowledgement.
const CONNECT_MAX: Duration = Duration::from_millis(250);
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Between one attempt to connect and the next.
const RETRY: Duration = Duration::from_millis(2);
const LOOK: Duration = Duration::from_millis(1);
/// Silence behind which a replay is over.
const REPLAYED: Duration = Duration::from_secs(1);
/// The end of the drill is not waited for longer.
const END_MAX: Duration = Duration::from_secs(30);

/// Who it is, and what it does.
#[derive(Clone)]
pub(super) struct Broker {
    credentials: Credentials,
    /// Orders a second.
    rate: u32,
    side: Side,
    /// Whether its orders stay in the book until somebody takes them.
    rests: bool,
}

/// What it was told.
#[derive(Default)]
pub(super) struct Traded {
    pub(super) acknowledged: BTreeSet<u32>,
    pub(super) rejected: u64,
    /// Connections on which it was served.
    pub(super) connections: usize,
}

/// Where it is in its orders and in its stream.
struct State {
    session: SessionId,
    /// The number of the stream's next message.
    next_sequence: u64,
    next_order: u32,
    waiting: BTreeMap<u32, Instant>,
    traded: Traded,
}

impl Broker {
    /// The broker of this number, from 0, of so many. Every second one sells to the one before.
    pub(super) fn new(
        number: u32,
        brokers: u32,
        rate: u32,
        secrets: &PortSecrets,
    ) -> Result<Self, CliError> {
        let port = format!("BRK{:02}", number + 1);
        let secret = PortName::new(&port).and_then(|name| secrets.get(name));
        let secret = secret.ok_or(CliError::Credentials)?.reveal();
        let credentials = Credentials::new(&port, &secret).ok_or(CliError::Credentials)?;
        let side = if number.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let rests = number | 1 < brokers;
        Ok(Self { credentials, rate, side, rests })
    }

    /// Trades until `stop` is set and everything is acknowledged. Tells `back` the moment of the first new
    /// order that is acknowledged on a new connection.
    pub(super) fn trade(&self, stop: &AtomicBool, back: &Sender<Instant>) -> Traded {
        let mut state = State {
            session: SessionId::BLANK,
            next_sequence: 1,
            next_order: 1,
            waiting: BTreeMap::new(),
            traded: Traded::default(),
        };
        let mut ended_by = None;
        loop {
            if stop.load(Ordering::Relaxed) {
                let end = *ended_by.get_or_insert_with(|| Instant::now() + END_MAX);
                if state.waiting.is_empty() || Instant::now() > end {
                    return state.traded;
                }
            }
            if let Some(client) = self.connect(&state) {
                // Whatever ends it, the next connection goes on where this one was.
                let _ended = self.trade_on(client, &mut state, stop, back);
            } else {
                thread::sleep(RETRY);
            }
        }
    }

    fn connect(&self, state: &State) -> Option<SessionClient> {
        let (session, next) = (state.session, state.next_sequence);
        let address = ORDER_ENTRY.into();
        SessionClient::login(address, self.credentials, session, next, CONNECT_MAX).ok()
    }

    fn trade_on(
        &self,
        mut client: SessionClient,
        state: &mut State,
        stop: &AtomicBool,
        back: &Sender<Instant>,
    ) -> Result<(), ClientError> {
        state.session = client.session();
        let first_new = state.next_order;
        let mut is_back = false;
        for (number, since) in &mut state.waiting {
            client.enter(&self.order(*number), &Options::default())?;
            *since = Instant::now();
        }
        client.flush()?;
        let (window, interval) = (self.window(), Duration::from_secs(1) / self.rate);
        let mut next_at = Instant::now();
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) {
                if state.waiting.is_empty() {
                    return Ok(());
                }
            } else if now >= next_at && state.waiting.len() < window {
                client.enter(&self.order(state.next_order), &Options::default())?;
                client.flush()?;
                state.waiting.insert(state.next_order, now);
                state.next_order += 1;
                next_at = now.max(next_at + interval);
            }
            let wait = next_at.saturating_duration_since(now).min(LOOK);
            match client.receive(wait)? {
                None => {}
                Some(Incoming::EndOfSession) => return Ok(()),
                Some(Incoming::Message { sequence, message }) => {
                    state.next_sequence = sequence + 1;
                    let answered = state.hear(message);
                    if answered.is_some_and(|number| number >= first_new) && !is_back {
                        is_back = true;
                        state.traded.connections += 1;
                        let _nobody_listens = back.send(Instant::now());
                    }
                }
            }
            let oldest = state.waiting.values().next();
            if oldest.is_some_and(|since| since.elapsed() > ANSWER_MAX) {
                return Ok(());
            }
        }
    }

    fn window(&self) -> usize {
        (self.rate * WINDOW_SECONDS) as usize
    }

    fn order(&self, number: u32) -> Enter {
        Enter::new(
            UserRefNum(number),
            self.side,
            Quantity(100),
            Symbol::new("ACME").expect("four letters"),
            Price(250_000),
            if self.rests { TimeInForce::Day } else { TimeInForce::ImmediateOrCancel },
        )
    }
}

impl State {
    /// The order that `message` answers, if it does.
    fn hear(&mut self, message: &[u8]) -> Option<u32> {
        let number = match Outbound::parse(message).ok()? {
            Outbound::Accepted(accepted, _) => {
                let number = u32::from(accepted.user_ref_num);
                self.traded.acknowledged.insert(number);
                number
            }
            Outbound::Rejected(rejected, _) => {
                self.traded.rejected += 1;
                u32::from(rejected.user_ref_num)
            }
            _ => return None,
        };
        self.waiting.remove(&number);
        Some(number)
    }
}

/// The orders of a broker that the exchange says it accepted, and how often it says so of each: its stream,
/// from the first message of the day.
pub(super) fn heard_of(broker: &Broker) -> Result<BTreeMap<u32, u32>, CliError> {
    let state = State {
        session: SessionId::BLANK,
        next_sequence: 1,
        next_order: 1,
        waiting: BTreeMap::new(),
        traded: Traded::default(),
    };
    let given_up = Instant::now() + END_MAX;
    let mut client = loop {
        match broker.connect(&state) {
            Some(client) => break client,
            None if Instant::now() > given_up => return Err(ClientError::Closed.into()),
            None => thread::sleep(RETRY),
        }
    };
    let mut told: BTreeMap<u32, u32> = BTreeMap::new();
    while let Some(Incoming::Message { message, .. }) = client.receive(REPLAYED)? {
        if let Ok(Outbound::Accepted(accepted, _)) = Outbound::parse(message) {
            *told.entry(accepted.user_ref_num.into()).or_default() += 1;
        }
    }
    Ok(told)
}
