//! A role in a process of its own: started, killed, stopped, and started again at the same address.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use souk_postgres::{Process, Signal};
use tokio::sync::Mutex;
use tonic::transport::Uri;

use crate::healthcheck;

/// How long a role may take until it serves, whatever else is away meanwhile.
const START_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A role that runs, but for the times when it does not.
#[derive(Debug)]
pub struct Role {
    pub name: &'static str,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
    address: Uri,
    process: Mutex<Option<Process>>,
}

impl Role {
    pub fn new(
        name: &'static str,
        arguments: Vec<String>,
        environment: Vec<(&'static str, String)>,
        log: PathBuf,
        address: Uri,
    ) -> Self {
        Self { name, arguments, environment, log, address, process: Mutex::new(None) }
    }

    /// Starts it, and waits until it serves. One that ends before, because its database is away, is started again.
    pub async fn start(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let mut process = self.process.lock().await;
        let mut running = self.spawn().await?;
        while Instant::now() < deadline {
            if running.ends_within(LOOK).await {
                tokio::time::sleep(LOOK).await;
                running = self.spawn().await?;
            } else if self.serves().await {
                *process = Some(running);
                return Ok(());
            }
        }
        anyhow::bail!("{} does not start: see {}", self.name, self.log.display())
    }

    /// `kill -9`; whether it was there to be killed.
    pub async fn kill(&self) -> bool {
        let Some(process) = self.process.lock().await.take() else { return false };
        let was_there = !process.ends_within(Duration::ZERO).await;
        process.signal(Signal::KILL);
        // there is nothing to be done about one that cannot be waited for
        let _ = process.wait().await;
        was_there
    }

    /// Stops it in the middle of whatever it does.
    pub async fn freeze(&self) {
        self.signal(Signal::STOP).await;
    }

    /// Has it go on, and waits until it serves.
    pub async fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT).await;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if self.serves().await {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        anyhow::bail!("{} does not go on: see {}", self.name, self.log.display())
    }

    /// Whether it runs, as it should.
    pub async fn is_there(&self) -> bool {
        match &*self.process.lock().await {
            Some(process) => !process.ends_within(Duration::ZERO).await,
            None => false,
        }
    }

    async fn signal(&self, signal: Signal) {
        if let Some(process) = &*self.process.lock().await {
            process.signal(signal);
        }
    }

    async fn serves(&self) -> bool {
        let serves = async {
            match self.name {
                "gateway" => healthcheck::check_http(&self.address).await,
                _ => healthcheck::check_grpc(self.address.clone()).await,
            }
        };
        matches!(tokio::time::timeout(LOOK_LIMIT, serves).await, Ok(Ok(())))
    }

    async fn spawn(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SOUK_") {
                command.env_remove(name);
            }
        }
        // what this process has a file for is nobody else's business
        command.env("SOUK_CONFIG", "/dev/null");
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Process::spawn(command, Signal::KILL).await;
        started.with_context(|| format!("cannot start {}", self.name))
    }
}
