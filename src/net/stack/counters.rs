//! What the stack counted, for operators. Decides nothing.

/// Counts since the stack was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub rx_frames: u64,
    /// Frames handed to the device.
    pub tx_frames: u64,
    /// Frames that are no Ethernet, ARP, IPv4, TCP or UDP, or fail a checksum; fragments too.
    pub malformed: u64,
    /// Frames for another host, or of a protocol not spoken here.
    pub not_ours: u64,
    /// Packets from outside the allowed networks.
    pub denied: u64,
    /// ARP packets received.
    pub arp: u64,
    /// Datagrams received. All are dropped: order entry over UDP (UFO) is not built.
    pub udp_dropped: u64,
    /// Connections that peers opened.
    pub opened: u64,
    /// Connection requests dropped: too many at once, no slot free.
    pub syn_dropped: u64,
    /// Connection requests dropped because their source has its share of connections.
    pub source_full: u64,
    /// Connection requests on a connection that we hold open: its peer was asked whether it has
    /// forgotten it.
    pub challenged: u64,
    /// Handshakes given up.
    pub half_open_expired: u64,
    /// Closed connections whose peer did not part in time, and was reset.
    pub linger_expired: u64,
    /// Resets sent for segments of no connection.
    pub rst_sent: u64,
    /// Segments of no connection that got no answer, by the limit.
    pub rst_suppressed: u64,
    /// Pings answered.
    pub echo_replies: u64,
    /// Questions for our Ethernet address that got no answer, by the limit.
    pub arp_suppressed: u64,
    /// Duty cycles in which frames were left waiting because the device had no room for answers.
    pub tx_full: u64,
    /// Duty cycles in which segments were left waiting: the device was full, or it was enough.
    pub egress_cut: u64,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Datagrams not sent because the neighbour was unknown.
    pub neighbour_unknown: u64,
    /// Duty cycles in which frames were left waiting because events were not taken.
    pub events_full: u64,
}
