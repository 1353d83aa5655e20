//! Which place a store is.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use vbranch_domain::Clock;
use zeroize::Zeroizing;

use super::{FsStore, S3Store, Store, StoreError};

/// A store by its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A folder of a file system.
    Folder(PathBuf),
    /// A bucket of an S3-compatible server.
    S3(S3Settings),
}

impl StorePlace {
    /// The embedded default: both stores are folders below one.
    #[must_use]
    pub fn both_under(data: &Path) -> [Self; 2] {
        [Self::Folder(data.join("store-a")), Self::Folder(data.join("store-b"))]
    }

    /// Opens the store. Nothing is asked of the place yet.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Folder(folder) => Arc::new(FsStore::new(folder)),
            Self::S3(settings) => Arc::new(S3Store::new(settings, clock)?),
        })
    }
}

/// A bucket of an S3-compatible server, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// `https://host[:port]`; none for AWS.
    pub endpoint: Option<String>,
    /// Part of what is signed; servers on one's own premises mostly take any.
    pub region: String,
    /// Where sealed objects go.
    pub bucket: String,
    /// What all names begin with; may be empty.
    pub prefix: String,
    /// Where wrapped keys go, which must be replaceable and, in the end, destroyable: a bucket
    /// without versions. None: the same bucket.
    pub keys_bucket: Option<String>,
    /// Name of the credential.
    pub access_key: String,
    /// The credential itself.
    pub secret_key: Secret,
    /// The store counts as failed unless a test at its first use shows that objects in it can be
    /// neither overwritten nor deleted.
    pub write_once: bool,
    /// Each object asks to be locked for so many days (object lock, mode compliance). 0: objects
    /// ask for nothing, and the bucket's own rule holds.
    pub lock_days: u32,
}

/// A secret of the settings: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret's text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
