//! The consensus wire format: fixed layout, one envelope for every message, authenticated before
//! anything in it is looked at. Protobuf never travels.
#![doc = include_str!("format.md")]

use hmac::{Hmac, KeyInit, Mac};
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use sha2::Sha256;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{IMAGE_DESCRIPTION_BYTES_MAX, IMAGE_PART_BYTES_MAX, NodeId, Offer, Sample, Stand};
use crate::types::{ClusterKey, FRAME_HEADER_BYTES, FrameHeader, FrameKind, Line};

/// The most entries in one message.
pub(super) const MESSAGE_ENTRIES_MAX: usize = 64;

/// The bytes before every message's descriptors and payload.
pub(super) const ENVELOPE_BYTES: usize = 128;

const MAGIC: u32 = 0x4D43_4C52; // "RLCM"
const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
const REJECT: u32 = 1;
const TRANSFER: u32 = 2;
const OBSERVES: u32 = 4;
/// What raft writes into a vote request that a leadership transfer caused.
const CAMPAIGN_TRANSFER: &[u8] = b"CampaignTransfer";

const FRAME: u8 = 32;
const FETCH: u8 = 33;
const JOIN: u8 = 34;
const SEEK: u8 = 35;
const OFFER: u8 = 36;
const GET: u8 = 37;
const PART: u8 = 38;
const SAMPLE: u8 = 39;
const SURVEY: u8 = 40;
const STAND: u8 = 41;
const RAFT_KINDS: [(u8, MessageType); 10] = [
    (1, MessageType::MsgAppend),
    (2, MessageType::MsgAppendResponse),
    (3, MessageType::MsgHeartbeat),
    (4, MessageType::MsgHeartbeatResponse),
    (5, MessageType::MsgRequestVote),
    (6, MessageType::MsgRequestVoteResponse),
    (7, MessageType::MsgRequestPreVote),
    (8, MessageType::MsgRequestPreVoteResponse),
    (9, MessageType::MsgTimeoutNow),
    // Says where the leader's log begins, and no more.
    (10, MessageType::MsgSnapshot),
];

/// A message between nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet<'a> {
    /// Who sent it.
    pub from: NodeId,
    /// For whom it is; none where it is for whoever hears it.
    pub to: Option<NodeId>,
    /// What it says.
    pub body: Body<'a>,
}

/// What nodes say to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// Raft. The data of an entry is its frame's header.
    Raft(Message),
    /// A frame: header and payload.
    Frame {
        /// The frame's header, checked; the payload's checksum is not yet.
        header: FrameHeader,
        /// As many bytes as the header says.
        payload: &'a [u8],
    },
    /// Asks for frames.
    Fetch(Fetch),
    /// A node that is no member says that it is there.
    Join,
    /// Asks for an image that reaches the frame of this index.
    Seek {
        /// The index.
        index: u64,
    },
    /// An image that may be had.
    Offer {
        /// Which.
        offer: Offer,
        /// What is in it, for who keeps images.
        description: &'a [u8],
    },
    /// Asks for parts of an image.
    Get {
        /// Which.
        image: u64,
        /// The first part.
        part: u64,
        /// Bit `i` asks for part `part + i`.
        wanted: u64,
    },
    /// A part of an image.
    Part {
        /// Of which.
        image: u64,
        /// Which.
        part: u64,
        /// The part.
        bytes: &'a [u8],
    },
    /// What a node came to, for the leader.
    Sample(Sample),
    /// Asks where a node stands.
    Survey,
    /// Where a node stands.
    Stand(Stand),
}

/// A request for frames, of at most 64 consecutive indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The first index.
    pub index: u64,
    /// Bit `i` asks for the frame of index `index + i`.
    pub wanted: u64,
}

/// Why bytes are not a message for this node's cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Shorter than the envelope.
    #[error("shorter than an envelope")]
    Short,
    /// Not authenticated by this cluster's key.
    #[error("not authenticated by this cluster's key")]
    Mac,
    /// Another protocol, version or cluster.
    #[error("of another version or cluster")]
    Foreign,
    /// Authentic, and yet not what this version writes.
    #[error("malformed")]
    Malformed,
}

/// Reads and writes messages of one cluster.
#[derive(Clone, Debug)]
pub struct Codec {
    cluster: u64,
    mac: Hmac<Sha256>,
}

