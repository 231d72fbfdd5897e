//! The appendage: options as `length | tag | value`, in any order, unknown tags stepped over.
//!
//! What an option means is the engine's business, never this file's.

use crate::types::AccountId;

/// The tags that an order may carry, and those of answers alone: 1 and 22. 0x80 and 0x81 are ours:
/// see the profile.
mod tag {
    pub(super) const SECONDARY_REF: u8 = 1;
    pub(super) const FIRM: u8 = 2;
    pub(super) const MIN_QUANTITY: u8 = 3;
    pub(super) const CUSTOMER_TYPE: u8 = 4;
    pub(super) const MAX_FLOOR: u8 = 5;
    pub(super) const PRICE_TYPE: u8 = 6;
    pub(super) const PEG_OFFSET: u8 = 7;
    pub(super) const DISCRETION_PRICE: u8 = 9;
    pub(super) const DISCRETION_PRICE_TYPE: u8 = 10;
    pub(super) const DISCRETION_PEG_OFFSET: u8 = 11;
    pub(super) const POST_ONLY: u8 = 12;
    pub(super) const RANDOM_RESERVES: u8 = 13;
    pub(super) const ROUTE: u8 = 14;
    pub(super) const EXPIRE_TIME: u8 = 15;
    pub(super) const TRADE_NOW: u8 = 16;
    pub(super) const HANDLING: u8 = 17;
    pub(super) const BBO_WEIGHT: u8 = 18;
    pub(super) const DISPLAY_QUANTITY: u8 = 22;
    pub(super) const GROUP_ID: u8 = 24;
    pub(super) const SHARES_LOCATED: u8 = 25;
    pub(super) const LOCATE_BROKER: u8 = 26;
    pub(super) const SIDE: u8 = 27;
    pub(super) const USER_REF_IDX: u8 = 28;
    pub(super) const SELF_MATCH: u8 = 29;
    pub(super) const ACCOUNT: u8 = 0x80;
    pub(super) const PORT: u8 = 0x81;
}

/// Bytes that all options together take: two of 10 bytes, ten of 6, one of 4, eleven of 3, an account
/// and a port.
pub const OPTIONS_BYTES_MAX: usize = 2 * 10 + 10 * 6 + 4 + 11 * 3 + 6 + 8;

/// The options of a message; zero is absent. If a tag comes twice, the last one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The reference that a part of the order is shown under.
    pub secondary_ref: u64,
    /// The firm the order is for.
    pub firm: [u8; 4],
    /// The least that a first fill must bring.
    pub min_quantity: u32,
    /// OUCH customer type.
    pub customer_type: u8,
    /// The displayed part of a reserve order.
    pub max_floor: u32,
    /// OUCH price type.
    pub price_type: u8,
    /// Signed offset of a pegged price.
    pub peg_offset: i32,
    /// Discretion price.
    pub discretion_price: u64,
    /// OUCH price type of the discretion price.
    pub discretion_price_type: u8,
    /// Signed offset of a pegged discretion price.
    pub discretion_peg_offset: i32,
    /// `P` post-only.
    pub post_only: u8,
    /// Random part of the reserve.
    pub random_reserves: u32,
    /// Where to route.
    pub route: [u8; 4],
    /// Seconds to live of a good-till-time order.
    pub expire_time_s: u32,
    /// Trade now.
    pub trade_now: u8,
    /// Handling instruction.
    pub handling: u8,
    /// BBO weight indicator.
    pub bbo_weight: u8,
    /// Shares that are shown.
    pub display_quantity: u32,
    /// Sub-account.
    pub group_id: u16,
    /// Shares located.
    pub shares_located: u8,
    /// The broker of a located short sale.
    pub locate_broker: [u8; 4],
    /// The side, where no field has it.
    pub side: u8,
    /// The channel of the port whose numbers the message uses.
    pub user_ref_idx: u8,
    /// Self-match strategy.
    pub self_match: u8,
    /// The account.
    pub account: AccountId,
    /// The name of the port whose message a drop copy repeats.
    pub port: [u8; 6],
}

/// The elements do not fill the appendage, or a known tag has a value of another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed appendage")]
pub struct MalformedAppendage {
    /// The channel, if it was read before the error. Without it nobody knows whose number the message
    /// carries: to take it for channel 0 would use up, or cancel, another order's.
    pub user_ref_idx: Option<u8>,
}

impl Options {
    /// Parses the elements of an appendage.
    ///
    /// # Errors
    /// [`MalformedAppendage`].
    pub fn parse(mut elements: &[u8]) -> Result<Self, MalformedAppendage> {
        let mut options = Self::default();
        let mut user_ref_idx = None;
        while !elements.is_empty() {
            let malformed = MalformedAppendage { user_ref_idx };
            let (tag, rest) = options.take(elements).ok_or(malformed)?;
            if tag == tag::USER_REF_IDX {
                user_ref_idx = Some(options.user_ref_idx);
            }
            elements = rest;
        }
        Ok(options)
    }

