//! Messages by symbol: how many each port has sent of each instrument in this second of log time.
//!
//! A port has a small table of its own, in which an instrument's number says where its count is: if no
//! more instruments are counted than it has room for, that is where it lies, else at the next free place
//! behind. Where a count lies changes no outcome.

use super::Port;
use crate::sys::memory::{prefer_huge_pages, prefetch};
use crate::types::{
    InstrumentId, PortId, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

/// Instruments whose messages a port has counted by themselves within a second. Those of all others are
/// counted together, as if they were of one.
pub(super) const SYMBOLS_COUNTED_MAX: usize = 256;

/// The counts of every port, by its number.
#[derive(Debug)]
pub(crate) struct SymbolMessages {
    counts: Vec<Count>,
    /// Places that a port has: a power of two, twice as many as instruments it counts.
    places: usize,
}

/// Of no instrument: the place is free.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))]
struct Count {
    messages: u32,
    instrument: InstrumentId,
}

const _: () = assert!(size_of::<Count>() == 8);

impl SymbolMessages {
    /// With room for those of so many ports.
    pub(super) fn new(ports: u32, instruments: u16) -> Self {
        let counted = usize::from(instruments).clamp(1, SYMBOLS_COUNTED_MAX);
        let places = (2 * counted).next_power_of_two();
        let counts = Vec::with_capacity(ports as usize * places);
        prefer_huge_pages(&counts);
        Self { counts, places }
    }

    /// Makes room for those of the next port.
    pub(super) fn add_port(&mut self) {
        self.counts.resize(self.counts.len() + self.places, Count::default());
    }

    /// Counts a message of a port about an instrument, and says how many those are now.
    pub(super) fn count(&mut self, port: (PortId, &mut Port), instrument: InstrumentId) -> u32 {
        let messages = self.messages(port, instrument);
        *messages = messages.saturating_add(1);
        *messages
    }

    /// How many messages of a port an instrument counts among.
    fn messages<'a>(
        &'a mut self,
        (id, port): (PortId, &'a mut Port),
        instrument: InstrumentId,
    ) -> &'a mut u32 {
        let places = self.places;
        let counts = &mut self.counts[first(places, id)..][..places];
        let mut at = usize::from(instrument.0) & (places - 1);
        // It ends: half of the places are free.
        while counts[at].instrument != instrument {
            if counts[at].instrument.is_none() {
                if usize::from(port.symbols_counted) == SYMBOLS_COUNTED_MAX {
                    return &mut port.other_messages;
                }
                port.symbols_counted += 1;
                counts[at].instrument = instrument;
                break;
            }
            at = (at + 1) & (places - 1);
        }
        &mut counts[at].messages
    }

    /// Forgets those of a port, for another second begins.
    pub(super) fn clear(&mut self, (id, port): (PortId, &mut Port)) {
        if port.symbols_counted != 0 {
            let places = self.places;
            self.counts[first(places, id)..][..places].fill(Count::default());
            (port.symbols_counted, port.other_messages) = (0, 0);
        }
    }

    /// Brings near the place of an instrument; any numbers will do.
    pub(crate) fn expect(&self, port: PortId, instrument: InstrumentId) {
        let at = usize::from(instrument.0) & (self.places - 1);
        let first = (port.0 as usize).wrapping_sub(1).wrapping_mul(self.places);
        if let Some(count) = self.counts.get(first.wrapping_add(at)) {
            prefetch(count);
        }
    }

    /// Writes those of each port, by instrument, and what is counted together.
    pub(super) fn write(&self, ports: &[Port], out: &mut SnapshotWriter) {
        for (row, counts) in ports.iter().zip(self.counts.chunks(self.places)) {
            let used = counts.iter().filter(|count| !count.instrument.is_none());
            let mut used: Vec<_> = used.map(|count| (count.instrument, count.messages)).collect();
            used.sort_unstable();
            out.put(&(used, row.other_messages));
        }
    }

    /// Reads what [`SymbolMessages::write`] wrote, in a venue of so many instruments.
    pub(super) fn read(
        &mut self,
        ports: &mut [Port],
        instruments: u32,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        for row in ports {
            let (used, others): (Vec<(InstrumentId, u32)>, u32) = input.take()?;
            let exist = used.iter().all(|&(instrument, messages)| {
                messages > 0 && (1..=instruments).contains(&instrument.0.into())
            });
            let once = used.is_sorted_by(|one, next| one.0 < next.0);
            let fits = used.len() <= SYMBOLS_COUNTED_MAX
                && (others == 0 || used.len() == SYMBOLS_COUNTED_MAX);
            consistent(exist && once && fits, "messages that no port sent")?;
            for (instrument, messages) in used {
                *self.messages((row.id, row), instrument) = messages;
            }
            row.other_messages = others;
        }
        Ok(())
    }
}

/// Where the counts of a port begin.
const fn first(places: usize, port: PortId) -> usize {
    (port.0 as usize - 1) * places
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;
    use crate::order_manager::{Capacity, IndexSeed, OrderManager};
    use crate::types::command::{CommandHeader, PortDefine};
    use crate::types::{DisconnectPolicy, Nanos, PortKind, PortName};

    #[test]
    fn so_many_symbols_are_counted_by_themselves_and_the_others_together() {
        let most = u16::try_from(SYMBOLS_COUNTED_MAX).unwrap();
        let capacity = Capacity { instruments: 10_000, ..Capacity::SMALL };
        let mut manager = OrderManager::new(&capacity, IndexSeed::new([7; IndexSeed::BYTES]));
        let id = manager.define_port(&PortDefine {
            header: CommandHeader::internal::<PortDefine>(Nanos::ZERO),
            name: PortName::new("OPS001").unwrap(),
            kind: PortKind::Admin.byte(),
            disconnect: DisconnectPolicy::Keep.byte(),
            ..PortDefine::new_zeroed()
        });
        let id = id.unwrap();
        let port = manager.ports.get_mut(id.0).unwrap();
        let messages = &mut manager.symbol_messages;
        // Far apart, so that they lie in each other's way.
        let instrument = |number: u16| InstrumentId(number * 32);
        let mut count = |number| messages.count((id, port), instrument(number));
        for number in 1..=most {
            assert_eq!(count(number), 1);
        }
        let others = [count(most + 1), count(most + 2)];
        assert_eq!((others, count(1), count(most)), ([1, 2], 2, 2));
        messages.clear((id, port));
        let mut count = |number| messages.count((id, port), instrument(number));
        assert_eq!([count(most + 2), count(most + 1), count(most + 1)], [1, 1, 2]);
    }
}
