//! The `souk` that is measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The binary that `SOUK_BIN` names, or one built with the profile of this bench.
pub fn souk() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SOUK_BIN") {
        return Ok(path.into());
    }
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        // what cargo tells this program of its own package: build scripts that look at it would
        // run again at every turn, and the linker with them
        let name = name.to_string_lossy();
        if name == "OUT_DIR"
            || name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
        {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo
        .args(["build", "--package", "souk", "--bin", "souk", "--profile", &profile()?])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(built.status.success(), "souk does not build");
    let messages = String::from_utf8(built.stdout)?;
    executable(&messages).context("cargo does not say where souk is")
}

/// What cargo calls the profile that this very program was built with:
/// `target/<profile>/deps/<program>`.
fn profile() -> Result<String> {
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(Path::parent).and_then(Path::file_name);
    let name = directory.and_then(|name| name.to_str()).context("a program of cargo's")?;
    Ok(if name == "debug" { "dev" } else { name }.to_owned())
}

fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut artifacts = messages.filter(|message: &serde_json::Value| {
        message["reason"] == "compiler-artifact" && message["target"]["name"] == "souk"
    });
    artifacts.find_map(|artifact| Some(artifact["executable"].as_str()?.into()))
}
