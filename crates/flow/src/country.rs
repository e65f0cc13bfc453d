//! Countries.

use std::fmt;

use iso3166_static::{Alpha2, Alpha3};

/// A country by its two-letter code (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of a two- or three-letter code in either case; `None` where there is no such country.
    pub fn from_code(code: &str) -> Option<Country> {
        let code = code.to_ascii_uppercase();
        let alpha2 = match code.len() {
            2 => code.parse::<Alpha2>().ok()?,
            3 => Alpha2::try_from(code.parse::<Alpha3>().ok()?).ok()?,
            _ => return None,
        };
        Some(Country(*alpha2.to_string().as_bytes().first_chunk()?))
    }

    /// The two-letter code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_countries_are_countries() {
        assert_eq!(Country::from_code("de").unwrap().code(), "DE");
        assert_eq!(Country::from_code("USA"), Country::from_code("US"));
        assert_eq!(["JJ", "", "-", "Germany", "D\u{e9}"].map(Country::from_code), [None; 5]);
    }
}
