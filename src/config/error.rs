//! What is wrong with a configuration: always which file, which key, what it says, and the rule it
//! breaks. Never a position in our code.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file system refused.
    #[error("{path}: cannot be read: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file system refused a file that is to be made.
    #[error("{path}: cannot be written: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Not TOML, a key that is not known or missing, or a value of another type.
    #[error("{path}: {message}", path = .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message: line, key, and what it expected.
        message: String,
    },
    /// A value that breaks a rule.
    #[error("{path}: {key} = {value}: {rule}", path = .path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// The key, from the top of the file.
        key: String,
        /// What it says.
        value: String,
        /// What it must be.
        rule: String,
    },
}

/// The file that is being proven, for its errors.
#[derive(Debug)]
pub(super) struct Source<'a> {
    path: &'a Path,
}

impl<'a> Source<'a> {
    pub(super) const fn new(path: &'a Path) -> Self {
        Self { path }
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: self.path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })
    }

    /// The error that `key`, which says `value`, breaks `rule`.
    pub(super) fn broken(
        &self,
        key: impl Display,
        value: impl Display,
        rule: impl Display,
    ) -> ConfigError {
        ConfigError::Rule {
            path: self.path.to_owned(),
            key: key.to_string(),
            value: value.to_string(),
            rule: rule.to_string(),
        }
    }

    /// `Ok` if `holds`, else the error.
    pub(super) fn rule(
        &self,
        holds: bool,
        key: impl Display,
        value: impl Display,
        rule: impl Display,
    ) -> Result<(), ConfigError> {
        if holds { Ok(()) } else { Err(self.broken(key, value, rule)) }
    }
}
