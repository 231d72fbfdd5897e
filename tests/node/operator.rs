//! An operator: commands to a running node over its administrative port, and what becomes of them, in
//! words.

use rialto::client::{ClientError, Incoming, SessionClient};
use rialto::types::command::{AccountUpdate, CommandHeader, DayEnd, DayStart, Transfer};
use rialto::types::event::Event;
use rialto::types::{
    AccountId, AccountStatus, AssetKind, Date, LINE_BYTES, Line, Nanos, RECORD_LINES_MAX, Record,
    Refusal, SessionId, Symbol,
};
use zerocopy::FromZeros as _;

use crate::harness::{Node, SOON};

/// An operator's session. Its requests are numbered.
pub(crate) struct Operator {
    client: SessionClient,
    pub(crate) next_request: u64,
}

impl Operator {
    /// Logs in, to hear what comes from now on.
    pub(crate) fn login(node: &Node) -> Self {
        Self::login_at(node, 0)
    }

    /// Logs in and listens from message `sequence` on.
    pub(crate) fn login_at(node: &Node, sequence: u64) -> Self {
        let (address, credentials) = (node.site.admin, node.site.credentials("OPER01"));
        let session = SessionId::BLANK;
        let client = SessionClient::login(address, credentials, session, sequence, SOON).unwrap();
        Self { client, next_request: 1 }
    }

    /// Ends the day.
    pub(crate) fn ends_the_day(&mut self) {
        let header = CommandHeader::internal::<DayEnd>(Nanos::ZERO);
        let request = self.request();
        self.asks(&DayEnd { header, request, reserved: [0; 32] });
    }

    /// Starts today's session of this generation.
    pub(crate) fn starts_the_day(&mut self, generation: u16) {
        let header = CommandHeader::internal::<DayStart>(Nanos::ZERO);
        let (request, date) = (self.request(), today());
        self.asks(&DayStart {
            header,
            request,
            midnight: date.midnight(),
            date: date.number(),
            session: date.session(generation),
            ..DayStart::new_zeroed()
        });
    }

    /// Deposits, or withdraws if the amount is negative, cash in 1/10,000 USD.
    pub(crate) fn transfers(&mut self, account: u32, amount: i64, reference: u64) {
        let header = CommandHeader::internal::<Transfer>(Nanos::ZERO);
        let request = self.request();
        self.asks(&Transfer {
            header,
            request,
            reference,
            amount,
            asset: Symbol::new("USD").unwrap(),
            account: AccountId(account),
            asset_kind: AssetKind::Cash.byte(),
            reserved: [0; 3],
        });
    }

    /// Suspends an account, or approves it.
    pub(crate) fn updates(&mut self, account: u32, status: AccountStatus) {
        let header = CommandHeader::internal::<AccountUpdate>(Nanos::ZERO);
        let request = self.request();
        self.asks(&AccountUpdate {
            header,
            request,
            account: AccountId(account),
            status: status.byte(),
            short_allowed: 0,
            reserved: [0; 26],
        });
    }

    fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request - 1
    }

    fn asks<R: Record>(&mut self, command: &R) {
        self.client.send(Line::bytes(command.lines())).unwrap();
    }

    /// What comes next, in words.
    pub(crate) fn hears(&mut self) -> String {
        match self.client.receive(SOON) {
            Ok(Some(Incoming::Message { message, .. })) => {
                let mut lines = [Line::ZERO; RECORD_LINES_MAX];
                Line::bytes_mut(&mut lines)[..message.len()].copy_from_slice(message);
                said(&Event::parse(&lines[..message.len() / LINE_BYTES]).unwrap())
            }
            Ok(Some(Incoming::EndOfSession)) => "end of session".to_owned(),
            Err(ClientError::Closed) => "closed".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Hears exactly these events next.
    #[track_caller]
    pub(crate) fn must_hear(&mut self, expected: &[&str]) {
        let heard: Vec<_> = expected.iter().map(|_| self.hears()).collect();
        assert_eq!(heard, expected);
    }
}

/// The date that a node started now proposes.
pub(crate) fn today() -> Date {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Date::of(Nanos(u64::try_from(since_epoch.as_nanos()).unwrap()))
}

/// An event in words, as far as operators are told of it.
pub(crate) fn said(event: &Event<'_>) -> String {
    match event {
        Event::DayStarted(day) => format!("{}: day started {}", day.request, day.session),
        Event::DayEnded(day) => format!("{}: day ended", day.request),
        Event::BalanceChanged(balance) => {
            let (account, total, change) = (balance.account, balance.balance, balance.change);
            format!("{}: account {account} {change:+} is {total}", balance.request)
        }
        Event::AccountDefined(account) => {
            let status = AccountStatus::from_byte(account.status).unwrap();
            format!("{}: account {} {status:?}", account.request, account.account)
        }
        Event::Refused(refused) => {
            format!(
                "{}: refused {:?}",
                refused.request,
                Refusal::from_byte(refused.reason).unwrap()
            )
        }
        other => panic!("no operator is told of {other:?}"),
    }
}
