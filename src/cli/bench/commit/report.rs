//! The figures of the commit bench, as JSON or for people.

use std::time::Duration;

use serde_json::{Value, json};

use super::BATCH;
use super::over_wires::Served;
use crate::cli::bench::host::{Host, Jitter};
use crate::cli::bench::quantiles::{middle, p50_p99};
use crate::node::pace::{REPAIR_DELAY, Round, Setting};

/// Everything.
pub(super) struct Report {
    host: Host,
    rounds: u32,
    /// With one batch under way, and with several.
    pub(super) in_process: [Vec<Round>; 2],
    /// Nanoseconds.
    pub(super) round_trips: Vec<u64>,
    /// Likewise, of each batch.
    pub(super) over_udp: [(Setting, Vec<u64>); 3],
    /// Commands a second, round by round.
    pub(super) rates: [(Setting, Vec<u64>); 2],
    /// By the number of nodes.
    pub(super) over_wires: [(u32, Vec<Served>); 2],
}

impl Report {
    pub(super) fn new(host: Host, rounds: u32) -> Self {
        let nothing = Vec::new;
        Self {
            host,
            rounds,
            in_process: [nothing(), Vec::new()],
            round_trips: Vec::new(),
            over_udp: [Setting::Alone, Setting::Three, Setting::Lossy].map(|of| (of, Vec::new())),
            rates: [Setting::Alone, Setting::Three].map(|of| (of, Vec::new())),
            over_wires: [1, 3].map(|nodes| (nodes, Vec::new())),
        }
    }

    /// On standard output.
    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            print!("{}", self.table());
        }
    }

    fn json(&self) -> Value {
        let [one, several] = self.in_process.each_ref().map(|rounds| Costs::of(rounds));
        let [alone, three, lossy] = self.over_udp.each_ref().map(|(_, times)| json_of(times));
        let [alone_rate, three_rate] = self.rates.each_ref().map(|(_, rates)| middle(rates));
        let wires = self.over_wires.each_ref().map(|(_, served)| Wires::of(served));
        json!({
            "batch_commands": BATCH,
            "leader_ns_per_batch": one.leader_ns,
            "leader_ns_per_batch_16_under_way": several.leader_ns,
            "in_process_per_s": one.per_second,
            "in_process_per_s_16_under_way": several.per_second,
            "udp_commit_ns": { "single_node": alone, "three_nodes": three, "three_nodes_loss_1_percent": lossy },
            "udp_round_trip_ns": json_of(&self.round_trips),
            "repair_delay_ns": REPAIR_DELAY.0,
            "loss_p99_goal_ns": self.loss_goal(),
            "udp_per_s": { "single_node": alone_rate, "three_nodes": three_rate },
            "order_ns": { "single_node": wires[0].json(), "three_nodes": wires[1].json() },
            "orders_per_s": { "single_node": wires[0].per_second, "three_nodes": wires[1].per_second },
            "rounds": self.rounds,
            "host": self.host,
        })
    }

    fn table(&self) -> String {
        let Self { host, rounds, in_process, .. } = self;
        let mut lines = vec![host.line()];
        lines.extend(host.jitter.iter().map(Jitter::line));
        lines.push(format!(
            "{rounds} rounds; batches of {BATCH} commands; 3 nodes, logs in memory\n"
        ));
        for (under_way, rounds) in [1, 16].into_iter().zip(in_process) {
            let Costs { leader_ns, per_second } = Costs::of(rounds);
            lines.push(format!(
                "in one thread, {under_way:2} under way: {leader_ns:>6} ns of the leader a batch, \
                 {per_second:>9} commands/s by all three"
            ));
        }
        lines.push(String::new());
        for (setting, latencies) in &self.over_udp {
            let [p50, p99] = p50_p99(latencies);
            let name = name(*setting);
            lines.push(format!("{name:28} commit p50 {p50:>9} ns, p99 {p99:>9} ns"));
        }
        let [p50, p99] = p50_p99(&self.round_trips);
        lines.push(format!("{:28}  round p50 {p50:>9} ns, p99 {p99:>9} ns", "UDP echo, 64 bytes"));
        lines.push(format!("with loss the p99 is to be at most {} ns\n", self.loss_goal()));
        for (setting, rates) in &self.rates {
            let name = name(*setting);
            lines.push(format!("{name:28} {:>9} commands/s", middle(rates)));
        }
        lines.push(String::new());
        for (nodes, served) in &self.over_wires {
            let Wires { p50, p99, per_second } = Wires::of(served);
            lines.push(format!(
                "the exchange, {nodes} node(s): order to Accepted p50 {p50} ns, p99 {p99} ns; {per_second} orders/s"
            ));
        }
        lines.join("\n") + "\n"
    }

    /// What the commit of 99 of 100 batches may take where one message of a hundred is lost: two round trips
    /// and the delay of the repair more than where none is.
    fn loss_goal(&self) -> u64 {
        let [_, (_, three), _] = &self.over_udp;
        p50_p99(three)[1] + 2 * middle(&self.round_trips) + REPAIR_DELAY.0
    }
}

fn json_of(times: &[u64]) -> Value {
    let [p50, p99] = p50_p99(times);
    json!({ "p50": p50, "p99": p99 })
}

/// The medians of rounds.
struct Costs {
    leader_ns: u64,
    per_second: u64,
}

impl Costs {
    fn of(rounds: &[Round]) -> Self {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let leader: Vec<_> = rounds.iter().map(|round| nanos(round.leader)).collect();
        let per_second = |round: &Round| {
            let commands = u64::from(round.batches) * u64::from(BATCH);
            commands * 1_000_000_000 / round.whole.0.max(1)
        };
        let rates: Vec<_> = rounds.iter().map(per_second).collect();
        Self { leader_ns: middle(&leader), per_second: middle(&rates) }
    }
}

/// Of all rounds together, but for the median of their rates.
struct Wires {
    p50: u64,
    p99: u64,
    per_second: u64,
}

impl Wires {
    fn of(rounds: &[Served]) -> Self {
        let latencies: Vec<_> = rounds.iter().flat_map(|served| served.latencies.clone()).collect();
        let rates: Vec<_> = rounds.iter().map(|served| served.per_second).collect();
        let [p50, p99] = p50_p99(&latencies);
        Self { p50, p99, per_second: middle(&rates) }
    }

    fn json(&self) -> Value {
        json!({ "p50": self.p50, "p99": self.p99 })
    }
}

const fn name(setting: Setting) -> &'static str {
    match setting {
        Setting::Alone => "UDP, a node alone",
        Setting::Three => "UDP, three nodes",
        Setting::Lossy => "UDP, three nodes, 1 % lost",
    }
}
