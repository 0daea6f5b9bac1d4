//! What is judged of whom.

use proptest::prelude::*;

use super::*;

const JANE: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";
const JANE_KEY_2: &str = "AmK0C-jW6A1JEqC1xYKQplV1";
const EMIL: &str = "AWin7WhZveucDx74Dr9bx1XZ";
const EARLIER: Timestamp = Timestamp::from_secs(1000);
const SEEN: Timestamp = Timestamp::from_secs(2000);
const NOW: Timestamp = Timestamp::from_secs(3000);

fn id() -> ProfileId {
    ProfileId::from_i64(1).unwrap()
}

fn sighting(held: &str, wanted: &str) -> Sighting {
    let wanted = Wanted::Reaid(wanted.into());
    Sighting { id: id(), held: Some(held.into()), wanted, blank: false, known: None }
}

fn confirmed(value: &str, at: Timestamp) -> Option<Known> {
    Some(Known { confirmed: Some((Stamp::of(value), at)), ..Known::default() })
}

fn judged(sighting: &Sighting) -> Action {
    judge(sighting, SEEN, NOW).action
}

fn cause(sighting: &Sighting) -> Option<Cause> {
    match judged(sighting) {
        Action::Write(change) => Some(change.cause),
        _ => None,
    }
}

#[test]
fn a_difference_is_written_with_its_cause() {
    let failed = Some(Known { failures: 2, ..Known::default() });
    let cases = [
        (None, "", JANE, Cause::New),
        (None, "AVCX2Xn3aHNLYEVZLOeLQLnM ", JANE, Cause::New),
        (failed, "", JANE, Cause::Retry),
        (confirmed(JANE, EARLIER), "scribble", JANE, Cause::Drifted),
        (confirmed(EMIL, EARLIER), EMIL, JANE, Cause::Changed),
        (confirmed(JANE, EARLIER), JANE, JANE_KEY_2, Cause::Rotated),
        (Some(Known::default()), "scribble", JANE, Cause::Drifted),
    ];
    for (known, held, wanted, expected) in cases {
        assert_eq!(cause(&Sighting { known, ..sighting(held, wanted) }), Some(expected), "{expected:?}");
    }
}

#[test]
fn what_holds_what_it_must_is_left_and_a_memory_that_differs_learns() {
    assert_eq!(judged(&sighting(JANE, JANE)), Action::Right(None));
    let of = |known| judged(&Sighting { known, ..sighting(JANE, JANE) });
    assert_eq!(of(confirmed(JANE, EARLIER)), Action::Right(None));
    assert_eq!(of(confirmed(EMIL, EARLIER)), Action::Right(Some(Stamp::of(JANE))));
    assert_eq!(of(Some(Known { failures: 1, ..Known::default() })), Action::Right(Some(Stamp::of(JANE))));
}

#[test]
fn a_suppressed_person_has_an_empty_attribute() {
    let held = Sighting { wanted: Wanted::None, known: confirmed(JANE, EARLIER), ..sighting(JANE, "") };
    let Action::Write(change) = judged(&held) else { panic!("not cleared") };
    assert!(change.clears() && change.lane() == Lane::Clear);
    let empty = Sighting { wanted: Wanted::None, ..sighting("", "") };
    assert_eq!(judged(&empty), Action::Right(Some(Stamp::of(""))), "and is remembered as one");
    assert_eq!(judged(&Sighting { known: confirmed("", EARLIER), ..empty }), Action::Right(None));
}

#[test]
fn without_a_valid_address_the_attribute_becomes_empty() {
    for (blank, skip) in [(true, Skip::EmptyAddress), (false, Skip::InvalidAddress("no @".into()))] {
        let was = Sighting { wanted: Wanted::Invalid("no @".into()), blank, ..sighting(JANE, "") };
        let verdict = judge(&was, SEEN, NOW);
        let Action::Write(change) = verdict.action else { panic!("not cleared") };
        assert_eq!((change.clears(), change.cause, verdict.skip), (true, Cause::NoAddress, Some(skip.clone())));
        let empty = judge(&Sighting { held: Some(String::new()), ..was }, SEEN, NOW);
        assert_eq!((empty.action, empty.skip), (Action::Right(None), Some(skip)));
    }
}

#[test]
fn a_source_older_than_our_last_confirmed_write_changes_nothing() {
    let of = |confirmed_value, at| judged(&Sighting { known: confirmed(confirmed_value, at), ..sighting("old", JANE) });
    assert_eq!(of(JANE, SEEN), Action::Right(None));
    assert_eq!(of(EMIL, SEEN), Action::Outdated);
    assert!(matches!(of(JANE, EARLIER), Action::Write(_)));
    assert!(matches!(of(JANE, NOW.after(std::time::Duration::from_secs(1))), Action::Write(_)), "a wrong clock");
}

#[test]
fn what_an_import_is_writing_is_not_written_again() {
    let pending = |value| Some(Known { pending: Some(Stamp::of(value)), ..Known::default() });
    let of = |known| judged(&Sighting { known, ..sighting("", JANE) });
    assert_eq!(of(pending(JANE)), Action::Pending { overtaken: false });
    assert_eq!(of(pending(EMIL)), Action::Pending { overtaken: true });
}

#[test]
fn a_source_without_the_attribute_relies_on_our_memory() {
    let of = |known, wanted| judged(&Sighting { known, held: None, wanted, ..sighting("", "") });
    let jane = || Wanted::Reaid(JANE.into());
    assert!(matches!(of(None, jane()), Action::Write(_)));
    assert_eq!(of(confirmed(JANE, EARLIER), jane()), Action::Right(None));
    assert!(matches!(of(confirmed(EMIL, EARLIER), jane()), Action::Write(_)));
    assert_eq!(of(None, Wanted::None), Action::Right(None));
    assert!(matches!(of(confirmed(JANE, EARLIER), Wanted::None), Action::Write(_)));
}

#[test]
fn a_stamp_knows_the_key_and_hides_the_rest() {
    assert_eq!((Stamp::of(JANE).key_id, Stamp::of("").key_id), (Some(1), None));
    assert_ne!(Stamp::of(JANE), Stamp::of(EMIL));
    let Action::Write(change) = judged(&sighting("", JANE)) else { panic!("not written") };
    assert_eq!(format!("{change:?} {:?}", sighting("", JANE)), "Change(1, new) Sighting(1, Reaid(…), None)");
}

proptest! {
    #[test]
    fn doing_what_is_judged_leaves_nothing_to_do(held in "[ab]?", kind in 0..3, failures in 0_u64..3, memory in "[abJ]?") {
        let wanted = [Wanted::None, Wanted::Invalid("no".into()), Wanted::Reaid(JANE.into())][kind as usize].clone();
        let known = (!memory.is_empty()).then(|| Known { failures, ..confirmed(&memory, EARLIER).unwrap() });
        let mut seen = Sighting { wanted, known, ..sighting(&held, "") };
        if let Action::Write(change) = judged(&seen) {
            seen.known = confirmed(&change.reaid, SEEN);
            seen.held = Some(change.reaid);
        }
        prop_assert!(matches!(judged(&seen), Action::Right(_)));
    }
}
