//! What a node's file is for: `rialto run` takes one that serves, `rialto observe` one of a host that does
//! not vote, and leaves out what it has of serving.

use std::path::Path;

use super::Config;
use super::error::{ConfigError, Source};

impl Config {
    /// Reads and proves the file of a node that serves.
    ///
    /// # Errors
    /// As [`Config::load`], and that it is an observer's.
    pub fn load_serving(path: &Path) -> Result<Self, ConfigError> {
        let config = Self::load(path)?;
        let rule = "is an observer's file: start it with `rialto observe`, or add [order_entry] and [feed]";
        let serves = config.service.is_some();
        Source::new(path).rule(serves, "order_entry", "(missing)", rule)?;
        Ok(config)
    }

    /// Reads and proves the file of an observer: the same as a learner's, in which nothing need say where it
    /// would serve.
    ///
    /// # Errors
    /// As [`Config::load`], and that the host votes or is alone.
    pub fn load_observing(path: &Path) -> Result<Self, ConfigError> {
        Self::load(path)?.observe(&Source::new(path))
    }

    fn observe(mut self, source: &Source) -> Result<Self, ConfigError> {
        let host = self.node.id;
        let own =
            self.cluster.iter().flat_map(|cluster| &cluster.peers).find(|own| own.host == host);
        let Some(own) = own else {
            let rule = "says whom an observer follows";
            return Err(source.broken("cluster", "(missing)", rule));
        };
        let line = format_args!("{{ host = {host}, address = \"{}\" }}", own.address);
        let rule = "votes, and an observer never does: put this line into cluster.learners, in the file of \
                    each node";
        source.rule(!own.votes, "cluster.members", line, rule)?;
        self.service = None;
        self.placement.observe();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::*;

    const OBSERVER: &str = r#"
        [node]
        id = 4
        name = "n"
        [logs]
        directory = "logs"
        [control]
        directory = "control"
        [cluster]
        members = [{ host = 1, address = "10.9.1.1:9200" }]
        learners = [{ host = 4, address = "10.9.1.4:9200" }]
    "#;
    const SERVICE: &str = r#"
        [order_entry]
        backend = "kernel"
        listen = "127.0.0.1:0"
        allow = ["127.0.0.0/8"]
        [feed]
        group = "239.9.9.9:9100"
    "#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("node.toml"), text)
    }

    fn observe(text: &str) -> Result<Config, ConfigError> {
        parse(text).and_then(|config| config.observe(&Source::new(Path::new("node.toml"))))
    }

    #[test]
    fn an_observer_needs_no_address_where_it_would_serve_and_leaves_out_those_it_has() {
        let plain = observe(OBSERVER).unwrap();
        assert_eq!(plain, parse(OBSERVER).unwrap());
        let stages = &plain.placement().threads[0].stages;
        assert_eq!(*stages, [Stage::Sequencer, Stage::Engine]);
        // The file of a learner that could serve is one too.
        let serving = format!("{OBSERVER}{SERVICE}");
        assert!(parse(&serving).unwrap().service().is_some());
        assert_eq!(observe(&serving).unwrap(), plain);
    }

    #[test]
    fn a_host_that_votes_is_no_observer_and_the_line_to_change_is_named() {
        let text = format!("{OBSERVER}{SERVICE}").replace("id = 4", "id = 1");
        assert_eq!(
            observe(&text).unwrap_err().to_string(),
            "node.toml: cluster.members = { host = 1, address = \"10.9.1.1:9200\" }: votes, and an observer \
             never does: put this line into cluster.learners, in the file of each node"
        );
        let (alone, _) = text.split_once("[cluster]").unwrap();
        let said = observe(&format!("{alone}{SERVICE}")).unwrap_err().to_string();
        assert_eq!(said, "node.toml: cluster = (missing): says whom an observer follows");
    }

    #[test]
    fn who_votes_or_is_alone_says_where_it_serves_and_nobody_only_half_of_it() {
        let voter = OBSERVER.replace("id = 4", "id = 1");
        let (alone, _) = OBSERVER.split_once("[cluster]").unwrap();
        let admin = format!("{OBSERVER}\n[admin]\nlisten = \"127.0.0.1:9002\"");
        for text in [&voter, alone, &admin] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.starts_with("node.toml: order_entry = (missing): is wanted"), "{said}");
        }
        let (half, _) = SERVICE.split_once("[feed]").unwrap();
        let said = parse(&format!("{OBSERVER}{half}")).unwrap_err().to_string();
        assert!(said.starts_with("node.toml: feed = (missing): is wanted"), "{said}");
    }
}
