//! The bytes of a zoo depend on the recipe alone: not on kills, threads or the instruction set.

mod common;
use common::{run, scratch, small_zoo, succeed, there, zoometry};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;
use zoometry::kernels::{Isa, IsaKind};
use zoometry::rng::Stream;
use zoometry::zoo::{Status, Zoo};

/// Rows of a zoo that are written.
fn written(zoo: &Path) -> usize {
    let count = |zoo: Zoo| zoo.status().iter().filter(|&&status| status != Status::NotWritten).count();
    Zoo::open(zoo).map_or(0, count)
}

/// Starts a training, and stops it in some way when it has written so many rows or when it is over.
fn stop_after(arguments: &str, zoo: &Path, rows: usize, stop: impl Fn(&mut Child)) -> ExitStatus {
    let mut child =
        zoometry().args(arguments.split_whitespace()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while written(zoo) < rows && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    if child.try_wait().unwrap().is_none() {
        stop(&mut child);
    }
    child.wait().unwrap()
}

/// Kills that a zoo must survive, and how often it is tried to come before its end.
const KILLS: usize = 6;
const ATTEMPTS: usize = 200;

#[test]
fn a_killed_run_continues_to_the_same_bytes() {
    let (folder, whole) = scratch("whole.safetensors");
    succeed(&small_zoo(&whole, 8, 2));
    let (expected, all) = (std::fs::read(&whole).unwrap(), written(&whole));
    let killed = whole.with_file_name("killed.safetensors");
    let arguments = small_zoo(&killed, 8, 2);
    let mut rows = Stream::new(11, 0, 0);
    let mut kills = 0;
    for _ in 0..ATTEMPTS {
        let before = written(&killed);
        let until = before + 1 + rows.below((all - before) as u32) as usize;
        // SIGKILL; a run that was over is none that was killed
        let status = stop_after(&arguments, &killed, until.min(all - 1), |child| child.kill().unwrap());
        succeed(&format!("info {}", killed.display()));
        let after = written(&killed);
        assert!(after >= before, "{before} rows became {after}");
        kills += usize::from(!status.success() && after < all);
        if kills == KILLS {
            break;
        }
        if after == all {
            std::fs::remove_file(&killed).unwrap();
        }
    }
    assert_eq!(kills, KILLS, "of {ATTEMPTS} runs too few were there to be killed");
    succeed(&arguments);
    assert!(std::fs::read(&killed).unwrap() == expected, "the continued zoo differs from the uninterrupted one");
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [&*killed, &*whole], "something besides the two zoos is left");
    // a finished zoo is left alone
    let before = std::fs::metadata(&killed).unwrap().modified().unwrap();
    let text = succeed(&format!("{arguments} --json"));
    assert!(text.contains("\"trained\":0"), "{text}");
    assert_eq!(std::fs::metadata(&killed).unwrap().modified().unwrap(), before);
}

#[test]
fn threads_and_fused_isas_give_the_same_bytes() {
    let (_folder, one) = scratch("one.safetensors");
    succeed(&format!("{} --threads 1", small_zoo(&one, 4, 1)));
    let expected = std::fs::read(&one).unwrap();
    let same = |name: &str, options: &str| {
        let other = one.with_file_name(name);
        succeed(&format!("{} {options}", small_zoo(&other, 4, 1)));
        assert!(std::fs::read(&other).unwrap() == expected, "{options} gives other bytes");
    };
    same("two.safetensors", "--threads 2");
    same("five.safetensors", "--threads 5");
    for kind in [IsaKind::Avx2, IsaKind::Avx512] {
        if there(kind.name(), Isa::new(kind).is_some()) {
            same(&format!("{kind}.safetensors"), &format!("--isa {kind}"));
        }
    }
}

#[test]
fn the_portable_isa_learns_the_same() {
    let (_folder, fused) = scratch("fused.safetensors");
    let portable = fused.with_file_name("portable.safetensors");
    succeed(&format!("{} --set train_fraction=0.2 --set optimizer=adam", small_zoo(&fused, 3, 2)));
    succeed(&format!("{} --set train_fraction=0.2 --set optimizer=adam --isa portable", small_zoo(&portable, 3, 2)));
    let accuracies = |path: &std::path::Path| {
        let zoo = zoometry::zoo::Zoo::open(path).unwrap();
        zoo.final_rows().iter().map(|&row| zoo.test_accuracy()[row]).collect::<Vec<f32>>()
    };
    for (a, b) in accuracies(&fused).iter().zip(accuracies(&portable)) {
        assert!((a - b).abs() < 0.03, "{a} and {b}");
    }
}

#[test]
fn another_recipe_is_refused_and_one_writer_locks() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    succeed(&small_zoo(&zoo, 2, 1));
    let before = std::fs::read(&zoo).unwrap();
    let path = zoo.display();
    for (change, field) in [
        ("--models 3 --epochs 2 --seed 5 --set batch=64", "batch"),
        ("--models 2 --epochs 1 --seed 6", "seed"),
        ("--models 2 --epochs 1 --seed 5 --set dropout=0.1", "dropout"),
        ("--models 2 --epochs 1 --seed 5 --set layers=16s2,16s2", "architecture"),
    ] {
        let output = run(&format!("train --dataset glyphs --out {path} {change}"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{change}: {stderr}");
        assert!(stderr.contains(field), "{change}: {stderr}");
    }
    let held = std::fs::File::options().read(true).write(true).open(&zoo).unwrap();
    held.try_lock().unwrap();
    common::fail(&small_zoo(&zoo, 2, 1), 1, &["being written by another process"]);
    succeed(&format!("info {path}"));
    assert_eq!(std::fs::read(&zoo).unwrap(), before);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_stops_and_continues() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    let arguments = small_zoo(&zoo, 12, 2);
    let interrupted = (0..ATTEMPTS).any(|_| {
        // a run that was over when it was to be interrupted begins anew
        let _ = std::fs::remove_file(&zoo);
        let status = stop_after(&arguments, &zoo, 1, |child| common::interrupt(child));
        assert!(status.success() || status.code() == Some(130), "{status}");
        !status.success() && written(&zoo) < Zoo::open(&zoo).unwrap().rows()
    });
    assert!(interrupted, "none of {ATTEMPTS} runs was there to be interrupted");
    let open = Zoo::open(&zoo).unwrap();
    let rows: Vec<usize> = (0..open.rows()).filter(|&row| open.status()[row] != Status::NotWritten).collect();
    assert!((1..open.rows()).contains(&rows.len()), "{} of {} rows", rows.len(), open.rows());
    let weights: Vec<Vec<f32>> = rows.iter().map(|&row| open.weights(row).to_vec()).collect();
    let text = succeed(&format!("{arguments} --json"));
    assert!(text.contains("\"models\":12"), "{text}");
    let whole = Zoo::open(&zoo).unwrap();
    assert_eq!(whole.final_rows().len(), 12);
    assert!(
        rows.iter().zip(weights).all(|(&row, weights)| whole.weights(row) == weights),
        "a row that was there was changed"
    );
}
