//! The order manager in a snapshot: definitions, sessions, balances, limits and what the day remembers.
//!
//! Open orders are written with the books, and everything that can be worked out of the rest is: indexes,
//! counts of open orders, resolved limits. What is read is checked as if a command had brought it, so
//! that no bytes make an order manager that could not have come to be.

use super::definitions::{CASH_DECIMALS_MAX, group_key};
use super::table::{is_name, name_key};
use super::{
    Account, Asset, BalanceId, Currency, Fees, Firm, Instrument, OpenOrder, OrderManager, Port,
    Rates, Table,
};
use crate::types::{
    CurrencyId, Epoch, FirmId, OrderHandle, PortKind, Price, Quantity, SnapshotError,
    SnapshotReader, SnapshotWriter, consistent, notional,
};

impl OrderManager {
    /// Writes everything but the open orders.
    pub(crate) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self {
            currencies,
            firms,
            ports,
            accounts,
            instruments,
            wallet,
            orders: _,
            recent,
            symbol_messages,
            // Together with what lies with the firms.
            firm_activity: _,
            limits,
            fees,
            groups: _,
            references,
            busts,
            orders_max: _,
            guess: _,
        } = self;
        out.put(currencies.rows());
        out.put(firms.rows());
        out.put(accounts.rows());
        recent.write(accounts.rows(), out);
        out.put(instruments.rows());
        out.put(ports.rows());
        symbol_messages.write(ports.rows(), out);
        wallet.write(out);
        self.write_firm_activity(out);
        limits.write(out);
        out.put(fees);
        references.write(out);
        busts.write(out);
    }

    /// Reads what [`OrderManager::write`] wrote, without an open order, into this new order manager. It is
    /// not made here: one for ten million orders takes longer to make than most snapshots to read.
    ///
    /// # Errors
    /// Why no order manager of this capacity can have written it.
    pub(crate) fn read(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        for row in input.take::<Vec<Currency>>()? {
            self.check_currency(row)?;
            add(&mut self.currencies, name_key(&row.code.0), row)?;
        }
        for row in input.take::<Vec<Firm>>()? {
            self.check_firm(&row)?;
            add(&mut self.firms, name_key(&row.code.0), row)?;
        }
        for row in input.take::<Vec<Account>>()? {
            self.add_account(row)?;
        }
        self.recent.read(self.accounts.rows_mut(), input)?;
        for row in input.take::<Vec<Instrument>>()? {
            self.check_instrument(&row)?;
            add(&mut self.instruments, name_key(&row.symbol.0), row)?;
        }
        for row in input.take::<Vec<Port>>()? {
            self.check_port(&row)?;
            add(&mut self.ports, name_key(&row.name.0), row)?;
            self.symbol_messages.add_port();
        }
        let instruments = self.instruments.len();
        self.symbol_messages.read(self.ports.rows_mut(), instruments, input)?;
        let owners = [self.accounts.len(), self.currencies.len(), instruments];
        self.wallet.read(owners, input)?;
        self.read_firm_activity(input)?;
        self.limits.read(input)?;
        self.check_subjects()?;
        self.resolve_all_rates();
        self.read_fees(input)?;
        self.references.read(input)?;
        self.busts.read(input)
    }

    /// Puts back an open order, younger than all that its port has. Adds what it holds to `held`, by
    /// balance.
    ///
    /// # Errors
    /// Why it can be none of this order manager's.
    pub(crate) fn reopen_order(
        &mut self,
        handle: OrderHandle,
        order: OpenOrder,
        (price, open): (Price, Quantity),
        held: &mut [i64],
    ) -> Result<(), SnapshotError> {
        let instrument = self.instruments.get(order.instrument.0.into());
        let instrument = instrument.expect("its book says which");
        let port = self.ports.get(order.port.0).filter(|port| port.kind == PortKind::OrderEntry);
        let firm = port.map(|port| port.firm);
        consistent(firm == Some(order.firm), "an order of no port")?;
        let known = self.orders.find(order.port, order.user_ref_idx, order.user_ref_num);
        consistent(known.is_none() && !order.user_ref_num.is_none(), "two orders of one number")?;
        let (worth, at_limit) = (order.worth(), instrument.trading.worth(price));
        let counted = if order.side.is_buy() { worth == at_limit } else { worth >= at_limit };
        consistent(counted && worth <= Price::MAX, "an order counted at another price")?;
        let value = notional(worth, open, instrument.scale);
        let sound = order.fee.is_sound() && order.executed.0.checked_add(open.0).is_some();
        consistent(sound, "an order out of range")?;
        let (balance, amount) = if order.side.is_buy() {
            let with_fee = value.and_then(|value| value.checked_add(order.fee.hold(value)));
            (order.cash, with_fee)
        } else {
            (order.shares, value.map(|_| open.0.into()))
        };
        let held = &mut held[balance.index()];
        let sum = amount.and_then(|amount| held.checked_add(amount));
        *held = sum.ok_or(SnapshotError::Contradiction("an order worth too much"))?;
        self.open_order(handle, order);
        Ok(())
    }

    /// Brings near what [`OrderManager::reopen_order`] touches of an order that it is soon asked for.
    pub(crate) fn expect_reopening(&self, handle: OrderHandle, order: &OpenOrder) {
        self.orders.expect(handle);
        self.orders.expect_number(order.port, order.user_ref_idx, order.user_ref_num);
        self.ports.expect(order.port.0);
        self.wallet.expect_balance(order.cash);
    }

    /// The account behind the cash and the shares of an order in an instrument, if they are what they
    /// should be.
    pub(crate) fn owner(&self, order: &OpenOrder, instrument: &Instrument) -> Option<&Account> {
        let balances = self.wallet.balances();
        let get = |id: BalanceId| balances.get(id.checked_index()?);
        let (cash, shares) = (get(order.cash)?, get(order.shares)?);
        let fits = cash.asset == Asset::Cash(instrument.currency)
            && shares.asset == Asset::Shares(instrument.id)
            && cash.account == shares.account;
        fits.then(|| self.accounts.get(cash.account)).flatten()
    }

    /// Judges the whole once all orders are open again, which hold so much of each balance.
    pub(crate) fn check_orders(&self, held: &[i64]) -> Result<(), SnapshotError> {
        consistent(self.wallet.holds(held), "more or less held than orders need")?;
        let full = self.firms.rows().iter().any(|firm| firm.open_orders > firm.open_orders_max);
        consistent(!full, "more orders of a firm than it may have")
    }

    fn check_currency(&self, row: Currency) -> Result<(), SnapshotError> {
        let Currency { id, code, cash_decimals } = row;
        consistent(is_next(&self.currencies, id.0.into()), "currencies out of order")?;
        let sound = is_name(&code.0) && cash_decimals <= CASH_DECIMALS_MAX;
        consistent(sound, "a currency out of range")
    }

    fn check_firm(&self, row: &Firm) -> Result<(), SnapshotError> {
        let &Firm { id, code, open_orders_max, rates, .. } = row;
        consistent(is_next(&self.firms, id.0.into()), "firms out of order")?;
        let sound = is_name(&code.0) && rates.is_none_or(Rates::are_sound);
        consistent(sound, "a firm out of range")?;
        consistent(open_orders_max <= self.orders_left(), "more promised than there is room for")
    }

    fn add_account(&mut self, row: Account) -> Result<(), SnapshotError> {
        let &Account { id, firm, group_id, .. } = &row;
        let exists = self.firms.get(firm.0.into()).is_some();
        consistent(!id.is_none() && exists, "an account out of range")?;
        let is_new = group_id == 0 || self.account_of_group(firm, group_id).is_none();
        consistent(is_new, "two accounts of one group")?;
        add(&mut self.accounts, u64::from(id.0), row)?;
        self.recent.add_account();
        if group_id != 0 {
            self.groups.insert(group_key(firm, group_id), self.accounts.len(), |_| false);
        }
        Ok(())
    }

    fn check_instrument(&self, row: &Instrument) -> Result<(), SnapshotError> {
        let &Instrument { id, symbol, currency, scale, lot_size, tick_size, .. } = row;
        let &Instrument { reference_price, price_decimals, trading, rates, .. } = row;
        consistent(is_next(&self.instruments, id.0.into()), "instruments out of order")?;
        let cash_decimals = self.currencies.get(currency.0.into()).map(|row| row.cash_decimals);
        let finer = cash_decimals.and_then(|decimals| decimals.checked_sub(price_decimals));
        let sound = is_name(&symbol.0)
            && finer.is_some_and(|finer| scale == 10_i64.pow(finer.into()))
            && (1..=Quantity::MAX.0).contains(&lot_size)
            && (1..=Price::MAX.0).contains(&tick_size)
            && reference_price <= Price::MAX
            && trading.is_sound()
            && rates.is_none_or(Rates::are_sound);
        consistent(sound, "an instrument out of range")
    }

    fn check_port(&self, row: &Port) -> Result<(), SnapshotError> {
        let &Port { id, name, kind, firm, .. } = row;
        consistent(is_next(&self.ports, id.0), "ports out of order")?;
        let has_firm = self.firms.get(firm.0.into()).is_some()
            || kind == PortKind::Admin && firm == FirmId::NONE;
        let sound = is_name(&name.0) && name == name.upper() && has_firm;
        consistent(sound, "a port out of range")
    }

    /// Whether every session began with a command before `next`.
    pub(crate) fn check_sessions(&self, next: u64, day: bool) -> Result<(), SnapshotError> {
        let sound = self.ports.rows().iter().all(|port| {
            !port.is_up() || port.epoch < Epoch(next) && (day || !port.is_of_the_day())
        });
        consistent(sound, "a session of nothing")
    }

    fn read_fees(&mut self, input: &mut SnapshotReader<'_>) -> Result<(), SnapshotError> {
        let fees: Fees = input.take()?;
        let account = fees.account();
        let opened = account == 0
            || (1..=self.currencies.len()).all(|id| {
                let cash = Asset::Cash(CurrencyId(u16::try_from(id).expect("capacities are u16")));
                self.wallet.find(account, cash).is_some()
            });
        consistent(opened && fees.is_sound(), "fees to nobody")?;
        self.fees = fees;
        self.open_fee_balances();
        Ok(())
    }
}

/// Whether a row has the number of the next.
fn is_next<T>(table: &Table<T>, id: u32) -> bool {
    id == table.len() + 1
}

fn add<T>(table: &mut Table<T>, key: u64, row: T) -> Result<(), SnapshotError> {
    let added = table.add(key, row);
    added.map(drop).map_err(|_| SnapshotError::Contradiction("a name twice, or too many of a kind"))
}
