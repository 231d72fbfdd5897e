//! Where two frames that should be the same first differ: the record, its field, the byte.

use std::fmt;

use zerocopy::IntoBytes as _;

use super::fields::{Content, Value, number};
use crate::event_store::{Frame, LogKind, LogRecord};
use crate::types::{FrameHeader, Line, Position};

/// The first difference of two frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The record it is in; the frame's first, if it is in the frame's header.
    pub sequence: u64,
    /// Where the first byte that differs lies in the log.
    pub position: Position,
    /// What has the byte: a frame's or a record's field, or two kinds of record.
    pub what: String,
    /// What the one says, and the other.
    pub values: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, position, what, values: [one, other] } = self;
        write!(f, "sequence {sequence}, byte {position}, {what}: {one} and {other}")
    }
}

/// Finds it, if there is one. A record that differs comes before the header of its frame, whose
/// checksums are then others in any case.
pub(super) fn first_difference(
    kind: LogKind,
    one: &Frame<'_>,
    other: &Frame<'_>,
) -> Option<Difference> {
    if (one.header, one.payload) == (other.header, other.payload) {
        return None;
    }
    let [mut records, others] = [one, other].map(|frame| frame.records().map_while(Result::ok));
    let records = records.by_ref().zip(others).find(|(a, b)| a.lines != b.lines);
    Some(records.map_or_else(
        || of_headers(one.header, other.header),
        |(one, other)| of_records(kind, &one, &other),
    ))
}

fn of_records(kind: LogKind, one: &LogRecord<'_>, other: &LogRecord<'_>) -> Difference {
    let bytes = [one, other].map(|record| Line::bytes(record.lines));
    let offset = differing(bytes[0], bytes[1]);
    let contents = [one, other].map(|record| Content::new(kind, record.lines));
    let names = contents.map(|content| content.name());
    let (what, values) = if names[0] == names[1] {
        let [(field, one), (_, other)] = contents.map(|content| field_at(&content, offset));
        (format!("{} {field}", names[0]), [one, other])
    } else {
        ("record".to_owned(), names.map(str::to_owned))
    };
    let position = one.position.plus(offset as u64);
    Difference { sequence: one.sequence, position, what, values }
}

/// The field in which a byte of a record lies, and its value.
fn field_at(content: &Content<'_>, offset: usize) -> (String, String) {
    let (mut end, mut found) = (0, None);
    content.fields(&mut |field| {
        end += field.bytes.len();
        if found.is_none() && offset < end {
            let value = match field.value() {
                Value::Silent => "zero".to_owned(),
                value => value.to_string(),
            };
            found = Some((field.path(), value));
        }
    });
    found.unwrap_or_else(|| ("size".to_owned(), format!("{end} bytes")))
}

fn of_headers(one: &FrameHeader, other: &FrameHeader) -> Difference {
    let offset = differing(one.as_bytes(), other.as_bytes());
    let (mut end, mut found) = (0, ("header", [0; 2]));
    // Every field, in the order of the bytes.
    macro_rules! look {
        ($($field:ident)*) => {
            let [FrameHeader { $($field: _),* }, _] = [one, other];
            $(
                let start = end;
                end += size_of_val(&one.$field);
                if (start..end).contains(&offset) {
                    let values = [one, other].map(|header| number(header.$field.as_bytes()));
                    found = (stringify!($field), values);
                }
            )*
        };
    }
    look!(magic version kind count reserved index term payload_bytes start first_sequence time
        previous_hash payload_crc header_crc);
    let (field, values) = found;
    Difference {
        sequence: one.first_sequence,
        position: one.start.plus(offset as u64),
        what: format!("frame header {field}"),
        values: values.map(|value| value.to_string()),
    }
}

/// The place of the first byte that differs; behind the shorter one if none does.
fn differing(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}
