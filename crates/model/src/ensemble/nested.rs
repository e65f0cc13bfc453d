//! Methods and models within others, no deeper than anybody means.

use std::cell::Cell;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads what may hold its like, and that its like again: refused beyond a few levels, because every level takes room on
/// the stack and a file from outside may claim any number of them.
pub(crate) fn nested<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let depth = DEPTH.get();
    if depth >= DEEPEST {
        return Err(D::Error::custom(format!("an ensemble of ensembles more than {DEEPEST} levels deep")));
    }
    DEPTH.set(depth + 1);
    let value = T::deserialize(deserializer);
    DEPTH.set(depth);
    value
}

thread_local! {
    static DEPTH: Cell<u8> = const { Cell::new(0) };
}

const DEEPEST: u8 = 4;

#[cfg(test)]
mod tests {
    use crate::Method;

    #[test]
    fn ensembles_of_ensembles_end_somewhere() {
        let nest = |levels: usize| {
            let text = format!(
                "{}{{\"majority\": {{}}}}{}",
                "{\"voting\": {\"parts\": [".repeat(levels),
                "]}}".repeat(levels)
            );
            serde_json::from_str::<Method>(&text)
        };
        assert!(nest(3).is_ok());
        assert!(nest(5).is_err() && nest(60).is_err());
        assert!(nest(3).is_ok());
    }
}
