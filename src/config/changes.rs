//! What differs between two readings of `proxy.toml`.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Config;

impl Config {
    /// The keys whose values differ, with their tables, as in `edge.listen`; of a list of tables, as in
    /// `site.hosts`, it is not said which.
    pub fn changes(&self, newer: &Self) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        compare_tables(&self.written, &newer.written, "", &mut changed);
        changed
    }
}

fn compare_tables(old: &Table, new: &Table, path: &str, changed: &mut BTreeSet<String>) {
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(old, new, &path, changed),
            // A table that is new or gone is named by its keys, so that each can be judged.
            (Some(Value::Table(only)), None) | (None, Some(Value::Table(only))) if !only.is_empty() => {
                changed.extend(only.keys().map(|key| format!("{path}.{key}")));
            }
            _ => drop(changed.insert(path)),
        }
    }
}

fn compare(old: &Value, new: &Value, path: &str, changed: &mut BTreeSet<String>) {
    match (old, new) {
        (Value::Table(old), Value::Table(new)) => compare_tables(old, new, path, changed),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() && old.iter().all(Value::is_table) => {
            old.iter().zip(new).for_each(|(old, new)| compare(old, new, path, changed));
        }
        _ if old != new => drop(changed.insert(path.to_owned())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let changes = |old: &str, new: &str| {
            let mut changed = BTreeSet::new();
            compare_tables(&old.parse().unwrap(), &new.parse().unwrap(), "", &mut changed);
            Vec::from_iter(changed).join(" ")
        };
        let old = "[edge]\nlisten = ['a']\nwait = '1s'\n[[site]]\nhosts = ['x']\n[[site]]\nhosts = ['y']\n";
        assert_eq!(changes(old, &format!("# a comment\n\n{old}")), "");
        assert_eq!(changes(old, &old.replace("'a'", "'a', 'b'")), "edge.listen");
        assert_eq!(changes(old, &old.replace("'y'", "'z'")), "site.hosts");
        assert_eq!(changes(old, &old.replace("wait = '1s'\n", "")), "edge.wait");
        assert_eq!(changes(old, &format!("{old}[[site]]\nhosts = []")), "site");
        assert_eq!(changes(old, &format!("{old}[edge.tls]\ncertificate = 'c'")), "edge.tls.certificate");
        assert_eq!(changes("", old), "edge.listen edge.wait site");
    }
}
