//! Commands as bytes: what is parsed back, and what is refused.

use zerocopy::FromZeros as _;

use super::*;
use crate::types::UserRefNum;

#[test]
fn a_command_is_parsed_from_the_lines_it_was_made_of() {
    let cancel = Cancel {
        header: CommandHeader::new::<Cancel>(PortId(3), Epoch(9), Nanos(5)),
        user_ref_num: UserRefNum(17),
        ..Cancel::new_zeroed()
    };
    let Ok(Command::Cancel(parsed)) = Command::parse(cancel.lines()) else {
        panic!("not a cancel")
    };
    assert_eq!((parsed.header, parsed.user_ref_num), (cancel.header, UserRefNum(17)));
}

#[test]
fn lines_that_are_no_command_are_refused() {
    assert_eq!(Command::parse(&[]).unwrap_err(), RecordError::Short);
    let mut line = Line::ZERO;
    assert_eq!(Command::parse(&[line]).unwrap_err(), RecordError::Lines { kind: 0, lines: 0 });
    line.0[..2].copy_from_slice(&[250, 1]);
    assert_eq!(Command::parse(&[line]).unwrap_err(), RecordError::Kind(250));
    line.0[..2].copy_from_slice(&[CommandKind::NewOrder as u8, 1]);
    assert_eq!(Command::parse(&[line]).unwrap_err(), RecordError::Lines { kind: 40, lines: 1 });
}
