//! The import on the server that a file is: created, or found again where it was broken off.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{
    CreateImportRequest, Import, ImportState, ListImportsRequest, ListRejectedRowsRequest,
    RejectedRow,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Streaming};

use crate::login::explain;

/// No more of a file's name is kept.
const NAME: usize = 100;
/// As many imports are looked through for one that was broken off.
const RECENT: i32 = 100;

/// A client that works on imports.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub channel: Channel,
    pub token: MetadataValue<Ascii>,
}

impl Jobs {
    /// The open import of the same file for the same purpose, or a new one.
    pub async fn find_or_create(&self, wanted: CreateImportRequest) -> anyhow::Result<Import> {
        let recent = ListImportsRequest { size: Some(RECENT), ..ListImportsRequest::default() };
        let recent = self.client().list_imports(self.signed(recent)).await;
        let recent = recent.map_err(|status| explain(&status))?.into_inner().data;
        let is_wanted = |import: &Import| {
            import.state() == ImportState::Open
                && (import.dry_run, &import.r#type, &import.source)
                    == (wanted.dry_run, &wanted.r#type, &wanted.source)
        };
        if let Some(open) = recent.into_iter().find(is_wanted) {
            return Ok(open);
        }
        let created = self.client().create_import(self.signed(wanted)).await;
        Ok(created.map_err(|status| explain(&status))?.into_inner())
    }

    /// All rows that were left out of an import.
    pub async fn rejected(&self, id: &str) -> anyhow::Result<Streaming<RejectedRow>> {
        let request = self.signed(ListRejectedRowsRequest { id: id.to_owned() });
        let rows = self.client().list_rejected_rows(request).await;
        Ok(rows.map_err(|status| explain(&status))?.into_inner())
    }

    fn client(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }
}

/// What a file is called, and what is in it: another one of the same name is another source.
pub fn source(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(NAME).collect();
    Ok(format!("{name} sha256:{hex}"))
}
