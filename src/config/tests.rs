//! Each rule of `node.toml` by the text of its error.

use std::time::Duration;

use super::*;
use crate::agent::Idle;

const EXAMPLE: &str = include_str!("../../hwconfig/demo.toml");

const MINIMAL: &str = r#"
    [node]
    id = 1
    name = "n"
    [logs]
    directory = "logs"
    [control]
    directory = "control"
    [order_entry]
    backend = "kernel"
    listen = "127.0.0.1:0"
    allow = ["127.0.0.0/8"]
    [feed]
    group = "239.9.9.9:9100"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("node.toml"), text)
}

/// The error of the minimal file with `from` replaced by `to`.
fn error_of(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    parse(&MINIMAL.replace(from, to)).unwrap_err().to_string()
}

fn error_with(table: &str) -> String {
    parse(&format!("{MINIMAL}\n{table}")).unwrap_err().to_string()
}

#[test]
fn the_minimal_file_gets_a_laptops_defaults() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.logs().durability, Durability::Memory);
    assert_eq!(config.control().cluster_key_file, Path::new("control/cluster.key"));
    assert_eq!(config.admin().listen.to_string(), "127.0.0.1:9002");
    assert_eq!(
        config.placement().threads,
        placement::default(&placement::stages(config.order_entry()))
    );
    assert_eq!(config.placement().idle, Idle::BackOff { sleep: Duration::from_micros(50) });
    assert_eq!(config.dpdk().driver(), "net_af_packet");
}

#[cfg(feature = "dpdk")]
#[test]
fn the_example_says_the_defaults() {
    let example = parse(EXAMPLE).unwrap();
    let minimal = parse(MINIMAL).unwrap();
    assert_eq!(example.order_entry().backend, Backend::Dpdk);
    assert_eq!(example.dpdk(), minimal.dpdk());
    assert_eq!(example.placement(), minimal.placement());
    assert_eq!(example.capacity(), minimal.capacity());
    assert_eq!(example.admin(), minimal.admin());
    assert_eq!(example.snapshots().every_commands, minimal.snapshots().every_commands);
    assert_eq!(example.retention(), minimal.retention());
    let limits = [&example, &minimal].map(|config| config.order_entry().messages_per_second_max);
    assert_eq!(limits, [50_000; 2]);
    let limits = [&example, &minimal];
    let limits = limits.map(|config| config.order_entry().frames_per_second_per_source_max);
    assert_eq!(limits, [200_000; 2]);
    assert_eq!(minimal.order_entry().access_file, None);
    assert_eq!(example.feed(), minimal.feed());
    assert_eq!(example.logs().event_segment_bytes, minimal.logs().event_segment_bytes);
}

#[test]
fn order_entry_in_shards_is_placed_as_often_as_there_are_of_them() {
    let sharded = |placement: &str| {
        let text = MINIMAL.replace("listen =", "shards = 2\nlisten =").replace(":0\"", ":9001\"");
        parse(&format!("{text}\n{placement}"))
    };
    let all = [placement::stages(parse(MINIMAL).unwrap().order_entry()), vec![Stage::OrderEntry]];
    let all = all.concat();
    let placed = |config: Config| {
        let threads = config.placement().threads.iter();
        let mut stages: Vec<_> = threads.flat_map(|thread| thread.stages.clone()).collect();
        stages.sort_unstable();
        stages
    };
    let sorted = |mut stages: Vec<Stage>| {
        stages.sort_unstable();
        stages
    };
    let apart = "[placement]\nthreads = [{ core = 0, agents = [\"order_entry\"] },\
                 { core = 1, agents = [\"order_entry\"] },\
                 { core = 2, agents = [\"sequencer\", \"engine\", \"market_data\", \"admin\"] }]";
    for placement in ["", apart] {
        assert_eq!(placed(sharded(placement).unwrap()), sorted(all.clone()));
    }
    let thrice = apart.replace("[\"sequencer\"", "[\"order_entry\", \"sequencer\"");
    assert_eq!(
        sharded(&thrice).unwrap_err().to_string(),
        "node.toml: placement.threads[2].agents = [order_entry, sequencer, engine, market_data, \
         admin]: order_entry is placed more than 2 times, once for each shard"
    );
    assert_eq!(
        error_of("listen =", "shards = 9\nlisten ="),
        "node.toml: order_entry.shards = 9: must be in 1..=8"
    );
    assert_eq!(
        error_of("listen =", "shards = 2\nlisten ="),
        "node.toml: order_entry.listen = 127.0.0.1:0: must be a definite port: the shards share it"
    );
}

