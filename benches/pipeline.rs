//! What the pieces of an order's path cost: the ring, a frame, its append, and one order through sequencer
//! and engine with their logs in /dev/shm. Microseconds of the wire are `rialto bench wire`'s.
//!
//! `cargo bench --bench pipeline`; figures of a shared machine compare commits, not machines.
#![allow(clippy::unwrap_used, reason = "a bench is a test")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]

#[path = "../tests/pipeline/mod.rs"]
mod pipeline;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rialto::agent::{Step, Tracer};
use rialto::event_store::{LogKind, Options, Reader, Writer};
use rialto::ring::ring;
use rialto::types::command::{Cancel, CommandHeader, NewOrder, PortUp};
use rialto::types::{
    Cause, Epoch, FrameChain, FrameKind, Line, Nanos, PortId, Price, Quantity, Record, Side,
    Symbol, TimeInForce, UserRefNum,
};
use rialto::wire::ouch::Enter;
use zerocopy::FromZeros;

use pipeline::Core;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .without_plots();
    targets = ring_record, traces, frame, order
}
criterion_main!(benches);

/// Lines of what is moved and appended: a command, a few events, a full batch of orders.
const LINES: [usize; 3] = [2, 5, 128];
/// Longer than a batch, so that no segment is made while it is timed.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Frames or orders for which logs are kept; then others take their place.
const BATCH: u64 = 4_000;

fn records(lines: usize) -> Vec<Line> {
    let mut record = Line([7; 64]);
    record.0[1] = 1;
    vec![record; lines]
}

fn ring_record(criterion: &mut Criterion) {
    let (mut producer, mut consumer) = ring(16 * 1024, 3);
    let mut record = records(2);
    record[0].0[1] = 2;
    criterion.bench_function("ring: push and pop of an order", |bencher| {
        bencher.iter(|| {
            producer.push(black_box(&record)).unwrap();
            black_box(consumer.peek());
            consumer.pop();
        });
    });
}

/// What following orders through the stages costs: a look of a stage that follows nothing now, and all
/// the stages' stamps of an order that is followed.
fn traces(criterion: &mut Criterion) {
    let tracer = Tracer::new();
    criterion.bench_function("tracer: a look while nothing is followed", |bencher| {
        bencher.iter(|| black_box(tracer.is_in(Step::Sequenced, black_box(7))));
    });
    criterion.bench_function("tracer: an order that is followed", |bencher| {
        bencher.iter(|| {
            tracer.begin(Instant::now(), PortId(1), Nanos(7));
            black_box(tracer.command());
            tracer.reach(Step::Taken);
            tracer.sequenced(7);
            for step in [Step::Committed, Step::Applied, Step::Emitted, Step::Sent] {
                tracer.reach(step);
            }
            black_box(tracer.finish())
        });
    });
}

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for lines in LINES {
        let payload = &records(lines);
        group.throughput(Throughput::Bytes((lines * 64) as u64));
        group.bench_function(BenchmarkId::new("seal", lines), |bencher| {
            let mut chain = FrameChain::empty(1 << 40);
            bencher.iter(|| seal(&mut chain, black_box(payload)));
        });
        group.bench_function(BenchmarkId::new("seal, append, commit, read", lines), |bencher| {
            bencher.iter_custom(|iterations| {
                in_batches(iterations, || {
                    let (mut log, mut reader) = Log::open();
                    let mut chain = *log.writer.chain();
                    move || {
                        let header = seal(&mut chain, black_box(payload));
                        log.writer.append(&header, payload).unwrap();
                        log.writer.commit(chain.end);
                        black_box(reader.next_frame().unwrap());
                    }
                })
            });
        });
    }
    group.finish();
}

fn seal(chain: &mut FrameChain, payload: &[Line]) -> rialto::types::FrameHeader {
    let cause = Cause { index: chain.index + 1, term: 1, time: Nanos(chain.time.0 + 1) };
    let count = u16::try_from(payload.len()).unwrap();
    chain.seal(FrameKind::Normal, cause, count, payload)
}

/// An order that rests and its cancel, each in a frame of its own, as in an idle exchange; and 32 of
/// each in one.
fn order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequencer and engine");
    for together in [1_u64, 32] {
        group.throughput(Throughput::Elements(2 * together));
        group.bench_function(BenchmarkId::new("order and cancel", together), |bencher| {
            bencher.iter_custom(|iterations| {
                in_batches(iterations, || {
                    let mut market = Core::open(SEGMENT_BYTES, "");
                    let epoch = log_in(&mut market);
                    let mut number = 0;
                    move || {
                        for next in 1..=together {
                            let order = new_order(number + next, epoch, market.now);
                            market.commands.push(order.lines()).unwrap();
                        }
                        market.cycle();
                        for next in 1..=together {
                            let cancel = cancel(number + next, epoch, market.now);
                            market.commands.push(cancel.lines()).unwrap();
                        }
                        market.cycle();
                        number += together;
                    }
                })
            });
        });
    }
    group.finish();
}

const PORT: PortId = PortId(1);

fn log_in(market: &mut Core) -> Epoch {
    let header = CommandHeader::new::<PortUp>(PORT, Epoch::NONE, market.now);
    market.commands.push(PortUp { header, ..PortUp::new_zeroed() }.lines()).unwrap();
    market.cycle();
    let engine = market.engine.engine();
    let epoch = engine.order_manager().ports.get(PORT.0).unwrap().epoch;
    assert!(!epoch.is_none());
    epoch
}

fn new_order(number: u64, epoch: Epoch, now: Nanos) -> NewOrder {
    let number = UserRefNum(u32::try_from(number).unwrap());
    let symbol = Symbol::new("ACME").unwrap();
    let order =
        Enter::new(number, Side::Buy, Quantity(100), symbol, Price(250_000), TimeInForce::Day);
    order.to_command(&[], PORT, epoch, now)
}

fn cancel(number: u64, epoch: Epoch, now: Nanos) -> Cancel {
    Cancel {
        header: CommandHeader::new::<Cancel>(PORT, epoch, now),
        user_ref_num: UserRefNum(u32::try_from(number).unwrap()),
        ..Cancel::new_zeroed()
    }
}

/// Times `iterations` of what `make` gives, which is made anew for each batch.
fn in_batches<F: FnMut()>(iterations: u64, mut make: impl FnMut() -> F) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let mut one = make();
        let batch = left.min(BATCH);
        let start = Instant::now();
        for _ in 0..batch {
            one();
        }
        total += start.elapsed();
        left -= batch;
    }
    total
}

/// A log in memory, which goes with its writer.
struct Log {
    writer: Writer,
    directory: PathBuf,
}

impl Log {
    fn open() -> (Self, Reader) {
        let name = format!("rialto-bench-log-{}", std::process::id());
        let directory = Path::new("/dev/shm").join(name);
        let options = Options::new(LogKind::Events, SEGMENT_BYTES);
        let (writer, _) = Writer::open(&directory, options).unwrap();
        let reader = writer.reader();
        (Self { writer, directory }, reader)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
