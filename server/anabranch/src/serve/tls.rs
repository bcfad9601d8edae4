//! TLS: certificate and key from files, read again when they have changed.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// The server's certificate. A connection keeps the one that it began with.
pub(super) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads certificate and key.
    pub(super) fn open(files: TlsFiles) -> anyhow::Result<Self> {
        let current = RwLock::new(load(&files)?);
        Ok(Tls { files, current })
    }

    /// Reads certificate and key again. After an error the former ones stay in use.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let fresh = load(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What the next connection is accepted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn load(files: &TlsFiles) -> anyhow::Result<Arc<ServerConfig>> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .with_context(|| format!("the certificate file {cert} cannot be read"))?;
    if chain.is_empty() {
        bail!("the certificate file {cert} holds no certificate in PEM form");
    }
    let private = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("the key file {key} holds no private key in PEM form, or cannot be read"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("the certificate {cert} and the key {key} do not belong together"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn write(folder: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_broken_reload_keeps_the_former_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::open(write(folder.path(), "one.example")).unwrap();
        let first = Arc::clone(tls.acceptor().config());
        std::fs::write(&tls.files.cert, "no certificate").unwrap();
        let error = format!("{:#}", tls.reload().unwrap_err());
        assert!(error.contains("cert.pem"), "{error}");
        assert!(Arc::ptr_eq(&first, tls.acceptor().config()));
        write(folder.path(), "two.example");
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&first, tls.acceptor().config()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cert = write(one.path(), "one.example").cert;
        let key = write(two.path(), "two.example").key;
        let error = Tls::open(TlsFiles { cert, key }).err().unwrap();
        assert!(format!("{error:#}").contains("do not belong together"), "{error:#}");
    }
}
