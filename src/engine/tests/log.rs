//! The event log: its frames, its streams, and that it is a function of the commands alone.

use std::collections::BTreeMap;

use zerocopy::FromZeros;

use super::super::{ApplyError, Capacity, CommandError, CommandFrames, Engine, FrameList};
use super::script;
use super::world::{OPENING, SEED, SEGMENT_BYTES, World};
use crate::types::command::{AccountOpen, Cancel, CommandHeader, CommandKind, TermStart, Tick};
use crate::types::event::{Event, EventHeader, SystemMessage};
use crate::types::{
    AccountId, AccountStatus, Epoch, FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FirmCode, FirmId,
    FrameChain, FrameHeader, FrameSink, LINE_BYTES, Line, MatchNumber, Nanos, OrderRef, PortId,
    Record as _, RecordError, split_record,
};

/// Events with their positions, checked frame by frame as a reader would.
fn events(log: &FrameList) -> Vec<(u64, EventHeader)> {
    let mut chain = FrameChain::empty(SEGMENT_BYTES);
    let mut events = Vec::new();
    for (header, payload) in &log.0 {
        header.check().unwrap();
        header.check_payload(payload).unwrap();
        chain.follow(header, payload).unwrap();
        let mut position = header.start.0 + FRAME_HEADER_BYTES as u64;
        let mut rest = payload.as_slice();
        while let Ok((record, behind)) = split_record(rest) {
            events.push((position, *EventHeader::view(record).unwrap()));
            position += (record.len() * LINE_BYTES) as u64;
            rest = behind;
        }
        assert_eq!(position, header.start.0 + header.frame_bytes());
    }
    events
}

/// A world that has traded so much that its event log has several segments.
fn busy_world() -> World {
    let mut world = World::open();
    for number in (2..8_000).step_by(2) {
        for line in [
            format!("A1 sell {number} 100 ACME @10.00"),
            format!("A2 buy {number} 60 ACME @10.00 ioc"),
            format!("B1 buy {number} 60 ACME @10.01 ioc"),
            format!("A1 cancel {number}"),
            format!("B1 sell {} 20 ACME @9.99", number + 1),
            format!("A1 buy 1/{number} 20 ACME @9.99"),
        ] {
            script::run(&mut world, &line);
        }
    }
    world
}

#[test]
fn distances_lead_back_through_every_stream_to_its_first_message() {
    let mut world = busy_world();
    script::run(&mut world, "day end");
    script::run(&mut world, "day start 20260303");
    script::run(&mut world, "up B1");
    script::run(&mut world, "B1 buy 1 20 ACME @9.99");
    let events = events(&world.events);
    let days: Vec<_> = (0..events.len()).filter(|&at| events[at].1.feed_sequence == 1).collect();
    let [first_day, next_day] = days[..] else { panic!("{} days", days.len()) };
    let segments = events.last().unwrap().0 / SEGMENT_BYTES;
    assert!(segments >= 2, "only {segments} segments are full");
    for day in [&events[first_day..next_day], &events[next_day..]] {
        let by_position: BTreeMap<_, _> = day.iter().copied().collect();
        for port in 1..=5 {
            let stream = |header: &EventHeader| {
                (header.port == PortId(port) && header.port_sequence > 0)
                    .then_some((header.port_sequence, header.port_distance))
            };
            walk(day, &by_position, stream);
        }
        for firm in 1..=2 {
            let stream = |header: &EventHeader| {
                (header.firm == FirmId(firm))
                    .then_some((header.firm_sequence, header.firm_distance))
            };
            assert!(walk(day, &by_position, stream) > 0);
        }
        let feed: Vec<_> = day
            .iter()
            .map(|(_, header)| header.feed_sequence)
            .filter(|&number| number > 0)
            .collect();
        assert_eq!(feed, (1..=feed.len() as u64).collect::<Vec<_>>());
    }
}

/// Walks a stream from its last message to its first and returns how many there are.
fn walk(
    day: &[(u64, EventHeader)],
    by_position: &BTreeMap<u64, EventHeader>,
    stream: impl Fn(&EventHeader) -> Option<(u32, u32)>,
) -> u32 {
    let Some(&(mut position, ref header)) =
        day.iter().rfind(|(_, header)| stream(header).is_some())
    else {
        return 0;
    };
    let (last, mut distance) = stream(header).unwrap();
    for expected in (1..last).rev() {
        assert_ne!(distance, 0, "message {}", expected + 1);
        position -= u64::from(distance) * LINE_BYTES as u64;
        let (sequence, before) = stream(&by_position[&position]).expect("the same stream");
        assert_eq!(sequence, expected);
        distance = before;
    }
    assert_eq!(distance, 0, "the first message has none before it");
    last
}

