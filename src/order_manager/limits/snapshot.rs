//! Limits in a snapshot: what was set for whom, and what each account did today.
//!
//! What is resolved of the limits is not in it: it is resolved again when an order comes, to the same.

use super::super::{Asset, OrderManager, Wallet};
use super::{
    Exposure, LimitSet, Limits, Position, SUBJECTS_MAX, Standing, Subject, limit_max, scope_takes,
    short, tightest,
};
use crate::types::{
    PortId, RiskKey, RiskScope, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

/// Of no number of changes: resolved before any.
const STALE: u32 = u32::MAX;

impl Limits {
    pub(in crate::order_manager) fn write(&self, wallet: &Wallet, out: &mut SnapshotWriter) {
        let Self { sets, by_subject: _, generation: _, counts_symbols, standings } = self;
        out.put(sets);
        out.put(counts_symbols);
        for (index, balance) in wallet.balances().iter().enumerate() {
            match (balance.asset, standings.get(index)) {
                (Asset::Shares(_), Some(Standing::Shares(position))) => {
                    let &Position {
                        generation: _,
                        quantity_max: _,
                        collar: _,
                        open_orders_max: _,
                        duplicate_window_ms: _,
                        restricted: _,
                        no_market_orders: _,
                        notional_max: _,
                        shares_max: _,
                        shares,
                    } = position;
                    out.put(&shares);
                }
                (Asset::Shares(_), _) => out.put(&0_u64),
                (Asset::Cash(_), Some(Standing::Cash(exposure))) => {
                    let &Exposure {
                        generation: _,
                        gross_max: _,
                        net_max: _,
                        buys,
                        bought,
                        sells,
                        sold,
                    } = exposure;
                    out.put(&[buys, bought, sells, sold]);
                }
                (Asset::Cash(_), _) => out.put(&[0_i64; 4]),
            }
        }
    }

    /// Fills these, which are of a venue without any; the wallet is read.
    pub(in crate::order_manager) fn read(
        &mut self,
        wallet: &Wallet,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let sets: Vec<LimitSet> = input.take()?;
        consistent(sets.len() <= SUBJECTS_MAX, "limits for more than there is room for")?;
        for (id, set) in (1..).zip(sets) {
            let LimitSet { subject, values } = set;
            let is_new = self.by_subject.get(subject.key()).is_none();
            consistent(is_new, "two sets of limits for one")?;
            let sound =
                values.iter().zip(0..).filter(|(value, _)| **value != 0).all(|(&value, key)| {
                    let key = RiskKey::from_byte(key);
                    key.is_some_and(|key| {
                        scope_takes(subject.scope, key) && value <= limit_max(key)
                    })
                });
            consistent(sound, "a limit out of range")?;
            self.by_subject.insert(subject.key(), id);
            self.sets.push(set);
        }
        self.counts_symbols = input.take()?;
        for balance in wallet.balances() {
            let standing = match balance.asset {
                Asset::Shares(_) => Standing::Shares(Position::done(input.take()?)),
                Asset::Cash(_) => {
                    let [buys, bought, sells, sold] = input.take()?;
                    let none = Exposure { generation: STALE, ..Exposure::NONE };
                    Standing::Cash(Exposure { buys, bought, sells, sold, ..none })
                }
            };
            self.standings.push(standing);
        }
        Ok(())
    }
}

impl Position {
    /// With limits that are still to be resolved.
    const fn done(shares: u64) -> Self {
        Self {
            generation: STALE,
            quantity_max: 0,
            collar: 0,
            open_orders_max: 0,
            duplicate_window_ms: 0,
            restricted: false,
            no_market_orders: false,
            notional_max: 0,
            shares_max: 0,
            shares,
        }
    }
}

impl OrderManager {
    /// Whether limits are set for who and what exists only.
    pub(in crate::order_manager) fn check_subjects(&self) -> Result<(), SnapshotError> {
        use RiskScope as S;
        let instrument = |what: u16| self.instruments.get(what.into()).is_some();
        let currency = |what: u16| what == 0 || self.currencies.get(what.into()).is_some();
        let exist = self.limits.sets.iter().all(|&LimitSet { subject, .. }| {
            let Subject { scope, who, what } = subject;
            match scope {
                S::Venue => who == 0 && currency(what),
                S::Firm => self.firms.get(who).is_some() && currency(what),
                S::Account => self.accounts.get(who).is_some() && currency(what),
                S::Symbol => who == 0 && instrument(what),
                S::FirmSymbol => self.firms.get(who).is_some() && instrument(what),
                S::AccountSymbol => self.accounts.get(who).is_some() && instrument(what),
                S::Port => self.ports.get(who).is_some() && what == 0,
            }
        });
        consistent(exist, "a limit for nobody")
    }

    /// Works out the message rates of every port and instrument.
    pub(in crate::order_manager) fn resolve_all_rates(&mut self) {
        for port in 1..=self.ports.len() {
            self.resolve_rates(PortId(port));
        }
        for row in self.instruments.rows_mut() {
            let subject = Subject::new(RiskScope::Symbol, 0, row.id.0);
            let set = self.limits.find([subject]);
            row.symbol_messages_max = short(tightest(RiskKey::SymbolMessageRate, &set));
        }
    }
}
