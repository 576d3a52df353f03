//! Prints the OpenAPI document of contracts.

use std::io::Write as _;

use souk_gateway::{Contracts, Documents};

use crate::cli;
use crate::gateway::{contracts, explained};

/// Prints it.
pub fn print(options: &cli::Openapi) -> anyhow::Result<()> {
    let contracts = match &options.descriptors {
        Some(file) => contracts(file, &options.foreign)?,
        None => Contracts::of_this_build(),
    };
    let documents = Documents::of(&contracts).map_err(explained)?;
    let text = if options.yaml { documents.openapi_yaml } else { documents.openapi_json };
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_ascii_end())?;
    Ok(writeln!(out)?)
}
