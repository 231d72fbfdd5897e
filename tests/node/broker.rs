//! A broker: a logged-in client that speaks of orders in the words of a trader.
//!
//! What it hears becomes text, so that a test reads, and fails, as a story.

use std::net::SocketAddr;

use rialto::client::{ClientError, Credentials, Incoming, Protocol, SessionClient};
use rialto::types::{Price, Quantity, SessionId, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{
    Cancel, Enter, EntryAnswer, EntrySwitch, MassCancel, Options, Outbound, REQUEST_BYTES_MAX,
    Replace,
};

use crate::harness::{Node, SOON};

/// Ways to a session.
pub(crate) const WAYS: [fn(&Node, &str) -> Broker; 2] =
    [Broker::login, |node, port| Broker::login_over_ufo(node, port, 1)];

/// A broker's session.
pub(crate) struct Broker {
    pub(crate) client: SessionClient,
    pub(crate) next_ref: u32,
}

impl Broker {
    /// Logs in and listens from the first message of the day.
    pub(crate) fn login(node: &Node, port: &str) -> Self {
        Self::login_at(node, port, 1).unwrap()
    }

    /// Logs in and listens from message `sequence` on, 0 = from the next.
    pub(crate) fn login_at(node: &Node, port: &str, sequence: u64) -> Result<Self, ClientError> {
        let credentials = node.site.credentials(port);
        Self::login_to(node.site.order_entry, credentials, SessionId::BLANK, sequence)
    }

    /// Logs in over UDP and listens from message `sequence` on.
    pub(crate) fn login_over_ufo(node: &Node, port: &str, sequence: u64) -> Self {
        Self::login_over_ufo_to(node, node.site.ufo, port, sequence)
    }

    /// The same, by way of another address.
    pub(crate) fn login_over_ufo_to(
        node: &Node,
        address: SocketAddr,
        port: &str,
        sequence: u64,
    ) -> Self {
        let (credentials, blank) = (node.site.credentials(port), SessionId::BLANK);
        let client =
            SessionClient::login_by(Protocol::Ufo, address, credentials, blank, sequence, SOON);
        Self { client: client.unwrap(), next_ref: 1 }
    }

    /// Logs in to a session by its id.
    pub(crate) fn login_to(
        address: SocketAddr,
        credentials: Credentials,
        session: SessionId,
        sequence: u64,
    ) -> Result<Self, ClientError> {
        let client = SessionClient::login(address, credentials, session, sequence, SOON)?;
        Ok(Self { client, next_ref: 1 })
    }

    /// Buys for the day and returns the order's number.
    pub(crate) fn buys(&mut self, quantity: u32, symbol: &str, at: &str) -> u32 {
        self.enters(order(Side::Buy, quantity, symbol, at))
    }

    /// Sells for the day and returns the order's number.
    pub(crate) fn sells(&mut self, quantity: u32, symbol: &str, at: &str) -> u32 {
        self.enters(order(Side::Sell, quantity, symbol, at))
    }

    /// Enters an order with the next number, which it returns.
    pub(crate) fn enters(&mut self, order: Enter) -> u32 {
        let number = self.next_ref;
        self.enters_as(number, order);
        self.next_ref += 1;
        number
    }

    /// Enters an order with this number, whatever the last one was.
    pub(crate) fn enters_as(&mut self, number: u32, order: Enter) {
        let order = Enter { user_ref_num: number.into(), ..order };
        self.client.enter(&order, &Options::default()).unwrap();
        self.client.flush().unwrap();
    }

    /// Replaces an order by one of `quantity` shares in all, and returns the new order's number.
    pub(crate) fn replaces(&mut self, original: u32, quantity: u32, at: &str) -> u32 {
        let number = self.next_ref;
        let (original, new) = (UserRefNum(original), UserRefNum(number));
        let replace = Replace::new(original, new, Quantity(quantity), price(at));
        self.client.replace(&replace, &Options::default()).unwrap();
        self.client.flush().unwrap();
        self.next_ref += 1;
        number
    }

    /// Cancels what an order has beyond `quantity` shares in all.
    pub(crate) fn cancels(&mut self, number: u32, quantity: u32) {
        let cancel = Cancel::new(UserRefNum(number), Quantity(quantity));
        self.client.cancel(&cancel, &Options::default()).unwrap();
        self.client.flush().unwrap();
    }

    /// Cancels all that its firm has in an instrument, or at all if that is blank.
    pub(crate) fn mass_cancels(&mut self, symbol: Symbol) {
        let mass = MassCancel::new(UserRefNum(self.next_ref), symbol);
        self.requests(|message| mass.emit(&Options::default(), message));
    }

    /// Has its firm's new orders refused from now on, or taken again.
    pub(crate) fn switches_entry(&mut self, enables: bool) {
        let switch = EntrySwitch::new(UserRefNum(self.next_ref), enables);
        self.requests(|message| switch.emit(&Options::default(), message));
    }

    fn requests(&mut self, emit: impl FnOnce(&mut [u8; REQUEST_BYTES_MAX]) -> usize) {
        let mut message = [0; REQUEST_BYTES_MAX];
        let size = emit(&mut message);
        self.client.send(&message[..size]).unwrap();
        self.next_ref += 1;
    }

    /// The next message, as its bytes.
    pub(crate) fn hears_bytes(&mut self) -> Vec<u8> {
        match self.client.receive(SOON) {
            Ok(Some(Incoming::Message { message, .. })) => message.to_vec(),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The next message, in words.
    pub(crate) fn hears(&mut self) -> String {
        said(&self.hears_bytes())
    }

    /// Hears exactly these messages next.
    #[track_caller]
    pub(crate) fn must_hear(&mut self, expected: &[&str]) {
        let heard: Vec<_> = expected.iter().map(|_| self.hears()).collect();
        assert_eq!(heard, expected);
    }

    /// Makes sure that nothing was said but what was heard: the answer to an order that cannot be
    /// entered comes next.
    #[track_caller]
    pub(crate) fn must_hear_nothing(&mut self) {
        let number = self.buys(1, "NOSUCH", "1.00");
        assert_eq!(self.hears(), format!("rejected #{number} 0x17"));
    }

    /// Waits for the end of the session, which must be what comes next.
    #[track_caller]
    pub(crate) fn must_hear_the_end(&mut self) {
        assert_eq!(self.client.receive(SOON).unwrap(), Some(Incoming::EndOfSession));
        self.must_be_disconnected();
    }

    /// Waits until the exchange closes the connection.
    #[track_caller]
    pub(crate) fn must_be_disconnected(&mut self) {
        let result = self.client.receive(SOON);
        assert!(matches!(result, Err(ClientError::Closed)), "{result:?}");
    }
}

/// An order for the day, without a number.
pub(crate) fn order(side: Side, quantity: u32, symbol: &str, at: &str) -> Enter {
    Enter::new(
        UserRefNum(0),
        side,
        Quantity(quantity),
        Symbol::new(symbol).unwrap(),
        price(at),
        TimeInForce::Day,
    )
}

/// An order that does not rest.
pub(crate) fn immediate(order: Enter) -> Enter {
    Enter { time_in_force: TimeInForce::ImmediateOrCancel.byte(), ..order }
}

/// `25.01` as the wire has it, with four decimals.
pub(crate) fn price(text: &str) -> Price {
    let (whole, cents) = text.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "a price has two decimals here");
    Price(whole.parse::<u64>().unwrap() * 10_000 + cents.parse::<u64>().unwrap() * 100)
}

/// An OUCH message in words: `accepted #1 B 100 ACME 25.00`.
pub(crate) fn said(message: &[u8]) -> String {
    match Outbound::parse(message).unwrap() {
        Outbound::SystemEvent(m) => format!("system {}", char::from(m.code)),
        Outbound::Accepted(m, _) => {
            let state = if m.order_state == b'D' { " dead" } else { "" };
            let (side, price) = (char::from(m.side), shown(m.price.get()));
            format!(
                "accepted #{} {side} {} {} {price}{state}",
                m.user_ref_num, m.quantity, m.symbol
            )
        }
        Outbound::Replaced(m, _) => {
            let state = if m.order_state == b'D' { " dead" } else { "" };
            let (side, price) = (char::from(m.side), shown(m.price.get()));
            format!(
                "replaced #{} by #{} {side} {} {} {price}{state}",
                m.orig_user_ref_num, m.user_ref_num, m.quantity, m.symbol
            )
        }
        Outbound::Executed(m, _) => {
            let (price, liquidity) = (shown(m.price.get()), char::from(m.liquidity));
            format!("executed #{} {} {price} {liquidity}", m.user_ref_num, m.quantity)
        }
        Outbound::Canceled(m, _) => {
            format!("canceled #{} {} {}", m.user_ref_num, m.quantity, char::from(m.reason))
        }
        Outbound::AiqCanceled(m, _) => {
            format!("prevented #{} {} {}", m.user_ref_num, m.quantity, char::from(m.strategy))
        }
        Outbound::BrokenTrade(m, _) => {
            format!("broken #{} {}", m.user_ref_num, char::from(m.reason))
        }
        Outbound::TradeCorrection(m, _) => {
            let (price, reason) = (shown(m.price.get()), char::from(m.reason));
            format!("corrected #{} {} {price} {reason}", m.user_ref_num, m.quantity)
        }
        Outbound::Rejected(m, _) => format!("rejected #{} 0x{:02X}", m.user_ref_num, m.reason),
        Outbound::CancelRejected(m, _) => format!("cancel of #{} rejected", m.user_ref_num),
        Outbound::MassCanceled(m, _) => {
            let symbol = m.symbol.text();
            let what = if symbol.is_empty() { "all" } else { &symbol };
            format!("mass cancel #{} of {} {what}", m.user_ref_num, m.firm)
        }
        Outbound::EntryAnswer(m, _) => {
            let how = if m.kind == EntryAnswer::ENABLED { "enabled" } else { "disabled" };
            format!("entry #{} {how} of {}", m.user_ref_num, m.firm)
        }
        Outbound::AccountAnswer(m, _) => format!("next #{}", m.next_user_ref_num),
        other => format!("unexpected {other:?}"),
    }
}

fn shown(price: u64) -> String {
    format!("{}.{:02}", price / 10_000, price / 100 % 100)
}
