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

use super::tokens::random;
use crate::{
    db::TenantId,
    error::{Error, Result},
};

/// The only version of the sealed form so far.
const VERSION: u8 = 1;
/// Version, key id and nonce.
const HEADER: usize = 1 + 4 + 24;

/// The keys of a deployment, read from its key file. Clones share them; they cannot be printed.
#[derive(Clone)]
pub struct KeyRing(Arc<Ring>);

struct Ring {
    path: PathBuf,
    /// For keyed hashes, which no rotation changes.
    hash: [u8; 32],
    /// Read again when a value needs a key that another process has added since.
    keys: RwLock<Keys>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// For keyed hashes: fingerprints, form tokens, cookie signatures. Never rotated, so that equal stays equal.
    hash: Key,
    /// For sealing. The last one seals, all of them open.
    seal: Vec<SealKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealKey {
    id: u32,
    key: Key,
}

/// Thirty-two bytes, in hexadecimal in the file.
struct Key([u8; 32]);

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        // The fault is not passed on: it would quote the key.
        hex::decode_to_slice(&text, &mut key).map_err(|_| serde::de::Error::custom(NOT_HEXADECIMAL))?;
        Ok(Self(key))
    }
}

impl Keys {
    fn generate(path: &Path) -> std::result::Result<Self, String> {
        Ok(Self { hash: new_key(path)?, seal: vec![SealKey { id: 1, key: new_key(path)? }] })
    }

    fn read(path: &Path) -> std::result::Result<Self, String> {
        let cannot = |fault: &dyn fmt::Display| format!("The key file {} cannot be read: {fault}", path.display());
        let metadata = fs::metadata(path).map_err(|fault| cannot(&fault))?;
        if !metadata.is_file() {
            return Err(no_key_file(path, if metadata.is_dir() { "it is a folder" } else { "it is no regular file" }));
        }
        if metadata.len() > LARGEST_FILE {
            return Err(no_key_file(path, "it is far too large"));
        }
        if !is_private(metadata.mode(), metadata.uid(), metadata.gid(), is_own_group) {
            return Err(format!(
                "The key file {} can be read by others (mode {:04o}): run chmod 600 on it, or have it mounted with mode 0440 \
                 for the group that Belfry runs as.",
                path.display(),
                metadata.mode() & 0o7777
            ));
        }
        let bytes = fs::read(path).map_err(|fault| cannot(&fault))?;
        Self::parse(&bytes).map_err(|why| no_key_file(path, why))
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
const LARGEST_FILE: u64 = 1024 * 1024;
/// Why a key is none, in the words of the reader.
const NOT_HEXADECIMAL: &str = "a key is not 64 hexadecimal digits";

fn no_key_file(path: &Path, why: &str) -> String {
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

fn new_key(path: &Path) -> std::result::Result<Key, String> {
    random().map(Key).map_err(|fault| format!("The key file {} cannot be made: {fault}", path.display()))
}

/// Writes a key file that its owner alone can read, down to the disk.
fn write_new(path: &Path, keys: &Keys) -> std::result::Result<(), String> {
    let cannot = |fault: &dyn fmt::Display| format!("The key file {} cannot be made: {fault}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|fault| cannot(&fault))?;
    }
    let text = serde_json::to_string_pretty(keys).map_err(|fault| cannot(&fault))?;
    let name: [u8; 8] = random().map_err(|fault| cannot(&fault))?;
    let draft = path.with_extension(hex::encode(name));
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(|fault| cannot(&fault))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // The file appears whole or not at all: another process that starts at the same moment reads it, or made it before.
    let linked = match written.and_then(|()| fs::hard_link(&draft, path)) {
        Err(fault) if fault.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|fault| cannot(&fault)),
    };
    let removed = fs::remove_file(&draft).map_err(|fault| cannot(&fault));
    linked.and(removed)
}

/// Where a sealed value belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// Table and column, as in `robots.sealed_url`; for what the database does not keep, another name of its kind.
    pub column: &'static str,
    /// What tells its row from the others of the tenant.
    pub row: &'p [u8],
}

impl<'p> Place<'p> {
    /// One outside of the tenants. Their ids start at 1.
    #[must_use]
    pub fn of_no_tenant(column: &'static str, row: &'p [u8]) -> Self {
        Self { tenant: TenantId(0), column, row }
    }

    fn associated_data(&self) -> Vec<u8> {
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
            write_new(path, &Keys::generate(path)?)?;
        }
        let keys = Keys::read(path)?;
        Ok(Self(Arc::new(Ring { path: path.to_owned(), hash: keys.hash.0, keys: RwLock::new(keys) })))
    }

