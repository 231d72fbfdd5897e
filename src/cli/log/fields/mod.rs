//! The named fields of every record: what the tools print, export, filter by and compare.
//!
//! The tables name every field of every kind, and do not compile while one is missing. What a field
//! means is said where the record is defined; nothing here knows it.

mod commands;
mod events;
mod terms;

use std::fmt::{self, Write as _};

use crate::event_store::LogKind;
use crate::types::command::{Command, CommandKind};
use crate::types::event::{Event, EventKind};
use crate::types::{
    AccountId, ClOrdId, Connection, CurrencyCode, CurrencyId, Epoch, FirmCode, FirmId,
    InstrumentId, LINE_BYTES, Line, MatchNumber, Nanos, OrderRef, PortId, PortName, Price,
    Quantity, SessionId, Symbol, UserRefNum,
};

/// A record, and what lies behind the fields that this version knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) view: View<'a>,
    surplus: &'a [u8],
}

/// A record of one log or the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Command(Command<'a>),
    Event(Event<'a>),
    /// Of a kind that this version does not know, or shorter than its kind is.
    Unknown,
}

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    /// Whether it is one of those with which every record of the log begins.
    pub(super) in_header: bool,
    /// Its name where the record is defined.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Where it lies in the record: the fields in their order are all of its bytes.
    pub(super) bytes: &'a [u8],
}

/// How a field's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A little-endian number.
    Unsigned,
    /// One with a sign.
    Signed,
    /// Characters, padded with spaces; zeroes say that there is none.
    Text,
    /// What is neither.
    Bytes,
    /// Zero, as far as this version knows.
    Reserved,
    /// The kind and the size, which the record's name says.
    Known,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Text(String),
    /// In hexadecimal digits.
    Bytes(String),
    /// A text of zeroes: none was given.
    None,
    /// Nothing to say.
    Silent,
}

impl<'a> Content<'a> {
    /// The record in `lines`, which are all of it.
    pub(super) fn new(kind: LogKind, lines: &'a [Line]) -> Self {
        let (view, known) = match kind {
            LogKind::Commands => Command::parse(lines).map_or((View::Unknown, 0), |command| {
                (
                    View::Command(command),
                    CommandKind::from_number(lines[0].0[0]).map_or(0, CommandKind::lines),
                )
            }),
            LogKind::Events => Event::parse(lines).map_or((View::Unknown, 0), |event| {
                (
                    View::Event(event),
                    EventKind::from_number(lines[0].0[0]).map_or(0, EventKind::lines),
                )
            }),
        };
        Self { view, surplus: &Line::bytes(lines)[usize::from(known) * LINE_BYTES..] }
    }

    /// The name of its kind.
    pub(super) const fn name(&self) -> &'static str {
        match &self.view {
            View::Command(command) => commands::name(command),
            View::Event(event) => events::name(event),
            View::Unknown => UNKNOWN,
        }
    }

    /// Shows every field, in the order of the bytes.
    pub(super) fn fields(&self, see: &mut dyn FnMut(Field<'a>)) {
        let behind = |name, form| Field { in_header: false, name, form, bytes: self.surplus };
        match self.view {
            View::Command(command) => commands::fields(command, see),
            View::Event(event) => events::fields(event, see),
            View::Unknown => return see(behind("bytes", Form::Bytes)),
        }
        see(behind("surplus", Form::Reserved));
    }
}

/// The name of a record whose kind is not known.
pub(super) const UNKNOWN: &str = "Unknown";

/// The names of a log's kinds.
pub(super) fn kind_names(kind: LogKind) -> Vec<String> {
    let mut names: Vec<_> = match kind {
        LogKind::Commands => CommandKind::ALL.iter().map(|kind| format!("{kind:?}")).collect(),
        LogKind::Events => EventKind::ALL.iter().map(|kind| format!("{kind:?}")).collect(),
    };
    names.push(UNKNOWN.to_owned());
    names
}

