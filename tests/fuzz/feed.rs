//! One `MoldUDP64` datagram, its ITCH messages, and the subscriber and the books that take them.

use rialto::client::{BookBuilder, FeedItem, FeedOrder};
use rialto::types::BookDumpHeader;
use rialto::wire::itch::Message;
use rialto::wire::mold::{
    Body, PACKET_BYTES_MAX, Packet, PacketBuilder, Request, end_of_session, heartbeat,
};
use zerocopy::IntoBytes as _;

/// What is read is, written again, its bytes. A subscriber that takes the datagram twice delivers each
/// message once, and its books hold no more than the messages can have put there.
pub(crate) fn target(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.emit(), bytes);
    }
    itch(bytes);
    let Ok(packet) = Packet::parse(bytes) else { return subscribe(bytes, 0) };
    match packet.body {
        Body::Heartbeat => assert_eq!(heartbeat(packet.session, packet.sequence), bytes),
        Body::EndOfSession => assert_eq!(end_of_session(packet.session, packet.sequence), bytes),
        Body::Messages(messages) => {
            let mut builder = PacketBuilder::new(packet.session, packet.sequence);
            let mut count = 0;
            for message in messages {
                itch(message);
                let _ = builder.push(message);
                count += 1;
            }
            if bytes.len() <= PACKET_BYTES_MAX {
                assert_eq!(builder.packet(), bytes);
            }
            return subscribe(bytes, count);
        }
    }
    subscribe(bytes, 0);
}

fn itch(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let again = match message {
        Message::SystemEvent(m) => m.as_bytes(),
        Message::StockDirectory(m) => m.as_bytes(),
        Message::TradingAction(m) => m.as_bytes(),
        Message::AddOrder(m) => m.as_bytes(),
        Message::OrderExecuted(m) => m.as_bytes(),
        Message::OrderExecutedWithPrice(m) => m.as_bytes(),
        Message::Trade(m) => m.as_bytes(),
        Message::CrossTrade(m) => m.as_bytes(),
        Message::BrokenTrade(m) => m.as_bytes(),
        Message::Imbalance(m) => m.as_bytes(),
        Message::OrderCancel(m) => m.as_bytes(),
        Message::OrderDelete(m) => m.as_bytes(),
        Message::OrderReplace(m) => m.as_bytes(),
        Message::Other(kind) => return assert_eq!(kind, bytes[0]),
    };
    assert_eq!(again, bytes);
}

fn subscribe(bytes: &[u8], count: u64) {
    for from_start in [true, false] {
        let mut order = FeedOrder::new(from_start);
        let mut books = BookBuilder::new();
        let mut delivered = 0;
        for _ in 0..2 {
            order.take(bytes, |item| {
                if let FeedItem::Message { message, .. } = item {
                    books.apply(message);
                    delivered += 1;
                }
            });
        }
        assert!(delivered <= count, "{delivered} of {count}");
        assert!(books.orders() as u64 <= delivered && books.instruments() as u64 <= delivered);
        let (sequence, gaps) = (order.next_sequence(), order.counters().gaps);
        let header = BookDumpHeader { sequence, gaps, complete: order.is_complete() };
        books.write(header, &mut String::new()).unwrap();
    }
}
