//! Every event is counted exactly once, whatever happens between two steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use reaid::campaign::{PersonOf, step};
use reaid::clock::Timestamp;
use reaid::store::campaigns::{Whole, find, progress, whole};
use reaid::store::{Agent, Event, EventId, Kept, Kind, Limits, State, Store, StoreError, Verdict, sweep};

const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

/// Longer than any event of these tests is old.
const LONG_AFTER: Duration = Duration::from_secs(1_000_000);

pub(crate) fn open(path: &Path) -> Store {
    let store = Store::open(path, Limits::of_size(1 << 30)).unwrap();
    store.set_door(|_| State::Kept);
    store
}

/// A person is told by the last digits of what stands for the REAID.
fn person_of() -> PersonOf {
    Arc::new(|_, reaid| reaid.parse().ok())
}

/// Puts events into the store, and waits until they are there.
pub(crate) fn append(store: &Store, events: impl IntoIterator<Item = Event>) {
    events.into_iter().for_each(|event| drop(store.append(event)));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.flush());
}

/// Counts until there is nothing more to count.
pub(crate) fn count_all(store: &Store, person_of: &PersonOf) -> u64 {
    let mut events = 0;
    loop {
        let step = step(store, person_of).unwrap();
        events += step.events;
        if !step.more {
            return events;
        }
    }
}

fn sweep_all(store: &Store) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kept = Kept { delivered: Duration::ZERO, dead: Duration::ZERO };
    runtime.block_on(sweep(store, kept, NOW.after(LONG_AFTER))).unwrap()
}

fn everything(store: &Store) -> Vec<Whole> {
    store
        .read_blocking(|c| find(c, None, None)?.into_iter().map(|one| whole(c, one, usize::MAX >> 1)).collect())
        .unwrap()
}

pub(crate) fn event(at: u64, kind: Kind, agent: Agent, number: u16, reaid: Option<&str>) -> Event {
    Event {
        id: EventId::new(*b"a-tester", at),
        at: NOW.after(Duration::from_secs(at)),
        kind,
        agent,
        verdict: Some(if reaid.is_some() { Verdict::Valid } else { Verdict::Missing }),
        account: "1234".into(),
        campaign: "demo".into(),
        number,
        reaid: reaid.map(str::to_owned),
        page: (kind == Kind::Click).then(|| format!("https://shop.example/p{number}?x=1")),
        cookies: Default::default(),
        withheld: false,
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let names = (0..3u8, 0..2u8, 0..5u16, 0..500u64);
    let closed = (any::<bool>(), 0..Agent::ALL.len(), 0..=Verdict::ALL.len(), 0..20u8);
    (names, closed).prop_map(|((campaign, account, number, at), (click, agent, verdict, person))| {
        let kind = if click { Kind::Click } else { Kind::Open };
        let verdict = Verdict::ALL.get(verdict).copied();
        let reaid = (verdict == Some(Verdict::Valid)).then(|| person.to_string());
        let event = event(at, kind, Agent::ALL[agent], number, reaid.as_deref());
        Event { verdict, account: format!("123{account}"), campaign: format!("c{campaign}"), ..event }
    })
}

#[derive(Clone, Debug)]
enum Act {
    Append(Vec<Event>),
    Step,
    Sweep,
    Reopen,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop::collection::vec(any_event(), 0..60).prop_map(Act::Append),
        3 => Just(Act::Step),
        1 => Just(Act::Sweep),
        1 => Just(Act::Reopen),
    ]
}

/// What the counters must say, by going through the events one by one.
type Naive =
    BTreeMap<(String, String), (BTreeMap<(u8, u8, u8), u64>, BTreeMap<u16, (u64, u64)>, [BTreeSet<String>; 2])>;