    /// Takes the first of `elements`: its tag, and the elements behind it.
    fn take<'a>(&mut self, elements: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let (&length, rest) = elements.split_first()?;
        let (element, rest) = rest.split_at_checked(usize::from(length))?;
        let (&tag, value) = element.split_first()?;
        self.set(tag, value)?;
        Some((tag, rest))
    }

    fn set(&mut self, tag: u8, value: &[u8]) -> Option<()> {
        match tag {
            tag::SECONDARY_REF => self.secondary_ref = u64::from_be_bytes(value.try_into().ok()?),
            tag::FIRM => self.firm = value.try_into().ok()?,
            tag::MIN_QUANTITY => self.min_quantity = number(value)?,
            tag::CUSTOMER_TYPE => self.customer_type = character(value)?,
            tag::MAX_FLOOR => self.max_floor = number(value)?,
            tag::PRICE_TYPE => self.price_type = character(value)?,
            tag::PEG_OFFSET => self.peg_offset = signed(value)?,
            tag::DISCRETION_PRICE => {
                self.discretion_price = u64::from_be_bytes(value.try_into().ok()?);
            }
            tag::DISCRETION_PRICE_TYPE => self.discretion_price_type = character(value)?,
            tag::DISCRETION_PEG_OFFSET => self.discretion_peg_offset = signed(value)?,
            tag::POST_ONLY => self.post_only = character(value)?,
            tag::RANDOM_RESERVES => self.random_reserves = number(value)?,
            tag::ROUTE => self.route = value.try_into().ok()?,
            tag::EXPIRE_TIME => self.expire_time_s = number(value)?,
            tag::TRADE_NOW => self.trade_now = character(value)?,
            tag::HANDLING => self.handling = character(value)?,
            tag::BBO_WEIGHT => self.bbo_weight = character(value)?,
            tag::DISPLAY_QUANTITY => self.display_quantity = number(value)?,
            tag::GROUP_ID => self.group_id = u16::from_be_bytes(value.try_into().ok()?),
            tag::SHARES_LOCATED => self.shares_located = character(value)?,
            tag::LOCATE_BROKER => self.locate_broker = value.try_into().ok()?,
            tag::SIDE => self.side = character(value)?,
            tag::USER_REF_IDX => self.user_ref_idx = character(value)?,
            tag::SELF_MATCH => self.self_match = character(value)?,
            tag::ACCOUNT => self.account = AccountId(number(value)?),
            tag::PORT => self.port = value.try_into().ok()?,
            _ => {}
        }
        Some(())
    }

    /// Writes the options that are present, in the order of their tags, to the front of `out`, which
    /// has room for [`OPTIONS_BYTES_MAX`], and returns their size.
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let mut writer = Writer { out, size: 0 };
        writer.put(tag::SECONDARY_REF, &self.secondary_ref.to_be_bytes());
        writer.put(tag::FIRM, &self.firm);
        writer.put(tag::MIN_QUANTITY, &self.min_quantity.to_be_bytes());
        writer.put(tag::CUSTOMER_TYPE, &[self.customer_type]);
        writer.put(tag::MAX_FLOOR, &self.max_floor.to_be_bytes());
        writer.put(tag::PRICE_TYPE, &[self.price_type]);
        writer.put(tag::PEG_OFFSET, &self.peg_offset.to_be_bytes());
        writer.put(tag::DISCRETION_PRICE, &self.discretion_price.to_be_bytes());
        writer.put(tag::DISCRETION_PRICE_TYPE, &[self.discretion_price_type]);
        writer.put(tag::DISCRETION_PEG_OFFSET, &self.discretion_peg_offset.to_be_bytes());
        writer.put(tag::POST_ONLY, &[self.post_only]);
        writer.put(tag::RANDOM_RESERVES, &self.random_reserves.to_be_bytes());
        writer.put(tag::ROUTE, &self.route);
        writer.put(tag::EXPIRE_TIME, &self.expire_time_s.to_be_bytes());
        writer.put(tag::TRADE_NOW, &[self.trade_now]);
        writer.put(tag::HANDLING, &[self.handling]);
        writer.put(tag::BBO_WEIGHT, &[self.bbo_weight]);
        writer.put(tag::DISPLAY_QUANTITY, &self.display_quantity.to_be_bytes());
        writer.put(tag::GROUP_ID, &self.group_id.to_be_bytes());
        writer.put(tag::SHARES_LOCATED, &[self.shares_located]);
        writer.put(tag::LOCATE_BROKER, &self.locate_broker);
        writer.put(tag::SIDE, &[self.side]);
        writer.put(tag::USER_REF_IDX, &[self.user_ref_idx]);
        writer.put(tag::SELF_MATCH, &[self.self_match]);
        writer.put(tag::ACCOUNT, &self.account.0.to_be_bytes());
        writer.put(tag::PORT, &self.port);
        writer.size
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    size: usize,
}

impl Writer<'_> {
    /// Appends one element, unless its value is all zero: absent.
    fn put(&mut self, tag: u8, value: &[u8]) {
        if value.iter().all(|&byte| byte == 0) {
            return;
        }
        let length = 1 + value.len();
        self.out[self.size] = u8::try_from(length).expect("values are a few bytes");
        self.out[self.size + 1] = tag;
        self.out[self.size + 2..][..value.len()].copy_from_slice(value);
        self.size += 1 + length;
    }
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

