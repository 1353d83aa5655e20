//! A file of the vault: `magic (8) || expiry (64 bits, big endian) || sealed message`. The context
//! of the message has the name and the expiry, so neither can be changed.

use std::{fmt, path::Path};

use ring::{hkdf, hmac};
use vbranch_domain::{UnixMillis, kyc::PersonRef};

use crate::{
    keys::{KeyFileError, read_or_create_secret},
    seal::{self, HEADER, SealError, SealKey},
};

const MAGIC: [u8; 8] = *b"vbface1\n";
const HEAD: usize = MAGIC.len() + size_of::<i64>();
/// As much of a file as tells whose it is and how long it is good.
pub(super) const START: usize = HEAD + HEADER;
pub(super) const EXTENSION: &str = "portrait";
const HASH: usize = 32;

/// What a person is known by in the vault: HMAC-SHA-256 of their reference.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; HASH]);

impl Name {
    pub fn file(&self) -> String {
        format!("{self}.{EXTENSION}")
    }

    /// The name a file has, if it can be one of ours.
    pub fn of_file(file: &str) -> Option<Self> {
        let (hash, extension) = file.split_once('.')?;
        let mut name = Self([0; HASH]);
        hex::decode_to_slice(hash, &mut name.0).ok()?;
        // Upper case would be a second file of one name.
        (extension == EXTENSION && name.to_string() == hash).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Both keys come from the one in the file (HKDF-SHA-256, RFC 5869). Wiped when dropped.
pub(super) struct Keys {
    names: SealKey,
    content: SealKey,
}

impl Keys {
    /// Reads the key file, or makes it at the first start.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let secret = read_or_create_secret(path)?;
        let subkey = |info: &[u8]| {
            let mut key = SealKey([0; 32]);
            hkdf::Salt::new(hkdf::HKDF_SHA256, b"vbranch/v1/faces")
                .extract(&*secret)
                .expand(&[info], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut key.0))
                // Only a wrong length fails.
                .map_err(|_| KeyFileError::Malformed { path: path.to_owned() })?;
            Ok::<_, KeyFileError>(key)
        };
        Ok(Self { names: subkey(b"names")?, content: subkey(b"content")? })
    }

    pub fn name(&self, person: &PersonRef) -> Name {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.names.0);
        let tag = hmac::sign(&key, person.0.as_bytes());
        let mut name = Name([0; HASH]);
        name.0.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        name
    }

    pub fn seal(
        &self,
        name: &Name,
        until: UnixMillis,
        portrait: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let sealed = seal::seal(&self.content, &context(name, until), portrait)?;
        Ok([MAGIC.as_slice(), &until.0.to_be_bytes(), &sealed].concat())
    }

    /// Until when an entry is good, from its first [`START`] bytes; `None` where it is not ours
    /// or does not belong here.
    pub fn expiry(&self, name: &Name, start: &[u8]) -> Option<UnixMillis> {
        let (until, sealed) = parts(start)?;
        seal::begins(&self.content, &context(name, until), sealed).then_some(until)
    }

    pub fn unseal(&self, name: &Name, file: &[u8]) -> Result<(UnixMillis, Vec<u8>), SealError> {
        let (until, sealed) = parts(file).ok_or(SealError::Truncated)?;
        Ok((until, seal::open(&self.content, &context(name, until), sealed)?))
    }
}

fn parts(file: &[u8]) -> Option<(UnixMillis, &[u8])> {
    let (until, sealed) = file.strip_prefix(&MAGIC)?.split_first_chunk()?;
    Some((UnixMillis(i64::from_be_bytes(*until)), sealed))
}

fn context(name: &Name, until: UnixMillis) -> Vec<u8> {
    format!("vbranch/v1/face|{EXTENSION}|{name}|{}", until.0).into_bytes()
}
