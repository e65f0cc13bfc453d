//! Words of the vocabulary as text, there and back: in JSON each is the string that people read.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Endpoint, Protocol, State, Time};

/// A text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct Unreadable(pub &'static str);

/// Serializes by `Display`, reads back by `FromStr`.
macro_rules! as_text {
    ($($word:ty),*) => {$(
        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$word, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(|error| D::Error::custom(format_args!("`{}` is {error}", crate::printable(&text))))
            }
        }
    )*};
}

as_text!(Endpoint, Protocol, State, Time);
