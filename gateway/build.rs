//! Packs Swagger UI and ReDoc for the documentation pages, as published crates carry them: compressed,
//! and only the files that the pages need.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use aide::redoc::Redoc;
use anyhow::Context as _;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::GzEncoder;
use rawzip::ZipArchive;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// The files of Swagger UI that a page needs.
const SWAGGER_UI: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// All that ReDoc would load from elsewhere. It shows no logo where it cannot load one.
const REDOC_LOGO: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";

fn main() -> anyhow::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    for name in SWAGGER_UI {
        let content = swagger_ui(name).with_context(|| format!("no {name} in Swagger UI"))?;
        pack(name, &content)?;
    }
    pack("redoc.js", redoc()?.as_bytes())
}

/// A file of Swagger UI.
fn swagger_ui(name: &str) -> anyhow::Result<Vec<u8>> {
    let archive = ZipArchive::from_slice(SWAGGER_UI_VENDORED)?;
    let path = format!("/dist/{name}");
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry()? {
        if entry.file_path().as_ref().ends_with(path.as_bytes()) {
            let entry = archive.get_entry(entry.wayfinder())?;
            let mut content = Vec::new();
            entry.verifying_reader(DeflateDecoder::new(entry.data())).read_to_end(&mut content)?;
            return Ok(content);
        }
    }
    anyhow::bail!("the archive does not have {path}")
}

/// The script of ReDoc, which its crate has only as a part of a page.
fn redoc() -> anyhow::Result<String> {
    let page = Redoc::new("").html();
    let script = page
        .split_once("<script>")
        .and_then(|(_, rest)| rest.rsplit_once("Redoc.init("))
        .map(|(script, _)| script.trim())
        .context("ReDoc is not where it was in its page")?;
    anyhow::ensure!(script.contains(REDOC_LOGO), "the logo of ReDoc has another address");
    Ok(script.replace(REDOC_LOGO, ""))
}

/// Writes what the library includes.
fn pack(name: &str, content: &[u8]) -> anyhow::Result<()> {
    let path = PathBuf::from(std::env::var("OUT_DIR")?).join(format!("{name}.gz"));
    let mut encoder = GzEncoder::new(File::create(path)?, Compression::best());
    encoder.write_all(content)?;
    encoder.finish()?;
    Ok(())
}
