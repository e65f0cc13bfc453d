//! JSON (RFC 8259) read member by member, without copying: numbers keep the text that the log has, which a time of
//! nanoseconds needs and a number of floating point would lose.

mod order;

use std::borrow::Cow;

pub(super) use self::order::Order;

/// Reads one JSON text from its start to its end.
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// It has no escapes and no control characters, so that every string ends at the next quote.
    is_plain: bool,
}

/// The text is no JSON, or is nested deeper than 128 levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A value as the text has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(Text<'a>),
    Number(&'a str),
    Bool(bool),
    Null,
    /// An object or an array, which can be read by itself.
    Nested(&'a str),
}

/// A string, still with its escapes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text<'a> {
    raw: &'a str,
    is_escaped: bool,
}

impl<'a> Json<'a> {
    pub(super) fn new(text: &'a str) -> Json<'a> {
        // Without an early end, so that many bytes are looked at together.
        let is_odd = |odd: bool, &byte: &u8| odd | (byte < 0x20) | (byte == b'\\');
        let is_plain = !text.as_bytes().iter().fold(false, is_odd);
        Json { text, at: blanks(text.as_bytes()), depth: 0, is_plain }
    }

    /// Gives each member of the object that comes next to `member`, which reads the value.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Json<'a>, &str) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.open(b'{')?;
        if !self.accepts(b'}') {
            loop {
                let name = self.string()?;
                self.expect(b':')?;
                if name.is_escaped {
                    member(self, &name.get())?;
                } else {
                    member(self, name.raw)?;
                }
                if !self.accepts(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// As [`Json::object`], for an object that comes in each line: `order` tells its members.
    #[inline]
    pub(super) fn object_in<M: Copy>(
        &mut self,
        order: &mut Order<M>,
        mut member: impl FnMut(&mut Json<'a>, M) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.open(b'{')?;
        if !self.accepts(b'}') {
            let mut place = 0;
            loop {
                let expected = order.expects(place, self.rest());
                let told = if let Some((told, bytes)) = expected {
                    self.at += bytes;
                    self.at += blanks(self.rest());
                    place += 1;
                    told
                } else {
                    let name = self.string()?;
                    self.expect(b':')?;
                    let told;
                    (told, place) = order.learn(place, name);
                    told
                };
                member(self, told)?;
                if !self.accepts(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Gives each element of the array that comes next to `element`, which reads the value.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Json<'a>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.open(b'[')?;
        if !self.accepts(b']') {
            loop {
                element(self)?;
                if !self.accepts(b',') {
                    break;
                }
            }
            self.expect(b']')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// The value that comes next.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let start = self.at;
        Ok(match self.peek() {
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b'{') => {
                self.object(|json, _| json.skip())?;
                Value::Nested(self.since(start)?)
            }
            Some(b'[') => {
                self.array(Json::skip)?;
                Value::Nested(self.since(start)?)
            }
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(Malformed),
        })
    }

    /// The value that comes next if it is a whole number of at most 19 digits; otherwise it stays unread.
    #[inline]
    pub(super) fn whole(&mut self) -> Option<u64> {
        let rest = self.rest();
        let (mut number, mut digits) = (0u64, 0);
        let next = loop {
            let byte = *rest.get(digits)?;
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break byte;
            }
            if digits == 19 {
                return None;
            }
            number = number * 10 + u64::from(digit);
            digits += 1;
        };
        let is_number = digits == 1 || (digits > 1 && rest.first() != Some(&b'0'));
        if !is_number || matches!(next, b'.' | b'e' | b'E') {
            return None;
        }
        self.at += digits;
        Some(number)
    }

    /// Passes over the value that comes next.
    pub(super) fn skip(&mut self) -> Result<(), Malformed> {
        self.value().map(|_| ())
    }

    /// Whether an object comes next.
    pub(super) fn is_at_object(&self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        let rest = self.rest();
        if blanks(rest) == rest.len() { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is not read yet.
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes over the byte if it comes next, and over the blanks around it.
    #[inline]
    fn accepts(&mut self, byte: u8) -> bool {
        // The place is kept out of memory as long as possible: each byte would wait for the one before it.
        let rest = self.rest();
        // Nearly every log is written without blanks.
        if let [next, after, ..] = rest
            && *next == byte
            && *after > b' '
        {
            self.at += 1;
            return true;
        }
        let before = blanks(rest);
        match rest.get(before..) {
            Some([next, after @ ..]) if *next == byte => {
                self.at += before + 1 + blanks(after);
                true
            }
            _ => {
                self.at += before;
                false
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.accepts(byte) { Ok(()) } else { Err(Malformed) }
    }

    fn open(&mut self, bracket: u8) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        self.expect(bracket)
    }

    fn since(&self, start: usize) -> Result<&'a str, Malformed> {
        self.text.get(start..self.at).ok_or(Malformed)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Malformed> {
        let rest = self.text.as_bytes().get(self.at..).ok_or(Malformed)?;
        if !rest.starts_with(word.as_bytes()) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'a>, Malformed> {
        let [b'"', rest @ ..] = self.rest() else { return Err(Malformed) };
        let start = self.at + 1;
        if self.is_plain {
            let length = length_before(b'"', rest).ok_or(Malformed)?;
            self.at = start + length + 1;
            return Ok(Text { raw: self.text.get(start..start + length).ok_or(Malformed)?, is_escaped: false });
        }
        let mut length = plain_length(rest);
        let mut is_escaped = false;
        loop {
            match rest.get(length..) {
                Some([b'"', ..]) => break,
                Some([b'\\', after @ ..]) => {
                    is_escaped = true;
                    length += 1 + escape(after)?;
                    length += plain_length(rest.get(length..).ok_or(Malformed)?);
                }
                _ => return Err(Malformed),
            }
        }
        self.at = start + length + 1;
        let raw = self.text.get(start..start + length).ok_or(Malformed)?;
        Ok(Text { raw, is_escaped })
    }

    #[inline]
    fn number(&mut self) -> Result<&'a str, Malformed> {
        let (start, rest) = (self.at, self.rest());
        let digits = |from: usize| {
            let count = rest.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
            if count > 0 { Ok(count) } else { Err(Malformed) }
        };
        let mut length = usize::from(rest.first() == Some(&b'-'));
        length += if rest.get(length) == Some(&b'0') { 1 } else { digits(length)? };
        if rest.get(length) == Some(&b'.') {
            length += 1 + digits(length + 1)?;
        }
        if let Some(b'e' | b'E') = rest.get(length) {
            length += 1 + usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            length += digits(length)?;
        }
        self.at += length;
        self.since(start)
    }
}

impl<'a> Value<'a> {
    /// The text of a string, or of a number as the log writes it; `None` for anything else.
    #[inline]
    pub(super) fn scalar(self) -> Option<Text<'a>> {
        match self {
            Value::Text(text) => Some(text),
            Value::Number(raw) => Some(Text { raw, is_escaped: false }),
            Value::Bool(_) | Value::Null | Value::Nested(_) => None,
        }
    }
}

impl<'a> Text<'a> {
    /// A string as the JSON text has it between its quotes.
    pub(super) fn of(raw: &'a str) -> Text<'a> {
        Text { raw, is_escaped: raw.contains('\\') }
    }

    /// With its escapes, if it has any.
    pub(super) fn raw(&self) -> &'a str {
        self.raw
    }

    /// Without escapes. Half a surrogate pair is no character and becomes U+FFFD.
    #[inline]
    pub(super) fn get(&self) -> Cow<'a, str> {
        if self.is_escaped { Cow::Owned(unescaped(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// How many blanks come first.
#[inline]
fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The length of an escape behind its backslash.
fn escape(rest: &[u8]) -> Result<usize, Malformed> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(1),
        [b'u', digits @ ..] if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => Ok(5),
        _ => Err(Malformed),
    }
}

fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let mut characters = rest[at + 1..].chars();
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let after = characters.as_str();
                let (character, used) = surrogates(after);
                text.push(character);
                characters = after.get(used..).unwrap_or_default().chars();
            }
            Some(character) => text.push(character),
            None => {}
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text
}

/// The character of `XXXX` or of `XXXX\uXXXX`, and how many bytes it takes.
fn surrogates(text: &str) -> (char, usize) {
    let unit = |from: usize| text.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let first = unit(0).unwrap_or(0xfffd);
    if let (0xd800..0xdc00, Some("\\u"), Some(second @ 0xdc00..0xe000)) = (first, text.get(4..6), unit(6)) {
        let code = 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00));
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

/// How many bytes come before that byte; `None` where it does not come.
#[inline]
fn length_before(byte: u8, bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = word.wrapping_sub(ONES) & !word & HIGH;
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let rest = words.len() * 8;
    bytes.get(rest..)?.iter().position(|&other| other == byte).map(|length| rest + length)
}

/// How many bytes come before a quote, a backslash or a control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The highest bit of a byte is set where it is 0 (or follows such a byte, which then does not count).
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        let special = zeros(word ^ (ONES * b'"' as u64))
            | zeros(word ^ (ONES * b'\\' as u64))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGH);
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().take_while(|&&byte| byte != b'"' && byte != b'\\' && byte >= 0x20).count()
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// As deep as serde_json goes.
const MAX_DEPTH: u32 = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Tree;

    use super::*;

    /// The whole text as serde_json would have it.
    fn tree(text: &str) -> Result<Tree, Malformed> {
        fn value(json: &mut Json<'_>) -> Result<Tree, Malformed> {
            match json.peek() {
                Some(b'{') => {
                    let mut members = serde_json::Map::new();
                    json.object(|json, name| {
                        members.insert(name.to_owned(), value(json)?);
                        Ok(())
                    })?;
                    Ok(Tree::Object(members))
                }
                Some(b'[') => {
                    let mut elements = Vec::new();
                    json.array(|json| {
                        elements.push(value(json)?);
                        Ok(())
                    })?;
                    Ok(Tree::Array(elements))
                }
                _ => Ok(match json.value()? {
                    Value::Text(text) => Tree::String(text.get().into_owned()),
                    Value::Number(number) => serde_json::from_str(number).unwrap_or(Tree::Null),
                    Value::Bool(value) => Tree::Bool(value),
                    Value::Null | Value::Nested(_) => Tree::Null,
                }),
            }
        }
        let mut json = Json::new(text);
        let tree = value(&mut json)?;
        json.end()?;
        Ok(tree)
    }

    fn skipped(text: &str) -> Result<(), Malformed> {
        let mut json = Json::new(text);
        json.skip()?;
        json.end()
    }

    /// Reads what serde_json reads, as the same values, and nothing else.
    fn agrees(text: &str) {
        match serde_json::from_str::<Tree>(text) {
            Ok(expected) => assert_eq!(tree(text).as_ref(), Ok(&expected), "{text}"),
            // It refuses half a surrogate pair and numbers beyond floating point, which are JSON all the same.
            Err(_) => {
                let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                assert!(tree(text).is_err() || is_json, "{text}");
            }
        }
        assert_eq!(skipped(text).is_ok(), tree(text).is_ok(), "{text}");
    }

    #[test]
    fn texts_at_the_edge_are_read_as_serde_json_reads_them() {
        for text in [
            r#"{"a":1,"a":2,"b":[true,false,null,{}],"c":"\u00e4\ud83d\ude00\/\n\\\""}"#,
            r#"{"\u0061":"x"}"#,
            " [ 1 , -0 , 0.5e+7 , 1E-2 ] ",
            "[1,]",
            "{,}",
            "{\"a\":}",
            "{\"a\" 1}",
            "01",
            "1.",
            "-",
            ".5",
            "1e",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"abc",
            "tru",
            "truely",
            "1 2",
            "",
            "{}x",
            "\"\u{e4}\u{1F600}\"",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        assert!(skipped(&("[".repeat(128) + &"]".repeat(128))).is_ok());
        assert!(skipped(&("[".repeat(129) + &"]".repeat(129))).is_err());
        assert!(skipped(&"[".repeat(1 << 20)).is_err());
    }

    #[test]
    fn half_a_surrogate_pair_is_no_character() {
        assert_eq!(Text::of(r"a\ud800b\udc00\ud800\u0041").get(), "a\u{fffd}b\u{fffd}\u{fffd}A");
    }

    #[test]
    fn quotes_backslashes_and_control_characters_are_found_at_every_place() {
        for length in 0..24 {
            for special in [b'"', b'\\', 0x1f, 0] {
                let mut bytes = vec![0x20 + length as u8 * 3; length];
                bytes.iter_mut().filter(|byte| matches!(**byte, b'"' | b'\\')).for_each(|byte| *byte = 0x80);
                bytes.extend([special, b'x', b'"', 0xff, 0x21, 0, b'z', b'y', b'w']);
                assert_eq!(plain_length(&bytes), length, "{bytes:?}");
            }
        }
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            Just(Tree::Null),
            any::<bool>().prop_map(Tree::Bool),
            any::<i64>().prop_map(Tree::from),
            // serde_json's own reading of a number may differ from its writing in the last digit.
            any::<i32>().prop_map(|number| Tree::from(f64::from(number) / 8.0)),
            ".{0,20}".prop_map(Tree::String),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Tree::Array),
                proptest::collection::vec((".{0,9}", inner), 0..6)
                    .prop_map(|members| Tree::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_it_was_written(expected in any_tree()) {
            prop_assert_eq!(tree(&expected.to_string()), Ok(expected.clone()));
            prop_assert_eq!(tree(&serde_json::to_string_pretty(&expected).unwrap()), Ok(expected));
        }

        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in "[\\[\\]{}:,\"a\\\\u0-9.eE+ -]{0,24}") {
            agrees(&text);
        }
    }
}
