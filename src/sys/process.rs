//! Asking another process to end. Only children that are not yet waited for: their number is theirs.

use std::io;
use std::process::Child;

/// Sends SIGTERM, which asks for an orderly end. Nothing happens to a child that has ended.
///
/// # Errors
/// The operating system's.
pub fn terminate(child: &mut Child) -> io::Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: takes numbers only. The child was not waited for, so its number is not yet another's.
    match unsafe { libc::kill(pid, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_ended_by_its_signal_and_once() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        terminate(&mut child).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        terminate(&mut child).unwrap();
    }
}