fn signed(value: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(value.try_into().ok()?))
}

fn character(value: &[u8]) -> Option<u8> {
    match value {
        &[byte] => Some(byte),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_tags_are_stepped_over() {
        let options = Options::parse(b"\x03\xF0\xAA\xBB\x05\x02MLRO\x01\xF1").unwrap();
        assert_eq!(options, Options { firm: *b"MLRO", ..Options::default() });
    }

    #[test]
    fn elements_that_do_not_fill_the_appendage_are_malformed() {
        for elements in [&b"\x00"[..], b"\x05\x02MLR", b"\x02", b"\x05\x02MLRO\x01"] {
            let malformed = MalformedAppendage { user_ref_idx: None };
            assert_eq!(Options::parse(elements), Err(malformed), "{elements:?}");
        }
    }

    #[test]
    fn a_known_tag_with_a_value_of_another_size_is_malformed() {
        let malformed = MalformedAppendage { user_ref_idx: None };
        assert_eq!(Options::parse(b"\x03\x03\x00\x01"), Err(malformed));
        assert_eq!(Options::parse(b"\x03\x0CPP"), Err(malformed));
        assert_eq!(Options::parse(b"\x03\x1C\x01\x02"), Err(malformed));
    }

    #[test]
    fn the_channel_read_before_an_error_is_known() {
        let malformed = |user_ref_idx| Err(MalformedAppendage { user_ref_idx });
        assert_eq!(Options::parse(b"\x02\x1C\x03\x05\x02"), malformed(Some(3)));
        assert_eq!(Options::parse(b"\x02\x1C\x03\x02\x1C\x04\x00"), malformed(Some(4)));
        assert_eq!(Options::parse(b"\x05\x02\x02\x1C\x03"), malformed(None));
    }

    #[test]
    fn the_last_of_two_elements_with_one_tag_counts() {
        let options = Options::parse(b"\x02\x1C\x01\x02\x1C\x02").unwrap();
        assert_eq!(options.user_ref_idx, 2);
    }

    prop_compose! {
        pub(in crate::wire::ouch) fn any_options()(
            words: [u32; 8],
            discretion_price: u64,
            secondary_ref: u64,
            firm: [u8; 4],
            port: [u8; 6],
            route: [u8; 4],
            locate_broker: [u8; 4],
            group_id: u16,
            bytes: [u8; 11],
        ) -> Options {
            let [min_quantity, max_floor, peg, discretion_peg, random_reserves, ..] = words;
            let [.., display_quantity, expire_time_s, account] = words;
            let [customer_type, price_type, post_only, trade_now, handling, bbo_weight, ..] = bytes;
            let [.., discretion_price_type, shares_located, side, user_ref_idx, self_match] = bytes;
            Options {
                secondary_ref, display_quantity, firm, min_quantity, customer_type, max_floor, price_type,
                peg_offset: peg.cast_signed(), discretion_price, discretion_price_type,
                discretion_peg_offset: discretion_peg.cast_signed(), post_only, random_reserves,
                route, expire_time_s, trade_now, handling, bbo_weight, group_id, shares_located,
                locate_broker, side, user_ref_idx, self_match, account: AccountId(account), port,
            }
        }
    }

    proptest! {
        #[test]
        fn options_emitted_are_parsed_back(options in any_options()) {
            let mut out = [0; OPTIONS_BYTES_MAX];
            let size = options.emit(&mut out);
            prop_assert_eq!(Options::parse(&out[..size]), Ok(options));
        }
    }

    #[test]
    fn all_options_together_take_the_most_bytes() {
        let options = Options::parse(&all()).unwrap();
        assert_eq!(options.emit(&mut [0; OPTIONS_BYTES_MAX]), OPTIONS_BYTES_MAX);
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        crate::wire::tests::each_damaged(&[&all(), b"\x05\x02MLRO\x02\x120"], |bytes| {
            if let Ok(options) = Options::parse(bytes) {
                let mut out = [0; OPTIONS_BYTES_MAX];
                let size = options.emit(&mut out);
                let again = Options::parse(&out[..size]).unwrap();
                assert_eq!(again, options);
            }
        });
    }

    /// Every option, none of them zero.
    fn all() -> Vec<u8> {
        let sizes = [
            (1, 8),
            (2, 4),
            (3, 4),
            (4, 1),
            (5, 4),
            (6, 1),
            (7, 4),
            (9, 8),
            (10, 1),
            (11, 4),
            (12, 1),
            (13, 4),
            (14, 4),
            (15, 4),
            (16, 1),
            (17, 1),
            (18, 1),
            (22, 4),
            (24, 2),
            (25, 1),
            (26, 4),
            (27, 1),
            (28, 1),
            (29, 1),
            (0x80, 4),
            (0x81, 6),
        ];
        let element = |(tag, size): (u8, u8)| {
            [1 + size, tag].into_iter().chain(std::iter::repeat_n(0x41, usize::from(size)))
        };
        sizes.into_iter().flat_map(element).collect()
    }
}
