//! Files, plain or compressed: what a file holds is told by its first bytes, never by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::Error;

/// An opened file: its bytes without compression, and how far the reading is.
pub struct Opened {
    /// The bytes, gzip or Zstandard undone.
    pub bytes: Box<dyn BufRead + Send>,
    /// How much of the file was read.
    pub progress: Progress,
}

/// How much of a file was read, counted on the bytes as they lie on the disk.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl Progress {
    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file; 0 where the file is a pipe.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// Opens a file, or stdin where the path is `-`, and undoes its compression.
pub fn open(path: &Path) -> Result<Opened, Error> {
    let open_error = |source| Error::open(path.to_owned(), source);
    let (inner, total): (Box<dyn Read + Send>, u64) = if path == Path::new("-") {
        (Box::new(io::stdin()), 0)
    } else {
        let file = File::open(path).map_err(open_error)?;
        let metadata = file.metadata().map_err(open_error)?;
        if metadata.is_dir() {
            return Err(open_error(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        (Box::new(file), if metadata.is_file() { metadata.len() } else { 0 })
    };
    let progress = Progress { read: Arc::default(), total };
    let counted = Counted { inner, read: Arc::clone(&progress.read) };
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, counted);
    let start = plain.fill_buf().map_err(open_error)?;
    if start.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let bytes: Box<dyn BufRead + Send> = if start.starts_with(&GZIP) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
    } else if is_zstandard(start) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, Zstandard::new(plain)))
    } else {
        Box::new(plain)
    };
    Ok(Opened { bytes, progress })
}

/// Whether the file is compressed, by its first bytes.
pub(crate) fn is_compressed(path: &Path) -> Result<bool, Error> {
    let failed = |source| Error::open(path.to_owned(), source);
    let mut start = Vec::new();
    File::open(path).map_err(failed)?.take(4).read_to_end(&mut start).map_err(failed)?;
    Ok(start.starts_with(&GZIP) || is_zstandard(&start))
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Undoes Zstandard (RFC 8878): any number of frames, as several threads or `cat` write them, skippable ones between.
struct Zstandard<R> {
    inner: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstandard<R> {
    fn new(inner: R) -> Zstandard<R> {
        Zstandard { inner, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Starts the next frame; `false` at the end.
    fn start_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.inner.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.inner) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.inner).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame && !self.start_frame()? {
                return Ok(0);
            }
            self.in_frame = true;
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            if self.decoder.is_finished() {
                self.in_frame = false;
            } else {
                let strategy = BlockDecodingStrategy::UptoBytes(BUFFER_BYTES);
                self.decoder.decode_blocks(&mut self.inner, strategy).map_err(io::Error::other)?;
            }
        }
    }
}

fn is_zstandard(start: &[u8]) -> bool {
    // Writers of several threads begin with a skippable frame.
    start.starts_with(&ZSTANDARD) || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER_BYTES: usize = 1 << 17;
