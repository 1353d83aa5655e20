//! The independent verifier as a process that answers one bundle after the other.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::*;

/// The process; ends with its standard input.
pub(super) struct Python {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What it said of a bundle.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Answer {
    pub ok: bool,
    pub first_failure: Option<String>,
}

impl Python {
    /// `None` where there is no Python that could run it and none was asked for.
    pub(super) fn start() -> Option<Self> {
        let asked = std::env::var("VBRANCH_PYTHON").ok();
        let python = asked.as_deref().unwrap_or("python3");
        let able = Command::new(python).args(["-c", "import cryptography"]).output();
        if !able.is_ok_and(|output| output.status.success()) {
            assert!(asked.is_none(), "{python} cannot import cryptography");
            return None;
        }
        let mut child = Command::new(python)
            .args(["-m", "vbranch_verify", "--batch"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/verifier"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, questions, answers })
    }

    pub(super) fn ask(&mut self, key: &Path, bundle: &Path) {
        let questions = self.questions.as_mut().unwrap();
        writeln!(questions, "{}\t{}", key.display(), bundle.display()).unwrap();
    }

    pub(super) fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: it said {line:?}"))
    }

    pub(super) fn verify(&mut self, key: &Path, bundle: &Path) -> Answer {
        self.ask(key, bundle);
        self.answer()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}
