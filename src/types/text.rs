//! Short names as on the wire: left-justified ASCII, padded with spaces.
#![expect(
    missing_debug_implementations,
    reason = "the types have it; a helper that zerocopy derives has not"
)]

use std::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident[$size:literal]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// The longest text that fits, in bytes.
            pub const SIZE: usize = $size;
            /// All spaces.
            pub const BLANK: Self = Self([b' '; $size]);

            /// Pads `text` with spaces. `None` if it is too long or not printable ASCII.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                let bytes = text.as_bytes();
                if bytes.len() > $size || !bytes.iter().all(|b| (b' '..=b'~').contains(b)) {
                    return None;
                }
                let mut padded = [b' '; $size];
                padded[..bytes.len()].copy_from_slice(bytes);
                Some(Self(padded))
            }

            /// The text without its padding; bytes that are not printable ASCII show as `?`.
            #[must_use]
            pub fn text(&self) -> String {
                let shown: String = self
                    .0
                    .iter()
                    .map(|&b| if (b' '..=b'~').contains(&b) { char::from(b) } else { '?' })
                    .collect();
                shown.trim_end().to_owned()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::BLANK
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.text())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.text())
            }
        }
    };
}

text! {
    /// A trading symbol.
    Symbol[8]
}
text! {
    /// A firm's four-character code (its MPID).
    FirmCode[4]
}
text! {
    /// A port's login name: the SoupBinTCP username.
    PortName[6]
}
text! {
    /// An ISO 4217 currency code.
    CurrencyCode[4]
}
text! {
    /// The participant's free text on an order, echoed and never interpreted.
    ClOrdId[14]
}
text! {
    /// The day's session: YYMMDD and a four-digit generation; one for SoupBinTCP and MoldUDP64.
    SessionId[10]
}

impl PortName {
    /// Upper-cased: SoupBinTCP user names do not distinguish case.
    #[must_use]
    pub fn upper(mut self) -> Self {
        self.0.make_ascii_uppercase();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_padded_and_shown_without_padding() {
        let symbol = Symbol::new("ACME").unwrap();
        assert_eq!(&symbol.0, b"ACME    ");
        assert_eq!(symbol.to_string(), "ACME");
    }

    #[test]
    fn text_too_long_or_unprintable_is_refused() {
        assert_eq!(Symbol::new("TOOLONGSYM"), None);
        assert_eq!(Symbol::new("A\n"), None);
    }
}
