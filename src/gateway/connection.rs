//! One connection of a gateway: its session, its login, and how far it is in its port's stream.

use std::net::SocketAddrV4;

use super::link::Link;
use super::ports::{CHECKPOINT_INTERVAL, Stream};
use super::session::Session;
use super::throttle::Throttle;
use crate::event_store::{Reader, StoreError};
use crate::types::event::EventHeader;
use crate::types::{self, Epoch, Nanos, PortId, Position};
use crate::wire::soup::LoginRequest;

/// A connection, or a peer that sends datagrams, and all that the gateway keeps for it.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Connection {
    pub(super) link: Link,
    /// As the log has it.
    pub(super) token: types::Connection,
    pub(super) peer: SocketAddrV4,
    pub(super) session: Session,
    pub(super) throttle: Throttle,
    pub(super) login: LoginState,
    pub(super) outbound: Outbound,
    /// Its session id is over: it is closed once the rest of its stream was sent.
    pub(super) ending: bool,
    /// The participant has sent its last.
    pub(super) ended: bool,
    /// It stands in the queue of connections with unread input.
    pub(super) queued: bool,
    /// When it is to read on in the log.
    pub(super) turn: Turn,
}

/// Four lines of a cache, at most: an order of one session among many finds none of them there.
const _: () = assert!(size_of::<Option<Connection>>() <= 4 * 64);

/// How far the participant has proved who it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum LoginState {
    /// Not yet.
    None,
    /// It has, but its port was taken over a moment ago; the login is decided not before then.
    Held { login: LoginRequest, not_before: Nanos },
    /// `PortUp` is on its way through the log.
    Sequencing { port: PortId, sequence: u64 },
    /// The session is up.
    Up { port: PortId, epoch: Epoch },
}

/// When a session reads on in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It need not.
    None,
    /// When it has come to the front of the queue, in which it stands once.
    Queued,
    /// When there is room for its next message, which the transport will tell.
    Parked,
}

/// Where a session stands in its port's stream.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    /// The number of the next message to send.
    pub(super) next: u32,
    /// Whether that is the next message of the log's end; else the session reads up from `backlog`.
    pub(super) live: bool,
    /// Positions found by walking back from a known one, the oldest last, at most
    /// [`CHECKPOINT_INTERVAL`].
    backlog: Vec<Position>,
    /// How far back a walk that is not over has come: a message's number and position.
    walk: Option<(u32, Position)>,
}

/// Where a session's next message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Here.
    At(Position),
    /// Further back; ask again in the next turn.
    Walking,
    /// Still to come: the session is live.
    Live,
}

/// Messages that a walk passes in one turn: some hundred microseconds.
const WALK_STEPS_PER_TURN_MAX: usize = 128;

impl Connection {
    pub(super) fn new(
        link: Link,
        token: types::Connection,
        peer: SocketAddrV4,
        throttle: Throttle,
        now: Nanos,
    ) -> Self {
        Self {
            link,
            token,
            peer,
            session: Session::new(now),
            throttle,
            login: LoginState::None,
            outbound: Outbound::default(),
            ending: false,
            ended: false,
            queued: false,
            turn: Turn::None,
        }
    }
}

impl Outbound {
    /// Begins to send from message `next` of `stream`.
    pub(super) fn start(&mut self, next: u32, stream: &Stream) {
        self.backlog.clear();
        self.walk = None;
        self.next = next;
        self.live = next > stream.last_sequence();
    }

    /// Where the next message lies. A walk back to it takes as many turns as it needs.
    ///
    /// # Errors
    /// The log's, when a record on the way back cannot be read.
    pub(super) fn next_position(
        &mut self,
        stream: &mut Stream,
        history: &mut Reader,
    ) -> Result<Next, StoreError> {
        if let (None, Some(&position)) = (self.walk, self.backlog.last()) {
            return Ok(Next::At(position));
        }
        let Some(mut at) = self.walk.or_else(|| stream.anchor(self.next)) else {
            self.live = true;
            return Ok(Next::Live);
        };
        if self.walk.is_none() {
            // All at once: what grows asks for twice as much.
            let kept = (at.0 - self.next + 1).min(CHECKPOINT_INTERVAL);
            self.backlog.reserve(kept as usize);
        }
        for _ in 0..WALK_STEPS_PER_TURN_MAX {
            let (sequence, position) = at;
            stream.note_found(sequence, position);
            // What lies further ahead is found again when its turn has come.
            if sequence - self.next < CHECKPOINT_INTERVAL {
                self.backlog.push(position);
            }
            if sequence == self.next {
                self.walk = None;
                return Ok(Next::At(position));
            }
            let record = history.record_at(position)?.lines;
            let header = EventHeader::view(record).expect("a record begins with its header");
            at = (sequence - 1, stream.before(sequence, header, position));
        }
        self.walk = Some(at);
        Ok(Next::Walking)
    }

    /// The message at [`Outbound::next_position`], or the live one, was sent.
    pub(super) fn sent(&mut self) {
        self.backlog.pop();
        self.next += 1;
    }
}
