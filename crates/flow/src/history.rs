//! What happened in a conversation, in the order of first occurrence.

use std::fmt;

/// Zeek's connection history (conn.log `history`): a letter an event, upper case from the originator, lower case from
/// the responder; `^` in front where the direction was turned. Letters beyond [`History::CAPACITY`] are left out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct History {
    letters: [u8; History::CAPACITY],
    length: u8,
}

impl History {
    /// The most letters kept.
    pub const CAPACITY: usize = 23;

    /// The history of these letters; those that are not printable ASCII are left out.
    pub fn of(letters: &str) -> History {
        let mut history = History::default();
        letters.bytes().filter(u8::is_ascii_graphic).for_each(|letter| history.push(letter));
        history
    }

    /// Adds a letter.
    #[inline]
    pub fn push(&mut self, letter: u8) {
        if let Some(place) = self.letters.get_mut(usize::from(self.length)) {
            *place = letter;
            self.length += 1;
        }
    }

    /// Whether the letter is among them.
    #[inline]
    pub fn contains(&self, letter: u8) -> bool {
        self.letters[..usize::from(self.length)].contains(&letter)
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.letters[..usize::from(self.length)]).unwrap_or_default()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_the_capacity_are_left_out() {
        let history = History::of(&"ShADadFf".repeat(10));
        assert_eq!(history.as_str().len(), History::CAPACITY);
        assert!(history.contains(b'S') && !history.contains(b'R'));
    }
}
