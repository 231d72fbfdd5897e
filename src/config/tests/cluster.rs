//! The rules of `[cluster]`, and of what only a node of one has.

use super::*;

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
    assert_eq!(config.service().unwrap().order_entry.interface, None);
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
    assert_eq!(config.service().unwrap().order_entry.interface.as_deref(), Some("eth1"));
    let said = with(CLUSTER, "").unwrap_err().to_string();
    assert_eq!(
        said,
        "node.toml: order_entry.interface = \"eth1\": is for the kernel's sockets of a node in a \
         [cluster]: leave it out"
    );
    let said = with("10.9.0.1:9001", "127.0.0.1:9001").unwrap_err().to_string();
    assert!(said.contains("wants a definite address"), "{said}");
}
