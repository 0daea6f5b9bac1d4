//! A document as html5ever, a browser's parser, sees it: the independent judge of what rewriting did.

use html5ever::tendril::TendrilSink as _;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// One line of a flattened document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// An element: depth, name, attributes in order.
    Element(usize, String, Vec<(String, String)>),
    /// Text; neighbours are one.
    Text(String),
    /// A comment.
    Comment(String),
}

/// All of the document, in order.
pub(crate) fn lines(html: &[u8]) -> Vec<Line> {
    let mut options = ParseOpts::default();
    // As lol_html: the content of <noscript> is text.
    options.tree_builder.scripting_enabled = true;
    let dom = parse_document(RcDom::default(), options).one(String::from_utf8_lossy(html).as_ref());
    let mut lines = Vec::new();
    flatten(&dom.document, 0, &mut lines);
    lines
}

fn flatten(node: &Handle, depth: usize, lines: &mut Vec<Line>) {
    match &node.data {
        NodeData::Element { name, attrs, template_contents, .. } => {
            let attributes = attrs.borrow().iter().map(|a| (a.name.local.to_string(), a.value.to_string())).collect();
            lines.push(Line::Element(depth, name.local.to_string(), attributes));
            if let Some(contents) = &*template_contents.borrow() {
                flatten(contents, depth + 1, lines);
            }
        }
        NodeData::Text { contents } => push_text(&contents.borrow(), lines),
        NodeData::Comment { contents } => lines.push(Line::Comment(contents.to_string())),
        _ => {}
    }
    for child in node.children.borrow().iter() {
        flatten(child, depth + 1, lines);
    }
}

fn push_text(text: &str, lines: &mut Vec<Line>) {
    match lines.last_mut() {
        Some(Line::Text(last)) => last.push_str(text),
        _ => lines.push(Line::Text(text.to_owned())),
    }
}

/// Targets of `a` and `area`.
pub(crate) fn targets(lines: &[Line]) -> Vec<String> {
    let hrefs = lines.iter().filter_map(|line| match line {
        Line::Element(_, name, attributes) if is_link(name) => attributes.iter().find(|(name, _)| name == "href"),
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
                attributes.iter_mut().filter(|(name, _)| name == "href").for_each(|(_, value)| value.clear());
                kept.push(Line::Element(*depth, name.clone(), attributes));
            }
            Line::Text(text) => push_text(text, &mut kept),
            other => kept.push(other.clone()),
        }
    }
    kept
}

fn is_link(name: &str) -> bool {
    matches!(name, "a" | "area")
}

fn is_pixel(attributes: &[(String, String)], pixel: &str) -> bool {
    attributes.iter().any(|(name, value)| name == "src" && value.starts_with(pixel))
}
