//! A record as a line of JSON.

use std::io::Write as _;

use crate::cli::log::fields::{Content, Value};
use crate::event_store::LogRecord;

/// Writes a record.
pub(super) fn write(record: &LogRecord<'_>, content: &Content<'_>, out: &mut Vec<u8>) {
    let LogRecord { header, sequence, position, .. } = record;
    let (time, index, term, name) = (header.time.0, header.index, header.term, content.name());
    // Writing to memory does not fail.
    let _infallible = write!(
        out,
        "{{\"sequence\":{sequence},\"time\":{time},\"position\":{position},\"index\":{index},\
         \"term\":{term},\"record\":\"{name}\",\"header\":{{"
    );
    let (mut in_header, mut is_first) = (true, true);
    content.fields(&mut |field| {
        if in_header && !field.in_header {
            out.extend_from_slice(b"},\"fields\":{");
            (in_header, is_first) = (false, true);
        }
        let value = field.value();
        if value != Value::Silent {
            let comma = if is_first { "" } else { "," };
            let _infallible = write!(out, "{comma}\"{}\":", field.name);
            write_value(&value, out);
            is_first = false;
        }
    });
    out.extend_from_slice(b"}}\n");
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    let _infallible = match value {
        Value::Unsigned(number) => write!(out, "{number}"),
        Value::Signed(number) => write!(out, "{number}"),
        Value::Bytes(digits) => write!(out, "\"{digits}\""),
        Value::Text(text) => {
            // Printable ASCII: two characters alone need their escape.
            out.push(b'"');
            for byte in text.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            write!(out, "\"")
        }
        Value::None | Value::Silent => write!(out, "null"),
    };
}
