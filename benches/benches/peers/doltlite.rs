//! doltlite: a table of rows in one file, driven by a Python process that stays open and reads its own clock.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rows::Row;
use crate::{Peer, Round, Times};

/// The release that is measured.
const PACKAGE: &str = "doltlite==0.51.3";
const DRIVER: &str = include_str!("doltlite.py");

/// See the module.
pub(crate) struct Doltlite {
    folder: PathBuf,
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A Python that has the package, in a virtual environment that later runs find again.
fn python() -> Result<PathBuf, String> {
    let cache = std::env::var_os("ANABRANCH_TEST_CACHE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/anabranch"));
    let cache = cache.or_else(home).ok_or("neither ANABRANCH_TEST_CACHE nor HOME is set")?;
    let venv = cache.join(format!("peers-{}", PACKAGE.replace("==", "-")));
    let python = venv.join("bin/python");
    if !venv.join("complete").exists() {
        println!("installing {PACKAGE} into {}", venv.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
        run(Command::new(&python).args(install))?;
        std::fs::write(venv.join("complete"), "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

impl Doltlite {
    pub(crate) fn new(folder: &Path) -> Result<Doltlite, String> {
        let python = python()?;
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let driver = folder.join("driver.py");
        std::fs::write(&driver, DRIVER).map_err(|error| error.to_string())?;
        let mut command = Command::new(python);
        command.arg(driver).arg(folder.join("rows.db")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let asks = process.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no standard output")?);
        Ok(Doltlite { folder: folder.to_owned(), process, asks, answers })
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.asks, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("doltlite answered {line:?}: {error}"))
    }

    /// Writes rows where the driver reads them.
    fn file(&self, name: &str, rows: &[Row]) -> PathBuf {
        let mut text = String::new();
        for row in rows {
            writeln!(text, "{}\t{}", row.path, row.value).unwrap();
        }
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Doltlite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().unwrap())
}

impl Peer for Doltlite {
    fn name(&self) -> &'static str {
        "doltlite"
    }

    fn load(&mut self, rows: &[Row]) -> Duration {
        let file = self.file("rows", rows);
        seconds(&self.ask(&json!({ "load": file }))["load"])
    }

    fn round(&mut self, round: &Round) -> Times {
        let (ours, theirs) = (self.file("ours", &round.ours), self.file("theirs", &round.theirs));
        let answer = self.ask(&json!({ "round": round.number, "ours": ours, "theirs": theirs }));
        let counted = |name: &str| {
            let answer = &answer[name];
            (seconds(&answer[0]), usize::try_from(answer[1].as_u64().unwrap()).unwrap())
        };
        Times { commit: seconds(&answer["commit"]), diff: counted("diff"), merge: counted("merge") }
    }
}
