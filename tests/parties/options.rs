//! Options of OUCH messages, in our words and in those of the crate `slouch`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use rialto::types::Side;
use rialto::wire::ouch::Options;
use slouch::msg::TagValue;
use slouch::types as theirs;

/// The tags of options that slouch writes on an Enter.
pub(crate) const ENTER_TAGS: &[u8] =
    &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 28];
/// Those that it writes on a Replace.
pub(crate) const REPLACE_TAGS: &[u8] = &[3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 25, 26, 27, 28];
/// Those that our Accepted and Replaced echo and slouch knows.
pub(crate) const ECHOED_TAGS: &[u8] = &[2, 3, 4, 5, 6, 12, 15, 17, 18, 24, 25, 28];

/// At most `count_max` options with these tags, in any order, in our words and in theirs.
pub(crate) fn options(
    tags: &'static [u8],
    count_max: usize,
) -> impl Strategy<Value = (Options, Vec<TagValue>)> {
    let some_tags = subsequence(tags, 0..=count_max).prop_shuffle();
    (some_tags, vec(1_u32..86_400, tags.len())).prop_map(|(tags, values)| {
        let mut ours = Options::default();
        let theirs = tags.into_iter().zip(values);
        let theirs = theirs.map(|(tag, value)| set_option(tag, value, &mut ours)).collect();
        (ours, theirs)
    })
}

/// Sets the option with this tag in ours, and returns it as theirs.
fn set_option(tag: u8, value: u32, ours: &mut Options) -> TagValue {
    let [.., high, low] = value.to_be_bytes();
    match tag {
        2 => {
            ours.firm = *b"ALFA";
            TagValue::Firm(mpid(*b"ALFA"))
        }
        3 => {
            ours.min_quantity = value;
            TagValue::MinQty(value)
        }
        4 => {
            ours.customer_type = b'R';
            TagValue::Retail(Some(true))
        }
        5 => {
            ours.max_floor = value;
            TagValue::MaxFloor(value)
        }
        6 => {
            ours.price_type = b'R';
            TagValue::PriceType(theirs::PriceType::PrimaryPeg)
        }
        7 => {
            ours.peg_offset = -value.cast_signed();
            TagValue::PegOffset(theirs::SignedPrice::new(ours.peg_offset).unwrap())
        }
        9 => {
            ours.discretion_price = u64::from(value) * 10_000;
            TagValue::DiscretionPrice(theirs::Price::new(ours.discretion_price).unwrap())
        }
        10 => {
            ours.discretion_price_type = b'P';
            TagValue::DiscretionPriceType(theirs::PriceType::MarketPeg)
        }
        11 => {
            ours.discretion_peg_offset = value.cast_signed();
            TagValue::DiscretionPegOffset(theirs::SignedPrice::new(value.cast_signed()).unwrap())
        }
        12 => {
            ours.post_only = b'P';
            TagValue::PostOnly(true)
        }
        13 => {
            ours.random_reserves = value;
            TagValue::RandomReserves(value)
        }
        15 => {
            ours.expire_time_s = value;
            TagValue::ExpireTime(theirs::ElapsedTime::new(value).unwrap())
        }
        16 => {
            ours.trade_now = b'N';
            TagValue::TradeNow(Some(false))
        }
        17 => {
            ours.handling = b'Q';
            TagValue::HandleInst(theirs::HandleInst::RetailPriceImprovement)
        }
        18 => {
            ours.bbo_weight = b'S';
            TagValue::BboWeight(theirs::BboWeight::SetQbboWhileJoin)
        }
        24 => {
            // Zero is absent to us.
            ours.group_id = u16::from_be_bytes([high | 1, low]);
            TagValue::GroupId(ours.group_id)
        }
        25 => {
            ours.shares_located = b'Y';
            TagValue::SharesLocated(true)
        }
        26 => {
            ours.locate_broker = *b"BETA";
            TagValue::LocateBroker(mpid(*b"BETA"))
        }
        27 => {
            ours.side = Side::SellShort.byte();
            TagValue::Side(theirs::Side::SellShort)
        }
        28 => {
            ours.user_ref_idx = low | 1;
            TagValue::UserRefIndex(ours.user_ref_idx)
        }
        other => panic!("no value for tag {other}"),
    }
}

pub(crate) fn mpid(code: [u8; 4]) -> theirs::Mpid {
    theirs::Mpid::parse(&code).unwrap().1
}

/// The channel alone; 0 is none.
pub(crate) fn of_channel(user_ref_idx: u8) -> Options {
    Options { user_ref_idx, ..Options::default() }
}

/// The channel that a message names; 0 is none.
pub(crate) fn channel_of(options: &[TagValue]) -> u8 {
    match options {
        [] => 0,
        &[TagValue::UserRefIndex(channel)] => channel,
        other => panic!("not a channel: {other:?}"),
    }
}
