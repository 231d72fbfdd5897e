//! That an export has every byte of every record, whatever is in it, and looks as it is documented to.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::csv::{write_columns, write_row};
use super::json;
use crate::cli::log::fields::tests::one_of_each;
use crate::cli::log::fields::{Content, Field, Form};
use crate::event_store::{LogKind, LogRecord};
use crate::types::{Cause, FrameChain, FrameHeader, FrameKind, Line, Nanos, Position};

fn frame() -> FrameHeader {
    let cause = Cause { index: 9, term: 2, time: Nanos(u64::MAX) };
    FrameChain::empty(1 << 20).seal(FrameKind::Normal, cause, 0, &[])
}

fn record<'a>(header: &'a FrameHeader, lines: &'a [Line]) -> LogRecord<'a> {
    LogRecord { header, sequence: 7, position: Position(128), lines }
}

/// The bytes that a field of this form and size had, from what was written of it.
fn bytes_of(field: &Field<'_>, written: Option<&Json>) -> Vec<u8> {
    let size = field.bytes.len();
    let digits = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    match (field.form, written) {
        // The name of the record says them.
        (Form::Known, None) => field.bytes.to_vec(),
        (Form::Unsigned, Some(Json::Number(number))) => {
            number.as_u64().unwrap().to_le_bytes()[..size].to_vec()
        }
        (Form::Signed, Some(Json::Number(number))) => {
            number.as_i64().unwrap().to_le_bytes()[..size].to_vec()
        }
        (Form::Reserved, None) | (Form::Text, Some(Json::Null)) => vec![0; size],
        (Form::Reserved | Form::Bytes, Some(Json::String(text))) => digits(text),
        (Form::Text, Some(Json::String(text))) => {
            let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
            while let Some((&first, behind)) = rest.split_first() {
                rest = behind;
                bytes.push(match (first, behind) {
                    (b'\\', [b'\\', ..]) => {
                        rest = &behind[1..];
                        b'\\'
                    }
                    (b'\\', [b'x', high, low, ..]) => {
                        rest = &behind[3..];
                        digits(str::from_utf8(&[*high, *low]).unwrap())[0]
                    }
                    _ => first,
                });
            }
            bytes.resize(size, b' ');
            bytes
        }
        (form, written) => panic!("{} of {form:?}: {written:?}", field.path()),
    }
}

/// The record that a line of JSON tells of.
fn from_json(line: &str, content: &Content<'_>) -> Vec<u8> {
    let object: Json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!(object["record"], content.name());
    assert_eq!((&object["sequence"], &object["position"]), (&7.into(), &128.into()));
    assert_eq!((&object["time"], &object["index"]), (&u64::MAX.into(), &9.into()));
    let mut bytes = Vec::new();
    content.fields(&mut |field| {
        let group = if field.in_header { "header" } else { "fields" };
        bytes.extend(bytes_of(&field, object[group].get(field.name)));
    });
    bytes
}

/// The cells of a line of CSV (RFC 4180), and whether each was quoted.
fn cells(line: &str) -> Vec<(String, bool)> {
    let mut rest = line.strip_suffix('\n').unwrap();
    let mut cells = Vec::new();
    loop {
        let (cell, quoted) = if let Some(inner) = rest.strip_prefix('"') {
            let mut at = 0;
            while !inner[at..].starts_with('"') || inner[at..].starts_with("\"\"") {
                at += if inner[at..].starts_with('"') { 2 } else { 1 };
            }
            rest = &inner[at + 1..];
            (inner[..at].replace("\"\"", "\""), true)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let cell = &rest[..end];
            rest = &rest[end..];
            assert!(!cell.contains('"'), "{line}");
            (cell.to_owned(), false)
        };
        cells.push((cell, quoted));
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    assert_eq!(rest, "", "{line}");
    cells
}

/// The record that a row of CSV tells of.
fn from_csv(columns: &str, row: &str, content: &Content<'_>) -> Vec<u8> {
    let columns = cells(columns);
    let row = cells(row);
    assert_eq!(columns.len(), row.len());
    let cell = |name: &str| &row[columns.iter().position(|(column, _)| column == name).unwrap()];
    assert_eq!(cell("record").0, content.name());
    assert_eq!((&*cell("sequence").0, &*cell("time").0), ("7", "18446744073709551615"));
    let mut bytes = Vec::new();
    content.fields(&mut |field| {
        let written = field.has_column().then(|| cell(&field.path())).and_then(|(cell, quoted)| {
            Some(match field.form {
                Form::Unsigned => cell.parse::<u64>().unwrap().into(),
                Form::Signed => cell.parse::<i64>().unwrap().into(),
                Form::Text if !quoted => Json::Null,
                Form::Reserved if cell.is_empty() => return None,
                _ => Json::String(cell.clone()),
            })
        });
        bytes.extend(bytes_of(&field, written.as_ref()));
    });
    bytes
}

/// What participants may put where text belongs, and anything at all.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 3 => Just(b' '), 2 => Just(b'"'), 2 => Just(b'\\'), 1 => Just(b','), 1 => Just(b'\n'), 4 => any::<u8>()]
}

