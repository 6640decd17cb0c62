//! Deflates and seals what could hold subscriber data: XChaCha20-Poly1305, a random nonce a
//! value, the value's place as associated data, so that none can be moved to another row.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{OpenError, deflate};
use crate::domain::hex;
use crate::ports::JournalError;

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// What an unsealed value may grow to: far above any limit on what is stored.
const OPENED_BYTES_MAX: usize = 256 << 20;

/// A key as text: its bytes in base64.
pub fn key_of_text(text: &str) -> Option<[u8; KEY_BYTES]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

#[derive(Clone)]
pub struct Seal {
    cipher: Arc<XChaCha20Poly1305>,
    key_id: [u8; KEY_ID_BYTES],
    index: Index,
}

/// Where a journal keeps the keys of its fingerprints once its own was changed.
pub const INDEX_PLACE: &str = "meta.index";

/// By what texts are found that must not be read. A key that seals is used for nothing else, so it is of
/// other keys: one for each that the journal was ever sealed with, the oldest first. Each goes over what
/// the one before it made, so that fingerprints can be made new without their texts.
#[derive(Clone, Serialize, Deserialize)]
pub struct Index(Vec<IndexKey>);

#[derive(Clone, Serialize, Deserialize)]
struct IndexKey {
    /// What its fingerprints begin with; the first one's with nothing.
    mark: String,
    key: [u8; KEY_BYTES],
}

impl Index {
    fn first(key: [u8; KEY_BYTES]) -> Self {
        Self(vec![IndexKey { mark: String::new(), key }])
    }

    /// As a journal has kept it.
    ///
    /// # Errors
    /// When it is not sealed with that key.
    pub fn kept(text: &str, seal: &Seal) -> Result<Self, String> {
        let sealed = STANDARD.decode(text).map_err(|error| error.to_string())?;
        seal.unpack(INDEX_PLACE, &sealed).map_err(|error| error.to_string())
    }

    /// With one key more.
    pub fn then(mut self, other: &Seal) -> Self {
        let Index(keys) = &other.index;
        self.0
            .extend(keys.first().map(|key| IndexKey { mark: format!("{}:", other.key_id()), key: key.key }));
        self
    }

    /// What the newest fingerprints begin with.
    pub fn mark(&self) -> &str {
        self.0.last().map_or("", |key| &key.mark)
    }

    fn of(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, key| key.over(&text))
    }

    /// A fingerprint that all but the newest key have made.
    pub fn over(&self, fingerprint: &str) -> String {
        self.0.last().map_or_else(|| fingerprint.to_owned(), |key| key.over(fingerprint))
    }
}

impl IndexKey {
    fn over(&self, text: &str) -> String {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.key).expect("a key of any length will do");
        mac.update(text.as_bytes());
        format!("{}{}", self.mark, hex(&mac.finalize().into_bytes()[..16]))
    }
}

impl Seal {
    pub fn from_file(path: &Path) -> Result<Self, OpenError> {
        Self::read(path)?
            .ok_or_else(|| OpenError::Key { path: path.to_owned(), why: "there is no such file".to_owned() })
    }

    /// Reads the key; `None` where there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        let Some(key) = read_private(path)? else { return Ok(None) };
        let why = format!("it is not {KEY_BYTES} bytes long");
        let key: [u8; KEY_BYTES] =
            key.try_into().map_err(|_| OpenError::Key { path: path.to_owned(), why })?;
        Ok(Some(Self::new(key)))
    }

    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        let digest = sha2::Sha256::digest(key);
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&digest[..KEY_ID_BYTES]);
        let index_key = sha2::Sha256::new().chain_update("punchdown index").chain_update(key).finalize();
        let index = Index::first(index_key.into());
        Self { cipher: Arc::new(XChaCha20Poly1305::new(&Key::from(key))), key_id, index }
    }

    /// That of a journal whose key was changed before.
    pub fn with_index(self, index: Index) -> Self {
        Self { index, ..self }
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Whether a value was sealed with this key.
    pub fn sealed(&self, value: &[u8]) -> bool {
        value.starts_with(&self.key_id)
    }

    /// Which key it is; tells nothing of the key.
    pub fn key_id(&self) -> String {
        hex(&self.key_id)
    }

    /// What stands in an index for a text that must not be read there: the same for the same
    /// text, and nothing to be learned from without the key.
    pub fn fingerprint(&self, text: &str) -> String {
        self.index.of(text)
    }

    /// `place` is the table, the column and the row.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, JournalError> {
        let failed = |error: String| JournalError::Failed(format!("cannot seal {place}: {error}"));
        let deflated = deflate::deflated(plain).map_err(|error| failed(error.to_string()))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| failed(error.to_string()))?;
        let payload = Payload { msg: &deflated, aad: place.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| failed("encryption".to_owned()))?;
        Ok([&self.key_id[..], &nonce, &sealed].concat())
    }

    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, JournalError> {
        let damaged = |why: &str| JournalError::Damaged(format!("{place}: {why}"));
        let (key_id, rest) = sealed.split_at_checked(KEY_ID_BYTES).ok_or_else(|| damaged("it is cut off"))?;
        if key_id != self.key_id {
            return Err(damaged("it was sealed with another key"));
        }
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or_else(|| damaged("it is cut off"))?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| damaged("it is cut off"))?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        let deflated =
            self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| damaged("its seal is broken"))?;
        deflate::inflated(&deflated, OPENED_BYTES_MAX).map_err(|error| damaged(&error.to_string()))
    }
}

