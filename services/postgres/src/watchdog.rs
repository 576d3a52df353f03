//! Where the kernel has no parent-death signal: a shell that waits at the end of a pipe.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

/// The kernel closes our end of the pipe when we die, and `read` fails for want of a line.
const SCRIPT: &str = r#"trap '' HUP INT TERM; read -r _ || kill -"$2" "$1""#;

/// Signals a process when this one dies. To be dropped before that process is reaped, so that
/// its number can not be another's by then.
pub(crate) struct Watchdog(Child);

impl Watchdog {
    pub(crate) fn start(pid: Pid, last: Signal) -> io::Result<Watchdog> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "sh"]);
        shell.args([pid.as_raw_nonzero().to_string(), last.as_raw().to_string()]);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.process_group(0).spawn().map(Watchdog)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = pipe.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_closed_pipe_ends_the_process() {
        let mut child = sleeper();
        let mut watchdog = Watchdog::start(Pid::from_child(&child), Signal::TERM).unwrap();
        drop(watchdog.0.stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    }

    #[test]
    fn a_dismissed_watchdog_leaves_the_process_alone() {
        let mut child = sleeper();
        drop(Watchdog::start(Pid::from_child(&child), Signal::TERM).unwrap());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
