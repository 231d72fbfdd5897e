//! Messages from the participant about orders it has, and about its right to enter them: Modify Order,
//! Mass Cancel, Disable and Enable Order Entry, Account Query.
//!
//! It checks lengths only; what a command cannot say of the form goes along as its form error.

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::convert::of_channel;
use super::{APPENDAGE_LENGTH_BYTES, Appendage, OPTIONS_BYTES_MAX, Options, join};
use crate::types::command::{self, CommandHeader};
use crate::types::{
    Epoch, FirmCode, Nanos, PortId, Quantity, Record, RejectReason, Side, Symbol, UserRefNum,
};

/// The most bytes of any of these messages that this codec writes.
pub const REQUEST_BYTES_MAX: usize = 17 + APPENDAGE_LENGTH_BYTES + OPTIONS_BYTES_MAX;

/// Modify Order, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Modify {
    /// `M`.
    pub kind: u8,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// A [`Side`]: a sale may become another kind of sale.
    pub side: u8,
    /// Shares in all, executed ones included: fewer than before, or the order keeps its size.
    pub quantity: U32,
}

/// Mass Cancel Request, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct MassCancel {
    /// `C`.
    pub kind: u8,
    /// The participant's number for the request.
    pub user_ref_num: U32,
    /// The firm; blank is the port's.
    pub firm: FirmCode,
    /// The instrument; blank is all.
    pub symbol: Symbol,
}

/// Disable or Enable Order Entry, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EntrySwitch {
    /// `D` disable, `E` enable.
    pub kind: u8,
    /// The participant's number for the request.
    pub user_ref_num: U32,
    /// The firm; blank is the port's.
    pub firm: FirmCode,
}

/// Account Query, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct AccountQuery {
    /// `Q`.
    pub kind: u8,
}

const _: () = assert!(size_of::<Modify>() == 10);
const _: () = assert!(size_of::<MassCancel>() == 17);
const _: () = assert!(size_of::<EntrySwitch>() == 9);
const _: () = assert!(size_of::<AccountQuery>() == 1);

/// The header of a request's command, and its options, as far as they could be read.
fn header<T: Record>(
    elements: &[u8],
    port: PortId,
    epoch: Epoch,
    receive_time: Nanos,
) -> (CommandHeader, Options) {
    let parsed = Options::parse(elements);
    let mut header = CommandHeader::new::<T>(port, epoch, receive_time);
    header.form_error = if parsed.is_ok() { 0 } else { RejectReason::Other.code() };
    (header, parsed.unwrap_or_else(of_channel))
}

impl Modify {
    /// The type byte.
    pub const KIND: u8 = b'M';

    /// A Modify to `quantity` shares in all.
    #[must_use]
    pub fn new(user_ref_num: UserRefNum, side: Side, quantity: Quantity) -> Self {
        Self {
            kind: Self::KIND,
            user_ref_num: user_ref_num.0.into(),
            side: side.byte(),
            quantity: quantity.0.into(),
        }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; REQUEST_BYTES_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }

    /// The command of this message. As for a cancel, OUCH has no answer to one that cannot be
    /// understood.
    #[must_use]
    pub fn to_command(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Modify {
        let (header, options) = header::<command::Modify>(elements, port, epoch, receive_time);
        command::Modify {
            header,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            quantity: Quantity(self.quantity.get()),
            user_ref_idx: options.user_ref_idx,
            side: self.side,
            shares_located: options.shares_located,
            locate_broker: options.locate_broker,
            ..command::Modify::new_zeroed()
        }
    }
}

impl MassCancel {
    /// The type byte.
    pub const KIND: u8 = b'C';

    /// A cancel of all the orders of the port's firm in an instrument, or in all.
    #[must_use]
    pub fn new(user_ref_num: UserRefNum, symbol: Symbol) -> Self {
        let (kind, firm) = (Self::KIND, FirmCode::BLANK);
        Self { kind, user_ref_num: user_ref_num.0.into(), firm, symbol }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; REQUEST_BYTES_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }

    /// The command of this message.
    #[must_use]
    pub fn to_command(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::MassCancel {
        let (header, options) = header::<command::MassCancel>(elements, port, epoch, receive_time);
        command::MassCancel {
            header,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            firm: self.firm,
            symbol: self.symbol,
            group_id: options.group_id,
            user_ref_idx: options.user_ref_idx,
            side: options.side,
            reserved: [0; 20],
        }
    }
}

impl EntrySwitch {
    /// The type byte of Disable Order Entry.
    pub const DISABLE: u8 = b'D';
    /// The type byte of Enable Order Entry.
    pub const ENABLE: u8 = b'E';

    /// A switch of the port's firm.
    #[must_use]
    pub fn new(user_ref_num: UserRefNum, enables: bool) -> Self {
        let kind = if enables { Self::ENABLE } else { Self::DISABLE };
        Self { kind, user_ref_num: user_ref_num.0.into(), firm: FirmCode::BLANK }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; REQUEST_BYTES_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }

