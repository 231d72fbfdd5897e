//! The architecture as a test: which module may import which, where `unsafe` may stand, and what the
//! deterministic core never touches. Reads the source as text; knows only as much Rust as that needs.
#![expect(clippy::unwrap_used, reason = "this is a test, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Bottom first. A module imports itself and what lies in a layer below its own, nothing else.
const LAYERS: &[&[&str]] = &[
    &["types"],
    &["wire"],
    &["sys", "ring", "agent"],
    &["counters"],
    &["net", "event_store", "order_manager", "matching"],
    &["gateway", "sequencer", "consensus", "engine", "market_data", "client"],
    &["config"],
    &["node", "sim"],
    &["cli"],
];

/// The stages of the pipeline. Only who is [`WIRING`] them may know more than one.
const STAGES: &[&str] = &["gateway", "sequencer", "consensus", "engine", "market_data"];
const WIRING: &[&str] = &["node", "sim"];

/// Where `unsafe` may stand, and the files that open these places.
const UNSAFE_PLACES: &[&str] = &["src/sys/", "src/ring/", "dpdk/"];
const UNSAFE_OPENED_IN: &[&str] = &["src/sys/mod.rs", "src/ring/mod.rs", "dpdk/src/lib.rs"];

/// Modules whose output is a function of their input alone, and the files in them that connect them
/// to the rest of the node.
const DETERMINISTIC: &[&str] = &["types", "wire", "order_manager", "matching", "engine"];
const CONNECTING: &[&str] = &["src/engine/agent.rs"];

/// What would make two nodes differ: clocks, input and output, randomness, rounding, hash order.
const NONDETERMINISTIC_STD: &[&str] = &["env", "fs", "io", "net", "process", "thread", "time"];
const NONDETERMINISTIC_NAMES: &[&str] = &[
    "HashMap",
    "HashSet",
    "Instant",
    "RandomState",
    "SystemTime",
    "dbg",
    "eprint",
    "eprintln",
    "f32",
    "f64",
    "getrandom",
    "print",
    "println",
    "rand",
];

const LINES_MAX: usize = 600;
/// Files that are longer for a reason, which they give.
const LONG_FILES: &[&str] = &[];

