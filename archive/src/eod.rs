//! The end of a day: finds the days that have ended and are not archived, and archives each.
//!
//! Takes nothing from a day that is open, and never touches an archive that is there.

use std::fs;
use std::path::{Path, PathBuf};

use rialto::event_store::{Reader, StoreError};
use rialto::sys::file::{DirectoryLock, create_directory, sync_directory};
use rialto::types::event::{Event, EventHeader};
use rialto::types::{Date, SessionId};

use crate::extract::{Extractor, Origin, Refused};
use crate::file::Cut;
use crate::names::Names;
use crate::source::{Commands, Start, Walk};
use crate::tables::Tables;
use crate::verify::{Verified, verify, verify_files};
use crate::{ArchiveError, Manifest};

/// What became of a day.
#[derive(Debug)]
pub enum Outcome {
    /// It is archived now, and was read back.
    Archived(Verified),
    /// It had been archived before, and was read again.
    WasArchived(Verified),
}

/// Archives in `directory` every day that has ended of the logs below `logs`, and says what became of
/// each. If all are archived, verifies the last.
///
/// # Errors
/// [`ArchiveError::DayOpen`] if the next day has not ended, whatever was archived before; else what the
/// log, the archives there are, or the disk do not allow. What was being written is removed.
pub fn archive(
    logs: &Path,
    directory: &Path,
    cut: Cut,
    mut say: impl FnMut(&Outcome),
) -> Result<(), ArchiveError> {
    let (events, commands) = (logs.join("events"), logs.join("commands"));
    let (event_log, command_log) = (Reader::open(&events)?, Reader::open(&commands)?);
    create_directory(directory).map_err(ArchiveError::io("create", directory))?;
    let lock = DirectoryLock::exclusive(directory).map_err(ArchiveError::io("lock", directory))?;
    let _lock = lock.ok_or_else(|| ArchiveError::Busy { path: directory.to_owned() })?;
    remove_unfinished(directory)?;

    let newest = newest(directory)?;
    let (mut event_start, mut command_start) = (Start::BEGINNING, Start::BEGINNING);
    if let Some((_, manifest)) = &newest {
        event_start = Start::behind(&manifest.events);
        command_start = Start::behind(&manifest.commands);
    }
    let walk = |path: &Path, log: &Reader, start: &Start| {
        let walk = Walk::new(path, log, start.clone()).and_then(|walk| {
            let continues = Walk::new(path, log, start.clone())?.begins_where_another_ended()?;
            if continues { Ok(walk) } else { Err(other_log(path, directory)) }
        });
        walk.map_err(|error| match error {
            ArchiveError::Store(StoreError::NotCommitted { .. }) => other_log(path, directory),
            error => error,
        })
    };
    let mut found_any = false;
    loop {
        let of_events = walk(&events, &event_log, &event_start)?;
        let of_commands = walk(&commands, &command_log, &command_start)?;
        let day = match next_day(&of_events)? {
            NextDay::None => break,
            NextDay::Open(session) => {
                return Err(ArchiveError::DayOpen { session: session.text() });
            }
            NextDay::Ended(day) => day,
        };
        let partial = directory.join(format!("{PARTIAL}{}", day.session));
        let archived = write(day, of_events, Commands::new(of_commands), &partial, cut)
            .and_then(|verified| publish(directory, &partial, verified));
        let archived = archived.inspect_err(|_| {
            // What cannot be removed is by the next attempt.
            let _ = fs::remove_dir_all(&partial);
        })?;
        event_start = Start::behind(&archived.manifest.events);
        command_start = Start::behind(&archived.manifest.commands);
        say(&Outcome::Archived(archived));
        found_any = true;
    }
    match newest {
        _ if found_any => Ok(()),
        None => Err(ArchiveError::NoDay { path: events }),
        Some((path, _)) => {
            say(&Outcome::WasArchived(verify(&path)?));
            Ok(())
        }
    }
}

/// What an archive's directory begins with as long as it is none.
const PARTIAL: &str = ".partial-";

/// A day that has ended.
struct Day {
    session: SessionId,
    date: Date,
    /// The sequence of its last event.
    last: u64,
    names: Names,
}

enum NextDay {
    /// Nobody has begun one.
    None,
    Open(SessionId),
    Ended(Day),
}

