//! How every command that writes may end: killed at any moment, on a full disk, with calls of the system that fail. What was there
//! stays until all of what replaces it is there, what is there is whole, and the same command leads to the same bytes afterwards.
#![cfg(unix)]

mod common;
use common::{small_zoo, succeed, there, zoometry};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use zoometry::out::FileKind;
use zoometry::rng::Stream;
use zoometry::zoo::{Status, Zoo};

/// What an output is while its command is under way.
#[derive(Clone, Copy, PartialEq)]
enum Appears {
    /// As it was before, or as it is at the end.
    Whole,
    /// A zoo: the rows that are said to be there are those of the end.
    ByRow,
    /// A journal of what threads finish in any order: the command goes on from what is there.
    ByLine,
    /// A folder of other outputs, which are looked at by themselves.
    Around,
    /// A page or a journal that tells seconds: only whether its end is there.
    Timed,
}

/// A command, `@` for the folder of its outputs and `+` for that of its inputs.
struct Case {
    arguments: String,
    outputs: &'static [(&'static str, Appears)],
}

fn cases() -> Vec<Case> {
    use Appears::{Around, ByLine, ByRow, Timed, Whole};
    let case = |arguments: &str, outputs| Case { arguments: arguments.into(), outputs };
    vec![
        Case { outputs: &[("zoo.safetensors", ByRow)], ..train("@/zoo.safetensors") },
        case("merge -o @/merged.safetensors +/part-0000?-of-00002.safetensors", &[("merged.safetensors", ByRow)]),
        case("import +/folder --out @/imported.safetensors", &[("imported.safetensors", Whole)]),
        case("export +/zoo.safetensors @/folder", &[("folder", Whole)]),
        case("export --torch --run 3 +/zoo.safetensors @/network.safetensors", &[("network.safetensors", Whole)]),
        case("export --firmware +/compact.bin --run 3 +/zoo.safetensors @/firmware", &[("firmware", Whole)]),
        case("features +/zoo.safetensors --input wstats --out @/table.csv", &[("table.csv", Whole)]),
        case("features +/zoo.safetensors --input wstats --out @/table.safetensors", &[("table.safetensors", Whole)]),
        case(
            "features +/zoo.safetensors --input wstats --out @/table.npy",
            &[("table.npy", Whole), ("table.columns.json", Whole)],
        ),
        case("split +/zoo.safetensors --out @/split.csv", &[("split.csv", Whole)]),
        case("fit +/zoo.safetensors --input wstats --out @/model", &[("model", Whole)]),
        case(
            "search +/zoo.safetensors --input wstats --predictor linear --trials 3 --param epochs=3 --out @/best.json",
            &[("best.json", Whole), ("best.trials.jsonl", ByLine)],
        ),
        case(
            "importance +/model +/zoo.safetensors --out @/matters.csv --shap @/shap.npy",
            &[("matters.csv", Whole), ("shap.npy", Whole)],
        ),
        case("ablation +/zoo.safetensors --out @/study", &[("study", Around), ("study/results.jsonl", Timed)]),
        case("report +/zoo.safetensors --out @/page.html", &[("page.html", Timed)]),
        case(
            "demo --models 12 --out @",
            &[("zoo.safetensors", ByRow), ("predictor.safetensors", Whole), ("report.html", Timed)],
        ),
        case("bench pool/forward --seconds 0.05 --svg @/roof.svg", &[("roof.svg", Timed)]),
    ]
}

/// Networks of the zoos here.
const MODELS: usize = 24;

fn train(out: &str) -> Case {
    Case {
        arguments: format!("{} --set train_fraction=0.05 --set batch=100", small_zoo(Path::new(out), MODELS, 2)),
        outputs: &[],
    }
}

/// What the commands read.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |arguments: &str| arguments.replace(['@', '+'], &folder.path().display().to_string());
    let run = |arguments: &str| succeed(&at(arguments));
    run(&train("+/zoo.safetensors").arguments);
    for place in ["1/2", "2/2"] {
        run(&format!("{} --shard {place}", train("+/part.safetensors").arguments));
    }
    run("export +/zoo.safetensors +/folder");
    run("fit +/zoo.safetensors --input wstats --out +/model --compact +/compact.bin");
    folder
}

/// Where the outputs are, and how they were at the end of a command that nothing disturbed.
struct Trial<'c> {
    case: &'c Case,
    inputs: PathBuf,
    expected: Vec<Option<Vec<u8>>>,
    seconds: f64,
}