#[test]
fn imports_point_down_the_layers() {
    let mut broken = Vec::new();
    for file in rust_files(&["src"]) {
        let Some(module) = file.module() else { continue };
        let Some(own) = layer(module) else {
            broken.push(format!("{}: module {module} is in no layer", file.path));
            continue;
        };
        for (line, imported) in file.imports("crate") {
            if imported == module {
                continue;
            }
            match layer(&imported) {
                Some(below) if below < own => {}
                Some(_) => {
                    broken.push(format!("{}:{line}: {module} imports {imported}", file.path));
                }
                // A macro of the crate, or a name re-exported at its root.
                None => {
                    broken.push(format!("{}:{line}: crate::{imported} is no module", file.path));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn modules_are_named_from_the_root_not_through_super() {
    let mut broken = Vec::new();
    for file in rust_files(&["src"]) {
        let depth = file.path.trim_start_matches("src/").trim_end_matches("/mod.rs");
        let depth = depth.split('/').count();
        if file.module().is_none() {
            continue;
        }
        for (index, line) in file.production().lines().enumerate() {
            if line.contains(&"super::".repeat(depth)) {
                let path = &file.path;
                broken.push(format!("{path}:{}: reaches the root through super", index + 1));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn stages_meet_only_where_they_are_wired() {
    let mut stages_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in rust_files(&["src"]) {
        let Some(module) = file.module().filter(|module| !WIRING.contains(module)) else {
            continue;
        };
        let stages = stages_of.entry(module.to_owned()).or_default();
        if STAGES.contains(&module) {
            stages.insert(module.to_owned());
        }
        let imported = file.imports("crate").into_iter().map(|(_, name)| name);
        stages.extend(imported.filter(|name| STAGES.contains(&name.as_str())));
    }
    stages_of.retain(|_, stages| stages.len() > 1);
    let broken: Vec<_> =
        stages_of.iter().map(|(module, stages)| format!("{module} joins {stages:?}")).collect();
    assert_none(&broken);
}

#[test]
fn unsafe_stands_only_in_its_places() {
    let mut broken = Vec::new();
    for file in rust_files(&["src", "archive", "dpdk", "tests", "benches"]) {
        let allowed = UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place));
        for (line, name) in file.names() {
            let opened = UNSAFE_OPENED_IN.contains(&file.path.as_str());
            if (name == "unsafe" && !allowed) || (name == "unsafe_code" && !opened) {
                broken.push(format!("{}:{line}: {name}", file.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_deterministic_core_sees_no_clock_no_input_and_no_chance() {
    let files = rust_files(&["src"]);
    let for_tests: Vec<_> = files.iter().flat_map(RustFile::test_modules).collect();
    let mut broken = Vec::new();
    for file in files {
        let deterministic = file.module().is_some_and(|module| DETERMINISTIC.contains(&module));
        if !deterministic || file.belongs_to(&for_tests) || CONNECTING.contains(&file.path.as_str())
        {
            continue;
        }
        let production = file.production_file();
        let of_std = production.imports("std").into_iter();
        let of_std = of_std.filter(|(_, name)| NONDETERMINISTIC_STD.contains(&name.as_str()));
        let named = production.names().into_iter();
        let named = named.filter(|(_, name)| NONDETERMINISTIC_NAMES.contains(&name.as_str()));
        for (line, name) in of_std.chain(named) {
            broken.push(format!("{}:{line}: {name}", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn files_are_one_idea_long_and_say_which() {
    let mut broken = Vec::new();
    for file in rust_files(&["src", "archive", "dpdk", "tests", "benches"]) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX && !LONG_FILES.contains(&file.path.as_str()) {
            broken.push(format!("{}: {lines} lines, more than {LINES_MAX}", file.path));
        }
        if !file.text.starts_with("//! ") {
            broken.push(format!("{}: does not begin with its documentation, //!", file.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn source_is_plain_ascii() {
    let mut broken = Vec::new();
    for folder in ["src", "archive", "dpdk", "tests", "benches", "hwconfig"] {
        for path in files_under(Path::new(folder)) {
            let source = ["rs", "c", "h", "toml", "sh"];
            if !path.extension().is_some_and(|end| source.iter().any(|known| *known == end)) {
                continue;
            }
            let text = fs::read_to_string(root().join(&path)).unwrap();
            for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_ascii()) {
                broken.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
        }
    }
    assert_none(&broken);
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A file of Rust: its path from the root of the repository, its text, and its code, which is the
/// text with comments and literals blanked, line for line.
struct RustFile {
    path: String,
    text: String,
    code: String,
}

impl RustFile {
    /// The module at the root of the crate that the file belongs to; none for `lib.rs` and `main.rs`.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (module != "lib" && module != "main").then_some(module)
    }

    /// The code without the tests, which come last in a file.
    fn production(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }

    /// The modules that it declares for tests alone, as paths without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let declared = self.code.split("#[cfg(test)]\n").skip(1).filter_map(|rest| {
            let (_, name) = rest.lines().next()?.strip_suffix(';')?.split_once("mod ")?;
            Some(format!("{folder}/{name}"))
        });
        declared.collect()
    }

    /// Whether it is one of `modules`, or below one.
    fn belongs_to(&self, modules: &[String]) -> bool {
        modules.iter().any(|module| {
            let rest = self.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }

    fn production_file(&self) -> Self {
        let code = self.production().to_owned();
        Self { path: self.path.clone(), text: String::new(), code }
    }

    /// The identifiers and keywords, each with its line.
    fn names(&self) -> Vec<(usize, String)> {
        let mut names = Vec::new();
        for (index, line) in self.code.lines().enumerate() {
            for word in line.split(|c: char| !is_name(c)).filter(|word| !word.is_empty()) {
                names.push((index + 1, word.to_owned()));
            }
        }
        names
    }

    /// What stands directly behind `root::`, be it one name or a group in braces, each with its line.
    fn imports(&self, root: &str) -> Vec<(usize, String)> {
        let mut imports = Vec::new();
        for (at, _) in self.code.match_indices(&format!("{root}::")) {
            if self.code[..at].ends_with(is_name) {
                continue;
            }
            let line = self.code[..at].lines().count().max(1);
            let rest = self.code[at + root.len() + 2..].trim_start();
            imports.extend(first_names(rest).into_iter().map(|name| (line, name)));
        }
        imports
    }
}

/// The first name of each path in `{a::b, c}`, or of the one path that `rest` begins with.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest.chars().take_while(|c| is_name(*c)).collect()];
    };
    let (mut names, mut depth, mut expected) = (Vec::new(), 0_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            c if is_name(c) && expected => {
                names.push(group[at..].chars().take_while(|c| is_name(*c)).collect());
                expected = false;
            }
            _ => {}
        }
    }
    names
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// `text` with comments, strings and character literals blanked; lines stay where they are.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before_is_name = code.ends_with(is_name);
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => end_of_block_comment(rest),
            '"' => end_of_string(rest),
            'r' if !before_is_name => end_of_raw_string(rest),
            '\'' => end_of_character(rest),
            _ => 0,
        };
        let (taken, blanked) =
            if skipped == 0 { (first.len_utf8(), false) } else { (skipped, true) };
        let (head, tail) = rest.split_at(taken);
        code.extend(head.chars().map(|c| if blanked && c != '\n' { ' ' } else { c }));
        rest = tail;
    }
    code
}

fn end_of_block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn end_of_string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn end_of_raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let opened = hashes + 2;
    rest[opened..].find(&close).map_or(rest.len(), |at| opened + at + close.len())
}

/// Zero for a lifetime.
fn end_of_character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

fn rust_files(folders: &[&str]) -> Vec<RustFile> {
    let paths = folders.iter().flat_map(|folder| files_under(Path::new(folder)));
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let code = code_of(&text);
            RustFile { path: path.to_str().unwrap().to_owned(), text, code }
        })
        .collect()
}

/// Every file under `folder`, as paths from the root; none if there is no such folder.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            // What a package of its own was built into.
            if entry.file_name() == "target" {
                continue;
            }
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

mod reading {
    use super::*;

    fn file(text: &str) -> RustFile {
        RustFile { path: "src/x.rs".into(), text: text.into(), code: code_of(text) }
    }

    #[test]
    fn groups_and_inline_paths_are_imports() {
        let read = file("use crate::{a::{b, c}, d, e as f};\nfn g() { crate::h::i(); }");
        let names: Vec<_> = read.imports("crate").into_iter().collect();
        let expected = [(1, "a"), (1, "d"), (1, "e"), (2, "h")];
        assert_eq!(names, expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        let text = "a // b\n\"c \\\" d\" /* e /* f */ g */ r#\"h \" i\"# 'j' '\\n' k<'l>";
        let names: Vec<_> = file(text).names().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "k", "l"]);
    }
}