const TLS: &str =
    "[order_entry.tls]\nlisten = \"0.0.0.0:9443\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"";

#[cfg(feature = "tls")]
#[test]
fn the_tls_front_has_a_thread_that_no_order_waits_for() {
    let config = parse(&format!("{MINIMAL}\n{TLS}")).unwrap();
    let tls = config.order_entry().tls.clone().unwrap();
    assert_eq!((tls.connections_max, tls.connections_per_source_max), (1_024, 256));
    let threads = &config.placement().threads;
    assert_eq!(threads.len(), 2);
    assert_eq!(threads[1].stages, [Stage::OrderEntryTls]);

    let placed = |threads: &str| error_with(&format!("{TLS}\n[placement]\nthreads = [{threads}]"));
    let said = placed("{ agents = [\"order_entry\", \"order_entry_tls\"] }");
    assert!(said.contains("nobody's orders wait for strangers' handshakes"), "{said}");
    let all = "\"order_entry\", \"sequencer\", \"engine\", \"market_data\", \"admin\"";
    let said = placed(&format!("{{ agents = [{all}] }}"));
    assert!(said.contains("must place each agent once: order_entry, order_entry_tls"), "{said}");
    let text = TLS.replace("9443", "9001");
    let said = parse(&format!("{MINIMAL}\n{text}").replace("1:0", "1:9001")).unwrap_err();
    assert_eq!(
        said.to_string(),
        "node.toml: order_entry.tls.listen = 0.0.0.0:9001: must have a port of its own"
    );
    let said = error_with(&TLS.replace("c.pem", ""));
    assert_eq!(said, "node.toml: order_entry.tls.certificate = \"\": must be a path");
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_in_a_build_without_it_is_said() {
    let said = error_with(TLS);
    assert!(said.contains("this rialto was built without TLS"), "{said}");
}

#[cfg(feature = "dpdk")]
#[test]
fn a_dpdk_port_has_queues_and_buffers_for_each_shard() {
    let text = EXAMPLE.replace("shards = 1 ", "shards = 4 ").replace("mbufs = 8191 ", "# ");
    let text = text.replace(
        "{ agents = [\"order_entry\"",
        "{ agents = [\"order_entry\", \
        \"order_entry\", \"order_entry\", \"order_entry\"",
    );
    let config = parse(&text).unwrap();
    let port = config.dpdk();
    assert_eq!((port.queues, port.mbufs), (4, 16_383));
    assert_eq!(port.device, "net_af_packet0,iface=rialto0,qpairs=4");
}

#[cfg(not(feature = "dpdk"))]
#[test]
fn dpdk_in_a_build_without_it_is_said() {
    assert_eq!(
        parse(EXAMPLE).unwrap_err().to_string(),
        "node.toml: order_entry.backend = \"dpdk\": this rialto was built without DPDK; use \
         \"kernel\", or build it without --no-default-features"
    );
}

#[test]
fn an_unknown_key_and_a_missing_one_are_named() {
    let error = error_of("id = 1", "id = 1\n    cores = 4");
    assert!(error.starts_with("node.toml: ") && error.contains("unknown field `cores`"), "{error}");
    let error = error_of("id = 1", "");
    assert!(error.contains("missing field `id`"), "{error}");
    let error = error_of("id = 1", "id = \"one\"");
    assert!(error.contains("invalid type"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/node.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/node.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn each_rule_names_file_key_value_and_rule() {
    let logs = "directory = \"logs\"";
    let cases = [
        ("id = 1", "id = 0", "node.id = 0: must be at least 1"),
        ("name = \"n\"", "name = \"\"", "node.name = \"\": must be printable ASCII without spaces"),
        (logs, "directory = \"\"", "logs.directory = \"\": must be a path"),
        (
            logs,
            "directory = \"logs\"\ncommand_segment_mib = 100",
            "logs.command_segment_mib = 100: must be a power of two in 1..=4096",
        ),
        (
            logs,
            "directory = \"logs\"\nevent_segment_mib = 8192",
            "logs.event_segment_mib = 8192: must be a power of two in 1..=4096",
        ),
        (
            logs,
            "directory = \"logs\"\ndurability = \"both\"",
            "logs.durability = \"both\": must be \"memory\" or \"disk\"",
        ),
        (
            "directory = \"control\"",
            "directory = \"/dev/shm/x\"",
            "control.directory = /dev/shm/x: must be on a persistent file system: terms must never \
             be used twice",
        ),
        (
            "backend = \"kernel\"",
            "backend = \"udp\"",
            "order_entry.backend = \"udp\": must be \"dpdk\" or \"kernel\"",
        ),
        (
            "\"127.0.0.1:0\"",
            "\"localhost\"",
            "order_entry.listen = \"localhost\": must be an IPv4 address and a port, such as \
             10.9.0.1:9001",
        ),
        (
            "\"127.0.0.1:0\"",
            "\"239.1.1.1:1\"",
            "order_entry.listen = 239.1.1.1:1: must be a unicast address",
        ),
        (
            "[feed]",
            "ufo_port = 0\n[feed]",
            "order_entry.ufo_port = 0: must be in 1..=65535, a UDP port; without the key UFO is not \
             spoken",
        ),
        (
            "[feed]",
            "prefix = 33\n[feed]",
            "order_entry.prefix = 33: must be in 0..=32, the bits of a mask",
        ),
        (
            "[feed]",
            "gateway = \"10.9.0.1\"\n[feed]",
            "order_entry.gateway = 10.9.0.1: must lie in 127.0.0.0/24, the network of listen and \
             prefix",
        ),
        (
            "[feed]",
            "connections_max = 0\n[feed]",
            "order_entry.connections_max = 0: must be in 1..=65536",
        ),
        (
            "[feed]",
            "messages_per_second_max = 99\n[feed]",
            "order_entry.messages_per_second_max = 99: must be in 100..=1000000",
        ),
        (
            "[feed]",
            "neighbours = { \"127.0.0.2\" = \"02:00:00:00:00:02\" }\n[feed]",
            "order_entry.neighbours = {\"127.0.0.2\": \"02:00:00:00:00:02\"}: is for DPDK; with the \
             kernel's sockets use `ip neighbour replace`",
        ),
        (
            "[\"127.0.0.0/8\"]",
            "[]",
            "order_entry.allow = []: must name who may connect; 0.0.0.0/0 is everybody",
        ),
        (
            "[\"127.0.0.0/8\"]",
            "[\"10.0.0.1\", \"ten\"]",
            "order_entry.allow[1] = \"ten\": must be a network such as 10.9.0.0/24, or a single \
             address",
        ),
        (
            "\"239.9.9.9:9100\"",
            "\"10.9.9.9:9100\"",
            "feed.group = 10.9.9.9:9100: must be a multicast address and a port, such as \
             239.9.9.9:9100",
        ),
        (
            "group = \"239.9.9.9:9100\"",
            "group = \"239.9.9.9:9100\"\nttl = 0",
            "feed.ttl = 0: must be at least 1",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(error_of(from, to), format!("node.toml: {expected}"));
    }
}

#[cfg(feature = "dpdk")]
#[test]
fn a_dpdk_node_owns_a_definite_address() {
    let text = MINIMAL.replace("\"kernel\"", "\"dpdk\"");
    assert_eq!(
        parse(&text).unwrap_err().to_string(),
        "node.toml: order_entry.listen = 127.0.0.1:0: must be a definite address and port: with \
         DPDK the node owns them"
    );
}

#[cfg(feature = "dpdk")]
#[test]
fn a_dpdk_node_may_be_told_the_ethernet_addresses_of_hosts_on_its_network() {
    let dpdk = MINIMAL.replace("\"kernel\"", "\"dpdk\"").replace("127.0.0.1:0", "10.9.0.1:9001");
    let with = |host: &str, mac: &str| {
        let neighbours = format!("neighbours = {{ \"{host}\" = \"{mac}\" }}\n[feed]");
        parse(&dpdk.replace("[feed]", &neighbours))
    };
    let config = with("10.9.0.7", "02:00:00:00:00:07").unwrap();
    let expected = (Ipv4Addr::new(10, 9, 0, 7), MacAddress([2, 0, 0, 0, 0, 7]));
    assert_eq!(config.order_entry().neighbours, [expected]);
    for (host, mac, expected) in [
        ("10.8.0.7", "02:00:00:00:00:07", "must be for an address in 10.9.0.0/24"),
        ("broker", "02:00:00:00:00:07", "must be for an address in 10.9.0.0/24"),
        (
            "10.9.0.7",
            "01:00:5e:00:00:07",
            "must be an interface's Ethernet address, such as 02:00:00:00:00:01",
        ),
    ] {
        let error = with(host, mac).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("node.toml: order_entry.neighbours.\"{host}\" = \"{mac}\": {expected}")
        );
    }
}

#[test]
fn the_optional_tables_have_rules_too() {
    let cases = [
        (
            "[admin]\nlisten = \"10.9.0.1:9002\"",
            "admin.listen = 10.9.0.1:9002: must be a loopback address and a port: administration \
             never leaves the machine",
        ),
        (
            "[dpdk]\ndevice = \"\"",
            "dpdk.device = \"\": must be a virtual device, such as net_af_packet0,iface=rialto0, or \
             a PCI address, such as 0000:03:00.0",
        ),
        (
            "[dpdk]\ndevice = \"0000:03:00.0\"\neal_args = [\"--no-pci\"]",
            "dpdk.eal_args = [\"--no-pci\"]: \"--no-pci\" hides the PCI device that dpdk.device names: \
             leave it out",
        ),
        (
            "[dpdk]\neal_args = [\"--no-huge\", \"--in-memory\"]",
            "dpdk.eal_args = [\"--no-huge\", \"--in-memory\"]: \"--no-huge\" and \"--in-memory\" \
             exclude each other: without huge pages, or in them",
        ),
        (
            "[dpdk]\neal_args = [\"\"]",
            "dpdk.eal_args = [\"\"]: must not be empty or hold a zero byte",
        ),
        ("[dpdk]\nrx_descriptors = 8", "dpdk.rx_descriptors = 8: must be in 64..=4096"),
        (
            "[dpdk]\nmbufs = 3071",
            "dpdk.mbufs = 3071: must be at least 3072, for the 2048 descriptors of both rings and 1024 on \
             their way, of each queue",
        ),
        ("[capacity]\norders = 1", "capacity.orders = 1: must be in 1024..=67108864"),
        ("[capacity]\ninstruments = 70000", "capacity.instruments = 70000: must be in 1..=65535"),
        (
            "[placement]\nidle = \"sleep\"",
            "placement.idle = \"sleep\": must be \"spin\" (isolated cores only) or \"backoff\"",
        ),
        (
            "[retention]\nkeep = \"some\"",
            "retention.keep = \"some\": must be \"all\" or \"needed\"",
        ),
        (
            "[retention]\nhours = 24",
            "retention.hours = 24: says what is kept with retention.keep = \"needed\"",
        ),
        (
            "[retention]\nkeep = \"needed\"\n[snapshots]\nevery_commands = 0",
            "retention.keep = \"needed\": wants snapshots, from which a restart begins: set \
             snapshots.every_commands",
        ),
        (
            "[retention]\nkeep = \"needed\"\ndisk_percent = 95\n[snapshots]\nevery_commands = 9",
            "retention.disk_percent = 95: must be in 0..=90",
        ),
        (
            "[retention]\nkeep = \"needed\"\narchive = \"\"\n[snapshots]\nevery_commands = 9",
            "retention.archive = \"\": must be a path",
        ),
        ("[placement]\nidle_sleep_us = 0", "placement.idle_sleep_us = 0: must be in 1..=1000000"),
    ];
    for (table, expected) in cases {
        assert_eq!(error_with(table), format!("node.toml: {expected}"));
    }
}

#[test]
fn every_agent_is_placed_once_in_order_and_on_a_core_of_its_own() {
    let placed = |threads: &str| parse(&format!("{MINIMAL}\n[placement]\nthreads = [{threads}]"));
    let three = "{ core = 1, agents = [\"sequencer\", \"engine\"] },
         { core = 0, agents = [\"order_entry\"] }, { agents = [\"market_data\", \"admin\"] }";
    assert_eq!(placed(three).unwrap().placement().threads.len(), 3);

    let all = "order_entry, sequencer, engine, market_data, admin";
    let cases = [
        ("", format!("placement.threads = []: must place each agent once: {all}")),
        (
            "{ agents = [] }",
            "placement.threads[0].agents = []: must name at least one agent".to_owned(),
        ),
        (
            "{ agents = [\"engine\", \"sequencer\"] }",
            format!(
                "placement.threads[0].agents = [engine, sequencer]: must be in pipeline order: {all}"
            ),
        ),
        (
            "{ agents = [\"engine\"] }, { agents = [\"engine\"] }",
            "placement.threads[1].agents = [engine]: engine is placed a second time".to_owned(),
        ),
        (
            "{ core = 1, agents = [\"engine\"] }, { core = 1, agents = [\"admin\"] }",
            "placement.threads[1].core = 1: another thread is pinned to this core".to_owned(),
        ),
        (
            "{ agents = [\"order_entry\", \"engine\"] }",
            format!("placement.threads = [order_entry, engine]: must place each agent once: {all}"),
        ),
    ];
    for (threads, expected) in cases {
        let error = placed(threads).unwrap_err().to_string();
        assert_eq!(error, format!("node.toml: {expected}"));
    }
    let error = placed("{ agents = [\"matcher\"] }").unwrap_err().to_string();
    assert!(error.contains("unknown variant `matcher`"), "{error}");
}

#[test]
fn nothing_goes_unless_it_is_said_what_stays() {
    assert_eq!(parse(MINIMAL).unwrap().retention(), &Retention::All);
    let table = "[snapshots]\nevery_commands = 1000\n[retention]\nkeep = \"needed\"\n";
    let kept = |more: &str| {
        let config = parse(&format!("{MINIMAL}\n{table}{more}")).unwrap();
        let Retention::Needed(kept) = config.retention() else { panic!("{more}") };
        kept.clone()
    };
    let least = Kept { time: Nanos::ZERO, bytes: 0, disk_percent: 0, archive: None };
    assert_eq!(kept(""), least);
    let more = "hours = 24\ngib = 2\ndisk_percent = 70\narchive = \"/srv/archive\"";
    let expected = Kept {
        time: Nanos::from_secs(86_400),
        bytes: 2 << 30,
        disk_percent: 70,
        archive: Some(PathBuf::from("/srv/archive")),
    };
    assert_eq!(kept(more), expected);
}

/// A cluster of three, of which the minimal file's node is one.
const CLUSTER: &str = r#"
    [cluster]
    members = [
        { host = 1, address = "10.9.1.1:9200" },
        { host = 2, address = "10.9.1.2:9200" },
        { host = 3, address = "10.9.1.3:9200" },
    ]
    learners = [{ host = 9, address = "10.9.2.9:9200" }]
"#;

fn cluster_error_of(from: &str, to: &str) -> String {
    assert!(CLUSTER.contains(from), "{from}");
    error_with(&CLUSTER.replacen(from, to, 1))
}

#[test]
fn a_node_without_a_cluster_is_alone() {
    assert_eq!(parse(MINIMAL).unwrap().cluster(), None);
}

#[test]
fn a_cluster_has_defaults_for_all_but_who_is_in_it() {
    let config = parse(&format!("{MINIMAL}\n{CLUSTER}")).unwrap();
    let cluster = config.cluster().unwrap();
    assert_eq!((cluster.hosts(true), cluster.hosts(false)), (vec![1, 2, 3], vec![9]));
    assert_eq!((cluster.quorum(), cluster.number), (2, 1));
    assert_eq!(cluster.failover, Failover::Automatic);
    assert_eq!(cluster.tick, Nanos::from_millis(5));
    assert_eq!((cluster.heartbeat_ticks, cluster.election_ticks), (4, 20));
    assert_eq!((cluster.mtu, &cluster.transport), (1_500, &ClusterTransport::Udp));
    assert_eq!(config.order_entry().interface, None);
}

#[test]
fn what_is_wrong_with_a_cluster_is_said() {
    let address = "must be a definite unicast address and port, and no other node's";
    let host = "must be at least 1, and no other node's";
    for (from, to, said) in [
        (
            "{ host = 3, address = \"10.9.1.3:9200\" },",
            "",
            "cluster.members = (2 of them): must be an odd number of members, at most 7".to_owned(),
        ),
        ("host = 3", "host = 2", format!("cluster.members[2].host = 2: {host}")),
        ("host = 9", "host = 3", format!("cluster.learners[0].host = 3: {host}")),
        ("host = 2", "host = 0", format!("cluster.members[1].host = 0: {host}")),
        (
            "10.9.1.3:9200",
            "10.9.1.2:9200",
            format!("cluster.members[2].address = 10.9.1.2:9200: {address}"),
        ),
        ("10.9.1.3", "0.0.0.0", format!("cluster.members[2].address = 0.0.0.0:9200: {address}")),
        (
            "host = 1",
            "host = 4",
            "node.id = 1: must be the host of one of cluster.members or cluster.learners"
                .to_owned(),
        ),
        (
            "[cluster]",
            "[cluster]\nfailover = \"never\"",
            "cluster.failover = \"never\": must be \"automatic\" or \"manual\"".to_owned(),
        ),
        (
            "[cluster]",
            "[cluster]\nheartbeat_ms = 12",
            "cluster.heartbeat_ms = 12: must be a multiple of cluster.tick_ms = 5".to_owned(),
        ),
        (
            "[cluster]",
            "[cluster]\nelection_ms = 50",
            "cluster.election_ms = 50: must be at least 60, 3 heartbeats".to_owned(),
        ),
    ] {
        assert_eq!(cluster_error_of(from, to), format!("node.toml: {said}"));
    }
}

/// The cluster's section with `transport` and whatever else.
fn with_transport(more: &str) -> String {
    let (head, members) = CLUSTER.split_once("members").unwrap();
    let (section, rest) = more.split_once('|').unwrap_or((more, ""));
    format!("{head}{section}\nmembers{members}\n{rest}")
}

#[test]
fn a_transport_that_is_none_is_refused() {
    assert_eq!(
        error_with(&with_transport("transport = \"tcp\"")),
        "node.toml: cluster.transport = \"tcp\": must be \"udp\" or \"aeron\""
    );
    let said = error_with(&with_transport("|[cluster.aeron]\ncontrol_port = 1"));
    assert!(said.contains("the section cluster.aeron is for \"aeron\""), "{said}");
}

#[cfg(not(feature = "aeron"))]
#[test]
fn aeron_in_a_build_without_it_is_said_and_how_to_build_with_it() {
    assert_eq!(
        error_with(&with_transport("transport = \"aeron\"")),
        "node.toml: cluster.transport = \"aeron\": this rialto was built without Aeron; use \"udp\", or \
         build it with `cargo build --release --features aeron`, for which hwconfig/setup.sh test \
         brings CMake"
    );
}

#[cfg(feature = "aeron")]
#[test]
fn aeron_carries_payloads_by_multicast_or_where_there_is_none_from_a_port() {
    let transport_of = |more: &str| {
        let text = with_transport(&format!("transport = \"aeron\"|[cluster.aeron]\n{more}"));
        let config = parse(&format!("{MINIMAL}\n{text}")).unwrap();
        config.cluster().unwrap().transport.clone()
    };
    let group = "239.9.8.1:9300".parse().unwrap();
    let payload = PayloadStream::Multicast { group, interface: None, ttl: 1 };
    let directory = "/dev/shm/rialto-aeron-n".into();
    assert_eq!(
        transport_of("group = \"239.9.8.1:9300\""),
        ClusterTransport::Aeron(Aeron { directory, payload })
    );
    let payload = PayloadStream::Destinations { control_port: 9_301 };
    assert_eq!(
        transport_of("control_port = 9301\ndirectory = \"/dev/shm/mine\""),
        ClusterTransport::Aeron(Aeron { directory: "/dev/shm/mine".into(), payload })
    );
    let said = |more: &str| {
        error_with(&with_transport(&format!("transport = \"aeron\"|[cluster.aeron]\n{more}")))
    };
    assert!(said("").contains("cluster.aeron.group or control_port = (neither is there)"));
    let both = "control_port = 1\ngroup = \"239.9.8.1:9300\"";
    assert!(said(both).contains("cluster.aeron.group or control_port = (both are there)"));
    let even = said("group = \"239.9.8.2:9300\"");
    assert!(even.contains("a multicast address whose last number is odd"), "{even}");
}

#[test]
fn an_address_that_moves_is_the_kernels_and_a_clusters() {
    let with = |from: &str, to: &str| {
        let listen = "listen = \"10.9.0.1:9001\"\ninterface = \"eth1\"";
        let minimal = MINIMAL.replacen("listen = \"127.0.0.1:0\"", listen, 1);
        parse(&format!("{minimal}\n{CLUSTER}").replacen(from, to, 1))
    };
    let config = with("", "").unwrap();
    assert_eq!(config.order_entry().interface.as_deref(), Some("eth1"));
    let said = with(CLUSTER, "").unwrap_err().to_string();
    assert_eq!(
        said,
        "node.toml: order_entry.interface = \"eth1\": is for the kernel's sockets of a node in a \
         [cluster]: leave it out"
    );
    let said = with("10.9.0.1:9001", "127.0.0.1:9001").unwrap_err().to_string();
    assert!(said.contains("wants a definite address"), "{said}");
}
