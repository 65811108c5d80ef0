//! Imports point one way: a module uses only modules of lower layers.

use std::path::{Path, PathBuf};

/// Modules of the library, lowest layer first.
const LAYERS: [&[&str]; 10] = [
    &["error", "rng", "par", "bytes", "table"],
    &["dataset", "cnn", "gpu"],
    &["zoo"],
    &["train", "features", "predictor", "bench"],
    &["eval"],
    &["study"],
    &["report"],
    &["catalog"],
    &["cli"],
    &["main", "lib"],
];

/// What a module may use although it is in its own layer, or may not although it is lower.
const ALLOWED: [(&str, &str); 3] = [("par", "error"), ("table", "error"), ("table", "bytes")];
const FORBIDDEN: [(&str, &str); 6] = [
    ("bench", "zoo"),
    ("bench", "cnn"),
    ("bench", "dataset"),
    ("predictor", "zoo"),
    ("predictor", "cnn"),
    ("dataset", "cnn"),
];

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|modules| modules.contains(&module)).unwrap_or_else(|| panic!("{module} is in no layer"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Names after `crate::` (in the binary `zoometry::`) that are modules, also those in braces.
fn used(text: &str) -> Vec<String> {
    let modules: Vec<&str> = LAYERS.concat();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for prefix in ["crate::", "zoometry::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            let list = match rest.strip_prefix('{') {
                Some(inner) => inner.split('}').next().unwrap_or_default(),
                None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
            };
            let words = list.split(|c: char| !c.is_alphanumeric() && c != '_');
            names.extend(words.filter(|word| modules.contains(word)).map(str::to_owned));
        }
    }
    names
}

#[test]
fn imports_point_downwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "only {} sources found", files.len());
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        // tests may look anywhere
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if relative.ends_with("tests.rs") {
            continue;
        }
        for other in used(text).into_iter().filter(|other| *other != module) {
            let pair = (module.as_str(), other.as_str());
            let lower = layer(&other) < layer(&module) || ALLOWED.contains(&pair);
            assert!(lower && !FORBIDDEN.contains(&pair), "{} uses {other}, which is not below it", relative.display());
        }
    }
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("kernels/src"), &mut files);
    for file in files {
        let relative = file.strip_prefix(root).unwrap();
        let files = ["src/bytes.rs", "src/gpu/shader.rs"].map(Path::new);
        let allowed = relative.starts_with("kernels/src/simd") || files.contains(&relative);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(allowed || !text.contains("allow(unsafe_code)"), "{} allows unsafe code", relative.display());
    }
}
