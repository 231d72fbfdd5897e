//! Which days are archived: those that have ended, each once, of one log.

use rialto::event_store::Reader;
use rialto::node::{Below, archived};
use rialto::types::Position;
use rialto_archive::rows::{CashMovementRow, ExecutionRow, OrderRow, TradeRow};
use rialto_archive::{ArchiveError, Cut, Manifest, verify};

use crate::exchange::{ALFA, Exchange, day_end};
use crate::trading::eventful_day;
use crate::{SMALL, Scratch, rows_of};

#[test]
fn a_day_that_is_open_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 0);
    let error = scratch.eod(SMALL).unwrap_err().to_string();
    assert!(error.contains("2611230001 is still open") && error.contains("day-end"), "{error}");
    assert!(scratch.names().is_empty());
    exchange.end_day();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["archived 2611230001"]);
    // The next one is open: that is said, and the last stays as it is.
    exchange.start_day();
    let error = scratch.eod(SMALL).unwrap_err().to_string();
    assert!(error.contains("2611240001 is still open"), "{error}");
    assert_eq!(scratch.names(), ["2611230001"]);
}

#[test]
fn a_node_that_lets_go_of_old_segments_knows_from_an_archive_how_far() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 0);
    exchange.end_day();
    let logs = ["commands", "events"].map(|of| Reader::open(&scratch.logs().join(of)).unwrap());
    let [mut commands, mut events] = logs;
    let mut sealed = || archived(&scratch.archives(), &mut commands, &mut events).unwrap();
    assert_eq!(sealed(), None);
    scratch.eod(SMALL).unwrap();
    let manifest = Manifest::read(&scratch.archive_of("2611230001")).unwrap().unwrap();
    let [commands, events] =
        [manifest.commands, manifest.events].map(|part| Position(part.sealed_below));
    assert_eq!(sealed(), Some(Below { commands, events }));
}

#[test]
fn a_log_in_which_no_day_began_has_nothing_to_archive() {
    let scratch = Scratch::new();
    let _exchange = Exchange::new(&scratch.logs());
    assert!(matches!(scratch.eod(SMALL), Err(ArchiveError::NoDay { .. })));
    assert!(scratch.names().is_empty());
}

#[test]
fn a_day_without_orders_is_an_archive_with_the_opening_balances() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    exchange.start_day();
    exchange.end_day();
    assert_eq!(scratch.eod(Cut::USUAL).unwrap(), ["archived 2611230001"]);
    let archive = scratch.archive_of("2611230001");
    assert!(rows_of::<OrderRow>(&archive).is_empty());
    assert!(rows_of::<ExecutionRow>(&archive).is_empty());
    assert!(rows_of::<TradeRow>(&archive).is_empty());
    let kinds: Vec<_> = rows_of::<CashMovementRow>(&archive)
        .iter()
        .map(|row| row.kind.as_str().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["transfer", "transfer", "transfer", "transfer"]
            .into_iter()
            .chain(["opening"; 4])
            .collect::<Vec<_>>()
    );
    // And the one after it has not even those transfers.
    exchange.start_day();
    exchange.end_day();
    assert_eq!(scratch.eod(Cut::USUAL).unwrap(), ["archived 2611240001"]);
    verify(&scratch.archive_of("2611240001")).unwrap();
}

#[test]
fn to_archive_again_verifies_and_changes_nothing() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 100);
    exchange.end_day();
    scratch.eod(SMALL).unwrap();
    let manifest = scratch.archive_of("2611230001").join("manifest.json");
    let before = std::fs::metadata(&manifest).unwrap();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["was archived 2611230001"]);
    // However it is cut.
    assert_eq!(scratch.eod(Cut::USUAL).unwrap(), ["was archived 2611230001"]);
    let after = std::fs::metadata(&manifest).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn days_that_were_missed_are_archived_in_their_order_and_leave_no_event_out() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    for _ in 0..3 {
        eventful_day(&mut exchange, 50);
        exchange.end_day();
        exchange.transfer(1, "KRW", 7);
    }
    let archived = ["archived 2611230001", "archived 2611240001", "archived 2611250001"];
    assert_eq!(scratch.eod(SMALL).unwrap(), archived);
    let manifests = ["2611230001", "2611240001", "2611250001"]
        .map(|session| Manifest::read(&scratch.archive_of(session)).unwrap().unwrap());
    assert_eq!(manifests[0].events.first_sequence, 1);
    assert_eq!(manifests[0].commands.first_sequence, 1);
    for pair in manifests.windows(2) {
        for (before, after) in
            [(&pair[0].events, &pair[1].events), (&pair[0].commands, &pair[1].commands)]
        {
            assert_eq!(after.first_sequence, before.last_sequence + 1);
            assert_eq!(after.first_frame, before.sealed_below);
        }
    }
}

#[test]
fn an_operator_s_command_in_one_frame_with_the_day_s_end_is_the_next_day_s() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    exchange.start_day();
    exchange.push(&day_end());
    let transfer = exchange.transfer_of(1, "USD", 42);
    exchange.push(&transfer);
    exchange.seal();
    exchange.next_date();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["archived 2611230001"]);
    let amounts = |session: &str| {
        let rows = rows_of::<CashMovementRow>(&scratch.archive_of(session));
        rows.iter().filter(|row| row.amount == 42).count()
    };
    assert_eq!(amounts("2611230001"), 0);
    exchange.start_day();
    exchange.sell(ALFA, 1, "1 ACME 1");
    exchange.end_day();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["archived 2611240001"]);
    assert_eq!(amounts("2611240001"), 1);
}

#[test]
fn another_log_s_days_are_never_mixed_with_what_is_archived() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 0);
    exchange.end_day();
    scratch.eod(SMALL).unwrap();
    // The same market, the same session id, another day; longer, and shorter.
    for more in [200, 0] {
        let other = Scratch::new();
        let mut exchange = Exchange::new(&other.logs());
        if more > 0 {
            eventful_day(&mut exchange, more);
        } else {
            exchange.start_day();
        }
        exchange.end_day();
        std::fs::rename(scratch.archives(), other.archives()).unwrap();
        let error = other.eod(SMALL).unwrap_err();
        assert!(matches!(error, ArchiveError::OtherLog { .. }), "{error}");
        assert!(error.to_string().contains("nothing was written"), "{error}");
        std::fs::rename(other.archives(), scratch.archives()).unwrap();
    }
    assert_eq!(scratch.eod(SMALL).unwrap(), ["was archived 2611230001"]);
}

#[test]
fn events_whose_commands_are_another_log_s_are_refused() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 0);
    exchange.end_day();
    let mut exchange = Exchange::new(&other.logs());
    exchange.wait(3);
    exchange.start_day();
    exchange.end_day();
    drop(exchange);
    std::fs::remove_dir_all(scratch.logs().join("commands")).unwrap();
    std::fs::rename(other.logs().join("commands"), scratch.logs().join("commands")).unwrap();
    let error = scratch.eod(SMALL).unwrap_err();
    assert!(matches!(error, ArchiveError::NoCommands { .. }), "{error}");
    assert!(scratch.names().is_empty());
}

#[test]
fn two_at_a_time_do_not_archive_into_one_directory() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    exchange.start_day();
    exchange.end_day();
    std::fs::create_dir_all(scratch.archives()).unwrap();
    let lock = rialto::sys::file::DirectoryLock::exclusive(&scratch.archives()).unwrap();
    assert!(matches!(scratch.eod(SMALL), Err(ArchiveError::Busy { .. })));
    drop(lock);
    scratch.eod(SMALL).unwrap();
}
