//! One OUCH message, read as a participant's and as the exchange's.

use rialto::types::{Epoch, Nanos, PortId};
use rialto::wire::ouch::{
    AccountQuery, CANCEL_BYTES_MAX, ENTER_BYTES_MAX, Inbound, OUT_MAX, Options, Outbound,
    REPLACE_BYTES_MAX, REQUEST_BYTES_MAX,
};

/// What is read, and written again, is read as the same; as the same bytes, if its options were written
/// as we write them. Whatever is in an order's fields, it is a command.
pub(crate) fn target(bytes: &[u8]) {
    inbound(bytes);
    outbound(bytes);
}

fn inbound(bytes: &[u8]) {
    let (port, epoch, now) = (PortId(1), Epoch(1), Nanos(1));
    match Inbound::parse(bytes) {
        Ok(Inbound::Enter(enter, elements)) => {
            let command = enter.to_command(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, enter.user_ref_num.get());
            let Ok(options) = Options::parse(elements) else {
                assert_ne!(command.header.form_error, 0, "a malformed appendage goes unsaid");
                return;
            };
            let mut out = [0; ENTER_BYTES_MAX];
            let size = enter.emit(&options, &mut out);
            let Ok(Inbound::Enter(again, elements)) = Inbound::parse(&out[..size]) else {
                panic!()
            };
            assert_eq!((again, Options::parse(elements)), (enter, Ok(options)));
            same_if_as_we_write(bytes, &out[..size]);
        }
        Ok(Inbound::Replace(replace, elements)) => {
            let command = replace.to_command(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, replace.user_ref_num.get());
            let Ok(options) = Options::parse(elements) else {
                assert_ne!(command.header.form_error, 0, "a malformed appendage goes unsaid");
                return;
            };
            let mut out = [0; REPLACE_BYTES_MAX];
            let size = replace.emit(&options, &mut out);
            let Ok(Inbound::Replace(again, elements)) = Inbound::parse(&out[..size]) else {
                panic!()
            };
            assert_eq!((again, Options::parse(elements)), (replace, Ok(options)));
            same_if_as_we_write(bytes, &out[..size]);
        }
        Ok(Inbound::Cancel(cancel, elements)) => {
            let command = cancel.to_command(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, cancel.user_ref_num.get());
            let Ok(options) = Options::parse(elements) else {
                assert_ne!(command.header.form_error, 0, "a malformed appendage goes unsaid");
                return;
            };
            let mut out = [0; CANCEL_BYTES_MAX];
            let size = cancel.emit(&options, &mut out);
            let Ok(Inbound::Cancel(again, elements)) = Inbound::parse(&out[..size]) else {
                panic!()
            };
            assert_eq!((again, Options::parse(elements)), (cancel, Ok(options)));
            same_if_as_we_write(bytes, &out[..size]);
        }
        Ok(Inbound::Modify(modify, elements)) => {
            let command = modify.to_command(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, modify.user_ref_num.get());
            let form_error = command.header.form_error;
            request(bytes, elements, form_error, |options, out| modify.emit(options, out));
        }
        Ok(Inbound::MassCancel(mass, elements)) => {
            let command = mass.to_command(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, mass.user_ref_num.get());
            let form_error = command.header.form_error;
            request(bytes, elements, form_error, |options, out| mass.emit(options, out));
        }
        Ok(Inbound::DisableEntry(switch, elements)) => {
            let command = switch.to_disable(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, switch.user_ref_num.get());
            let form_error = command.header.form_error;
            request(bytes, elements, form_error, |options, out| switch.emit(options, out));
        }
        Ok(Inbound::EnableEntry(switch, elements)) => {
            let command = switch.to_enable(elements, port, epoch, now);
            assert_eq!(command.user_ref_num.0, switch.user_ref_num.get());
            let form_error = command.header.form_error;
            request(bytes, elements, form_error, |options, out| switch.emit(options, out));
        }
        Ok(Inbound::AccountQuery(elements)) => {
            let command = AccountQuery::to_command(elements, port, epoch, now);
            request(bytes, elements, command.header.form_error, AccountQuery::emit);
        }
        Err(_) => {}
    }
}

