//! Whom to trust, and who we are, in TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::Settings;

/// The ciphers.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client that trusts the authorities of the settings, and shows its certificate where they name one.
pub(super) fn config(settings: &Settings) -> Result<Arc<ClientConfig>, String> {
    let mut trusted = RootCertStore::empty();
    let (usable, _) = trusted.add_parsable_certificates(authorities(settings)?);
    if usable == 0 {
        return Err("no certificate of an authority can be used".to_owned());
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(trusted);
    let config = match own(settings)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// The authorities that are trusted: those of `ca-file`, or else those that the system trusts.
pub(super) fn authorities(settings: &Settings) -> Result<Vec<CertificateDer<'static>>, String> {
    if let Some(path) = &settings.ca_file {
        return certificates(path);
    }
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.is_empty(), found.errors.first()) {
        (true, Some(error)) => Err(format!("the system's certificates cannot be read: {error}; name a ca-file")),
        (true, None) => Err("the system trusts no authority; install ca-certificates, or name a ca-file".to_owned()),
        (false, _) => Ok(found.certs),
    }
}

/// Our own certificate, those that vouch for it, and its key.
pub(super) type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(super) fn own(settings: &Settings) -> Result<Option<Own>, String> {
    let (Some(certificate), Some(key)) = (&settings.certificate_file, &settings.key_file) else { return Ok(None) };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {}", key.display(), words(&error)))?;
    Ok(Some((certificates(certificate)?, key)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| format!("{}: {}", path.display(), words(&error)))?;
    if found.is_empty() { Err(format!("{} holds no certificate in PEM", path.display())) } else { Ok(found) }
}

fn words(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "nothing in PEM is in it".to_owned(),
        error => error.to_string(),
    }
}
