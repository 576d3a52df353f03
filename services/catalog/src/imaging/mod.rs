//! Images: uploaded, read, changed and deleted. An upload is a row that says so, then a file, then the row and
//! the product that know of it: whoever dies between leaves what a sweep finds.

mod sweep;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use souk_db::{Access, Database};
use souk_kit::condition::IfMatch;
use souk_kit::id::{self, ImageId, ProductId};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::files::{self, Files, NewFile};
use crate::image::{Content, Digest, Format, Image, ImageChange, NewImage};
use crate::{Error, store};

/// How many images are uploaded at once: each has up to two parts of a file in memory.
const ROOM: usize = 16;
/// How long an upload waits for its turn.
const ROOM_LIMIT: Duration = Duration::from_secs(2);
/// How long a statement around an upload may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// Keeps images. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Imaging {
    database: Database,
    files: Files,
    max_bytes: u64,
    room: Arc<Semaphore>,
}

impl Imaging {
    pub fn new(database: Database, files: Files, max_bytes: u64) -> Self {
        Self { database, files, max_bytes, room: Arc::new(Semaphore::new(ROOM)) }
    }

    /// Stores an image whose bytes come as a stream. When this returns it is there, and stays.
    pub async fn upload<E: From<Error>>(
        &self,
        new: NewImage,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Image, E> {
        let _place = self.place().await?;
        let begun = self.begin(&new).await?;
        let mut file = self.files.create(begun.id);
        let content = self.write(&mut file, bytes).await?;
        let finish = begun.finish(file, new.product, content);
        // to its end also when nobody waits for it any more
        let done = tokio::spawn(finish.in_current_span()).await;
        Ok(done.unwrap_or_else(|error| Err(Error::Task(error)))?)
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Error> {
        let place = timeout(ROOM_LIMIT, self.room.acquire()).await;
        // nobody closes it
        place.ok().and_then(Result::ok).ok_or(Error::NoRoom)
    }

    async fn begin(&self, new: &NewImage) -> Result<Begun, Error> {
        let id = id::new();
        if !store::images::begin(&self.access(), id, new).await? {
            return Err(Error::ProductNotFound(new.product));
        }
        Ok(Begun { imaging: self.clone(), id, is_shown: false })
    }

    /// Writes a file, and tells what is in it.
    async fn write<E: From<Error>>(
        &self,
        file: &mut NewFile,
        mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Content, E> {
        let (mut size, mut hash) = (0, Sha256::new());
        let mut beginning = Vec::with_capacity(Format::TELLING);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            if size > self.max_bytes {
                return Err(Error::ImageTooLarge { most: self.max_bytes }.into());
            }
            let missing = Format::TELLING - beginning.len();
            if missing > 0 {
                beginning.extend(piece.iter().take(missing));
                if beginning.len() == Format::TELLING {
                    Format::of(&beginning).ok_or(Error::NotAnImage)?;
                }
            }
            hash.update(&piece);
            file.write(piece).await.map_err(Error::from)?;
        }
        if size == 0 {
            return Err(Error::invalid("file", "is required").into());
        }
        let format = Format::of(&beginning).ok_or(Error::NotAnImage)?;
        Ok(Content { format, size, sha256: Digest(hash.finalize().into()) })
    }

    /// Shows an image whose file is stored; the one that its product has already, where that is the same.
    async fn show(
        &self,
        id: ImageId,
        product: ProductId,
        content: Content,
    ) -> Result<Image, Error> {
        let access = self.access();
        let work = access.transaction(move |transaction| {
            async move {
                let image = store::images::complete(transaction, id, product, &content).await?;
                image.ok_or(Error::ProductNotFound(product))
            }
            .boxed()
        });
        match work.await {
            // it may be stored all the same, and its commit not heard of
            Err(Error::Database(error)) => {
                let found = store::images::get(&self.access(), id).await.ok().flatten();
                found.ok_or(Error::Database(error))
            }
            done => done,
        }
    }

    pub async fn get(&self, access: &Access, id: ImageId) -> Result<Image, Error> {
        store::images::get(access, id).await?.ok_or(Error::ImageNotFound(id))
    }

    /// Reads these bytes of an image.
    pub async fn read(&self, image: &Image, range: Range<u64>) -> Result<files::Content, Error> {
        match self.files.read(image.id, range).await {
            Err(object_store::Error::NotFound { .. }) => {
                tracing::error!(image_id = %image.id, "the file of an image is missing");
                Err(Error::ImageNotFound(image.id))
            }
            content => Ok(content?),
        }
    }

    /// The images of a product, in their order.
    pub async fn list(&self, access: &Access, product: ProductId) -> Result<Vec<Image>, Error> {
        let images = store::images::of_product(access, product).await?;
        images.ok_or(Error::ProductNotFound(product))
    }

    pub async fn change(
        &self,
        access: &Access,
        id: ImageId,
        if_match: &IfMatch,
        change: &ImageChange,
    ) -> Result<Image, Error> {
        match store::images::update(access, id, if_match, change).await? {
            Some(image) => Ok(image),
            None => Err(unchanged(access, id, if_match).await?),
        }
    }

    /// Deletes an image. Its file goes later.
    pub async fn delete(
        &self,
        access: &Access,
        id: ImageId,
        if_match: &IfMatch,
    ) -> Result<(), Error> {
        let meant = if_match.clone();
        let work = access.transaction(move |transaction| {
            async move { Ok(store::images::delete(transaction, id, &meant).await?) }.boxed()
        });
        match work.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unchanged(access, id, if_match).await?),
            Err(error) => Err(error),
        }
    }

    fn access(&self) -> Access {
        self.database.within(STATEMENT_LIMIT)
    }
}

/// An upload that has begun. Where it ends without an image of its own, it is given up.
#[derive(Debug)]
struct Begun {
    imaging: Imaging,
    id: ImageId,
    is_shown: bool,
}

impl Begun {
    async fn finish(
        mut self,
        file: NewFile,
        product: ProductId,
        content: Content,
    ) -> Result<Image, Error> {
        if let Err(error) = file.finish().await {
            // a sweep takes the file away when its product is deleted meanwhile
            let goes_on = store::images::is_uploading(&self.imaging.access(), self.id).await?;
            return Err(if goes_on { error.into() } else { Error::ProductNotFound(product) });
        }
        let image = self.imaging.show(self.id, product, content).await?;
        self.is_shown = image.id == self.id;
        Ok(image)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.is_shown {
            return;
        }
        let (access, id) = (self.imaging.access(), self.id);
        let give_up = async move {
            if let Err(error) = store::images::give_up(&access, id).await {
                // a sweep does in an hour
                let error = souk_kit::failure::chain(&error);
                tracing::warn!(error, image_id = %id, "cannot give an upload up");
            }
        };
        tokio::spawn(give_up.in_current_span());
    }
}

/// Why an image was not changed. One that has gone meanwhile does not exist either.
async fn unchanged(access: &Access, id: ImageId, if_match: &IfMatch) -> Result<Error, Error> {
    let exists = *if_match != IfMatch::Any && store::images::get(access, id).await?.is_some();
    Ok(if exists { Error::ImageChanged(id) } else { Error::ImageNotFound(id) })
}
