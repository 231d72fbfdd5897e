//! Counters of a running node, which other processes read from a mapped file.
//!
//! A stage counts in a plain structure of its own and now and then copies it into its
//! [`CounterBlock`]. Nothing here decides anything, and nothing waits.
#![doc = include_str!("format.md")]

mod file;
mod reader;

pub use file::{CounterBlock, CounterFile, PUBLISH_INTERVAL};
pub use reader::{CounterReader, CountersError};

/// The name of the file in a node's logs directory.
pub const COUNTERS_FILE: &str = "counters";

/// What a stage counts: names, and their values at one moment.
pub trait CounterSet {
    /// The names, in the order of the values.
    const NAMES: &'static [&'static str];

    /// Copies the values, one for each name, in their order.
    fn publish(&self, block: &mut CounterBlock);
}

/// Defines a structure of counters, so that its names and its values cannot disagree.
macro_rules! counter_set {
    (
        $(#[$doc:meta])*
        $vis:vis struct $set:ident { $( $(#[$field_doc:meta])* $field:ident, )* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        $vis struct $set {
            $( $(#[$field_doc])* $vis $field: u64, )*
        }

        impl $crate::counters::CounterSet for $set {
            const NAMES: &'static [&'static str] = &[$( stringify!($field), )*];

            fn publish(&self, block: &mut $crate::counters::CounterBlock) {
                $( block.put(self.$field); )*
            }
        }
    };
}
pub(crate) use counter_set;

/// What the shards of a stage have counted together: of `order_entry.0.logins` and `order_entry.1.logins`
/// it is `order_entry.logins`. In the order in which they are first met.
#[must_use]
pub fn sums(counters: &[(String, u64)]) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = Vec::new();
    for (name, value) in counters {
        let Some(name) = without_shard(name) else { continue };
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(*value),
            None => sums.push((name, *value)),
        }
    }
    sums
}

/// The name of a shard's counter without the shard's number.
fn without_shard(name: &str) -> Option<String> {
    let (stage, rest) = name.split_once('.')?;
    let (shard, rest) = rest.split_once('.')?;
    let is_number = shard.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{stage}.{rest}"))
}

const MAGIC: u64 = u64::from_le_bytes(*b"RLCOUNT1");
const VERSION: u64 = 2;
/// The most counters in a file.
const COUNTERS_MAX: usize = 1_023;
/// Words in a line.
const LINE: usize = 8;
const WORDS: usize = LINE * (1 + COUNTERS_MAX);
/// Bytes in a name.
const NAME_BYTES_MAX: usize = 56;

const MAGIC_WORD: usize = 0;
const VERSION_WORD: usize = 1;
const NODE_WORD: usize = 2;
const PROCESS_WORD: usize = 3;
const START_WORD: usize = 4;
const COUNT_WORD: usize = 5;

/// The word with the value of counter `number`; its name follows.
const fn value_word(number: usize) -> usize {
    LINE * (1 + number)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::types::Nanos;

    counter_set! {
        /// Two counters.
        struct Pair {
            /// One.
            left,
            /// The other.
            right,
        }
    }

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("rialto-counters-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn create(&self) -> CounterFile {
            CounterFile::create(&self.0.join(COUNTERS_FILE), 7, Nanos(99)).unwrap()
        }

        fn values(&self) -> Vec<(String, u64)> {
            CounterReader::open(&self.0).unwrap().counters().collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn named(values: [(&str, u64); 3]) -> Vec<(String, u64)> {
        values.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    #[test]
    fn another_process_reads_what_was_published_last() {
        let scratch = Scratch::new("read");
        let mut file = scratch.create();
        let mut pair = file.block("stage", Pair::NAMES);
        let mut ring = file.block("ring", &["fill"]);
        let reader = CounterReader::open(&scratch.0).unwrap();
        assert_eq!((reader.node(), reader.started()), (7, Nanos(99)));
        assert_eq!(reader.process(), u64::from(std::process::id()));

        assert!(pair.is_due(Nanos(1)));
        Pair { left: 3, right: 4 }.publish(&mut pair);
        assert!(ring.is_due(Nanos(1)));
        ring.put(5);
        let values = named([("stage.left", 3), ("stage.right", 4), ("ring.fill", 5)]);
        assert_eq!(scratch.values(), values);

        assert!(pair.is_due(Nanos(1).after(PUBLISH_INTERVAL)));
        Pair { left: 6, right: 7 }.publish(&mut pair);
        let values = named([("stage.left", 6), ("stage.right", 7), ("ring.fill", 5)]);
        assert_eq!(reader.counters().collect::<Vec<_>>(), values);
    }

    #[test]
    fn what_shards_counted_is_summed_under_the_name_of_their_stage() {
        let counters = [
            ("engine.orders", 9),
            ("order_entry.0.logins", 3),
            ("order_entry.0.stack.opened", 4),
            ("order_entry.1.logins", 2),
            ("order_entry.1.stack.opened", 1),
            ("order_entry.port.rx_packets", 7),
        ];
        let counters = counters.map(|(name, value)| (name.to_owned(), value));
        let expected = [("order_entry.logins", 5), ("order_entry.stack.opened", 5)];
        assert_eq!(sums(&counters), expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn a_block_is_due_once_in_its_interval() {
        let scratch = Scratch::new("due");
        let mut block = scratch.create().block("stage", &["count"]).every(Nanos::SECOND);
        let due = [5, 5, 1_000_000_004, 1_000_000_005, 1_000_000_006, u64::MAX];
        let due = due.map(|now| block.is_due(Nanos(now)));
        assert_eq!(due, [true, false, false, true, false, true]);
        assert!(!CounterBlock::none().is_due(Nanos::MAX));
    }

    #[test]
    fn a_file_outlives_its_node_and_says_so() {
        let scratch = Scratch::new("stopped");
        let mut file = scratch.create();
        let mut block = file.block("stage", &["count"]);
        assert!(block.is_due(Nanos(1)));
        block.put(8);
        drop(file);
        assert!(CounterReader::open(&scratch.0).unwrap().is_running());
        drop(block);
        let reader = CounterReader::open(&scratch.0).unwrap();
        assert!(!reader.is_running());
        assert_eq!(reader.counters().next(), Some(("stage.count".to_owned(), 8)));
    }

    #[test]
    fn a_new_start_leaves_readers_of_the_last_one_alone() {
        let scratch = Scratch::new("again");
        let mut first = scratch.create().block("stage", &["count"]);
        assert!(first.is_due(Nanos(1)));
        first.put(8);
        let old = CounterReader::open(&scratch.0).unwrap();
        let _second = scratch.create().block("other", &["count"]);
        assert_eq!(scratch.values(), [("other.count".to_owned(), 0)]);
        assert_eq!(old.counters().next(), Some(("stage.count".to_owned(), 8)));
    }

    #[test]
    fn what_is_no_counters_file_is_named() {
        let scratch = Scratch::new("foreign");
        let path = scratch.0.join(COUNTERS_FILE);
        let error = CounterReader::open(&scratch.0).unwrap_err().to_string();
        assert!(error.contains("no counters here"), "{error}");
        for bytes in [0, 65_536] {
            std::fs::write(&path, vec![b'x'; bytes]).unwrap();
            let error = CounterReader::open(&scratch.0).unwrap_err().to_string();
            assert!(error.ends_with("counters: not a file of counters"), "{error}");
        }
        drop(scratch.create());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 1;
        std::fs::write(&path, bytes).unwrap();
        let error = CounterReader::open(&scratch.0).unwrap_err().to_string();
        assert!(error.ends_with("format version 1, this program reads 2"), "{error}");
    }

    #[test]
    #[should_panic(expected = "a counter that has no name")]
    fn a_value_more_than_names_is_a_defect() {
        let scratch = Scratch::new("more");
        let mut block = scratch.create().block("stage", &["count"]);
        block.put(1);
        block.put(2);
    }
}
