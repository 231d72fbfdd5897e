//! Records: what rings, logs and the administrative protocol carry.
//!
//! A record is a whole number of 64-byte lines. Its first byte is its kind and its second the number
//! of its lines, so a reader can step over a kind it does not know.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One cache line of a record, aligned as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Line(pub [u8; 64]);

/// Bytes in a line.
pub const LINE_BYTES: usize = 64;
/// The longest record, in lines: a 128-byte order with a 36-character client id behind it.
pub const RECORD_LINES_MAX: usize = 3;

impl Line {
    /// A line of zeroes.
    pub const ZERO: Self = Self([0; LINE_BYTES]);

    /// The bytes of consecutive lines.
    #[must_use]
    pub fn bytes(lines: &[Self]) -> &[u8] {
        lines.as_bytes()
    }

    /// The bytes of consecutive lines, to write.
    #[must_use]
    pub fn bytes_mut(lines: &mut [Self]) -> &mut [u8] {
        lines.as_mut_bytes()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::ZERO
    }
}

/// A fixed layout that is a whole number of lines and begins with its kind and its size.
pub trait Record: FromBytes + IntoBytes + KnownLayout + Immutable + Sized {
    /// The first byte of every record of this layout.
    const KIND: u8;
    /// Its size, in lines.
    const LINES: u8;

    /// The record as lines, to copy into a ring or a log.
    #[must_use]
    fn lines(&self) -> &[Line] {
        <[Line]>::ref_from_bytes(self.as_bytes()).expect("a record is whole, aligned lines")
    }

    /// The record that begins at `lines[0]`, if there are enough of them. The kind is not checked.
    #[must_use]
    fn view(lines: &[Line]) -> Option<&Self> {
        let whole = lines.get(..usize::from(Self::LINES))?;
        Self::ref_from_bytes(whole.as_bytes()).ok()
    }
}

/// Why lines are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Nothing, or fewer lines than the record says it has.
    #[error("record cut short")]
    Short,
    /// The size byte is zero or more than [`RECORD_LINES_MAX`], or less than the kind needs.
    #[error("record of kind {kind} says it has {lines} lines")]
    Lines {
        /// The kind byte.
        kind: u8,
        /// The size byte.
        lines: u8,
    },
    /// No record of this log has this kind.
    #[error("no record has kind {0}")]
    Kind(u8),
}

/// Splits the first record off `lines`: it, and the rest.
///
/// # Errors
/// [`RecordError`] when the size byte is out of range or the lines end before it.
pub fn split_record(lines: &[Line]) -> Result<(&[Line], &[Line]), RecordError> {
    let first = lines.first().ok_or(RecordError::Short)?;
    let (kind, count) = (first.0[0], first.0[1]);
    if count == 0 || usize::from(count) > RECORD_LINES_MAX {
        return Err(RecordError::Lines { kind, lines: count });
    }
    lines.split_at_checked(usize::from(count)).ok_or(RecordError::Short)
}

/// Defines the kinds of one log: for each its number, its layout, and the borrowed view over all.
macro_rules! records {
    (
        $(#[$kind_doc:meta])* $kind:ident
        $(#[$view_doc:meta])* $view:ident
        $( $number:literal $name:ident [$lines:literal] )*
    ) => {
        $(#[$kind_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $kind {
            $( #[doc = concat!("See [`", stringify!($name), "`].")] $name = $number, )*
        }

        impl $kind {
            /// Every kind, in the order of its number.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The kind with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $( $number => Some(Self::$name), )*
                    _ => None,
                }
            }

            /// Lines of a record of this kind.
            #[must_use]
            pub const fn lines(self) -> u8 {
                match self {
                    $( Self::$name => $name::LINES, )*
                }
            }
        }

        $(#[$view_doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $view<'a> {
            $( #[doc = concat!("See [`", stringify!($name), "`].")] $name(&'a $name), )*
        }

        impl<'a> $view<'a> {
            /// The record that begins at `lines[0]`.
            ///
            /// # Errors
            /// [`RecordError`] for an unknown kind or too few lines.
            pub fn parse(lines: &'a [Line]) -> Result<Self, RecordError> {
                let (record, _) = split_record(lines)?;
                let (kind, count) = (record[0].0[0], record[0].0[1]);
                match kind {
                    $( $number => {
                        let view = $name::view(record);
                        Ok(Self::$name(view.ok_or(RecordError::Lines { kind, lines: count })?))
                    } )*
                    _ => Err(RecordError::Kind(kind)),
                }
            }
        }

        $(
            impl Record for $name {
                const KIND: u8 = $number;
                const LINES: u8 = $lines;
            }
            const _: () = assert!(size_of::<$name>() == $lines * LINE_BYTES);
            const _: () = assert!(align_of::<$name>() == LINE_BYTES);
        )*
    };
}
pub(super) use records;
