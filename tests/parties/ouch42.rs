//! Our OUCH 4.2 messages, in SoupBinTCP packets, as tshark reads them.

use std::fs;
use std::path::Path;
use std::process::Command;

use rialto::net::ipv4::{Ipv4Header, PROTOCOL_TCP};
use rialto::types::{FirmCode, Quantity, Side, Symbol};
use rialto::wire::ouch42::{
    Accepted, AiqCanceled, BrokenTrade, CancelRejected, Canceled, Enter, Executed, Modified,
    Modify, Rejected, Replace, Replaced, SystemEvent, Token, TradeCorrection,
};
use rialto::wire::soup::Packet;
use zerocopy::{FromZeros, IntoBytes};

/// The price, and the order reference or match number, of every message that has one.
const PRICE: u32 = 630_200;
const NUMBER: u64 = 0x1234;
/// The exchange's port.
const PORT: u16 = 9001;

/// A capture of one message after another, each in a segment; those of the exchange are marked.
fn capture(messages: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    let mut sent = [1_u32, 1];
    for (from_exchange, message) in messages {
        let mut packet = [0; 256];
        let emitted = match from_exchange {
            true => Packet::SequencedData(message),
            false => Packet::UnsequencedData(message),
        };
        let size = emitted.emit(&mut packet).unwrap();
        let (us, them) = (usize::from(*from_exchange), usize::from(!from_exchange));
        let ports = [[40_001, PORT], [PORT, 40_001]][us];
        let mut segment = Vec::new();
        segment.extend(ports.map(u16::to_be_bytes).concat());
        segment.extend([sent[us].to_be_bytes(), sent[them].to_be_bytes()].concat());
        // Header of five words, push and acknowledge, a window; no checksum, no urgent data.
        segment.extend([0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
        segment.extend(&packet[..size]);
        sent[us] += u32::try_from(size).unwrap();
        let hosts = [[10, 9, 0, 2], [10, 9, 0, 1]];
        let ip = Ipv4Header {
            source: hosts[us].into(),
            destination: hosts[them].into(),
            protocol: PROTOCOL_TCP,
            ttl: 64,
            payload_len: u16::try_from(segment.len()).unwrap(),
        };
        let frame = [&ip.emit()[..], &segment].concat();
        let length = u32::try_from(frame.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// What tshark finds in each message: those of the fields `columns` that it has.
fn read_by_tshark(messages: &[(bool, Vec<u8>)], columns: &[&str]) -> Vec<String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("rialto-ouch42-{}.pcap", std::process::id()));
    fs::write(&path, capture(messages)).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-n", "-d", &format!("tcp.port=={PORT},soupbintcp")]);
    tshark.args(["-T", "fields", "-E", "separator=|"]);
    for column in columns {
        tshark.args(["-e", column]);
    }
    let read = tshark.output().expect("hwconfig/setup.sh test installs tshark");
    fs::remove_file(&path).unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let said = String::from_utf8(read.stdout).unwrap();
    let words = |line: &str| {
        let fields = line.split('|').map(str::trim).filter(|field| !field.is_empty());
        fields.collect::<Vec<_>>().join(" ").replace('\'', "")
    };
    said.lines().map(words).collect()
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn accepted() -> Accepted {
    Accepted {
        kind: b'A',
        timestamp: 5.into(),
        token: token("TOK1"),
        side: b'B',
        quantity: 100.into(),
        symbol: Symbol::new("ACME").unwrap(),
        price: PRICE.into(),
        time_in_force: 99_998.into(),
        firm: FirmCode::new("LIME").unwrap(),
        display: b'Y',
        order_ref: NUMBER.into(),
        capacity: b'A',
        intermarket_sweep: b'N',
        min_quantity: 7.into(),
        cross_type: b'N',
        order_state: b'L',
        bbo_weight: b' ',
    }
}

fn replaced() -> Replaced {
    Replaced {
        kind: b'U',
        timestamp: 5.into(),
        token: token("TOK2"),
        side: b'B',
        quantity: 60.into(),
        symbol: Symbol::new("ACME").unwrap(),
        price: PRICE.into(),
        time_in_force: 60.into(),
        firm: FirmCode::BLANK,
        display: b'Y',
        order_ref: NUMBER.into(),
        capacity: b'A',
        intermarket_sweep: b'N',
        min_quantity: 0.into(),
        cross_type: b'N',
        order_state: b'L',
        previous: token("TOK1"),
        bbo_weight: b' ',
    }
}

#[test]
fn tshark_reads_every_message_as_it_was_written() {
    let acme = Symbol::new("ACME").unwrap();
    let enter = Enter {
        firm: FirmCode::new("LIME").unwrap(),
        min_quantity: 7.into(),
        time_in_force: 0.into(),
        ..Enter::new(token("TOK1"), Side::SellShort, Quantity(100), acme, PRICE)
    };
    let replace = Replace::new(token("TOK1"), token("TOK2"), Quantity(60), PRICE);
    let cancel = rialto::wire::ouch42::Cancel::new(token("TOK1"), Quantity(50));
    let modify = Modify::new(token("TOK1"), Side::Sell, Quantity(50));
    let (accepted, replaced) = (accepted(), replaced());
    let canceled = Canceled {
        kind: b'C',
        token: token("TOK1"),
        quantity: 60.into(),
        reason: b'U',
        ..Canceled::new_zeroed()
    };
    let prevented = AiqCanceled {
        kind: b'D',
        token: token("TOK1"),
        quantity: 60.into(),
        reason: b'Q',
        prevented: 40.into(),
        price: PRICE.into(),
        liquidity: b'R',
        ..AiqCanceled::new_zeroed()
    };
    let executed = Executed {
        kind: b'E',
        token: token("TOK1"),
        quantity: 40.into(),
        price: PRICE.into(),
        liquidity: b'A',
        match_number: NUMBER.into(),
        ..Executed::new_zeroed()
    };
    let broken = BrokenTrade {
        kind: b'B',
        token: token("TOK1"),
        match_number: NUMBER.into(),
        reason: b'E',
        ..BrokenTrade::new_zeroed()
    };
    let corrected = TradeCorrection {
        kind: b'F',
        token: token("TOK1"),
        quantity: 40.into(),
        price: PRICE.into(),
        liquidity: b'A',
        match_number: NUMBER.into(),
        reason: b'E',
        ..TradeCorrection::new_zeroed()
    };
    let rejected =
        Rejected { kind: b'J', token: token("TOK1"), reason: b'S', ..Rejected::new_zeroed() };
    let not_canceled =
        CancelRejected { kind: b'I', token: token("TOK1"), ..CancelRejected::new_zeroed() };
    let modified = Modified {
        kind: b'M',
        token: token("TOK1"),
        side: b'S',
        quantity: 50.into(),
        ..Modified::new_zeroed()
    };
    let began = SystemEvent { kind: b'S', code: b'S', ..SystemEvent::new_zeroed() };

    let columns = ["ouch.packet_type", "ouch.order_token", "ouch.existing_order_token"];
    let columns = [&columns[..], &["ouch.replacement_order_token", "ouch.previous_order_token"]];
    let shares = ["ouch.shares", "ouch.decrement_shares", "ouch.executed_shares"];
    let values = ["ouch.price", "ouch.execution_price", "ouch.order_reference_number"];
    let rest = ["ouch.match_number", "ouch.min_quantity", "ouch.reject_reason", "_ws.malformed"];
    let columns = [&columns.concat()[..], &shares, &values, &rest].concat();
    let told: [(bool, &[u8], &str); 15] = [
        (false, enter.as_bytes(), "O TOK1 100 630200 7"),
        (false, replace.as_bytes(), "U TOK1 TOK2 60 630200 0"),
        (false, cancel.as_bytes(), "X TOK1 50"),
        (false, modify.as_bytes(), "M TOK1 50"),
        (true, began.as_bytes(), "S"),
        (true, accepted.as_bytes(), "A TOK1 100 630200 4660 7"),
        (true, replaced.as_bytes(), "U TOK2 TOK1 60 630200 4660 0"),
        (true, canceled.as_bytes(), "C TOK1 60"),
        (true, prevented.as_bytes(), "D TOK1 60 630200"),
        (true, executed.as_bytes(), "E TOK1 40 630200 4660"),
        (true, broken.as_bytes(), "B TOK1 4660"),
        (true, corrected.as_bytes(), "F TOK1 40 630200 4660"),
        (true, rejected.as_bytes(), "J TOK1 S"),
        (true, not_canceled.as_bytes(), "I TOK1"),
        (true, modified.as_bytes(), "M TOK1 50"),
    ];
    let messages: Vec<_> = told.iter().map(|(from, bytes, _)| (*from, bytes.to_vec())).collect();
    let expected: Vec<_> = told.iter().map(|(.., expected)| *expected).collect();
    assert_eq!(read_by_tshark(&messages, &columns), expected);
}
