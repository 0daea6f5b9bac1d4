//! What Actito says about a refusal, made fit for a log.
//!
//! Promise: short, printable, and without anything that could be an address, a REAID, a key or a token.

use std::fmt;

use serde_json::Value;

/// A sentence of theirs says what is wrong within this.
const LONGEST: usize = 160;

/// A word as long as this could be a REAID (24 characters), a key or a token.
const LONGEST_WORD: usize = 20;

/// A cleaned message; empty when there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(String);

impl Message {
    /// The message of a body as in `{"status":400,"message":"…"}`.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let said = serde_json::from_slice::<Value>(body).ok();
        Self::clean(said.as_ref().and_then(|said| said.get("message")?.as_str()).unwrap_or_default())
    }

    /// Cleans any text of theirs.
    pub(super) fn clean(text: &str) -> Self {
        let mut clean = String::new();
        for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
            let word = if may_be_personal(word) { "…" } else { word };
            if word.is_empty() || clean.len() + word.len() > LONGEST {
                continue;
            }
            if !clean.is_empty() {
                clean.push(' ');
            }
            clean.push_str(word);
        }
        Self(clean)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn may_be_personal(word: &str) -> bool {
    let run = word.split(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')));
    word.contains('@') || word.contains("%40") || run.map(str::len).max().unwrap_or(0) >= LONGEST_WORD
}

impl fmt::Display for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => out.write_str("no message"),
            text => write!(out, "“{text}”"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        Message::of_body(serde_json::json!({"status": 400, "message": text}).to_string().as_bytes()).to_string()
    }

    #[test]
    fn a_sentence_is_kept() {
        assert_eq!(of("The file\n exceeds 100 MB"), "“The file exceeds 100 MB”");
        assert_eq!(Message::of_body(b"<html>").to_string(), "no message");
        assert_eq!(Message::of_body(b"{}").to_string(), "no message");
    }

    #[test]
    fn what_may_name_a_person_or_open_a_door_is_left_out() {
        assert_eq!(of("no profile jane@example.org (emailAddress=jane%40example.org)"), "“no profile … …”");
        assert_eq!(of("value AVCX2Xn3aHNLYEVZLOeLQLnM, row 2"), "“value … row 2”");
    }

    #[test]
    fn a_long_message_is_cut() {
        assert!(of(&"word ".repeat(1000)).chars().count() <= LONGEST + 2);
    }
}
