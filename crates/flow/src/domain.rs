//! Whose name it is.

/// The domain that somebody registered and under which the name lies: its last two labels, or three where the last one is
/// of a country and the one before it of a kind (`co.uk`, `com.au`). `None` where the name ends in no top-level domain:
/// those are letters alone, unless they start with `xn--`, and at most 63 of them.
///
/// No list of public suffixes is asked: the few domains that are registered deeper are told by their upper part.
///
/// ```
/// use flow::registered_domain;
/// assert_eq!(registered_domain("a.b.example.co.uk"), Some("example.co.uk"));
/// assert_eq!(registered_domain("dnscat.0a1b2c"), None);
/// ```
pub fn registered_domain(name: &str) -> Option<&str> {
    let mut labels = name.rsplit('.');
    let (top, second) = (labels.next()?, labels.next()?);
    let is_top =
        top.starts_with("xn--") || (2..=24).contains(&top.len()) && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_top || second.is_empty() {
        return None;
    }
    let is_kind = top.len() == 2 && KINDS.contains(&second);
    let third = labels.next().filter(|_| is_kind);
    let length = top.len() + 1 + second.len() + third.map_or(0, |third| third.len() + 1);
    name.get(name.len() - length..)
}

/// What countries' registries part their domains into.
const KINDS: [&str; 17] = [
    "com", "co", "net", "org", "edu", "gov", "gob", "gouv", "mil", "ac", "or", "ne", "go", "ltd", "plc", "nom", "info",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_top_level_domain_has_no_registered_one() {
        assert_eq!(["wpad", "", ".", "10.0.0.1", "x.0123456789abcdef"].map(registered_domain), [None; 5]);
    }

    #[test]
    fn short_domains_of_countries_are_their_own() {
        assert_eq!(registered_domain("data.t.co"), Some("t.co"));
        assert_eq!(registered_domain("co.uk"), Some("co.uk"));
        assert_eq!(registered_domain("a.xn--p1ai"), Some("a.xn--p1ai"));
    }
}
