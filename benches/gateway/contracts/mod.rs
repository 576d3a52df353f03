//! Contracts that Souk was not built with.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

/// As `souk gateway --descriptors` reads them.
const MEMBERS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/members.bin"));
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library.bin"));

#[allow(clippy::allow_attributes_without_reason, reason = "generated")]
pub mod members {
    tonic::include_proto!("members.v1");
}

#[allow(clippy::allow_attributes_without_reason, reason = "generated")]
pub mod library {
    tonic::include_proto!("library.v1");
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub enum Contract {
    Members,
    Library,
}

impl Contract {
    /// Writes its descriptors to a file.
    pub fn write(self) -> Result<PathBuf> {
        let (name, descriptors) = match self {
            Self::Members => ("members", MEMBERS),
            Self::Library => ("library", LIBRARY),
        };
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.bin"));
        fs::write(&path, descriptors)?;
        Ok(path)
    }
}
