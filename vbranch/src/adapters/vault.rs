//! The face vault behind [`FaceVault`]. It waits for the disk, so every call runs where blocking
//! is allowed.

use std::{
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use vbranch_domain::{
    Clock, SystemClock, UnixMillis,
    kyc::{PersonRef, Portrait},
};
use vbranch_recorder::{FaceVault as Vault, FaceVaultConfig, FaceVaultError};
use vbranch_signaling::ports::{FaceVault, VaultError};

use crate::config;

/// How often entries whose time is over are removed. They are not served meanwhile.
const SWEEP: Duration = Duration::from_hours(1);
/// Name of the key file among the keys.
const KEY: &str = "faces.key";

/// Portraits on this machine's disk.
pub struct VaultAdapter {
    vault: Arc<Vault>,
    clock: SystemClock,
}

impl VaultAdapter {
    /// Opens the vault and goes on removing what is over. Looking through a full one takes a
    /// second or two.
    ///
    /// # Errors
    /// When its folder or its key cannot be used.
    pub fn start(
        config: &config::Kyc,
        keys: &Path,
        clock: SystemClock,
    ) -> Result<Self, FaceVaultError> {
        let config = FaceVaultConfig {
            dir: config.faces_dir.clone(),
            key: keys.join(KEY),
            persons_threshold: config.persons_threshold,
        };
        let vault = Arc::new(Vault::open(&config, clock.wall())?);
        tokio::spawn(sweep(Arc::downgrade(&vault), clock));
        Ok(Self { vault, clock })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Vault) -> Result<T, FaceVaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let vault = Arc::clone(&self.vault);
        let done = spawn_blocking(move || f(&vault)).await;
        match done {
            Ok(done) => done.map_err(|error| VaultError(error.to_string())),
            Err(_) => Err(VaultError("the vault's task ended".to_owned())),
        }
    }
}

async fn sweep(vault: Weak<Vault>, clock: SystemClock) {
    let mut tick = interval(SWEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and opening has just swept.
    tick.tick().await;
    loop {
        tick.tick().await;
        let Some(vault) = vault.upgrade() else { return };
        let swept = spawn_blocking(move || vault.sweep(clock.wall())).await;
        match swept {
            Ok(Ok(swept)) => {
                tracing::info!(expired = swept.expired, refused = swept.refused, "faces swept")
            }
            Ok(Err(error)) => tracing::error!(%error, "faces are swept later"),
            Err(error) => tracing::error!(%error, "faces are swept later"),
        }
    }
}

#[async_trait]
impl FaceVault for VaultAdapter {
    async fn keep(
        &self,
        person: PersonRef,
        portrait: Portrait,
        until: UnixMillis,
    ) -> Result<(), VaultError> {
        self.blocking(move |vault| vault.keep(&person, &portrait.0, until)).await
    }

    async fn portrait(&self, person: PersonRef) -> Result<Option<Portrait>, VaultError> {
        let now = self.clock.wall();
        let kept = self.blocking(move |vault| vault.portrait(&person, now)).await?;
        Ok(kept.map(|bytes| Portrait(bytes.into())))
    }

    async fn forget(&self, person: PersonRef) -> Result<(), VaultError> {
        self.blocking(move |vault| vault.forget(&person)).await
    }

    fn persons(&self) -> u64 {
        self.vault.persons()
    }
}
