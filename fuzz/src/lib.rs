//! The small world that all targets share: two keys, two shops, one click domain. Nothing in it
//! changes, so that an input that found something finds it again.

use std::sync::LazyLock;

use reaid::identity::{Identities, Key, KeyId, Keyring, Secret};
use reaid::links::{Account, Campaign, Destination, HostPattern, LinkKeys, LinkMaker, Sites};
use reaid::rewrite::{Linker, Options, Shop};

/// Where the click links live.
pub const BASE_URL: &str = "https://click.shop.example";

/// The hosts of the two shops.
pub const HOSTS: [&[&str]; 2] = [&["shop.example", "*.shop.example"], &["sister.example:8443", "bücher.example"]];

/// What the e-mail platform of each shop replaces by the recipient's REAID; the second holds quotes.
pub const MERGE_FIELDS: [&str; 2] = ["${reaid}", "{{ contact.reaid | default: \"\" }}"];

/// Bytes 00…1f and 20…3f, as in the published vectors.
pub static SECRETS: LazyLock<[Secret; 2]> =
    LazyLock::new(|| [0, 32].map(|first| Secret::from_bytes(std::array::from_fn(|at| first + at as u8))));

/// Signs with key 2, opens with both.
pub static LINKS: LazyLock<LinkKeys> = LazyLock::new(|| LinkKeys::derive(&keyring(2)));

/// Signs with key 1.
pub static OLDER_LINKS: LazyLock<LinkKeys> = LazyLock::new(|| LinkKeys::derive(&keyring(1)));

/// Checks REAIDs of scope `shop`.
pub static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| Identities::derive(&keyring(1), "shop"));

/// Judges destinations.
pub static SITES: LazyLock<Sites> = LazyLock::new(|| {
    let patterns = HOSTS.map(|hosts| hosts.iter().map(|h| HostPattern::parse(h).expect("a host")).collect::<Vec<_>>());
    let base = Destination::parse(BASE_URL).expect("a URL");
    Sites::new(patterns.iter().map(Vec::as_slice), vec![], vec![base])
});

/// The campaign of everything that is signed here.
pub static CAMPAIGN: LazyLock<Campaign> = LazyLock::new(|| Campaign::parse("demo").expect("a campaign"));

static SHOPS: LazyLock<[Shop; 2]> = LazyLock::new(|| {
    let shop = |account, merge_field: &str| Shop {
        account: Account::parse(account).expect("an account"),
        merge_field: merge_field.to_owned(),
        consent_field: None,
    };
    [shop("1234", MERGE_FIELDS[0]), shop("1235", MERGE_FIELDS[1])]
});

static WORDS: LazyLock<[Vec<String>; 2]> = LazyLock::new(|| [vec!["unsubscribe".into()], vec!["mail1".into()]]);

/// Calls `with` with what a newsletter is rewritten by.
pub fn rewriting<T>(pixel: bool, with: impl FnOnce(Options<'_>) -> T) -> T {
    let maker = LinkMaker { keys: &LINKS, base_url: BASE_URL, campaign: &CAMPAIGN };
    let linker = Linker { sites: &SITES, shops: &*SHOPS, maker, pixel: &SHOPS[0] };
    let [unsubscribe, address] = &*WORDS;
    with(Options { linker: &linker, unsubscribe_patterns: unsubscribe, address_attributes: address, utm: &[], pixel })
}

/// Whether `host` is on the lists of [`HOSTS`], decided by other means than the code under test.
pub fn is_listed(url: &url::Url) -> bool {
    match (url.host_str().unwrap_or_default(), url.port()) {
        ("click.shop.example", None) => false,
        ("shop.example" | "xn--bcher-kva.example", None) | ("sister.example", Some(8443)) => true,
        (host, None) => host.strip_suffix(".shop.example").is_some_and(|labels| !labels.is_empty()),
        _ => false,
    }
}

fn keyring(active: u8) -> Keyring {
    let keys = [1_u8, 2].into_iter().zip(&*SECRETS).map(|(id, secret)| Key {
        id: KeyId::new(id).expect("1 to 200"),
        secret: secret.clone(),
        created: None,
        retired: None,
    });
    let active = KeyId::new(active).expect("1 to 200");
    Keyring::new(active, active, keys.collect(), None).expect("a keyring")
}
