//! The recorder's folders, stores and keys as a command uses them, beside a running server or
//! without one.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use vbranch_domain::{Clock, RecordingId};

use crate::{
    archive::{Archive, spool_of},
    bundle::ExportRecord,
    config::RecorderConfig,
    disk::{Disk, OsDisk},
    error::RecorderError,
    export::{ExportOptions, Exporter},
    keys::{EscrowPublicKey, EvidenceKey, FileKeys},
    lifecycle::RetentionRules,
    log::EvidenceLog,
    marks,
    start::open_stores,
    store::{FsStore, Store},
};

/// See the module's documentation.
pub struct Offline {
    pub(crate) archive: Archive,
    pub(crate) log: EvidenceLog,
    pub(crate) log_folder: PathBuf,
    pub(crate) evidence: Arc<EvidenceKey>,
    pub(crate) keys: FileKeys,
    pub(crate) escrow: Option<EscrowPublicKey>,
    pub(crate) rules: RetentionRules,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Offline {
    /// Opens what is there; makes nothing. A store that does not answer stops only what needs it.
    pub fn open(config: &RecorderConfig, clock: Arc<dyn Clock>) -> Result<Self, RecorderError> {
        let stores = open_stores(config, &clock)?;
        Self::open_on(config, Arc::new(OsDisk), stores, clock)
    }

    pub(crate) fn open_on(
        config: &RecorderConfig,
        disk: Arc<dyn Disk>,
        stores: [Arc<dyn Store>; 2],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RecorderError> {
        let paths = &config.paths;
        let evidence = paths.keys.join("evidence.key");
        // Opening would make new ones, which open nothing.
        if !evidence.exists() || !paths.recordings.is_dir() {
            let what = "no recordings and keys in this data folder".to_owned();
            return Err(RecorderError::Config(what));
        }
        let keys = FileKeys::existing(&paths.keys)?;
        let evidence = Arc::new(EvidenceKey::open(&evidence)?);
        let log = EvidenceLog::open(&paths.log, &config.log_origin, Arc::clone(&evidence))?;
        marks::check(&log, stores.iter())?;
        let spool = Arc::new(FsStore::on(Arc::clone(&disk), spool_of(&paths.recordings)));
        let archive = Archive {
            stores,
            kek: Arc::new(keys.clone()),
            public: evidence.public(),
            disk,
            folder: paths.recordings.clone(),
            cache: Mutex::new(HashMap::new()),
            spool,
            troubled: Default::default(),
        };
        Ok(Self {
            archive,
            log,
            log_folder: paths.log.clone(),
            evidence,
            keys,
            escrow: config.escrow,
            rules: config.retention.clone(),
            clock,
        })
    }

    /// Exports a sealed recording into the new folder `out`.
    pub fn export(
        &self,
        recording: RecordingId,
        out: &Path,
        options: &ExportOptions,
    ) -> Result<ExportRecord, RecorderError> {
        let Self { archive, log, evidence, .. } = self;
        Exporter { archive, log, evidence }.run(recording, out, options)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        // What was decided here must not be undone unseen by putting the log back.
        marks::publish(&self.log, &self.archive.stores);
    }
}
