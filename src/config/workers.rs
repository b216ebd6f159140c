//! The `workers` of a configuration: what `logboom run` starts.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::error::Problem;
use super::item::Item;
use super::node::escaped;
use super::show::{list, text};
use crate::worker_settings::{Lifecycle, MAX_COUNT, Readiness, WorkerSettings};

/// Longest time that a worker may be given, in seconds.
const MAX_TIMEOUT_S: u64 = 24 * 60 * 60;

const COMMAND: &str = "a command for /bin/sh";

const NAMES: &str = "a list of names of workers";

pub(super) fn read(entries: Vec<(String, Item)>) -> Result<Vec<(String, WorkerSettings)>, Problem> {
    let known: Vec<_> = entries.iter().map(|(name, _)| name.clone()).collect();
    let mut workers = Vec::with_capacity(entries.len());
    for (name, item) in &entries {
        workers.push((name.clone(), read_worker(item.clone(), &known)?));
    }
    match first_in_cycle(&workers) {
        Some(number) => {
            let (_, item) = &entries[number];
            Err(item.refused("it would have to wait for itself: look at what stands in after"))
        }
        None => Ok(workers),
    }
}

/// A worker that can never be started, because it waits for itself or for such a one.
fn first_in_cycle(workers: &[(String, WorkerSettings)]) -> Option<usize> {
    let mut waiting: Vec<usize> = (0..workers.len()).collect();
    loop {
        let is_waiting = |name: &String| waiting.iter().any(|other| workers[*other].0 == *name);
        let still: Vec<_> = waiting
            .iter()
            .copied()
            .filter(|number| workers[*number].1.lifecycle.after.iter().any(is_waiting))
            .collect();
        if still.len() == waiting.len() {
            return still.first().copied();
        }
        waiting = still;
    }
}

impl WorkerSettings {
    /// The settings by their names, as they would be written in TOML.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let Lifecycle { after, readiness, ready_timeout, restart, max_restarts, .. } =
            &self.lifecycle;
        let mut values = vec![("command", text(&self.command)), ("count", self.count.to_string())];
        let port = self.port.map(|port| ("port", port.to_string()));
        let path = |path: &PathBuf| text(path.display());
        values.extend(port);
        values.extend(self.env_file.as_ref().map(|file| ("env_file", path(file))));
        values.extend(self.directory.as_ref().map(|directory| ("directory", path(directory))));
        values.push(("pty", self.pty.to_string()));
        values.push(("capture", text(self.capture)));
        values.push(("after", list(after)));
        if let Some(readiness) = readiness {
            let way = match readiness {
                Readiness::Log(pattern) => format!("log = {}", text(pattern)),
                Readiness::Command(command) => format!("command = {}", text(command)),
                Readiness::Tcp(address) => format!("tcp = {}", text(address)),
                Readiness::Exit => "exit = true".to_owned(),
            };
            values.push(("ready", format!("{{ {way}, timeout = {} }}", ready_timeout.as_secs())));
        }
        values.push(("restart", text(restart)));
        values.push(("max_restarts", max_restarts.to_string()));
        values.push(("stop_signal", text(self.lifecycle.stop_signal)));
        let stop_timeout = self.lifecycle.stop_timeout;
        values.extend(stop_timeout.map(|time| ("stop_timeout", time.as_secs().to_string())));
        values
    }
}

