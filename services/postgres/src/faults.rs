//! What a fault does to a server, for those who prove that nothing is lost by it.

use rustix::process::{Pid, Signal, kill_process};

use crate::server::Server;

impl Server {
    /// `kill -9` for its first process: the others notice, and end. [`Server::stop`] tells when that one is gone, and
    /// the next start waits for the rest.
    pub fn kill(&self) {
        self.process.signal(Signal::KILL);
    }

    /// Stops all its processes in the middle of whatever they do.
    pub fn freeze(&self) {
        // the first one first: it makes no more of them
        self.process.signal(Signal::STOP);
        self.signal_backends(Signal::STOP);
    }

    /// Has them go on.
    pub fn thaw(&self) {
        self.signal_backends(Signal::CONT);
        self.process.signal(Signal::CONT);
    }

    fn signal_backends(&self, signal: Signal) {
        for pid in backends(self).into_iter().filter(|pid| *pid != self.process.pid) {
            // it fails for one that has ended meanwhile
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(target_os = "linux")]
fn backends(server: &Server) -> Vec<Pid> {
    crate::leftover::backends(&server.place.cluster())
}

#[cfg(not(target_os = "linux"))]
fn backends(server: &Server) -> Vec<Pid> {
    let ps = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listed = ps.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let children = listed.unwrap_or_default().lines().filter_map(|line| {
        let (pid, parent) = line.trim().split_once(char::is_whitespace)?;
        let is_ours = parent.trim().parse() == Ok(server.process.pid.as_raw_nonzero().get());
        is_ours.then(|| Pid::from_raw(pid.parse().ok()?))?
    });
    children.collect()
}
