//! A `souk` process of a test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything that a test waits for may take: only a hang is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The command `souk`, without the environment's word.
pub fn souk() -> Command {
    souk_at(Path::new(env!("CARGO_BIN_EXE_souk")))
}

/// The same from a copy of the binary.
pub fn souk_at(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOUK_") {
            command.env_remove(name);
        }
    }
    command
}

/// The command `souk` for a process that may have no more than so many files open. What it logs is
/// among what it prints.
pub fn souk_with_descriptors(descriptors: u32) -> Command {
    let mut command = souk_at(Path::new("sh"));
    let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\" 2>&1");
    command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_souk"));
    command
}

/// A running process. It is killed when dropped; where a test fails, what it has logged is printed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Behind a lock only so that a suite can be shared between tasks.
    lines: Mutex<Receiver<String>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a command and reads what it prints.
    pub fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        let written = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        Self { child, lines: Mutex::new(lines), log }
    }

    /// What it has logged until now.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Memory that it has at the moment, in KiB.
    pub fn memory(&self) -> u64 {
        memory_of(self.child.id())
    }

    /// Waits for a line that starts so, after spaces, and returns what follows.
    pub fn line(&self, start: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.lock().unwrap().recv_timeout(left) {
                Ok(line) => match line.trim_start().strip_prefix(start) {
                    Some(rest) => return rest.trim().to_owned(),
                    None => seen.push(line),
                },
                Err(RecvTimeoutError::Timeout) => panic!("no line {start:?} in {seen:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the process ended without a line {start:?}: {seen:?}")
                }
            }
        }
    }

    /// Waits for a line that has this in it.
    pub fn line_with(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.lock().unwrap().recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("no line with {text:?}: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Everything it prints until a line that starts so.
    pub fn lines_until(&self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line =
                self.lines.lock().unwrap().recv_timeout(PATIENCE).expect("the process prints more");
            if line.starts_with(start) {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        // what has ended and was not waited for has no memory any more
        status_of(self.child.id(), "VmRSS:").is_none()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn interrupt(mut self) -> ExitStatus {
        signal(self.child.id(), "INT");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the process did not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for line in self.log() {
                eprintln!("{}: {line}", self.child.id());
            }
        }
    }
}

/// Sends a signal to a process.
fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Runs a command to its end: its status, and what it printed.
pub fn run(mut command: Command) -> (ExitStatus, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let status = child.wait().unwrap();
    text.push_str(&errors.join().unwrap());
    (status, text)
}

/// The processes whose command line names a directory.
pub fn processes_of(directory: &Path) -> Vec<u32> {
    let directory = directory.to_string_lossy();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            command.contains("postgres") && command.contains(&*directory)
        })
        .collect()
}

/// What `/proc` says of a process, in KiB.
pub fn status_of(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

/// The memory that a process has, in KiB.
pub fn memory_of(pid: u32) -> u64 {
    status_of(pid, "VmRSS:").expect("a process that runs")
}

/// The CPU time that a process has taken.
pub fn cpu_time_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // user and system time, in hundredths of a second
    let ticks = [11, 12].map(|field: usize| fields[field].parse::<u64>().unwrap());
    Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}
