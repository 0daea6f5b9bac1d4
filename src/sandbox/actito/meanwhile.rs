//! What somebody else does to the table between two calls of a client, as a fault asks.

use crate::sandbox::State;
use crate::sandbox::faults::Meanwhile;
use crate::sandbox::table::{Table, TableError};

/// Does it, to the profile named or to the one that `chance` chooses. A profile that is not there any
/// more is left alone: that, too, happens.
pub(super) fn happen(state: &State, change: Meanwhile, profile_id: Option<u64>, chance: u64) {
    let email = &state.options.email_attribute;
    // Grows with every change of the table, so that an address made of it is a new one.
    let revision = *state.actito.changed.borrow();
    state
        .write(|table| {
            let count = table.len().max(1) as u64;
            let pick = |chance: u64| usize::try_from(chance % count).ok().and_then(|nth| table.id_at(nth));
            let Some(id) = profile_id.or_else(|| pick(chance)) else { return Ok(()) };
            let fresh = format!("moved.{id}.{revision}@example.org");
            match change {
                Meanwhile::Delete => table.remove(id),
                Meanwhile::ChangeAddress => table.force(id, &[(email, Some(&fresh))]),
                Meanwhile::DoubleAddress => {
                    let other = another(table, id, email);
                    table.force(id, &[(email, other.as_deref())])
                }
                Meanwhile::InvalidAddress => table.force(id, &[(email, Some("no address at all"))]),
                Meanwhile::EmptyAddress => table.force(id, &[(email, Some(""))]),
                Meanwhile::Add => table.add(&[(email, Some(&format!("added.{revision}@example.org")))]).map(|_| ()),
            }
        })
        .unwrap_or_else(|error: TableError| tracing::debug!(kind = error.kind(), "sandbox: nothing to change"));
}

/// The address of the first other profile that has one.
fn another(table: &Table, id: u64, email: &str) -> Option<String> {
    let others = table.page(0, 3).into_iter().filter(|profile| profile.id != id);
    others.filter_map(|profile| profile.get(email).map(str::to_owned)).find(|address| !address.is_empty())
}
