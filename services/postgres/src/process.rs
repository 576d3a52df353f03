//! A child process that does not outlive this one, however this one ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::{oneshot, watch};

/// A running child. Dropping it asks it to end (SIGINT: PostgreSQL's fast shutdown).
#[derive(Debug)]
pub struct Process {
    pub(crate) pid: Pid,
    /// Whether `pid` is still that of our child: once it is reaped the number may be another's.
    alive: Arc<Mutex<bool>>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts `command` so that it gets `last` when this process is gone.
    ///
    /// The parent-death signal is sent when the *thread* that forked ends, so the child has one
    /// of its own that does nothing but wait for it. It has a process group of its own as well:
    /// a Ctrl-C in the terminal must reach Souk, which drains first, and not the database.
    ///
    /// # Errors
    ///
    /// Those of the system, which cannot start it.
    pub async fn spawn(mut command: Command, last: Signal) -> io::Result<Process> {
        command.process_group(0);
        let (started, start) = oneshot::channel();
        let (ending, ended) = watch::channel(None);
        let alive = Arc::new(Mutex::new(true));
        let state = alive.clone();
        thread::Builder::new().name("souk-child".to_owned()).spawn(move || {
            let (mut child, tie) = match begin(&mut command, last) {
                Ok(begun) => begun,
                Err(error) => return drop(started.send(Err(error))),
            };
            let pid = Pid::from_child(&child);
            if started.send(Ok(pid)).is_err() {
                // whoever wanted it was cancelled meanwhile
                let _ = kill_process(pid, Signal::INT);
            }
            // wait first and reap afterwards, under the lock: nobody signals a stranger
            until_ended(pid, tie);
            let mut alive = state.lock().unwrap_or_else(PoisonError::into_inner);
            *alive = false;
            if let Ok(status) = child.wait() {
                ending.send_replace(Some(status));
            }
        })?;
        let pid = start.await.map_err(|_| io::Error::other("its thread ended"))??;
        Ok(Process { pid, alive, ended })
    }

    /// Sends a signal, unless the child has ended already.
    pub fn signal(&self, signal: Signal) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive {
            // it fails only for a child that is a zombie by now
            let _ = kill_process(self.pid, signal);
        }
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    ///
    /// Nobody could find out.
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        status.ok_or_else(|| io::Error::other("nobody waited for it"))
    }

    /// Whether it ended within this time.
    pub async fn ends_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.wait()).await.is_ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

/// Waits without reaping: until then the number of the child can not be anybody else's.
fn until_ended(pid: Pid, _tie: Tie) {
    let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), exited).is_err_and(|error| error == Errno::INTR) {}
}

/// What holds the child to this process; on Linux the kernel does.
#[cfg(target_os = "linux")]
struct Tie;
#[cfg(not(target_os = "linux"))]
type Tie = crate::watchdog::Watchdog;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "std has no safe way to run code between fork and exec")]
fn begin(command: &mut Command, last: Signal) -> io::Result<(Child, Tie)> {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    let in_child = move || {
        // std changes the user before it calls this; doing so afterwards would clear the signal
        set_parent_process_death_signal(Some(last))?;
        // a parent that is gone by now will not be reported any more
        if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: the closure runs in the forked child, where only async-signal-safe calls are sound.
    // It makes two system calls; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(in_child) };
    Ok((command.spawn()?, Tie))
}

#[cfg(not(target_os = "linux"))]
fn begin(command: &mut Command, last: Signal) -> io::Result<(Child, Tie)> {
    let mut child = command.spawn()?;
    match Tie::start(Pid::from_child(&child), last) {
        Ok(tie) => Ok((child, tie)),
        Err(error) => {
            let _ = child.kill();
            Err(error)
        }
    }
}
