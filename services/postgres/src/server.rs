//! Starts the server, waits until it answers, and stops it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

use crate::binaries::{self, Programs};
use crate::cluster::{self, SUPERUSER};
use crate::error::{At, Error};
use crate::options::Options;
use crate::place::Place;
use crate::process::Process;
use crate::{leftover, log};

/// From the start of the program to the first answer, recovery after a crash included.
const START_LIMIT: Duration = Duration::from_secs(60);

/// For the fast shutdown (open transactions are rolled back, a checkpoint is written), then again
/// for the immediate one, which only has to kill some processes.
const STOP_LIMIT: Duration = Duration::from_secs(15);

const POLL: Duration = Duration::from_millis(20);

/// How many connections it takes, some of which are for its own people.
pub const MAX_CONNECTIONS: u32 = 200;

/// On the command line they win over every file. Nothing here trades safety for speed.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "shared_buffers=128MB",
    "password_encryption=scram-sha-256",
    "logging_collector=off",
    "log_destination=stderr",
    "log_line_prefix=%m [%p] %q%u@%d ",
    "log_timezone=UTC",
    "timezone=UTC",
];

/// What PostgreSQL says when another start may do better: somebody took the port between our
/// choosing it and its binding it, or backends of a server that was killed are still ending.
const PASSING: &[&str] = &["Address already in use", "is still in use"];

/// A running server. Dropped without [`Server::stop`] it is told to shut down, unattended.
#[derive(Debug)]
pub struct Server {
    pub(crate) process: Process,
    pub(crate) place: Place,
    password: SecretString,
    port: u16,
}

impl Server {
    /// Starts a server on the data in `options.data_dir`, which it makes if there are none.
    ///
    /// # Errors
    ///
    /// See [`Error`]: no programs, a directory in use by another process or out of reach, or a
    /// server that does not come up.
    pub async fn start(options: &Options) -> Result<Server, Error> {
        let Options { data_dir, binaries, release, .. } = options.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let place = Place::open(&data_dir)?;
            log::rotate(&place)?;
            let programs = binaries::find(&place, &binaries, release.as_ref())?;
            Ok::<_, Error>((place, programs))
        });
        let (place, programs) =
            prepared.await.map_err(std::io::Error::other).at("prepare", &options.data_dir)??;
        leftover::end(&place).await?;
        let password = cluster::ensure(&place, &programs, options.template.as_deref()).await?;

        let begin = Instant::now();
        let (process, port) = loop {
            let free = || free_port().at("find a free port for", &place.dir);
            let port = options.port.map_or_else(free, Ok)?;
            let command = command(&place, &programs, port)?;
            let process = Process::spawn(command, Signal::QUIT).await;
            let process = process.at("run", &programs.path("postgres"))?;
            let connect = connect_options(port, &password, "postgres");
            match ready(&place, &process, port, &connect, begin).await {
                Ok(()) => break (process, port),
                Err(error) => {
                    end(&process).await;
                    let Error::Ended { said, .. } = &error else { return Err(error) };
                    let passing = PASSING.iter().any(|text| said.contains(text));
                    if !passing || begin.elapsed() > START_LIMIT {
                        return Err(error);
                    }
                    tracing::info!(port, "PostgreSQL could not start yet, trying again");
                    tokio::time::sleep(10 * POLL).await;
                }
            }
        };
        tracing::info!(
            version = programs.version, port, data = %place.dir.display(),
            user = place.account.as_ref().map(|account| &account.name), "PostgreSQL is ready"
        );
        Ok(Server { process, place, password, port })
    }

    /// How to connect to one of its databases; `postgres` always exists.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        connect_options(self.port, &self.password, database)
    }

    /// The same as a URL, for other processes. The name of the database must be a plain one:
    /// letters, digits, underscores.
    pub fn url(&self, database: &str) -> SecretString {
        let password = self.password.expose_secret();
        let port = self.port;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
            .into()
    }

    /// The directory that the data really are in, which may not be below the one that was asked
    /// for: see the [crate].
    pub fn data_dir(&self) -> &Path {
        &self.place.dir
    }

    /// Waits until the server ends without having been asked to, which is the end of Souk as
    /// well. The error says how it ended, with the last lines of its log.
    pub async fn exited(&self) -> Error {
        ended(&self.place, &self.process).await
    }

    /// Shuts the server down: transactions still open are rolled back, everything committed is
    /// written to its place. If that takes too long it is told to end at once, which loses
    /// nothing either; the next start then takes longer.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] if it had ended before, or badly.
    pub async fn stop(self) -> Result<(), Error> {
        end(&self.process).await;
        match self.process.wait().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(ended(&self.place, &self.process).await),
        }
    }
}

/// Sends ever harder signals until the process is gone.
async fn end(process: &Process) {
    for (signal, shutdown) in [(Signal::INT, "fast"), (Signal::QUIT, "immediate")] {
        process.signal(signal);
        if process.ends_within(STOP_LIMIT).await {
            return;
        }
        tracing::warn!(shutdown, "PostgreSQL does not end");
    }
    process.signal(Signal::KILL);
    process.ends_within(STOP_LIMIT).await;
}

async fn ended(place: &Place, process: &Process) -> Error {
    let status = match process.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let log = place.log();
    Error::Ended { program: "postgres", status, said: log::end_of(&log), log }
}

/// A port that was free a moment ago: PostgreSQL can not choose one itself.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn command(place: &Place, programs: &Programs, port: u16) -> Result<Command, Error> {
    let mut command = place.command(&programs.path("postgres"));
    command.arg("-D").arg(place.cluster()).arg("-p").arg(port.to_string());
    command.arg("-c").arg(format!("max_connections={MAX_CONNECTIONS}"));
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    log::attach(place, &mut command)?;
    Ok(command)
}

fn connect_options(port: u16, password: &SecretString, database: &str) -> PgConnectOptions {
    // nothing leaves this machine, so there is nothing for TLS to protect
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(SUPERUSER)
        .password(password.expose_secret())
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// Waits until this very process says that it listens, then until it answers.
async fn ready(
    place: &Place,
    process: &Process,
    port: u16,
    connect: &PgConnectOptions,
    begin: Instant,
) -> Result<(), Error> {
    let mut last = "it does not listen yet".to_owned();
    while begin.elapsed() < START_LIMIT {
        if process.ends_within(POLL).await {
            return Err(ended(place, process).await);
        }
        // whoever took our port from us must not get to see a password
        if !listens(place, process, port) {
            continue;
        }
        match tokio::time::timeout(START_LIMIT / 6, PgConnection::connect_with(connect)).await {
            Ok(Ok(connection)) => {
                // it was only a question
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("28P01") => {
                return Err(Error::PasswordWrong { path: place.password() });
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "it does not answer".to_owned(),
        }
    }
    let log = place.log();
    let said = log::end_of(&log);
    Err(Error::NotReady { seconds: START_LIMIT.as_secs(), last, said, log })
}

/// Whether `postmaster.pid` says so: its lines are pid, data directory, start time, port, socket
/// directory, address, shared memory, status.
fn listens(place: &Place, process: &Process, port: u16) -> bool {
    let text = fs::read_to_string(place.cluster().join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&process.pid.as_raw_nonzero().to_string().as_str())
        && lines.get(3) == Some(&port.to_string().as_str())
        && lines.get(7) == Some(&"ready")
}
