//! `rialto log info` and `rialto log verify`: what a survey of the event store found, in words.
//! Parses nothing itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::walk::no_log;
use crate::cli::{CliError, units};
use crate::event_store::{self, Control, Known, LogKind, StoreError, Survey};
use crate::node::{CommandLogPast, Progress};
use crate::sys::file::boot_id;
use crate::types::{FrameHeader, Position};

/// Arguments of `rialto log info`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto log info /dev/shm/rialto/commands\n  \
    rialto log info /dev/shm/rialto/events --json | jq .records\n\n\
    It reads all of the log, as verify does. Of a running node it sees what is committed; a stopped one \
    cannot start meanwhile.")]
pub(super) struct InfoArgs {
    /// The log's directory: the one that holds its segments.
    directory: PathBuf,
    /// The node's control file, which says how far a command log was durable.
    #[arg(long, value_name = "FILE")]
    control: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `rialto log verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  rialto log verify /var/lib/rialto/commands\n\n\
    Exit status 1 says that something is damaged; what a write that did not finish left at the end is \
    not. A command log that lost its end looks whole: only with the node's control file (--control) is \
    that seen. Of a running node it sees what is committed; a stopped one cannot start meanwhile.")]
pub(super) struct VerifyArgs {
    /// The log's directory: the one that holds its segments.
    directory: PathBuf,
    /// The node's control file, which says how far a command log was durable.
    #[arg(long, value_name = "FILE")]
    control: Option<PathBuf>,
}

/// Says what the log holds, damaged or not.
pub(super) fn info(args: &InfoArgs) -> Result<(), CliError> {
    let past = past(args.control.as_deref())?;
    let survey = survey(&args.directory, past)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", as_json(&survey, past))?;
    } else {
        write_text(&survey, past, &mut out)?;
    }
    Ok(())
}

/// Says that the log is sound, or fails with its first damage.
pub(super) fn verify(args: &VerifyArgs) -> Result<(), CliError> {
    let past = past(args.control.as_deref())?;
    let survey = survey(&args.directory, past)?;
    if let Some(damage) = survey.damage {
        return Err(damage.into());
    }
    let Survey { frames, records, .. } = survey;
    let mut out = io::stdout().lock();
    writeln!(out, "sound: {frames} frames, {records} records, up to position {}", survey.end())?;
    if let Some(torn) = torn(&survey) {
        writeln!(out, "torn: {torn}")?;
    }
    if survey.in_use {
        writeln!(out, "in use: what lies above the commit position was not looked at")?;
    } else if survey.kind == LogKind::Commands && past.is_none() {
        writeln!(out, "how far it was durable is in the node's control file: see --control")?;
    }
    if let Some(lost) = lost(&survey, past) {
        writeln!(out, "{lost}")?;
    }
    Ok(())
}

/// What the control file says of a command log.
fn past(control: Option<&Path>) -> Result<Option<CommandLogPast>, CliError> {
    let Some(path) = control else { return Ok(None) };
    Ok(Some(CommandLogPast::new(&Control::read(path)?, boot_id()?)))
}

/// What may be missing behind the end of the log, though it is whole.
fn lost(survey: &Survey, past: Option<CommandLogPast>) -> Option<String> {
    let past = past.filter(|past| past.may_be_cut && !survey.in_use)?;
    Some(format!(
        "the machine went down: commands behind position {}, the last that is known to have been \
         durable, may be gone with its memory",
        past.known.durable
    ))
}

/// The survey, with its progress.
fn survey(directory: &Path, past: Option<CommandLogPast>) -> Result<Survey, CliError> {
    let mut progress = Progress::new("checking");
    let known = past.map_or(Known::NOTHING, |past| past.known);
    let survey = event_store::survey_knowing(directory, known, |survey| {
        progress.at_record(survey.end(), extent(survey), survey.records);
    });
    let survey = match survey {
        Err(StoreError::NoLog { path }) => return Err(no_log(path)),
        surveyed => surveyed?,
    };
    if past.is_some() && survey.kind != LogKind::Commands {
        return Err(CliError::NotCommands { directory: directory.to_owned() });
    }
    Ok(survey)
}

/// How far the log reaches at most.
fn extent(survey: &Survey) -> Position {
    let segments = survey.segments.last().map_or(0, |last| last.number + 1);
    match survey.committed {
        Some(committed) if survey.in_use => committed,
        _ => Position(segments * survey.segment_bytes),
    }
}

fn write_text(
    survey: &Survey,
    past: Option<CommandLogPast>,
    out: &mut impl Write,
) -> io::Result<()> {
    let Survey { kind, segment_bytes, frames, records, segments, .. } = survey;
    let state = if survey.in_use { "in use" } else { "not in use" };
    writeln!(out, "log          {kind}, {state}")?;
    writeln!(out, "segments     {} of {} MiB", segments.len(), segment_bytes >> 20)?;
    for segment in segments {
        let file = segment.path.file_name().unwrap_or_default().to_string_lossy();
        match segment.frames {
            0 => writeln!(out, "             {file}: blank")?,
            frames => writeln!(
                out,
                "             {file}: {frames} frames, {} records, {} bytes used",
                segment.records, segment.used_bytes
            )?,
        }
    }
    writeln!(out, "frames       {frames}")?;
    writeln!(out, "records      {records}")?;
    if let (Some(first), Some(last)) = (&survey.first, &survey.last) {
        writeln!(out, "sequences    {} to {}", first.first_sequence, last_sequence(last))?;
        writeln!(out, "terms        {} to {}", first.term, last.term)?;
        let times = [first, last].map(|header| units::show_moment(header.time));
        writeln!(out, "times        {} to {} UTC", times[0], times[1])?;
    }
    writeln!(out, "end          position {}", survey.end())?;
    match survey.committed {
        Some(committed) => writeln!(out, "committed    position {committed}")?,
        None => writeln!(out, "committed    unknown: nobody has opened it since the last boot")?,
    }
    match past {
        Some(past) => writeln!(out, "durable      position {}", past.known.durable)?,
        None if survey.kind == LogKind::Commands => {
            writeln!(out, "durable      unknown: see --control")?;
        }
        None => {}
    }
    if let Some(lost) = lost(survey, past) {
        writeln!(out, "lost         {lost}")?;
    }
    if let Some(torn) = torn(survey) {
        writeln!(out, "torn         {torn}")?;
    }
    if let Some(damage) = &survey.damage {
        writeln!(out, "damage       {damage}")?;
    }
    Ok(())
}

fn torn(survey: &Survey) -> Option<String> {
    let torn = survey.torn.as_ref()?;
    Some(format!(
        "{} bytes from position {} on ({}), of a write that did not finish; the next start cuts them",
        torn.bytes, torn.position, torn.damage
    ))
}

fn as_json(survey: &Survey, past: Option<CommandLogPast>) -> Value {
    let segments = survey.segments.iter().map(|segment| {
        json!({
            "number": segment.number,
            "path": segment.path.to_string_lossy(),
            "file_bytes": segment.file_bytes,
            "frames": segment.frames,
            "records": segment.records,
            "used_bytes": segment.used_bytes,
        })
    });
    let (first, last) = (survey.first.as_ref(), survey.last.as_ref());
    let torn = survey.torn.as_ref().map(|torn| {
        let damage = torn.damage.to_string();
        json!({"position": torn.position.0, "bytes": torn.bytes, "damage": damage})
    });
    json!({
        "kind": survey.kind.to_string(),
        "in_use": survey.in_use,
        "segment_bytes": survey.segment_bytes,
        "segments": segments.collect::<Vec<_>>(),
        "frames": survey.frames,
        "records": survey.records,
        "first_sequence": first.map(|header| header.first_sequence),
        "last_sequence": last.map(last_sequence),
        "first_term": first.map(|header| header.term),
        "last_term": last.map(|header| header.term),
        "first_time_ns": first.map(|header| header.time.0),
        "last_time_ns": last.map(|header| header.time.0),
        "end": survey.end().0,
        "committed": survey.committed.map(|position| position.0),
        "durable": past.map(|past| past.known.durable.0),
        "may_be_cut": past.map(|past| past.may_be_cut),
        "torn": torn,
        "damage": survey.damage.as_ref().map(ToString::to_string),
    })
}

fn last_sequence(header: &FrameHeader) -> u64 {
    (header.first_sequence + u64::from(header.count)).saturating_sub(1)
}