fn read_worker(item: Item, known: &[String]) -> Result<WorkerSettings, Problem> {
    let mut table = item.table()?;
    let mut settings = WorkerSettings::new(script(&table.need("command", COMMAND)?)?);
    if let Some(item) = table.take("count") {
        settings.count = number(&item, u64::from(MAX_COUNT), "a number of processes")?;
    }
    for (name, item) in table.take_table("environment")? {
        settings.environment.push(variable(name, &item)?);
    }
    if let Some(item) = table.take("port") {
        settings.port = Some(number(&item, u64::from(u16::MAX), "a port")?);
    }
    let path = |item: Item| item.text("a path").map(PathBuf::from);
    settings.env_file = table.take("env_file").map(path).transpose()?;
    settings.directory = table.take("directory").map(path).transpose()?;
    settings.pty = table.take("pty").map_or(Ok(false), |item| item.boolean())?;
    if let Some(item) = table.take("capture") {
        settings.capture = parsed(&item, "auto or lines")?;
    }
    settings.lifecycle = Lifecycle {
        after: table.take("after").map_or(Ok(Vec::new()), |item| after(item, known))?,
        ..Lifecycle::default()
    };
    let lifecycle = &mut settings.lifecycle;
    if let Some(item) = table.take("ready") {
        (lifecycle.readiness, lifecycle.ready_timeout) =
            readiness(item, lifecycle.ready_timeout).map(|(ready, time)| (Some(ready), time))?;
    }
    if let Some(item) = table.take("restart") {
        lifecycle.restart = parsed(&item, "no, on-failure or always")?;
    }
    if let Some(item) = table.take("max_restarts") {
        lifecycle.max_restarts = number(&item, u64::from(u32::MAX), "a number of restarts")?;
    }
    if let Some(item) = table.take("stop_signal") {
        lifecycle.stop_signal = parsed(&item, "the name of a signal")?;
    }
    lifecycle.stop_timeout = table.take("stop_timeout").map(|item| seconds(&item)).transpose()?;
    table.end()?;
    Ok(settings)
}

fn script(item: &Item) -> Result<String, Problem> {
    let text = item.text(COMMAND)?;
    if text.trim().is_empty() {
        return Err(item.expected(COMMAND));
    }
    if text.contains('\0') {
        return Err(item.refused("a command has no NUL"));
    }
    Ok(text.to_owned())
}

fn variable(name: String, item: &Item) -> Result<(String, String), Problem> {
    let value = item.value()?.to_string();
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(item.refused("no variable of an environment can be called, or be, so"));
    }
    Ok((name, value))
}

fn after(item: Item, known: &[String]) -> Result<Vec<String>, Problem> {
    let name = |item: Item| {
        let name = item.text("the name of a worker")?;
        match known.iter().any(|known| known == name) {
            true => Ok(name.to_owned()),
            false => Err(item.refused(format_args!("there is no worker \"{}\"", escaped(name)))),
        }
    };
    item.list(NAMES)?.into_iter().map(name).collect()
}

fn readiness(item: Item, default: Duration) -> Result<(Readiness, Duration), Problem> {
    let whole = item.clone();
    let mut table = item.table()?;
    let log = table.take("log").map(|item| parsed(&item, "a regular expression"));
    let command = table.take("command").map(|item| script(&item).map(Readiness::Command));
    let tcp = table.take("tcp").map(|item| address(&item).map(Readiness::Tcp));
    let exit = table.take("exit").map(|item| match item.boolean()? {
        true => Ok(Readiness::Exit),
        false => Err(item.expected("true")),
    });
    let timeout = table.take("timeout").map_or(Ok(default), |item| seconds(&item))?;
    table.end()?;
    let mut ways = [log.map(|log| log.map(Readiness::Log)), command, tcp, exit]
        .into_iter()
        .flatten()
        .collect::<Result<Vec<_>, _>>()?;
    match (ways.pop(), ways.is_empty()) {
        (Some(readiness), true) => Ok((readiness, timeout)),
        _ => Err(whole.refused("expected one of log, command, tcp and exit")),
    }
}

