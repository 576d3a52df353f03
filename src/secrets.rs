//! Secrets: from the environment or from files, and, in development, made at the first start.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use souk_kit::secret::{MasterSecret, random_token};
use souk_orders::razorpay::{self, Razorpay};
use url::Url;

/// The master secret of a role.
pub const MASTER: &str = "SOUK_SECRET";
/// The secret with which orders gets its tokens.
pub const ORDERS_CLIENT: &str = "SOUK_ORDERS_CLIENT_SECRET";
/// The name of the key for Razorpay.
pub const RAZORPAY_KEY_ID: &str = "SOUK_RAZORPAY_KEY_ID";
/// The key for Razorpay.
pub const RAZORPAY_KEY_SECRET: &str = "SOUK_RAZORPAY_KEY_SECRET";
/// What Razorpay signs events with.
pub const RAZORPAY_WEBHOOK_SECRET: &str = "SOUK_RAZORPAY_WEBHOOK_SECRET";
/// The first admin.
pub const ADMIN_EMAIL: &str = "SOUK_ADMIN_EMAIL";
/// The first admin's password.
pub const ADMIN_PASSWORD: &str = "SOUK_ADMIN_PASSWORD";

/// The address of an admin that was made up.
const DEVELOPMENT_ADMIN: &str = "admin@souk.localhost";

/// An admin's account.
#[derive(Debug, Clone)]
pub struct Admin {
    pub email: String,
    pub password: SecretString,
    /// Whether we made it up, so that the person has to be told.
    pub generated: bool,
}

/// A secret from the environment, or from the file that `NAME_FILE` names.
pub fn from_environment(name: &str) -> anyhow::Result<Option<SecretString>> {
    if let Ok(value) = std::env::var(name)
        && !value.is_empty()
    {
        return Ok(Some(value.into()));
    }
    let Some(path) = std::env::var_os(format!("{name}_FILE")) else { return Ok(None) };
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {name}_FILE ({})", Path::new(&path).display()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
}

/// A secret that a role cannot do without.
pub fn required(name: &str) -> anyhow::Result<SecretString> {
    let secret = from_environment(name)?;
    secret.with_context(|| format!("set {name}, or {name}_FILE to a file that holds it"))
}

/// A secret of a role that must have at least 32 characters.
pub fn required_long(name: &str) -> anyhow::Result<SecretString> {
    let secret = required(name)?;
    // the same bar as for the master secret: both keep strangers out
    MasterSecret::new(secret.clone()).context(name.to_owned())?;
    Ok(secret)
}

/// What calls Razorpay there, where the environment has the secrets for it: all of them, or none.
pub fn razorpay(base_url: &Url) -> anyhow::Result<Option<Razorpay>> {
    let names = [RAZORPAY_KEY_ID, RAZORPAY_KEY_SECRET, RAZORPAY_WEBHOOK_SECRET];
    let [key_id, key_secret, webhook_secret] = names.map(from_environment);
    match (key_id?, key_secret?, webhook_secret?) {
        (Some(key_id), Some(key_secret), Some(webhook_secret)) => {
            let key_id = key_id.expose_secret().to_owned();
            let base_url = base_url.clone();
            let options = razorpay::Options { key_id, key_secret, webhook_secret, base_url };
            Ok(Some(Razorpay::new(options)?))
        }
        (None, None, None) => Ok(None),
        _ => anyhow::bail!("set all of {}, or none", names.join(", ")),
    }
}

/// The master secret of a development installation: made at the first start, and kept.
pub fn development_master(data_dir: &Path) -> anyhow::Result<MasterSecret> {
    let secret = match from_environment(MASTER)? {
        Some(secret) => secret,
        None => kept(&data_dir.join("secret"))?,
    };
    MasterSecret::new(secret).context(MASTER)
}

/// The admin that the environment names, if it names one.
pub fn admin() -> anyhow::Result<Option<Admin>> {
    let email = from_environment(ADMIN_EMAIL)?;
    let password = from_environment(ADMIN_PASSWORD)?;
    match (email, password) {
        (Some(email), Some(password)) => {
            let email = email.expose_secret().to_owned();
            Ok(Some(Admin { email, password, generated: false }))
        }
        (None, None) => Ok(None),
        _ => anyhow::bail!("set both {ADMIN_EMAIL} and {ADMIN_PASSWORD}, or neither"),
    }
}

/// The admin of a development installation: the environment's, or one that is made up and kept.
pub fn development_admin(data_dir: &Path) -> anyhow::Result<Admin> {
    if let Some(admin) = admin()? {
        return Ok(admin);
    }
    let password = kept(&data_dir.join("admin-password"))?;
    Ok(Admin { email: DEVELOPMENT_ADMIN.to_owned(), password, generated: true })
}

/// The admin of a development installation that somebody else has started on this machine.
pub fn admin_of_installation(data_dir: &Path) -> anyhow::Result<Admin> {
    let path = data_dir.join("admin-password");
    let password =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let password = password.trim().into();
    Ok(Admin { email: DEVELOPMENT_ADMIN.to_owned(), password, generated: true })
}

/// The secret in a file that only its owner can read; made when it is not there.
fn kept(path: &Path) -> anyhow::Result<SecretString> {
    if let Ok(text) = fs::read_to_string(path)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().into());
    }
    let secret = random_token().context("the operating system gives no random bytes")?;
    // written beside and renamed: a crash leaves no half secret
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .with_context(|| format!("cannot write {}", draft.display()))?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(secret)
}