fn recount(events: &[Event]) -> Naive {
    let mut naive = Naive::new();
    for event in events {
        let of = naive.entry((event.campaign.clone(), event.account.clone())).or_default();
        *of.0.entry((event.kind as u8, event.agent as u8, event.verdict.map_or(99, |it| it as u8))).or_default() += 1;
        if event.kind == Kind::Click {
            let link = of.1.entry(event.number).or_default();
            link.0 += 1;
            link.1 += u64::from(event.agent == Agent::Human);
        }
        let person = event.agent == Agent::Human || (event.agent == Agent::Proxy && event.kind == Kind::Open);
        of.2[event.kind as usize].extend(event.reaid.clone().filter(|_| person));
    }
    naive
}

fn assert_counted(store: &Store, events: &[Event]) {
    let mut naive = recount(events);
    for one in everything(store) {
        let expected = naive.remove(&(one.campaign.campaign, one.campaign.account)).unwrap();
        let key =
            |it: &reaid::store::campaigns::Count| (it.kind as u8, it.agent as u8, it.verdict.map_or(99, |it| it as u8));
        assert_eq!(one.counts.iter().map(|it| (key(it), it.events)).collect::<BTreeMap<_, _>>(), expected.0);
        let links = one.links.iter().map(|it| (it.number, (it.clicks, it.human)));
        assert_eq!(links.collect::<BTreeMap<_, _>>(), expected.1);
        let about = |bytes: &Option<Vec<u8>>| {
            bytes.as_ref().map_or(0, |bytes| reaid::campaign::People::from_bytes(bytes).unwrap().about())
        };
        // So few are counted exactly.
        assert_eq!([about(&one.clicked), about(&one.opened)], expected.2.map(|people| people.len() as u64));
    }
    assert!(naive.is_empty(), "{naive:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_what_a_recount_of_all_events_says(acts in prop::collection::vec(any_act(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reaid.db");
        let (mut store, mut all, mut counted) = (open(&path), Vec::new(), 0);
        for act in acts {
            match act {
                Act::Append(events) => {
                    append(&store, events.clone());
                    all.extend(events);
                }
                Act::Step => counted += step(&store, &person_of()).unwrap().events,
                Act::Sweep => { sweep_all(&store); }
                Act::Reopen => {
                    drop(store);
                    store = open(&path);
                }
            }
            prop_assert_eq!(store.read_blocking(progress).unwrap().0, all.len() as u64 - counted);
            assert_counted(&store, &all[..counted as usize]);
        }
        count_all(&store, &person_of());
        assert_counted(&store, &all);
        prop_assert_eq!(step(&store, &person_of()).unwrap(), Default::default());
    }
}

#[test]
fn what_is_not_counted_is_not_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("reaid.db"));
    append(&store, (0..3000).map(|at| event(at, Kind::Click, Agent::Human, 1, None)));
    assert_eq!(sweep_all(&store), 0);
    assert_eq!(count_all(&store, &person_of()), 3000);
    append(&store, (0..10).map(|at| event(at, Kind::Open, Agent::Human, 0, None)));
    assert_eq!(sweep_all(&store), 3000);
    assert_eq!(store.read_blocking(progress).unwrap().0, 10);
    assert_eq!(count_all(&store, &person_of()), 10);
    assert_eq!(sweep_all(&store), 10);
    assert_eq!(store.read_blocking(progress).unwrap(), (0, None));
}

#[test]
fn a_step_that_cannot_be_written_counts_nothing_and_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reaid.db");
    let store = open(&path);
    let all: Vec<_> =
        (0..100u16).map(|n| event(n.into(), Kind::Click, Agent::Human, n, Some(&n.to_string()))).collect();
    append(&store, all.clone());
    // A campaign whose counters are full of a constraint that nothing fulfils: the last of many writes fails.
    let other = rusqlite::Connection::open(&path).unwrap();
    let trigger = "CREATE TRIGGER broken BEFORE INSERT ON campaign_people BEGIN SELECT raise(ABORT, 'no'); END";
    other.execute_batch(trigger).unwrap();
    assert!(matches!(step(&store, &person_of()), Err(StoreError::Sqlite(_))));
    assert_counted(&store, &[]);
    assert_eq!(sweep_all(&store), 0);
    other.execute_batch("DROP TRIGGER broken").unwrap();
    assert_eq!(count_all(&store, &person_of()), 100);
    assert_counted(&store, &all);
}

