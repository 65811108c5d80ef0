//! What the tests of the real binary share.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary, without the settings of whoever runs the tests.
pub fn zoometry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoometry"));
    let tasks = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "SGE_TASK_ID", "PBS_ARRAY_INDEX", "PBS_ARRAYID"];
    ["ZOOMETRY_ISA", "ZOOMETRY_DATA", "ZOOMETRY_SHARD"].iter().chain(&tasks).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Runs the binary with arguments separated by blanks.
pub fn run(arguments: &str) -> Output {
    zoometry().args(arguments.split_whitespace()).output().expect("the binary starts")
}

/// Runs the binary and expects success; gives stdout.
#[track_caller]
pub fn succeed(arguments: &str) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "zoometry {arguments}: {:?}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8 on stdout")
}

/// Runs the binary and expects an exit code and a message that holds all of the given texts, and no panic.
#[track_caller]
pub fn fail(arguments: &str, code: i32, texts: &[&str]) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "zoometry {arguments}\n{stderr}");
    assert!(!stderr.contains("panicked"), "zoometry {arguments}\n{stderr}");
    for text in texts {
        assert!(stderr.contains(text), "zoometry {arguments}: no {text:?} in\n{stderr}");
    }
}

/// The arguments that train a small zoo on glyphs.
pub fn small_zoo(out: &Path, models: usize, epochs: u32) -> String {
    format!("train --dataset glyphs --models {models} --epochs {epochs} --seed 5 --out {}", out.display())
}

/// A folder for a test and a path in it.
pub fn scratch(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    (folder, path)
}

/// Whether something is there that a test would be skipped without; `ZOOMETRY_NEED`, such as `gpu,python,avx512`, names what must
/// be there.
#[track_caller]
pub fn there(what: &str, there: bool) -> bool {
    let needed = std::env::var("ZOOMETRY_NEED").unwrap_or_default().split(',').any(|name| name.trim() == what);
    assert!(there || !needed, "there is no {what}, which ZOOMETRY_NEED names");
    if !there {
        eprintln!("SKIPPED: there is no {what}");
    }
    there
}

/// A Python that has NumPy and safetensors, if there is one.
#[track_caller]
pub fn python() -> Option<&'static str> {
    let found = Command::new("python3").args(["-c", "import numpy, safetensors"]).output();
    there("python", found.is_ok_and(|output| output.status.success())).then_some("python3")
}

/// Sends SIGTERM, which stops as Ctrl-C does: SIGINT stays ignored where a shell began the tests in the background.
#[cfg(unix)]
pub fn interrupt(child: &std::process::Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs").success());
}