#[derive(Clone, Copy, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Envelope {
    magic: u32,
    version: u8,
    kind: u8,
    /// Descriptors behind the envelope.
    count: u16,
    cluster: u64,
    from: [u32; 2],
    to: [u32; 2],
    term: u64,
    log_term: u64,
    index: u64,
    commit: u64,
    commit_term: u64,
    reject_hint: u64,
    wanted: u64,
    flags: u32,
    payload_bytes: u32,
    mac: [u8; MAC_BYTES],
}

const _: () = assert!(size_of::<Envelope>() == ENVELOPE_BYTES);

impl Codec {
    /// The codec of the cluster with this number and key.
    ///
    /// # Panics
    /// Never: an HMAC takes a key of any length.
    #[must_use]
    pub fn new(cluster: u64, key: &ClusterKey) -> Self {
        // A key of its own: a verifier of a port can never be passed off as a message.
        let key = key.derive(b"rialto consensus 1");
        Self { cluster, mac: Hmac::new_from_slice(&key).expect("a key of any length") }
    }

    /// Writes `packet` to `out`, replacing what was there.
    ///
    /// # Panics
    /// If an entry's data is no frame header, or the message is of a kind that does not travel: the
    /// caller has a defect.
    pub fn encode(&self, packet: &Packet<'_>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.envelope(packet).as_bytes());
        match &packet.body {
            Body::Raft(message) => {
                for entry in message.get_entries() {
                    assert_eq!(entry.data.len(), FRAME_HEADER_BYTES, "entry {}", entry.index);
                    out.extend_from_slice(&entry.data);
                }
            }
            Body::Frame { header, payload } => {
                out.extend_from_slice(header.as_bytes());
                out.extend_from_slice(payload);
            }
            Body::Offer { description: bytes, .. } | Body::Part { bytes, .. } => {
                out.extend_from_slice(bytes);
            }
            Body::Fetch(_)
            | Body::Join
            | Body::Seek { .. }
            | Body::Get { .. }
            | Body::Sample(_)
            | Body::Survey
            | Body::Stand(_) => {}
        }
        let mac = self.mac_of(out);
        out[ENVELOPE_BYTES - MAC_BYTES..ENVELOPE_BYTES].copy_from_slice(&mac);
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Packet<'a>, CodecError> {
        let (envelope, rest) = Envelope::read_from_prefix(bytes).map_err(|_| CodecError::Short)?;
        self.verify(bytes, &envelope.mac)?;
        if (envelope.magic, envelope.version, envelope.cluster) != (MAGIC, VERSION, self.cluster) {
            return Err(CodecError::Foreign);
        }
        let from = NodeId { host: envelope.from[0], incarnation: envelope.from[1] };
        let to = NodeId { host: envelope.to[0], incarnation: envelope.to[1] };
        let to = (to.raft() != 0).then_some(to);
        let body = read_body(&envelope, rest).ok_or(CodecError::Malformed)?;
        let packet = Packet { from, to, body };
        // What the fields do not say must be zero, and who is named must exist.
        let addressed = to.is_none_or(|to| to.host != 0)
            && (to.is_some()
                || matches!(
                    packet.body,
                    Body::Frame { .. } | Body::Join | Body::Seek { .. } | Body::Survey
                ));
        let canonical = Envelope { mac: envelope.mac, ..self.envelope(&packet) } == envelope;
        if from.host == 0 || !addressed || !canonical {
            return Err(CodecError::Malformed);
        }
        Ok(packet)
    }

