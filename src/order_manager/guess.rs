//! Guesses: where the rows were that the next command names, when it was looked at ahead of its turn.
//!
//! A guess saves a look-up and decides nothing: each is held against the row's own key before it is used,
//! and whoever finds it wrong looks the row up.

use super::{Asset, BalanceId, OrderManager};
use crate::types::{AccountId, InstrumentId, OrderHandle, PortId, Symbol, UserRefNum};

/// What a command is thought to be about; zeroes are no guess.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guess {
    /// The resting order that it names.
    pub(crate) order: OrderHandle,
    /// The account's dense number.
    pub(crate) account: u32,
    /// The instrument.
    pub(crate) instrument: InstrumentId,
    /// The account's cash.
    pub(crate) cash: BalanceId,
    /// The account's shares of the instrument.
    pub(crate) shares: BalanceId,
}

#[cfg(test)]
impl Guess {
    /// One that is seldom right, but often of something that is there.
    pub(crate) fn wild(number: u64) -> Self {
        let any = |salt: u64, below: u64| {
            let mixed = (number + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            u32::try_from(mixed % below).expect("below a u32")
        };
        Self {
            order: OrderHandle(any(1, 500)),
            account: any(2, 60),
            instrument: InstrumentId(u16::try_from(any(3, 6)).expect("few")),
            cash: BalanceId::any(any(4, 300)),
            shares: BalanceId::any(any(5, 300)),
        }
    }
}

impl OrderManager {
    /// The open order a port means by a number.
    #[must_use]
    pub(crate) fn find_order(
        &self,
        port: PortId,
        channel: u8,
        number: UserRefNum,
    ) -> Option<OrderHandle> {
        let guess = self.guess.order;
        if self.orders.is_open(guess, port, channel, number) {
            return Some(guess);
        }
        self.orders.find(port, channel, number)
    }

    /// The dense number of an account.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<u32> {
        let guess = self.guess.account;
        if self.accounts.get(guess).is_some_and(|row| row.id == id) {
            return Some(guess);
        }
        self.accounts.find(u64::from(id.0))
    }

    /// The instrument with this symbol.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        let guess = self.guess.instrument;
        if self.instruments.get(guess.0.into()).is_some_and(|row| row.symbol == symbol) {
            return Some(guess);
        }
        self.find_instrument(symbol)
    }

    /// The balance of an account in an asset.
    pub(super) fn balance(&self, account: u32, asset: Asset) -> Option<BalanceId> {
        let guess = match asset {
            Asset::Cash(_) => self.guess.cash,
            Asset::Shares(_) => self.guess.shares,
        };
        if self.wallet.is(guess, account, asset) {
            return Some(guess);
        }
        self.wallet.find(account, asset)
    }
}
