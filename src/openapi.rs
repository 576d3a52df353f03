//! Prints what a gateway says of the contracts that it serves.

use std::io::Write as _;

use anyhow::Context as _;
use souk_gateway::{Access, Contracts, Documents, Style};

use crate::cli;

/// Prints the OpenAPI document.
pub fn print(options: &cli::Openapi) -> anyhow::Result<()> {
    let documents = match &options.descriptors {
        None => Documents::of(&Contracts::of_this_build())?,
        Some(file) => {
            let read =
                || Contracts::read(&std::fs::read(file)?, Some(Access::Public), Style::Canonical);
            let contracts = read()
                .with_context(|| format!("cannot read the contracts in {}", file.display()))?;
            Documents::of(&contracts)?
        }
    };
    let text = if options.yaml { documents.openapi_yaml } else { documents.openapi_json };
    let mut out = std::io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.write_all(if options.yaml { b"" } else { b"\n" })?)
}
