//! Names: what the day's definitions call the numbers of records. Numbers are for the life of a log.

use std::collections::BTreeMap;

use rialto::types::event::Event;
use rialto::types::{AccountId, CurrencyId, FirmId, InstrumentId, PortId};

use crate::table::Text;

/// What a number is called, and the scale of its amounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: Text,
    pub(crate) decimals: i64,
}

/// The names of everything that was defined.
#[derive(Debug)]
pub(crate) struct Names {
    /// By number; nothing has number 0.
    currencies: Vec<Named>,
    firms: Vec<Named>,
    ports: Vec<Named>,
    instruments: Vec<Named>,
    /// Firms, by account.
    accounts: BTreeMap<u32, Text>,
    /// Single characters.
    characters: Vec<Text>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let nothing = || vec![Named::default()];
        Self {
            currencies: nothing(),
            firms: nothing(),
            ports: nothing(),
            instruments: nothing(),
            accounts: BTreeMap::new(),
            characters: (0..=u8::MAX).map(|byte| Text::of_record(&[byte])).collect(),
        }
    }

    /// Takes in a definition; any other event says nothing new.
    pub(crate) fn learn(&mut self, event: &Event<'_>) {
        let named = |bytes: &[u8], decimals: u8| {
            let name = Text::of_record(bytes);
            Named { name, decimals: decimals.into() }
        };
        match event {
            Event::CurrencyDefined(defined) => put(
                &mut self.currencies,
                defined.currency.0.into(),
                named(&defined.code.0, defined.cash_decimals),
            ),
            Event::FirmDefined(defined) => {
                put(&mut self.firms, defined.firm.0.into(), named(&defined.code.0, 0));
            }
            Event::PortDefined(defined) => {
                put(&mut self.ports, defined.port.0 as usize, named(&defined.name.0, 0));
            }
            Event::InstrumentDefined(defined) => put(
                &mut self.instruments,
                defined.header.instrument.0.into(),
                named(&defined.symbol.0, defined.price_decimals),
            ),
            Event::AccountDefined(defined) => {
                self.accounts.insert(defined.account.0, Text::of_record(&defined.firm.0));
            }
            _ => {}
        }
    }

    pub(crate) fn currency(&self, id: CurrencyId) -> Result<&Named, String> {
        self.currencies.get(usize::from(id.0)).ok_or_else(|| format!("no currency has number {id}"))
    }

    pub(crate) fn firm(&self, id: FirmId) -> Result<Text, String> {
        let found = self.firms.get(usize::from(id.0)).map(|firm| firm.name.clone());
        found.ok_or_else(|| format!("no firm has number {id}"))
    }

    pub(crate) fn port(&self, id: PortId) -> Result<Text, String> {
        let found = self.ports.get(id.0 as usize).map(|port| port.name.clone());
        found.ok_or_else(|| format!("no port has number {id}"))
    }

    pub(crate) fn instrument(&self, id: InstrumentId) -> Result<&Named, String> {
        let found = self.instruments.get(usize::from(id.0));
        found.ok_or_else(|| format!("no instrument has number {id}"))
    }

    /// The decimals of the instrument of this name; 0 if there is none.
    pub(crate) fn price_decimals(&self, symbol: &Text) -> i64 {
        let found = self.instruments.iter().find(|named| named.name == *symbol);
        found.map_or(0, |named| named.decimals)
    }

    pub(crate) fn firm_of_account(&self, account: AccountId) -> Result<Text, String> {
        let found = self.accounts.get(&account.0).cloned();
        found.ok_or_else(|| format!("account {account} was never opened"))
    }

    /// A byte that stands for itself; nothing if it is zero.
    pub(crate) fn character(&self, byte: u8) -> Text {
        self.characters[usize::from(byte)].clone()
    }
}

fn put(table: &mut Vec<Named>, number: usize, named: Named) {
    if table.len() <= number {
        table.resize(number + 1, Named::default());
    }
    table[number] = named;
}