    fn envelope(&self, packet: &Packet<'_>) -> Envelope {
        let to = packet.to.map_or([0; 2], |to| [to.host, to.incarnation]);
        let envelope = Envelope {
            magic: MAGIC,
            version: VERSION,
            cluster: self.cluster,
            from: [packet.from.host, packet.from.incarnation],
            to,
            ..Envelope::new_zeroed()
        };
        match &packet.body {
            Body::Raft(message) => Envelope {
                kind: kind_of(message.get_msg_type()),
                count: u16::try_from(message.get_entries().len()).expect("MESSAGE_ENTRIES_MAX"),
                term: message.term,
                log_term: message.log_term,
                index: message.index,
                commit: message.commit,
                commit_term: message.commit_term,
                reject_hint: message.reject_hint,
                flags: if message.reject { REJECT } else { 0 }
                    | if message.context == CAMPAIGN_TRANSFER { TRANSFER } else { 0 },
                ..envelope
            },
            Body::Frame { header, .. } => {
                Envelope { kind: FRAME, count: 1, payload_bytes: header.payload_bytes, ..envelope }
            }
            Body::Fetch(Fetch { index, wanted }) => {
                Envelope { kind: FETCH, index: *index, wanted: *wanted, ..envelope }
            }
            Body::Join => Envelope { kind: JOIN, ..envelope },
            &Body::Seek { index } => Envelope { kind: SEEK, index, ..envelope },
            &Body::Offer { offer, description } => Envelope {
                kind: OFFER,
                index: offer.index,
                log_term: offer.term,
                commit: offer.image,
                wanted: offer.parts,
                payload_bytes: u32::try_from(description.len()).expect("bounded"),
                ..envelope
            },
            &Body::Get { image, part, wanted } => {
                Envelope { kind: GET, index: part, commit: image, wanted, ..envelope }
            }
            &Body::Sample(Sample { at, hash }) => {
                Envelope { kind: SAMPLE, index: at, commit: hash, ..envelope }
            }
            Body::Survey => Envelope { kind: SURVEY, ..envelope },
            &Body::Stand(Stand { term, last, committed, hears, supports, observes }) => Envelope {
                kind: STAND,
                term,
                log_term: last.0,
                index: last.1,
                commit: committed,
                wanted: hears.map_or(0, NodeId::raft),
                reject_hint: supports.into(),
                flags: if observes { OBSERVES } else { 0 },
                ..envelope
            },
            &Body::Part { image, part, bytes } => Envelope {
                kind: PART,
                index: part,
                commit: image,
                payload_bytes: u32::try_from(bytes.len()).expect("bounded"),
                ..envelope
            },
        }
    }

    fn verify(&self, bytes: &[u8], mac: &[u8; MAC_BYTES]) -> Result<(), CodecError> {
        self.fed(bytes).verify_slice(mac).map_err(|_| CodecError::Mac)
    }

    fn mac_of(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        self.fed(bytes).finalize().into_bytes().into()
    }

    /// Everything but the place of the MAC itself.
    fn fed(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&bytes[..ENVELOPE_BYTES - MAC_BYTES]);
        mac.update(&bytes[ENVELOPE_BYTES..]);
        mac
    }
}

/// The entry that stands for the frame with this header.
///
/// # Panics
/// If the header's kind is none, which its check excludes.
#[must_use]
pub(super) fn entry_of(header: &FrameHeader) -> Entry {
    let mut entry = Entry::default();
    if header.kind == FrameKind::ConfChange as u8 {
        entry.set_entry_type(EntryType::EntryConfChangeV2);
    }
    entry.term = header.term.into();
    entry.index = header.index;
    entry.data = header.as_bytes().to_vec().into();
    entry
}

/// The header that an entry of the wire or of the log carries.
///
/// # Panics
/// If it carries none.
#[must_use]
pub(super) fn header_of(entry: &Entry) -> FrameHeader {
    FrameHeader::read_from_bytes(&entry.data).expect("an entry is its frame's header")
}

/// The lines of a payload, out of bytes that may lie anywhere; none if they are not whole lines.
#[must_use]
pub(super) fn lines_of(payload: &[u8]) -> Option<Vec<Line>> {
    let mut lines = vec![Line::ZERO; payload.len() / size_of::<Line>()];
    (Line::bytes(&lines).len() == payload.len()).then(|| {
        Line::bytes_mut(&mut lines).copy_from_slice(payload);
        lines
    })
}

/// Whether an encoded message is a frame or a part of an image: what a transport may keep from being in the
/// way of others.
#[cfg(feature = "aeron")]
#[must_use]
pub(super) fn is_bulk(message: &[u8]) -> bool {
    matches!(message.get(std::mem::offset_of!(Envelope, kind)), Some(&(FRAME | PART)))
}

