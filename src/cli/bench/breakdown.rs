//! An order's way through the node, step by step, from the spans that the node recorded.
//!
//! Software stamps of one core: they show where time goes inside, not what the wire adds.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::agent::Span;
use crate::types::Nanos;

/// Writes what was recorded: a line for each span.
pub(in crate::cli) fn write(spans: &[Span], path: &Path) -> io::Result<()> {
    let mut text = String::new();
    for Span { step, from, to } in spans {
        let _infallible = writeln!(text, "{step} {} {}", from.0, to.0);
    }
    fs::write(path, text)
}

/// The steps of an order's way, in their order.
pub(super) const STEPS: [&str; 8] = [
    "receive (device, TCP)",
    "parse (session, to the ring)",
    "to the sequencer",
    "sequence, append",
    "to the engine",
    "apply, append events",
    "to the tail, emit",
    "send (TCP, device)",
];

/// The median time of each step in nanoseconds, over the last `orders` that were recorded whole; `None`
/// if there is none. What came before them, logins among it, does not count.
pub(super) fn read(path: &Path, orders: usize) -> io::Result<Option<[u64; STEPS.len()]>> {
    let text = fs::read_to_string(path)?;
    let spans: Vec<_> = text.lines().filter_map(span).collect();
    Ok(medians(&spans, orders))
}

/// What of these times the gateway takes: all but the sequencer's, the engine's, and the ways there.
pub(super) fn gateway(steps: &[u64; STEPS.len()]) -> u64 {
    let [receive, parse, .., emit, send] = steps;
    receive + parse + emit + send
}

fn span(line: &str) -> Option<(&str, Nanos, Nanos)> {
    let mut words = line.split(' ');
    let step = words.next()?;
    let mut moment = || Some(Nanos(words.next()?.parse().ok()?));
    Some((step, moment()?, moment()?))
}

type Recorded<'a> = (&'a str, Nanos, Nanos);

fn medians(spans: &[Recorded<'_>], orders: usize) -> Option<[u64; STEPS.len()]> {
    let mut ways = Vec::new();
    let mut rest = spans;
    while let Some(at) = rest.iter().position(|(step, ..)| *step == "net.poll") {
        rest = &rest[at..];
        ways.extend(way(rest));
        rest = &rest[1..];
    }
    ways.drain(..ways.len().saturating_sub(orders));
    (!ways.is_empty()).then(|| {
        std::array::from_fn(|step| {
            let mut times: Vec<u64> = ways.iter().map(|way| way[step]).collect();
            let middle = times.len() / 2;
            *times.select_nth_unstable(middle).1
        })
    })
}

/// The way of the order that came with the first of `spans`, if it is all there. A span is recorded at
/// its end, so the steps inside a duty cycle come before it.
fn way(spans: &[Recorded<'_>]) -> Option<[u64; STEPS.len()]> {
    let is_net = |(step, ..): &&Recorded<'_>| step.starts_with("net.");
    let (&(_, received_from, received), rest) = spans.split_first()?;
    // Kernel sockets read on in the same cycle.
    let mut stages = rest.iter().skip_while(is_net);
    let mut next = |wanted: &str| stages.next().filter(|(step, ..)| *step == wanted).copied();
    let (_, _, parsed) = next("order_entry")?;
    let (_, sequencing, sequenced) = next("sequencer")?;
    let (_, applying, applied) = next("engine")?;
    // The end of a session goes the same way, but for an answer.
    let &(_, sending, sent) = stages.find(is_net).filter(|(step, ..)| *step == "net.flush")?;
    let moments = [received_from, received, parsed, sequencing, sequenced, applying, applied];
    let moments = [&moments[..], &[sending, sent]].concat();
    Some(std::array::from_fn(|step| moments[step + 1].since(moments[step]).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_an_order_is_found_among_the_spans() {
        let text = "sequencer 1 2\nengine 2 3\n\
                    net.poll 10 20\nnet.flush 25 26\norder_entry 10 31\nsequencer 33 40\nengine 41 60\n\
                    market_data 62 70\nnet.flush 75 95\norder_entry 72 99\n\
                    net.poll 100 101\norder_entry 100 105\n";
        let spans: Vec<_> = text.lines().filter_map(span).collect();
        let steps = [10, 11, 2, 7, 1, 19, 15, 20];
        assert_eq!(medians(&spans, 9), Some(steps));
        assert_eq!(medians(&spans[..4], 9), None);
        assert_eq!(gateway(&steps), 10 + 11 + 15 + 20);
        let unanswered = text.replace("net.flush 75 95", "net.poll 75 95");
        let unanswered: Vec<_> = unanswered.lines().filter_map(span).collect();
        assert_eq!(medians(&unanswered, 9), None, "a session's end");
        let later = text.replace("net.poll 10 20", "net.poll 5 20");
        let later: Vec<_> = later.lines().chain(text.lines()).filter_map(span).collect();
        assert_eq!(medians(&later, 1), Some(steps), "the last one's");
    }
}
