//! From messages to commands: what a session's message asks of the exchange.

use super::ports::Port;
use super::session::Violation;
use super::tokens::Tokens;
use crate::types::command::{Command, CommandHeader, CommandKind};
use crate::types::{
    Epoch, LINE_BYTES, Line, Nanos, PortId, PortKind, RECORD_LINES_MAX, Record, TradeTerms,
    split_record,
};
use crate::wire::ouch::{AccountQuery, Inbound};
use crate::wire::ouch42;

/// Makes the command of a port's `message` in `lines` and returns its size in lines, 0 if it asks for
/// nothing and is met with silence.
///
/// # Errors
/// [`Violation::Message`]: the participant does not speak the protocol. [`Violation::ReadOnly`],
/// [`Violation::Tokens`].
pub(super) fn command(
    port: &mut Port,
    message: &[u8],
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<usize, Violation> {
    let id = port.id;
    match (port.kind, &mut port.tokens) {
        (PortKind::Admin, _) => administration(message, id, epoch, now, lines),
        (PortKind::OrderEntry, None) => order(message, id, epoch, now, lines),
        (PortKind::OrderEntry, Some(tokens)) => order42(message, tokens, id, epoch, now, lines),
        (PortKind::DropCopy, _) => Err(Violation::ReadOnly),
    }
}

/// OUCH 4.2: a token that was used before is the message once more, and one that was not is of no order.
fn order42(
    message: &[u8],
    tokens: &mut Tokens,
    port: PortId,
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<usize, Violation> {
    let mut put = |record: &[Line]| {
        lines[..record.len()].copy_from_slice(record);
        Ok(record.len())
    };
    let number = |tokens: &mut Tokens, token| {
        if tokens.are_used_up() {
            return Err(Violation::Tokens);
        }
        Ok(tokens.give(token))
    };
    match ouch42::Inbound::parse(message).map_err(|_| Violation::Message)? {
        ouch42::Inbound::Enter(enter) => {
            if tokens.number_of(enter.token).is_some() {
                return Ok(0);
            }
            let number = number(tokens, enter.token)?;
            put(enter.to_command(number, port, epoch, now).lines())
        }
        ouch42::Inbound::Replace(replace) => {
            let Some(existing) = tokens.number_of(replace.existing) else { return Ok(0) };
            if tokens.number_of(replace.token).is_some() {
                return Ok(0);
            }
            let number = number(tokens, replace.token)?;
            put(replace.to_command(existing, number, port, epoch, now).lines())
        }
        ouch42::Inbound::Cancel(cancel) => {
            let Some(number) = tokens.number_of(cancel.token) else { return Ok(0) };
            put(cancel.to_command(number, port, epoch, now).lines())
        }
        ouch42::Inbound::Modify(modify) => {
            let Some(number) = tokens.number_of(modify.token) else { return Ok(0) };
            put(modify.to_command(number, port, epoch, now).lines())
        }
        ouch42::Inbound::TradeNow(_) => Ok(0),
    }
}

fn order(
    message: &[u8],
    port: PortId,
    epoch: Epoch,
    now: Nanos,
    lines: &mut [Line; RECORD_LINES_MAX],
) -> Result<usize, Violation> {
    let mut put = |record: &[Line]| {
        lines[..record.len()].copy_from_slice(record);
        record.len()
    };
    Ok(match Inbound::parse(message).map_err(|_| Violation::Message)? {
        Inbound::Enter(enter, options) => put(enter.to_command(options, port, epoch, now).lines()),
        Inbound::Replace(replace, options) => {
            put(replace.to_command(options, port, epoch, now).lines())
        }
        Inbound::Cancel(cancel, options) => {
            put(cancel.to_command(options, port, epoch, now).lines())
        }
        Inbound::Modify(modify, options) => {
            put(modify.to_command(options, port, epoch, now).lines())
        }
        Inbound::MassCancel(mass, options) => {
            put(mass.to_command(options, port, epoch, now).lines())
        }
        Inbound::DisableEntry(switch, options) => {
            put(switch.to_disable(options, port, epoch, now).lines())
        }
        Inbound::EnableEntry(switch, options) => {
            put(switch.to_enable(options, port, epoch, now).lines())
        }
        Inbound::AccountQuery(options) => {
            put(AccountQuery::to_command(options, port, epoch, now).lines())
        }
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
    let sound = whole && Command::parse(&lines[..count]).is_ok_and(|command| is_sound(&command));
    let size = CommandKind::from_number(lines[0].0[0]).map(CommandKind::lines);
    if !sound || size.map(usize::from) != Some(count) {
        return Err(Violation::Message);
    }
    let header = CommandHeader::view_mut(lines).expect("at least a line");
    *header = CommandHeader { form_error: 0, port, epoch, receive_time: now, ..*header };
    Ok(count)
}

/// Whether an operator may send this command, and leaves zero what has no meaning yet: the log keeps
/// every byte, and a later version will read one in it. The other kinds are the node's own, or a
/// broker's.
fn is_sound(command: &Command<'_>) -> bool {
    let zero = |reserved: &[u8]| reserved.iter().all(|&byte| byte == 0);
    match command {
        Command::DayStart(c) => zero(&c.reserved),
        Command::DayEnd(c) => zero(&c.reserved),
        Command::CurrencyDefine(c) => zero(&c.reserved),
        Command::FirmDefine(c) => zero(&c.reserved) && zero(&c.reserved2),
        Command::PortDefine(c) => zero(&c.reserved) && zero(&c.reserved2),
        Command::AccountOpen(c) => zero(&c.reserved),
        Command::AccountUpdate(c) => zero(&c.reserved),
        Command::Transfer(c) => zero(&c.reserved),
        Command::InstrumentDefine(c) => zero(&c.reserved),
        Command::Fee(c) => zero(&c.reserved),
        Command::RiskLimit(c) => zero(&c.reserved),
        Command::Calendar(c) => zero(&c.reserved),
        Command::PriceBand(c) => zero(&c.reserved),
        Command::Halt(c) => zero(&c.reserved),
        Command::Resume(c) => zero(&c.reserved),
        Command::SetPhase(c) => zero(&c.reserved),
        Command::BustTrade(c) => zero(&c.reserved) && is_sound_trade(&c.terms),
        Command::TradeCorrection(c) => zero(&c.reserved) && is_sound_trade(&c.terms),
        Command::TermStart(_)
        | Command::VenueLimits(_)
        | Command::Tick(_)
        | Command::StateHash(_)
        | Command::ActivateVersion(_)
        | Command::PortUp(_)
        | Command::PortDown(_)
        | Command::NewOrder(_)
        | Command::Cancel(_)
        | Command::Replace(_)
        | Command::Modify(_)
        | Command::MassCancel(_)
        | Command::DisableEntry(_)
        | Command::EnableEntry(_)
        | Command::AccountQuery(_) => false,
    }
}

/// The same of a trade's terms.
fn is_sound_trade(terms: &TradeTerms) -> bool {
    terms.buyer.reserved == [0; 2] && terms.seller.reserved == [0; 2]
}

#[cfg(test)]
mod tests {
    use zerocopy::{FromZeros as _, IntoBytes as _};

    use super::*;
    use crate::gateway::tokens::TOKENS_MAX;
    use crate::types::command::{DayEnd, FirmDefine, Tick, Transfer};
    use crate::types::{Quantity, Side, Symbol};
    use crate::wire::ouch42::Token;

    fn given(message: &[u8]) -> Result<usize, Violation> {
        let mut lines = [Line::ZERO; RECORD_LINES_MAX];
        administration(message, PortId(3), Epoch(7), Nanos(9), &mut lines)
    }

    fn header<C: Record>() -> CommandHeader {
        CommandHeader::internal::<C>(Nanos::ZERO)
    }

    #[test]
    fn an_operators_command_has_the_size_of_its_kind() {
        let end = DayEnd { header: header::<DayEnd>(), ..DayEnd::new_zeroed() };
        let one = Line::bytes(end.lines()).to_vec();
        assert_eq!(given(&one), Ok(1));
        let mut two = [one.clone(), vec![0; LINE_BYTES]].concat();
        assert_eq!(given(&two), Err(Violation::Message));
        two[1] = 2;
        assert_eq!(given(&two), Err(Violation::Message));
        assert_eq!(given(&one[..63]), Err(Violation::Message));
        assert_eq!(given(&[]), Err(Violation::Message));
    }

    #[test]
    fn bytes_without_a_meaning_are_zero() {
        let transfer = Transfer { header: header::<Transfer>(), ..Transfer::new_zeroed() };
        assert_eq!(given(Line::bytes(transfer.lines())), Ok(1));
        let odd = Transfer { reserved: [0, 0, 1], ..transfer };
        assert_eq!(given(Line::bytes(odd.lines())), Err(Violation::Message));
        let mut firm = FirmDefine { header: header::<FirmDefine>(), ..FirmDefine::new_zeroed() };
        firm.reserved2[19] = 1;
        assert_eq!(given(Line::bytes(firm.lines())), Err(Violation::Message));
    }

    #[test]
    fn a_port_without_tokens_left_has_its_orders_and_gets_no_more() {
        let mut tokens = Tokens::default();
        let token = |number: u32| Token::new(&format!("T{number}")).unwrap();
        for number in 1..=TOKENS_MAX {
            tokens.give(token(number));
        }
        let mut given = |message: &[u8]| {
            let mut lines = [Line::ZERO; RECORD_LINES_MAX];
            order42(message, &mut tokens, PortId(3), Epoch(7), Nanos(9), &mut lines)
        };
        let mut enters = |number| {
            let symbol = Symbol::new("ACME").unwrap();
            let enter = ouch42::Enter::new(token(number), Side::Buy, Quantity(1), symbol, 10_000);
            given(enter.as_bytes())
        };
        assert_eq!(enters(1), Ok(0));
        assert_eq!(enters(TOKENS_MAX + 1), Err(Violation::Tokens));
        let mut replaces = |number| {
            let replace = ouch42::Replace::new(token(1), token(number), Quantity(1), 10_000);
            given(replace.as_bytes())
        };
        assert_eq!(replaces(2), Ok(0));
        assert_eq!(replaces(TOKENS_MAX + 1), Err(Violation::Tokens));
        let cancel = ouch42::Cancel::new(token(1), Quantity::ZERO);
        assert_ne!(given(cancel.as_bytes()), Ok(0));
    }

    #[test]
    fn the_nodes_own_commands_are_not_an_operators() {
        let tick = Tick { header: header::<Tick>(), ..Tick::new_zeroed() };
        assert_eq!(given(Line::bytes(tick.lines())), Err(Violation::Message));
    }
}
