//! Keys and passphrases: what archives are encrypted with, and what opens them.

use super::{Input, io_error};
use crate::error::EngineError;
use pgp::composed::{
    ArmorOptions, DecryptionOptions, Deserializable, EncryptionCaps, Esk, KeyType, Message, MessageBuilder,
    SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder, TheRing,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::types::{KeyDetails, Password, Seipdv1ReadMode, StringToKey};
use rand::rngs::OsRng;
use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most rounds that the format knows for making a key from a passphrase: 65 011 712 bytes are hashed
/// (RFC 4880 §3.7.1.3).
const S2K_COUNT: u8 = 255;
/// Bytes in one piece of a message.
const CHUNK: u32 = 1 << 19;

/// What archives are encrypted to; each by itself opens them.
#[derive(Clone, Default)]
pub struct Recipients {
    certificates: Vec<SignedPublicKey>,
    passphrase: Option<Arc<Password>>,
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({} keys{})", self.certificates.len(), if self.passphrase.is_some() { ", a passphrase" } else { "" })
    }
}

fn read_key_file(path: &Path) -> Result<Vec<u8>, EngineError> {
    std::fs::read(path).map_err(EngineError::io("read the key", path))
}

fn wrong_key(path: &Path, what: impl fmt::Display) -> EngineError {
    EngineError::Refused { path: path.display().to_string(), what: format!("it is no usable OpenPGP key: {what}") }
}

/// The parts of a certificate that data may be encrypted to.
fn encrypts(certificate: &SignedPublicKey) -> impl Iterator<Item = &pgp::composed::SignedPublicSubKey> {
    certificate
        .public_subkeys
        .iter()
        .filter(|k| k.signatures.iter().any(|s| s.key_flags().encrypt_storage() || s.key_flags().encrypt_comms()))
}

impl Recipients {
    /// From files with public keys (armored or not) and a passphrase.
    ///
    /// # Errors
    /// A file cannot be read, holds no public key, or none that data can be encrypted to.
    pub fn new(files: &[PathBuf], passphrase: Option<&str>) -> Result<Self, EngineError> {
        let mut certificates = Vec::new();
        for path in files {
            let bytes = read_key_file(path)?;
            let (certificate, _) = SignedPublicKey::from_reader_single(bytes.as_slice()).map_err(|e| wrong_key(path, e))?;
            certificate.verify_bindings().map_err(|e| wrong_key(path, e))?;
            if encrypts(&certificate).next().is_none() {
                return Err(wrong_key(path, "it has no part that data can be encrypted to"));
            }
            certificates.push(certificate);
        }
        if passphrase.is_some_and(str::is_empty) {
            return Err(EngineError::Refused { path: "the passphrase".into(), what: "it is empty".into() });
        }
        Ok(Self { certificates, passphrase: passphrase.map(|p| Arc::new(Password::from(p))) })
    }

    /// Fingerprints of the keys.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|c| c.fingerprint().to_string()).collect()
    }

    /// Whether a passphrase opens it too.
    #[must_use]
    pub fn has_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }

    pub(super) fn encrypt(&self, from: impl Read, to: impl Write) -> io::Result<()> {
        let mut message = MessageBuilder::from_reader("", from).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
        message.partial_chunk_size(CHUNK).map_err(io_error)?;
        for certificate in &self.certificates {
            for key in encrypts(certificate) {
                message.encrypt_to_key(OsRng, key).map_err(io_error)?;
            }
        }
        if let Some(passphrase) = &self.passphrase {
            let s2k = StringToKey::new_iterated(OsRng, HashAlgorithm::Sha256, S2K_COUNT);
            message.encrypt_with_password(s2k, passphrase).map_err(io_error)?;
        }
        message.to_writer(OsRng, to).map_err(io_error)
    }
}

/// What opens archives.
#[derive(Default)]
pub struct Keys {
    secret: Vec<SignedSecretKey>,
    key_passphrases: Vec<Password>,
    passphrases: Vec<Password>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} keys, {} passphrases)", self.secret.len(), self.passphrases.len())
    }
}

impl Keys {
    /// Adds a passphrase.
    pub fn add_passphrase(&mut self, passphrase: &str) {
        self.passphrases.push(Password::from(passphrase));
    }

    /// Adds the private key in a file (armored or not), with its passphrase if it has one.
    ///
    /// # Errors
    /// The file cannot be read or holds no private key.
    pub fn add_key(&mut self, path: &Path, passphrase: Option<&str>) -> Result<(), EngineError> {
        let bytes = read_key_file(path)?;
        let (key, _) = SignedSecretKey::from_reader_single(bytes.as_slice()).map_err(|e| wrong_key(path, e))?;
        self.secret.push(key);
        self.key_passphrases.extend(passphrase.map(Password::from));
        Ok(())
    }

