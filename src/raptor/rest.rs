//! What an answer says beside what is read of it: whether there is more than came. How Raptor would say that is not
//! documented; every usual way is understood, at any depth, because a part that passes for the whole takes people out
//! of their audiences. Pure; keeps nothing, whatever comes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// What the other fields of an answer say.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Whether there is more.
    more: bool,
    /// The largest number of what there is in all.
    total: u64,
}

impl Rest {
    /// What reads the value of a field that nobody knows.
    pub(super) fn field(&mut self, name: &str) -> Field<'_> {
        let says = Says::of(name);
        Field { rest: self, says }
    }

    /// Whether what came, so many, is all.
    pub(super) fn is_nothing_beyond(&self, count: u64) -> bool {
        !self.more && self.total <= count
    }
}

/// What a name means for its value, and for all that is in it.
#[derive(Clone, Copy)]
enum Says {
    /// Whatever is set here is where one would go on.
    More,
    /// How many there are.
    Total,
    /// How many pages there are; what came is one.
    Pages,
    /// What a link leads to.
    Rel,
    Nothing,
}

impl Says {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["next", "more", "continuation", "cursor", "truncated"]) {
            Self::More
        } else if has(&["totalpages", "total_pages", "pagecount", "page_count"]) {
            Self::Pages
        } else if has(&["total"]) {
            Self::Total
        } else if name == "rel" {
            Self::Rel
        } else {
            Self::Nothing
        }
    }
}

/// Reads one value.
pub(super) struct Field<'a> {
    rest: &'a mut Rest,
    says: Says,
}

impl Field<'_> {
    fn number<E: Error>(self, found: u64) -> Result<(), E> {
        match self.says {
            Says::More => self.rest.more = true,
            Says::Pages => self.rest.more |= found > 1,
            Says::Total => self.rest.total = self.rest.total.max(found),
            Says::Rel | Says::Nothing => {}
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, found: bool) -> Result<(), E> {
        if found { self.number(u64::MAX) } else { Ok(()) }
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<(), E> {
        self.number(found)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, found: f64) -> Result<(), E> {
        self.number(found as u64)
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<(), E> {
        match (self.says, found.trim().parse()) {
            (Says::Rel, _) => self.rest.more |= found.eq_ignore_ascii_case("next"),
            (Says::More, _) => self.rest.more |= !found.is_empty(),
            (_, Ok(number)) => return self.number(number),
            (_, Err(_)) => {}
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while all.next_element_seed(Field { rest: &mut *self.rest, says: self.says })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while let Some(name) = all.next_key::<String>()? {
            let says = match (self.says, Says::of(&name)) {
                (outer, Says::Nothing) => outer,
                (_, own) => own,
            };
            all.next_value_seed(Field { rest: &mut *self.rest, says })?;
        }
        Ok(())
    }
}
