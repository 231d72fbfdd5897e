//! A market file, and the engine that is given what it proves.

use std::path::Path;

use rialto::config::Capacity;
use rialto::config::market::Market;
use rialto::config::secrets::PortSecrets;
use rialto::engine::{CommandFrames, Engine, FrameList, IndexSeed};
use rialto::types::command::{CommandHeader, VenueLimits};
use rialto::types::{ClusterKey, Nanos};

const NAME: &str = "fuzz-market.toml";
const EVENT_SEGMENT_BYTES: u64 = 1 << 20;
const CAPACITY: Capacity = Capacity { orders: 64, ports: 64, accounts: 64, instruments: 64 };

/// What is refused is refused with the file's name; what is proven becomes commands that an engine
/// carries out or answers with a refusal.
pub(crate) fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let market = match Market::parse(Path::new(NAME), &text) {
        Ok(market) => market,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(NAME), "{said}");
            return;
        }
    };
    assert!(!market.summary().is_empty());
    if let Err(error) = market.fits_capacity(&CAPACITY) {
        assert!(error.to_string().contains(NAME), "{error}");
        return;
    }
    let secrets = PortSecrets::generate(market.port_names()).unwrap();
    let key = ClusterKey::new([7; ClusterKey::BYTES]);
    let mut limits = CAPACITY.tables().limits(EVENT_SEGMENT_BYTES);
    limits.header = CommandHeader::internal::<VenueLimits>(Nanos(1));
    let mut engine = Engine::new(&limits, IndexSeed::new([0; IndexSeed::BYTES]));
    let mut frames = CommandFrames::new();
    frames.push(&limits);
    for command in market.commands(&key, &secrets, Nanos(1)) {
        frames.push_lines(&command);
        let (header, payload) = frames.seal(Nanos(1));
        let Ok(()) = engine.apply(&header, &payload, &mut FrameList::default()) else {
            panic!("no command: {command:02x?}")
        };
    }
}
