//! `rialto archive`, as far as it is this program's: it becomes the one that lies beside it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory with `rialto` in it and nothing else, removed at the end.
struct Installed(PathBuf);

impl Installed {
    fn new(name: &str) -> Self {
        let name = format!("rialto-installed-{}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_rialto"), path.join("rialto")).unwrap();
        Self(path)
    }

    fn archive(&self, arguments: &[&str]) -> Output {
        Command::new(self.0.join("rialto")).arg("archive").args(arguments).output().unwrap()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_the_archiver_beside_it_it_says_how_to_build_one() {
    let installed = Installed::new("alone");
    for arguments in [&["eod", "/nowhere", "--logs", "/nowhere"][..], &["--help"], &[]] {
        let Output { status, stderr, .. } = installed.archive(arguments);
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("/rialto-archive: not there"), "{said}");
        assert!(said.contains("cargo build --release --package rialto-archive"), "{said}");
    }
}

#[test]
fn with_the_archiver_beside_it_it_becomes_it_arguments_status_and_all() {
    let installed = Installed::new("beside");
    let archiver = installed.0.join("rialto-archive");
    fs::write(&archiver, "#!/bin/sh\necho \"$#: $*\"\nexit 7\n").unwrap();
    fs::set_permissions(&archiver, fs::Permissions::from_mode(0o755)).unwrap();
    for (arguments, said) in [
        (&["eod", "/a b", "--logs", "/c"][..], "4: eod /a b --logs /c\n"),
        (&["--help"], "1: --help\n"),
        (&["verify", "-x", "--", "y"], "4: verify -x -- y\n"),
        (&[], "0: \n"),
    ] {
        let Output { status, stdout, .. } = installed.archive(arguments);
        assert_eq!(String::from_utf8(stdout).unwrap(), said);
        assert_eq!(status.code(), Some(7));
    }
}
