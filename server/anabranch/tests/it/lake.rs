//! A running server, and a person who types commands against it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use expect_test::Expect;
use tempfile::TempDir;

const ACCESS_KEY: &str = "AKIACOMMANDLINE00000";
const SECRET_KEY: &str = "command-line-secret-0123456789abcdef";

/// A server over an empty folder, and an empty folder to work in. Both end with the value.
pub(crate) struct Lake {
    /// The process; none where the server is a part of the test.
    server: Option<Child>,
    pub(crate) endpoint: String,
    folder: TempDir,
}

impl Lake {
    pub(crate) fn start() -> Lake {
        let folder = work_folder();
        let mut command = Command::new(env!("CARGO_BIN_EXE_anabranch"));
        without_settings(&mut command)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .env("ANABRANCH_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ANABRANCH_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command.spawn().expect("the server starts");
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        let endpoint = said
            .find_map(|line| line.unwrap().strip_prefix("anabranch listens on ").map(str::to_owned))
            .expect("the server says where it listens");
        Lake { server: Some(server), endpoint, folder }
    }

    /// A person who asks the server at this address.
    pub(crate) fn at(endpoint: String) -> Lake {
        Lake { server: None, endpoint, folder: work_folder() }
    }

    /// A server with the repository `sales`.
    pub(crate) fn with_repository() -> Lake {
        let lake = Lake::start();
        lake.run("repo create sales");
        lake
    }

    /// A path below the folder that commands work in.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.file(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    /// The command, ready to run, without server and keys.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anabranch"));
        without_settings(&mut command)
            .args(words(line))
            .current_dir(self.folder.path().join("work"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .stdin(Stdio::null());
        command
    }

    /// The command against this server.
    pub(crate) fn against(&self, line: &str) -> Command {
        let mut command = self.command(line);
        command
            .env("ANABRANCH_ENDPOINT", &self.endpoint)
            .env("ANABRANCH_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ANABRANCH_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    }

    /// What the command prints and how it ends, with what differs from run to run left out.
    pub(crate) fn shown(&self, command: &mut Command) -> String {
        let output = command.output().expect("the binary runs");
        let mut shown = crate::text(&output.stdout);
        shown.push_str(&crate::text(&output.stderr));
        match output.status.code() {
            Some(0) => {}
            code => shown.push_str(&format!("exit code {}\n", code.expect("it ends by itself"))),
        }
        let shown = shown
            .replace(&self.endpoint, "<server>")
            .replace(ACCESS_KEY, "<key>")
            .replace(SECRET_KEY, "<secret>")
            .replace(&self.folder.path().to_string_lossy().into_owned(), "<folder>");
        steady(&shown)
    }

    /// Runs a command that has to go well; gives what it prints.
    pub(crate) fn run(&self, line: &str) -> String {
        let shown = self.shown(&mut self.against(line));
        assert!(!shown.contains("exit code"), "{line}: {shown}");
        shown
    }

    /// Compares what a command prints, and its exit code.
    pub(crate) fn check(&self, line: &str, expected: Expect) {
        expected.assert_eq(&self.shown(&mut self.against(line)));
    }
}

impl Drop for Lake {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn work_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("work")).unwrap();
    folder
}

fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANABRANCH_")) {
        command.env_remove(name);
    }
    command
}

/// The words of a line; single quotes keep spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The text with `<id>` for commits and addresses, and `<time>` for times.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        if length == 0 {
            let (other, after) = rest.split_at(c.len_utf8());
            steady.push_str(other);
            rest = after;
        } else if is_time(rest) {
            steady.push_str("<time>");
            rest = &rest["2026-01-01 00:00:00 UTC".len()..];
        } else {
            let is_commit = matches!(length, 12 | 64) && word.chars().all(|c| c.is_ascii_hexdigit());
            // Addresses; the names of a table's log have as many characters, but no letters.
            let is_address = length == 20
                && word.contains(|c: char| c.is_ascii_lowercase())
                && word.contains(|c: char| c.is_ascii_digit());
            let is_id = is_commit || is_address;
            let is_moment = length == 10 && word.starts_with("1") && word.parse::<u64>().is_ok();
            steady.push_str(match (is_id, is_moment) {
                (true, _) => "<id>",
                (_, true) => "<moment>",
                _ => word,
            });
            rest = after;
        }
    }
    steady
}

fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-dd dd:dd:dd UTC";
    text.len() >= shape.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            other => other == byte,
        })
}
