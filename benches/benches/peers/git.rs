//! git: a bare repository, `fast-import` for commits, `merge-tree` for merges, everything synced.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::rows::Row;
use crate::{Peer, Round, Times};

/// See the module.
pub(crate) struct Git {
    folder: PathBuf,
    stream: PathBuf,
}

impl Git {
    pub(crate) fn new(folder: &Path) -> Result<Git, String> {
        let git = Git { folder: folder.to_owned(), stream: folder.with_extension("stream") };
        let init = Command::new("git").args(["init", "--quiet", "--bare"]).arg(folder).output();
        let init = init.map_err(|error| format!("git does not start: {error}"))?;
        if !init.status.success() {
            return Err(String::from_utf8_lossy(&init.stderr).into_owned());
        }
        let settings = [
            ("core.fsync", "all"),
            ("core.fsyncMethod", "fsync"),
            ("gc.auto", "0"),
            ("user.name", "bench"),
            ("user.email", "bench@example.com"),
        ];
        for (name, value) in settings {
            git.run(&["config", name, value]);
        }
        Ok(git)
    }

    /// What a command of git prints.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(&self.folder).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits rows to a branch. The stream is written before the clock starts.
    fn commit(&self, branch: &str, parent: Option<&str>, rows: &[Row]) -> Duration {
        let mut text = format!(
            "commit refs/heads/{branch}\ncommitter bench <bench@example.com> 0 +0000\ndata 5\nbench\n"
        );
        if let Some(parent) = parent {
            writeln!(text, "from {parent}").unwrap();
        }
        for row in rows {
            write!(text, "M 100644 inline {}\ndata {}\n{}\n", row.path, row.value.len(), row.value).unwrap();
        }
        std::fs::write(&self.stream, text).unwrap();
        let start = Instant::now();
        let stream = File::open(&self.stream).unwrap();
        let mut import = Command::new("git");
        import.arg("-C").arg(&self.folder).args(["fast-import", "--quiet", "--force"]);
        let output = import.stdin(Stdio::from(stream)).output().unwrap();
        let took = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    fn count_differences(&self, before: &str, after: &str) -> usize {
        self.run(&["diff-tree", "-r", "--name-only", before, after]).lines().count()
    }

    fn merge(&self, ours: &str, theirs: &str) {
        let tree = self.run(&["merge-tree", "--write-tree", ours, theirs]);
        let commit = self.run(&["commit-tree", &tree, "-p", ours, "-p", theirs, "-m", "bench"]);
        self.run(&["update-ref", "refs/heads/main", &commit, ours]);
    }
}

impl Peer for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn load(&mut self, rows: &[Row]) -> Duration {
        self.commit("main", None, rows)
    }

    fn round(&mut self, round: &Round) -> Times {
        let base = self.run(&["rev-parse", "main"]);
        let commit = self.commit("main", Some(&base), &round.ours);
        let ours = self.run(&["rev-parse", "main"]);
        let start = Instant::now();
        let count = self.count_differences(&base, &ours);
        let diff = (start.elapsed(), count);
        self.commit("side", Some(&base), &round.theirs);
        let theirs = self.run(&["rev-parse", "side"]);
        let start = Instant::now();
        self.merge(&ours, &theirs);
        let merge = start.elapsed();
        Times { commit, diff, merge: (merge, self.count_differences(&base, "main")) }
    }
}
