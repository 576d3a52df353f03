//! What a crash, or somebody else, has left: files that no row knows, rows whose file is missing.

use std::time::Duration;

use souk_kit::condition::IfMatch;
use souk_kit::id::ImageId;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::Imaging;
use crate::{Error, files, store};

/// How often files are deleted that are not wanted any more.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often all files are compared with all rows; and once at the beginning.
const COMPARE_INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// How old a file is at least that no row knows, and that may go.
const GRACE: time::Duration = time::Duration::days(1);
const AT_ONCE: i64 = 100;

impl Imaging {
    /// Mends what is left, again and again, in files that are ours.
    pub async fn sweep(&self) {
        loop {
            let next = Instant::now() + COMPARE_INTERVAL;
            match self.are_ours().await {
                Ok(true) => self.sweep_until(next).await,
                Ok(false) => sleep(COMPARE_INTERVAL).await,
                Err(error) => {
                    warn(&error, "cannot tell whose the files of images are");
                    sleep(INTERVAL).await;
                }
            }
        }
    }

    async fn sweep_until(&self, end: Instant) {
        if let Err(error) = self.compare().await {
            warn(&error, "cannot compare images with their files");
        }
        while Instant::now() < end {
            match self.clear().await {
                // there may be more
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => warn(&error, "cannot delete files of images"),
            }
            sleep(INTERVAL).await;
        }
    }

    /// Deletes files of images that were deleted or given up, and then their rows; whether there may be
    /// more.
    async fn clear(&self) -> Result<bool, Error> {
        let unwanted = store::images::unwanted(&self.access(), AT_ONCE).await?;
        let mut deleted = 0;
        for id in &unwanted {
            match self.files.delete(*id).await {
                Ok(()) => {
                    store::images::forget(&self.access(), *id).await?;
                    deleted += 1;
                }
                Err(error) => {
                    warn(&error.into(), "cannot delete the file of an image");
                    // others first
                    store::images::postpone(&self.access(), *id).await?;
                }
            }
        }
        Ok(deleted == AT_ONCE)
    }

    /// Compares all files with all rows, some at a time.
    async fn compare(&self) -> Result<(), Error> {
        for shard in 0..=u8::MAX {
            // rows before files: what is ready has its file
            let ready = store::images::ready_in(&self.access(), shard).await?;
            let mut files = self.files.in_shard(shard).await?;
            let missing: Vec<ImageId> =
                ready.into_iter().filter(|id| files.remove(id).is_none()).collect();
            // a folder that is not mounted any more has lost none of them
            if !missing.is_empty() && !self.are_ours().await? {
                return Ok(());
            }
            for id in missing {
                self.lose(id).await?;
            }
            files.retain(|_, written| *written < OffsetDateTime::now_utc() - GRACE);
            self.delete_unknown(files.into_keys().collect()).await?;
        }
        Ok(())
    }

    /// Takes an image away whose file is not there any more. One that was deleted meanwhile is as well.
    async fn lose(&self, id: ImageId) -> Result<(), Error> {
        match self.delete(&self.access(), id, &IfMatch::Any).await {
            Ok(()) => {
                tracing::error!(image_id = %id, "an image has lost its file, and was deleted")
            }
            Err(Error::ImageNotFound(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Deletes those files that no row knows: a row is there before its file, and goes after it.
    async fn delete_unknown(&self, ids: Vec<ImageId>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let known = store::images::known(&self.access(), &ids).await?;
        for id in ids.into_iter().filter(|id| !known.contains(id)) {
            tracing::warn!(image_id = %id, "a file of no image was deleted");
            self.files.delete(id).await?;
        }
        Ok(())
    }

    /// Whether the files are those of our database, and no others: a folder that is not mounted has none, and
    /// a copy of the database must not delete what the original has.
    async fn are_ours(&self) -> Result<bool, Error> {
        let (us, is_marked) = store::images::mark(&self.access()).await?;
        let mut owner = self.files.owner().await?;
        if owner.is_none() && !is_marked {
            self.files.mark(&us).await?;
            store::images::note_marked(&self.access()).await?;
            owner = self.files.owner().await?;
        }
        let are_ours = owner.as_ref() == Some(&us);
        if !are_ours {
            let file = files::MARK;
            tracing::error!(
                file,
                is = owner.unwrap_or_default(),
                should_be = us,
                "the image store is not that of this catalog, as far as it says: no file is deleted"
            );
        }
        Ok(are_ours)
    }
}

fn warn(error: &Error, message: &str) {
    tracing::warn!(error = souk_kit::failure::chain(error), message);
}
