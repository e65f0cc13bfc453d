//! Who may open a store, and what is said where it cannot be opened.

mod folder;

use std::fs;
use std::path::Path;

use folder::{Folder, alert, flow, time};
use store::{Error, Filter, Label, Span, Store};

fn words(error: Error) -> String {
    error.to_string()
}

#[test]
fn one_process_writes_and_any_number_read() {
    let folder = Folder::new("one-writer");
    let mut store = folder.store();
    let error = Store::open(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Busy { process: Some(process), .. } if process == std::process::id()));
    assert!(words(error).contains(&format!("process {}", std::process::id())));
    let reader = Store::reader(folder.path()).unwrap();
    store.put(&[alert(1)]).unwrap();
    assert_eq!(reader.alert_count().unwrap(), 1);
    drop(store);
    assert_eq!(reader.page(&Filter::default(), None, 10).unwrap().alerts.len(), 1);
    folder.store();
}

#[test]
fn a_reader_without_a_store_says_that_there_is_none() {
    let folder = Folder::new("none");
    let error = Store::reader(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Absent(_)) && words(error).contains("nothing yet"));
    assert!(!folder.path().exists());
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = Folder::new("newer");
    drop(folder.store());
    let path = folder.path().join("lapwing.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    for error in [Store::open(folder.path()).err().unwrap(), Store::reader(folder.path()).err().unwrap()] {
        assert!(matches!(error, Error::Newer { found: 999, .. }) && words(error).contains("update the program"));
    }
}

#[test]
fn what_is_no_database_is_damaged() {
    let folder = Folder::new("no-database");
    fs::create_dir_all(folder.path()).unwrap();
    fs::write(folder.path().join("lapwing.db"), [0x55; 8192]).unwrap();
    let error = Store::open(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }) && words(error).contains("lapwing.db is damaged"));
}

#[test]
fn a_damaged_page_of_the_database_is_found() {
    let folder = Folder::new("page");
    let mut store = folder.store();
    store.put(&(0..500).map(alert).collect::<Vec<_>>()).unwrap();
    drop(store);
    let path = folder.path().join("lapwing.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = Store::reader(folder.path()).and_then(|reader| reader.check()).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("owner");
    let mut store = folder.store();
    store.put(&[alert(1)]).unwrap();
    store.append(&[flow(1)], &[], time(0)).unwrap();
    let mut folders = vec![folder.path().to_owned()];
    let mut files = 0;
    while let Some(path) = folders.pop() {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        if path.is_dir() {
            folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
        }
    }
    // The database, its log and the index of that, the lock, one file of flows.
    assert_eq!(files, 5);
}

#[test]
fn a_folder_that_is_a_file_is_said_to_be_of_no_use() {
    let folder = Folder::new("a-file");
    fs::create_dir_all(folder.path()).unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(words(Store::open(&file.join("state")).err().unwrap()).contains("cannot use"));
}

/// Stores of every schema that was released. `make bless` makes the one of the schema of this version where it is missing,
/// and leaves those that are there: they stand for the stores that users have.
#[test]
fn a_store_of_every_released_schema_is_brought_forward() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let current = golden.join("schema-2");
    if std::env::var_os("LAPWING_BLESS").is_some() && !current.exists() {
        make(&current);
    }
    let mut schemas = 0;
    for schema in
        fs::read_dir(&golden).expect("`make bless` makes the golden stores").map(|entry| entry.unwrap().path())
    {
        let folder = Folder::new("schema");
        copy(&schema, folder.path());
        let mut store = folder.store();
        store.check().unwrap();
        assert_eq!(store.alert(&alert(3).id).unwrap().unwrap().alert, alert(3));
        assert_eq!(store.page(&Filter::default(), None, 100).unwrap().alerts.len(), 9);
        assert_eq!(store.suppressions().unwrap().len(), 1);
        assert_eq!(store.verdict(&alert(2).id).unwrap().unwrap().note, "ours");
        assert_eq!(store.labelled_flows(&alert(2).id).unwrap().len(), 2);
        let (mut flows, mut notices) = (Vec::new(), Vec::new());
        let mut replay = store.replay(Span::ALL).unwrap();
        while replay.read(&mut flows, &mut notices).unwrap() {}
        assert!(flows == (0..20).map(flow).collect::<Vec<_>>());
        assert_eq!(store.setting::<u32>("answer").unwrap(), Some(42));
        store.put(&[alert(100)]).unwrap();
        schemas += 1;
    }
    assert!(schemas > 0 && current.exists(), "no golden store of this schema; `make bless` makes it, commit it");
}

fn make(schema: &Path) {
    let folder = Folder::new("golden");
    let mut store = folder.store();
    store.put(&(0..10).map(alert).collect::<Vec<_>>()).unwrap();
    let scope = alert::Scope { port: Some(22), ..alert::Scope::default() };
    let (reason, owner) = ("known".to_owned(), "ann".to_owned());
    let suppression = alert::Suppression { id: 0, scope, reason, owner, created: time(0), expires: None };
    let number = store.add_suppression(&suppression, "ann", time(1)).unwrap();
    store.hide(&[alert(5).id], number).unwrap();
    let (by, note) = ("ann".to_owned(), "ours".to_owned());
    let verdict = alert::Verdict { alert: alert(2).id, finding: alert::Finding::Benign, note, by, time: time(2) };
    store.put_verdict(&verdict).unwrap();
    let flows: Vec<_> = (0..20).map(flow).collect();
    store.append(&flows, &[], time(0)).unwrap();
    let label = Label { alert: alert(2).id, kind: "scan".into(), by: "ann".into(), time: time(3), flows: 2 };
    store.put_label(&label, &flows[..2]).unwrap();
    store.set("answer", &42).unwrap();
    drop(store);
    copy(folder.path(), schema);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else if path.file_name().is_some_and(|name| name != "writer") {
            fs::copy(&path, &place).unwrap();
        }
    }
}
