//! grpc-gateway, the peer that is written in Go, as Debian has it: nothing is downloaded to build it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::peers::{BACKEND, threads};
use crate::support::process::Process;

/// What it takes to build it.
const PROGRAMS: [&str; 4] = ["go", "protoc", "protoc-gen-go", "protoc-gen-grpc-gateway"];
const LIBRARIES: &str = "/usr/share/gocode";
const RUNTIME: &str = "src/github.com/grpc-ecosystem/grpc-gateway/runtime";
const PACKAGES: &str = "golang-go protobuf-compiler golang-grpc-gateway \
                        golang-github-grpc-ecosystem-grpc-gateway-dev";

/// The program in `go/`, and what is generated from `contracts/library.proto`.
#[derive(Debug)]
pub struct GrpcGateway {
    program: PathBuf,
    pub version: String,
}

/// Builds it.
///
/// # Errors
///
/// Something of it is not on this machine.
pub fn build() -> Result<GrpcGateway> {
    let found =
        PROGRAMS.iter().all(|name| is_in_path(name)) && Path::new(LIBRARIES).join(RUNTIME).exists();
    ensure!(found, "not all is here of what apt-get installs with {PACKAGES}");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc-gateway");
    generate(&target.join("src"))?;
    let program = target.join("grpc-gateway");
    output(go(&target).args(["build", "-o"]).arg(&program).arg("."))?;
    Ok(GrpcGateway { program, version: version(&target)? })
}

impl GrpcGateway {
    /// Starts it before a service, and tells where it listens.
    pub fn start(&self, backend: &str) -> Result<(Process, String)> {
        let mut command = Command::new(&self.program);
        command.env(BACKEND, backend).env("GOMAXPROCS", threads().to_string());
        let process = Process::start(command)?;
        let address = process.last_word_of_line("listens on")?;
        Ok((process, address))
    }
}

/// Generates its Go from the contract.
fn generate(out: &Path) -> Result<()> {
    const TIMESTAMP: &str =
        "Mgoogle/protobuf/timestamp.proto=github.com/golang/protobuf/ptypes/timestamp";
    std::fs::create_dir_all(out)?;
    let out = out.display();
    let mut protoc = Command::new("protoc");
    protoc
        .args(["-I", "gateway/contracts", "-I", "../proto"])
        .arg(format!("--go_out=plugins=grpc,{TIMESTAMP}:{out}"))
        .arg(format!("--grpc-gateway_out={TIMESTAMP}:{out}"))
        .arg("library.proto")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    output(&mut protoc)?;
    Ok(())
}

/// `go`, which takes libraries from Debian's packages and from `target`.
fn go(target: &Path) -> Command {
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off")
        .env("GOPATH", format!("{}:{LIBRARIES}", target.display()))
        .env("GOCACHE", target.join("cache"))
        .env_remove("GOFLAGS")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/go"));
    go
}

fn version(target: &Path) -> Result<String> {
    let go = output(go(target).args(["env", "GOVERSION"]))?;
    let mut dpkg = Command::new("dpkg-query");
    dpkg.args(["-W", "-f", "${Version}", "golang-github-grpc-ecosystem-grpc-gateway-dev"]);
    Ok(format!("grpc-gateway {} of Debian, built with {}", output(&mut dpkg)?, go.trim()))
}

fn is_in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String> {
    let run = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let error = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "{} fails: {error}", command.get_program().display());
    Ok(String::from_utf8(run.stdout)?)
}
