//! A stream of `SoupBinTCP` packets.

use rialto::wire::soup::{Packet, SoupError, parse};

/// What the gateway takes of a participant, and the most there can be.
const LENGTHS_MAX: [usize; 2] = [1_024, 65_535];

/// A packet is the same however many bytes lie behind it, none before it is whole, and written again it
/// is its bytes; but for padding, which a login's numbers may have on either side.
pub(crate) fn target(bytes: &[u8]) {
    for length_max in LENGTHS_MAX {
        let mut rest = bytes;
        while let Ok(Some((packet, size))) = parse(rest, length_max) {
            let whole = &rest[..size];
            assert!(size <= 2 + length_max);
            assert_eq!(parse(whole, length_max), Ok(Some((packet, size))));
            for cut in [0, 1, 2, size / 2, size - 1] {
                assert_eq!(parse(&whole[..cut], length_max), Ok(None), "cut at {cut}");
            }
            let mut again = vec![0; size];
            assert_eq!(packet.emit(&mut again), Some(size));
            assert_eq!(packet.emit(&mut again[..size - 1]), None);
            match packet {
                Packet::LoginRequest(_) | Packet::LoginAccepted(_) => {
                    assert_eq!(parse(&again, length_max), Ok(Some((packet, size))));
                }
                _ => assert_eq!(again, whole),
            }
            rest = &rest[size..];
        }
        // What cannot be a packet can become none with what follows.
        if let Err(error) = parse(rest, length_max) {
            assert_eq!(parse(&[rest, &[0; 64]].concat(), length_max), Err(error));
            assert!(!matches!(error, SoupError::Length(length) if usize::from(length) > 65_535));
        }
    }
}