    /// Whether there is nothing to open archives with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secret.is_empty() && self.passphrases.is_empty()
    }

    /// Begins to decrypt a message. `Ok(Err(…))` says why nothing here opens it.
    pub(super) fn open(&self, input: Input) -> io::Result<Result<Message<'static>, String>> {
        let message = Message::from_bytes(BufReader::with_capacity(1 << 18, input)).map_err(io_error)?;
        let Message::Encrypted { esk, .. } = &message else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no encrypted OpenPGP message"));
        };
        let by_passphrase = esk.iter().any(|e| matches!(e, Esk::SymKeyEncryptedSessionKey(_)));
        let to_keys = esk.iter().filter(|e| matches!(e, Esk::PublicKeyEncryptedSessionKey(_))).count();
        let how = match (by_passphrase, to_keys) {
            (true, 0) => "it was encrypted with a passphrase".to_owned(),
            (true, n) => format!("it was encrypted with a passphrase and to {n} public keys"),
            (false, n) => format!("it was encrypted to {n} public keys"),
        };
        let empty = Password::empty();
        let ring = TheRing {
            secret_keys: self.secret.iter().collect(),
            key_passwords: std::iter::once(&empty).chain(&self.key_passphrases).collect(),
            message_password: self.passphrases.iter().collect(),
            session_keys: Vec::new(),
            // Whatever comes out before the end of the message was checked counts for nothing: see `Access::check`.
            decrypt_options: DecryptionOptions::new().set_seipdv1_read_mode(Seipdv1ReadMode::Streaming),
        };
        match message.decrypt_the_ring(ring, true) {
            Ok((message, _)) if message.is_literal() => Ok(Ok(message)),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "what is in it is no plain data")),
            Err(pgp::errors::Error::IO { source, .. }) => Err(source),
            // A wrong passphrase makes a session key that is none.
            Err(_) => Ok(Err(how)),
        }
    }
}

/// A new pair of keys.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// The public key, armored.
    pub public: String,
    /// The private key, armored.
    pub private: String,
    /// Its fingerprint.
    pub fingerprint: String,
}

/// Makes a pair of keys: Ed25519 to certify, X25519 to encrypt to (RFC 4880 with the curves that GnuPG 2.1 and
/// later have). With a passphrase the private key is encrypted.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_key(name: &str, passphrase: Option<&str>) -> Result<KeyFiles, EngineError> {
    let failed = |e: &dyn fmt::Display| EngineError::Refused { path: "the key".into(), what: e.to_string() };
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::ECDH(ECCCurve::Curve25519Legacy))
        .can_sign(false)
        .can_encrypt(EncryptionCaps::All)
        .can_authenticate(false)
        .passphrase(passphrase.map(str::to_owned))
        .build()
        .map_err(|e| failed(&e))?;
    let key = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(false)
        .can_encrypt(EncryptionCaps::None)
        .primary_user_id(name.to_owned())
        .passphrase(passphrase.map(str::to_owned))
        .subkeys(vec![subkey])
        .build()
        .map_err(|e| failed(&e))?
        .generate(OsRng)
        .map_err(|e| failed(&e))?;
    let public = SignedPublicKey::from(key.clone());
    Ok(KeyFiles {
        public: public.to_armored_string(ArmorOptions::default()).map_err(|e| failed(&e))?,
        private: key.to_armored_string(ArmorOptions::default()).map_err(|e| failed(&e))?,
        fingerprint: public.fingerprint().to_string(),
    })
}

/// What a key file holds, for people: whose key, its fingerprint, whether it is private.
///
/// # Errors
/// The file cannot be read or holds no key.
pub fn describe_key(path: &Path) -> Result<(String, String, bool), EngineError> {
    let bytes = read_key_file(path)?;
    let user =
        |users: &[pgp::types::SignedUser]| users.first().and_then(|u| u.id.as_str()).unwrap_or("nobody is named").to_owned();
    if let Ok((key, _)) = SignedSecretKey::from_reader_single(bytes.as_slice()) {
        return Ok((user(&key.details.users), key.fingerprint().to_string(), true));
    }
    let (key, _) = SignedPublicKey::from_reader_single(bytes.as_slice()).map_err(|e| wrong_key(path, e))?;
    Ok((user(&key.details.users), key.fingerprint().to_string(), false))
}
