//! Tables: a row is a struct, its fields are the columns, and the type of a field says how Parquet holds
//! it. Knows nothing of what is in them.

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::ByteArray;
use parquet::schema::types::{Type, TypePtr};
use sha2::{Digest, Sha256};

/// A row of a table.
pub trait Row: Default + Sized {
    /// The table's name: what its files begin with.
    const TABLE: &'static str;
    /// Its columns, in their order.
    const COLUMNS: &'static [Column];

    /// Appends each field to the values of its column.
    fn spread(self, columns: &mut [Values]);

    /// The row that stands at `index` of every column.
    fn gather(columns: &[Values], index: usize) -> Self;
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How Parquet holds it.
    pub kind: ColumnKind,
    /// Its unit, empty if it has none.
    pub unit: &'static str,
}

/// How Parquet holds a column. None of them is ever null: what is absent is 0 or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `INT64`.
    Integer,
    /// `INT64`, `TIMESTAMP(NANOS, UTC)`.
    Time,
    /// `BYTE_ARRAY`, `STRING`, in a dictionary as long as that is small.
    Text,
}

/// Nanoseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

/// A short text, cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Text(ByteArray);

impl Eq for Text {}

impl Text {
    /// The bytes of a record as text: without the spaces and zeroes that pad them, printable ASCII as it
    /// is, and anything else, the backslash too, so that nothing is lost: `\xNN` and `\\`.
    #[must_use]
    pub fn of_record(bytes: &[u8]) -> Self {
        let kept = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |at| at + 1);
        let mut text = Vec::with_capacity(kept);
        for &byte in &bytes[..kept] {
            match byte {
                b'\\' => text.extend(br"\\"),
                b' '..=b'~' => text.push(byte),
                _ => text.extend(format!("\\x{byte:02x}").bytes()),
            }
        }
        Self(text.into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_utf8().unwrap_or_default()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Vec::new().into())
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Consecutive values of one column.
#[derive(Clone, Debug)]
pub enum Values {
    /// Of an integer or a time.
    Integers(Vec<i64>),
    /// Of a text.
    Texts(Vec<ByteArray>),
}

impl Values {
    /// None yet, for columns of that kind.
    #[must_use]
    pub const fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Integer | ColumnKind::Time => Self::Integers(Vec::new()),
            ColumnKind::Text => Self::Texts(Vec::new()),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        match self {
            Self::Integers(values) => values.clear(),
            Self::Texts(values) => values.clear(),
        }
    }

    /// Adds them to a hash that no other sequence of values has.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) {
        hash.update((self.len() as u64).to_le_bytes());
        match self {
            Self::Integers(values) => {
                for value in values {
                    hash.update(value.to_le_bytes());
                }
            }
            Self::Texts(values) => {
                for value in values {
                    hash.update((value.len() as u64).to_le_bytes());
                    hash.update(value.data());
                }
            }
        }
    }
}

/// A type of field: how its values become those of a column, and back.
pub trait Field: Sized {
    /// How Parquet holds it.
    const KIND: ColumnKind;

    /// Appends it.
    fn push(self, values: &mut Values);

    /// The one at `index`.
    fn at(values: &Values, index: usize) -> Self;
}

impl Field for i64 {
    const KIND: ColumnKind = ColumnKind::Integer;

    fn push(self, values: &mut Values) {
        match values {
            Values::Integers(values) => values.push(self),
            Values::Texts(_) => unreachable!("a column is made for its field"),
        }
    }

    fn at(values: &Values, index: usize) -> Self {
        match values {
            Values::Integers(values) => values[index],
            Values::Texts(_) => unreachable!("a column is made for its field"),
        }
    }
}

impl Field for Time {
    const KIND: ColumnKind = ColumnKind::Time;

    fn push(self, values: &mut Values) {
        self.0.push(values);
    }

    fn at(values: &Values, index: usize) -> Self {
        Self(i64::at(values, index))
    }
}

impl Field for Text {
    const KIND: ColumnKind = ColumnKind::Text;

    fn push(self, values: &mut Values) {
        match values {
            Values::Texts(values) => values.push(self.0),
            Values::Integers(_) => unreachable!("a column is made for its field"),
        }
    }

    fn at(values: &Values, index: usize) -> Self {
        match values {
            Values::Texts(values) => Self(values[index].clone()),
            Values::Integers(_) => unreachable!("a column is made for its field"),
        }
    }
}

/// The Parquet schema of a table.
///
/// # Panics
/// Never: a required primitive column of a name is always a schema.
#[must_use]
pub fn schema(table: &str, columns: &[Column]) -> TypePtr {
    let fields = columns.iter().map(|column| {
        let (physical, logical, converted) = match column.kind {
            ColumnKind::Integer => (PhysicalType::INT64, None, ConvertedType::NONE),
            ColumnKind::Time => {
                let time = LogicalType::timestamp(true, TimeUnit::NANOS);
                (PhysicalType::INT64, Some(time), ConvertedType::NONE)
            }
            ColumnKind::Text => {
                (PhysicalType::BYTE_ARRAY, Some(LogicalType::String), ConvertedType::UTF8)
            }
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(converted)
            .with_logical_type(logical);
        field.build().expect("a primitive column").into()
    });
    let group = Type::group_type_builder(table).with_fields(fields.collect());
    group.build().expect("a group of columns").into()
}

/// Defines a table: its row, and that its fields are its columns.
macro_rules! table {
    (
        $(#[$doc:meta])* $row:ident in $table:literal
        { $( $(#[$field_doc:meta])* $field:ident: $kind:ty $(= $unit:literal)?, )* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $row {
            $( $(#[$field_doc])* pub $field: $kind, )*
        }

        impl $crate::table::Row for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [$crate::table::Column] = &[
                $( $crate::table::Column {
                    name: stringify!($field),
                    kind: <$kind as $crate::table::Field>::KIND,
                    unit: concat!($( $unit )?),
                }, )*
            ];

            fn spread(self, columns: &mut [$crate::table::Values]) {
                let mut columns = columns.iter_mut();
                $( $crate::table::Field::push(self.$field, columns.next().expect("one a field")); )*
            }

            fn gather(columns: &[$crate::table::Values], index: usize) -> Self {
                let mut columns = columns.iter();
                $( let $field =
                    $crate::table::Field::at(columns.next().expect("one a field"), index); )*
                Self { $( $field, )* }
            }
        }
    };
}
pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_s_text_loses_its_padding_and_nothing_else() {
        for (bytes, text) in [
            (&b"ACME    "[..], "ACME"),
            (b"BRK A\0\0\0", "BRK A"),
            (b"        ", ""),
            (b"a\\b\x07\xff ", r"a\\b\x07\xff"),
            (b" x", " x"),
        ] {
            assert_eq!(Text::of_record(bytes).as_str(), text);
        }
    }
}