impl<'c> Trial<'c> {
    fn new(case: &'c Case, inputs: &Path) -> Trial<'c> {
        let folder = tempfile::tempdir().unwrap();
        let mut trial = Trial { case, inputs: inputs.into(), expected: Vec::new(), seconds: 0.0 };
        let start = Instant::now();
        trial.finish(folder.path());
        trial.seconds = start.elapsed().as_secs_f64();
        trial.expected = trial.contents(folder.path());
        assert!(trial.expected.iter().all(Option::is_some), "{} makes its outputs", case.arguments);
        trial
    }

    fn command(&self, folder: &Path) -> String {
        let (out, from) = (folder.display().to_string(), self.inputs.display().to_string());
        self.case.arguments.replace('@', &out).replace('+', &from)
    }

    fn finish(&self, folder: &Path) {
        succeed(&self.command(folder));
    }

    fn contents(&self, folder: &Path) -> Vec<Option<Vec<u8>>> {
        self.case.outputs.iter().map(|(name, _)| contents(&folder.join(name))).collect()
    }

    /// Looks at what a command left that did not end well; gives whether all its outputs are there.
    fn look(&self, folder: &Path, how: &str) -> bool {
        let mut whole = true;
        for (&(name, appears), expected) in self.case.outputs.iter().zip(&self.expected) {
            let said = || format!("{}: {name} after {how}", self.case.arguments);
            let Some(found) = contents(&folder.join(name)) else {
                whole = false;
                continue;
            };
            match appears {
                Appears::Whole => assert!(Some(&found) == expected.as_ref(), "{}", said()),
                Appears::ByRow => whole &= rows(&folder.join(name), expected.as_deref().unwrap_or_default(), &said()),
                Appears::Timed if name.ends_with(".html") => assert!(found.ends_with(b"</html>\n"), "{}", said()),
                Appears::Timed if name.ends_with(".svg") => assert!(found.ends_with(b"</svg>\n"), "{}", said()),
                Appears::Timed | Appears::ByLine | Appears::Around => {}
            }
        }
        whole
    }

    /// Runs the command again: it leads to what it always leads to, and leaves nothing else.
    fn again(&self, folder: &Path) {
        // what would not be replaced
        for path in
            self.case.outputs.iter().filter(|output| output.1 == Appears::Whole).map(|(name, _)| folder.join(name))
        {
            match FileKind::of(&path) {
                FileKind::Folder => std::fs::remove_dir_all(path).unwrap(),
                FileKind::Zoo => std::fs::remove_file(path).unwrap(),
                _ => {}
            }
        }
        self.finish(folder);
        for ((&(name, appears), expected), found) in
            self.case.outputs.iter().zip(&self.expected).zip(self.contents(folder))
        {
            let alike = matches!(appears, Appears::Timed | Appears::ByLine | Appears::Around) || found == *expected;
            assert!(alike, "{}: {name} is another when it is made again", self.case.arguments);
        }
        let names: Vec<String> = names(folder).into_iter().filter(|name| name.ends_with(".partial")).collect();
        assert!(names.is_empty(), "{}: {names:?} stay", self.case.arguments);
    }
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The bytes of a file, or names and bytes of all files of a folder, with those in it that are complete.
fn contents(path: &Path) -> Option<Vec<u8>> {
    if !path.is_dir() {
        return std::fs::read(path).ok();
    }
    let mut names: Vec<String> = names(path).into_iter().filter(|name| !name.starts_with('.')).collect();
    names.retain(|name| name != "results.jsonl");
    names.sort();
    Some(
        names
            .iter()
            .flat_map(|name| [name.clone().into_bytes(), contents(&path.join(name)).unwrap()].concat())
            .collect(),
    )
}

/// Compares the rows that a zoo says are there with those of the end; whether all are there.
fn rows(path: &Path, expected: &[u8], said: &str) -> bool {
    let zoo = Zoo::open(path).unwrap_or_else(|error| panic!("{said}: {error}"));
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end.safetensors");
    std::fs::write(&end, expected).unwrap();
    let end = Zoo::open(&end).unwrap();
    assert_eq!(zoo.rows(), end.rows(), "{said}");
    let written: Vec<usize> = (0..zoo.rows()).filter(|&row| zoo.status()[row] != Status::NotWritten).collect();
    for &row in &written {
        assert!(zoo.weights(row) == end.weights(row) && zoo.checksum(row) == end.checksum(row), "{said}: row {row}");
    }
    written.len() == end.rows()
}

/// Kills of each command; `ZOOMETRY_KILLS` has another number for a long run by hand.
fn kills() -> u32 {
    std::env::var("ZOOMETRY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(2)
}

#[test]
fn kills_leave_what_was_there_or_all_that_is_new() {
    let inputs = inputs();
    let mut times = Stream::new(11, 0, 0);
    let mut all = [0; 2];
    for case in &cases() {
        let trial = Trial::new(case, inputs.path());
        let mut killed = [0; 2];
        for _ in 0..kills() {
            let folder = tempfile::tempdir().unwrap();
            let command = trial.command(folder.path());
            let mut child = zoometry();
            child.args(command.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = child.spawn().unwrap();
            std::thread::sleep(Duration::from_secs_f64(trial.seconds * times.uniform()));
            child.kill().unwrap();
            let early = !child.wait().unwrap().success();
            let whole = trial.look(folder.path(), "a kill");
            killed[usize::from(whole)] += u32::from(early);
            trial.again(folder.path());
        }
        eprintln!("{} kills before the end, {} after: {}", killed[0], killed[1], case.arguments);
        (0..2).for_each(|k| all[k] += killed[k]);
    }
    eprintln!("survived {} kills, {} of them when all was there", all[0] + all[1], all[1]);
}

/// A way to fail: what runs before the command's own words, and what of it a message must say.
struct Fault {
    what: &'static str,
    before: &'static [&'static str],
    says: &'static [&'static str],
}

const FAULTS: [Fault; 4] = [
    Fault {
        what: "fsync: EIO",
        before: &["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync,fdatasync:error=EIO"],
        says: &["nput/output error"],
    },
    Fault {
        what: "rename: EIO",
        before: &[
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "inject=rename,renameat,renameat2,link,linkat:error=EIO",
        ],
        says: &["nput/output error"],
    },
    Fault {
        what: "flock: ENOLCK",
        before: &["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"],
        says: &["lock"],
    },
    Fault {
        what: "write: EFBIG",
        before: &["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh"],
        says: &["File too large", "file too large"],
    },
];

fn under(before: &[&str], arguments: &str) -> Output {
    let binary = zoometry();
    let mut command = Command::new(before.first().copied().unwrap_or(env!("CARGO_BIN_EXE_zoometry")));
    binary.get_envs().for_each(|(name, value)| {
        assert!(value.is_none(), "only removed");
        command.env_remove(name);
    });
    if let [_, rest @ ..] = before {
        command.args(rest).arg(env!("CARGO_BIN_EXE_zoometry"));
    }
    command.args(arguments.split_whitespace()).output().unwrap()
}

/// A command that failed says so in its own words, and has left what was there.
fn failed(trial: &Trial, folder: &Path, output: &Output, fault: &str, says: &[&str]) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let whole = trial.look(folder, fault);
    if output.status.success() {
        assert!(whole, "{}: {fault}, and yet it says that all is well\n{stderr}", trial.case.arguments);
        return false;
    }
    let told =
        output.status.code() == Some(1) && stderr.contains("error: ") && says.iter().any(|text| stderr.contains(text));
    assert!(told && !stderr.contains("panicked"), "{}: {fault}, {:?}\n{stderr}", trial.case.arguments, output.status);
    true
}

#[test]
fn calls_that_fail_are_errors_that_lose_nothing() {
    let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let strace = there("strace", strace.is_ok_and(|output| output.status.success()));
    let inputs = inputs();
    let mut failures = [0; FAULTS.len()];
    for case in &cases() {
        let trial = Trial::new(case, inputs.path());
        for (number, fault) in FAULTS.iter().enumerate().filter(|(_, fault)| strace || fault.before[0] != "strace") {
            let folder = tempfile::tempdir().unwrap();
            let output = under(fault.before, &trial.command(folder.path()));
            failures[number] += usize::from(failed(&trial, folder.path(), &output, fault.what, fault.says));
            trial.again(folder.path());
        }
    }
    // no test of nothing: each fault was met, the last three by all but those that do without
    eprintln!("commands that failed of {}: {failures:?}", cases().len());
    assert!(failures[3] > 0 && (!strace || failures.iter().all(|&n| n > 0)), "{failures:?}");
}

/// A mounted folder of a few pages.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Tiny> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8k", "zoometry-test"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        there("disk", mounted).then_some(Tiny(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn full_disks_are_errors_that_lose_nothing() {
    let inputs = inputs();
    let mut failures = 0;
    for case in &cases() {
        let trial = Trial::new(case, inputs.path());
        let Some(disk) = Tiny::mount() else { return };
        let output = under(&[], &trial.command(disk.0.path()));
        failures += usize::from(failed(
            &trial,
            disk.0.path(),
            &output,
            "a full disk",
            &["No space left", "no storage space", "are free"],
        ));
        let left: Vec<String> = names(disk.0.path()).into_iter().filter(|name| name.ends_with(".partial")).collect();
        assert!(left.is_empty(), "{}: {left:?} stay", case.arguments);
    }
    eprintln!("commands that failed of {}: {failures}", cases().len());
    assert!(failures > 0);
}