    /// The command of a Disable.
    #[must_use]
    pub fn to_disable(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::DisableEntry {
        let (header, options) =
            header::<command::DisableEntry>(elements, port, epoch, receive_time);
        command::DisableEntry {
            header,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            firm: self.firm,
            user_ref_idx: options.user_ref_idx,
            reserved: [0; 31],
        }
    }

    /// The command of an Enable.
    #[must_use]
    pub fn to_enable(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::EnableEntry {
        let (header, options) = header::<command::EnableEntry>(elements, port, epoch, receive_time);
        command::EnableEntry {
            header,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            firm: self.firm,
            user_ref_idx: options.user_ref_idx,
            reserved: [0; 31],
        }
    }
}

impl AccountQuery {
    /// The type byte.
    pub const KIND: u8 = b'Q';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(options: &Options, out: &mut [u8; REQUEST_BYTES_MAX]) -> usize {
        join(&[Self::KIND], options, Appendage::Optional, out)
    }

    /// The command of this message.
    #[must_use]
    pub fn to_command(
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::AccountQuery {
        let (header, options) =
            header::<command::AccountQuery>(elements, port, epoch, receive_time);
        let user_ref_idx = options.user_ref_idx;
        command::AccountQuery { header, user_ref_idx, reserved: [0; 39] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Inbound;
    use super::*;

    const PORT: (PortId, Epoch, Nanos) = (PortId(3), Epoch(9), Nanos(5));

    #[test]
    fn each_request_becomes_its_command() {
        let (port, epoch, now) = PORT;
        let message = b"M\0\0\0\x07T\0\0\0\x32\0\x09\x05\x1ALOCB\x02\x1C\x03";
        let Ok(Inbound::Modify(modify, elements)) = Inbound::parse(message) else { panic!() };
        let command = modify.to_command(elements, port, epoch, now);
        assert_eq!((command.user_ref_num, command.quantity), (UserRefNum(7), Quantity(50)));
        assert_eq!((command.side, command.user_ref_idx, command.header.form_error), (b'T', 3, 0));
        assert_eq!(command.locate_broker, *b"LOCB");

        let message = b"C\0\0\0\x08ALFAACME    \0\x0A\x03\x18\0\x07\x02\x1BB\x02\x1C\x03";
        let Ok(Inbound::MassCancel(mass, elements)) = Inbound::parse(message) else { panic!() };
        let command = mass.to_command(elements, port, epoch, now);
        assert_eq!((command.firm.text(), command.symbol.text()), ("ALFA".into(), "ACME".into()));
        assert_eq!((command.group_id, command.side, command.user_ref_idx), (7, b'B', 3));

        let message = b"D\0\0\0\x09ALFA\0\0";
        let Ok(Inbound::DisableEntry(switch, elements)) = Inbound::parse(message) else { panic!() };
        let command = switch.to_disable(elements, port, epoch, now);
        assert_eq!((command.header.kind, command.user_ref_num), (45, UserRefNum(9)));
        let message = b"E\0\0\0\x0AALFA\0\0";
        let Ok(Inbound::EnableEntry(switch, elements)) = Inbound::parse(message) else { panic!() };
        let command = switch.to_enable(elements, port, epoch, now);
        assert_eq!((command.header.kind, command.user_ref_num), (46, UserRefNum(10)));

        for (message, channel) in [(&b"Q"[..], 0), (b"Q\0\0", 0), (b"Q\0\x03\x02\x1C\x05", 5)] {
            let Ok(Inbound::AccountQuery(elements)) = Inbound::parse(message) else { panic!() };
            let command = AccountQuery::to_command(elements, port, epoch, now);
            assert_eq!((command.header.kind, command.user_ref_idx), (47, channel));
        }
    }

    #[test]
    fn what_is_emitted_is_parsed_back() {
        let mut out = [0; REQUEST_BYTES_MAX];
        let options = Options { user_ref_idx: 3, ..Options::default() };
        let modify = Modify::new(UserRefNum(7), Side::SellShort, Quantity(50));
        let size = modify.emit(&options, &mut out);
        assert!(matches!(Inbound::parse(&out[..size]), Ok(Inbound::Modify(m, _)) if *m == modify));
        assert_eq!(modify.emit(&Options::default(), &mut out), 10);
        let mass = MassCancel::new(UserRefNum(8), Symbol::BLANK);
        let size = mass.emit(&options, &mut out);
        assert!(
            matches!(Inbound::parse(&out[..size]), Ok(Inbound::MassCancel(m, _)) if *m == mass)
        );
        for enables in [false, true] {
            let switch = EntrySwitch::new(UserRefNum(9), enables);
            let size = switch.emit(&options, &mut out);
            let Ok(Inbound::DisableEntry(m, _) | Inbound::EnableEntry(m, _)) =
                Inbound::parse(&out[..size])
            else {
                panic!("no switch")
            };
            assert_eq!(*m, switch);
        }
        assert_eq!(AccountQuery::emit(&Options::default(), &mut out), 1);
    }

    #[test]
    fn a_malformed_appendage_is_a_form_error_and_keeps_its_channel() {
        let (port, epoch, now) = PORT;
        let elements = b"\x02\x1C\x03\x05\x02";
        let modify = Modify::new(UserRefNum(7), Side::Buy, Quantity(50));
        let command = modify.to_command(elements, port, epoch, now);
        assert_eq!(command.header.form_error, RejectReason::Other.code());
        assert_eq!(command.user_ref_idx, 3);
    }
}
