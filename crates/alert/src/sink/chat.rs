//! A message for a chat, as incoming web hooks of Slack, Mattermost and Teams take it.

use serde_json::{Value, json};

use super::{Observer, text};
use crate::Alert;

/// `{"text": ...}`. Names from the network page nobody, link to nothing and end no line.
pub(super) fn message(alert: &Alert, observer: &Observer) -> Value {
    let text = harmless(&format!("{} (seen by {})", text::line(alert), observer.host));
    json!({ "text": text })
}

/// A text without mentions, markup of Slack (`<!channel>`) or links of Markdown. A space of no width stands behind what
/// would begin one.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in flow::plain(text).chars() {
        match letter {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '@' => shown.push_str("@\u{200b}"),
            ']' => shown.push_str("]\u{200b}"),
            letter => shown.push(letter),
        }
    }
    // What looks like an address is made a link, and fetched for a preview, by the chat itself.
    shown.replace("://", ":\u{200b}//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_pages_nobody_and_links_to_nothing() {
        assert_eq!(harmless("<!channel> @here"), "&lt;!channel&gt; @\u{200b}here");
        assert_eq!(harmless("[a](http://b)"), "[a]\u{200b}(http:\u{200b}//b)");
    }
}
