//! Damage: whatever is changed in an archive is found, and named. And what the logs say that cannot be is no
//! archive.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rialto_archive::{ArchiveError, Cut, verify};

use crate::exchange::Exchange;
use crate::trading::eventful_day;
use crate::{Scratch, names_in};

/// Two row groups in a file, and two files of orders.
const CUT: Cut = Cut { group_rows: 16, file_groups: 2 };

fn archived() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 20);
    exchange.end_day();
    scratch.eod(CUT).unwrap();
    let archive = scratch.archive_of("2611230001");
    verify(&archive).unwrap();
    (scratch, archive)
}

/// What verifying says, which must name the file.
#[track_caller]
fn damage(archive: &Path, file: &str) -> String {
    match verify(archive) {
        Err(ArchiveError::Damaged { path, what }) => {
            assert_eq!(path.file_name().unwrap(), file, "{what}");
            what
        }
        Err(ArchiveError::Io { path, source, .. }) => {
            assert_eq!(path.file_name().unwrap(), file, "{source}");
            source.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (_scratch, archive) = archived();
    for name in names_in(&archive) {
        let path = archive.join(&name);
        let file = fs::File::options().read(true).write(true).open(&path).unwrap();
        let bytes = file.metadata().unwrap().len();
        // All of the manifest, and samples of the others, their ends among them.
        let step = if name == "manifest.json" { 1 } else { bytes / 8 + 1 };
        let places = (0..bytes).step_by(usize::try_from(step).unwrap()).chain([bytes - 1]);
        for at in places {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
            let what = damage(&archive, &name);
            assert!(name == "manifest.json" || what.contains("SHA-256"), "{name} at {at}: {what}");
            file.write_all_at(&byte, at).unwrap();
        }
    }
    verify(&archive).unwrap();
}

#[test]
fn a_file_cut_short_at_any_length_is_found() {
    let (_scratch, archive) = archived();
    for name in names_in(&archive) {
        let path = archive.join(&name);
        let whole = fs::read(&path).unwrap();
        let step = whole.len() / 6 + 1;
        for length in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..length]).unwrap();
            let what = damage(&archive, &name);
            assert!(name == "manifest.json" || what.contains("bytes, the manifest says"), "{what}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        damage(&archive, &name);
        fs::write(&path, whole).unwrap();
    }
    verify(&archive).unwrap();
}

#[test]
fn a_file_that_is_missing_is_named() {
    let (_scratch, archive) = archived();
    for name in names_in(&archive).iter().filter(|name| *name != "manifest.json") {
        let (path, away) = (archive.join(name), archive.join("away"));
        fs::rename(&path, &away).unwrap();
        assert!(damage(&archive, name).contains("No such file"));
        fs::rename(&away, &path).unwrap();
    }
    fs::remove_file(archive.join("manifest.json")).unwrap();
    assert!(matches!(verify(&archive), Err(ArchiveError::NoArchive { .. })));
}

#[test]
fn two_files_that_changed_places_are_found() {
    let (_scratch, archive) = archived();
    let [one, other] =
        ["orders-0000.parquet", "orders-0001.parquet"].map(|name| archive.join(name));
    let away = archive.join("away");
    fs::rename(&one, &away).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(&away, &other).unwrap();
    damage(&archive, "orders-0000.parquet");
}

#[test]
fn an_archive_that_is_damaged_is_not_taken_for_done() {
    let (scratch, archive) = archived();
    let path = archive.join("trades-0000.parquet");
    let mut bytes = fs::read(&path).unwrap();
    bytes[10] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let error = scratch.eod(CUT).unwrap_err().to_string();
    assert!(error.contains("trades-0000.parquet: damaged: its SHA-256"), "{error}");
    assert!(error.contains("make it again"), "{error}");
    // As it says.
    fs::remove_dir_all(&archive).unwrap();
    assert_eq!(scratch.eod(CUT).unwrap(), ["archived 2611230001"]);
}

#[test]
fn a_damaged_log_is_not_archived() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 20);
    exchange.end_day();
    for (log, at) in [("events", 9_000), ("commands", 3_000)] {
        let path = scratch.logs().join(log).join("00000000.seg");
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 16], at).unwrap();
        let error = scratch.eod(CUT).unwrap_err().to_string();
        assert!(error.contains(log), "{error}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
        file.write_all_at(&byte, at).unwrap();
    }
    assert_eq!(scratch.eod(CUT).unwrap(), ["archived 2611230001"]);
}
