//! The `tls` of a listener.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::reader::Value;
use crate::explain::Code;
use crate::http::{Clients, Tls, TlsFile, TlsFiles};
use crate::ports::World as _;
use crate::world::SystemWorld;

pub fn tls(value: &Value<'_>, directory: &Path) -> Option<Tls> {
    value.section(|section| {
        let cert = section.required("cert", "\"tls/punchdown.pem\"");
        let key = section.required("key", "\"tls/punchdown.key\"");
        let ca = section.optional("client-ca");
        let required = section.or("client-auth", "\"required\"", |value| {
            value.parsed("`required` or `optional`", |text| match text {
                "required" => Some(true),
                "optional" => Some(false),
                _ => None,
            })
        });
        if ca.is_none() && value.has("client-auth") {
            let help = Some("name the CA of the callers in `client-ca`".to_owned());
            section.complain(Code::Contradiction, "`client-auth` says nothing without `client-ca`", help);
        }
        let path = |value: &Value<'_>| value.text().map(|path| directory.join(path));
        let ca_path = ca.as_ref().map(path);
        let (cert, key) = (cert?, key?);
        let clients = match ca_path {
            Some(ca) => Some(Clients { ca: ca?, required: required? }),
            None => None,
        };
        let files = TlsFiles { cert: path(&cert)?, key: path(&key)?, clients };
        load(files, &cert, &key, ca.as_ref())
    })
}

fn load(files: TlsFiles, cert: &Value<'_>, key: &Value<'_>, ca: Option<&Value<'_>>) -> Option<Tls> {
    let key_file = files.key.clone();
    match Tls::load(files) {
        Ok(tls) => {
            // Callers refuse what has ended; to refuse the start, too, would lose the rest as well.
            if let Some(warning) = tls.validity().warning(SystemWorld.now(), "callers") {
                cert.warn(Code::CertificateEnds, warning, Some("new files are taken without a restart"));
            }
            warn_of_open_key(key, &key_file);
            Some(tls)
        }
        Err(unfit) => {
            for unfit in unfit {
                let value = match unfit.file {
                    TlsFile::Cert => cert,
                    TlsFile::Key => key,
                    TlsFile::ClientCa => ca.unwrap_or(cert),
                };
                value.complain(Code::CertificateFile, &unfit, unfit.help);
            }
            None
        }
    }
}

fn warn_of_open_key(key: &Value<'_>, file: &Path) {
    let Ok(metadata) = std::fs::metadata(file) else { return };
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        let warning = format!("others may read the key {} (mode {:o})", file.display(), mode & 0o777);
        key.warn(Code::OpenKey, warning, Some("whoever has it can pass for this host: chmod 600"));
    }
}