/// A port alone is one of this host.
fn address(item: &Item) -> Result<SocketAddr, Problem> {
    const WHAT: &str = "a port, or an address and a port such as 127.0.0.1:5432";
    if let Ok(port) = number(item, u64::from(u16::MAX), "a port") {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    item.text(WHAT)?.parse().map_err(|_| item.expected(WHAT))
}

fn seconds(item: &Item) -> Result<Duration, Problem> {
    item.number(0..=MAX_TIMEOUT_S, "a number of seconds").map(Duration::from_secs)
}

fn number<T: TryFrom<u64>>(item: &Item, max: u64, what: &str) -> Result<T, Problem> {
    let number = item.number(0..=max, what)?;
    T::try_from(number).map_err(|_| item.expected(what))
}

fn parsed<T: FromStr<Err: Display>>(item: &Item, what: &str) -> Result<T, Problem> {
    let text = item.text(what)?;
    text.parse()
        .map_err(|error: T::Err| item.refused(format_args!("found \"{}\", {error}", escaped(text))))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Form};

    fn parsed(text: &str) -> Result<Config, String> {
        let text = format!("version = 1\n{text}");
        Config::parse(&text, Form::Toml, "c").map_err(|error| error.to_string())
    }

    #[test]
    fn a_worker_is_read_as_it_is_shown() {
        let text = r#"
            [workers.db]
            command = "postgres"
            ready = { tcp = 5432, timeout = 5 }
            [workers.web]
            command = "./web"
            count = 3
            port = 8000
            env_file = ".env"
            directory = "srv"
            pty = true
            capture = "lines"
            after = ["db"]
            ready = { log = "^listening" }
            restart = "on-failure"
            max_restarts = 3
            stop_signal = "INT"
            stop_timeout = 7
            environment = { A = "b", N = 7 }"#;
        let config = parsed(text).unwrap();
        let settings = config.settings().into_iter();
        let shown = settings.filter(|setting| setting.key.starts_with("workers."));
        let shown: Vec<_> =
            shown.map(|setting| format!("{} = {}", &setting.key[8..], setting.value)).collect();
        assert_eq!(
            shown,
            [
                "db.command = \"postgres\"",
                "db.count = 1",
                "db.pty = false",
                "db.capture = \"auto\"",
                "db.after = []",
                "db.ready = { tcp = \"127.0.0.1:5432\", timeout = 5 }",
                "db.restart = \"no\"",
                "db.max_restarts = 10",
                "db.stop_signal = \"SIGTERM\"",
                "web.command = \"./web\"",
                "web.count = 3",
                "web.port = 8000",
                "web.env_file = \".env\"",
                "web.directory = \"srv\"",
                "web.pty = true",
                "web.capture = \"lines\"",
                "web.after = [\"db\"]",
                "web.ready = { log = \"^listening\", timeout = 60 }",
                "web.restart = \"on-failure\"",
                "web.max_restarts = 3",
                "web.stop_signal = \"SIGINT\"",
                "web.stop_timeout = 7",
            ]
        );
        let environment = [("A", "b"), ("N", "7")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(config.workers()[1].1.environment, environment);
    }

    #[test]
    fn what_makes_no_worker_is_told_with_its_place() {
        let cases = [
            ("", "2: workers.w.command: missing, expected a command for /bin/sh"),
            ("command = 1", "found 1, expected a command for /bin/sh"),
            ("command = ' '", "workers.w.command: found \" \", expected a command for /bin/sh"),
            ("command = \"a\\u0000\"", "a command has no NUL"),
            ("command = 'a'\nready = { command = '' }", "found \"\", expected a command"),
            (
                "command = 'a'\ncount = 1001",
                "found 1001, expected a number of processes, 0 to 1000",
            ),
            ("command = 'a'\nafter = ['b']", "workers.w.after[0]: there is no worker \"b\""),
            ("command = 'a'\nafter = ['w']", "it would have to wait for itself"),
            (
                "command = 'a'\nrestart = 'never'",
                "found \"never\", expected no, on-failure or always",
            ),
            ("command = 'a'\nstop_signal = 'X'", "expected the name of a signal, such as SIGINT"),
            ("command = 'a'\nready = {}", "expected one of log, command, tcp and exit"),
            ("command = 'a'\nready = { exit = true, tcp = 1 }", "expected one of log"),
            ("command = 'a'\nready = { tcp = 'host' }", "expected a port, or an address"),
            ("command = 'a'\nready = { log = '(' }", "no usable regular expression"),
            ("command = 'a'\nenvironment = { 'A=B' = 1 }", "no variable of an environment"),
            ("command = 'a'\nstop_timeout = 86401", "expected a number of seconds, 0 to 86400"),
            ("command = 'a'\npty = 'yes'", "found \"yes\", expected true or false"),
            ("command = 'a'\ncapture = 'json'", "found \"json\", expected auto or lines"),
            ("command = 'a'\nlimit = 1", "workers.w.limit: unknown key"),
        ];
        for (text, expected) in cases {
            let error = parsed(&format!("[workers.w]\n{text}")).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
