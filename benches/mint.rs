//! From a person to a REAID, beside the two HMACs that it is made of: the rest is our overhead.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use reaid::clock::Timestamp;
use reaid::identity::{Digest, EmailAddress, Secret, Suppressed, Suppression, SuppressionKey, Word};
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

/// What every click with a REAID asks (first), every personal link and every minter (second), with 100,000 people suppressed.
fn suppressed(criterion: &mut Criterion) {
    let key = SuppressionKey::derive(&Secret::from_bytes([9; 32]));
    let identities = identities();
    let record = |number: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        let digest = Digest::from_bytes(digest);
        let (tag, reaids) = (key.tag(&digest), vec![identities.mint(&digest)]);
        Suppression { tag, word: Word::Erased, at: Timestamp::from_secs(1), reaids }
    };
    let records: Vec<_> = (0..100_000).map(record).collect();
    let set = Suppressed::of(Some(key), &records);
    let digest = jane().digest();
    let reaid = identities.mint(&digest);
    let mut group = criterion.benchmark_group("suppressed");
    group.bench_function("asked by REAID", |b| b.iter(|| set.has_reaid(black_box(&reaid))));
    group.bench_function("asked by digest", |b| b.iter(|| set.has(black_box(&digest))));
    group.bench_function("asked by REAID while nobody is", |b| {
        let nobody = Suppressed::default();
        b.iter(|| nobody.has_reaid(black_box(&reaid)));
    });
    group.finish();
}

criterion_group!(benches, mint, suppressed);
criterion_main!(benches);
