//! From messages to commands: what a session's message asks of the exchange.

use super::session::Violation;
use crate::types::command::{Command, CommandHeader, CommandKind};
use crate::types::{
    Epoch, LINE_BYTES, Line, Nanos, PortId, PortKind, RECORD_LINES_MAX, Record, split_record,
};
use crate::wire::ouch::Inbound;

/// Makes the command of `message` in `lines` and returns its size in lines. `None` means a message of
/// a known type that this version does not carry out.
///
/// # Errors
/// [`Violation::Message`]: the participant does not speak the protocol.
pub(super) fn command(
    serves: PortKind,
    message: &[u8],
    port: PortId,
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<Option<usize>, Violation> {
    match serves {
        PortKind::Admin => administration(message, port, epoch, now, lines).map(Some),
        PortKind::OrderEntry | PortKind::DropCopy => order(message, port, epoch, now, lines),
    }
}

fn order(
    message: &[u8],
    port: PortId,
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<Option<usize>, Violation> {
    let mut put = |record: &[Line]| {
        lines[..record.len()].copy_from_slice(record);
        Some(record.len())
    };
    Ok(match Inbound::parse(message).map_err(|_| Violation::Message)? {
        Inbound::Enter(enter, options) => put(enter.to_command(options, port, epoch, now).lines()),
        Inbound::Replace(replace, options) => {
            put(replace.to_command(options, port, epoch, now).lines())
        }
        Inbound::Cancel(cancel, options) => {
            put(cancel.to_command(options, port, epoch, now).lines())
        }
        Inbound::NotBuilt(_) => None,
    })
}

/// An operator's message is a command record, whole; the gateway stamps who sent it.
fn administration(
    message: &[u8],
    port: PortId,
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<usize, Violation> {
    let bytes = Line::bytes_mut(lines).get_mut(..message.len()).ok_or(Violation::Message)?;
    bytes.copy_from_slice(message);
    let count = message.len() / LINE_BYTES;
    let whole = message.len().is_multiple_of(LINE_BYTES)
        && split_record(&lines[..count]).is_ok_and(|(_, rest)| rest.is_empty());
    let kind = CommandKind::from_number(lines[0].0[0]).filter(|kind| is_administrative(*kind));
    if !whole || kind.is_none() || Command::parse(&lines[..count]).is_err() {
        return Err(Violation::Message);
    }
    let header = CommandHeader::view_mut(lines).expect("at least a line");
    *header = CommandHeader { form_error: 0, port, epoch, receive_time: now, ..*header };
    Ok(count)
}

/// Whether an operator may send commands of this kind; the others are the node's own, or a broker's.
const fn is_administrative(kind: CommandKind) -> bool {
    match kind {
        CommandKind::DayStart
        | CommandKind::DayEnd
        | CommandKind::CurrencyDefine
        | CommandKind::FirmDefine
        | CommandKind::PortDefine
        | CommandKind::AccountOpen
        | CommandKind::AccountUpdate
        | CommandKind::Transfer
        | CommandKind::InstrumentDefine => true,
        CommandKind::TermStart
        | CommandKind::VenueLimits
        | CommandKind::Tick
        | CommandKind::PortUp
        | CommandKind::PortDown
        | CommandKind::NewOrder
        | CommandKind::Cancel
        | CommandKind::Replace => false,
    }
}
