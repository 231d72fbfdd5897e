//! That the tables cover every byte of every kind, and that no value passes for another.

use std::collections::BTreeSet;

use super::*;

/// A record of every kind of a log, its content zero.
pub(in crate::cli::log) fn one_of_each(kind: LogKind) -> Vec<Vec<Line>> {
    let kinds: Vec<(u8, u8)> = match kind {
        LogKind::Commands => CommandKind::ALL.iter().map(|&k| (k as u8, k.lines())).collect(),
        LogKind::Events => EventKind::ALL.iter().map(|&k| (k as u8, k.lines())).collect(),
    };
    let record = |(number, lines): (u8, u8)| {
        let mut record = vec![Line::ZERO; usize::from(lines)];
        record[0].0[..2].copy_from_slice(&[number, lines]);
        record
    };
    kinds.into_iter().map(record).collect()
}

#[test]
fn the_fields_of_every_kind_are_all_of_its_bytes_in_their_order() {
    for kind in [LogKind::Commands, LogKind::Events] {
        for lines in one_of_each(kind) {
            let content = Content::new(kind, &lines);
            let (mut end, mut names) = (Line::bytes(&lines).as_ptr(), BTreeSet::new());
            content.fields(&mut |field| {
                assert_eq!(field.bytes.as_ptr(), end, "{} {}", content.name(), field.path());
                end = field.bytes.as_ptr_range().end;
                assert!(names.insert(field.path()), "{} twice", field.path());
            });
            assert_eq!(end, Line::bytes(&lines).as_ptr_range().end, "{}", content.name());
            assert!(kind_names(kind).iter().any(|name| name == content.name()));
        }
    }
}

#[test]
fn a_record_of_an_unknown_kind_or_too_short_is_all_bytes() {
    let mut unknown = [Line::ZERO; 2];
    unknown[0].0[..2].copy_from_slice(&[250, 2]);
    let mut short = [Line::ZERO];
    short[0].0[..2].copy_from_slice(&[CommandKind::NewOrder as u8, 1]);
    for lines in [&unknown[..], &short] {
        let content = Content::new(LogKind::Commands, lines);
        assert_eq!(content.name(), UNKNOWN);
        let mut bytes = Vec::new();
        content.fields(&mut |field| bytes.extend_from_slice(field.bytes));
        assert_eq!(bytes, Line::bytes(lines));
    }
}

#[test]
fn lines_behind_a_known_record_are_its_surplus() {
    let mut lines = [Line::ZERO, Line([7; 64])];
    lines[0].0[..2].copy_from_slice(&[CommandKind::Tick as u8, 2]);
    let content = Content::new(LogKind::Commands, &lines);
    let mut last = None;
    content.fields(&mut |field| last = Some((field.name, field.value())));
    assert_eq!(content.name(), "Tick");
    assert_eq!(last, Some(("surplus", Value::Bytes("07".repeat(64)))));
}

#[test]
fn texts_differ_if_their_bytes_do_but_for_the_padding() {
    let texts: [(&[u8], &str); 6] = [
        (b"A B   ", "A B"),
        (b" A\0   ", " A\\x00"),
        (b"A\\x00 ", "A\\\\x00"),
        (b"\x7f\xff\n\t ", "\\x7f\\xff\\x0a\\x09"),
        (b"\"',\r  ", "\"',\\x0d"),
        (b"      ", ""),
    ];
    for (bytes, expected) in texts {
        assert_eq!(text(bytes), expected);
    }
}

#[test]
fn numbers_keep_their_sign_whatever_their_size() {
    let value = |form, bytes: &[u8]| Field { in_header: false, name: "x", form, bytes }.value();
    assert_eq!(value(Form::Signed, &(-5_i32).to_le_bytes()), Value::Signed(-5));
    assert_eq!(value(Form::Signed, &i64::MIN.to_le_bytes()), Value::Signed(i64::MIN));
    assert_eq!(value(Form::Unsigned, &u64::MAX.to_le_bytes()), Value::Unsigned(u64::MAX));
    assert_eq!(value(Form::Unsigned, &[255]), Value::Unsigned(255));
}
