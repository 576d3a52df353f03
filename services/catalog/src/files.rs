//! Files of images: in a folder, or with a provider of object storage. A file has the name of its image, in one
//! of 256 folders, so that some can be looked at without listing all.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    Error, GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt as _, PutMode, parse_url_opts,
};
use souk_kit::id::ImageId;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::crypto::ring;
use tokio_util::io::ReaderStream;
use tracing::Instrument as _;
use url::Url;

/// How many bytes of a file in a folder are read or written at once.
const PIECE: usize = 32 * 1024;
const LOCAL_PART: usize = 1024 * 1024;
/// How many bytes are sent at once to a provider: no part but the last may be smaller with S3.
const REMOTE_PART: usize = 5 * 1024 * 1024;
/// The file that says whose the others are.
pub const MARK: &str = "catalog";
/// What environment variables of the providers begin with.
const PROVIDERS: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Where files are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// The folder that they are in, where it is one of this machine.
    folder: Option<PathBuf>,
}

/// The bytes of a file, or some of them.
pub type Content = BoxStream<'static, Result<Bytes, Error>>;

impl Files {
    /// Files in a folder, which is made, or at a URL: `s3://bucket/folder`, `gs://…`, `az://…`. What else a
    /// provider needs comes from the environment, by the names that it uses itself (`AWS_REGION` …).
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or the URL names nothing that is known.
    pub fn open(place: &str) -> anyhow::Result<Self> {
        match place.split_once("://") {
            None => Self::in_folder(PathBuf::from(place)),
            Some(_) => Self::at(place),
        }
        .with_context(|| format!("cannot use the image store {place}"))
    }

    fn in_folder(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        // what was acknowledged is there after a power failure, too
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), folder: Some(folder) })
    }

    fn at(url: &str) -> anyhow::Result<Self> {
        // fails where somebody else has chosen before, which is as well
        let _ = ring::default_provider().install_default();
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| PROVIDERS.iter().any(|provider| name.starts_with(provider)));
        let (store, folder) = parse_url_opts(&Url::parse(url)?, variables)?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, folder)), folder: None })
    }

    /// A file to write.
    pub fn create(&self, id: ImageId) -> NewFile {
        let part = if self.folder.is_some() { LOCAL_PART } else { REMOTE_PART };
        let writer = BufWriter::with_capacity(self.store.clone(), path(id), part);
        NewFile(Some(writer.with_max_concurrency(1)))
    }

    /// Reads these bytes of a file.
    pub async fn read(&self, id: ImageId, range: Range<u64>) -> Result<Content, Error> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(range.clone().into()), ..GetOptions::default() };
        match self.store.get_opts(&path(id), options).await?.payload {
            GetResultPayload::Stream(content) => Ok(content),
            // in larger pieces than the library's
            GetResultPayload::File(file, _) => {
                let mut file = tokio::fs::File::from_std(file);
                file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(broken)?;
                let bytes = file.take(range.end - range.start);
                Ok(ReaderStream::with_capacity(bytes, PIECE).map_err(broken).boxed())
            }
        }
    }

    /// Deletes a file, and what is left of it where it was not finished. One that is not there is no failure.
    pub async fn delete(&self, id: ImageId) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            // the library's name of a file that is written: a process that died has left it
            let unfinished = folder.join(format!("{}#1", path(id)));
            forgive(tokio::fs::remove_file(unfinished).await.map_err(broken))?;
        }
        forgive(self.store.delete(&path(id)).await)
    }

    /// The images that have a file in a shard, and when it was written.
    pub async fn in_shard(&self, shard: u8) -> Result<HashMap<ImageId, OffsetDateTime>, Error> {
        let folder = Path::from(folder(shard));
        let mut files = self.store.list(Some(&folder));
        let mut found = HashMap::new();
        while let Some(file) = files.try_next().await? {
            // whatever else is there is not ours
            let id = file.location.filename().and_then(|name| name.parse().ok());
            let written = OffsetDateTime::from_unix_timestamp(file.last_modified.timestamp());
            found.extend(id.zip(written.ok()));
        }
        Ok(found)
    }

    /// Whose the files are; `None` when nobody has said so.
    pub async fn owner(&self) -> Result<Option<String>, Error> {
        let mark = match self.store.get(&Path::from(MARK)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            mark => mark?.bytes().await?,
        };
        Ok(Some(String::from_utf8_lossy(&mark).trim().to_owned()))
    }

    /// Says whose the files are, unless somebody was faster.
    pub async fn mark(&self, owner: &str) -> Result<(), Error> {
        let mark = format!("{owner}\n").into_bytes();
        let path = Path::from(MARK);
        match self.store.put_opts(&path, mark.into(), PutMode::Create.into()).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A file that is being written. Nothing of it is left where it is not finished.
#[derive(Debug)]
pub struct NewFile(Option<BufWriter>);

impl NewFile {
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match &mut self.0 {
            Some(writer) if !bytes.is_empty() => writer.put(bytes).await,
            _ => Ok(()),
        }
    }

    /// The file is there, and stays, when this returns.
    pub async fn finish(mut self) -> Result<(), Error> {
        match self.0.take() {
            Some(mut writer) => writer.shutdown().await.map_err(broken),
            None => Ok(()),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let Some(mut writer) = self.0.take() else { return };
        let abort = async move {
            if let Err(error) = writer.abort().await {
                tracing::warn!(error = souk_kit::failure::chain(&error), "cannot abort a file");
            }
        };
        tokio::spawn(abort.in_current_span());
    }
}

fn folder(shard: u8) -> String {
    format!("{shard:02x}")
}

fn path(id: ImageId) -> Path {
    // the last byte of an id is random
    let shard = id.uuid().as_bytes()[15];
    Path::from(format!("{}/{id}", folder(shard)))
}

fn broken(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::NotFound { path: String::new(), source: Box::new(error) }
        }
        _ => Error::Generic { store: "file", source: Box::new(error) },
    }
}

fn forgive(deleted: Result<(), Error>) -> Result<(), Error> {
    match deleted {
        Err(Error::NotFound { .. }) => Ok(()),
        deleted => deleted,
    }
}
