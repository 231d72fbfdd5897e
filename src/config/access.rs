//! `access.toml`: who may talk to order entry, and from where each port may log in. The one file that
//! a node reads again while it runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::error::{ConfigError, Source};
use crate::net::ipv4::Ipv4Network;
use crate::net::{AccessList, PortNetworks};
use crate::types::PortName;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who may talk to us.
    pub list: AccessList,
    /// From where ports may log in.
    pub ports: PortNetworks,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Instead of those of `node.toml`.
    allow: Option<Vec<String>>,
    #[serde(default)]
    block: Vec<String>,
    #[serde(default)]
    ports: BTreeMap<String, Vec<String>>,
}

/// Networks in the file: all lists of them together.
const NETWORKS_MAX: usize = 65_536;

impl Access {
    /// What holds without a file: the networks of `node.toml`.
    #[must_use]
    pub fn of(allow: &[Ipv4Network]) -> Self {
        Self::new(AccessList::new(allow, &[]), [])
    }

    fn new(
        list: AccessList,
        ports: impl IntoIterator<Item = (PortName, Vec<Ipv4Network>)>,
    ) -> Self {
        Self { ports: PortNetworks::new(list.clone(), ports), list }
    }

    /// Reads and proves the file; `allow` is what `node.toml` says.
    ///
    /// # Errors
    /// What is wrong with it: file, key, value and the rule it breaks.
    pub fn load(path: &Path, allow: &[Ipv4Network]) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text, allow)
    }

    fn parse(path: &Path, text: &str, allow: &[Ipv4Network]) -> Result<Self, ConfigError> {
        let source = Source::new(path);
        let File { allow: own, block, ports } = source.parse(text)?;
        let count = own.iter().chain(ports.values()).map(Vec::len).sum::<usize>() + block.len();
        let rule = format_args!("must be at most {NETWORKS_MAX} networks in all");
        source.rule(count <= NETWORKS_MAX, "allow, block and ports", count, rule)?;
        let allow = match own {
            None => allow.to_vec(),
            Some(own) => {
                let rule = "must name who may connect; 0.0.0.0/0 is everybody";
                source.rule(!own.is_empty(), "allow", "[]", rule)?;
                networks(&source, "allow", &own)?
            }
        };
        let block = networks(&source, "block", &block)?;
        let ports = ports.iter().map(|(name, from)| {
            let key = format!("ports.{name}");
            let rule = "must be the name of a port: up to six letters and digits";
            let port = PortName::new(name).ok_or_else(|| source.broken(&key, "[...]", rule))?;
            Ok((port, networks(&source, &key, from)?))
        });
        let ports = ports.collect::<Result<Vec<_>, ConfigError>>()?;
        Ok(Self::new(AccessList::new(&allow, &block), ports))
    }
}

/// The networks that `texts`, the list at `key`, say.
pub(super) fn networks(
    source: &Source<'_>,
    key: &str,
    texts: &[String],
) -> Result<Vec<Ipv4Network>, ConfigError> {
    let networks = texts.iter().enumerate().map(|(index, text)| {
        text.parse().map_err(|rule| {
            source.broken(format_args!("{key}[{index}]"), format_args!("{text:?}"), rule)
        })
    });
    networks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Access, ConfigError> {
        Access::parse(Path::new("access.toml"), text, &["10.9.0.0/24".parse().unwrap()])
    }

    #[test]
    fn an_empty_file_says_what_the_nodes_own_file_says() {
        assert_eq!(parse("").unwrap(), Access::of(&["10.9.0.0/24".parse().unwrap()]));
    }

    #[test]
    fn a_file_allows_blocks_and_ties_ports_to_networks() {
        let access = parse(
            "allow = [\"10.8.0.0/16\"]\nblock = [\"10.8.0.66\"]\n[ports]\nbrkr01 = [\"10.8.0.2\"]\n",
        )
        .unwrap();
        let permits = |text: &str| access.list.permits(text.parse().unwrap());
        assert!(permits("10.8.0.65") && !permits("10.8.0.66") && !permits("10.9.0.1"));
        let port = PortName::new("BRKR01").unwrap();
        assert!(access.ports.permit(port, "10.8.0.2".parse().unwrap()));
        assert!(!access.ports.permit(port, "10.8.0.3".parse().unwrap()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert_eq!(
            error("allow = []"),
            "access.toml: allow = []: must name who may connect; 0.0.0.0/0 is everybody"
        );
        assert_eq!(
            error("block = [\"10.9.0.1\", \"10.9.0.1/24\"]"),
            "access.toml: block[1] = \"10.9.0.1/24\": must have no address bits below its prefix"
        );
        assert_eq!(
            error("[ports]\nBRKR01 = [\"x\"]"),
            "access.toml: ports.BRKR01[0] = \"x\": must be a network such as 10.9.0.0/24, or a single \
             address"
        );
        assert_eq!(
            error("[ports]\nTOOLONGNAME = []"),
            "access.toml: ports.TOOLONGNAME = [...]: must be the name of a port: up to six letters and \
             digits"
        );
        assert!(error("deny = []").contains("unknown field `deny`"));
    }
}
