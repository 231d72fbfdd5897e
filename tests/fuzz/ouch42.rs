//! One OUCH 4.2 message, read as a participant's and as the exchange's.

use rialto::types::{Epoch, Nanos, PortId, UserRefNum};
use rialto::wire::ouch42::{Inbound, Outbound};
use zerocopy::IntoBytes as _;

/// A message is all its bytes. Whatever is in its fields, it is a command about the orders whose numbers
/// it is given.
pub(crate) fn target(bytes: &[u8]) {
    let (port, epoch, now) = (PortId(1), Epoch(1), Nanos(1));
    let (number, existing) = (UserRefNum(7), UserRefNum(3));
    if let Ok(message) = Inbound::parse(bytes) {
        let again = match message {
            Inbound::Enter(m) => {
                let command = m.to_command(number, port, epoch, now);
                assert_eq!((command.user_ref_num, command.cl_ord_id), (number, m.token));
                assert_eq!(command.quantity.0, m.quantity.get());
                m.as_bytes()
            }
            Inbound::Replace(m) => {
                let command = m.to_command(existing, number, port, epoch, now);
                let numbers = (command.orig_user_ref_num, command.user_ref_num);
                assert_eq!((numbers, command.cl_ord_id), ((existing, number), m.token));
                m.as_bytes()
            }
            Inbound::Cancel(m) => {
                let command = m.to_command(number, port, epoch, now);
                assert_eq!((command.user_ref_num, command.quantity.0), (number, m.quantity.get()));
                assert_eq!(command.header.form_error, 0);
                m.as_bytes()
            }
            Inbound::Modify(m) => {
                let command = m.to_command(number, port, epoch, now);
                assert_eq!((command.user_ref_num, command.side), (number, m.side));
                m.as_bytes()
            }
            Inbound::TradeNow(m) => m.as_bytes(),
        };
        assert_eq!(again, bytes);
    }
    if let Ok(message) = Outbound::parse(bytes) {
        assert_eq!(message.as_bytes(), bytes);
    }
}
