//! The server side of TLS: certificate, key and client CA from files or the config itself, read
//! again when the files are due.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::config::{Secret, Section};

/// Text in a file or in the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// Path of a file.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

/// The `tls` section of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The server's certificate and those between it and a root.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
    /// Clients must show a certificate that this CA signed.
    pub client_ca: Option<PathBuf>,
    /// Whether TLS 1.2 is spoken (true).
    pub allows_1_2: bool,
    /// Whether TLS 1.3 is spoken (true).
    pub allows_1_3: bool,
    /// Certificate and key are read again after this long; `None` reads them once.
    pub reload_interval: Option<Duration>,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or text is not PEM of its kind.
    #[error("cannot read {what} from {from}: {reason}")]
    Pem {
        /// What should be there.
        what: &'static str,
        /// Path, or that the text stands in the config.
        from: String,
        /// What the reader says.
        reason: String,
    },
    /// Certificate, key or CA do not fit.
    #[error("cannot use {what}: {reason}")]
    Unusable {
        /// Which.
        what: &'static str,
        /// What rustls says.
        reason: String,
    },
}

const VERSIONS: [(&str, u8); 3] = [("", 0), ("1.2", 2), ("1.3", 3)];

impl ServerTls {
    /// Reads a `tls` section of a server.
    pub fn decode(section: &mut Section<'_>) -> Self {
        let certificate = pem(section, "cert_file", "cert_pem", "certificate");
        let key = pem(section, "key_file", "key_pem", "private key");
        let client_ca = section.opt_string("client_ca_file").filter(|path| !path.is_empty()).map(PathBuf::from);
        for key in ["ca_file", "ca_pem"] {
            section.ignored(key, "a server trusts clients by client_ca_file");
        }
        if section.bool("client_ca_file_reload", false) {
            section.error("client_ca_file_reload", "not supported yet; restart to read a new client CA");
        }
        if section.bool("include_system_ca_certs_pool", false) {
            section.warn("include_system_ca_certs_pool", "accepted and ignored: a server trusts by client_ca_file");
        }
        for key in ["cipher_suites", "curve_preferences"] {
            section.ignored(key, "rustls offers only safe ones, in an order of its own");
        }
        section.unsupported("tpm", "keep the key in key_file");
        let lowest = version(section, "min_version", 2);
        let highest = version(section, "max_version", 3);
        if lowest > highest {
            section.error("min_version", "is above max_version; no version is left");
        }
        Self {
            certificate,
            key,
            client_ca,
            allows_1_2: lowest <= 2,
            allows_1_3: highest >= 3,
            reload_interval: section.opt_duration("reload_interval").filter(|interval| !interval.is_zero()),
        }
    }

    /// Files that are read at start.
    pub fn files(&self) -> Vec<PathBuf> {
        let file = |pem: &Pem| match pem {
            Pem::File(path) => Some(path.clone()),
            Pem::Text(_) => None,
        };
        file(&self.certificate).into_iter().chain(file(&self.key)).chain(self.client_ca.clone()).collect()
    }

    /// Reads the files and builds what a server listens with; `protocols` are offered by ALPN, the
    /// best first.
    ///
    /// # Errors
    /// When a file is missing or is not what it should be.
    pub fn open(&self, protocols: &[&str]) -> Result<OpenTls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = Arc::new(Identity { current: RwLock::new(self.identity(&provider)?) });
        let versions: Vec<&'static SupportedProtocolVersion> =
            [self.allows_1_2.then_some(&rustls::version::TLS12), self.allows_1_3.then_some(&rustls::version::TLS13)]
                .into_iter()
                .flatten()
                .collect();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|error| unusable("these versions of TLS", error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider.clone())
                    .build()
                    .map_err(|error| unusable("client_ca_file", error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(identity.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(OpenTls { config: Arc::new(config), settings: self.clone(), provider, identity })
    }

    fn identity(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = certificates(&self.certificate)?;
        let from = self.key.source();
        let key = match &self.key {
            Pem::File(path) => PrivateKeyDer::from_pem_file(path),
            Pem::Text(text) => PrivateKeyDer::from_pem_slice(text.expose().as_bytes()),
        }
        .map_err(|error| TlsError::Pem { what: "a private key", from, reason: error.to_string() })?;
        CertifiedKey::from_der(chain, key, provider)
            .map(Arc::new)
            .map_err(|error| unusable("the certificate with its key", error))
    }
}

/// TLS as a server listens with it.
#[derive(Debug)]
pub struct OpenTls {
    /// For the accept loop.
    pub config: Arc<ServerConfig>,
    settings: ServerTls,
    provider: Arc<CryptoProvider>,
    identity: Arc<Identity>,
}

impl OpenTls {
    /// When to call [`OpenTls::reload`].
    pub fn reload_interval(&self) -> Option<Duration> {
        self.settings.reload_interval
    }

    /// Reads certificate and key again; connections made from now on get them.
    ///
    /// # Errors
    /// When they cannot be read; the last ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let identity = self.settings.identity(&self.provider)?;
        *self.identity.current.write().unwrap_or_else(PoisonError::into_inner) = identity;
        Ok(())
    }
}

/// The certificate that is shown, which may be exchanged while serving.
#[derive(Debug)]
struct Identity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Pem {
    fn source(&self) -> String {
        match self {
            Self::File(path) => format!("{:?}", path.display().to_string()),
            Self::Text(_) => "the config".to_owned(),
        }
    }
}

fn unusable(what: &'static str, reason: impl ToString) -> TlsError {
    TlsError::Unusable { what, reason: reason.to_string() }
}

fn pem(section: &mut Section<'_>, file_key: &'static str, text_key: &'static str, what: &str) -> Pem {
    let file = section.opt_string(file_key).filter(|path| !path.is_empty());
    let text = section.secret(text_key).filter(|text| !text.expose().is_empty());
    match (file, text) {
        (Some(path), None) => Pem::File(path.into()),
        (None, Some(text)) => Pem::Text(text),
        (Some(path), Some(_)) => {
            section.error(text_key, format!("the {what} is given twice; leave out {file_key} or {text_key}"));
            Pem::File(path.into())
        }
        (None, None) => {
            section.error(file_key, format!("a server with tls needs a {what}; give {file_key} or {text_key}"));
            Pem::File(PathBuf::new())
        }
    }
}

fn version(section: &mut Section<'_>, key: &'static str, default: u8) -> u8 {
    if let Some(old @ ("1.0" | "1.1")) = section.opt_string(key).as_deref() {
        section.error(key, format!("TLS {old} is not safe and not spoken; write 1.2 or 1.3"));
        return default;
    }
    match section.choice(key, &VERSIONS, 0) {
        0 => default,
        version => version,
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |reason: String| TlsError::Pem { what: "a certificate", from: pem.source(), reason };
    let chain: Result<Vec<CertificateDer<'static>>, _> = match pem {
        Pem::File(path) => CertificateDer::pem_file_iter(path).map_err(|reason| error(reason.to_string()))?.collect(),
        Pem::Text(text) => CertificateDer::pem_slice_iter(text.expose().as_bytes()).collect(),
    };
    let chain = chain.map_err(|reason| error(reason.to_string()))?;
    if chain.is_empty() { Err(error("there is none".to_owned())) } else { Ok(chain) }
}

fn roots(path: &std::path::Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&Pem::File(path.to_owned()))? {
        roots.add(certificate).map_err(|error| unusable("client_ca_file", error))?;
    }
    Ok(roots)
}
