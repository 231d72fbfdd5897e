//! Risk limits: sets them and says so, now to who asked, and again at the start of each day.
//!
//! What a limit means and whom it holds for is the order manager's.

use super::administration::Asker;
use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::order_manager::{OrderManager, Subject};
use crate::types::command::RiskLimit;
use crate::types::event::RiskLimitSet;
use crate::types::{Refusal, RiskKey};

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
