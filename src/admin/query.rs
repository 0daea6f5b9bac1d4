//! The parameters of an admin request: each known, each at most once.

use url::form_urlencoded;

use super::error::Error;

/// Values by the place of their name in `names`.
///
/// # Errors
/// A parameter is none of `names`, or stands twice; `expected` lists them for people. What stood there is
/// not repeated: it may be an address.
pub(super) fn read<const N: usize>(
    query: Option<&str>,
    names: [&'static str; N],
    expected: &'static str,
) -> Result<[Option<String>; N], Error> {
    let mut values = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let at = names.iter().position(|known| *known == name);
        match at.map(|at| &mut values[at]) {
            Some(place @ None) => *place = Some(value.into_owned()),
            Some(Some(_)) | None => return Err(Error::Parameters(expected)),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_and_stand_once() {
        let read = |query| read(Some(query), ["a", "b"], "a and b").ok();
        assert_eq!(read(""), Some([None, None]));
        assert_eq!(read("b=x%20y+z"), Some([None, Some("x y z".to_owned())]));
        assert_eq!(read("a=&b"), Some([Some(String::new()), Some(String::new())]));
        assert_eq!((read("c=1"), read("a=1&a=1")), (None, None));
    }
}
