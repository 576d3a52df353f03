//! The log of the server: a file beside the data.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{At, Error};
use crate::place::Place;

/// How much of a log an error quotes.
const QUOTED_LINES: usize = 12;
const QUOTED_BYTES: u64 = 4096;

/// Begins a new file and keeps the one of the run before: it tells how that run ended.
pub(crate) fn rotate(place: &Place) -> Result<(), Error> {
    let path = place.log();
    if path.exists() {
        fs::rename(&path, path.with_extension("log.1")).at("rename", &path)?;
    }
    place.create(&path).map(drop)
}

/// Lets a program write to the log.
pub(crate) fn attach(place: &Place, command: &mut Command) -> Result<PathBuf, Error> {
    let path = place.log();
    let file = OpenOptions::new().append(true).open(&path).at("open", &path)?;
    command.stdout(file.try_clone().at("open", &path)?).stderr(file);
    Ok(path)
}

/// The last lines, for people to read.
pub(crate) fn end_of(path: &Path) -> String {
    let text = tail(path).unwrap_or_else(|error| format!("(can not read it: {error})").into());
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
}

fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(QUOTED_BYTES)))?;
    let mut text = Vec::new();
    file.take(QUOTED_BYTES).read_to_end(&mut text)?;
    Ok(text)
}
