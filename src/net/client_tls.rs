//! The client side of TLS: rustls configs from a `tls` block. Knows no protocol but the ALPN
//! names that it is given.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion, version};
use tokio_rustls::TlsConnector;

use super::client_config::{Pem, TlsConfig, TlsVersion};

/// Why a `tls` block cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file or text is not the PEM that it should be.
    #[error("tls::{key}: {source}; give a readable PEM")]
    Pem {
        /// Which key.
        key: &'static str,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// A text without any section of the kind.
    #[error("tls::{key}: holds no certificate; give a PEM with at least one")]
    Empty {
        /// Which key.
        key: &'static str,
    },
    /// Rustls refuses what it was given.
    #[error("tls: {0}")]
    Refused(#[from] rustls::Error),
    /// The name to verify is no host name.
    #[error("tls: {0:?} is not a host name; set tls::server_name_override")]
    Name(String),
}

/// A connector and the name that it verifies.
#[derive(Clone)]
pub(crate) struct Tls {
    /// Makes streams.
    pub(crate) connector: TlsConnector,
    /// Name in the certificate.
    pub(crate) server_name: ServerName<'static>,
}

impl Tls {
    /// Builds the client side of TLS for `host`; reads the files that the block names.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub(crate) fn open(config: &TlsConfig, host: &str, alpn: &[&str]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions(config.min_version, config.max_version))?;
        let builder = if config.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(roots(config)?)
        };
        let mut client = match &config.identity {
            Some((cert, key)) => builder.with_client_auth_cert(certificates("cert_file", cert)?, private_key(key)?)?,
            None => builder.with_no_client_auth(),
        };
        client.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = config.server_name_override.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(client)), server_name })
    }
}

fn versions(min: TlsVersion, max: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static TLS12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static TLS13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match (min, max) {
        (TlsVersion::V12, TlsVersion::V12) => &TLS12,
        (TlsVersion::V13, _) => &TLS13,
        (TlsVersion::V12, TlsVersion::V13) => &BOTH,
    }
}

fn roots(config: &TlsConfig) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if config.ca.is_none() || config.include_system_ca_certs_pool {
        // A system without roots fails at the first handshake, with a message that says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(pem) = &config.ca {
        for certificate in certificates("ca_file", pem)? {
            roots.add(certificate)?;
        }
    }
    Ok(roots)
}

fn certificates(key: &'static str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = match pem {
        Pem::File(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect),
        Pem::Text(text) => CertificateDer::pem_slice_iter(text.expose().as_bytes()).collect(),
    };
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Empty { key }),
        Ok(found) => Ok(found),
        Err(source) => Err(TlsError::Pem { key, source }),
    }
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, TlsError> {
    match pem {
        Pem::File(path) => PrivateKeyDer::from_pem_file(path),
        Pem::Text(text) => PrivateKeyDer::from_pem_slice(text.expose().as_bytes()),
    }
    .map_err(|source| TlsError::Pem { key: "key_file", source })
}

/// Accepts every certificate, as `insecure_skip_verify` asks; signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
