//! The demo seen from outside: it finds room for the logs, makes the private network, runs the demo in
//! it, and leaves nothing behind. It trades nothing itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Args, DemoError};
use crate::cli::lab::{self, Lab};
use crate::sys::file;

/// Log bytes for each Enter message, cancels and fills included, and generously.
const BYTES_PER_ORDER: u64 = 768;
/// What the two logs hold in reserve, in segments of 64 MiB: what is written and what comes next.
const RESERVE_BYTES: u64 = 4 << 26;

pub(super) fn run(args: &Args) -> Result<(), DemoError> {
    let dir = directory(args)?;
    fs::create_dir_all(&dir).map_err(DemoError::file("make", &dir))?;
    let dir = fs::canonicalize(&dir).map_err(DemoError::file("find", &dir))?;
    lab::check(Lab::Wire)?;
    let logs = Logs::make(args, &dir)?;
    let status = lab::run(Lab::Wire, arguments(args, &dir, logs.path()))?;
    if status.success() { Ok(()) } else { Err(DemoError::Inside) }
}

fn directory(args: &Args) -> Result<PathBuf, DemoError> {
    if let Some(dir) = &args.dir {
        return Ok(dir.clone());
    }
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Ok(state.or_else(home).ok_or(DemoError::NoHome)?.join("rialto/demo"))
}

fn arguments(args: &Args, dir: &Path, logs: &Path) -> Vec<String> {
    let Args { duration, rate, brokers, symbols, backend, dir: _, seed, drop, inside_with_logs: _ } =
        args;
    let numbers = [
        ("--duration", duration.to_string()),
        ("--rate", rate.to_string()),
        ("--brokers", brokers.to_string()),
        ("--symbols", symbols.to_string()),
        ("--backend", backend.name().to_owned()),
        ("--dir", dir.display().to_string()),
        ("--seed", seed.to_string()),
        ("--inside-with-logs", logs.display().to_string()),
    ];
    let drop = drop.map(|datagram| ("--drop", datagram.to_string()));
    let words = numbers.into_iter().chain(drop).flat_map(|(name, value)| [name.to_owned(), value]);
    ["demo".to_owned()].into_iter().chain(words).collect()
}

/// The directory of the node's logs, removed when the demo is over.
struct Logs(PathBuf);

impl Logs {
    /// In memory if they fit, else on the disk of `dir`.
    fn make(args: &Args, dir: &Path) -> Result<Self, DemoError> {
        let orders = u64::from(args.duration) * u64::from(args.rate);
        let need = orders.saturating_mul(BYTES_PER_ORDER).saturating_add(RESERVE_BYTES);
        let memory = Path::new("/dev/shm");
        let [in_memory, on_disk] = [memory, dir].map(|path| file::free_bytes(path).unwrap_or(0));
        let path = if in_memory >= need {
            memory.join(format!("rialto-demo-{}", std::process::id()))
        } else if on_disk >= need {
            eprintln!(
                "demo: the logs may need {} MiB and /dev/shm has {}: they go to {}, expect higher \
                 latencies",
                need >> 20,
                in_memory >> 20,
                dir.display()
            );
            dir.join("logs")
        } else {
            return Err(DemoError::Space {
                need_mib: need >> 20,
                memory_mib: in_memory >> 20,
                disk_mib: on_disk >> 20,
                path: dir.to_owned(),
            });
        };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(DemoError::file("empty", &path))?;
        }
        fs::create_dir(&path).map_err(DemoError::file("make", &path))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("demo: {} is left behind: {error}", self.0.display());
        }
    }
}
