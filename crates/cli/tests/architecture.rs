//! The rooms use each other only as ARCHITECTURE.md draws it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Who may use whom.
const ARROWS: [(&str, &[&str]); 9] = [
    ("flow", &[]),
    ("meter", &["flow"]),
    ("source", &["flow", "meter"]),
    ("model", &["flow"]),
    ("alert", &["flow", "model"]),
    ("store", &["flow", "model", "alert"]),
    ("sensor", &["flow", "meter", "source", "model", "alert", "store"]),
    ("simulator", &["flow"]),
    ("cli", &["flow", "meter", "source", "model", "alert", "store", "sensor", "simulator"]),
];

#[test]
fn no_room_uses_one_that_it_may_not_use() {
    let allowed = BTreeMap::from(ARROWS);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut rooms = 0;
    for folder in fs::read_dir(&crates).expect("the folder of the rooms is there") {
        let folder = folder.expect("a folder can be listed").path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("each room has a manifest");
        let room = folder.file_name().and_then(|name| name.to_str()).expect("rooms have plain names").to_owned();
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("room {room} is not on the map"));
        for used in dependencies(&manifest).filter(|used| allowed.contains_key(used)) {
            assert!(may.contains(&used), "{room} uses {used}");
        }
        rooms += 1;
    }
    assert_eq!(rooms, ARROWS.len());
}

#[test]
fn unsafe_code_is_in_one_file_with_a_proof_for_each_block() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut allowed = Vec::new();
    let mut folders: Vec<_> = ["crates", "bench", "fuzz"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project can be listed") {
            let path = entry.expect("an entry can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                // In two parts, so that this file is not found.
                if text.contains(concat!("allow(", "unsafe_code")) || text.contains(concat!("expect(", "unsafe_code")) {
                    let [blocks, proofs] =
                        [concat!("unsafe ", "{"), concat!("// SAFETY", ":")].map(|word| text.matches(word).count());
                    assert!(proofs >= blocks, "{blocks} blocks and {proofs} proofs in {}", path.display());
                    allowed.push(path.file_name().expect("a file has a name").to_owned());
                }
            }
        }
    }
    assert_eq!(allowed, ["ring.rs"]);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a manifest");
    assert!(manifest.contains("unsafe_code = \"deny\""), "everywhere else it is refused");
}

/// The names under `[dependencies]`; what tests use is their own business.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty())
}
