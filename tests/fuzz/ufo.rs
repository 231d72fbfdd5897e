//! One UFO datagram, read as the exchange's and as a participant's.

use rialto::wire::ufo::{
    Downstream, PACKET_BYTES_MAX, PacketBuilder, Upstream, end_of_session, heartbeat,
    login_rejected,
};

/// What is read is, written again, its bytes. Of a participant's datagram, whatever is before the first
/// malformed message is read, and nothing behind it.
pub(crate) fn target(bytes: &[u8]) {
    downstream(bytes);
    upstream(bytes);
}

fn downstream(bytes: &[u8]) {
    let Ok(packet) = Downstream::parse(bytes) else { return };
    match packet {
        Downstream::LoginAccepted(accepted) => assert_eq!(accepted.emit(), bytes),
        Downstream::LoginRejected(reason) => assert_eq!(login_rejected(reason), bytes),
        Downstream::EndOfSession(total) => assert_eq!(end_of_session(total), bytes),
        Downstream::Sequenced { sequence, messages } if messages.left() == 0 => {
            assert_eq!(heartbeat(sequence), bytes);
        }
        Downstream::Sequenced { sequence, messages } => {
            let mut builder = PacketBuilder::new();
            let (left, mut put) = (usize::from(messages.left()), 0);
            for (behind, message) in (0..).zip(messages) {
                put += usize::from(builder.push(sequence + behind, message));
            }
            if bytes.len() <= PACKET_BYTES_MAX {
                assert_eq!((builder.packet(), put), (bytes, left));
            }
        }
    }
    // Nothing is a packet with more behind it, or less of it.
    assert!(Downstream::parse(&[bytes, b"\0"].concat()).is_err());
    assert!(Downstream::parse(&bytes[..bytes.len() - 1]).is_err());
}

fn upstream(bytes: &[u8]) {
    let (mut again, mut end) = (vec![0; bytes.len()], 0);
    let mut rest = bytes;
    while let Ok((message, behind)) = Upstream::parse(rest) {
        let start = end;
        end = message.emit(&mut again, end).unwrap();
        assert_eq!(message.emit(&mut vec![0; end - start - 1], 0), None, "no room");
        assert_eq!(behind.len() + end, bytes.len());
        rest = behind;
    }
    assert_eq!(again[..end], bytes[..end]);
}
