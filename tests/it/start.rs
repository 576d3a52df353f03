//! Bare `souk`: what a newcomer meets.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Process, Scratch, processes_of, run, souk, souk_at, template};

/// The ordinary user where the tests run as root.
const NOBODY: u32 = 65534;

/// A bare `souk` in a directory, as root or as an ordinary user.
fn bare(directory: &Path) -> Command {
    on_free_ports(souk(), directory)
}

fn on_free_ports(mut command: Command, directory: &Path) -> Command {
    command.args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]).current_dir(directory);
    command
}

/// The same for tests that are not about a new database: theirs is copied.
fn bare_from_template(directory: &Path) -> Command {
    let mut command = bare(directory);
    command.env("SOUK_POSTGRES_TEMPLATE", template());
    command
}

/// What the welcome says.
struct Welcome {
    http: String,
    data: PathBuf,
    commands: Vec<String>,
}

/// Waits for the welcome, and takes the commands from it that a user would paste.
fn welcome(process: &Process) -> Welcome {
    let http = process.line("REST").replace("http://", "");
    let data = process.line("data").into();
    let lines = process.lines_until("Ctrl-C");
    let mut commands: Vec<String> = Vec::new();
    for line in lines.iter().filter(|line| line.starts_with("  ") && !line.contains("admin  ")) {
        match commands.last_mut() {
            Some(command) if command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line);
            }
            _ => commands.push(line.trim().to_owned()),
        }
    }
    Welcome { http, data, commands }
}

fn paste(command: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    let (status, text) = run(shell);
    assert!(status.success(), "{command}: {text}");
    text
}

/// Who owns a file, or runs a process.
fn owner(path: &str) -> u32 {
    std::fs::metadata(path).unwrap().uid()
}

fn is_root() -> bool {
    owner("/proc/self") == 0
}

fn assert_no_postgres(data: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if processes_of(data).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("a postgres process is left");
}

#[test]
fn the_first_start_ends_in_a_welcome_whose_commands_work_as_pasted() {
    let scratch = Scratch::new();
    let process = Process::start(bare(&scratch.0));
    let welcome = welcome(&process);
    assert_eq!(welcome.commands.len(), 3, "{:?}", welcome.commands);
    let listed = paste(&welcome.commands[0]);
    assert!(listed.contains(r#""total":30"#), "{listed}");
    let ordered = paste(&welcome.commands[1]);
    assert!(ordered.contains(r#""status":"reserved""#), "{ordered}");
    assert_eq!(paste(&welcome.commands[1]), ordered, "pasted twice, it orders once");
    assert!(welcome.commands[2].starts_with("grpcurl -plaintext 127.0.0.1:"));
    assert!(process.interrupt().success());
    assert_no_postgres(&welcome.data);

    // a second start keeps the data
    let process = Process::start(bare(&scratch.0));
    let again = self::welcome(&process);
    assert!(paste(&again.commands[0]).contains(r#""total":30"#));
    let orders = again.commands[1].replace("-H 'Content-Type: application/json'", "-X GET");
    let orders = orders.split("-d '{\"items\"").next().unwrap().trim_end_matches([' ', '\\', '\n']);
    assert!(paste(orders).contains(r#""total":1"#), "the order is still there");
    assert!(process.interrupt().success());
}

#[test]
fn kill_9_leaves_no_postgres_and_the_next_start_recovers() {
    let scratch = Scratch::new();
    let process = Process::start(bare_from_template(&scratch.0));
    let first = welcome(&process);
    let ordered = paste(&first.commands[1]);
    process.kill();
    assert_no_postgres(&first.data);

    let process = Process::start(bare_from_template(&scratch.0));
    let second = welcome(&process);
    let orders = second.commands[1].replace("-H 'Content-Type: application/json'", "-X GET");
    let orders = orders.split("-d '{\"items\"").next().unwrap().trim_end_matches([' ', '\\', '\n']);
    let id = ordered.split('"').nth(3).unwrap();
    assert!(paste(orders).contains(id), "the acknowledged order is still there");
    assert_ne!(first.http, second.http, "ports are picked anew");
}

#[test]
fn the_secrets_of_an_installation_are_readable_by_its_owner_only() {
    let scratch = Scratch::new();
    let process = Process::start(bare_from_template(&scratch.0));
    welcome(&process);
    for name in ["secret", "admin-password"] {
        let file = std::fs::metadata(scratch.0.join(".souk").join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_clone_that_others_cannot_enter_gets_a_place_for_its_data_that_the_database_user_can() {
    let scratch = Scratch::new();
    let home = scratch.0.join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let process = Process::start(bare_from_template(&home));
    let welcome = welcome(&process);
    // that user is another one when root starts it, and otherwise the one whose home it is
    assert_eq!(welcome.data.starts_with(&home), !is_root(), "{}", welcome.data.display());
    assert!(paste(&welcome.commands[1]).contains("reserved"));
    assert!(process.interrupt().success());
    std::fs::remove_dir_all(&welcome.data).unwrap();
}

#[test]
fn an_ordinary_user_starts_it_as_well() {
    let scratch = Scratch::new();
    std::fs::set_permissions(&scratch.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    // the build directory may be out of an ordinary user's reach
    let program = scratch.0.join("souk");
    std::fs::copy(env!("CARGO_BIN_EXE_souk"), &program).unwrap();
    let mut command = on_free_ports(souk_at(&program), &scratch.0);
    command.env("HOME", &scratch.0);
    let user = if is_root() { NOBODY } else { owner("/proc/self") };
    if is_root() {
        command.uid(user).gid(user);
    }
    let process = Process::start(command);
    let welcome = welcome(&process);
    assert!(welcome.data.starts_with(&scratch.0));
    let servers = processes_of(&welcome.data);
    assert!(!servers.is_empty(), "its database runs");
    for server in servers {
        assert_eq!(owner(&format!("/proc/{server}")), user, "and as the same user");
    }
    assert!(paste(&welcome.commands[1]).contains("reserved"));
    assert!(process.interrupt().success());
    assert_no_postgres(&welcome.data);
}

#[test]
fn without_any_postgresql_the_error_says_what_to_install() {
    let scratch = Scratch::new();
    let empty = scratch.0.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = bare(&scratch.0);
    command.env("PG_BIN", &empty).env("SOUK_POSTGRES_MIRROR", "http://127.0.0.1:1");
    let (status, text) = run(command);
    assert!(!status.success());
    assert!(text.contains("apt-get install postgresql"), "{text}");
    assert!(text.contains("--database-url"), "{text}");
}
