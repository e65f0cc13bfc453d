//! The order in which a log writes the members of its objects.

use super::Text;

/// Tells members by their names. Lines of one log have much the same members in the same order, so most names need only
/// be compared with the one that came there before.
pub(in crate::format) struct Order<M> {
    of: fn(&str) -> M,
    /// In the order in which they came; at most [`MAX_MEMBERS`].
    expected: Vec<Expected<M>>,
}

/// A name as the log writes it, with its quotes and its colon.
#[derive(Clone, Copy)]
struct Expected<M> {
    words: [u64; WORDS],
    /// The bits of the words that count.
    masks: [u64; WORDS],
    bytes: usize,
    member: M,
}

impl<M: Copy> Order<M> {
    /// `of` tells the member of a name.
    pub(in crate::format) fn new(of: fn(&str) -> M) -> Order<M> {
        Order { of, expected: Vec::new() }
    }

    /// The member expected at that place and the bytes of its name, if it is what comes next.
    #[inline]
    pub(super) fn expects(&self, place: usize, rest: &[u8]) -> Option<(M, usize)> {
        let expected = self.expected.get(place)?;
        let words = words(rest.first_chunk()?);
        let differs = |bits: u64, index: usize| bits | ((words[index] ^ expected.words[index]) & expected.masks[index]);
        ((0..WORDS).fold(0, differs) == 0).then_some((expected.member, expected.bytes))
    }

    /// The member of a name that came at that place, and the place of the one after it.
    #[cold]
    pub(super) fn learn(&mut self, place: usize, name: Text<'_>) -> (M, usize) {
        let member = (self.of)(&name.get());
        let Some(met) = Expected::of(&name, member) else { return (member, place) };
        let known = self.expected.iter().position(|known| (known.words, known.bytes) == (met.words, met.bytes));
        let place = known.unwrap_or_else(|| {
            // No log has so many: begin anew.
            if self.expected.len() >= MAX_MEMBERS {
                self.expected.clear();
            }
            let place = place.min(self.expected.len());
            self.expected.insert(place, met);
            place
        });
        (member, place + 1)
    }
}

impl<M> Expected<M> {
    /// `None` where the name is too long, or written with escapes.
    fn of(name: &Text<'_>, member: M) -> Option<Expected<M>> {
        let written = format!("\"{}\":", name.raw());
        if name.is_escaped || written.len() > WORDS * 8 {
            return None;
        }
        let (mut text, mut mask) = ([0; WORDS * 8], [0; WORDS * 8]);
        text[..written.len()].copy_from_slice(written.as_bytes());
        mask[..written.len()].fill(u8::MAX);
        Some(Expected { words: words(&text), masks: words(&mask), bytes: written.len(), member })
    }
}

#[inline]
fn words(bytes: &[u8; WORDS * 8]) -> [u64; WORDS] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| words.get(index).map_or(0, |word| u64::from_le_bytes(*word)))
}

/// Of a name: the longest of EVE and of Zeek's logs fit.
const WORDS: usize = 3;
const MAX_MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Json, Malformed};
    use super::*;

    /// The names of an object and its members, by the first letter of their names, in order.
    fn names(order: &mut Order<Option<char>>, text: &str) -> Result<Vec<Option<char>>, Malformed> {
        let mut members = Vec::new();
        let mut json = Json::new(text);
        json.object_in(order, |json, member| {
            members.push(member);
            json.skip()
        })?;
        json.end()?;
        Ok(members)
    }

    /// The same without knowing what came before.
    fn anew(text: &str) -> Result<Vec<Option<char>>, Malformed> {
        let mut members = Vec::new();
        let mut json = Json::new(text);
        json.object(|json, name| {
            members.push(name.chars().next());
            json.skip()
        })?;
        json.end()?;
        Ok(members)
    }

    #[test]
    fn members_are_told_though_some_are_missing_new_or_elsewhere() {
        let mut order = Order::new(|name| name.chars().next());
        for text in [
            r#"{"alpha":1,"beta":"x","gamma":[1],"delta":{"alpha":2},"filling":"until the words are full"}"#,
            r#"{"alpha":1,"beta":"x","gamma":[1],"delta":{"alpha":2},"filling":"until the words are full"}"#,
            r#"{"alpha":1,"gamma":[1],"delta":{"alpha":2},"filling":"until the words are full"}"#,
            r#"{"gamma":1,"new":2,"delta":3,"alpha":4,"alpha" : 5,"filling":"until the words are full"}"#,
            r#"{"alph":1,"alphab":2,"bet\u0061":3,"a name longer than any that is kept":4,"filling":"until the words"}"#,
            r#"{"alpha"1}"#,
            r#"{"alpha":}"#,
            "{}",
        ] {
            assert_eq!(names(&mut order, text), anew(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_came_before_changes_nothing(texts in proptest::collection::vec("[{]([\"abc\\\\]{0,5}[:1,]){0,12}[}]", 1..8)) {
            let mut order = Order::new(|name| name.chars().next());
            for text in texts {
                let text = format!("{text:40}");
                prop_assert_eq!(names(&mut order, &text), anew(&text), "{}", text);
            }
        }

        #[test]
        fn the_names_of_any_lines_are_told(lines in proptest::collection::vec(proptest::collection::vec("[ab]{0,3}", 0..90), 1..6)) {
            let mut order = Order::new(|name| name.chars().next());
            for line in lines {
                let members: Vec<_> = line.iter().map(|name| format!("\"{name}\":0")).collect();
                let text = format!("{{{}}}{:40}", members.join(","), "");
                let expected: Vec<_> = line.iter().map(|name| name.chars().next()).collect();
                prop_assert_eq!(names(&mut order, &text), Ok(expected));
            }
        }
    }
}
