//! Rewriting newsletters, beside lol_html reading the same document with the same selectors and
//! changing nothing: the difference is what judging, signing and splicing cost.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lol_html::{HtmlRewriter, Settings, element};
use reaid::links::{Campaign, LinkMaker, Policy};
use reaid::rewrite::{self, Format, Linker, Options, Shop};
use world::{HOST, account, policy};

/// The newsletter that ships with the project.
const NEWSLETTER: &str = include_str!("../assets/newsletter.html");

/// Where a large mail service clips: few newsletters are larger.
const LARGE: usize = 100_000;

/// The newsletter with its body repeated up to [`LARGE`].
fn large() -> String {
    let (head, rest) = NEWSLETTER.split_once("<body").expect("a body");
    let (body, tail) = rest.rsplit_once("</body>").expect("a body's end");
    let (attributes, body) = body.split_once('>').expect("a start tag");
    let times = (LARGE - head.len()) / body.len();
    format!("{head}<body{attributes}>{}</body>{tail}", body.repeat(times))
}

fn rewritten(policy: &Policy, document: &str) -> usize {
    let campaign = Campaign::parse("autumn-2026").expect("a campaign");
    let shops = [Shop { account: account(), merge_field: "${reaid}".to_owned() }];
    let base_url = format!("https://{HOST}");
    let maker = LinkMaker { keys: &policy.links, base_url: &base_url, campaign: &campaign };
    let linker = Linker { sites: &policy.sites, shops: &shops, maker, pixel: &shops[0] };
    let patterns = ["unsubscribe".to_owned(), "preferences".to_owned()];
    let options =
        Options { linker: &linker, unsubscribe_patterns: &patterns, address_attributes: &[], utm: &[], pixel: true };
    rewrite::rewrite(document.as_bytes(), Format::Html, options).expect("a newsletter").report.rewritten()
}

fn parsed(document: &str) -> usize {
    let mut links = 0;
    let handler = element!("a[href], area[href], base[href], img[src]", |_| {
        links += 1;
        Ok(())
    });
    let settings = Settings::new().with_strict(false).append_element_content_handler(handler);
    let mut parser = HtmlRewriter::new(settings, |_: &[u8]| {});
    parser.write(document.as_bytes()).expect("a newsletter");
    parser.end().expect("a newsletter");
    links
}

fn bench(c: &mut Criterion) {
    let (policy, large) = (policy(), large());
    let mut group = c.benchmark_group("rewrite");
    for (name, document) in [("newsletter", NEWSLETTER), ("100 kB", &large)] {
        println!("{name}: {} bytes, {} links rewritten", document.len(), rewritten(&policy, document));
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_with_input(BenchmarkId::new("lol_html alone", name), document, |b, document| {
            b.iter(|| parsed(black_box(document)));
        });
        group.bench_with_input(BenchmarkId::new("find links", name), document, |b, document| {
            b.iter(|| rewrite::html::find(black_box(document.as_bytes())).expect("a newsletter"));
        });
        group.bench_with_input(BenchmarkId::new("rewrite", name), document, |b, document| {
            b.iter(|| rewritten(&policy, black_box(document)));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