/// What is true of a request, which `emit` writes again with other options.
fn request(
    bytes: &[u8],
    elements: &[u8],
    form_error: u16,
    emit: impl Fn(&Options, &mut [u8; REQUEST_BYTES_MAX]) -> usize,
) {
    let Ok(options) = Options::parse(elements) else {
        assert_ne!(form_error, 0, "a malformed appendage goes unsaid");
        return;
    };
    let mut out = [0; REQUEST_BYTES_MAX];
    let size = emit(&options, &mut out);
    let (Inbound::Modify(_, again)
    | Inbound::MassCancel(_, again)
    | Inbound::DisableEntry(_, again)
    | Inbound::EnableEntry(_, again)
    | Inbound::AccountQuery(again)) = Inbound::parse(&out[..size]).unwrap()
    else {
        panic!()
    };
    assert_eq!(Options::parse(again), Ok(options));
    same_if_as_we_write(bytes, &out[..size]);
}

fn outbound(bytes: &[u8]) {
    let mut out = [0; OUT_MAX];
    let Ok(message) = Outbound::parse(bytes) else { return };
    let elements = match message {
        Outbound::SystemEvent(_) | Outbound::NotBuilt(_) => &[],
        Outbound::Accepted(_, elements)
        | Outbound::Replaced(_, elements)
        | Outbound::Executed(_, elements)
        | Outbound::Canceled(_, elements)
        | Outbound::AiqCanceled(_, elements)
        | Outbound::BrokenTrade(_, elements)
        | Outbound::TradeCorrection(_, elements)
        | Outbound::CancelRejected(_, elements)
        | Outbound::Restated(_, elements)
        | Outbound::Modified(_, elements)
        | Outbound::MassCanceled(_, elements)
        | Outbound::EntryAnswer(_, elements)
        | Outbound::AccountAnswer(_, elements)
        | Outbound::Rejected(_, elements) => elements,
    };
    let Ok(options) = Options::parse(elements) else { return };
    let size = match message {
        Outbound::SystemEvent(m) => m.emit(&mut out),
        Outbound::Accepted(m, _) => m.emit(&options, &mut out),
        Outbound::Replaced(m, _) => m.emit(&options, &mut out),
        Outbound::Executed(m, _) => m.emit(&options, &mut out),
        Outbound::Canceled(m, _) => m.emit(&options, &mut out),
        Outbound::AiqCanceled(m, _) => m.emit(&options, &mut out),
        Outbound::BrokenTrade(m, _) => m.emit(&options, &mut out),
        Outbound::TradeCorrection(m, _) => m.emit(&options, &mut out),
        Outbound::CancelRejected(m, _) => m.emit(&options, &mut out),
        Outbound::Restated(m, _) => m.emit(&options, &mut out),
        Outbound::Modified(m, _) => m.emit(&options, &mut out),
        Outbound::MassCanceled(m, _) => m.emit(&options, &mut out),
        Outbound::EntryAnswer(m, _) => m.emit(&options, &mut out),
        Outbound::AccountAnswer(m, _) => m.emit(&options, &mut out),
        Outbound::Rejected(m, _) => m.emit(&options, &mut out),
        Outbound::NotBuilt(_) => return,
    };
    Outbound::parse(&out[..size]).unwrap();
    same_if_as_we_write(bytes, &out[..size]);
}

/// A message of the same size whose options are in the order of their tags was written as we write it.
/// One with an empty appendage, an unknown tag, a tag twice or a zero has another size.
fn same_if_as_we_write(bytes: &[u8], again: &[u8]) {
    // A query has nothing but its type and its options.
    let fixed = if bytes[0] == AccountQuery::KIND { 1 } else { 9 };
    let common = bytes.len().min(again.len()).min(fixed);
    assert_eq!(bytes[..common], again[..common]);
    if bytes.len() == again.len() {
        let sorted = |bytes: &[u8]| {
            let mut sorted = bytes.to_vec();
            sorted.sort_unstable();
            sorted
        };
        assert_eq!(sorted(bytes), sorted(again), "only the order of the options may differ");
    }
}
