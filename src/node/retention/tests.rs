//! What an archive says, and what is not believed.

use std::fs;
use std::path::{Path, PathBuf};

use super::archive::hash_text;
use super::*;
use crate::event_store::{LogKind, Options};
use crate::types::command::{CommandHeader, Tick};
use crate::types::{Cause, FrameKind, Nanos, Record as _};

/// Two logs of some frames each.
struct Site {
    directory: PathBuf,
    readers: [Reader; 2],
    /// Where each frame starts, and the hash behind it; the same in both.
    frames: Vec<(u64, u64)>,
}

impl Site {
    fn new(name: &str) -> Self {
        let name = format!("rialto-retention-{name}-{}", std::process::id());
        let directory = Path::new("/dev/shm").join(name);
        let mut frames = Vec::new();
        let readers = [(LogKind::Commands, "commands"), (LogKind::Events, "events")];
        let readers = readers.map(|(kind, of)| {
            let options = Options::new(kind, 1 << 20);
            let (mut writer, _) = Writer::open(&directory.join(of), options).unwrap();
            let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
            let tick = Tick { header, reserved: [0; 40] };
            let mut chain = *writer.chain();
            frames.clear();
            for index in 1..=4 {
                let cause = Cause { index, term: 1, time: Nanos(index) };
                let header = chain.seal(FrameKind::Normal, cause, 1, tick.lines());
                writer.append(&header, tick.lines()).unwrap();
                frames.push((header.start.0, chain.hash));
            }
            writer.commit(chain.end);
            writer.reader()
        });
        Self { directory, readers, frames }
    }

    /// What an archive says that ends with this frame, in the words of `rialto archive eod`.
    fn manifest(&self, frame: usize) -> String {
        let (start, hash) = self.frames[frame];
        let part = format!(
            "{{\n    \"first_sequence\": 1,\n    \"last_sequence\": {},\n    \"first_frame\": 64,\n    \
             \"sealed_below\": {start},\n    \"hash_before\": \"00\",\n    \"hash_after\": \"{hash:016x}\"\n  }}",
            frame + 1
        );
        let body = format!(
            "{{\n  \"format\": 1,\n  \"session\": \"2611230001\",\n  \"events\": {part},\n  \
             \"commands\": {part},\n  \"files\": []\n}}"
        );
        let hash = hash_text(&body);
        format!(
            "{{\n  \"manifest\": {},\n  \"sha256\": \"{hash}\"\n}}\n",
            body.replace('\n', "\n  ")
        )
    }

    fn archives(&self, day: &str, manifest: &str) {
        let directory = self.directory.join("archive").join(day);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("manifest.json"), manifest).unwrap();
    }

    fn sealed(&mut self) -> Result<Option<u64>, String> {
        let [commands, events] = &mut self.readers;
        let found = archived(&self.directory.join("archive"), commands, events);
        let below = found.map_err(|error| error.to_string())?;
        assert!(below.is_none_or(|below| below.commands == below.events));
        Ok(below.map(|below| below.events.0))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn the_newest_archive_says_how_far_the_logs_are_sealed() {
    let mut site = Site::new("newest");
    assert_eq!(site.sealed(), Ok(None));
    site.archives("2611230001", &site.manifest(2));
    site.archives("2611220001", &site.manifest(1));
    assert_eq!(site.sealed(), Ok(Some(site.frames[2].0)));
    // One that is not finished is none, whatever it says.
    site.archives(".partial-2611240001", &site.manifest(3));
    fs::write(site.directory.join("archive/notes"), "of the operators").unwrap();
    assert_eq!(site.sealed(), Ok(Some(site.frames[2].0)));
}

#[test]
fn a_damaged_archive_and_one_of_another_log_say_nothing() {
    let mut site = Site::new("damaged");
    let manifest = site.manifest(2);
    site.archives(
        "2611230001",
        &manifest.replacen("\"last_sequence\": 3", "\"last_sequence\": 2", 1),
    );
    let said = site.sealed().unwrap_err();
    assert!(said.contains("its SHA-256") && said.contains("rialto archive verify"), "{said}");
    site.archives("2611230001", &manifest[..manifest.len() / 2]);
    assert!(site.sealed().unwrap_err().contains("manifest.json"));

    let frames = site.frames.clone();
    site.frames[2].1 ^= 1;
    site.archives("2611230001", &site.manifest(2));
    let said = site.sealed().unwrap_err();
    assert!(said.contains("it is of another log than"), "{said}");
    site.frames = frames;
    site.frames[2].0 += 64;
    site.archives("2611230001", &site.manifest(2));
    assert!(site.sealed().unwrap_err().contains("it is of another log than"));
}
