//! Why an experiment has nothing to do with some zoos.

use super::Subject;

/// What an experiment finds missing in these zoos, of which it made no job.
pub(super) fn why(experiment: &str, zoos: &[Subject]) -> String {
    match experiment {
        "transfer" | "transductive" => transfer(zoos),
        "architectures" => architectures(zoos),
        "early" => "checkpoints between the first and the last epoch are needed: train --checkpoints 1,2,3".into(),
        "seeds" => seeds(zoos),
        _ => "networks of the reference's shape are needed".into(),
    }
}

fn transfer(zoos: &[Subject]) -> String {
    let others = zoos.iter().any(|zoo| zoo.entry.data() != zoos[0].entry.data());
    match others {
        true => "no two data sets have networks of one shape".into(),
        false => format!("two data sets are needed, here is {}", zoos[0].entry.dataset),
    }
}

fn architectures(zoos: &[Subject]) -> String {
    let count = zoos.iter().filter(|zoo| zoo.entry.reference).count();
    match count {
        0 => "no zoo has the reference's shape".into(),
        n if n == zoos.len() => "every zoo has the reference's shape: train --set layers=32s2,32s2,32s2".into(),
        _ => "no zoo of another shape is on the data of one of the reference's shape".into(),
    }
}

/// The pair of a shared and of own seeds that comes nearest, and in what it differs.
fn seeds(zoos: &[Subject]) -> String {
    let (shared, own): (Vec<&Subject>, Vec<&Subject>) = zoos.iter().partition(|zoo| zoo.entry.shared_seed);
    if shared.is_empty() {
        return "no zoo has one seed for all networks: train --shared-seed".into();
    }
    let pairs = shared.iter().flat_map(|a| own.iter().map(move |b| (a, b)));
    let told = pairs.map(|(a, b)| (differences(a, b), &a.entry.name, &b.entry.name));
    match told.min_by_key(|(differences, ..)| differences.len()) {
        Some((differences, a, b)) => format!("{a} and {b} differ in {}", differences.join(" and ")),
        None => "every zoo has one seed for all networks, none has own seeds".into(),
    }
}

fn differences(a: &Subject, b: &Subject) -> Vec<String> {
    let epochs = |zoo: &Subject| zoo.entry.checkpoints.last().copied().unwrap_or(0);
    let of = |what: &str, a: &str, b: &str| format!("{what} ({a} and {b})");
    let mut found = Vec::new();
    if a.entry.data() != b.entry.data() {
        found.push(of("data set", &a.entry.dataset, &b.entry.dataset));
    }
    if !a.same_shape(b) {
        found.push(of("shape", &a.entry.arch, &b.entry.arch));
    }
    if epochs(a) != epochs(b) {
        found.push(of("epochs", &epochs(a).to_string(), &epochs(b).to_string()));
    }
    found
}