/// The bytes of a file that nobody else may read; `None` where there is no such file.
pub fn read_private(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let failed = |why: String| OpenError::Key { path: path.to_owned(), why };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mode = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(failed(format!("others may read it (mode {:o}): chmod 600", mode & 0o777)));
    }
    Ok(Some(bytes))
}

/// Puts the new key in the old one's place, and then leaves nothing of the old one's bytes. It belongs to whom
/// the old one did: root may have made it, and the host runs as somebody else. Bytes that have another name,
/// too, are a backup's.
pub fn replace_key(path: &Path, next: &Path) -> std::io::Result<()> {
    let (before, made) = (std::fs::symlink_metadata(path)?, std::fs::metadata(next)?);
    let owned = std::fs::metadata(path)?;
    if (owned.uid(), owned.gid()) != (made.uid(), made.gid()) {
        chown(next, Some(owned.uid()), Some(owned.gid()))?;
    }
    let mut old = File::options().write(true).open(path)?;
    std::fs::rename(next, path)?;
    sync_folder_of(path)?;
    if before.is_file() && before.nlink() == 1 {
        old.write_all(&[0; KEY_BYTES])?;
        old.sync_all()?;
    }
    Ok(())
}

pub fn make_key(path: &Path) -> std::io::Result<Seal> {
    let seal = write_key(path)?;
    name_key(path)?;
    Ok(seal)
}

/// Where a key is until it has its name.
pub fn unnamed(path: &Path) -> PathBuf {
    path.with_extension("key.new")
}

/// Makes a key that has no name yet. It is durable.
pub fn write_key(path: &Path) -> std::io::Result<Seal> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    write_unnamed(path, &key)?;
    Ok(Seal::new(key))
}

/// Gives the key a second place.
pub fn copy_key(from: &Path, to: &Path) -> std::io::Result<()> {
    write_unnamed(to, &std::fs::read(from)?)?;
    name_key(to)
}

/// Written to its end and synced before it has its name: a key that is half there is worse than none.
fn write_unnamed(path: &Path, key: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(unnamed(path))?;
    file.write_all(key)?;
    file.sync_all()?;
    sync_folder_of(path)
}

pub fn name_key(path: &Path) -> std::io::Result<()> {
    std::fs::rename(unnamed(path), path)?;
    sync_folder_of(path)
}

/// So that a name that was given or taken there outlives a power cut.
pub fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_in_its_own_place_only() {
        let seal = Seal::new([7; KEY_BYTES]);
        let sealed = seal.seal("operation.state:1", b"001010000000001").expect("seals");
        assert!(!sealed.windows(15).any(|window| window == b"001010000000001"));
        assert_eq!(seal.open("operation.state:1", &sealed).expect("opens"), b"001010000000001");
        assert!(matches!(seal.open("operation.state:2", &sealed), Err(JournalError::Damaged(_))));
        assert!(matches!(seal.open("operation.state:1", &sealed[..20]), Err(JournalError::Damaged(_))));
        let other = Seal::new([8; KEY_BYTES]);
        let error = other.open("operation.state:1", &sealed).expect_err("another key");
        assert!(error.to_string().contains("another key"));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let directory = std::env::temp_dir().join(format!("punchdown-seal-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a folder");
        let path = directory.join("journal.key");
        let made = make_key(&path).expect("makes one");
        assert_eq!(Seal::from_file(&path).expect("reads it").key_id(), made.key_id());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let Err(error) = Seal::from_file(&path) else { panic!("others may read it") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
        std::fs::remove_dir_all(&directory).expect("cleans up");
    }
}
