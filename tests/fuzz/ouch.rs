//! One OUCH message, read as a participant's and as the exchange's.

use rialto::types::{Epoch, Nanos, PortId};
use rialto::wire::ouch::{
    CANCEL_BYTES_MAX, ENTER_BYTES_MAX, Inbound, OUT_MAX, Options, Outbound, REPLACE_BYTES_MAX,
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
        Ok(Inbound::NotBuilt(kind)) => assert!(b"MCDEQ".contains(&kind)),
        Err(_) => {}
    }
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
        | Outbound::CancelRejected(_, elements)
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
        Outbound::CancelRejected(m, _) => m.emit(&options, &mut out),
        Outbound::Rejected(m, _) => m.emit(&options, &mut out),
        Outbound::NotBuilt(_) => return,
    };
    Outbound::parse(&out[..size]).unwrap();
    same_if_as_we_write(bytes, &out[..size]);
}

/// A message of the same size whose options are in the order of their tags was written as we write it.
/// One with an empty appendage, an unknown tag, a tag twice or a zero has another size.
fn same_if_as_we_write(bytes: &[u8], again: &[u8]) {
    let common = bytes.len().min(again.len()).min(9);
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
