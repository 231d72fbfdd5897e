//! The committed inputs of a target, and seeded mutations of them.
//!
//! A failure prints its seed and its input: `RIALTO_SEED=n` plays it again, and the input's bytes are
//! worth a file in `tests/corpus/TARGET`.

use std::fs;
use std::path::Path;
use std::thread;

/// How often an input is changed at once, at most.
const CHANGES_MAX: usize = 6;
/// No input grows beyond this.
const BYTES_MAX: usize = 16 * 1024;

/// Gives `target` each input of its corpus, and then `rounds` mutations of them.
pub(crate) fn replay(name: &str, target: fn(&[u8]), rounds: usize) {
    let inputs = inputs(name);
    for (file, input) in &inputs {
        give(file, input, target);
    }
    let seed = std::env::var("RIALTO_SEED").map_or(1, |text| text.parse().expect("a number"));
    println!("RIALTO_SEED={seed}");
    let mut random = Random(seed);
    for _ in 0..rounds {
        let (file, input) = &inputs[random.below(inputs.len())];
        let mut input = input.clone();
        for _ in 0..=random.below(CHANGES_MAX) {
            let (_, other) = &inputs[random.below(inputs.len())];
            mutate(&mut input, other, &mut random);
        }
        input.truncate(BYTES_MAX);
        give(file, &input, target);
    }
}

/// Every file of the corpus in the order of their names, with its name.
fn inputs(name: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let paths = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut inputs: Vec<_> =
        paths.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{}: no corpus", directory.display());
    inputs
}

fn give(file: &str, input: &[u8], target: fn(&[u8])) {
    let _shown = Shown { file, input };
    target(input);
}

/// An input that is printed if the target panics.
struct Shown<'a> {
    file: &'a str,
    input: &'a [u8],
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { file, input } = self;
            eprintln!("{file}, or a mutation of it, of {} bytes:", input.len());
            let digits: Vec<_> = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("{}", digits.concat());
        }
    }
}

/// Changes `input` a little, with what is in `other` too.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const BOUNDARIES: [u8; 8] = [0, 1, 2, 0x20, 0x7F, 0x80, 0xFE, 0xFF];
    let at = random.below(input.len().max(1));
    let length = 1 + random.below(64);
    match random.below(10) {
        0 => input.truncate(at),
        1 => input.extend((0..length).map(|_| random.byte())),
        2 => {
            let from = random.below(other.len().max(1));
            input.truncate(at);
            input.extend_from_slice(other.get(from..).unwrap_or_default());
        }
        _ if input.is_empty() => input.push(random.byte()),
        3 => {
            let end = (at + length).min(input.len());
            input.drain(at..end);
        }
        4 => {
            let end = (at + length).min(input.len());
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let end = (at + 4).min(input.len());
            let boundary = BOUNDARIES[random.below(BOUNDARIES.len())];
            input[at..end].fill(boundary);
        }
        6 => input[at] = BOUNDARIES[random.below(BOUNDARIES.len())],
        7 => input[at] = input[at].wrapping_add([1, 0xFF][random.below(2)]),
        8 => input[at] = random.byte(),
        _ => input[at] ^= 1 << random.below(8),
    }
}

/// A generator that needs no crate (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}
