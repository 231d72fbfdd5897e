//! A snapshot of a small venue: bytes that are none make no engine, and any engine they make is sound.

use rialto::engine::{Capacity, Engine, FrameList, IndexSeed};
use rialto::types::command::{CommandHeader, DayEnd, TermStart, Tick};
use rialto::types::{Cause, FrameChain, FrameKind, Nanos, Record as _};
use zerocopy::FromZeros as _;

/// That of the corpus.
const CAPACITY: Capacity = Capacity {
    orders: 4_096,
    balances: 64,
    currencies: 2,
    firms: 4,
    ports: 8,
    accounts: 8,
    instruments: 4,
};
const SEGMENT_BYTES: u64 = 1 << 20;

/// What is read writes the same bytes again, and goes on: every timer fires, and the day ends with
/// empty books.
pub(crate) fn target(bytes: &[u8]) {
    let limits = CAPACITY.limits(SEGMENT_BYTES);
    let seed = IndexSeed::new([3; IndexSeed::BYTES]);
    let Ok(mut engine) = Engine::from_snapshot(bytes, &limits, seed) else { return };
    assert!(engine.snapshot() == bytes);
    let log_time = engine.log_time();
    if log_time > Nanos(u64::MAX / 4) {
        return; // Log time is of this age.
    }
    let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
    let tick = Tick { header, reserved: [0; 40] };
    let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
    let term = TermStart { header, ..TermStart::new_zeroed() };
    let header = CommandHeader::internal::<DayEnd>(Nanos::ZERO);
    let end = DayEnd { header, request: 0, reserved: [0; 32] };
    let mut chain = FrameChain::empty(SEGMENT_BYTES);
    chain.next_sequence = engine.next_command();
    let later = |seconds| log_time.after(Nanos::from_secs(seconds));
    for (command, time) in [
        (term.lines(), later(1)),
        (tick.lines(), later(100)),
        (tick.lines(), later(90_000)),
        (end.lines(), later(90_001)),
    ] {
        let cause = Cause { index: chain.index + 1, term: 1, time };
        let header = chain.seal(FrameKind::Normal, cause, 1, command);
        if engine.apply(&header, command, &mut FrameList::default()).is_err() {
            return;
        }
    }
    assert!(engine.day().is_none() || engine.books().order_count() == 0);
    let again = Engine::from_snapshot(&engine.snapshot(), &limits, seed).unwrap();
    assert_eq!(again.full_state_hash(), engine.full_state_hash());
}