fn read_body<'a>(envelope: &Envelope, rest: &'a [u8]) -> Option<Body<'a>> {
    let descriptors = usize::from(envelope.count) * FRAME_HEADER_BYTES;
    let (descriptors, payload) = rest.split_at_checked(descriptors)?;
    if payload.len() != envelope.payload_bytes as usize {
        return None;
    }
    match envelope.kind {
        FRAME => {
            let header = FrameHeader::read_from_bytes(descriptors).ok()?;
            header.check().ok()?;
            (header.payload_bytes == envelope.payload_bytes)
                .then_some(Body::Frame { header, payload })
        }
        FETCH => Some(Body::Fetch(Fetch { index: envelope.index, wanted: envelope.wanted })),
        JOIN => Some(Body::Join),
        SEEK => Some(Body::Seek { index: envelope.index }),
        OFFER => {
            let &Envelope { commit: image, index, log_term: term, wanted: parts, .. } = envelope;
            let offer = Offer { image, index, term, parts };
            (payload.len() <= IMAGE_DESCRIPTION_BYTES_MAX)
                .then_some(Body::Offer { offer, description: payload })
        }
        SAMPLE => Some(Body::Sample(Sample { at: envelope.index, hash: envelope.commit })),
        SURVEY => Some(Body::Survey),
        STAND => Some(Body::Stand(Stand {
            term: envelope.term,
            last: (envelope.log_term, envelope.index),
            committed: envelope.commit,
            hears: (envelope.wanted != 0).then(|| NodeId::from_raft(envelope.wanted)),
            supports: u32::try_from(envelope.reject_hint).ok()?,
            observes: envelope.flags & OBSERVES != 0,
        })),
        GET => {
            let &Envelope { commit: image, index: part, wanted, .. } = envelope;
            Some(Body::Get { image, part, wanted })
        }
        PART => {
            let &Envelope { commit: image, index: part, .. } = envelope;
            (payload.len() <= IMAGE_PART_BYTES_MAX).then_some(Body::Part {
                image,
                part,
                bytes: payload,
            })
        }
        kind => read_raft(kind, envelope, descriptors).map(Body::Raft),
    }
}

fn read_raft(kind: u8, envelope: &Envelope, descriptors: &[u8]) -> Option<Message> {
    let (_, kind) = *RAFT_KINDS.iter().find(|(number, _)| *number == kind)?;
    let mut message = Message::default();
    message.set_msg_type(kind);
    message.from = NodeId { host: envelope.from[0], incarnation: envelope.from[1] }.raft();
    message.to = NodeId { host: envelope.to[0], incarnation: envelope.to[1] }.raft();
    message.term = envelope.term;
    message.log_term = envelope.log_term;
    message.index = envelope.index;
    message.commit = envelope.commit;
    message.commit_term = envelope.commit_term;
    message.reject_hint = envelope.reject_hint;
    message.reject = envelope.flags & REJECT != 0;
    if envelope.flags & TRANSFER != 0 {
        message.context = CAMPAIGN_TRANSFER.into();
    }
    let entries = read_entries(&message, descriptors)?;
    let has_entries = !entries.is_empty();
    message.set_entries(entries.into());
    // A term of zero is a message to oneself: never from the network.
    let sound = message.term != 0 && (!has_entries || kind == MessageType::MsgAppend);
    sound.then_some(message)
}

/// The entries behind `message.index`: without gaps, their terms rising to the leader's at most.
fn read_entries(message: &Message, descriptors: &[u8]) -> Option<Vec<Entry>> {
    if descriptors.len() > MESSAGE_ENTRIES_MAX * FRAME_HEADER_BYTES {
        return None;
    }
    let (mut index, mut term) = (message.index, message.log_term);
    let mut entries = Vec::with_capacity(descriptors.len() / FRAME_HEADER_BYTES);
    for descriptor in descriptors.chunks_exact(FRAME_HEADER_BYTES) {
        let header = FrameHeader::read_from_bytes(descriptor).ok()?;
        header.check().ok()?;
        let follows = header.index == index.checked_add(1)?
            && (term..=message.term).contains(&header.term.into());
        if !follows {
            return None;
        }
        (index, term) = (header.index, header.term.into());
        entries.push(entry_of(&header));
    }
    Some(entries)
}

fn kind_of(kind: MessageType) -> u8 {
    let found = RAFT_KINDS.iter().find(|(_, known)| *known == kind);
    found.unwrap_or_else(|| panic!("{kind:?} does not travel")).0
}

#[cfg(test)]
mod tests;
