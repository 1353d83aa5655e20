//! `[recorder]`: where recordings go, and how long they are kept.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use vbranch_recorder::{
    RetentionRules,
    keys::EscrowPublicKey,
    store::{S3Settings, Secret, StorePlace},
};

use super::{Source, path};

/// The largest file with a secret that is read.
const MAX_SECRET: usize = 4096;

/// `[recorder]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    /// `store_a`, `store_b`: the two stores. A path is a folder; a table (`[recorder.store_a]`, or
    /// keys `store_a_…`) with `kind = "s3"` is a bucket.
    pub stores: [StorePlace; 2],
    /// `spool_mib`: of the data folder's disk, what recordings may take while neither store does,
    /// in MiB; beyond, media are lost and declared. Default 4096.
    pub spool_mib: u64,
    /// `keys_dir`: key-encryption key and evidence signing key.
    pub keys_dir: PathBuf,
    /// `escrow_key`: public key of a second key holder (`vbranch keys escrow-init`), who gets a
    /// copy of every data key.
    pub escrow: Option<EscrowPublicKey>,
    /// `retention_days`, and `retention_by_journey` as `journey:days` where that is longer.
    pub retention: RetentionRules,
    /// `reconcile_hour`: hour of the day (UTC) at which the day before is reconciled. Default 2.
    pub reconcile_hour: u32,
    /// `reconcile_tolerance_s`: by how much a recording may miss its call's ends. Default 5.
    pub reconcile_tolerance: Duration,
}

pub(super) fn read(s: &mut Source, data: &Path) -> Recorder {
    let stores = ["store_a", "store_b"].map(|key| {
        let folder = data.join(key.replace('_', "-"));
        store(s, key, folder)
    });
    let [a, b] = &stores;
    if a == b {
        s.mistake("[recorder] store_a and store_b are the same place".into());
    }
    Recorder {
        stores,
        spool_mib: s.get("recorder", "spool_mib", 4096, "a number of MiB", |t| t.parse().ok()),
        keys_dir: path(s, "recorder", "keys_dir", data.join("keys")),
        escrow: escrow(s),
        retention: retention(s),
        reconcile_hour: s.get("recorder", "reconcile_hour", 2, "an hour from 0 to 23", |t| {
            t.parse().ok().filter(|hour| *hour < 24)
        }),
        reconcile_tolerance: s.get(
            "recorder",
            "reconcile_tolerance_s",
            Duration::from_secs(5),
            "a number of seconds",
            |t| t.parse().ok().map(Duration::from_secs),
        ),
    }
}

fn escrow(s: &mut Source) -> Option<EscrowPublicKey> {
    let file: Option<PathBuf> =
        s.get("recorder", "escrow_key", None, "a path", |t| Some(Some(t.into())));
    let file = file?;
    let text = std::fs::read_to_string(&file).map_err(|error| error.to_string());
    match text.and_then(|text| text.parse().map_err(|error| format!("{error}"))) {
        Ok(key) => Some(key),
        Err(error) => {
            s.mistake(format!("[recorder] escrow_key: {}: {error}", file.display()));
            None
        }
    }
}

fn retention(s: &mut Source) -> RetentionRules {
    let rules = RetentionRules::default();
    let days = |text: &str| text.parse().ok().filter(|days| *days <= 36_500_u32);
    let by_journey = |text: &str| {
        let rules = text.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        let rule = |rule: &str| {
            let (journey, text) = rule.split_once(':')?;
            Some((journey.trim().to_owned(), days(text.trim())?))
        };
        rules.map(rule).collect()
    };
    RetentionRules {
        days: s.get("recorder", "retention_days", rules.days, "a number of days", days),
        by_journey: s.get(
            "recorder",
            "retention_by_journey",
            rules.by_journey,
            "a list such as demo-loan:3650",
            by_journey,
        ),
    }
}

fn store(s: &mut Source, name: &str, default: PathBuf) -> StorePlace {
    let folder = path(s, "recorder", name, default);
    let kind =
        s.get("recorder", &format!("{name}_kind"), "folder".to_owned(), "folder or s3", |t| {
            ["folder", "s3"].contains(&t).then(|| t.to_owned())
        });
    if kind == "s3" { StorePlace::S3(s3(s, name)) } else { StorePlace::Folder(folder) }
}

