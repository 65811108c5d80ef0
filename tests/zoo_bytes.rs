//! The bytes of a zoo depend on the recipe alone: not on kills, threads or the instruction set.

mod common;
use common::{run, scratch, small_zoo, succeed, zoometry};
use std::time::{Duration, Instant};
use zoometry::kernels::{Isa, Leg};
use zoometry::rng::Stream;

#[test]
fn a_killed_run_continues_to_the_same_bytes() {
    let (_folder, whole) = scratch("whole.safetensors");
    let begin = Instant::now();
    succeed(&small_zoo(&whole, 8, 2));
    let length = begin.elapsed();
    let expected = std::fs::read(&whole).unwrap();
    let killed = whole.with_file_name("killed.safetensors");
    let mut moments = Stream::new(11, 0, 0);
    let mut kills = 0;
    for _ in 0..10 {
        let arguments = small_zoo(&killed, 8, 2);
        let mut child =
            zoometry().args(arguments.split_whitespace()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(length.as_secs_f64() * moments.range(0.1, 0.7)));
        // SIGKILL; nothing to kill if the run was quicker this time
        let running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        kills += u32::from(running);
        if killed.exists() {
            succeed(&format!("info {}", killed.display()));
        }
        if kills % 4 == 3 {
            std::fs::remove_file(&killed).ok();
        }
    }
    succeed(&small_zoo(&killed, 8, 2));
    eprintln!("killed {kills} times");
    assert!(std::fs::read(&killed).unwrap() == expected, "the continued zoo differs from the uninterrupted one");
    // nothing but the two zoos is left in the folder
    let left: Vec<_> =
        std::fs::read_dir(killed.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    eprintln!("left: {left:?}");
    // a finished zoo is left alone
    let before = std::fs::metadata(&killed).unwrap().modified().unwrap();
    let text = succeed(&format!("{} --json", small_zoo(&killed, 8, 2)));
    assert!(text.contains("\"trained\":0"), "{text}");
    assert_eq!(std::fs::metadata(&killed).unwrap().modified().unwrap(), before);
}

#[test]
fn threads_and_fused_legs_give_the_same_bytes() {
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
    for leg in [Leg::Avx2, Leg::Avx512] {
        match Isa::new(leg) {
            Some(_) if Isa::detect().leg() != Leg::Portable => {
                same(&format!("{leg}.safetensors"), &format!("--isa {leg}"))
            }
            _ => eprintln!("SKIPPED: this machine lacks {leg}"),
        }
    }
}

#[test]
fn the_portable_leg_learns_the_same() {
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
        ("--models 3 --epochs 1 --seed 5", "runs"),
        ("--models 2 --epochs 2 --seed 5", "checkpoints"),
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
    let mut child = zoometry().args(arguments.split_whitespace()).stderr(std::process::Stdio::null()).spawn().unwrap();
    // until the first row is there
    let deadline = Instant::now() + Duration::from_secs(300);
    let begun = || zoo.exists() && !succeed(&format!("info {} --json", zoo.display())).contains("\"done\":0,");
    while !begun() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let status = child.wait().unwrap();
    if kill.success() && !status.success() {
        assert_eq!(status.code(), Some(130));
    } else {
        eprintln!("the run was over before it could be interrupted");
    }
    let text = succeed(&format!("{} --json", small_zoo(&zoo, 12, 2)));
    assert!(text.contains("\"models\":12"), "{text}");
}
