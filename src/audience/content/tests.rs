//! Files and what is in them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::people::matcher_of;
use super::super::sorting::Sorter;
use super::*;

fn form(max_size: u64, too_large: TooLarge) -> Form {
    Form { header: "emailAddress".into(), separator: b';', max_size, too_large }
}

fn sorted(members: &[String]) -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(folder.path());
    members.iter().for_each(|member| sorter.push(&Member::kept(member)).unwrap());
    Fresh::Whole(sorter.finish().unwrap())
}

fn write(fresh: &Fresh, old: Option<&Base>, form: &Form) -> Result<Written, ContentError> {
    let folder = tempfile::tempdir().unwrap();
    fresh.write(old, form, &matcher_of(&["m1", "m2", "m3"], &["gone"]), folder.path(), 1)
}

fn base(written: Written) -> Base {
    let drafts: Vec<Draft> = written.drafts.into_iter().map(|draft| Arc::try_unwrap(draft).unwrap()).collect();
    let files = drafts.iter().map(|draft| (draft.file.try_clone().unwrap(), draft.hash.as_str())).collect();
    Base::verified(files, b';').unwrap().unwrap()
}

fn names(members: Members) -> Vec<String> {
    members.map(|member| member.unwrap().as_str().to_owned()).collect()
}

fn text(draft: &Draft) -> String {
    let mut text = String::new();
    reader(&Arc::new(draft.file.try_clone().unwrap())).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_file_has_a_header_and_every_member_once_and_nobody_who_is_not_to_be_known() {
    let members = ["m2", "m1", "gone", "m2", "a;\"b"].map(str::to_owned);
    let written = write(&sorted(&members), None, &form(1000, TooLarge::Refuse)).unwrap();
    let draft = &written.drafts[0];
    assert_eq!(text(draft), "emailAddress\nm1\nm2\n\"a;\"\"b\"\n");
    assert_eq!(draft.bytes, text(draft).len() as u64);
    assert_eq!((written.members, written.matched, written.erased, written.added), (3, 2, 1, 3));
    assert_eq!(names(base(written).members()), ["m1", "m2", "a;\"b"]);
}

#[test]
fn what_does_not_fit_is_refused_with_its_size_or_split_and_never_cut() {
    let members: Vec<String> = (0..500).map(|number| format!("person-{number:04}")).collect();
    let refused = write(&sorted(&members), None, &form(1000, TooLarge::Refuse)).unwrap_err();
    assert!(matches!(refused, ContentError::TooLarge { found: 6013, limit: 1000 }), "{refused}");
    let written = write(&sorted(&members), None, &form(1000, TooLarge::Split)).unwrap();
    assert!(written.drafts.len() >= 7 && written.drafts.iter().all(|draft| draft.bytes <= 1000));
    assert_eq!(written.members, 500);
    assert_eq!(names(base(written).members()), members);
}

#[test]
fn whoever_moves_when_there_are_more_files_moves_into_a_new_one() {
    for (before, number) in [(1, 500), (2, 500), (3, 900)] {
        let members: Vec<String> = (0..number).map(|number| format!("person-{number:04}")).collect();
        let folder = tempfile::tempdir().unwrap();
        let write = |members: &[String], limit| {
            let (form, people) = (form(limit, TooLarge::Split), matcher_of(&[], &[]));
            sorted(members).write(None, &form, &people, folder.path(), before).unwrap().drafts
        };
        let (old, new) = (write(&members, 1_000_000), write(&members, 1000));
        assert!(old.len() == before && new.len() > before && new.len() % before == 0, "{} of {before}", new.len());
        for (at, draft) in old.iter().enumerate() {
            let was = text(draft);
            let stays = text(&new[at]);
            assert!(stays.lines().all(|line| was.lines().any(|other| other == line)), "part {at} only loses");
        }
    }
}

#[test]
fn a_file_that_somebody_changed_is_no_base() {
    let written = write(&sorted(&["m1".to_owned()]), None, &form(1000, TooLarge::Refuse)).unwrap();
    let file = written.drafts[0].file.try_clone().unwrap();
    assert!(Base::verified(vec![(file, "other")], b';').unwrap().is_none());
}

proptest! {
    #[test]
    fn changes_on_top_of_what_was_sent_are_the_audience_of_now(
        before in prop::collection::btree_set("[a-d]{1,3}", 0..30), changes in prop::collection::btree_map("[a-d]{1,3}", any::<bool>(), 0..20),
        limit in 60u64..200,
    ) {
        let form = form(limit, TooLarge::Split);
        let before: Vec<String> = before.into_iter().collect();
        let old = base(write(&sorted(&before), None, &form).unwrap());
        let mut now: BTreeSet<String> = before.iter().cloned().collect();
        for (name, comes) in &changes {
            if *comes { now.insert(name.clone()); } else { now.remove(name); }
        }
        let was: BTreeSet<String> = before.into_iter().collect();
        let delta = Arc::new(changes.iter().map(|(name, comes)| (Member::kept(name), *comes)).collect());
        let written = write(&Fresh::Changed(old.clone(), delta), Some(&old), &form).unwrap();
        prop_assert_eq!(written.added as usize, now.difference(&was).count());
        prop_assert_eq!(written.removed as usize, was.difference(&now).count());
        let mut expected: Vec<Member> = now.iter().map(|name| Member::kept(name)).collect();
        expected.sort();
        let expected: Vec<String> = expected.iter().map(|member| member.as_str().to_owned()).collect();
        prop_assert_eq!(names(base(written).members()), expected);
    }
}