fn s3(s: &mut Source, name: &str) -> S3Settings {
    let mut text = |key: &str, default: Option<&str>| {
        let key = format!("{name}_{key}");
        let given = s.get("recorder", &key, None, "text", |t| Some(Some(t.to_owned())));
        match (given, default) {
            (Some(text), _) => text,
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                s.mistake(format!("[recorder] {key} must be set where {name}_kind is s3"));
                String::new()
            }
        }
    };
    let endpoint = text("endpoint", Some(""));
    let (region, bucket) = (text("region", Some("us-east-1")), text("bucket", None));
    let (prefix, keys_bucket) = (text("prefix", Some("")), text("keys_bucket", Some("")));
    let access_key = text("access_key", None);
    let secret_key = secret(s, &format!("{name}_secret_key"));
    let is_address = |at: &str| at.starts_with("https://") || at.starts_with("http://");
    if !endpoint.is_empty() && !is_address(&endpoint) {
        s.mistake(format!("[recorder] {name}_endpoint: `{endpoint}` is not an http(s) address"));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !prefix.chars().all(is_plain) {
        s.mistake(format!("[recorder] {name}_prefix: only letters, digits and . _ - / are used"));
    }
    let flag = format!("{name}_write_once");
    let write_once = s.parse("recorder", &flag, false, "true or false");
    let days = format!("{name}_lock_days");
    let lock_days = s.get("recorder", &days, 0, "a number of days up to 36500", |t| {
        t.parse().ok().filter(|days| *days <= 36_500)
    });
    if (write_once || lock_days > 0) && (keys_bucket.is_empty() || keys_bucket == bucket) {
        s.mistake(format!(
            "[recorder] {name}_keys_bucket must be another bucket, without versions: wrapped keys \
             cannot be renewed or destroyed in one that is locked"
        ));
    }
    S3Settings {
        endpoint: (!endpoint.is_empty()).then_some(endpoint),
        region,
        bucket,
        prefix,
        keys_bucket: (!keys_bucket.is_empty()).then_some(keys_bucket),
        access_key,
        secret_key,
        write_once,
        lock_days,
    }
}

/// A secret from `<key>_file`, or from `<key>` itself, which is meant for the environment.
fn secret(s: &mut Source, key: &str) -> Secret {
    let given = s.get("recorder", key, None, "a secret", |t| Some(Some(t.to_owned())));
    let file =
        s.get("recorder", &format!("{key}_file"), None, "a path", |t| Some(Some(PathBuf::from(t))));
    let text = match (given, file) {
        (Some(text), None) => Ok(text),
        (None, Some(file)) => std::fs::read_to_string(&file)
            .map_err(|error| format!("{key}_file: {}: {error}", file.display())),
        _ => Err(format!("{key}_file must be set, or {key} in the environment, and not both")),
    };
    let good = |text: &str| !text.is_empty() && text.len() <= MAX_SECRET;
    match text {
        Ok(text) if good(text.trim()) => Secret::from(text.trim().to_owned()),
        Ok(_) => {
            s.mistake(format!("[recorder] {key} is empty or too long"));
            Secret::from(String::new())
        }
        Err(mistake) => {
            s.mistake(format!("[recorder] {mistake}"));
            Secret::from(String::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;

    const BUCKET: &str = "[recorder.store_b]\nkind = 's3'\nendpoint = 'https://s3.bank.example'\n\
                          bucket = 'evidence'\naccess_key = 'branch'\n";
    const SECRET: (&str, &str) = ("VBRANCH_RECORDER_STORE_B_SECRET_KEY", "very secret");

    #[test]
    fn a_store_can_be_a_bucket_and_its_secret_is_not_printed() {
        let config = read(BUCKET, &[SECRET]).unwrap();
        let [a, b] = &config.recorder.stores;
        assert_eq!(*a, StorePlace::Folder("data/store-a".into()));
        let StorePlace::S3(b) = b else { panic!("{b:?}") };
        assert_eq!((b.bucket.as_str(), b.secret_key.expose()), ("evidence", "very secret"));
        assert!(!format!("{config:?}").contains("very secret"));
    }

    #[test]
    fn a_bucket_needs_its_settings_and_a_locked_one_another_for_keys() {
        let missing = read("[recorder]\nstore_a_kind = 's3'", &[]).unwrap_err().to_string();
        for part in ["store_a_bucket", "store_a_access_key", "store_a_secret_key"] {
            assert!(missing.contains(part), "{part} is missing in: {missing}");
        }
        let locked = format!("{BUCKET}write_once = true\n");
        let mistakes = read(&locked, &[SECRET]).unwrap_err().to_string();
        assert!(mistakes.contains("store_b_keys_bucket"), "{mistakes}");
        assert!(!mistakes.contains("very secret"));
        assert!(read(&format!("{locked}keys_bucket = 'keys'\n"), &[SECRET]).is_ok());
    }
}
