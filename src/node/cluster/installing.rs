//! An image that was taken becomes what the node begins with: proven first, as a start would prove it, and
//! then put in place of the logs that were there, which end before it.
//!
//! Every step can be taken again: a process that dies in between leaves the rest to the next start.

use std::fs;
use std::path::Path;

use tracing::{info, warn};

use super::images::{Description, remove};
use crate::config::Config;
use crate::event_store::{Reader, Snapshots};
use crate::node::boot::index_seed;
use crate::node::restart::resume;
use crate::node::{NodeError, known_limits};
use crate::sys::file::{create_directory, sync_directory};

/// Directories beside the logs: of an image that comes, and of one that has come.
pub(super) const INCOMING: &str = "incoming";
/// See [`INCOMING`].
pub(super) const INSTALLED: &str = "installed";
/// What is in them.
pub(super) const DESCRIPTION: &str = "description";
pub(super) const SNAPSHOTS: &str = "snapshots";
pub(super) const LOGS: [&str; 2] = ["commands", "events"];

/// Puts an image in place that was taken and not yet put there, and says what is in it. One that is not sound
/// is removed, and what was there before stays.
///
/// # Errors
/// The operating system's.
pub(super) fn install(config: &Config) -> Result<Option<Description>, NodeError> {
    let directory = &config.logs().directory;
    let failed = |source| NodeError::Install { directory: directory.clone(), source };
    let installed = directory.join(INSTALLED);
    if !installed.exists() {
        return Ok(None);
    }
    let described = fs::read(installed.join(DESCRIPTION)).map_err(failed)?;
    let description: Option<Description> = postcard::from_bytes(&described).ok();
    // Once one log was moved, all of it was proven.
    let is_whole = LOGS.iter().all(|log| installed.join(log).exists());
    let sound = match (&description, is_whole) {
        (None, _) => Err("nothing says what is in it".to_owned()),
        (Some(_), false) => Ok(()),
        (Some(description), true) => {
            prove(&installed, description).map_err(|error| error.to_string())
        }
    };
    let (Some(description), Ok(())) = (description, &sound) else {
        warn!(why = sound.err(), "an image that was taken is of no use, and is removed");
        remove(&installed).map_err(failed)?;
        return Ok(None);
    };
    put_in_place(config, &installed).map_err(failed)?;
    info!(index = description.index, "begins with an image of another node");
    Ok(Some(description))
}

/// Removes what is left of images: of one that has not come whole, and of one that was put in place, once its
/// members are this node's too, durably.
///
/// # Errors
/// The operating system's.
pub(super) fn remove_taken(config: &Config) -> Result<(), NodeError> {
    let directory = &config.logs().directory;
    let failed = |source| NodeError::Install { directory: directory.clone(), source };
    remove(&directory.join(INCOMING)).map_err(failed)?;
    remove(&directory.join(INSTALLED)).map_err(failed)
}

/// Everything in it is as it was written, and fits together.
fn prove(installed: &Path, description: &Description) -> Result<(), NodeError> {
    let snapshots = Snapshots::new(&installed.join(SNAPSHOTS));
    let [commands, events] = LOGS.map(|log| Reader::open(&installed.join(log)));
    let (commands, events) = (commands?, events?);
    for log in [&commands, &events] {
        let mut log = log.clone();
        while log.next_frame()?.is_some() {}
    }
    let limits = known_limits(&commands, &snapshots)?;
    let useless = || NodeError::commands_retired(&commands, &snapshots, &[]);
    let limits = limits.ok_or_else(useless)?;
    let (commands_end, events_end) = (commands.committed(), events.committed());
    let resumed = resume(&snapshots, (&limits, index_seed()?), commands.clone(), events)?;
    let is_end = resumed.commands.position() == commands_end
        && resumed.events.position() == events_end
        && resumed.engine.next_command() > 1
        && description.index > 0;
    if is_end { Ok(()) } else { Err(useless()) }
}

fn put_in_place(config: &Config, installed: &Path) -> std::io::Result<()> {
    let directory = &config.logs().directory;
    let snapshots = &config.snapshots().directory;
    create_directory(snapshots)?;
    for entry in fs::read_dir(installed.join(SNAPSHOTS))? {
        let from = entry?.path();
        let Some(name) = from.file_name() else { continue };
        let (unfinished, to) = (snapshots.join("image.new"), snapshots.join(name));
        fs::copy(&from, &unfinished)?;
        fs::File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &to)?;
    }
    sync_directory(snapshots)?;
    for log in LOGS {
        let (from, to) = (installed.join(log), directory.join(log));
        if from.exists() {
            remove(&to)?;
            fs::rename(&from, &to)?;
            sync_directory(directory)?;
        }
    }
    Ok(())
}
