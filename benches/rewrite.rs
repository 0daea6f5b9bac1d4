//! Rewriting newsletters, beside `lol_html` reading the same document with the same selectors and changing
//! nothing: the difference is what judging, signing, splicing and the report cost. Both in turn, in CPU time.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod world;

use std::borrow::Cow;
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use lol_html::{ElementContentHandlers, HtmlRewriter, Settings, doc_comments};
use reaid::links::{Campaign, Destination, HostPattern, LinkMaker, Policy, SiteId, Sites};
use reaid::rewrite::{self, Format, Linker, Options, Outcome, Report, Shop};
use world::cpu::{self, Pair};
use world::{HOST, account, policy};

/// The newsletter that ships with the project.
const NEWSLETTER: &str = include_str!("../assets/newsletter.html");

/// Where a large mail service clips: few newsletters are larger.
const LARGE: usize = 100_000;

/// What rewriting looks at in a page.
const SELECTORS: &str = "a, area[href], base[href], img[src], rbody, svg, math, select, frameset, template, col, \
    v\\:shape, v\\:shapetype, v\\:group, v\\:rect, v\\:roundrect, v\\:oval, v\\:image, v\\:line, v\\:polyline, v\\:curve, \
    v\\:arc, v\\:background, v\\:textbox, v\\:fill";

const ROUNDS: usize = 15;
/// Of each round, for either side: long against what the clock shows.
const BYTES: usize = 8 << 20;

fn main() {
    let mut newsletters = vec![("newsletter.html".to_owned(), NEWSLETTER.to_owned()), ("100 kB of it".into(), large())];
    newsletters.extend(corpus());
    println!("MB of newsletter a second of CPU, {ROUNDS} rounds in turn:");
    println!("{:28} {:>7} {:>6} {:>8} {:>8} {:>9}  ratio", "", "bytes", "links", "rewrite", "parse", "unsigned");
    for (name, document) in &newsletters {
        measure(name, document);
    }
}

fn measure(name: &str, document: &str) {
    let bench = Bench::of(document);
    let report = bench.rewritten();
    let times = (BYTES / document.len()).max(1) as u32;
    let of = |work: &dyn Fn() -> usize| {
        let before = cpu::of_thread();
        for _ in 0..times {
            black_box(work());
        }
        (cpu::of_thread() - before) / times
    };
    let pair = Pair::measure(ROUNDS, || of(&|| bench.rewritten().rewritten()), || of(&|| parsed(document)));
    let rewritten = report.links.iter().filter(|link| matches!(link.outcome, Outcome::Rewritten { .. }));
    let pages: Vec<_> = rewritten.filter_map(|link| Destination::parse(&link.original).ok()).collect();
    let signing = of(&|| bench.signed(&pages)).as_secs_f64() * 1e6;
    let ((ours, theirs), (ratio, least, most)) = (pair.medians(), pair.ratio());
    let speed = |micros: f64| document.len() as f64 / micros;
    println!(
        "{name:28} {:7} {:6} {:8.1} {:8.1} {:9.1}   {:.2} of the parse ({:.2} to {:.2}), {:.2} without signing",
        document.len(),
        report.rewritten(),
        speed(ours),
        speed(theirs),
        speed(ours - signing),
        1.0 / ratio,
        1.0 / most,
        1.0 / least,
        theirs / (ours - signing),
    );
}

struct Bench<'d> {
    document: &'d str,
    policy: Policy,
    campaign: Campaign,
    shops: [Shop; 1],
    patterns: [String; 2],
}

impl<'d> Bench<'d> {
    /// A shop with all hosts of the document, so that all of its pages are rewritten.
    fn of(document: &'d str) -> Self {
        let hosts = document.split("href=\"").filter_map(|link| Destination::parse(link.split('"').next()?).ok());
        let hosts: Vec<_> = hosts.filter_map(|link| HostPattern::parse(link.host()).ok()).collect();
        let base = Destination::parse(&format!("https://{HOST}")).expect("a URL");
        let sites = Sites::new([hosts.as_slice()], vec![], vec![base]);
        let policy = Policy { sites, accounts: [(account(), SiteId(0))].into(), ..policy() };
        Self {
            document,
            policy,
            campaign: Campaign::parse("autumn-2026").expect("a campaign"),
            shops: [Shop { account: account(), merge_field: "${reaid}".to_owned(), consent_field: None }],
            patterns: ["unsubscribe".to_owned(), "preferences".to_owned()],
        }
    }

    fn maker<'b>(&'b self, base_url: &'b str) -> LinkMaker<'b> {
        LinkMaker { keys: &self.policy.links, base_url, campaign: &self.campaign }
    }

    fn rewritten(&self) -> Report {
        let base_url = format!("https://{HOST}");
        let maker = self.maker(&base_url);
        let linker = Linker { sites: &self.policy.sites, shops: &self.shops, maker, pixel: &self.shops[0] };
        let patterns = &self.patterns;
        let options =
            Options { linker: &linker, unsubscribe_patterns: patterns, address_attributes: &[], utm: &[], pixel: true };
        rewrite::rewrite(self.document.as_bytes(), Format::Html, options).expect("a newsletter").report
    }

    /// Signs once more what was rewritten.
    fn signed(&self, pages: &[Destination]) -> usize {
        let (base_url, account) = (format!("https://{HOST}"), account());
        let maker = self.maker(&base_url);
        (1..).zip(pages).map(|(number, page)| maker.campaign_link(page, number, &account).len()).sum()
    }
}

fn parsed(document: &str) -> usize {
    let mut seen = 0;
    let handler = ElementContentHandlers::default().element(|_: &mut lol_html::html_content::Element<'_, '_>| {
        seen += 1;
        Ok(())
    });
    let settings = Settings::new()
        .append_element_content_handler((Cow::Owned(SELECTORS.parse().expect("selectors")), handler))
        .append_document_content_handler(doc_comments!(|_| Ok(())));
    let mut parser = HtmlRewriter::new(settings, |_: &[u8]| {});
    parser.write(document.as_bytes()).expect("a newsletter");
    parser.end().expect("a newsletter");
    seen
}

/// The newsletter with its body repeated up to [`LARGE`].
fn large() -> String {
    let (head, rest) = NEWSLETTER.split_once("<body").expect("a body");
    let (body, tail) = rest.rsplit_once("</body>").expect("a body's end");
    let (attributes, body) = body.split_once('>').expect("a start tag");
    let times = (LARGE - head.len()) / body.len();
    format!("{head}<body{attributes}>{}</body>{tail}", body.repeat(times))
}

/// Newsletters of others, when `REAID_CORPUS` names their folder.
fn corpus() -> Vec<(String, String)> {
    let Some(folder) = env::var_os("REAID_CORPUS").map(PathBuf::from) else { return vec![] };
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "html")).collect();
    pages.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::read_to_string(path).ok().map(|page| (name, page))
    };
    pages.into_iter().filter_map(read).collect()
}
