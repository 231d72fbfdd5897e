//! The fields of a trade's terms, which a command and an event may carry: those of a side are named
//! after it, and the price apart from that of the record.

use zerocopy::IntoBytes as _;

use super::{Field, Form, form, form_of};
use crate::types::{TradeSide, TradeTerms};

/// Shows every field, in the order of the bytes.
pub(super) fn fields<'a>(terms: &'a TradeTerms, see: &mut dyn FnMut(Field<'a>)) {
    let TradeTerms { match_number, print_number, price, symbol, quantity, date, buyer, seller } =
        terms;
    let mut show = |name, form, bytes| see(Field { in_header: false, name, form, bytes });
    show("match_number", form_of(match_number), match_number.as_bytes());
    show("print_number", form_of(print_number), print_number.as_bytes());
    show("trade_price", form_of(price), price.as_bytes());
    show("symbol", form_of(symbol), symbol.as_bytes());
    show("quantity", form_of(quantity), quantity.as_bytes());
    show("date", form_of(date), date.as_bytes());
    sides!(see, buyer, seller);
}

/// Shows the fields of sides under their names.
macro_rules! sides {
    ($see:ident, $( $side:ident ),*) => { $( {
        let TradeSide {
            order, fee, port, account, user_ref_num, cl_ord_id, user_ref_idx, side, liquidity, in_feed,
            reserved,
        } = $side;
        side!($see, $side: order, fee, port, account, user_ref_num, cl_ord_id, user_ref_idx,
            side letter, liquidity letter, in_feed, reserved);
    } )* };
}

/// Shows the fields of a side under its name.
macro_rules! side {
    ($see:ident, $side:ident: $( $field:ident $( $form:ident )? ),*) => { $( $see(Field {
        in_header: false,
        name: concat!(stringify!($side), "_", stringify!($field)),
        form: form!($field $( $form )?),
        bytes: $field.as_bytes(),
    }); )* };
}
use {side, sides};
