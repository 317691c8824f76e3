//! Sealing: what the database keeps of a webhook URL can be read with the key file alone, and only in its own row.
//!
//! A sealed value is `version (1 byte) | key id (4 bytes) | nonce (24 bytes) | XChaCha20-Poly1305 ciphertext`. The place
//! it belongs to is authenticated with it, so that a value pasted into another row or tenant does not open.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use sha2::Sha256;

use super::tokens::random_bytes;
use crate::{
    db::TenantId,
    error::{Error, Result},
};

/// The only version of the sealed form so far.
const FORMAT_VERSION: u8 = 1;
/// Version, key id and nonce.
const HEADER_BYTES: usize = 1 + 4 + 24;

/// The keys of a deployment, read from its key file. Clones share them; they cannot be printed.
#[derive(Clone)]
pub struct KeyRing(Arc<SharedKeys>);

struct SharedKeys {
    path: PathBuf,
    /// For keyed hashes, which no rotation changes.
    hash: [u8; 32],
    /// Read again when a value needs a key that another process has added since.
    keys: RwLock<KeyFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    /// For keyed hashes: fingerprints, form tokens, cookie signatures. Never rotated, so that equal stays equal.
    hash: HexKey,
    /// For sealing. The last one seals, all of them open.
    seal: Vec<SealKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealKey {
    id: u32,
    key: HexKey,
}

/// Thirty-two bytes, in hexadecimal in the file.
struct HexKey([u8; 32]);

impl Serialize for HexKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for HexKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        // The fault is not passed on: it would quote the key.
        hex::decode_to_slice(&text, &mut key).map_err(|_| serde::de::Error::custom(NOT_HEXADECIMAL))?;
        Ok(Self(key))
    }
}

impl KeyFile {
    fn generate(path: &Path) -> std::result::Result<Self, String> {
        Ok(Self { hash: generate_key(path)?, seal: vec![SealKey { id: 1, key: generate_key(path)? }] })
    }

    fn load(path: &Path) -> std::result::Result<Self, String> {
        let io_error = |fault: &dyn fmt::Display| format!("The key file {} cannot be read: {fault}", path.display());
        let metadata = fs::metadata(path).map_err(|fault| io_error(&fault))?;
        if !metadata.is_file() {
            return Err(key_file_error(
                path,
                if metadata.is_dir() { "it is a folder" } else { "it is no regular file" },
            ));
        }
        if metadata.len() > MAX_KEY_FILE_BYTES {
            return Err(key_file_error(path, "it is far too large"));
        }
        if !is_private(metadata.mode(), metadata.uid(), metadata.gid(), is_own_group) {
            return Err(format!(
                "The key file {} can be read by others (mode {:04o}): run chmod 600 on it, or have it mounted with mode 0440 \
                 for the group that Belfry runs as.",
                path.display(),
                metadata.mode() & 0o7777
            ));
        }
        let bytes = fs::read(path).map_err(|fault| io_error(&fault))?;
        Self::parse(&bytes).map_err(|why| key_file_error(path, why))
    }

    /// Reads the content of a key file.
    ///
    /// # Errors
    /// Why it is none, in words of our own: what stands there may be a secret.
    fn parse(bytes: &[u8]) -> std::result::Result<Self, &'static str> {
        if bytes.trim_ascii().is_empty() {
            return Err("it is empty");
        }
        let keys: Self = serde_json::from_slice(bytes).map_err(|fault| match fault.classify() {
            Category::Eof => "it is cut off",
            Category::Data if fault.to_string().contains(NOT_HEXADECIMAL) => NOT_HEXADECIMAL,
            Category::Data => "it was written by another version of Belfry, or by another program",
            Category::Syntax | Category::Io => "it holds something else",
        })?;
        let ids: BTreeSet<u32> = keys.seal.iter().map(|key| key.id).collect();
        match () {
            () if keys.seal.is_empty() => Err("it holds no sealing key"),
            () if ids.len() < keys.seal.len() => Err("two of its keys have the same id"),
            () => Ok(keys),
        }
    }
}

/// The largest key file that is read, in bytes: thousands of keys.
const MAX_KEY_FILE_BYTES: u64 = 1024 * 1024;
/// Why a key is none, in the words of the reader.
const NOT_HEXADECIMAL: &str = "a key is not 64 hexadecimal digits";

