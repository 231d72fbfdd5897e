//! The files of secrets: the cluster's key and the ports' login secrets, both readable by their owner
//! alone. Nothing here logs what it reads.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::{ConfigError, Source};
use crate::sys::file;
use crate::types::{ClusterKey, PortName, PortSecret};

const RANDOM: &str = "/dev/urandom";
const OWNER_ONLY: u32 = 0o600;
const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// The largest multiple of the alphabet's size in a byte: bytes above it would favour its beginning.
const UNBIASED: u8 = 252;

/// The key in `path`.
///
/// # Errors
/// When it cannot be read, is no key, or others may read it.
pub fn load_cluster_key(path: &Path) -> Result<ClusterKey, ConfigError> {
    let text = read(path)?;
    let mode = fs::metadata(path).map_err(|source| unreadable(path, source))?.permissions().mode();
    let source = Source::new(path);
    let rule = "others can read the cluster key; run: chmod 600 on this file";
    let others = mode & 0o077;
    source.rule(others == 0, "mode", format_args!("{:o}", mode & 0o777), rule)?;
    let key = from_hex(text.trim());
    let rule = "must be 64 hexadecimal digits";
    key.map(ClusterKey::new).ok_or_else(|| source.broken("key", "(not shown)", rule))
}

/// The key in `path`, made first if there is no such file.
///
/// # Errors
/// As [`load_cluster_key`], and when the file cannot be made.
pub fn load_or_create_cluster_key(path: &Path) -> Result<ClusterKey, ConfigError> {
    if path.exists() {
        return load_cluster_key(path);
    }
    if let Some(directory) = path.parent() {
        file::create_directory(directory).map_err(|source| unwritable(path, source))?;
    }
    let mut bytes = [0; ClusterKey::BYTES];
    random(&mut bytes)?;
    write_private(path, &format!("{}\n", to_hex(&bytes)))?;
    Ok(ClusterKey::new(bytes))
}

/// The login secrets of ports. They exist in the open only here and in the file for their owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSecrets(Vec<(PortName, PortSecret)>);

impl PortSecrets {
    /// Makes a secret for each name: ten capital letters and digits, 51 bits of chance.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate(names: impl IntoIterator<Item = PortName>) -> Result<Self, ConfigError> {
        let made = names.into_iter().map(|name| Ok((name, generate_secret()?)));
        made.collect::<Result<_, _>>().map(Self)
    }

    /// Reads what [`PortSecrets::write`] wrote.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not a port and its secret.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let entries = text.lines().enumerate().map(|(index, line)| {
            let entry = line.split_once(' ').and_then(|(name, secret)| {
                Some((PortName::new(name)?.upper(), PortSecret::new(secret.trim())?))
            });
            let key = format_args!("line {}", index + 1).to_string();
            let rule = "must be a port's name, a space, and its secret";
            entry.ok_or_else(|| Source::new(path).broken(key, "(not shown)", rule))
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// Writes a line of name and secret for each port, readable by the owner alone.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), ConfigError> {
        let lines = self.0.iter().map(|(name, secret)| format!("{name} {}\n", secret.reveal()));
        write_private(path, &lines.collect::<String>())
    }

    /// Writes them as [`PortSecrets::write`] does, to a file that must not exist: another's secrets are
    /// shown nowhere again.
    ///
    /// # Errors
    /// When there is such a file, or the file system refuses.
    pub fn write_new(&self, path: &Path) -> Result<(), ConfigError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
        made.map_err(|source| unwritable(path, source))?;
        self.write(path)
    }

    /// The secret of a port.
    #[must_use]
    pub fn get(&self, name: PortName) -> Option<&PortSecret> {
        let name = name.upper();
        self.0.iter().find(|(other, _)| *other == name).map(|(_, secret)| secret)
    }

    /// All of them, in the order they were made in.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(PortName, PortSecret)> {
        self.0.iter()
    }
}

fn generate_secret() -> Result<PortSecret, ConfigError> {
    let mut text = String::with_capacity(PortSecret::BYTES);
    let mut bytes = [0_u8; 2 * PortSecret::BYTES];
    while text.len() < PortSecret::BYTES {
        random(&mut bytes)?;
        let letters = bytes.iter().filter(|byte| **byte < UNBIASED);
        let letters = letters.map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
        text.extend(letters.take(PortSecret::BYTES - text.len()));
    }
    Ok(PortSecret::new(&text).expect("ten letters and digits are a secret"))
}

/// Fills `bytes` with chance.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random(bytes: &mut [u8]) -> Result<(), ConfigError> {
    let path = Path::new(RANDOM);
    let read = File::open(path).and_then(|mut file| file.read_exact(bytes));
    read.map_err(|source| unreadable(path, source))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| unreadable(path, source))
}

/// Writes the file whole or not at all, also when the machine goes down, and never with rights that
/// are wider for a moment.
fn write_private(path: &Path, text: &str) -> Result<(), ConfigError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = Path::new(&unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(OWNER_ONLY);
    let written = options.open(unfinished).and_then(|mut file| {
        // The mode above holds only for a file that did not exist.
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        file::sync_directory(directory.unwrap_or(Path::new(".")))
    });
    written.map_err(|source| unwritable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Read { path: path.to_owned(), source }
}

fn unwritable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Write { path: path.to_owned(), source }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("a nibble is a digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<[u8; ClusterKey::BYTES]> {
    let mut bytes = [0; ClusterKey::BYTES];
    if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let directory = std::env::temp_dir().join(format!("rialto-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn names() -> [PortName; 2] {
        ["ALFA01", "BETA01"].map(|name| PortName::new(name).unwrap())
    }

    #[test]
    fn a_cluster_key_is_made_once_for_its_owner_alone() {
        let path = scratch("key").join("deep/cluster.key");
        let made = load_or_create_cluster_key(&path).unwrap();
        let secret = PortSecret::new("SECRET").unwrap();
        let verifier = made.verifier(names()[0], &secret);
        let again = load_or_create_cluster_key(&path).unwrap();
        assert!(again.verify(names()[0], &secret, &verifier));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = load_cluster_key(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "mode = 644: others can read the cluster key; run: chmod 600 on this file"
            )
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        let error = load_cluster_key(&path).unwrap_err().to_string();
        assert!(error.ends_with("key = (not shown): must be 64 hexadecimal digits"), "{error}");
        fs::remove_dir_all(path.parent().unwrap().parent().unwrap()).unwrap();
    }

    #[test]
    fn secrets_survive_their_file_and_differ() {
        let directory = scratch("secrets");
        let path = directory.join("secrets");
        let made = PortSecrets::generate(names()).unwrap();
        made.write(&path).unwrap();
        assert_eq!(PortSecrets::read(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // What a crash left of an earlier attempt is in nobody's way, and the file is replaced whole.
        fs::write(directory.join("secrets.new"), "half").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        made.write(&path).unwrap();
        assert_eq!(PortSecrets::read(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        assert_ne!(made.get(names()[0]), made.get(names()[1]));
        let error = made.write_new(&path).unwrap_err().to_string();
        assert!(error.contains("cannot be written: File exists"), "{error}");
        for (_, secret) in made.iter() {
            assert_eq!(secret.reveal().len(), 10);
            assert!(secret.reveal().bytes().all(|byte| ALPHABET.contains(&byte)));
        }

        fs::write(&path, "ALFA01 GOOD\nnonsense\n").unwrap();
        let error = PortSecrets::read(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2 = (not shown): must be a port's name, a space, and its secret")
        );
        fs::remove_dir_all(directory).unwrap();
    }
}
