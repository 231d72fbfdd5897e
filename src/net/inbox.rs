//! Datagrams received and not taken yet: a fixed number of places, filled again and again.
//!
//! Never grows, and never waits: what finds no place is lost, as datagrams are.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::DATAGRAM_BYTES_MAX;

/// Datagrams, oldest first.
#[derive(Debug)]
pub(super) struct Inbox {
    places: Box<[Place]>,
    first: usize,
    waiting: usize,
}

#[derive(Clone, Debug)]
struct Place {
    from: SocketAddrV4,
    length: usize,
    bytes: [u8; DATAGRAM_BYTES_MAX],
}

impl Place {
    const EMPTY: Self = Self {
        from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        length: 0,
        bytes: [0; DATAGRAM_BYTES_MAX],
    };
}

impl Inbox {
    pub(super) fn new(places: usize) -> Self {
        Self { places: vec![Place::EMPTY; places].into_boxed_slice(), first: 0, waiting: 0 }
    }

    /// Puts a datagram behind the others; `false` if there is no place, or it is too long for one.
    pub(super) fn push(&mut self, from: SocketAddrV4, payload: &[u8]) -> bool {
        if self.waiting == self.places.len() || payload.len() > DATAGRAM_BYTES_MAX {
            return false;
        }
        let place = &mut self.places[(self.first + self.waiting) % self.places.len()];
        place.from = from;
        place.length = payload.len();
        place.bytes[..payload.len()].copy_from_slice(payload);
        self.waiting += 1;
        true
    }

    /// Forgets what was not taken.
    pub(super) fn clear(&mut self) {
        self.waiting = 0;
    }

    /// Takes the oldest: who sent it, and its payload.
    pub(super) fn pop(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        self.waiting = self.waiting.checked_sub(1)?;
        let place = &self.places[self.first];
        self.first = (self.first + 1) % self.places.len();
        Some((place.from, &place.bytes[..place.length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), port)
    }

    #[test]
    fn datagrams_leave_in_the_order_they_came_however_often_the_places_were_used() {
        let mut inbox = Inbox::new(3);
        let mut next_out = 0;
        for next_in in 0..20_u16 {
            assert!(inbox.push(from(next_in), &next_in.to_be_bytes()));
            // One or two wait at any time.
            if next_in > 0 {
                assert_eq!(inbox.pop(), Some((from(next_out), &next_out.to_be_bytes()[..])));
                next_out += 1;
            }
        }
        assert_eq!(inbox.pop(), Some((from(19), &[0, 19][..])));
        assert_eq!(inbox.pop(), None);
    }

    #[test]
    fn what_finds_no_place_is_refused_and_what_waits_stays_as_it_is() {
        let mut inbox = Inbox::new(2);
        assert!(!inbox.push(from(1), &[0; DATAGRAM_BYTES_MAX + 1]));
        let longest = [7; DATAGRAM_BYTES_MAX];
        assert!(inbox.push(from(1), &longest) && inbox.push(from(2), b""));
        assert!(!inbox.push(from(3), b"late"));
        assert_eq!(inbox.pop(), Some((from(1), &longest[..])));
        assert!(inbox.push(from(4), b"in time"));
        assert_eq!(inbox.pop(), Some((from(2), &b""[..])));
        assert_eq!(inbox.pop(), Some((from(4), &b"in time"[..])));
    }

    #[test]
    fn an_inbox_without_places_takes_nothing() {
        let mut inbox = Inbox::new(0);
        assert!(!inbox.push(from(1), b"x"));
        assert_eq!(inbox.pop(), None);
    }
}
