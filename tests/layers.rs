//! Imports point one way: a module of the library uses only modules of lower layers, and nowhere do modules use each other in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules of the library, lowest layer first.
const LAYERS: [&[&str]; 14] = [
    &["error"],
    &["rng", "par", "bytes", "magic", "number"],
    &["json", "out", "tensors", "context"],
    &["table"],
    &["dataset", "cnn", "gpu"],
    &["zoo"],
    &["train", "features", "bench"],
    &["predictor"],
    &["eval"],
    &["study"],
    &["report"],
    &["catalog"],
    &["cli"],
    &["main", "lib", "guide"],
];

/// What a module may not use although it is lower.
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

/// A module's place below the root.
type Module = Vec<String>;

/// The modules of a tree of sources, each with its imports: the name here and the path.
struct Tree {
    imports: BTreeMap<Module, Vec<(String, String)>>,
}

/// One module that uses another, by which path.
struct Use {
    from: Module,
    to: Module,
    path: String,
}

impl Tree {
    /// Reads the modules below `root`; tests may use what they like and are left out.
    fn read(root: &Path) -> (Tree, Vec<Use>) {
        let (mut files, mut texts) = (Vec::new(), BTreeMap::new());
        sources(root, &mut files);
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let mut module: Module = file
                .strip_prefix(root)
                .unwrap()
                .with_extension("")
                .iter()
                .map(|part| part.to_str().unwrap().into())
                .collect();
            module.pop_if(|name| name == "mod" || name == "lib");
            let text = std::fs::read_to_string(file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            texts.insert(module, code.join("\n"));
        }
        let tree = Tree { imports: texts.iter().map(|(module, text)| (module.clone(), imports(text))).collect() };
        let mut uses = Vec::new();
        for (from, text) in &texts {
            let written = paths(text).into_iter().chain(tree.imports[from].iter().map(|(_, path)| path.clone()));
            for path in written {
                let to = tree.resolve(from, &path, 0).filter(|to| to != from);
                uses.extend(to.map(|to| Use { from: from.clone(), to, path }));
            }
        }
        (tree, uses)
    }

    /// The module that has what a path in another one leads to; a name that is passed on is looked up where it comes from.
    fn resolve(&self, from: &[String], path: &str, depth: usize) -> Option<Module> {
        let mut at: Module = from.to_vec();
        let mut names = path.split("::").peekable();
        match names.peek().copied() {
            Some("crate" | "zoometry") => {
                at.clear();
                names.next();
            }
            Some("self") => drop(names.next()),
            Some("super") => while names.next_if_eq(&"super").is_some_and(|_| at.pop().is_some()) {},
            Some(name) if self.child(&at, name).is_some() => {}
            _ => return None,
        }
        while let Some(child) = names.peek().and_then(|name| self.child(&at, name)) {
            at = child;
            names.next();
        }
        let passed_on = |name| self.imports.get(&at)?.iter().find(|import| import.0 == name);
        match names.next().and_then(passed_on) {
            Some((_, path)) if depth < 9 => self.resolve(&at, path, depth + 1).or(Some(at)),
            _ => Some(at),
        }
    }

    fn child(&self, parent: &[String], name: &str) -> Option<Module> {
        let child = [parent, &[name.to_owned()]].concat();
        self.imports.contains_key(&child).then_some(child)
    }
}

/// The imports of a text.
fn imports(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some(at) = statement.rfind("use ").filter(|&at| at == 0 || statement[..at].ends_with(['\n', ' '])) else {
            continue;
        };
        expand(&statement[at + 4..].split_whitespace().collect::<Vec<_>>().join(" "), &mut found);
    }
    found
}

/// Takes the braces of an import apart.
fn expand(tree: &str, found: &mut Vec<(String, String)>) {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = path.strip_suffix("::self").unwrap_or(path);
        let name = if name.is_empty() { path.rsplit("::").next().unwrap_or_default() } else { name };
        return found.push((name.to_owned(), path.to_owned()));
    };
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inner[begin..at].trim();
                if !part.is_empty() {
                    expand(&format!("{prefix}{part}"), found);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths that begin with a root, wherever they are in a text.
fn paths(text: &str) -> Vec<String> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c: char| !word(c)).map(|path| path.trim_end_matches(':'));
    let rooted = |path: &&str| ["crate::", "super::", "self::", "zoometry::"].iter().any(|root| path.starts_with(root));
    words.filter(rooted).map(str::to_owned).collect()
}

/// Uses between the children of a module: parent, child, other child.
fn between_siblings(uses: &[Use]) -> BTreeMap<(String, String, String), String> {
    let mut found = BTreeMap::new();
    for Use { from, to, path } in uses {
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // a module and what is below it are one room
        if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
            let text = format!("{} uses {path}", from.join("::"));
            found.insert((from[..common].join("::"), a.clone(), b.clone()), text);
        }
    }
    found
}

/// The children that a child uses, directly or by way of others.
fn reached(siblings: &BTreeMap<(String, String, String), String>, parent: &str, child: &str) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), vec![child.to_owned()]);
    while let Some(next) = open.pop() {
        let uses = siblings.keys().filter(|(p, from, _)| p == parent && *from == next);
        open.extend(uses.map(|(_, _, to)| to.clone()).filter(|to| found.insert(to.clone())));
    }
    found
}

#[test]
fn imports_point_downwards() {
    let (tree, uses) = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(tree.imports.len() > 150 && uses.len() > 600, "{} modules, {} uses", tree.imports.len(), uses.len());
    for ((parent, from, to), example) in between_siblings(&uses) {
        let pair = (from.as_str(), to.as_str());
        if parent.is_empty() {
            let lower = layer(&to) < layer(&from);
            assert!(lower && !FORBIDDEN.contains(&pair), "{to} is not below {from}: {example}");
        }
    }
}

/// The children of a module, each with everything below it, use one another in one direction only. Between a module and those
/// below it there is no direction: they are one room.
#[test]
fn nothing_goes_in_circles() {
    let (_, uses) = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let siblings = between_siblings(&uses);
    let mut circles = BTreeMap::new();
    for ((parent, from, to), example) in &siblings {
        let back = reached(&siblings, parent, to).contains(from);
        if back {
            circles.insert(format!("{parent}: {from} → {to}"), example);
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// What the tests above rest on, on a tree that is made for it.
#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a;\nmod b;\npub use b::deep::Passed as Renamed;\n");
    write("a.rs", "use crate::{b::{self, Other}, Renamed};\nuse std::fmt;\n");
    write("b/mod.rs", "pub mod deep;\n");
    write("b/deep.rs", "pub fn f() { super::super::a::g() }\n// crate::c::h\n");
    let (tree, uses) = Tree::read(folder.path());
    let found: Vec<String> = uses.iter().map(|u| format!("{} {}", u.from.join("::"), u.to.join("::"))).collect();
    assert!(["a b", "a b::deep", "b::deep a", " b::deep"].iter().all(|u| found.contains(&(*u).into())), "{found:?}");
    assert_eq!(tree.imports.len(), 4);
    let siblings = between_siblings(&uses);
    let pairs: Vec<_> = siblings.keys().map(|(parent, a, b)| (&**parent, &**a, &**b)).collect();
    assert_eq!(pairs, [("", "a", "b"), ("", "b", "a")]);
    assert!(reached(&siblings, "", "a").contains("a"));
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
