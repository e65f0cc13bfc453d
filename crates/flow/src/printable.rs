//! Names from inputs, as messages may show them.

use std::borrow::Cow;

/// A name that came from an input, fit to be shown on a terminal: control characters and those that turn the direction
/// of writing are escaped, and what is longer than 256 letters is cut.
///
/// ```
/// assert_eq!(flow::printable("src_ip"), "src_ip");
/// assert_eq!(flow::printable("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
/// ```
pub fn printable(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        None => plain(name),
        Some((end, _)) => (plain(&name[..end]).into_owned() + "\u{2026}").into(),
    }
}

/// A text that came from an input, escaped like a [`printable`] name, but whole.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            letter if is_plain(letter) => shown.push(letter),
            '\t' | '\n' | '\r' => shown.extend(letter.escape_default()),
            letter => shown.extend(letter.escape_unicode()),
        }
    }
    shown.into()
}

/// Whether a letter neither steers a terminal nor turns the direction of writing.
pub fn is_plain(letter: char) -> bool {
    !letter.is_control() && !DIRECTIONS.iter().any(|range| range.contains(&letter))
}

const LONGEST: usize = 256;
/// Marks, embeddings, overrides and isolates of bidirectional text (Unicode TR 9), and line separators.
const DIRECTIONS: [std::ops::RangeInclusive<char>; 4] =
    ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{61c}'..='\u{61c}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_escaped() {
        assert_eq!(printable("a\nb\u{9b}31m\u{7f}"), "a\\nb\\u{9b}31m\\u{7f}");
        assert_eq!(printable("\u{202e}txt.exe"), "\\u{202e}txt.exe");
        assert_eq!(printable("Größe – ok"), "Größe – ok");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
