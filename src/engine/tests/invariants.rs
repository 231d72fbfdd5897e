//! What is true of an engine after every command, whatever it was.

use std::collections::BTreeMap;

use super::busts;
use super::world::World;
use crate::matching::{BookSide, Section};
use crate::order_manager::{Asset, Balance, OrderManager};
use crate::types::{CurrencyId, InstrumentId, OrderRef, Phase, notional};

/// # Panics
/// If anything below does not hold.
pub(super) fn hold(world: &World) {
    let manager = world.engine.order_manager();
    let books = world.engine.books();
    let mut held = BTreeMap::new();
    let mut of_port = BTreeMap::new();
    let mut of_firm = BTreeMap::new();
    let mut of_account = BTreeMap::new();
    // By account and currency: the value of what is open to buy and to sell.
    let mut open_value: BTreeMap<(u32, u16), [i64; 2]> = BTreeMap::new();
    let mut orders = 0;
    for instrument in manager.instruments.rows() {
        let best = |side| books.levels(instrument.id, side).next().map(|level| level.price);
        let phase = instrument.trading.phase;
        if let (Some(bid), Some(ask)) = (best(BookSide::Bids), best(BookSide::Asks))
            && phase == Phase::Continuous
        {
            assert!(bid < ask, "{} is crossed: {bid} {ask}", instrument.symbol);
        }
        let sections = [Section::Continuous, Section::Opening, Section::Closing];
        let sides = [BookSide::Bids, BookSide::Asks];
        for (section, side) in sections.into_iter().flat_map(|section| sides.map(|s| (section, s)))
        {
            let mut at_price: BTreeMap<_, (u64, u32)> = BTreeMap::new();
            let mut last = None;
            for order in books.orders_in(instrument.id, section, side) {
                orders += 1;
                let owner = manager.orders.get(order.handle);
                assert_eq!((owner.order, owner.instrument), (order.order, instrument.id));
                assert_eq!(
                    manager.orders.find(owner.port, owner.user_ref_idx, owner.user_ref_num),
                    Some(order.handle)
                );
                assert!(order.open.0.is_multiple_of(instrument.lot_size) && order.open.0 > 0);
                assert_eq!(order.shown.is_zero(), order.shown_as.is_none());
                assert_eq!(order.shown, order.shown.min(order.open).min(order.display));
                // What is hidden comes behind what is shown, and each in the order of its coming.
                let place = match order.shown_as {
                    OrderRef::NONE => (true, order.order),
                    shown_as => (false, shown_as),
                };
                if let Some((price, older)) = last {
                    assert!(price != order.price || older < place, "priority");
                }
                last = Some((order.price, place));
                let level = at_price.entry(order.price).or_default();
                *level = (level.0 + u64::from(order.open.0), level.1 + 1);
                *of_port.entry(owner.port).or_insert(0) += 1;
                *of_firm.entry(owner.firm).or_insert(0) += 1;
                let account = manager.account(owner.account).unwrap();
                *of_account.entry(account).or_insert(0) += 1;
                let worth = owner.worth();
                let value = notional(worth, order.open, instrument.scale).unwrap();
                let open = open_value.entry((account, instrument.currency.0)).or_default();
                open[usize::from(!owner.side.is_buy())] += value;
                let (asset, amount) = if owner.side.is_buy() {
                    (Asset::Cash(instrument.currency), value + owner.fee.hold(value))
                } else {
                    (Asset::Shares(instrument.id), i64::from(order.open.0))
                };
                *held.entry((account, format!("{asset:?}"))).or_insert(0) += amount;
            }
            if section == Section::Continuous {
                for level in books.levels(instrument.id, side) {
                    assert_eq!(at_price.remove(&level.price), Some((level.quantity, level.orders)));
                }
                assert!(at_price.is_empty());
                continue;
            }
            // What waits for an auction waits only while it is ahead.
            let ahead = match section {
                Section::Closing => phase != Phase::Closed,
                _ => !matches!(phase, Phase::Continuous | Phase::ClosingAuction | Phase::Closed),
            };
            assert!(ahead || at_price.is_empty(), "{} waits in {phase:?}", instrument.symbol);
        }
    }
    assert_eq!(orders, books.order_count());
    for port in manager.ports.rows() {
        assert_eq!(port.open_orders, of_port.get(&port.id).copied().unwrap_or(0));
    }
    for firm in manager.firms.rows() {
        assert_eq!(firm.open_orders, of_firm.get(&firm.id).copied().unwrap_or(0));
    }

    for (number, account) in (1..).zip(manager.accounts.rows()) {
        assert_eq!(account.open_orders, of_account.get(&number).copied().unwrap_or(0));
    }
    for (&(account, currency), &open) in &open_value {
        let cash = manager.wallet.find(account, Asset::Cash(CurrencyId(currency))).unwrap();
        assert_eq!(open_part(manager.wallet.get(cash).counts()), open, "of account {account}");
    }
    firms_are_their_accounts(manager, &open_value);

    let mut sums: BTreeMap<String, (Asset, i128)> = BTreeMap::new();
    for balance in manager.wallet.balances() {
        let asset = format!("{:?}", balance.asset);
        let expected = held.remove(&(balance.account, asset.clone())).unwrap_or(0);
        assert_eq!(balance.held, expected, "{balance:?}");
        let account = manager.accounts.get(balance.account).unwrap();
        let shorts = matches!(balance.asset, Asset::Shares(id) if sells_short(world, id));
        let short = shorts && account.short_allowed;
        let id = manager.wallet.find(balance.account, balance.asset);
        let fees = matches!(balance.asset, Asset::Cash(c) if manager.fee_cash(c) == id);
        // Whoever owes has nothing open that would have it owe more.
        let may_owe = shorts || busts::may_owe(world, manager, balance.account);
        let owes = may_owe && balance.held == 0;
        assert!(short || fees || owes || balance.available() >= 0, "{balance:?}");
        sums.entry(asset).or_insert((balance.asset, 0)).1 += i128::from(balance.total);
    }
    assert!(manager.wallet.is_conserved());
    assert!(held.is_empty(), "held of no balance: {held:?}");
    for (asset, sum) in sums.values() {
        assert_eq!(*sum, i128::from(manager.wallet.supply(*asset)), "{asset:?}");
    }
}

