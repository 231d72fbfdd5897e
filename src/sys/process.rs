//! Processes and threads: signals to a child, ending with a parent, and giving way to others.
//!
//! Signals only children that are not yet waited for: their number is theirs.

use std::io;
use std::process::Child;

/// Sends SIGTERM, which asks for an orderly end. Nothing happens to a child that has ended.
///
/// # Errors
/// The operating system's.
pub fn terminate(child: &mut Child) -> io::Result<()> {
    signal(child, libc::SIGTERM)
}

/// Has a child stand still, wherever it is.
///
/// # Errors
/// The operating system's.
pub fn pause(child: &mut Child) -> io::Result<()> {
    signal(child, libc::SIGSTOP)
}

/// Has a child that stands still go on.
///
/// # Errors
/// The operating system's.
pub fn resume(child: &mut Child) -> io::Result<()> {
    signal(child, libc::SIGCONT)
}

fn signal(child: &mut Child, signal: libc::c_int) -> io::Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: takes numbers only. The child was not waited for, so its number is not yet another's.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has this thread, and no other, run behind everybody else who wants the core, whatever class it has from
/// whoever started it: below a real-time one a priority means nothing.
///
/// # Errors
/// The operating system's.
pub fn give_way() -> io::Result<()> {
    const LOWEST: libc::c_int = 19;
    // SAFETY: a structure of numbers, for which zero is a value.
    let usual: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: `usual` outlives the call, which only reads it. 0 is the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const usual) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes numbers only. On Linux a priority is a thread's, and 0 is the calling one.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LOWEST) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has no file that this process has open, but the standard ones, outlive a call of `execve`.
///
/// # Errors
/// The operating system's.
pub fn leave_no_files() -> io::Result<()> {
    let flags = libc::c_int::try_from(libc::CLOSE_RANGE_CLOEXEC).map_err(io::Error::other)?;
    // SAFETY: takes numbers only. Nothing is closed now.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has this process, the child `parent` has just started, killed when the thread that started it ends,
/// and lets go of the files of the parent's that it should not have got. To be called before any file is
/// opened. Returns `false` if the parent is gone already.
///
/// # Errors
/// The operating system's.
pub fn die_with(parent: u32) -> io::Result<bool> {
    const BEHIND_STANDARD_ERROR: libc::c_uint = 3;
    // SAFETY: takes numbers only.
    let bound = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: takes numbers only. This process has opened no file yet, so none of these is in use.
    let closed = unsafe { libc::close_range(BEHIND_STANDARD_ERROR, libc::c_uint::MAX, 0) };
    if (bound, closed) == (0, 0) {
        Ok(std::os::unix::process::parent_id() == parent)
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_thread_that_gives_way_does_so_alone() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            fields.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
        };
        let before = nice();
        let given_way = std::thread::spawn(move || {
            give_way().unwrap();
            nice()
        });
        assert_eq!((given_way.join().unwrap(), nice()), (19, before));
    }

    #[test]
    fn a_child_is_ended_by_its_signal_and_once() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        terminate(&mut child).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        terminate(&mut child).unwrap();
    }

    #[test]
    fn a_child_that_stands_still_goes_on_when_it_is_told_to() {
        let mut child =
            Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
        let state = |child: &Child| {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next()
        };
        pause(&mut child).unwrap();
        while state(&child) != Some('T') {
            std::thread::yield_now();
        }
        resume(&mut child).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
