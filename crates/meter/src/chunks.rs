//! A growing row of equal things that never moves them: a vector would copy itself to grow, and take twice its memory
//! while it does.

use std::ops::{Index, IndexMut};

/// Things by number, in chunks.
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    length: usize,
}

impl<T> Chunks<T> {
    pub(crate) fn new() -> Chunks<T> {
        Chunks { chunks: Vec::new(), length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds one more, whose number is the length so far.
    pub(crate) fn push(&mut self, thing: T) {
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(thing),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(thing);
                self.chunks.push(chunk);
            }
        }
        self.length += 1;
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

/// Things in a chunk: few enough that the last chunk's unused room does not count.
const CHUNK: usize = 512;
