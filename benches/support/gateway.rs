//! Gateways of Souk in a process of their own, before services that are not.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::process::Process;
use super::suite::command;
use super::usage::Processes;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    /// Where it listens: `host:port`.
    pub http: String,
}

/// Who may call what stands behind it.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// Anyone.
    Public,
    /// Whoever the contract says, with tokens of the auth service at this URL.
    Tokens(&'a str),
}

impl Gateway {
    /// The gateway of the suite, before one process that has the contracts of all services.
    pub fn of_suite(souk: &Path, services: &str) -> Result<Self> {
        let mut command = command(souk);
        command.args(["serve", "--role", "gateway", "--http", "127.0.0.1:0"]);
        for name in ["SOUK_AUTH_URL", "SOUK_CATALOG_URL", "SOUK_ORDERS_URL"] {
            command.env(name, services);
        }
        Self::start(command)
    }

    /// A gateway before a service whose contract it reads from a file, with JSON of this style.
    pub fn of_contract(
        souk: &Path,
        descriptors: &Path,
        upstream: &str,
        json: &str,
        access: Access<'_>,
    ) -> Result<Self> {
        let mut command = command(souk);
        command.args(["gateway", "--http", "127.0.0.1:0", "--json", json]);
        command.arg("--descriptors").arg(descriptors).args(["--upstream", upstream]);
        match access {
            Access::Public => command.arg("--public"),
            Access::Tokens(auth) => command.args(["--auth-url", auth]),
        };
        Self::start(command)
    }

    fn start(command: Command) -> Result<Self> {
        let process = Process::start(command)?;
        let http = process.last_word_of_line("souk ")?;
        Ok(Self { process, http })
    }

    pub fn processes(&self) -> Processes {
        Processes(vec![self.process.pid()])
    }
}
