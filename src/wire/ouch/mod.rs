//! OUCH 5.0: order entry. Orders and requests about them in, what becomes of them out; each direction
//! both ways, for the exchange and for its clients.
//!
//! A message is its fixed fields, laid over the bytes, and an appendage of options. Nothing here
//! judges a field but [`form_error`] and [`replace_form_error`], and those only by form.

mod answers;
mod convert;
mod form;
mod inbound;
mod options;
mod outbound;
mod requests;
mod trades;

pub use answers::{AccountAnswer, EntryAnswer, MassCanceled, Modified, Restated};
pub use convert::{Stamp, emit};
pub use form::{form_error, replace_form_error};
pub use inbound::{
    CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Inbound, REPLACE_BYTES_MAX, Replace,
};
pub use options::{MalformedAppendage, OPTIONS_BYTES_MAX, Options};
pub use outbound::{
    Accepted, AiqCanceled, CancelRejected, Canceled, Executed, OUT_MAX, Outbound, Rejected,
    Replaced, SystemEvent,
};
pub use requests::{AccountQuery, EntrySwitch, MassCancel, Modify, REQUEST_BYTES_MAX};
pub use trades::{BrokenTrade, TradeCorrection};

/// Why bytes are not a message. The sender speaks another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OuchError {
    /// No bytes at all.
    #[error("empty message")]
    Empty,
    /// No message has this type.
    #[error("unknown message type {0:#04x}")]
    UnknownType(u8),
    /// Not the length that this type and its appendage length ask for.
    #[error("message of type {kind:#04x} cannot have {length} bytes")]
    Length {
        /// The type.
        kind: u8,
        /// The whole message's bytes.
        length: usize,
    },
    /// Its appendage is malformed before it says which channel's number the message carries.
    #[error("message of type {0:#04x} with an appendage that cannot be read")]
    Appendage(u8),
}

/// Bytes of the appendage length.
const APPENDAGE_LENGTH_BYTES: usize = 2;

/// Whether a message's fixed fields are followed by an appendage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Appendage {
    Never,
    /// Since the edition of 2025; without options it is left away, so that older readers understand.
    Optional,
    Always,
}

/// Splits a message into its `fixed` bytes and the elements of its appendage.
fn split(message: &[u8], fixed: usize, appendage: Appendage) -> Result<(&[u8], &[u8]), OuchError> {
    let &[kind, ..] = message else { return Err(OuchError::Empty) };
    let wrong = OuchError::Length { kind, length: message.len() };
    let (fields, rest) = message.split_at_checked(fixed).ok_or(wrong)?;
    if rest.is_empty() && appendage != Appendage::Always {
        return Ok((fields, rest));
    }
    let (&length, elements) = rest.split_first_chunk().ok_or(wrong)?;
    if appendage == Appendage::Never || elements.len() != usize::from(u16::from_be_bytes(length)) {
        return Err(wrong);
    }
    Ok((fields, elements))
}

/// Writes fixed fields and options to the front of `out`, which has room for the largest message,
/// and returns the message's size.
fn join(fields: &[u8], options: &Options, appendage: Appendage, out: &mut [u8]) -> usize {
    let (head, tail) = out.split_at_mut(fields.len());
    head.copy_from_slice(fields);
    if appendage == Appendage::Never {
        return fields.len();
    }
    let (length, elements) = tail.split_at_mut(APPENDAGE_LENGTH_BYTES);
    let size = options.emit(elements);
    if size == 0 && appendage == Appendage::Optional {
        return fields.len();
    }
    let size_u16 = u16::try_from(size).expect("options are below OPTIONS_BYTES_MAX");
    length.copy_from_slice(&size_u16.to_be_bytes());
    fields.len() + APPENDAGE_LENGTH_BYTES + size
}
