//! One PostgreSQL for all tests of a process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use souk_postgres::{Options, Server};

/// The server of this process, which ends with it.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        // a runtime of its own: that of a test ends with the test
        let start = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Server::start(&options())).unwrap()
        };
        std::thread::scope(|scope| scope.spawn(start).join().unwrap())
    })
}

fn options() -> Options {
    let name = format!("souk-testing-{}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    // the server may run as another user
    fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    remove_afterwards(&dir);
    let options = Options::new(dir);
    Options { template: options.template.or_else(template), ..options }
}

/// Beside the programs of the tests: only the first of them runs `initdb`, and `cargo clean` removes
/// it.
fn template() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let deps = program.parent().filter(|dir| dir.ends_with("deps"))?;
    Some(deps.with_file_name("postgres-template"))
}

/// Removes the directory when this process is gone: then the pipe to the shell breaks.
fn remove_afterwards(dir: &Path) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat; sleep 2; rm -rf \"$0\""]).arg(dir).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // kept for ever, and with it this end of the pipe
    Box::leak(Box::new(shell.spawn().unwrap()));
}
