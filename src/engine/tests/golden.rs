//! The stories of `tests/golden`: each begins in the market of `market.txt`, gives commands, and says
//! under each, indented, what must come of it.
//!
//! After a change that is meant, `RIALTO_GOLDEN=write cargo test golden` writes what comes of them now;
//! the difference is then read like any other.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use super::script;
use super::world::World;

#[test]
fn limit_orders_match_by_price_then_time() {
    tell("matching");
}

#[test]
fn cancels_take_what_is_left_or_reduce() {
    tell("cancel");
}

#[test]
fn a_replace_takes_the_old_order_out_and_enters_the_new_one() {
    tell("replace");
}

#[test]
fn market_orders_take_what_there_is() {
    tell("market_orders");
}

#[test]
fn fill_or_kill_and_minimum_quantities_trade_enough_or_nothing() {
    tell("fill_or_kill");
}

#[test]
fn post_only_orders_never_take() {
    tell("post_only");
}

#[test]
fn good_till_time_orders_expire() {
    tell("good_till_time");
}

#[test]
fn hidden_and_reserve_orders_wait_behind_what_is_shown() {
    tell("hidden_and_reserve");
}

#[test]
fn hidden_reserve_and_post_only_orders_have_a_part_in_auctions() {
    tell("collected");
}

#[test]
fn a_modify_reduces_or_changes_the_kind_of_sale() {
    tell("modify");
}

#[test]
fn a_firm_cancels_many_orders_and_switches_its_entry() {
    tell("mass_cancel");
}

#[test]
fn orders_that_break_a_rule_are_rejected_with_its_reason() {
    tell("rejects");
}

#[test]
fn accounts_pay_and_deliver_what_they_have() {
    tell("wallet");
}

#[test]
fn sessions_are_fenced_and_lost_orders_are_canceled() {
    tell("sessions");
}

#[test]
fn days_begin_with_the_definition_and_end_with_empty_books() {
    tell("days");
}

#[test]
fn operators_define_the_market_and_are_told_why_not() {
    tell("administration");
}

#[test]
fn limits_hold_for_every_order_from_then_on() {
    tell("risk");
}

#[test]
fn limits_of_value_count_what_is_open_and_what_was_traded() {
    tell("exposure");
}

#[test]
fn limits_of_a_firm_count_what_all_its_accounts_do() {
    tell("firm_limits");
}

#[test]
fn orders_of_one_owner_never_trade_with_each_other() {
    tell("self_match");
}

#[test]
fn trades_cost_what_was_said_when_their_orders_entered() {
    tell("fees");
}

#[test]
fn instruments_move_through_phases_that_take_their_own_orders() {
    tell("phases");
}

#[test]
fn auctions_trade_at_one_price() {
    tell("auctions");
}

#[test]
fn orders_wait_for_the_opening_and_the_close() {
    tell("crosses");
}

#[test]
fn the_calendar_moves_the_phases_of_a_day() {
    tell("calendar");
}

#[test]
fn price_bands_pause_into_an_auction() {
    tell("bands");
}

#[test]
fn trades_are_busted_and_corrected_by_an_operator() {
    tell("busts");
}

#[test]
fn any_number_of_instruments_trade_in_one_step() {
    tell("together");
}

/// Plays every story of a file and compares all that was said with the file itself.
fn tell(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    let written = fs::read_to_string(&path).unwrap();
    let mut told = String::new();
    let mut world = World::open();
    for line in written.lines() {
        if line.starts_with("    ") {
            continue; // What was expected.
        }
        writeln!(told, "{line}").unwrap();
        if line.starts_with("# ") {
            world = World::open();
        }
        for command in script::lines(line) {
            for event in script::run(&mut world, command) {
                writeln!(told, "    {event}").unwrap();
            }
        }
    }
    if env::var_os("RIALTO_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, told).unwrap();
        return;
    }
    let (mut title, mut command) = ("", "");
    for (number, (was, is)) in (1..).zip(written.lines().zip(told.lines())) {
        if is.starts_with("# ") {
            title = is;
        } else if !is.starts_with("    ") {
            command = is;
        }
        assert_eq!(is, was, "\n{name}.txt:{number}: {title}\nafter: {command}\n");
    }
    assert_eq!(told, written);
}
