//! How a text table is written: delimiter, header, column names.

use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::format::rows::{Cell, MAX_COLUMNS};

/// How a text table is written, told by its first rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between two cells: a comma, semicolon, tab or bar.
    pub delimiter: u8,
    /// Whether the first row holds the names of the columns.
    pub header: bool,
    /// The names of the columns, all distinct: from the header, of NSL-KDD where the rows look like it, or `column 1`
    /// and so on.
    pub columns: Vec<String>,
}

impl Dialect {
    /// Tells the dialect from the first bytes of a file. `known` are names that a header would have, where some are
    /// known. The error says why this cannot be a table.
    pub(super) fn of(start: &[u8], complete: bool, known: &[String]) -> Result<Dialect, &'static str> {
        if start.contains(&0) {
            return Err("it is not text; a table of comma, semicolon or tab separated values is expected");
        }
        let best = DELIMITERS.iter().map(|&delimiter| (delimiter, rows(start, complete, delimiter)));
        let (delimiter, rows) = best.max_by_key(|(_, rows)| evenness(rows)).ok_or(NO_TABLE)?;
        let first = rows.first().filter(|row| row.len() > 1).ok_or(NO_TABLE)?;
        // Prose whose first line has a comma.
        if evenness(&rows) == (0, 0) {
            return Err(NO_TABLE);
        }
        if first.len() > MAX_COLUMNS {
            return Err("it has more than 4096 columns");
        }
        let header = is_header(&rows, known);
        let columns = if header {
            distinct(first)
        } else if is_nsl_kdd(first) {
            NSL_KDD[..first.len()].iter().map(|name| (*name).to_owned()).collect()
        } else {
            (1..=first.len()).map(|number| format!("column {number}")).collect()
        };
        Ok(Dialect { delimiter, header, columns })
    }
}

/// The first whole rows, read with one delimiter. `complete` says that the bytes are all there are.
fn rows(start: &[u8], complete: bool, delimiter: u8) -> Vec<Vec<Vec<u8>>> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let (mut text, mut ends) = (vec![0; start.len() + 1], vec![0; start.len() + 2]);
    let ended = if complete { [start, b"\n"].concat() } else { start.to_vec() };
    let mut rest = ended.as_slice();
    let mut rows = Vec::new();
    while rows.len() < SAMPLE_ROWS {
        let (result, read, _, count) = reader.read_record(rest, &mut text, &mut ends);
        if result != ReadRecordResult::Record {
            break;
        }
        rest = &rest[read..];
        rows.push(cells(&text, &ends[..count]));
    }
    rows
}

fn cells(text: &[u8], ends: &[usize]) -> Vec<Vec<u8>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).map(|(start, &end)| text[start..end].to_vec()).collect()
}

/// How well a delimiter fits: the share of rows with as many cells as most have, in tenths, then the number of cells.
/// One cell a row is no fit.
fn evenness(rows: &[Vec<Vec<u8>>]) -> (usize, usize) {
    let mut widths: Vec<usize> = rows.iter().map(Vec::len).collect();
    widths.sort_unstable();
    let usual = widths.chunk_by(|one, other| one == other).max_by_key(|run| run.len());
    match usual {
        Some(run) if run[0] > 1 => (run.len() * 10 / rows.len(), run[0]),
        _ => (0, 0),
    }
}

