//! A server that an earlier run left behind is brought to an end before a new one starts.
//!
//! We hold the lock of the place, so whatever still runs on its cluster has lost its supervisor:
//! it is on its way down because of that, or will never learn of it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::error::{At, Error};
use crate::place::Place;

/// What a leftover is told, and how long it then has. A clean shutdown saves the next start a
/// recovery; a server that does not manage one in time loses nothing by a harder end.
const STEPS: &[(Signal, Duration)] = &[
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// Ends the server of an earlier run, and what may be left of one that was killed.
pub(crate) async fn end(place: &Place) -> Result<(), Error> {
    let cluster = place.cluster();
    let file = cluster.join("postmaster.pid");
    let written = fs::read_to_string(&file).unwrap_or_default();
    let postmaster = written.lines().next().and_then(|line| Pid::from_raw(line.parse().ok()?));
    if let Some(pid) = postmaster.filter(|pid| is_postmaster(*pid, &cluster)) {
        tracing::info!(pid = pid.as_raw_nonzero(), "ending the server of an earlier run");
        until_gone(&cluster, STEPS, || is_postmaster(pid, &cluster).then_some(pid)).await?;
    } else if file.exists() {
        disown(place, &file, postmaster.map(|_| written))?;
    }
    // without a postmaster a backend is good for nothing, but may be too busy to notice
    until_gone(&cluster, &STEPS[1..], || backends(&cluster).pop()).await
}

async fn until_gone(
    cluster: &Path,
    steps: &[(Signal, Duration)],
    next: impl Fn() -> Option<Pid>,
) -> Result<(), Error> {
    for &(signal, limit) in steps {
        let begin = Instant::now();
        let mut told = None;
        while begin.elapsed() < limit {
            let Some(pid) = next() else { return Ok(()) };
            if told != Some(pid) {
                // it fails for a process that is gone meanwhile, which is what we want
                let _ = kill_process(pid, signal);
                told = Some(pid);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let pid = next().map_or(0, |pid| pid.as_raw_nonzero().get());
    Err(Error::Leftover { pid, dir: cluster.to_path_buf() })
}

/// Keeps PostgreSQL from taking an unrelated process for a server of this cluster: after a reboot,
/// or in a new container, the number in the file of a killed one is often somebody else's.
///
/// The file is not just removed, because it also tells which shared memory must be out of use
/// before a new server may start. PostgreSQL takes the number of its parent, which we are, for
/// such a coincidence and then looks at the rest.
fn disown(place: &Place, file: &Path, written: Option<String>) -> Result<(), Error> {
    fs::remove_file(file).at("remove", file)?;
    // without a number it is what a power cut left of it: there is nothing in it to keep
    let Some(written) = written else { return Ok(()) };
    let rest = written.split_once('\n').map_or("", |(_, rest)| rest);
    // never through a link: the directory is the account's, and we may be root
    let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut created = create.at("create", file)?;
    if let Some(account) = &place.account {
        let owned = fchown(&created, Some(account.uid), Some(account.gid));
        owned.at("change the owner of", file)?;
    }
    write!(created, "{}\n{rest}", std::process::id()).at("write", file)
}

/// Whether this process was started as the server of this cluster, by us or by an earlier run.
fn is_postmaster(pid: Pid, cluster: &Path) -> bool {
    let named = format!("postgres -D {} ", cluster.display());
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH) && command_line(pid).contains(&named)
}

#[cfg(target_os = "linux")]
fn command_line(pid: Pid) -> String {
    let arguments = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    String::from_utf8_lossy(&arguments.unwrap_or_default()).replace('\0', " ")
}

#[cfg(not(target_os = "linux"))]
fn command_line(pid: Pid) -> String {
    let pid = pid.as_raw_nonzero().to_string();
    let ps = std::process::Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid]).output();
    ps.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The processes of PostgreSQL that work in this cluster, as far as we may look into them.
#[cfg(target_os = "linux")]
pub(crate) fn backends(cluster: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let backends = processes.filter_map(|process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        let works_in = fs::read_link(process.path().join("cwd")).ok()?;
        (name.trim() == "postgres" && works_in == cluster).then_some(pid)
    });
    backends.collect()
}

/// Elsewhere they are waited for: PostgreSQL refuses to start as long as their memory is in use.
#[cfg(not(target_os = "linux"))]
fn backends(_: &Path) -> Vec<Pid> {
    Vec::new()
}