impl Field<'_> {
    /// What it says.
    pub(super) fn value(&self) -> Value {
        match self.form {
            Form::Unsigned => Value::Unsigned(self.number()),
            Form::Signed => {
                let unused = u64::BITS - 8 * u32::try_from(self.bytes.len()).expect("8 at most");
                Value::Signed((self.number() << unused).cast_signed() >> unused)
            }
            Form::Text if is_zero(self.bytes) => Value::None,
            Form::Text => Value::Text(text(self.bytes)),
            Form::Bytes => Value::Bytes(hex(self.bytes)),
            Form::Reserved if !is_zero(self.bytes) => Value::Bytes(hex(self.bytes)),
            Form::Reserved | Form::Known => Value::Silent,
        }
    }

    /// Whether a table has a column for it.
    pub(super) fn has_column(&self) -> bool {
        self.form != Form::Known
    }

    /// Its bytes as a number.
    pub(super) fn number(&self) -> u64 {
        number(self.bytes)
    }

    /// Its name with that of its group, as tables have it.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", if self.in_header { "header" } else { "fields" }, self.name)
    }
}

/// Little-endian bytes, eight at most, as a number.
pub(super) fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(number)
}

/// As people are shown it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => number.fmt(f),
            Self::Signed(number) => number.fmt(f),
            Self::Text(text) => write!(f, "\"{}\"", text.replace('"', "\\\"")),
            Self::Bytes(digits) => f.write_str(digits),
            Self::None => f.write_str("none"),
            Self::Silent => Ok(()),
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// Characters without the spaces behind them. What is not printable ASCII is `\x` and two digits, and a
/// backslash is two: no two texts of a field look the same, and none breaks a line or a quotation.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    let mut text = String::with_capacity(end);
    for &byte in &bytes[..end] {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _infallible = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits
}

/// A type of field whose form is always the same.
trait OneForm {
    const FORM: Form;
}

const fn form_of<T: OneForm>(_field: &T) -> Form {
    T::FORM
}

macro_rules! one_form {
    ($form:ident: $($name:ty),*) => { $( impl OneForm for $name { const FORM: Form = Form::$form; } )* };
}
one_form!(Unsigned: u8, u16, u32, u64, Nanos, Price, Quantity);
one_form!(Unsigned: FirmId, PortId, AccountId, InstrumentId, CurrencyId, Epoch, Connection);
one_form!(Unsigned: UserRefNum, OrderRef, MatchNumber);
one_form!(Signed: i32, i64);
one_form!(Text: Symbol, FirmCode, PortName, CurrencyCode, ClOrdId, SessionId);

/// The form of a field: said behind its name where its type has more than one.
macro_rules! form {
    (reserved) => {
        Form::Reserved
    };
    (reserved2) => {
        Form::Reserved
    };
    ($field:ident) => {
        super::form_of($field)
    };
    ($field:ident letter) => {
        Form::Text
    };
    ($field:ident text) => {
        Form::Text
    };
    ($field:ident bytes) => {
        Form::Bytes
    };
    ($field:ident known) => {
        Form::Known
    };
}

/// Shows a field, or each of those that it has in it.
macro_rules! show {
    ($see:ident, $field:ident terms) => {
        super::terms::fields($field, $see)
    };
    ($see:ident, $field:ident $( $form:ident )?) => {
        $see(Field {
            in_header: false,
            name: stringify!($field),
            form: form!($field $( $form )?),
            bytes: $field.as_bytes(),
        })
    };
}

/// Defines the fields of a log's records. A kind or a field that is not listed does not compile.
macro_rules! tables {
    (
        $view:ident
        $header:ident { $( $common:ident $(: $common_form:ident)? ),* $(,)? }
        $( $name:ident { $( $field:ident $(: $form:ident)? ),* $(,)? } )*
    ) => {
        /// The name of its kind.
        pub(super) const fn name(record: &$view<'_>) -> &'static str {
            match record {
                $( $view::$name(_) => stringify!($name), )*
            }
        }

        /// Shows every field, in the order of the bytes.
        pub(super) fn fields<'a>(record: $view<'a>, see: &mut dyn FnMut(Field<'a>)) {
            match record {
                $( $view::$name($name { header, $( $field ),* }) => {
                    common(header, see);
                    $( show!(see, $field $( $form )?); )*
                } )*
            }
        }

        fn common<'a>(header: &'a $header, see: &mut dyn FnMut(Field<'a>)) {
            let $header { $( $common ),* } = header;
            $( see(Field {
                in_header: true,
                name: stringify!($common),
                form: form!($common $( $common_form )?),
                bytes: $common.as_bytes(),
            }); )*
        }
    };
}
use {form, show, tables};

#[cfg(test)]
pub(super) mod tests;
