//! What a second key holder does with a bundle, on a machine of their own: opens the data key with
//! their private key, and the films with the data key.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use vbranch_domain::recording::TrackName;

use crate::{
    bundle::{KEY, MANIFEST, MANIFEST_SIG, MEDIA, OBJECTS, media_plan},
    canonical,
    disk::read_limited,
    error::RecorderError,
    hash::Sha256,
    keys::{DataKey, EscrowSecretKey, EvidencePublicKey, KeyError, WrappedKey},
    manifest::{MAX_MANIFEST, Manifest, init_context, segment_context},
    seal::open,
    segment::InitHash,
    store::{MAX_OBJECT, ObjectName},
};

/// The largest wrapped key read.
const MAX_KEY: u64 = 1024 * 1024;

/// Opens the data key of a bundle with the copy that was made for this holder.
pub fn open_escrowed(
    bundle: &Path,
    key: &EvidencePublicKey,
    holder: &EscrowSecretKey,
) -> Result<DataKey, RecorderError> {
    let manifest = manifest(bundle, key)?;
    let wrapped: WrappedKey = canonical::parse(&read_limited(&bundle.join(KEY), MAX_KEY)?)?;
    let id = holder.public()?.id();
    let copy = wrapped.escrow.iter().find(|copy| copy.holder == id);
    let copy = copy.ok_or_else(|| {
        RecorderError::Refused(format!("the bundle has no copy of the data key for {id}"))
    })?;
    let data_key = holder.open_key(manifest.recording, copy)?;
    if data_key.id(manifest.recording)? == manifest.key.id {
        Ok(data_key)
    } else {
        Err(KeyError::Unwrap.into())
    }
}

/// Writes a bundle's playable films, **in clear**, below the folder `out`.
pub fn write_films(
    bundle: &Path,
    key: &EvidencePublicKey,
    data_key: &DataKey,
    out: &Path,
) -> Result<Vec<PathBuf>, RecorderError> {
    let manifest = manifest(bundle, key)?;
    let io = || RecorderError::io("writing a film");
    fs::create_dir_all(out.join(MEDIA)).map_err(io())?;
    let mut written = Vec::new();
    for plan in media_plan(&manifest) {
        let path = out.join(&plan.path);
        let mut options = OpenOptions::new();
        let mut film = options.write(true).create_new(true).mode(0o600).open(&path).map_err(io())?;
        film.write_all(&init(bundle, &manifest, data_key, plan.track, plan.init)?).map_err(io())?;
        for segment in plan.segments {
            let context =
                segment_context(manifest.recording, plan.track, segment.sequence, segment.init);
            let sealed = ObjectName::segment_path(plan.track, segment.sequence);
            let sealed = read_limited(&bundle.join(OBJECTS).join(sealed), MAX_OBJECT)?;
            let opener = data_key.track(manifest.recording, plan.track)?;
            film.write_all(&open(&opener, &context, &sealed)?).map_err(io())?;
        }
        written.push(path);
    }
    Ok(written)
}

fn init(
    bundle: &Path,
    manifest: &Manifest,
    data_key: &DataKey,
    track: TrackName,
    hash: Sha256,
) -> Result<Vec<u8>, RecorderError> {
    let path = ObjectName::init_path(track, InitHash(hash.0));
    let sealed = read_limited(&bundle.join(OBJECTS).join(path), MAX_OBJECT)?;
    let opener = data_key.track(manifest.recording, track)?;
    Ok(open(&opener, &init_context(manifest.recording, track, hash), &sealed)?)
}

/// The manifest, if it is the bank's.
fn manifest(bundle: &Path, key: &EvidencePublicKey) -> Result<Manifest, RecorderError> {
    let bytes = read_limited(&bundle.join(MANIFEST), MAX_MANIFEST)?;
    let signature = read_limited(&bundle.join(MANIFEST_SIG), 64)?;
    if !key.verifies(&bytes, &signature) {
        return Err(RecorderError::BadSignature);
    }
    Ok(canonical::parse(&bytes)?)
}
