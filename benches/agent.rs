//! What it costs to tell what kind of program asks: of a person's browser, which nothing is known of and
//! everything has to be looked for, of a crawler, and of an image proxy.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use reaid::edge::{Agents, OwnAgents};

const NAMES: [(&str, &str); 5] = [
    (
        "iphone",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    ),
    (
        "chrome",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    (
        "in an app",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22F76 [FBAN/FBIOS;FBAV/515.0.0.46.108;FBBV/735173812;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/18.5;FBSS/3;FBCR/;FBID/phone;FBLC/da_DK;FBOP/80]",
    ),
    ("crawler", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    ("image proxy", "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"),
];

fn agent(c: &mut Criterion) {
    let agents = Agents::new(OwnAgents::default()).expect("our own words");
    let mut group = c.benchmark_group("agent");
    for (of, name) in NAMES {
        group.bench_function(of, |b| b.iter(|| agents.named(black_box(name.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, agent);
criterion_main!(benches);
