//! What cannot be read is refused by name and with advice.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use meter::Settings;
use source::{Error, Input};

fn main() {
    let arguments = Arguments::from_args();
    let secret = made("secret.pcap", b"\xd4\xc3\xb2\xa1");
    let may_read_all = without_permission(&secret);
    let trials = vec![
        Trial::test("a_wrong_path_is_told", || {
            let error = refusal(Path::new("no/such/capture.pcap"))?;
            expect(matches!(error, Error::Open { .. }), &error, &["no/such/capture.pcap", "check the path"])
        }),
        Trial::test("an_empty_folder_is_told", || {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-folder");
            fs::create_dir_all(&folder).expect("the tests' own folder is writable");
            let error = refusal(&folder)?;
            expect(matches!(error, Error::EmptyFolder { .. }), &error, &["empty-folder", "without files"])
        }),
        Trial::test("missing_permission_is_told", move || {
            let error = refusal(&secret)?;
            expect(matches!(error, Error::Open { .. }), &error, &["read permission is needed"])
        })
        // Root reads everything.
        .with_ignored_flag(may_read_all),
        Trial::test("an_empty_file_is_told", || {
            let error = refusal(&made("empty.pcap", b""))?;
            expect(matches!(error, Error::Empty { .. }), &error, &["empty.pcap is empty"])
        }),
        Trial::test("text_called_pcap_is_told", || {
            let error = refusal(&made("text.pcap", b"This is no capture.\n"))?;
            expect(
                matches!(error, Error::Unknown { .. }),
                &error,
                &["\"This is no capture.\\n\"", "pcapng", "conn.log"],
            )
        }),
        Trial::test("random_bytes_are_told", || {
            let bytes: Vec<u8> = (0..999u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let error = refusal(&made("random.pcap", &bytes[1..]))?;
            expect(matches!(error, Error::Unknown { .. }), &error, &["expected"])
        }),
        Trial::test("a_header_cut_short_is_told", || {
            let error = refusal(&made("cut-header.pcap", b"\xd4\xc3\xb2\xa1\x02\x00"))?;
            expect(matches!(error, Error::Damaged { .. }), &error, &["the file ends in the middle"])
        }),
        Trial::test("compressed_nonsense_is_told", || {
            let error = refusal(&made("nonsense.gz", b"\x1f\x8bnonsense and more of it"))?;
            expect(matches!(error, Error::Damaged { .. } | Error::Unknown { .. }), &error, &["nonsense.gz"])?;
            let error = refusal(&made("nonsense.zst", b"\x28\xb5\x2f\xfdnonsense and more of it"))?;
            expect(matches!(error, Error::Damaged { .. } | Error::Unknown { .. }), &error, &["nonsense.zst"])
        }),
        Trial::test("what_is_packed_otherwise_is_told_with_how_to_unpack_it", || {
            let mut tar = vec![b'x'; 257];
            tar.extend(b"ustar\0");
            for (name, bytes, advice) in [
                ("log.xz", &b"\xfd7zXZ\0\0\x04"[..], "xz -dc"),
                ("log.bz2", b"BZh91AY&SY", "bzip2 -dc"),
                ("log.zip", b"PK\x03\x04\x14", "unzip"),
                ("log.tar", &tar, "tar -xf"),
                ("log.txt", b"\xff\xfe#\0s\0e\0p\0", "iconv"),
            ] {
                let error = refusal(&made(name, bytes))?;
                expect(matches!(error, Error::Packed { .. }), &error, &[name, advice])?;
            }
            Ok(())
        }),
        Trial::test("prose_whose_first_line_has_commas_is_no_table", || {
            let error = refusal(&made("README.md", b"# Flows, captures, and more\n\nOne line.\nAnother one.\n"))?;
            expect(matches!(error, Error::Unknown { .. }), &error, &["README.md"])
        }),
        Trial::test("a_file_to_follow_that_is_not_there_is_told", || {
            let paths = [PathBuf::from("no/such/conn.log")];
            match Input::follow(&paths, Settings::default(), source::Follow::default()) {
                Ok(_) => Err("it is waited for".into()),
                Err(error) => expect(matches!(error, Error::Open { .. }), &error, &["conn.log", "check the path"]),
            }
        }),
        Trial::test("packets_and_logs_are_no_tables_to_learn_from", || {
            for (name, bytes) in
                [("a.pcap", &b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00"[..]), ("conn.log", b"#fields\tts\tuid\n1\t2\n")]
            {
                match source::format::rows::Rows::open(&made(name, bytes), &[]) {
                    Ok(_) => return Err(format!("{name} was opened").into()),
                    Err(error) => expect(matches!(error, Error::Table { .. }), &error, &[name, "lapwing flows"])?,
                }
            }
            Ok(())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn made(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, bytes).expect("the tests' own folder is writable");
    path
}

/// Takes the permission to read away; whether the file can be read all the same.
fn without_permission(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("our own file");
    }
    fs::File::open(path).is_ok()
}

fn refusal(path: &Path) -> Result<Error, Failed> {
    match Input::open(&[path.to_owned()], Settings::default()) {
        Ok(_) => Err("it was opened".into()),
        Err(error) => Ok(error),
    }
}

fn expect(is_kind: bool, error: &Error, words: &[&str]) -> Result<(), Failed> {
    let message = error.to_string();
    match words.iter().find(|word| !message.contains(**word)) {
        _ if !is_kind => Err(format!("of another kind: {error:?}").into()),
        Some(word) => Err(format!("`{word}` is not in: {message}").into()),
        None => Ok(()),
    }
}
