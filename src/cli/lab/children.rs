//! Processes in a lab: each with a log of its own, its lines in one queue, and an end that is
//! orderly if it can be. A process that is dropped is killed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{LabError, indented};
use crate::sys::process;

/// A process, by the order in which they were started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct ProcessId(usize);

/// What a process said on its standard output.
#[derive(Debug)]
pub(in crate::cli) enum Said {
    Line(String),
    /// It closed its output: it has ended, or is about to.
    End,
}

/// All of them.
#[derive(Debug)]
pub(in crate::cli) struct Children {
    logs: PathBuf,
    processes: Vec<Process>,
    said: Receiver<(ProcessId, Said)>,
    say: Sender<(ProcessId, Said)>,
}

#[derive(Debug)]
struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
}

/// How often an end is looked for.
const LOOK: Duration = Duration::from_millis(5);
const TAIL_LINES: usize = 15;

impl Children {
    /// Their logs go to `logs`.
    pub(in crate::cli) fn new(logs: &Path) -> Self {
        let (say, said) = channel();
        Self { logs: logs.to_owned(), processes: Vec::new(), said, say }
    }

    /// Starts a process, in a group of its own: an interrupt from the keyboard is ours alone.
    pub(in crate::cli) fn start(
        &mut self,
        name: &str,
        mut command: Command,
    ) -> Result<ProcessId, LabError> {
        let log = self.logs.join(format!("{name}.log"));
        let failed = |source: io::Error| LabError::Start { name: name.to_owned(), source };
        let file = File::create(&log).map_err(failed)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let id = ProcessId(self.processes.len());
        let output = child.stdout.take().expect("the output is piped");
        let say = self.say.clone();
        thread::spawn(move || {
            // The queue outlives the readers but for the very end, when nobody listens any more.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _nobody_listens = say.send((id, Said::Line(line)));
            }
            let _nobody_listens = say.send((id, Said::End));
        });
        let input = child.stdin.take();
        self.processes.push(Process { name: name.to_owned(), log, child, input });
        Ok(id)
    }

    /// What is said next, by whomever; none within `limit`.
    pub(in crate::cli) fn next_said(&self, limit: Duration) -> Option<(ProcessId, Said)> {
        self.said.recv_timeout(limit).ok()
    }

    /// Waits for the line with which a process says that it may be used; what else is said meanwhile
    /// is of no interest yet, unless it is an end.
    pub(in crate::cli) fn await_line(
        &mut self,
        awaited: ProcessId,
        start: &str,
        limit: Duration,
    ) -> Result<(), LabError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_said(left) {
                None => return Err(self.slow(awaited, "become ready", limit)),
                Some((id, Said::End)) => return Err(self.ended(id)),
                Some((id, Said::Line(line))) if id == awaited && line.starts_with(start) => {
                    return Ok(());
                }
                Some(_) => {}
            }
        }
    }

    /// Writes a line to a process.
    pub(in crate::cli) fn tell(&mut self, id: ProcessId, line: &str) -> Result<(), LabError> {
        let process = &mut self.processes[id.0];
        let written = match &mut process.input {
            Some(input) => writeln!(input, "{line}"),
            None => Ok(()),
        };
        written.map_err(|_| self.ended(id))
    }

    /// Closes the input of a process: for those that listen it means "stop".
    pub(in crate::cli) fn close_input(&mut self, id: ProcessId) {
        self.processes[id.0].input = None;
    }

    /// Asks for an orderly end by SIGTERM.
    pub(in crate::cli) fn terminate(&mut self, id: ProcessId) -> Result<(), LabError> {
        let process = &mut self.processes[id.0];
        let name = process.name.clone();
        process::terminate(&mut process.child).map_err(|source| LabError::Start { name, source })
    }

    /// Has a process stand still, or go on.
    pub(in crate::cli) fn pause(&mut self, id: ProcessId, stands: bool) -> Result<(), LabError> {
        let process = &mut self.processes[id.0];
        let signal = if stands { process::pause } else { process::resume };
        let name = process.name.clone();
        signal(&mut process.child).map_err(|source| LabError::Start { name, source })
    }

    /// Ends a process as the machine's failure would: without a word.
    pub(in crate::cli) fn kill(&mut self, id: ProcessId) -> Result<(), LabError> {
        let process = &mut self.processes[id.0];
        let name = process.name.clone();
        let killed = process.child.kill().and_then(|()| process.child.wait());
        killed.map(drop).map_err(|source| LabError::Start { name, source })
    }

    /// Waits for the end of a process, which must be a success.
    pub(in crate::cli) fn join(&mut self, id: ProcessId, limit: Duration) -> Result<(), LabError> {
        match self.status_within(id, limit)? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.ended(id)),
            None => Err(self.slow(id, "end", limit)),
        }
    }

    /// The status with which a process ended, if it does so in time.
    pub(in crate::cli) fn status_within(
        &mut self,
        id: ProcessId,
        limit: Duration,
    ) -> Result<Option<ExitStatus>, LabError> {
        let deadline = Instant::now() + limit;
        let process = &mut self.processes[id.0];
        loop {
            let status = process.child.try_wait();
            let status =
                status.map_err(|source| LabError::Start { name: process.name.clone(), source })?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
    }

    /// The error of a process that has ended and should not have, or not like this.
    pub(in crate::cli) fn ended(&mut self, id: ProcessId) -> LabError {
        let status = self.processes[id.0].child.wait();
        let process = &self.processes[id.0];
        LabError::Ended {
            name: process.name.clone(),
            status: status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            log: process.log.clone(),
            tail: tail(&process.log),
        }
    }

    /// The error of a process that did not do `what` within `limit`.
    pub(in crate::cli) fn slow(
        &self,
        id: ProcessId,
        what: &'static str,
        limit: Duration,
    ) -> LabError {
        let process = &self.processes[id.0];
        LabError::Slow {
            name: process.name.clone(),
            what,
            seconds: limit.as_secs(),
            log: process.log.clone(),
            tail: tail(&process.log),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The last lines of a log, indented.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    indented(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn children(name: &str) -> Children {
        let logs = std::env::temp_dir().join(format!("rialto-{}-{name}", std::process::id()));
        fs::create_dir_all(&logs).unwrap();
        Children::new(&logs)
    }

    #[test]
    fn lines_are_told_and_heard() {
        let mut children = children("lines");
        let echo = children.start("echo", shell("read line; echo \"heard $line\"; cat")).unwrap();
        children.tell(echo, "go").unwrap();
        let Some((id, Said::Line(line))) = children.next_said(LIMIT) else { panic!("silence") };
        assert_eq!((id, line.as_str()), (echo, "heard go"));
        children.close_input(echo);
        assert!(matches!(children.next_said(LIMIT), Some((_, Said::End))));
        children.join(echo, LIMIT).unwrap();
        fs::remove_dir_all(&children.logs).unwrap();
    }

    #[test]
    fn a_failure_shows_who_failed_and_its_last_words() {
        let mut children = children("failure");
        let failing = children.start("node", shell("echo no memory >&2; exit 3")).unwrap();
        let error = children.join(failing, LIMIT).unwrap_err().to_string();
        assert!(error.starts_with("node ended with exit status: 3"), "{error}");
        assert!(error.ends_with("\n    no memory"), "{error}");
        let hanging = children.start("feed", shell("exec sleep 60")).unwrap();
        let error = children.join(hanging, Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("feed did not end within 0 s"), "{error}");
        children.terminate(hanging).unwrap();
        assert!(!children.status_within(hanging, LIMIT).unwrap().unwrap().success());
        fs::remove_dir_all(&children.logs).unwrap();
    }
}