fn key_file_error(path: &Path, why: &str) -> String {
    format!(
        "{} is no key file of Belfry: {why}. Restore the key file from your copy, without which no stored webhook can be read; \
         on a new database, name a file that is not there yet in BELFRY_KEY_FILE.",
        path.display()
    )
}

/// Whether nobody but its owner reads a file: by its mode, or because its group is root's, or belongs to a file of root's and is
/// one that this process runs as, which is how orchestrators mount secrets (0440, or 0640).
fn is_private(mode: u32, owner: u32, group: u32, is_own_group: impl Fn(u32) -> bool) -> bool {
    match mode & 0o077 {
        0 => true,
        0o040 => group == 0 || owner == 0 && is_own_group(group),
        _ => false,
    }
}

/// Whether this process runs as this group.
fn is_own_group(group: u32) -> bool {
    let others = rustix::process::getgroups().unwrap_or_default();
    others.into_iter().chain([rustix::process::getegid()]).any(|own| own.as_raw() == group)
}

fn generate_key(path: &Path) -> std::result::Result<HexKey, String> {
    random_bytes().map(HexKey).map_err(|fault| format!("The key file {} cannot be made: {fault}", path.display()))
}

/// Writes a key file that its owner alone can read, down to the disk.
fn write_key_file(path: &Path, keys: &KeyFile) -> std::result::Result<(), String> {
    let io_error = |fault: &dyn fmt::Display| format!("The key file {} cannot be made: {fault}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|fault| io_error(&fault))?;
    }
    let text = serde_json::to_string_pretty(keys).map_err(|fault| io_error(&fault))?;
    let name: [u8; 8] = random_bytes().map_err(|fault| io_error(&fault))?;
    let temp_path = path.with_extension(hex::encode(name));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temp_path)
        .map_err(|fault| io_error(&fault))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // The file appears whole or not at all: another process that starts at the same moment reads it, or made it before.
    let linked = match written.and_then(|()| fs::hard_link(&temp_path, path)) {
        Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|fault| io_error(&fault)),
    };
    let removed = fs::remove_file(&temp_path).map_err(|fault| io_error(&fault));
    linked.and(removed)
}

/// Where a sealed value belongs.
#[derive(Clone, Copy, Debug)]
pub struct AssociatedData<'p> {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Table and column, as in `robots.sealed_url`; for what the database does not keep, another name of its kind.
    pub column: &'static str,
    /// What tells its row from the others of the tenant.
    pub row: &'p [u8],
}

impl<'p> AssociatedData<'p> {
    /// One outside of the tenants. Their ids start at 1.
    #[must_use]
    pub fn without_tenant(column: &'static str, row: &'p [u8]) -> Self {
        Self { tenant: TenantId(0), column, row }
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut data = self.tenant.0.to_be_bytes().to_vec();
        data.extend_from_slice(self.column.as_bytes());
        data.push(0);
        data.extend_from_slice(self.row);
        data
    }
}

impl KeyRing {
    /// Reads the key file, and makes it (mode 0600) when there is none.
    ///
    /// # Errors
    /// A sentence for the operator: unreadable, not a key file, or readable by others.
    pub fn open(path: &Path) -> std::result::Result<Self, String> {
        if !path.exists() {
            write_key_file(path, &KeyFile::generate(path)?)?;
        }
        let keys = KeyFile::load(path)?;
        Ok(Self(Arc::new(SharedKeys { path: path.to_owned(), hash: keys.hash.0, keys: RwLock::new(keys) })))
    }

    /// Adds a new key to the file, which seals from now on; the old ones still open what they sealed. Running processes
    /// find it when they meet the first value that needs it.
    ///
    /// # Errors
    /// A sentence for the operator when the file cannot be written.
    pub fn add_key(path: &Path) -> std::result::Result<Self, String> {
        let mut keys = KeyFile::load(path)?;
        let id = keys.seal.iter().map(|key| key.id).max().unwrap_or_default() + 1;
        keys.seal.push(SealKey { id, key: generate_key(path)? });
        let temp_path = path.with_extension("new");
        // One that was left by a rotation that was stopped here is worth nothing yet.
        drop(fs::remove_file(&temp_path));
        let io_error = |fault: std::io::Error| format!("The key file {} cannot be replaced: {fault}", path.display());
        let before = fs::metadata(path).map_err(io_error)?;
        write_key_file(&temp_path, &keys)?;
        // Whoever may read the old one may read the new one: servers that run as its group.
        if before.mode() & 0o040 != 0 {
            chown(&temp_path, Some(before.uid()), Some(before.gid())).map_err(io_error)?;
            fs::set_permissions(&temp_path, fs::Permissions::from_mode(before.mode() & 0o640)).map_err(io_error)?;
        }
        fs::rename(&temp_path, path).map_err(io_error)?;
        Self::open(path)
    }

