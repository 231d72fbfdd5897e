//! `rialto market plan` and `apply`: what a market file would change, and changing it, one answered
//! command after the other.

use std::path::PathBuf;

use super::operator::{Answer, Operator, answer};
use crate::cli::CliError;
use crate::config::Config;
use crate::config::market::{Defined, Market, Plan};
use crate::config::secrets::{PortSecrets, load_cluster_key};
use crate::event_store::Reader;
use crate::types::command::AdminHeader;
use crate::types::event::Event;
use crate::types::{Line, SessionId};

/// What is compared.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// The configuration of the node, which says where its logs are.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The market file.
    #[arg(long, value_name = "FILE")]
    market: PathBuf,
}

/// Arguments of `rialto market apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    operator: Operator,
    /// A file to make for the new ports' secrets, readable by you alone, instead of showing them.
    #[arg(long, value_name = "FILE")]
    new_secrets: Option<PathBuf>,
}

/// Says what the file would change.
pub(super) fn plan(files: &Files) -> Result<(), CliError> {
    let plan = make_plan(&Config::load(&files.config)?, files)?;
    for change in plan.changes() {
        println!("{change}");
    }
    println!("{}", summary(&plan));
    Ok(())
}

/// Changes it.
pub(super) fn apply(args: &Args) -> Result<(), CliError> {
    let config = Config::load(&args.files.config)?;
    let plan = make_plan(&config, &args.files)?;
    if plan.changes().is_empty() {
        println!("{}", summary(&plan));
        return Ok(());
    }
    let key = load_cluster_key(&config.control().cluster_key_file)?;
    let mut session = args.operator.login(SessionId::BLANK, 0)?;
    // Their owner gets the secrets before anything depends on them.
    let secrets = PortSecrets::generate(plan.port_names())?;
    match &args.new_secrets {
        Some(path) if secrets.iter().len() > 0 => secrets.write_new(path)?,
        _ => {
            for (name, secret) in secrets.iter() {
                println!("port {name} secret {}", secret.reveal());
            }
        }
    }
    let commands = plan.commands(&key, &secrets);
    for ((request, change), mut command) in
        (args.operator.request()..).zip(plan.changes()).zip(commands)
    {
        let header = AdminHeader::view_mut(&mut command).expect("a command has a header");
        header.request = request;
        session.send(Line::bytes(&command))?;
        match answer(&mut session, request) {
            Ok(Answer::Done) => println!("{change}: done"),
            Ok(Answer::SessionOver) => return Err(CliError::DayRolled),
            Err(error) => {
                println!("{change}: not done");
                return Err(error);
            }
        }
    }
    println!("{}", summary(&plan));
    session.logout()?;
    Ok(())
}

fn make_plan(config: &Config, files: &Files) -> Result<Plan, CliError> {
    let market = Market::load(&files.market)?;
    market.fits(config)?;
    let mut events = Reader::open(&config.logs().events())?;
    let mut defined = Defined::default();
    while let Some(frame) = events.next_frame()? {
        for record in frame.records() {
            // A kind of a later version defines nothing that this one could compare.
            if let Ok(event) = Event::parse(record?.lines) {
                defined.learn(&event);
            }
        }
    }
    Plan::between(&market, &defined).map_err(CliError::CannotChange)
}

fn summary(plan: &Plan) -> String {
    let changes = match plan.changes().len() {
        0 => "nothing to change".to_owned(),
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    match plan.unmentioned() {
        0 => changes,
        count => format!("{changes}; {count} definitions that the file does not mention stay"),
    }
}
