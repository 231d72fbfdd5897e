//! Risk limits and fees: sets them and says so, now to who asked, and again at the start of each day.
//!
//! What they mean and whom they are for is the order manager's.

use super::administration::Asker;
use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::order_manager::{FeePayer, OrderManager, Subject};
use crate::types::command::{Fee, RiskLimit};
use crate::types::event::{FeeSet, RiskLimitSet};
use crate::types::{AccountId, FirmCode, InstrumentId, Refusal, RiskKey, RiskScope, Symbol};

impl Engine {
    pub(super) fn set_limit(
        &mut self,
        limit: &RiskLimit,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let (subject, key) = self.manager.set_limit(limit)?;
        let event = limit_set(&self.manager, (subject, key, limit.value), asker.request);
        self.events.emit(Route::port(asker.port), &event, out);
        Ok(())
    }

    pub(super) fn set_fee(
        &mut self,
        fee: &Fee,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let payer = self.manager.set_fee(fee)?;
        let event = fee_set(&self.manager, payer, asker.request).expect("just set");
        self.events.emit(Route::port(asker.port), &event, out);
        Ok(())
    }

    /// Says every fee that was set.
    pub(super) fn say_fees(&mut self, out: &mut dyn Outlet) {
        let manager = &self.manager;
        let firms = manager.firms.rows().iter().map(|firm| FeePayer::Firm(firm.id));
        let symbols = manager.instruments.rows().iter().map(|row| FeePayer::Symbol(row.id));
        for payer in std::iter::once(FeePayer::Venue).chain(firms).chain(symbols) {
            if let Some(event) = fee_set(manager, payer, 0) {
                self.events.emit(Route::NONE, &event, out);
            }
        }
    }

    /// Says every limit that is set.
    pub(super) fn say_limits(&mut self, out: &mut dyn Outlet) {
        for limit in self.manager.limits.all() {
            self.events.emit(Route::NONE, &limit_set(&self.manager, limit, 0), out);
        }
    }
}

fn limit_set(
    manager: &OrderManager,
    (subject, key, value): (Subject, RiskKey, u64),
    request: u64,
) -> RiskLimitSet {
    let names = manager.name_subject(subject, key);
    RiskLimitSet {
        header: header_of::<RiskLimitSet>(names.instrument),
        request,
        value,
        symbol: names.symbol,
        account: names.account,
        firm: names.firm,
        currency: names.currency,
        port: names.port,
        scope: subject.scope.byte(),
        key: key.byte(),
        reserved: [0; 44],
    }
}

/// What was set for a payer, if anything was.
fn fee_set(manager: &OrderManager, payer: FeePayer, request: u64) -> Option<FeeSet> {
    let (mut account, mut firm, mut symbol) = (AccountId::NONE, FirmCode::BLANK, Symbol::BLANK);
    let mut instrument = InstrumentId::NONE;
    let (scope, rates) = match payer {
        FeePayer::Venue => {
            let (to, rates) = manager.venue_fees()?;
            account = to;
            (RiskScope::Venue, rates)
        }
        FeePayer::Firm(id) => {
            let row = manager.firms.get(id.0.into())?;
            firm = row.code;
            (RiskScope::Firm, row.rates?)
        }
        FeePayer::Symbol(id) => {
            let row = manager.instruments.get(id.0.into())?;
            (symbol, instrument) = (row.symbol, id);
            (RiskScope::Symbol, row.rates?)
        }
    };
    Some(FeeSet {
        header: header_of::<FeeSet>(instrument),
        request,
        symbol,
        account,
        firm,
        maker_rate: rates.maker,
        taker_rate: rates.taker,
        scope: scope.byte(),
        reserved: [0; 55],
    })
}