    /// Whether a value is sealed with the newest key.
    #[must_use]
    pub fn is_sealed_with_newest_key(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..5).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
        id.is_some() && id == self.read_keys(|keys| keys.seal.last().map(|key| key.id))
    }

    fn read_keys<T>(&self, look: impl FnOnce(&KeyFile) -> T) -> T {
        // A panic while the lock was held left whole keys behind: they are only ever replaced as a whole.
        look(&self.0.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The key of this id, looked for in the file again when it is not known yet.
    fn find_key(&self, id: u32) -> Option<[u8; 32]> {
        let find = |keys: &KeyFile| keys.seal.iter().find(|key| key.id == id).map(|key| key.key.0);
        self.read_keys(find).or_else(|| {
            let keys = KeyFile::load(&self.0.path).ok().filter(|keys| keys.hash.0 == self.0.hash)?;
            let found = find(&keys);
            *self.0.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
            found
        })
    }

    /// The keyed hash of some data. The purpose keeps hashes of different kinds apart.
    #[must_use]
    pub fn keyed_hash(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        // HMAC fills a shorter key up with zeros to the block of 64 bytes (RFC 2104).
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.0.hash) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// Seals a secret for its place.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no random bytes.
    pub fn seal(&self, associated_data: AssociatedData<'_>, secret: &str) -> Result<Vec<u8>> {
        let (id, key) = self
            .read_keys(|keys| keys.seal.last().map(|newest| (newest.id, newest.key.0)))
            .ok_or_else(|| Error::internal("the key ring is empty"))?;
        let nonce: [u8; 24] = random_bytes()?;
        let payload = Payload { msg: secret.as_bytes(), aad: &associated_data.to_bytes() };
        let ciphertext = XChaCha20Poly1305::new(&key.into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + ciphertext.len());
        sealed.push(FORMAT_VERSION);
        sealed.extend_from_slice(&id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Error::Internal`] when it was changed, belongs to another place, or its key is not on the ring.
    pub fn unseal(&self, associated_data: AssociatedData<'_>, sealed: &[u8]) -> Result<String> {
        let unseal_error = || Error::internal(format!("a sealed value in {} does not open", associated_data.column));
        let (version, rest) = sealed.split_first().ok_or_else(unseal_error)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or_else(unseal_error)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<24>().ok_or_else(unseal_error)?;
        if *version != FORMAT_VERSION {
            return Err(unseal_error());
        }
        let id = u32::from_be_bytes(*id);
        let key = self.find_key(id).ok_or_else(|| {
            Error::internal(format!(
                "a sealed value in {} needs key {id}, which the key file lacks",
                associated_data.column
            ))
        })?;
        let payload = Payload { msg: ciphertext, aad: &associated_data.to_bytes() };
        let secret =
            XChaCha20Poly1305::new(&key.into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| unseal_error())?;
        String::from_utf8(secret).map_err(|_| unseal_error())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn associated_data(row: &[u8]) -> AssociatedData<'_> {
        AssociatedData { tenant: TenantId(7), column: "robots.sealed_url", row }
    }

    fn test_key_ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&folder.path().join("keys/belfry.key")).unwrap();
        (folder, ring)
    }

    #[test]
    fn a_secret_opens_only_with_its_own_associated_data() {
        let (_folder, ring) = test_key_ring();
        let sealed = ring.seal(associated_data(b"a"), "https://robot.example/?token=1").unwrap();
        assert_eq!(ring.unseal(associated_data(b"a"), &sealed).unwrap(), "https://robot.example/?token=1");
        assert!(ring.unseal(associated_data(b"b"), &sealed).is_err());
        let foreign = AssociatedData { tenant: TenantId(8), ..associated_data(b"a") };
        assert!(ring.unseal(foreign, &sealed).is_err());
        let other_column = AssociatedData { column: "robots.sealed_secret", ..associated_data(b"a") };
        assert!(ring.unseal(other_column, &sealed).is_err());
    }

    #[test]
    fn a_single_changed_byte_is_noticed() {
        let (_folder, ring) = test_key_ring();
        let sealed = ring.seal(associated_data(b"a"), "secret").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(ring.unseal(associated_data(b"a"), &changed).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert!(ring.unseal(associated_data(b"a"), &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn the_key_file_is_private_and_one_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belfry.key");
        let first = KeyRing::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.keyed_hash("x", b"y"), KeyRing::open(&path).unwrap().keyed_hash("x", b"y"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(KeyRing::open(&path).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn after_a_new_key_the_old_values_open_and_running_processes_find_it() {
        let (folder, running) = test_key_ring();
        let old = running.seal(associated_data(b"a"), "old").unwrap();
        let rotated = KeyRing::add_key(&folder.path().join("keys/belfry.key")).unwrap();
        assert!(running.is_sealed_with_newest_key(&old) && !rotated.is_sealed_with_newest_key(&old));
        assert_eq!(rotated.unseal(associated_data(b"a"), &old).unwrap(), "old");
        let new = rotated.seal(associated_data(b"a"), "new").unwrap();
        assert!(rotated.is_sealed_with_newest_key(&new));
        assert_eq!(running.unseal(associated_data(b"a"), &new).unwrap(), "new");
        assert_eq!(running.keyed_hash("x", b"y"), rotated.keyed_hash("x", b"y"));
    }

    #[test]
    fn a_file_that_a_group_reads_is_taken_when_root_gave_it_to_that_group() {
        let ours = |group| group == 1000;
        for (mode, owner, group) in
            [(0o600, 1000, 1000), (0o400, 0, 0), (0o440, 0, 0), (0o640, 0, 0), (0o640, 1000, 0), (0o440, 0, 1000)]
        {
            assert!(is_private(0o100_000 | mode, owner, group, ours), "{mode:o} {owner} {group}");
        }
        for (mode, owner, group) in [
            (0o644, 0, 0),
            (0o604, 0, 0),
            (0o660, 0, 0),
            (0o650, 0, 0),
            (0o620, 0, 0),
            (0o440, 0, 1001),
            (0o440, 1000, 1000),
            (0o640, 1001, 1000),
            (0o440, 1000, 1001),
            (0o777, 0, 0),
        ] {
            assert!(!is_private(0o100_000 | mode, owner, group, ours), "{mode:o} {owner} {group}");
        }
    }

    #[test]
    fn a_file_that_is_no_key_file_says_so_and_what_to_do_and_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.key");
        drop(KeyRing::open(&good).unwrap());
        let whole = fs::read_to_string(&good).unwrap();
        let (key, half) = ("c0ffee".repeat(11), whole.len() / 2);
        let contents: Vec<(Vec<u8>, &str)> = vec![
            (Vec::new(), "it is empty"),
            (b" \n\t".to_vec(), "it is empty"),
            (whole.as_bytes()[..half].to_vec(), "it is cut off"),
            (whole.as_bytes()[1..].to_vec(), "another version"),
            (b"\xff\xfe\x00binary".to_vec(), "something else"),
            (b"-----BEGIN PRIVATE KEY-----\nc0ffee".to_vec(), "something else"),
            (b"c0ffee".to_vec(), "something else"),
            (b"[1]".to_vec(), "another version"),
            (b"{}".to_vec(), "another version"),
            (br#"{"hash":"c0ffee","seal":[]}"#.to_vec(), "64 hexadecimal"),
            (whole.replace("\"hash\"", "\"c0ffee\"").into_bytes(), "another version"),
            (whole.replace("\"seal\"", "\"version\": 2, \"seal\"").into_bytes(), "another version"),
            (format!("{{\"hash\":\"{}\",\"seal\":[]}}", &key[..64]).into_bytes(), "no sealing key"),
        ];
        for (number, (bytes, why)) in contents.into_iter().enumerate() {
            let path = folder.path().join(format!("{number}.key"));
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let fault = KeyRing::open(&path).unwrap_err();
            assert!(fault.contains("is no key file of Belfry") && fault.contains(why), "{number}: {fault}");
            assert!(fault.contains("Restore") && !fault.contains("c0ffee"), "{number}: {fault}");
        }
        let fault = KeyRing::open(folder.path()).unwrap_err();
        assert!(fault.contains("it is a folder"), "{fault}");
        assert!(KeyRing::open(Path::new("/dev/zero")).unwrap_err().contains("no regular file"));
    }

    #[test]
    fn a_rotated_key_file_is_read_by_whom_the_old_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belfry.key");
        drop(KeyRing::open(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root's files are taken from a group.
        if KeyRing::open(&path).is_ok() {
            KeyRing::add_key(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }
}