proptest! {
    // Each goes over every kind of both logs.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_record_can_be_made_again_from_its_line_and_from_its_row(
        contents in prop::collection::vec(byte(), 190),
    ) {
        let header = frame();
        for kind in [LogKind::Commands, LogKind::Events] {
            for mut lines in one_of_each(kind) {
                let bytes = Line::bytes_mut(&mut lines);
                let size = bytes.len();
                bytes[2..].copy_from_slice(&contents[..size - 2]);
                let content = Content::new(kind, &lines);
                let record = record(&header, &lines);

                let mut line = Vec::new();
                json::write(&record, &content, &mut line);
                let line = String::from_utf8(line).unwrap();
                prop_assert_eq!(from_json(&line, &content), Line::bytes(&lines));
                prop_assert_eq!(line.find('\n'), Some(line.len() - 1));

                let (mut columns, mut row) = (String::new(), String::new());
                write_columns(&content, &mut columns);
                write_row(&record, &content, &mut row);
                prop_assert_eq!(from_csv(&columns, &row, &content), Line::bytes(&lines));
                prop_assert_eq!(row.find('\n'), Some(row.len() - 1));
            }
        }
    }
}

#[test]
fn a_line_and_a_row_look_as_they_are_documented_to() {
    let header = frame();
    let mut lines = [Line::ZERO; 2];
    let bytes = Line::bytes_mut(&mut lines);
    bytes[..6].copy_from_slice(&[44, 1, 1, 0, 3, 0]);
    bytes[40..44].copy_from_slice(&[5, 0, 0, 0]);
    bytes[48..62].copy_from_slice(b"say \"x\\\"\n     ");
    let lines = &lines[..1];
    let content = Content::new(LogKind::Events, lines);
    let mut line = Vec::new();
    json::write(&record(&header, lines), &content, &mut line);
    assert_eq!(
        String::from_utf8(line).unwrap(),
        concat!(
            r#"{"sequence":7,"time":18446744073709551615,"position":128,"index":9,"term":2,"#,
            r#""record":"Rejected","header":{"flags":1,"firm":3,"instrument":0,"port":0,"#,
            r#""port_sequence":0,"port_distance":0,"firm_sequence":0,"firm_distance":0,"cause":0,"#,
            r#""feed_sequence":0},"fields":{"user_ref_num":5,"reason":0,"user_ref_idx":0,"#,
            r#""cl_ord_id":"say \"x\\\\\"\\x0a"}}"#,
            "\n"
        )
    );
    let (mut columns, mut row) = (String::new(), String::new());
    write_columns(&content, &mut columns);
    write_row(&record(&header, lines), &content, &mut row);
    assert!(columns.starts_with("sequence,time,position,index,term,record,header.flags,"));
    assert!(
        columns.ends_with(",fields.reserved,fields.cl_ord_id,fields.reserved2,fields.surplus\n")
    );
    assert!(row.starts_with("7,18446744073709551615,128,9,2,Rejected,1,,3,0,"), "{row}");
    assert!(row.ends_with(",5,0,0,,\"say \"\"x\\\\\"\"\\x0a\",,\n"), "{row}");
}
