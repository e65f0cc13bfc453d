//! The pages of one column within one row group, read with bounds.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};

use super::thrift::{self, Fault, PageHeader};

/// A file whose parts can be read in any order.
pub(super) enum Random {
    /// On the disk.
    File(Mutex<File>, u64),
    /// In memory: it came from a pipe, or compressed.
    Memory(Bytes),
}

impl Random {
    pub(super) fn length(&self) -> u64 {
        match self {
            Random::File(_, length) => *length,
            Random::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// A part of the file, which must lie within it.
    pub(super) fn part(&self, start: u64, length: usize) -> Result<Bytes> {
        let outside = || fault("it points outside of itself");
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length()).ok_or_else(outside)?;
        match self {
            Random::File(file, _) => {
                let mut file = file.lock().map_err(|_| fault("reading it failed before"))?;
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = vec![0; length];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
            Random::Memory(bytes) => {
                let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
                let (start, end) = range.ok_or_else(outside)?;
                Ok(bytes.slice(start..end))
            }
        }
    }
}

/// The pages of one column chunk.
pub(super) struct Pages {
    file: Arc<Random>,
    at: u64,
    end: u64,
    codec: Compression,
    /// Bytes of all pages that are held at a time, of all columns.
    held_in_all: Arc<AtomicUsize>,
    held: usize,
    dictionary: usize,
}

impl Pages {
    /// The pages between two places of a file.
    pub(super) fn new(
        file: Arc<Random>,
        (at, end): (u64, u64),
        codec: Compression,
        held_in_all: Arc<AtomicUsize>,
    ) -> Pages {
        Pages { file, at, end, codec, held_in_all, held: 0, dictionary: 0 }
    }

    fn header(&self) -> Result<(PageHeader, usize)> {
        let mut window = FIRST_HEADER_BYTES;
        loop {
            let length = (self.end - self.at).min(window);
            // No more than MAX_HEADER_BYTES.
            let bytes = self.file.part(self.at, length as usize)?;
            match thrift::page_header(&bytes) {
                Ok(found) => return Ok(found),
                Err(Fault::Short) if length == window && window < MAX_HEADER_BYTES => window *= 16,
                Err(Fault::Short) => return Err(fault("a page header without an end")),
                Err(Fault::Wrong(reason)) => return Err(fault(reason)),
            }
        }
    }

    fn read(&mut self) -> Result<Option<Page>> {
        while self.at < self.end {
            let (header, header_bytes) = self.header()?;
            let [plain, packed, values] =
                [header.plain_bytes, header.packed_bytes, header.values].map(|number| usize::try_from(number).ok());
            let (Some(plain), Some(packed), Some(values)) = (plain, packed, values) else {
                return Err(fault("a page of negative size"));
            };
            let start = self.at + header_bytes as u64;
            if packed as u64 > self.end.saturating_sub(start) {
                return Err(fault("a page longer than its column"));
            }
            if plain > MAX_PAGE_BYTES || packed > MAX_PAGE_BYTES {
                return Err(fault("a page of more than 256 MiB"));
            }
            self.at = start + packed as u64;
            if !matches!(header.kind, 0 | 2 | 3) {
                continue;
            }
            self.hold(plain, header.kind == 2)?;
            let bytes = self.file.part(start, packed)?;
            return self.page(&header, bytes, plain, values).map(Some);
        }
        Ok(None)
    }

    /// Keeps the account of bytes held.
    fn hold(&mut self, bytes: usize, is_dictionary: bool) -> Result<()> {
        let before = if is_dictionary { &mut self.dictionary } else { &mut self.held };
        let previous = std::mem::replace(before, bytes);
        self.held_in_all.fetch_sub(previous, Ordering::Relaxed);
        if self.held_in_all.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_HELD_BYTES {
            return Err(fault("its columns need more than 512 MiB at a time"));
        }
        Ok(())
    }

    fn page(&self, header: &PageHeader, bytes: Bytes, plain: usize, values: usize) -> Result<Page> {
        let encoding = encoding(header.encoding)?;
        let most = match encoding {
            // The library makes room for all values of the page before it looks at them.
            Encoding::DELTA_BYTE_ARRAY | Encoding::DELTA_LENGTH_BYTE_ARRAY => MAX_LISTED_VALUES,
            _ => MAX_VALUES,
        };
        let num_values = values as u32;
        if values > most || (header.kind == 2 && values > plain) {
            return Err(fault("a page of more values than it has room for"));
        }
        Ok(match header.kind {
            2 => Page::DictionaryPage {
                buf: self.unpack(&bytes, plain)?,
                num_values,
                encoding,
                is_sorted: header.is_sorted,
            },
            0 => Page::DataPage {
                buf: self.unpack(&bytes, plain)?,
                num_values,
                encoding,
                def_level_encoding: self::encoding(header.definition_encoding)?,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            },
            _ => {
                let count = |number: i64| u32::try_from(number).map_err(|_| fault("a page of negative size"));
                let (def_levels_byte_len, rep_levels_byte_len) =
                    (count(header.definition_bytes)?, count(header.repetition_bytes)?);
                let levels = def_levels_byte_len as usize + rep_levels_byte_len as usize;
                if levels > bytes.len() || levels > plain {
                    return Err(fault("levels longer than their page"));
                }
                let buf = if header.is_packed && self.codec != Compression::UNCOMPRESSED && levels < bytes.len() {
                    let mut all = bytes[..levels].to_vec();
                    all.extend_from_slice(&self.unpack(&bytes.slice(levels..), plain - levels)?);
                    all.into()
                } else {
                    bytes
                };
                Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls: count(header.nulls)?,
                    num_rows: count(header.rows)?,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed: false,
                    statistics: None,
                }
            }
        })
    }

    /// Undoes the compression; the result must have the length that the page claims.
    fn unpack(&self, bytes: &Bytes, plain: usize) -> Result<Bytes> {
        let read = |reader: &mut dyn Read| -> Result<Vec<u8>> {
            let mut all = Vec::new();
            reader.take(plain as u64 + 1).read_to_end(&mut all)?;
            Ok(all)
        };
        let all = match self.codec {
            Compression::UNCOMPRESSED => return Ok(bytes.clone()),
            Compression::SNAPPY => {
                let length = snap::raw::decompress_len(bytes).map_err(|error| fault(&error.to_string()))?;
                if length != plain {
                    return Err(fault("a page of another length than it claims"));
                }
                snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| fault(&error.to_string()))?
            }
            Compression::GZIP(_) => read(&mut MultiGzDecoder::new(bytes.as_ref()))?,
            Compression::ZSTD(_) => {
                let mut frames = bytes.as_ref();
                read(&mut ruzstd::decoding::StreamingDecoder::new(&mut frames).map_err(|e| fault(&e.to_string()))?)?
            }
            other => {
                return Err(fault(&format!("compressed by {other}, which cannot be read; snappy, gzip or zstd can")));
            }
        };
        if all.len() == plain { Ok(all.into()) } else { Err(fault("a page of another length than it claims")) }
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.read()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(fault("pages are read one after the other"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.read().map(drop)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        // Only columns without lists are read.
        Ok(true)
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.read().transpose()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.held_in_all.fetch_sub(self.held + self.dictionary, Ordering::Relaxed);
    }
}

fn encoding(number: i64) -> Result<Encoding> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return Err(fault("an encoding that is not known")),
    })
}

pub(super) fn fault(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

const FIRST_HEADER_BYTES: u64 = 1 << 12;
const MAX_HEADER_BYTES: u64 = 1 << 20;
const MAX_PAGE_BYTES: usize = 1 << 28;
const MAX_HELD_BYTES: usize = 1 << 29;
const MAX_VALUES: usize = 1 << 26;
const MAX_LISTED_VALUES: usize = 1 << 24;