/// What is open of counted value to buy and to sell.
fn open_part([buys, bought, sells, sold]: [i64; 4]) -> [i64; 2] {
    [buys - bought, sells - sold]
}

/// What is counted of a firm is what is counted of its accounts, and what is open of it that of its orders.
fn firms_are_their_accounts(manager: &OrderManager, open_value: &BTreeMap<(u32, u16), [i64; 2]>) {
    let firm_of = |account| manager.accounts.get(account).unwrap().firm;
    let currencies = manager.currencies.rows().iter().map(|row| Asset::Cash(row.id));
    let instruments = manager.instruments.rows().iter().map(|row| Asset::Shares(row.id));
    for asset in currencies.chain(instruments) {
        for firm in manager.firms.rows() {
            let of_firm =
                |balance: &&Balance| balance.asset == asset && firm_of(balance.account) == firm.id;
            let mut sums = [0; 4];
            for balance in manager.wallet.balances().iter().filter(of_firm) {
                for (sum, count) in sums.iter_mut().zip(balance.counts()) {
                    *sum += i128::from(count);
                }
            }
            let counts = manager.firm_counts(firm.id, asset);
            for (count, sum) in counts.into_iter().zip(sums) {
                // Beyond the largest number it is not known any more.
                assert!(i128::from(count) == sum || count == i64::MAX, "{} {asset:?}", firm.code);
            }
            if let Asset::Cash(currency) = asset
                && !counts.contains(&i64::MAX)
            {
                let mut open = [0; 2];
                for (_, [buys, sells]) in open_value
                    .iter()
                    .filter(|((account, of), _)| firm_of(*account) == firm.id && *of == currency.0)
                {
                    open = [open[0] + buys, open[1] + sells];
                }
                assert_eq!(open_part(counts), open, "{} {asset:?}", firm.code);
            }
        }
    }
}

fn sells_short(world: &World, instrument: InstrumentId) -> bool {
    let instruments = &world.engine.order_manager().instruments;
    instruments.get(instrument.0.into()).unwrap().short_allowed
}