    /// Adds a new key to the file, which seals from now on; the old ones still open what they sealed. Running processes
    /// find it when they meet the first value that needs it.
    ///
    /// # Errors
    /// A sentence for the operator when the file cannot be written.
    pub fn add_key(path: &Path) -> std::result::Result<Self, String> {
        let mut keys = Keys::read(path)?;
        let id = keys.seal.iter().map(|key| key.id).max().unwrap_or_default() + 1;
        keys.seal.push(SealKey { id, key: new_key(path)? });
        let draft = path.with_extension("new");
        // One that was left by a rotation that was stopped here is worth nothing yet.
        drop(fs::remove_file(&draft));
        let cannot = |fault: std::io::Error| format!("The key file {} cannot be replaced: {fault}", path.display());
        let before = fs::metadata(path).map_err(cannot)?;
        write_new(&draft, &keys)?;
        // Whoever may read the old one may read the new one: servers that run as its group.
        if before.mode() & 0o040 != 0 {
            chown(&draft, Some(before.uid()), Some(before.gid())).map_err(cannot)?;
            fs::set_permissions(&draft, fs::Permissions::from_mode(before.mode() & 0o640)).map_err(cannot)?;
        }
        fs::rename(&draft, path).map_err(cannot)?;
        Self::open(path)
    }

    /// Whether a value is sealed with the newest key.
    #[must_use]
    pub fn is_newest(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..5).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
        id.is_some() && id == self.with(|keys| keys.seal.last().map(|key| key.id))
    }

    fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        // A panic while the lock was held left whole keys behind: they are only ever replaced as a whole.
        look(&self.0.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The key of this id, looked for in the file again when it is not known yet.
    fn key(&self, id: u32) -> Option<[u8; 32]> {
        let find = |keys: &Keys| keys.seal.iter().find(|key| key.id == id).map(|key| key.key.0);
        self.with(find).or_else(|| {
            let keys = Keys::read(&self.0.path).ok().filter(|keys| keys.hash.0 == self.0.hash)?;
            let found = find(&keys);
            *self.0.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
            found
        })
    }

    /// The keyed hash of some data. The purpose keeps hashes of different kinds apart.
    #[must_use]
    pub fn digest(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
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
    pub fn seal(&self, place: Place<'_>, secret: &str) -> Result<Vec<u8>> {
        let (id, key) = self
            .with(|keys| keys.seal.last().map(|newest| (newest.id, newest.key.0)))
            .ok_or_else(|| Error::internal("the key ring is empty"))?;
        let nonce: [u8; 24] = random()?;
        let payload = Payload { msg: secret.as_bytes(), aad: &place.associated_data() };
        let ciphertext = XChaCha20Poly1305::new(&key.into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        let mut sealed = Vec::with_capacity(HEADER + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&id.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// [`Error::Internal`] when it was changed, belongs to another place, or its key is not on the ring.
    pub fn unseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<String> {
        let damaged = || Error::internal(format!("a sealed value in {} does not open", place.column));
        let (version, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (id, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<24>().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(damaged());
        }
        let id = u32::from_be_bytes(*id);
        let key = self.key(id).ok_or_else(|| {
            Error::internal(format!("a sealed value in {} needs key {id}, which the key file lacks", place.column))
        })?;
        let payload = Payload { msg: ciphertext, aad: &place.associated_data() };
        let secret =
            XChaCha20Poly1305::new(&key.into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        String::from_utf8(secret).map_err(|_| damaged())
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

    fn place(row: &[u8]) -> Place<'_> {
        Place { tenant: TenantId(7), column: "robots.sealed_url", row }
    }

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&folder.path().join("keys/belfry.key")).unwrap();
        (folder, ring)
    }

    #[test]
    fn a_secret_opens_in_its_own_place_and_nowhere_else() {
        let (_folder, ring) = ring();
        let sealed = ring.seal(place(b"a"), "https://robot.example/?token=1").unwrap();
        assert_eq!(ring.unseal(place(b"a"), &sealed).unwrap(), "https://robot.example/?token=1");
        assert!(ring.unseal(place(b"b"), &sealed).is_err());
        let foreign = Place { tenant: TenantId(8), ..place(b"a") };
        assert!(ring.unseal(foreign, &sealed).is_err());
        let other_column = Place { column: "robots.sealed_secret", ..place(b"a") };
        assert!(ring.unseal(other_column, &sealed).is_err());
    }

    #[test]
    fn a_single_changed_byte_is_noticed() {
        let (_folder, ring) = ring();
        let sealed = ring.seal(place(b"a"), "secret").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(ring.unseal(place(b"a"), &changed).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert!(ring.unseal(place(b"a"), &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn the_key_file_is_private_and_one_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("belfry.key");
        let first = KeyRing::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.digest("x", b"y"), KeyRing::open(&path).unwrap().digest("x", b"y"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(KeyRing::open(&path).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn after_a_new_key_the_old_values_open_and_running_processes_find_it() {
        let (folder, running) = ring();
        let old = running.seal(place(b"a"), "old").unwrap();
        let rotated = KeyRing::add_key(&folder.path().join("keys/belfry.key")).unwrap();
        assert!(running.is_newest(&old) && !rotated.is_newest(&old));
        assert_eq!(rotated.unseal(place(b"a"), &old).unwrap(), "old");
        let new = rotated.seal(place(b"a"), "new").unwrap();
        assert!(rotated.is_newest(&new));
        assert_eq!(running.unseal(place(b"a"), &new).unwrap(), "new");
        assert_eq!(running.digest("x", b"y"), rotated.digest("x", b"y"));
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
