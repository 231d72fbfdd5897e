//! After warm-up neither the books nor the whole engine asks anything of the heap: counted over the
//! workload of `rialto bench engine`, in which orders enter, trade, are canceled and replaced.

use rialto::cli::bench::engine::{
    Appender, Crowd, Log, Matcher, OurBooks, TradeHash, Workload, apply,
};
use rialto::sys::alloc_count::{CountingAllocator, counted};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const OPERATIONS: usize = 40_000;

#[test]
fn the_books_allocate_nothing_not_even_for_the_first_order() {
    let workload = Workload::one_book(OPERATIONS);
    let mut books = OurBooks::new(workload.instruments, workload.resting_max, workload.numbers);
    let mut hash = TradeHash::default();
    let ((), allocated) = counted(|| {
        for operation in &workload.operations {
            books.apply(operation, &mut |trade| hash.add(&trade));
        }
    });
    assert_ne!(hash, TradeHash::default(), "nothing was traded");
    assert_eq!(allocated, 0);
}

#[test]
fn the_whole_engine_allocates_nothing_once_every_wallet_was_used() {
    let crowd = Crowd { firms: 10, ports: 20, accounts: 100 };
    let log = Log::new(&Workload::one_book(OPERATIONS), crowd, 64);
    let mut appender = Appender::new();
    let mut engine = log.engine(&mut appender);
    let (warm_up, steady) = log.timed.split_at(log.timed.len() / 4);
    apply(&mut engine, warm_up, &mut appender);
    let events = engine.chain().next_sequence;
    let ((), allocated) = counted(|| apply(&mut engine, steady, &mut appender));
    assert!(engine.chain().next_sequence > events + OPERATIONS as u64 / 2);
    assert_eq!(allocated, 0);
}
