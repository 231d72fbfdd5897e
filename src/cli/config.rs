//! `rialto config check`: reads what a node would read and says what it would run with. Starts
//! nothing, opens no log, and makes no secret.

use std::path::PathBuf;

use super::CliError;
use crate::config::market::Market;
use crate::config::{Access, Backend, Config, Durability, Retention, Service, Snapshots};

/// Arguments of `rialto config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prove a node's configuration and, if given, a market file.
    #[command(after_help = "Example:\n  \
        rialto config check hwconfig/demo.toml --market hwconfig/market-small.toml")]
    Check {
        /// The node's configuration.
        file: PathBuf,
        /// A market file, which must fit the node.
        #[arg(long)]
        market: Option<PathBuf>,
    },
}

/// Runs the command: prints what was proven, in a few lines.
///
/// # Errors
/// What is wrong: file, key, value and rule.
pub fn run(args: &Args) -> Result<(), CliError> {
    let Command::Check { file, market } = &args.command;
    let config = Config::load(file)?;
    print!("{}", describe(&config));
    if let Some(Service { order_entry: entry, .. }) = config.service()
        && let Some(path) = &entry.access_file
    {
        Access::load(path, &entry.allow)?;
        println!("access       {}, read again when it changes", path.display());
    }
    if let Some(path) = market {
        let market = Market::load(path)?;
        market.fits(&config)?;
        println!("market       {}", market.summary());
    }
    Ok(())
}

fn describe(config: &Config) -> String {
    let (node, logs) = (config.node(), config.logs());
    let durability = match logs.durability {
        Durability::Memory => "memory",
        Durability::Disk => "disk",
    };
    let threads = config.placement().threads.iter().map(|thread| {
        let stages: Vec<_> = thread.stages.iter().map(|stage| stage.name()).collect();
        let core = thread.core.map_or("any core".to_owned(), |core| format!("core {core}"));
        format!("{core}: {}", stages.join(" > "))
    });
    let threads: Vec<_> = threads.collect();
    let capacity = config.capacity();
    format!(
        "node         {} \"{}\"\n\
         logs         {}, durability {durability}, segments {} and {} MiB\n\
         snapshots    {}\n\
         retention    {}\n\
         control      {}, key {}\n\
         {}\n\
         placement    {}\n\
         capacity     {} orders, {} ports, {} accounts, {} instruments\n",
        node.id,
        node.name,
        logs.directory.display(),
        logs.command_segment_bytes >> 20,
        logs.event_segment_bytes >> 20,
        snapshots(config.snapshots()),
        retention(config.retention()),
        config.control().directory.display(),
        config.control().cluster_key_file.display(),
        service(config.service()),
        threads.join("\n             "),
        capacity.orders,
        capacity.ports,
        capacity.accounts,
        capacity.instruments,
    )
}

fn service(service: Option<&Service>) -> String {
    let Some(Service { order_entry: entry, dpdk, feed, admin }) = service else {
        return "observer     serves nobody: started with `rialto observe`".to_owned();
    };
    let device = match entry.backend {
        Backend::Dpdk => format!("dpdk {}", dpdk.device),
        Backend::Kernel => "kernel sockets".to_owned(),
    };
    let allow: Vec<_> = entry.allow.iter().map(ToString::to_string).collect();
    format!(
        "order entry  {} over {device}, {} connections from {}\n\
         feed         {} ttl {}\n\
         admin        {}",
        entry.listen,
        entry.connections_max,
        allow.join(", "),
        feed.group,
        feed.ttl,
        admin.listen,
    )
}

fn snapshots(snapshots: &Snapshots) -> String {
    match snapshots.every_commands {
        0 => "none taken".to_owned(),
        every => format!("each {every} commands, in {}", snapshots.directory.display()),
    }
}

fn retention(retention: &Retention) -> String {
    let Retention::Needed(kept) = retention else { return "everything is kept".to_owned() };
    let hours = kept.time.second() / 3_600;
    let (gib, percent) = (kept.bytes >> 30, kept.disk_percent);
    let archive = kept.archive.as_ref();
    let parts = [
        Some("what a restart and the sessions of the day need".to_owned()),
        (hours > 0).then(|| format!("the last {hours} hours")),
        (gib > 0).then(|| format!("the last {gib} GiB of each log")),
        archive.map(|path| format!("days that are not in {}", path.display())),
        (percent > 0).then(|| format!("everything while the disk is less than {percent} % full")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
