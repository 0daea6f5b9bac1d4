//! The values of a row in one allocation, so that a million rows fit into a test's memory.

/// Length that stands for null. No value is so long: the table's options see to it.
const NULL: u16 = u16::MAX;

/// Values, each with its length before it.
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn of<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut bytes = Vec::with_capacity(96);
        for value in values {
            let length = value.and_then(|value| u16::try_from(value.len()).ok()).filter(|length| *length < NULL);
            bytes.extend_from_slice(&length.unwrap_or(NULL).to_le_bytes());
            if length.is_some() {
                bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
            }
        }
        Self(bytes.into_boxed_slice())
    }

    /// The values in the order they were given.
    pub(super) fn values(&self) -> impl Iterator<Item = Option<&str>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            let length = u16::from_le_bytes(*length);
            if length == NULL {
                rest = tail;
                return Some(None);
            }
            let (value, tail) = tail.split_at_checked(usize::from(length))?;
            rest = tail;
            Some(std::str::from_utf8(value).ok())
        })
    }

    /// One value; null, too, for a column that does not exist.
    pub(super) fn get(&self, column: usize) -> Option<&str> {
        self.values().nth(column).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let values = [Some("Doe"), None, Some(""), Some("jürgen@bücher.example")];
        let packed = Packed::of(values);
        assert_eq!(packed.values().collect::<Vec<_>>(), values);
        assert_eq!((packed.get(3), packed.get(1), packed.get(9)), (values[3], None, None));
    }
}
