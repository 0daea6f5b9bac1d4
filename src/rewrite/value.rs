//! A link target as text in which the merge fields are known.
//!
//! Character references are decoded in the text but never inside merge fields: the e-mail platform
//! reads the raw bytes, so `<%= a && b %>` must come out as it went in.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr3;

use super::entities;
use super::html::Quote;
use super::merge_field;

/// Text with merge fields, decoded and stripped as a browser strips a URL: white space and control
/// characters at the ends, tabs and line breaks anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    text: String,
    fields: Vec<Range<usize>>,
}

impl From<String> for Value {
    /// Text that holds no merge fields.
    fn from(text: String) -> Self {
        Self { text, fields: Vec::new() }
    }
}

impl Value {
    /// Reads an attribute's value as it stands in the document.
    pub fn from_raw(raw: &str) -> Self {
        Self::read(raw, |text| entities::decode(text))
    }

    /// Reads a URL as it stands in plain text, where `&amp;` means what it says.
    pub fn from_plain(raw: &str) -> Self {
        Self::read(raw, Cow::Borrowed)
    }

    fn read<'r>(raw: &'r str, decode: impl Fn(&'r str) -> Cow<'r, str>) -> Self {
        let mut value = Self::from(String::with_capacity(raw.len()));
        let mut end = 0;
        for field in merge_field::find(raw) {
            value.push_stripped(&decode(&raw[end..field.start]));
            end = field.end;
            value.push_field(&raw[field]);
        }
        value.push_stripped(&decode(&raw[end..]));
        value.trimmed()
    }

    fn push_stripped(&mut self, text: &str) {
        if memchr3(b'\t', b'\n', b'\r', text.as_bytes()).is_some() {
            text.split(['\t', '\n', '\r']).for_each(|part| self.push_text(part));
        } else {
            self.push_text(text);
        }
    }

    /// Adds text, which will be escaped.
    pub fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a merge field, whose bytes will stay as they are.
    pub fn push_field(&mut self, field: &str) {
        let start = self.text.len();
        self.text.push_str(field);
        self.fields.push(start..self.text.len());
    }

    /// Adds a part of another value, merge fields included. A part that cuts a merge field in two
    /// takes its inner half as text.
    pub fn push_part(&mut self, from: &Self, part: Range<usize>) {
        let mut position = part.start;
        for field in from.fields_in(&part) {
            self.push_text(&from.text[position..field.start]);
            self.push_field(&from.text[field.clone()]);
            position = field.end;
        }
        self.push_text(&from.text[position..part.end]);
    }

    /// The whole text, merge fields as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, when nothing else is asked any more.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The places of the merge fields.
    pub fn fields(&self) -> &[Range<usize>] {
        &self.fields
    }

    /// The merge fields that lie inside `part`.
    pub fn fields_in<'v>(&'v self, part: &Range<usize>) -> impl Iterator<Item = &'v Range<usize>> {
        let part = part.clone();
        self.fields.iter().filter(move |field| part.start <= field.start && field.end <= part.end)
    }

    /// The first place in `part`, outside merge fields, where `wanted` stands.
    pub fn find(&self, part: &Range<usize>, wanted: impl Fn(u8) -> bool) -> Option<usize> {
        part.clone()
            .find(|&at| wanted(self.text.as_bytes()[at]) && !self.fields.iter().any(|field| field.contains(&at)))
    }

    /// Whether character references or stripped bytes hid a merge field from the raw reading.
    pub fn hides_fields(&self) -> bool {
        merge_field::find(&self.text) != self.fields
    }

    /// Whether a merge field holds this character.
    pub fn fields_hold(&self, character: char) -> bool {
        self.fields.iter().any(|field| self.text[field.clone()].contains(character))
    }

    /// The value as it is written between quotes of this kind.
    pub fn escaped(&self, quote: Quote) -> String {
        let mut out = String::with_capacity(self.text.len() + 32);
        let mut position = 0;
        for field in &self.fields {
            entities::escape_into(&mut out, &self.text[position..field.start]);
            entities::keep_into(&mut out, &self.text[field.clone()], quote);
            position = field.end;
        }
        entities::escape_into(&mut out, &self.text[position..]);
        out
    }

    fn trimmed(mut self) -> Self {
        let is_stripped = |c: char| c <= ' ';
        self.text.truncate(self.text.trim_end_matches(is_stripped).len());
        let front = self.text.len() - self.text.trim_start_matches(is_stripped).len();
        if front == 0 {
            return self;
        }
        self.text.drain(..front);
        for field in &mut self.fields {
            *field = field.start - front..field.end - front;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_and_merge_fields_are_not() {
        let value = Value::from_raw(" \n https://x/?a=1&amp;b=<%= c &amp;&amp; d %>&amp;\te ");
        assert_eq!(value.text(), "https://x/?a=1&b=<%= c &amp;&amp; d %>&e");
        assert_eq!(value.escaped(Quote::Double), "https://x/?a=1&amp;b=<%= c &amp;&amp; d %>&amp;e");
    }

    #[test]
    fn plain_text_has_no_character_references() {
        let value = Value::from_plain("https://x/?a=1&amp;b=\r\n${c}");
        assert_eq!((value.text(), value.fields().len()), ("https://x/?a=1&amp;b=${c}", 1));
    }

    #[test]
    fn a_separator_inside_a_merge_field_is_none() {
        let value = Value::from_raw("/p?a={{ x | append: '&#?' }}&b#c");
        let all = 0..value.text().len();
        assert_eq!(value.find(&all, |byte| byte == b'&'), value.text().find("&b"));
        assert_eq!(value.find(&all, |byte| byte == b'#'), value.text().find("#c"));
    }

    #[test]
    fn a_hidden_merge_field_is_noticed() {
        for raw in ["/p?a=&#36;{sku}", "/p?a=&lt;%= sku %&gt;", "/p?a=$\n{sku}"] {
            assert!(Value::from_raw(raw).hides_fields(), "{raw}");
        }
        assert!(!Value::from_raw("/p?a=${sku}&amp;b=1").hides_fields());
    }

    #[test]
    fn parts_keep_their_merge_fields() {
        let value = Value::from_raw("a=${b}&c=${d}&e");
        let mut part = Value::default();
        part.push_part(&value, 7..value.text().len());
        assert_eq!(part, Value::from_raw("c=${d}&e"));
    }
}
