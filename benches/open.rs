//! Opening a click's token: the signature alone, with its destination judged, and from the cache.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use reaid::edge::open_link;
use reaid::links::{LinkKeys, Policy, Recipient, Target};
use world::{jane, policy, token};

fn open(c: &mut Criterion) {
    let policy = Arc::new(policy());
    let campaign = token(&policy, Recipient::Anyone);
    let personal = token(&policy, Recipient::Person(jane().digest()));
    let mut group = c.benchmark_group("open");
    for (name, token) in [("campaign", &campaign), ("personal", &personal)] {
        group.bench_function(format!("{name} token"), |b| b.iter(|| open_token(&policy.links, black_box(token))));
        group.bench_function(format!("{name} link, judged"), |b| b.iter(|| open_and_judge(&policy, black_box(token))));
    }
    group.bench_function("campaign link, cached", |b| {
        b.iter(|| open_link(&policy, black_box(&campaign)).expect("opens"));
    });
    group.bench_function("personal link, never cached", |b| {
        b.iter(|| open_link(&policy, black_box(&personal)).expect("opens"));
    });
    let forged = format!("{}AAAA", &campaign[..campaign.len() - 4]);
    group.bench_function("forged link", |b| b.iter(|| open_link(&policy, black_box(&forged)).expect_err("forged")));
    group.finish();
}

fn open_token(links: &LinkKeys, token: &str) -> Target {
    links.open(token.as_bytes()).expect("opens").target
}

fn open_and_judge(policy: &Policy, token: &str) -> reaid::links::Accepted {
    let Target::Link(url) = open_token(&policy.links, token) else { unreachable!("a link") };
    policy.sites.readmit(&url).expect("a page of the shop")
}

criterion_group!(benches, open);
criterion_main!(benches);
