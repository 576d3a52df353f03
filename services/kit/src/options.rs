//! Options: a flag wins over the environment, that over the configuration file, that over the
//! default.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command, Parser};

/// The environment variable that names the configuration file.
const CONFIG: &str = "SOUK_CONFIG";
/// The configuration file that is read when it is there.
const DEFAULT_FILE: &str = "souk.toml";

/// Reads the options of this process. `--help` shows a value from the file as the default.
///
/// # Errors
///
/// The configuration file cannot be read, or has a key that is no option. Bad flags end the
/// process with clap's own message.
pub fn parse<T: Parser>() -> anyhow::Result<T> {
    let file = read_file()?;
    let matches = layered::<T>(&file)?.get_matches();
    finish(&matches)
}

/// As [`parse`], from given arguments and file, for tests.
///
/// # Errors
///
/// The arguments or the file are wrong.
pub fn parse_from<T: Parser>(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    file: &toml::Table,
) -> anyhow::Result<T> {
    let matches = layered::<T>(file)?.try_get_matches_from(arguments)?;
    finish(&matches)
}

fn finish<T: Parser>(matches: &ArgMatches) -> anyhow::Result<T> {
    T::from_arg_matches(matches).map_err(anyhow::Error::from)
}

fn read_file() -> anyhow::Result<toml::Table> {
    let named = std::env::var_os(CONFIG).map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    if named.is_none() && !path.exists() {
        return Ok(toml::Table::new());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not valid TOML", path.display()))
}

/// The command with the file's values in place of the defaults.
fn layered<T: Parser>(file: &toml::Table) -> anyhow::Result<Command> {
    let mut command = T::command();
    for (key, value) in file {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Table(_) | toml::Value::Array(_) => {
                anyhow::bail!(
                    "the configuration file has a table or list at `{key}`; options are plain values"
                )
            }
            plain => plain.to_string(),
        };
        if !has_option(&command, key) {
            anyhow::bail!("the configuration file has `{key}`, which is no option");
        }
        command = with_default(command, key, &text);
    }
    Ok(command)
}

/// Keys are the long flags, with `-` or `_`, of what the environment can set as well: other flags
/// belong to one call of a command.
fn names(argument: &Arg, key: &str) -> bool {
    argument.get_env().is_some()
        && argument.get_long().is_some_and(|long| long == key.replace('_', "-"))
}

fn has_option(command: &Command, key: &str) -> bool {
    command.get_arguments().any(|argument| names(argument, key))
        || command.get_subcommands().any(|subcommand| has_option(subcommand, key))
}

fn with_default(command: Command, key: &str, value: &str) -> Command {
    command
        .mut_args(|argument| {
            if names(&argument, key) {
                argument.default_value(value.to_owned()).required(false)
            } else {
                argument
            }
        })
        .mut_subcommands(|subcommand| with_default(subcommand, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Options {
        #[arg(long, env = "SOUK_TEST_NEVER_SET", default_value = "1")]
        some_port: u16,
    }

    fn port(arguments: &[&str], file: &str) -> anyhow::Result<u16> {
        let arguments = std::iter::once("souk").chain(arguments.iter().copied());
        parse_from::<Options>(arguments, &file.parse()?).map(|options| options.some_port)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        assert_eq!(port(&[], "").unwrap(), 1);
        assert_eq!(port(&[], "some_port = 2").unwrap(), 2);
        assert_eq!(port(&["--some-port", "3"], "some-port = 2").unwrap(), 3);
    }

    #[test]
    fn a_key_that_is_no_option_is_refused() {
        let error = port(&[], "some_prot = 2").unwrap_err();
        assert!(error.to_string().contains("some_prot"));
    }
}
