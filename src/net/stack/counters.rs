//! What the stack counted, for operators. Decides nothing.

use crate::counters::counter_set;

counter_set! {
    /// Counts since the stack was made.
    pub struct Counters {
        /// Frames received.
        rx_frames,
        /// Frames handed to the device.
        tx_frames,
        /// Frames received that were another shard's, and were passed on to it.
        passed_on,
        /// Frames for another shard that were lost, because it does not keep up.
        passed_lost,
        /// Frames that another shard received, and passed on to this one.
        passed_here,
        /// Frames that are no Ethernet, ARP, IPv4, TCP or UDP, fail a checksum, or come from no host.
        malformed,
        /// Frames of which the device says that a checksum is wrong.
        checksum_wrong,
        /// Fragments, which are never put together.
        fragments,
        /// Frames for another host, or of a protocol not spoken here.
        not_ours,
        /// Packets from outside the allowed networks.
        denied,
        /// Frames in the name of a host whose Ethernet address is given, from another.
        impostors,
        /// Frames dropped unread because their sender was over its rate.
        source_flood,
        /// Requests and questions dropped because their sender asked too much.
        source_questions,
        /// Connections broken because their peer's address is not allowed any more.
        expelled,
        /// ARP packets received.
        arp,
        /// Datagrams received for the user.
        datagrams_received,
        /// Datagrams dropped: too long, or the user did not take those before them in time.
        datagrams_lost,
        /// Datagrams dropped because nobody receives on their port.
        datagrams_unwanted,
        /// Reports of our membership in groups.
        membership_reports,
        /// Connections looked at: for a frame, for a timer, for their user, or in their turn to send. Idle
        /// ones are not.
        visits,
        /// Connections that peers opened.
        opened,
        /// Connection requests dropped: too many at once, no slot free.
        syn_dropped,
        /// Connection requests dropped because their source has its share of connections.
        source_full,
        /// Connection requests on a connection that we hold open: its peer was asked whether it has
        /// forgotten it.
        challenged,
        /// Resets of a connection that are not where its peer stands: it was asked whether it means them,
        /// if they were near enough.
        resets_doubted,
        /// Handshakes given up when their time was over.
        half_open_expired,
        /// Handshakes given up for others that began later.
        half_open_gave_way,
        /// Closed connections whose peer did not part in time, and was reset.
        linger_expired,
        /// Segments sent again.
        repeated,
        /// Times that what was sent last had to be sent again, and was before the engine's timeout.
        tail_probes,
        /// Resets sent for segments of no connection.
        rst_sent,
        /// Segments of no connection that got no answer, by the limit.
        rst_suppressed,
        /// Pings answered.
        echo_replies,
        /// Questions for our Ethernet address that got no answer, by the limit.
        arp_suppressed,
        /// Duty cycles in which frames were left waiting because the device had no room for answers.
        tx_full,
        /// Duty cycles in which segments were left waiting: the device was full, or it was enough.
        egress_cut,
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
