//! The unprivileged user that runs PostgreSQL when Souk itself is root.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

/// A user of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The one to drop to: `postgres` where a package created it, else `nobody`.
    pub(crate) fn unprivileged() -> Result<Account, Error> {
        // macOS prefixes its service users
        ["postgres", "_postgres", "nobody"]
            .iter()
            .find_map(|wanted| users().into_iter().find(|user| user.name == *wanted))
            .ok_or(Error::NoAccount)
    }

    /// The one with these ids, whether it has a name or not.
    pub(crate) fn of(uid: u32, gid: u32) -> Account {
        let known = users().into_iter().find(|user| user.uid == uid);
        let name = known.map_or_else(|| format!("#{uid}"), |user| user.name);
        Account { name, uid, gid }
    }

    /// Whether this user can pass through every directory down to `dir`. It is tried, because
    /// mode bits are not all there is: ACLs and read-only or foreign mounts have a say too.
    pub(crate) fn can_enter(&self, dir: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cd -- \"$1\"", "sh"]).arg(dir).current_dir("/");
        self.apply(&mut command);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    }

    /// Makes `command` run as this user. std drops root's supplementary groups along the way.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// The users of `/etc/passwd`: enough for system accounts, which is all that is asked for here.
fn users() -> Vec<Account> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd.lines().filter_map(user).collect()
}

fn user(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let mut id = || {
        // macOS writes nobody's ids as -2
        let id = fields.next()?.parse::<i64>().ok()?;
        u32::try_from(id).or_else(|_| i32::try_from(id).map(i32::cast_unsigned)).ok()
    };
    let _password = id();
    Some(Account { name, uid: id()?, gid: id()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_is_understood_on_linux_and_on_macos() {
        let postgres = user("postgres:x:101:104:PostgreSQL administrator,,,:/var/lib:/bin/bash");
        let postgres = postgres.unwrap();
        assert_eq!((postgres.name.as_str(), postgres.uid, postgres.gid), ("postgres", 101, 104));
        let nobody = user("nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (u32::MAX - 1, u32::MAX - 1));
        assert!(user("# a comment").is_none());
    }
}
