//! The test a bucket must pass before it is given evidence.
//!
//! Where versions are kept, S3 answers an overwriting or a deletion with success and keeps the old
//! version. So what counts is whether the first version can still be read, and whether that version
//! itself can be deleted.

use object_store::{ObjectStoreExt as _, path::Path, signer::Method};

use super::{
    StoreError,
    s3::{Server, fault},
};

/// How long the test's own object asks to be locked, where objects do.
const LOCK_DAYS: u32 = 1;
/// What it holds, and what is tried to be put in its place.
const FIRST: &[u8] = b"the first content";
const SECOND: &[u8] = b"other content";

/// [`StoreError::Unfit`] says in what way a bucket failed; other errors, that it cannot be told now.
pub(super) async fn test(server: &Server) -> Result<(), StoreError> {
    let path = server.path(&format!(".fitness/{}", uuid::Uuid::new_v4()));
    test_keys(server, &path).await?;
    let lock_days = server.settings.lock_days.min(LOCK_DAYS);
    let version = server.create(&path, FIRST.to_vec(), lock_days).await?;
    match server.create(&path, SECOND.to_vec(), lock_days).await {
        Err(StoreError::Conflict) => {}
        Ok(_) => return unfit("the bucket overwrites what is put under If-None-Match"),
        Err(other) => return Err(other),
    }
    if !server.settings.write_once {
        // Left over where it cannot be deleted, which is no harm.
        let _ = server.objects.delete(&path).await;
        return Ok(());
    }
    let first = First { server, path: &path, version };
    first.overwrite().await?;
    first.delete().await?;
    first.delete_version().await
}

/// Wrapped keys must be replaceable, and gone once they are deleted.
async fn test_keys(server: &Server, path: &Path) -> Result<(), StoreError> {
    let put = server.keys.put(path, FIRST.to_vec().into()).await.map_err(fault)?;
    if put.version.is_some_and(|version| version != "null") {
        return unfit(
            "the bucket of the wrapped keys keeps old versions: nothing in it could be destroyed",
        );
    }
    server.keys.put(path, SECOND.to_vec().into()).await.map_err(fault)?;
    let deleted = server.keys.delete(path).await.map_err(fault);
    match server.keys.get(path).await.map_err(fault) {
        Err(StoreError::NotFound) => Ok(()),
        Err(other) => Err(other),
        Ok(_) => {
            tracing::debug!(?deleted, "deletion of a wrapped key");
            unfit("what is in the bucket of the wrapped keys cannot be deleted")
        }
    }
}

/// The test's object, and its first version where versions are kept.
struct First<'a> {
    server: &'a Server,
    path: &'a Path,
    version: Option<String>,
}

impl First<'_> {
    async fn overwrite(&self) -> Result<(), StoreError> {
        match self.server.put_locking(self.path, SECOND.to_vec(), 0, false).await {
            Ok(_) => self.expect_kept("objects in the bucket can be overwritten").await,
            Err(error) => refused(error),
        }
    }

    async fn delete(&self) -> Result<(), StoreError> {
        match self.server.objects.delete(self.path).await {
            Ok(()) => self.expect_kept("objects in the bucket can be deleted").await,
            Err(error) => refused(fault(error)),
        }
    }

    async fn delete_version(&self) -> Result<(), StoreError> {
        let Some(version) = &self.version else { return Ok(()) };
        let query = [("versionId", version.as_str())];
        let answer = self.server.signed(Method::DELETE, self.path, &query, &[], vec![]).await?;
        if answer.0 >= 500 {
            return Err(StoreError::Server(format!("answered {}", answer.0)));
        }
        self.expect_kept("versions of objects in the bucket can be deleted: set object lock").await
    }

    /// Whether what was put first is still to be had.
    async fn expect_kept(&self, otherwise: &str) -> Result<(), StoreError> {
        let found = match &self.version {
            Some(version) => self.server.version(self.path, version).await,
            None => match self.server.objects.get(self.path).await.map_err(fault) {
                Ok(found) => found.bytes().await.map(|bytes| bytes.to_vec()).map_err(fault),
                Err(error) => Err(error),
            },
        };
        match found {
            Ok(bytes) if bytes == FIRST => Ok(()),
            Ok(_) | Err(StoreError::NotFound) => unfit(otherwise),
            Err(other) => Err(other),
        }
    }
}

/// What the server did not do is as good as what it could not undo; only its being out is neither.
fn refused(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Server(what) if what == "access denied" => Ok(()),
        // 400 says that the question was wrong, and nothing of the bucket.
        StoreError::Server(what) if what.starts_with("answered 400") => {
            Err(StoreError::Server(what))
        }
        StoreError::Server(what) if what.starts_with("answered 4") => Ok(()),
        StoreError::Conflict => Ok(()),
        other => Err(other),
    }
}

fn unfit(what: &str) -> Result<(), StoreError> {
    Err(StoreError::Unfit(what.to_owned()))
}