#[test]
fn what_becomes_of_a_brokers_orders_is_in_its_firms_stream_too() {
    let world = busy_world();
    for (_, header) in events(&world.events) {
        let to_broker = (1..=3).contains(&header.port.0) && header.port_sequence > 0;
        assert_eq!(!header.firm.is_none(), header.firm_sequence > 0);
        if header.kind != SystemMessage::KIND {
            assert_eq!(to_broker, header.firm_sequence > 0);
        }
    }
}

#[test]
fn a_firms_stream_begins_and_ends_with_one_system_event_whatever_ports_it_has() {
    let mut world = World::open();
    for line in ["firm GAMA", "port G1 GAMA orders", "port G2 GAMA orders", "up G1", "day end"] {
        script::run(&mut world, line);
    }
    for firm in 1..=3 {
        let codes: Vec<_> = world
            .events
            .records()
            .filter(|(_, record)| EventHeader::view(record).unwrap().firm == FirmId(firm))
            .map(|(_, record)| match Event::parse(record) {
                Ok(Event::SystemMessage(message)) => message.code,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(codes, [b'S', b'E'], "firm {firm}");
    }
}

#[test]
fn a_days_definition_is_cut_only_where_the_next_record_does_not_fit() {
    let mut world = World::open();
    script::run(&mut world, "day end");
    for account in 100..1_000 {
        world.apply(&AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(Nanos::ZERO),
            account: AccountId(account),
            firm: FirmCode::new("ALFA").unwrap(),
            status: AccountStatus::Approved.byte(),
            ..AccountOpen::new_zeroed()
        });
        script::run(&mut world, &format!("deposit {account} 1.00 USD"));
    }
    let before = world.events.0.len();
    script::run(&mut world, "day start 20260303");
    let frames = &world.events.0[before..];
    assert!(frames.len() >= 3, "{} frames", frames.len());
    let (command, _) = world.commands.seal(world.now);
    for (header, _) in frames {
        assert_eq!((header.index, header.term), (command.index - 1, command.term));
        assert_eq!(header.time, world.now);
    }
    for pair in frames.windows(2) {
        let next = usize::from(pair[1].1[0].0[1]) * LINE_BYTES;
        assert!(pair[0].0.payload_bytes as usize + next > FRAME_PAYLOAD_BYTES_MAX);
    }
    events(&world.events);
}

#[test]
fn the_last_event_of_each_command_is_marked_and_no_other() {
    let world = busy_world();
    let mut commands = world.events.0.iter().flat_map(|(frame, payload)| {
        let events = FrameList(vec![(*frame, payload.clone())]);
        let headers: Vec<_> = events
            .records()
            .map(|(_, record)| *EventHeader::view(record).unwrap())
            .map(|event| ((frame.index, event.cause), event.flags == EventHeader::LAST))
            .collect();
        headers
    });
    let mut current = commands.next().unwrap();
    for next in commands {
        let (command, is_last) = current;
        assert_eq!(is_last, next.0 != command, "event of command {command:?}");
        current = next;
    }
    assert!(current.1, "the log ends with a last event");
}

#[test]
fn an_order_is_named_by_its_event_and_a_fill_by_the_first_of_its_two() {
    let mut world = World::open();
    script::run(&mut world, "A1 sell 1 100 ACME @10.00");
    script::run(&mut world, "B1 buy 1 100 ACME @10.00");
    let mut accepted = Vec::new();
    let mut fill = None;
    for (sequence, record) in world.events.records() {
        match Event::parse(record).unwrap() {
            Event::Accepted(_) => accepted.push(OrderRef(sequence)),
            Event::Executed(e) if fill.is_none() => {
                assert_eq!((e.match_number, e.order), (MatchNumber(sequence), accepted[0]));
                fill = Some((e.match_number, e.contra));
            }
            Event::Executed(e) => assert_eq!(fill, Some((e.match_number, e.order))),
            _ => {}
        }
    }
    assert_eq!(fill.unwrap().1, accepted[1]);
}

#[test]
fn a_session_is_named_by_its_command() {
    let mut world = World::open();
    script::run(&mut world, "up A1");
    let (command, _) = world.commands.seal(world.now);
    let went_up = world.events.records().last().unwrap().1;
    let Ok(Event::PortWentUp(went_up)) = Event::parse(went_up) else { panic!("no login") };
    assert_eq!(went_up.epoch, Epoch(command.first_sequence - 1));
}

#[test]
fn an_event_carries_the_place_of_its_command_in_the_frame() {
    let mut world = World::open();
    let header = world.header::<Cancel>("A1");
    world.commands.push(&Cancel { header, ..Cancel::new_zeroed() });
    world.now = world.now.after(Nanos::SECOND);
    let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
    world.commands.push(&TermStart { header, term: 9, node: 2, ..TermStart::new_zeroed() });
    let said = world.seal();
    assert_eq!(said[1], "term 9 started by node 2");
    let causes: Vec<_> = FrameList(vec![world.events.0.last().unwrap().clone()])
        .records()
        .map(|(_, record)| EventHeader::view(record).unwrap().cause)
        .collect();
    // The second that began was seen with the first command, though that came to nothing.
    assert_eq!(causes, [0, 1, 1, 1, 1, 1]);
}

#[test]
fn a_frame_without_commands_or_without_events_leaves_no_event_frame() {
    let mut world = World::open();
    let before = world.events.0.len();
    assert_eq!(world.seal(), [""; 0]);
    assert_eq!(script::run(&mut world, "A1 cancel 99"), [""; 0]);
    assert_eq!(world.events.0.len(), before);
}

#[test]
fn commands_of_another_version_stop_the_engine_and_are_named() {
    let line = |kind: u8, lines: u8| {
        let mut line = Line::ZERO;
        line.0[..2].copy_from_slice(&[kind, lines]);
        line
    };
    let (order, cancel) = (CommandKind::NewOrder as u8, CommandKind::Cancel as u8);
    for (command, why) in [
        (vec![line(200, 1)], RecordError::Kind(200)),
        (vec![line(order, 1)], RecordError::Lines { kind: order, lines: 1 }),
        (vec![line(cancel, 2), Line::ZERO], RecordError::Lines { kind: cancel, lines: 2 }),
        (vec![line(cancel, 0)], RecordError::Lines { kind: cancel, lines: 0 }),
        (vec![line(order, 2)], RecordError::Short),
    ] {
        let mut world = World::open();
        let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
        world.commands.push(&Tick { header, ..Tick::new_zeroed() });
        let sequence = world.commands.push_lines(&command);
        let (header, payload) = world.commands.seal(world.now);
        let error = world.engine.apply(&header, &payload, &mut world.events).unwrap_err();
        assert_eq!(error, CommandError::Unreadable { sequence, why }.into());
        assert!(error.to_string().starts_with(&format!("command {sequence} cannot be applied")));
    }
}

#[test]
fn a_frame_holds_the_commands_it_counts_and_nothing_else() {
    let mut world = World::open();
    let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
    let tick = Tick { header, ..Tick::new_zeroed() };
    let sequence = world.commands.push_lines(&[tick.lines(), tick.lines()].concat());
    let (header, payload) = world.commands.seal(world.now);
    let error = world.engine.apply(&header, &payload, &mut world.events);
    assert_eq!(error, Err(CommandError::Surplus { sequence }.into()));
}

#[test]
#[should_panic(expected = "not the next command frame")]
fn a_frame_is_not_applied_twice() {
    let mut world = World::open();
    let (header, payload) = world.command_log.0.last().unwrap().clone();
    let _ = world.engine.apply(&header, &payload, &mut world.events);
}

#[test]
fn the_sinks_first_error_is_returned_and_it_gets_no_frame_after_it() {
    struct Full(usize);
    impl FrameSink for Full {
        type Error = &'static str;

        fn frame(&mut self, _: &FrameHeader, _: &[Line]) -> Result<(), Self::Error> {
            self.0 += 1;
            Err("full")
        }
    }
    let mut engine = Engine::new(&Capacity::SMALL.limits(SEGMENT_BYTES), SEED);
    let mut commands = CommandFrames::new();
    let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
    for term in 0..64 {
        commands.push(&TermStart { header, term, node: 1, ..TermStart::new_zeroed() });
    }
    let (header, payload) = commands.seal(OPENING);
    let mut sink = Full(0);
    assert_eq!(engine.apply(&header, &payload, &mut sink), Err(ApplyError::Sink("full")));
    assert_eq!(sink.0, 1);
}

#[test]
fn a_log_begins_with_the_venues_limits() {
    let mut engine = Engine::new(&Capacity::SMALL.limits(SEGMENT_BYTES), SEED);
    let mut commands = CommandFrames::new();
    let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
    commands.push(&TermStart { header, term: 1, node: 1, ..TermStart::new_zeroed() });
    let header = CommandHeader::internal::<Cancel>(Nanos::ZERO);
    commands.push(&Cancel { header, ..Cancel::new_zeroed() });
    let (header, payload) = commands.seal(OPENING);
    let error = engine.apply(&header, &payload, &mut FrameList::default());
    assert_eq!(error, Err(CommandError::BeforeLimits { sequence: 2 }.into()));
}

#[test]
#[should_panic(expected = "made for other limits")]
fn an_engine_made_for_other_limits_than_the_logs_stops() {
    let mut world = World::empty();
    let other = Capacity { orders: 1, ..Capacity::SMALL }.limits(SEGMENT_BYTES);
    world.engine = Engine::new(&other, SEED);
    let (header, payload) = world.command_log.0[0].clone();
    let _ = world.engine.apply(&header, &payload, &mut world.events);
}