/// The first day behind the place of `walk`.
fn next_day(walk: &Walk) -> Result<NextDay, ArchiveError> {
    let mut reader = walk.look_ahead();
    let (mut names, mut begun) = (Names::new(), None);
    while let Some(frame) = reader.next_frame()? {
        let first = frame.header.first_sequence;
        let wrong =
            |what: String| ArchiveError::Log { path: walk.path.clone(), sequence: first, what };
        for record in frame.records() {
            let record = record.map_err(|error| wrong(error.to_string()))?;
            if record.sequence <= walk.after() {
                continue;
            }
            let event = Event::parse(record.lines).map_err(|error| wrong(error.to_string()))?;
            names.learn(&event);
            match (event, begun) {
                (Event::DayStarted(started), None) => {
                    let date = Date::from_number(started.date);
                    let date = date.ok_or_else(|| wrong("a day of no date".to_owned()))?;
                    begun = Some((started.session, date));
                }
                (Event::DayEnded(_), Some((session, date))) => {
                    return Ok(NextDay::Ended(Day { session, date, last: record.sequence, names }));
                }
                (Event::DayStarted(_), Some(_)) | (Event::DayEnded(_), None) => {
                    return Err(wrong("days begin and end in turn".to_owned()));
                }
                _ => {}
            }
        }
    }
    Ok(begun.map_or(NextDay::None, |(session, _)| NextDay::Open(session)))
}

/// Writes the day's files into `partial`, and reads them back.
fn write(
    day: Day,
    mut events: Walk,
    mut commands: Commands,
    partial: &Path,
    cut: Cut,
) -> Result<Verified, ArchiveError> {
    fs::create_dir(partial).map_err(ArchiveError::io("create", partial))?;
    let Day { session, date, last, names } = day;
    let mut extractor = Extractor::new(Tables::new(partial, cut), names);
    let path = events.path.clone();
    let refused = |sequence, refused| match refused {
        Refused::Archive(error) => error,
        Refused::Event(what) => ArchiveError::Log { path: path.clone(), sequence, what },
    };
    let (after, mut last_command) = (events.after(), 0);
    let mut done = after;
    while done < last {
        let Some(frame) = events.next_frame()? else {
            return Err(refused(last, Refused::Event("the log ends before it".to_owned())));
        };
        commands.follow(frame.header)?;
        for record in frame.records() {
            let record = record.map_err(|error| {
                refused(frame.header.first_sequence, Refused::Event(error.to_string()))
            })?;
            if record.sequence <= after || record.sequence > last {
                continue;
            }
            done = record.sequence;
            let taken = (|| {
                let event = Event::parse(record.lines).map_err(|error| error.to_string())?;
                let header = EventHeader::view(record.lines);
                let header = header.ok_or_else(|| "an event without header".to_owned())?;
                let cause = commands.cause(header.cause)?;
                last_command = cause.sequence;
                let time = frame.header.time;
                extractor.take(&event, Origin { sequence: record.sequence, time, header, cause })
            })();
            taken.map_err(|error| refused(record.sequence, error))?;
        }
    }
    let tables = extractor.finish().map_err(|error| refused(last, error))?;
    let files = tables.finish()?;
    sync_directory(partial).map_err(ArchiveError::io("sync", partial))?;
    let (events, commands) = (events.part(last), commands.walk.part(last_command));
    let manifest = Manifest::new(session.text(), date.to_string(), events, commands, files);
    verify_files(partial, manifest)
}

/// The manifest, and then the name by which it is an archive.
fn publish(directory: &Path, partial: &Path, verified: Verified) -> Result<Verified, ArchiveError> {
    verified.manifest.write(partial)?;
    let path = directory.join(&verified.manifest.session);
    fs::rename(partial, &path).map_err(ArchiveError::io("rename", partial))?;
    sync_directory(directory).map_err(ArchiveError::io("sync", directory))?;
    Ok(Verified { path, ..verified })
}

/// What earlier attempts left.
fn remove_unfinished(directory: &Path) -> Result<(), ArchiveError> {
    for path in entries(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PARTIAL) {
            fs::remove_dir_all(&path).map_err(ArchiveError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The newest archive in `directory`.
fn newest(directory: &Path) -> Result<Option<(PathBuf, Manifest)>, ArchiveError> {
    let mut newest: Option<(PathBuf, Manifest)> = None;
    for path in entries(directory)? {
        let Some(manifest) = Manifest::read(&path)? else { continue };
        let is_newer = newest.as_ref().is_none_or(|(_, other)| {
            (manifest.events.last_sequence, &manifest.session)
                > (other.events.last_sequence, &other.session)
        });
        if is_newer {
            newest = Some((path, manifest));
        }
    }
    Ok(newest)
}

/// The directories in `directory`, in the order of their names.
pub(crate) fn entries(directory: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let listed = fs::read_dir(directory).map_err(ArchiveError::io("list", directory))?;
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry.map_err(ArchiveError::io("list", directory))?.path();
        if path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn other_log(log: &Path, archive: &Path) -> ArchiveError {
    ArchiveError::OtherLog { archive: archive.to_owned(), log: log.to_owned() }
}
