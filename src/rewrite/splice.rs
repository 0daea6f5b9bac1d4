//! Puts new bytes into a document and leaves all others as they are.

use std::ops::Range;

/// One replacement: the bytes in `range` become `with`; an empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub range: Range<usize>,
    /// What replaces it.
    pub with: Vec<u8>,
    /// The number of the link whose target this is; a pixel has none.
    pub link: Option<usize>,
}

/// The document with all edits made. Edits must not overlap; their order does not matter.
pub fn splice(document: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = Vec::with_capacity(length(document, &edits));
    let mut position = 0;
    for edit in &edits {
        debug_assert!(position <= edit.range.start, "edits overlap");
        out.extend_from_slice(&document[position..edit.range.start]);
        out.extend_from_slice(&edit.with);
        position = edit.range.end;
    }
    out.extend_from_slice(&document[position..]);
    out
}

/// How long the document is with all edits made.
pub fn length(document: &[u8], edits: &[Edit]) -> usize {
    edits.iter().fold(document.len(), |length, edit| length + edit.with.len() - edit.range.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, with: &str) -> Edit {
        Edit { range, with: with.as_bytes().to_vec(), link: None }
    }

    #[test]
    fn edits_replace_and_insert_and_nothing_else_moves() {
        assert_eq!(splice(b"abc\xffdef", vec![edit(5..6, "X"), edit(1..2, ""), edit(7..7, "!")]), b"ac\xffdXf!");
        assert_eq!(splice(b"\xff", vec![]), b"\xff");
    }
}
