//! Puts new bytes into a document and leaves all others as they are.

use std::ops::Range;

/// One replacement: the bytes in `range` become `with`; an empty range inserts.
#[derive(Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub range: Range<usize>,
    /// What replaces it.
    pub with: String,
}

/// The document with all edits made. Edits must not overlap; their order does not matter.
pub fn splice(document: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = Vec::with_capacity(document.len() + edits.iter().map(|edit| edit.with.len()).sum::<usize>());
    let mut position = 0;
    for edit in &edits {
        debug_assert!(position <= edit.range.start, "edits overlap");
        out.extend_from_slice(&document[position..edit.range.start]);
        out.extend_from_slice(edit.with.as_bytes());
        position = edit.range.end;
    }
    out.extend_from_slice(&document[position..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, with: &str) -> Edit {
        Edit { range, with: with.to_owned() }
    }

    #[test]
    fn edits_replace_and_insert_and_nothing_else_moves() {
        assert_eq!(splice(b"abc\xffdef", vec![edit(5..6, "X"), edit(1..2, ""), edit(7..7, "!")]), b"ac\xffdXf!");
        assert_eq!(splice(b"\xff", vec![]), b"\xff");
    }
}
