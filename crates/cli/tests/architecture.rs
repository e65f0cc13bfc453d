//! The rooms use each other only as ARCHITECTURE.md draws it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Who may use whom.
const ARROWS: [(&str, &[&str]); 8] = [
    ("flow", &[]),
    ("meter", &["flow"]),
    ("source", &["flow", "meter"]),
    ("model", &["flow"]),
    ("alert", &["flow", "model"]),
    ("sensor", &["flow", "meter", "source", "model", "alert"]),
    ("simulator", &["flow"]),
    ("cli", &["flow", "meter", "source", "model", "alert", "sensor", "simulator"]),
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

/// The names under `[dependencies]`; what tests use is their own business.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty())
}
