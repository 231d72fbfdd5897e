//! What the stack counted, for operators. Decides nothing.

use crate::counters::counter_set;

counter_set! {
    /// Counts since the stack was made.
    pub struct Counters {
        /// Frames received.
        rx_frames,
        /// Frames handed to the device.
        tx_frames,
        /// Frames that are no Ethernet, ARP, IPv4, TCP or UDP, or fail a checksum; fragments too.
        malformed,
        /// Frames for another host, or of a protocol not spoken here.
        not_ours,
        /// Packets from outside the allowed networks.
        denied,
        /// ARP packets received.
        arp,
        /// Datagrams received, and dropped.
        udp_dropped,
        /// Connections that peers opened.
        opened,
        /// Connection requests dropped: too many half-open ones, too many at once, no slot free.
        syn_dropped,
        /// Handshakes given up.
        half_open_expired,
        /// Closed connections whose peer did not part in time, and was reset.
        linger_expired,
        /// Resets sent for segments of no connection.
        rst_sent,
        /// Segments of no connection that got no answer, by the limit.
        rst_suppressed,
        /// Pings answered.
        echo_replies,
        /// Duty cycles in which frames were left waiting because the device had no room for answers.
        tx_full,
        /// Datagrams sent.
        datagrams,
        /// Datagrams not sent because the neighbour was unknown.
        neighbour_unknown,
        /// Duty cycles in which frames were left waiting because events were not taken.
        events_full,
        /// Connections now, those still in handshake or parting included.
        connections,
    }
}