#[test]
fn two_who_count_at_once_count_every_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reaid.db");
    let stores = [open(&path), open(&path)];
    let all: Vec<_> =
        (0..20_000u64).map(|at| event(at, Kind::Open, Agent::Proxy, 0, Some(&(at % 50).to_string()))).collect();
    append(&stores[0], all.clone());
    let counted: u64 = std::thread::scope(|scope| {
        let counting: Vec<_> = stores.iter().map(|store| scope.spawn(|| count_all(store, &person_of()))).collect();
        counting.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(counted, 20_000);
    assert_counted(&stores[1], &all);
}

#[test]
fn people_whose_sketch_is_broken_are_counted_anew_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reaid.db");
    let store = open(&path);
    let click = |at: u64| event(at, Kind::Click, Agent::Human, 1, Some(&at.to_string()));
    append(&store, (0..5).map(click));
    count_all(&store, &person_of());
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE campaign_people SET sketch = x'00'", []).unwrap();
    append(&store, (5..8).map(click));
    assert_eq!(step(&store, &person_of()).unwrap().broken, 1);
    let demo = everything(&store).pop().unwrap();
    assert_eq!(reaid::campaign::People::from_bytes(&demo.clicked.unwrap()).unwrap().about(), 3);
    assert_eq!(demo.counts[0].events, 8);
}

#[test]
fn a_page_that_may_name_somebody_names_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("reaid.db"));
    let pages = [
        "https://shop.example/p?reaid=x#y",
        "https://shop.example/u/jane@example.org",
        "https://shop.example/%40jane",
        &"x".repeat(999),
    ];
    let clicks = pages.iter().zip(1..).map(|(page, number)| Event {
        page: Some((*page).to_owned()),
        ..event(1, Kind::Click, Agent::Human, number, None)
    });
    append(&store, clicks.collect::<Vec<_>>());
    count_all(&store, &person_of());
    let urls = everything(&store).pop().unwrap().links.into_iter().map(|link| link.url);
    assert_eq!(urls.collect::<Vec<_>>(), [Some("https://shop.example/p".to_owned()), None, None, None]);
}

/// Prints what counting costs: `cargo test --release --test campaign -- --ignored --nocapture backlog`.
#[test]
#[ignore = "a million events, for a figure"]
fn a_long_backlog_is_counted_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reaid.db");
    drop(open(&path));
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
        INSERT INTO event (id, at, kind, agent, verdict, account, campaign, number, reaid, page, state, due, since, done)
        SELECT zeroblob(16), 1796000000000 + i, i % 2, 0, 0, '1234', 'spring', i % 30, printf('%024d', i % 300000),
            'https://shop.example/p?x=1', 3, 0, 0, 1796000000000 FROM n";
    rusqlite::Connection::open(&path).unwrap().execute_batch(fill).unwrap();
    let house = crate::support::House::new(&crate::support::Settings::default());
    let (setup, _) = house.setup();
    let identities = setup.identities("shop").unwrap().clone();
    // Every REAID costs its hash; that these were never minted does not matter to it.
    let person: PersonOf = Arc::new(move |_, reaid| {
        let number: u64 = reaid.parse().unwrap();
        identities.person(crate::support::JANE).map(|jane| jane ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    });
    let store = open(&path);
    let began = std::time::Instant::now();
    let (mut steps, mut longest) = (0u32, Duration::ZERO);
    loop {
        let at = std::time::Instant::now();
        let step = step(&store, &person).unwrap();
        (steps, longest) = (steps + 1, longest.max(at.elapsed()));
        if !step.more {
            break;
        }
    }
    let took = began.elapsed();
    let demo = everything(&store).pop().unwrap();
    let people = reaid::campaign::People::from_bytes(&demo.clicked.unwrap()).unwrap().about();
    eprintln!("1,000,000 events in {took:?}: {steps} steps, the longest {longest:?}; about {people} people clicked");
    assert_eq!(demo.counts.iter().map(|count| count.events).sum::<u64>(), 1_000_000);
}
