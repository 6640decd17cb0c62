//! The external systems that a stage may have: where each is, how the host says who it is, and how the system does.

use punchdown_kit::magoware::Magoware;
use punchdown_kit::oms::Oms;
use punchdown_kit::pyhss::Pyhss;

use super::{HOOK_SECRET, OMS_TOKEN};

/// What PyHSS wants to see of whoever writes.
pub const PYHSS_KEY: &str = "stage-pyhss-key";
/// What Magoware wants to see of third parties, and of its back office's user `punchdown`.
pub const MAGOWARE_KEY: &str = "stage-magoware-key";
pub const MAGOWARE_PASSWORD: &str = "stage-magoware-password";
/// What stands in the path of systems that can show nothing else.
pub const PATH_SECRET: &str = "stage-path-secret";

/// What the configuration says of one of them.
#[derive(Clone)]
pub struct System {
    pub url: String,
    /// As TOML.
    pub auth: &'static str,
    /// As TOML.
    pub notify_auth: &'static str,
    /// What these name, by file.
    pub secrets: &'static [(&'static str, &'static str)],
}

impl System {
    pub fn oms(oms: &Oms) -> Self {
        Self {
            url: oms.url(),
            auth: r#"{ bearer = { file = "secrets/oms" } }"#,
            notify_auth: r#"{ standard-webhooks = { secret = { file = "secrets/oms-hook" } } }"#,
            secrets: &[("oms", OMS_TOKEN), ("oms-hook", HOOK_SECRET)],
        }
    }

    pub fn pyhss(pyhss: &Pyhss) -> Self {
        Self {
            url: pyhss.url(),
            auth: r#"{ header = { name = "Provisioning-Key", value = { file = "secrets/hss" } } }"#,
            notify_auth: r#"{ path-secret = { file = "secrets/hss-hook" } }"#,
            secrets: &[("hss", PYHSS_KEY), ("hss-hook", PATH_SECRET)],
        }
    }

    /// Its group needs the secret [`MAGOWARE_SECRETS`], too: for its log-in.
    pub fn magoware(magoware: &Magoware) -> Self {
        Self {
            url: magoware.url(),
            auth: r#"{ query = { name = "apikey", value = { file = "secrets/iptv" } } }"#,
            // It tells nobody anything.
            notify_auth: r#"{ path-secret = { file = "secrets/iptv-hook" } }"#,
            secrets: &[
                ("iptv", MAGOWARE_KEY),
                ("iptv-password", MAGOWARE_PASSWORD),
                ("iptv-hook", PATH_SECRET),
            ],
        }
    }
}

/// What the section of Magoware's group says beside its target.
pub const MAGOWARE_SECRETS: &str = r#"secrets = { password = { file = "secrets/iptv-password" } }"#;
