//! The `[logs]` section: where they lie, how large their parts are, and what happens when there is no room.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::{ConfigError, Source};
use super::table::{in_range, quoted, whole};
use super::{Durability, Logs};

/// Mebibytes of a segment: at least many frames, at most what a file system gives at once.
const SEGMENT_MIB: RangeInclusive<u64> = 1..=4096;
/// Of a disk: from half of it to never.
const PERCENT: RangeInclusive<u8> = 50..=101;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsTable {
    directory: PathBuf,
    #[serde(default = "LogsTable::segment_mib")]
    command_segment_mib: u64,
    #[serde(default = "LogsTable::segment_mib")]
    event_segment_mib: u64,
    #[serde(default = "LogsTable::durability")]
    durability: String,
    #[serde(default = "LogsTable::refuse_orders_percent")]
    refuse_orders_percent: u8,
    #[serde(default = "LogsTable::hand_over_percent")]
    hand_over_percent: u8,
}

impl LogsTable {
    const fn segment_mib() -> u64 {
        64
    }

    fn durability() -> String {
        "memory".to_owned()
    }

    const fn refuse_orders_percent() -> u8 {
        90
    }

    const fn hand_over_percent() -> u8 {
        95
    }

    pub(super) fn prove(self, source: &Source) -> Result<Logs, ConfigError> {
        let Self { directory, command_segment_mib, event_segment_mib, durability, .. } = self;
        let Self { refuse_orders_percent, hand_over_percent, .. } = self;
        let segments = [
            ("logs.command_segment_mib", command_segment_mib),
            ("logs.event_segment_mib", event_segment_mib),
        ];
        for (key, mib) in segments {
            let sound = mib.is_power_of_two() && SEGMENT_MIB.contains(&mib);
            source.rule(
                sound,
                key,
                mib,
                format_args!("must be a power of two in {SEGMENT_MIB:?}"),
            )?;
        }
        let durability = match durability.as_str() {
            "memory" => Durability::Memory,
            "disk" => Durability::Disk,
            other => {
                let rule = "must be \"memory\" or \"disk\"";
                return Err(source.broken("logs.durability", quoted(other), rule));
            }
        };
        let key = "logs.refuse_orders_percent";
        in_range(source, key, refuse_orders_percent, &PERCENT)?;
        let key = "logs.hand_over_percent";
        in_range(source, key, hand_over_percent, &(refuse_orders_percent..=*PERCENT.end()))?;
        Ok(Logs {
            directory: whole(source, "logs.directory", directory)?,
            command_segment_bytes: command_segment_mib << 20,
            event_segment_bytes: event_segment_mib << 20,
            durability,
            refuse_orders_percent,
            hand_over_percent,
        })
    }
}