/// Whether the first row names the columns: it has a name that is known to be one, or it has no number while a later
/// row has one in its place, or where there are no numbers at all, its words do not come again below it.
fn is_header(rows: &[Vec<Vec<u8>>], known: &[String]) -> bool {
    let Some((first, others)) = rows.split_first() else { return false };
    let names = |cell: &[u8]| known.iter().any(|name| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    if first.iter().any(|cell| names(cell)) {
        return true;
    }
    let is_number = |cell: &Vec<u8>| matches!(Cell::of(cell), Cell::Number(_) | Cell::Infinite);
    if first.iter().any(is_number)
        || first.iter().filter(|cell| matches!(Cell::of(cell), Cell::Text(_))).count() * 2 < first.len()
    {
        return false;
    }
    let numbers_below = others.iter().any(|row| row.iter().any(is_number));
    let comes_again = |place: usize| others.iter().any(|row| row.get(place) == first.get(place));
    numbers_below || !(0..first.len()).any(comes_again)
}

/// Whether a row is one of NSL-KDD, with its 41 features, and then perhaps the label, and then perhaps the difficulty.
fn is_nsl_kdd(row: &[Vec<u8>]) -> bool {
    let is_protocol = |cell: &[u8]| [b"tcp".as_slice(), b"udp", b"icmp"].contains(&cell);
    let is_flag = |cell: &[u8]| !cell.is_empty() && cell.iter().all(u8::is_ascii_alphanumeric);
    (41..=43).contains(&row.len())
        && is_protocol(&row[1])
        && is_flag(&row[3])
        && matches!(Cell::of(&row[0]), Cell::Number(_))
}

/// The names in a header, without blanks around them; repeated ones are numbered, empty ones named by their place.
fn distinct(header: &[Vec<u8>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut seen = std::collections::HashSet::with_capacity(header.len());
    for (place, cell) in header.iter().enumerate() {
        let text = String::from_utf8_lossy(cell);
        let name = text.trim_start_matches('\u{feff}').trim();
        let name = if name.is_empty() { format!("column {}", place + 1) } else { name.to_owned() };
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let name = std::iter::once(name.clone()).chain(numbered).find(|name| !seen.contains(name)).unwrap_or(name);
        seen.insert(name.clone());
        names.push(name);
    }
    names
}

const DELIMITERS: [u8; 4] = [b'|', b'\t', b';', b','];
const SAMPLE_ROWS: usize = 50;
const NO_TABLE: &str = "it is no table: rows of comma, semicolon or tab separated values are expected";

/// The columns of NSL-KDD (Tavallaee et al. 2009), whose files have no header.
pub const NSL_KDD: [&str; 43] = [
    "duration",
    "protocol_type",
    "service",
    "flag",
    "src_bytes",
    "dst_bytes",
    "land",
    "wrong_fragment",
    "urgent",
    "hot",
    "num_failed_logins",
    "logged_in",
    "num_compromised",
    "root_shell",
    "su_attempted",
    "num_root",
    "num_file_creations",
    "num_shells",
    "num_access_files",
    "num_outbound_cmds",
    "is_host_login",
    "is_guest_login",
    "count",
    "srv_count",
    "serror_rate",
    "srv_serror_rate",
    "rerror_rate",
    "srv_rerror_rate",
    "same_srv_rate",
    "diff_srv_rate",
    "srv_diff_host_rate",
    "dst_host_count",
    "dst_host_srv_count",
    "dst_host_same_srv_rate",
    "dst_host_diff_srv_rate",
    "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate",
    "dst_host_serror_rate",
    "dst_host_srv_serror_rate",
    "dst_host_rerror_rate",
    "dst_host_srv_rerror_rate",
    "label",
    "difficulty",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        Dialect::of(text.as_bytes(), true, &[]).unwrap()
    }

    #[test]
    fn the_delimiter_is_found_even_where_cells_hold_others() {
        assert_eq!(dialect("a,b\n1,2;3\n").delimiter, b',');
        assert_eq!(dialect("a;b\n1,5;2,5\n1,7;3,5\n").delimiter, b';');
        assert_eq!(dialect("a\tb c\n1\t2\n").delimiter, b'\t');
        assert_eq!(dialect("name,note\nx,\"a;b;c\"\ny,\"d;e;f\"\n").delimiter, b',');
    }

    #[test]
    fn a_header_is_told_from_a_first_row() {
        assert!(dialect("bytes,label\n5,normal\n").header);
        assert!(!dialect("5,normal\n6,normal\n").header);
        assert!(dialect("protocol,label\ntcp,normal\ntcp,smurf\n").header);
        assert!(!dialect("tcp,normal\nudp,normal\n").header);
        assert!(Dialect::of(b"2017,label\n5,normal\n", true, &["label".into()]).unwrap().header);
        assert!(dialect("bytes,label").header);
    }

    #[test]
    fn names_are_made_distinct() {
        let columns = dialect("\u{feff}id, Label ,len,len,\n1,a,2,3,4\n").columns;
        assert_eq!(columns, ["id", "Label", "len", "len (2)", "column 5"]);
    }

    #[test]
    fn nsl_kdd_is_known_by_its_shape() {
        let row = format!("0,tcp,ftp_data,SF,491{},normal,20\n", ",0".repeat(36));
        let dialect = dialect(&row);
        assert!(!dialect.header);
        assert_eq!((dialect.columns[1].as_str(), dialect.columns[41].as_str()), ("protocol_type", "label"));
        assert_eq!(dialect.columns.len(), 43);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in ["", "just some prose\nwithout columns\n", "\0\x01\x02,\x03"] {
            assert!(Dialect::of(text.as_bytes(), true, &[]).is_err(), "{text:?}");
        }
    }
}
