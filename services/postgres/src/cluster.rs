//! The cluster on disk: made once, whole or not at all, with a password only we know.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

use crate::binaries::Programs;
use crate::error::{At, Error};
use crate::log;
use crate::place::Place;
use crate::process::Process;
use crate::template::Template;

/// The superuser of the cluster, whose password only Souk knows.
pub(crate) const SUPERUSER: &str = "souk";

/// Makes sure that there is a cluster, a copy of a template where `templates` names a directory of
/// them; returns the password to it.
pub(crate) async fn ensure(
    place: &Place,
    programs: &Programs,
    templates: Option<&Path>,
) -> Result<SecretString, Error> {
    if place.cluster().exists() {
        let lost = || Error::PasswordLost { path: place.password() };
        return stored_password(place)?.ok_or_else(lost);
    }
    let Some(templates) = templates else { return make(place, programs).await };
    let template = Template::new(templates, programs.major());
    if !template.exists() {
        let _lock = template.lock().await?;
        if !template.exists() {
            let password = make(place, programs).await?;
            template.make(place).await?;
            return Ok(password);
        }
    }
    copy(place, &template).await
}

/// A new cluster under the stored password, if an earlier start came as far as that, or a new one.
async fn make(place: &Place, programs: &Programs) -> Result<SecretString, Error> {
    let password = match stored_password(place)? {
        Some(password) => password,
        None => {
            let password = random_password(place)?;
            store_password(place, &password)?;
            password
        }
    };
    initialise(place, programs, &password).await?;
    Ok(password)
}

/// A copy is made like a new one: the password first, then all of it or nothing.
async fn copy(place: &Place, template: &Template) -> Result<SecretString, Error> {
    let password = template.password()?;
    store_password(place, &password)?;
    let work = place.unfinished()?;
    let draft = work.path().join("cluster");
    template.copy_to(&draft, place.account.as_ref()).await?;
    let cluster = place.cluster();
    fs::rename(&draft, &cluster).at("create", &cluster)?;
    Ok(password)
}

fn stored_password(place: &Place) -> Result<Option<SecretString>, Error> {
    let path = place.password();
    match fs::read_to_string(&path) {
        Ok(password) => Ok(Some(password.trim()).filter(|p| !p.is_empty()).map(Into::into)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source).at("read", &path),
    }
}

fn random_password(place: &Place) -> Result<SecretString, Error> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)
        .map_err(std::io::Error::from)
        .at("draw random numbers for", &place.password())?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

fn store_password(place: &Place, password: &SecretString) -> Result<(), Error> {
    let path = place.password();
    let unfinished = place.unfinished()?;
    let draft = unfinished.path().join("password");
    let mut file = place.create(&draft)?;
    let written = file.write_all(password.expose_secret().as_bytes());
    written.and_then(|()| file.sync_all()).at("write", &draft)?;
    fs::rename(&draft, &path).at("create", &path)?;
    place.sync()
}

/// `initdb` works in a directory of another name that is renamed at the end: a crash in the
/// middle leaves rubbish behind, but never half a cluster that looks like a whole one.
async fn initialise(
    place: &Place,
    programs: &Programs,
    password: &SecretString,
) -> Result<(), Error> {
    let cluster = place.cluster();
    tracing::info!(cluster = %cluster.display(), version = programs.version, "creating the database");
    // the account must come through, to the two things in there that will be its own
    let work = place.unfinished()?;
    let mode = Permissions::from_mode(0o711);
    fs::set_permissions(work.path(), mode).at("set the mode of", work.path())?;
    let draft = work.path().join("cluster");
    fs::create_dir(&draft).at("create", &draft)?;
    fs::set_permissions(&draft, Permissions::from_mode(0o700)).at("set the mode of", &draft)?;
    let secret = work.path().join("password");
    let mut file = place.create(&secret)?;
    file.write_all(password.expose_secret().as_bytes()).at("write", &secret)?;
    if let Some(account) = &place.account {
        for path in [&draft, &secret] {
            let owned = chown(path, Some(account.uid), Some(account.gid));
            owned.at("change the owner of", path)?;
        }
    }

    let mut initdb = place.command(&programs.path("initdb"));
    initdb.arg("--pgdata").arg(&draft).arg("--pwfile").arg(&secret);
    initdb.args(["--username", SUPERUSER, "--data-checksums", "--encoding=UTF8", "--locale=C"]);
    initdb.args(["--auth-host=scram-sha-256", "--auth-local=scram-sha-256"]);
    let path = log::attach(place, &mut initdb)?;
    let initdb = Process::spawn(initdb, Signal::KILL).await.at("run", &programs.path("initdb"))?;
    let status = initdb.wait().await.at("wait for", &programs.path("initdb"))?;
    if !status.success() {
        let said = log::end_of(&path);
        return Err(Error::Ended {
            program: "initdb",
            status: status.to_string(),
            log: path,
            said,
        });
    }
    fs::rename(&draft, &cluster).at("create", &cluster)?;
    place.sync()
}
