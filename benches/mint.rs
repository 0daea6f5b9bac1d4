//! From a person to a REAID, beside the two HMACs that it is made of: the rest is our overhead.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use reaid::identity::EmailAddress;
use ring::hmac;
use world::{identities, jane};

fn mint(c: &mut Criterion) {
    let (identities, digest) = (identities(), jane().digest());
    let reaid = identities.mint(&digest);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let mut group = c.benchmark_group("mint");
    group.bench_function("two bare HMACs", |b| {
        b.iter(|| {
            let id = hmac::sign(&key, black_box(digest.as_bytes()));
            hmac::sign(&key, &id.as_ref()[..14])
        });
    });
    group.bench_function("REAID from digest", |b| b.iter(|| identities.mint(black_box(&digest))));
    group.bench_function("REAID from address", |b| {
        b.iter(|| {
            let address = EmailAddress::parse(black_box(" Jane.Doe@Example.ORG ")).expect("an address");
            identities.mint(&address.digest())
        });
    });
    group.bench_function("REAID from address, not ASCII", |b| {
        b.iter(|| {
            let address = EmailAddress::parse(black_box("jürgen@bücher.example")).expect("an address");
            identities.mint(&address.digest())
        });
    });
    group.bench_function("check a REAID", |b| {
        b.iter(|| identities.verify(black_box(reaid.as_str().as_bytes())).expect("checks"));
    });
    group.finish();
}

criterion_group!(benches, mint);
criterion_main!(benches);
