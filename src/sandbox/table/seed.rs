//! The profiles a sandbox starts with: invented people, the same ones every time.

/// From this many profiles on, a few awkward ones are among them.
const AWKWARD_FROM: usize = 20;

const FIRST: [&str; 10] = ["Jane", "John", "Maria", "Lars", "Anna", "Peter", "Sofie", "Emil", "Clara", "Noah"];
const LAST: [&str; 7] = ["Doe", "Jensen", "Martin", "Peeters", "Novak", "Rossi", "Berg"];
const LANGUAGES: [&str; 3] = ["EN", "FR", "NL"];

/// One person to be.
pub(super) struct Person {
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    pub(super) language: &'static str,
    pub(super) address: String,
}

/// The first `count` people. With 20 or more, numbers 16 to 20 are awkward: an empty address, an
/// invalid one, two that are the same but for their case, an internationalised one.
pub(super) fn people(count: usize) -> impl Iterator<Item = Person> {
    (1..=count).map(move |number| {
        let (first, last) = (FIRST[(number - 1) % FIRST.len()], LAST[(number - 1) % LAST.len()]);
        let awkward = if count >= AWKWARD_FROM { awkward(number) } else { None };
        Person {
            first,
            last,
            language: LANGUAGES[(number - 1) % LANGUAGES.len()],
            address: awkward.map_or_else(|| address(first, last, number), str::to_owned),
        }
    })
}

fn address(first: &str, last: &str, number: usize) -> String {
    format!("{}.{}.{number}@example.org", first.to_lowercase(), last.to_lowercase())
}

fn awkward(number: usize) -> Option<&'static str> {
    match number {
        16 => Some(""),
        17 => Some("no address at all"),
        18 => Some("emil.peeters.18@example.org"),
        19 => Some("Emil.Peeters.18@Example.org"),
        20 => Some("jürgen@bücher.example"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_the_same_every_time_and_awkward_only_in_company() {
        let addresses = |count| people(count).map(|person| person.address).collect::<Vec<_>>();
        assert_eq!(addresses(60), addresses(60));
        assert_eq!(addresses(1), ["jane.doe.1@example.org"]);
        assert!(addresses(19).iter().all(|address| address.ends_with("@example.org")));
        let many = addresses(20);
        assert_eq!(many[15], "");
        assert_eq!(many[17].to_lowercase(), many[18].to_lowercase());
        assert_eq!(many[19], "jürgen@bücher.example");
    }
}
