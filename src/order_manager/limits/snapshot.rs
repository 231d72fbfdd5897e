//! Limits in a snapshot: what was set for whom.
//!
//! What is resolved of the limits is not in it: it is resolved again when an order comes, to the same.

use super::super::OrderManager;
use super::{LimitSet, Limits, SUBJECTS_MAX, Subject, limit_max, scope_takes, short, tightest};
use crate::types::{
    PortId, RiskKey, RiskScope, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

impl Limits {
    pub(in crate::order_manager) fn write(&self, out: &mut SnapshotWriter<'_>) {
        let Self {
            sets,
            by_subject: _,
            named: _,
            generation: _,
            set: _,
            profiles: _,
            exposures: _,
        } = self;
        out.put(sets);
    }

    /// Fills these, which are of a venue without any.
    pub(in crate::order_manager) fn read(
        &mut self,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let sets: Vec<LimitSet> = input.take()?;
        consistent(sets.len() <= SUBJECTS_MAX, "limits for more than there is room for")?;
        for set in sets {
            let LimitSet { subject, values } = set;
            let is_new = self.number_of(subject).is_none();
            consistent(is_new, "two sets of limits for one")?;
            let sound =
                values.iter().zip(0..).filter(|(value, _)| **value != 0).all(|(&value, key)| {
                    let key = RiskKey::from_byte(key);
                    key.is_some_and(|key| {
                        scope_takes(subject.scope, key) && value <= limit_max(key)
                    })
                });
            consistent(sound, "a limit out of range")?;
            for (count, value) in self.set.iter_mut().zip(values) {
                *count += u32::from(value != 0);
            }
            self.add(set);
        }
        Ok(())
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
