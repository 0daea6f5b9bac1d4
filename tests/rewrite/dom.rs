//! A document as html5ever, a browser's parser, sees it: the independent judge of what rewriting did.
//!
//! As in a mail client, no script runs. What a conditional comment encloses is parsed as a document of its
//! own, as Outlook would.

use html5ever::tendril::TendrilSink as _;
use html5ever::{Attribute, ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use serde::Deserialize;

/// Comments in comments in comments are followed this far.
const MAX_COMMENTS: usize = 4;

/// One line of a flattened document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Line {
    /// An element: depth, name, attributes in order.
    Element(usize, String, Vec<(String, String)>),
    /// Text; neighbours are one.
    Text(String),
    /// A comment, or what a conditional one begins with.
    Comment(String),
}

/// All of the document, in order.
pub(crate) fn lines(html: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    parse(&String::from_utf8_lossy(html), 0, &mut lines);
    lines
}

fn parse(html: &str, comments: usize, lines: &mut Vec<Line>) {
    let mut options = ParseOpts::default();
    options.tree_builder.scripting_enabled = false;
    let dom = parse_document(RcDom::default(), options).one(html);
    flatten(&dom.document, 0, comments, lines);
}

fn flatten(node: &Handle, depth: usize, comments: usize, lines: &mut Vec<Line>) {
    match &node.data {
        NodeData::Element { name, attrs, template_contents, .. } => {
            let attributes = attrs.borrow().iter().map(|a| (attribute_name(a), a.value.to_string())).collect();
            lines.push(Line::Element(depth, name.local.to_string(), attributes));
            if let Some(contents) = &*template_contents.borrow() {
                flatten(contents, depth + 1, comments, lines);
            }
        }
        NodeData::Text { contents } => push_text(&contents.borrow(), lines),
        NodeData::Comment { contents } => match condition(contents) {
            Some((condition, content)) if comments < MAX_COMMENTS => {
                lines.push(Line::Comment(condition.to_owned()));
                parse(content, comments + 1, lines);
            }
            _ => lines.push(Line::Comment(contents.to_string())),
        },
        _ => {}
    }
    for child in node.children.borrow().iter() {
        flatten(child, depth + 1, comments, lines);
    }
}

fn attribute_name(attribute: &Attribute) -> String {
    let prefix = attribute.name.prefix.as_ref().map_or_else(String::new, |prefix| format!("{{{prefix}}}"));
    format!("{prefix}{}", attribute.name.local)
}

/// `[if mso]>` and what follows it.
fn condition(comment: &str) -> Option<(&str, &str)> {
    let word = comment.trim_ascii_start().strip_prefix('[')?.trim_ascii_start();
    let is_if =
        word.to_ascii_lowercase().starts_with("if") && !word[2..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let close = comment.find([']', '<', '>']).filter(|at| comment[*at..].starts_with(']'))?;
    let end = comment[close..].find('>').map(|at| close + at)?;
    let is_closed = comment[close + 1..end].chars().all(|c| c.is_ascii_whitespace());
    (is_if && is_closed).then(|| comment.split_at(end + 1))
}

fn push_text(text: &str, lines: &mut Vec<Line>) {
    match lines.last_mut() {
        Some(Line::Text(last)) => last.push_str(text),
        _ => lines.push(Line::Text(text.to_owned())),
    }
}

/// Where elements lead.
pub(crate) fn targets(lines: &[Line]) -> Vec<String> {
    let hrefs = lines.iter().filter_map(|line| match line {
        Line::Element(_, name, attributes) if is_link(name) => {
            ["href", "{xlink}href"].iter().find_map(|wanted| attributes.iter().find(|(name, _)| name == wanted))
        }
        _ => None,
    });
    hrefs.map(|(_, value)| value.clone()).collect()
}

/// The document without targets and without images whose source begins with `pixel`.
pub(crate) fn without_targets_and_pixel(lines: &[Line], pixel: &str) -> Vec<Line> {
    let mut kept = Vec::new();
    for line in lines {
        match line {
            Line::Element(_, name, attributes) if name == "img" && is_pixel(attributes, pixel) => {}
            Line::Element(depth, name, attributes) if is_link(name) => {
                let mut attributes = attributes.clone();
                let targets = attributes.iter_mut().filter(|(name, _)| matches!(name.as_str(), "href" | "{xlink}href"));
                targets.for_each(|(_, value)| value.clear());
                kept.push(Line::Element(*depth, name.clone(), attributes));
            }
            Line::Text(text) => push_text(text, &mut kept),
            other => kept.push(other.clone()),
        }
    }
    kept
}

fn is_link(name: &str) -> bool {
    matches!(name, "a" | "area") || name.starts_with("v:")
}

fn is_pixel(attributes: &[(String, String)], pixel: &str) -> bool {
    attributes.iter().any(|(name, value)| name == "src" && value.starts_with(pixel))
}
