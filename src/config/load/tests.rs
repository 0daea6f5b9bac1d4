//! Configurations, right and wrong.

mod activations;

use super::super::{Assumed, AudienceDestination, CertificateOf, ReferenceFile};
use super::*;

const SMALLEST: &str = r#"[edge]
listen = ["127.0.0.1:8080"]
base_url = "http://127.0.0.1:8080/"
[admin]
token = { file = "data/admin-token" }
[keys]
path = "data/keyring.toml"
[store]
path = "data/reaid.db"
[[integration]]
name = "shop"
accounts = ["1234", "1235"]
[[site]]
account = "1234"
hosts = ["shop.example", "*.shop.example"]
integration = "shop"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/reaid/proxy.toml"), text)
}

#[test]
fn the_smallest_file_gets_every_default() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.edge.base_url.value, "http://127.0.0.1:8080");
    assert_eq!(config.edge.commit_wait, Duration::from_millis(20));
    assert_eq!(config.edge.drain, Duration::from_secs(30));
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.keyring, Path::new("/etc/reaid/data/keyring.toml"));
    assert_eq!(config.store.max_size, 10 << 30);
    assert_eq!(config.store.keep_dead, Duration::from_secs(30 * 86400));
    assert_eq!(config.raptor.tracking_url.as_str(), "https://t.raptorsmartadvisor.com/");
    assert_eq!(config.raptor.deliver, Deliver::ClicksAndOpens);
    assert_eq!(config.integrations[0].merge_field, "${reaid}");
    assert_eq!(config.sites[0].click_event, "newsletterclick");
    assert_eq!(config.links.unsubscribe_patterns, ["unsubscribe", "preferences"]);
    assert!(config.links.pixel && config.links.respect_gpc);
}

#[test]
fn where_raptor_is_asked_to_forget_needs_its_key_and_the_key_a_place() {
    let raptor = |lines: &str| parse(&format!("{SMALLEST}[raptor]\n{lines}\n")).map(|config| config.raptor.erasure);
    let (url, key) = ("erasure_url = \"https://gdpr.example\"", "erasure_key = { env = \"KEY\" }");
    assert_eq!(raptor(&format!("{url}\n{key}")).unwrap().unwrap().url.as_str(), "https://gdpr.example/");
    assert!(raptor("").unwrap().is_none());
    for (alone, says) in [(url, "expected erasure_key beside it"), (key, "expected erasure_url beside it")] {
        let error = raptor(alone).unwrap_err().to_string();
        assert!(error.contains("proxy.toml:18: raptor.") && error.contains(says), "{error}");
    }
}

#[test]
fn the_example_says_every_default_and_nothing_that_is_not_done() {
    let config = Config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proxy.toml"))).unwrap();
    let smallest = parse(SMALLEST).unwrap();
    assert_eq!(config.edge.commit_wait, smallest.edge.commit_wait);
    assert_eq!(config.edge.drain, smallest.edge.drain);
    assert_eq!(config.admin.listen, smallest.admin.listen);
    assert_eq!(config.store.max_size, smallest.store.max_size);
    assert_eq!(config.store.keep_delivered, smallest.store.keep_delivered);
    assert_eq!(config.store.keep_dead, smallest.store.keep_dead);
    assert_eq!(config.links.unsubscribe_patterns, smallest.links.unsubscribe_patterns);
    assert_eq!(format!("{:?}", config.raptor), format!("{:?}", smallest.raptor));
    assert_eq!(config.sites[0].click_event, smallest.sites[0].click_event);
    assert_eq!(config.integrations[0].merge_field, smallest.integrations[0].merge_field);
}

#[test]
fn what_the_example_leaves_out_is_written_as_it_would_be_read() {
    let example = include_str!("../../../proxy.toml");
    // A key behind `# ` is switched on; prose, which has no `name = ` at its start, stays a comment.
    let is_key = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[') && line.ends_with(']') && !line.contains(' ') && !line.contains(',')
            || line.contains(" = ") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let switched_on = |line: &str| line.strip_prefix("# ").filter(is_key).unwrap_or(line).to_owned() + "\n";
    let everything: String = example.lines().map(switched_on).collect();
    let config = parse(&everything.replace("http://127.0.0.1:8080", "https://click.shop.example")).unwrap();
    let acme = config.edge.acme.as_ref().unwrap();
    assert_eq!((acme.path.as_path(), acme.retry), (Path::new("/etc/reaid/data/acme"), Duration::from_secs(300)));
    assert_eq!((config.edge.domains.len(), config.edge.hsts.as_deref()), (1, Some("max-age=31536000")));
    let integration = &config.integrations[0];
    assert_eq!(integration.id_scope.as_deref(), Some("shop"));
    assert_eq!(integration.every, Some(Duration::from_secs(6 * HOUR)));
    let actito = integration.actito.as_ref().unwrap();
    assert_eq!((actito.calls_per_minute, actito.concurrency, actito.allow_private), (90, 4, false));
    assert_eq!((actito.email_attribute.as_str(), actito.reaid_attribute.as_str()), ("emailAddress", "reaid"));
    let activation = &config.activations[0];
    assert_eq!((activation.validity, activation.max_shrink), (Duration::from_secs(48 * HOUR), 0.5));
    assert_eq!(activation.file, ReferenceFile { header: Some("emailAddress".to_owned()), ..ReferenceFile::default() });
    assert_eq!(activation.destination, AudienceDestination::Folder("/etc/reaid/targets".into()));
    let usual = Assumed { import_report_field: Some("reportRecipients".to_owned()), ..Assumed::default() };
    assert_eq!((&actito.assumed, actito.licence.as_deref()), (&usual, Some("acme")));
}

#[test]
fn named_endpoints_become_urls() {
    let actito = r#"actito = { api_endpoint = "api3", entity = "e", api_key = { env = "K" }, profile_table = "T", profile_table_id = "31" }
[[site]]"#;
    let config = parse(&SMALLEST.replace("[[site]]", actito)).unwrap();
    let actito = config.integrations[0].actito.as_ref().unwrap();
    assert_eq!(actito.api_endpoint.as_str(), "https://api3.actito.com/");
    assert_eq!((actito.calls_per_minute, actito.concurrency, actito.imports_per_day), (90, 4, 12));
    assert_eq!(actito.reaid_attribute, "reaid");
}

#[test]
fn a_wrong_assumption_is_refused_with_its_place() {
    let actito = r#"actito = { api_endpoint = "api3", entity = "e", api_key = { env = "K" }, profile_table = "T", profile_table_id = "31", assumed = { ASSUMED } }
[[site]]"#;
    for (assumed, says) in [
        ("import_max_size = \"101MB\"", "expected 1MB to 100MB, found 101.0 MB"),
        ("import_report_field = \"to\"", "expected email = \"…\" in actito: there is nobody to report to"),
        ("import_file_part = \"a b\"", "expected letters, digits, `_` and `-`, found `a b`"),
        ("list_page_size = 0", "expected at least 1, found 0"),
    ] {
        let actito = actito.replace("ASSUMED", assumed);
        let error = parse(&SMALLEST.replace("[[site]]", &actito)).unwrap_err().to_string();
        let key = assumed.split(' ').next().unwrap();
        assert!(error.contains(&format!("assumed.{key}: {says}")), "{error}");
    }
}

#[test]
fn complaints_name_file_line_and_key() {
    for (from, to, says) in [
        ("[edge]", "[edge]\ncolour = 1", "proxy.toml:2: edge.colour: unknown field `colour`"),
        ("[edge]", "[edge]\ndrain = 30", "proxy.toml:2: edge.drain: invalid type: integer"),
        ("[edge]", "[edge]\ndrain = \"soon\"", "proxy.toml:2: edge.drain: expected a duration"),
        ("[edge]", "[edge]\ndrain = \"300000000000y\"", "proxy.toml:2: edge.drain: expected a duration of at most"),
        ("[\"127.0.0.1:8080\"]", "[\"8080\"]", "proxy.toml:2: edge.listen: "),
        ("[\"127.0.0.1:8080\"]", "[]", "proxy.toml:2: edge.listen: expected at least one"),
        ("http://127.0.0.1:8080/", "ftp://x", "proxy.toml:3: edge.base_url: expected a URL"),
        ("http://127.0.0.1:8080/", "http://x/y", "proxy.toml:3: edge.base_url: expected scheme, host"),
        ("{ file = \"data/admin-token\" }", "\"letmein\"", "proxy.toml:5: admin.token: "),
        ("path = \"data/reaid.db\"", "", "proxy.toml:8: store.path: missing field `path`"),
        ("[keys]\npath = \"data/keyring.toml\"", "", "proxy.toml:1: keys: missing field `keys`"),
        ("account = \"1234\"", "", "proxy.toml:13: site.account: missing field `account`"),
        (
            "\"1235\"]",
            "\"12\"]",
            "proxy.toml:12: integration.accounts: expected an account of 4 or 5 digits, found `12`",
        ),
        (
            "\"1235\"]",
            "\"1234\"]",
            "proxy.toml:12: integration.accounts: account 1234 already belongs to integration `shop`",
        ),
        (
            "[[site]]",
            "[[integration]]\nname = \"b\"\naccounts = [\"1235\"]\n[[site]]",
            "proxy.toml:15: integration.accounts: account 1235 already belongs to integration `shop`",
        ),
        ("integration = \"shop\"", "integration = \"x\"", "proxy.toml:16: site.integration: there is no integration"),
        ("account = \"1234\"", "account = \"9999\"", "proxy.toml:14: site.account: account 9999 is not one of"),
        ("[admin]", "[edge.tls]\ncertificate = \"x\"\n[admin]", "edge.tls.private_key: missing field"),
        (
            "[admin]",
            "[edge.tls]\ncertificate = \"x\"\nprivate_key = \"y\"\n[admin]",
            "proxy.toml:3: edge.base_url: expected https://, because",
        ),
        (
            "[admin]",
            "http_listen = [\"127.0.0.1:80\"]\n[admin]",
            "proxy.toml:4: edge.http_listen: redirects to https, but http://127.0.0.1:8080 is not",
        ),
        (
            "[admin]",
            "[[edge.domain]]\nbase_url = \"http://127.0.0.1:8080\"\n[admin]",
            "proxy.toml:5: edge.domain.base_url: http://127.0.0.1:8080 is a click domain already",
        ),
        (
            "[[site]]",
            "schedule = { every = \"6h\" }\n[[site]]",
            "proxy.toml:13: integration.schedule: expected actito = ",
        ),
        (
            "[[site]]",
            "schedule = { every = \"0s\" }\n[[site]]",
            "proxy.toml:13: integration.schedule: expected more than",
        ),
        (
            "[[site]]",
            "webhook_secret = { env = \"X\" }\n[[site]]",
            "proxy.toml:13: integration.webhook_secret: expected actito = ",
        ),
        (
            "integration = \"shop\"",
            "integration = \"shop\"\ncookies = { mode = \"all\" }",
            "proxy.toml:17: site.cookies.mode: ",
        ),
        (
            "integration = \"shop\"",
            "integration = \"shop\"\ncookies = { mode = \"site\" }",
            "proxy.toml:17: site.cookies: expected domain",
        ),
        (
            "integration = \"shop\"",
            "integration = \"shop\"\ncookies = { mode = \"site\", domain = \"x.example\", consent = \"yes\" }",
            "proxy.toml:17: site.cookies.consent: expected a cookie's name and value",
        ),
        ("[admin]", "[admin", "proxy.toml:4: "),
    ] {
        assert!(SMALLEST.contains(from));
        let error = parse(&SMALLEST.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}\nshould say {says}");
    }
}

#[test]
fn a_secret_written_inline_is_refused_and_not_repeated() {
    for inline in
        ["\"letmein\"", "{ value = \"letmein\" }", "{ letmein = \"x\" }", "{ file = \"a\", env = \"letmein\" }"]
    {
        let error = parse(&SMALLEST.replace("{ file = \"data/admin-token\" }", inline)).unwrap_err().to_string();
        assert!(error.contains("proxy.toml:5: admin.token: expected { file = \"…\" } or { env = \"…\" }"), "{error}");
        assert!(!error.contains("letmein"), "{error}");
    }
}

#[test]
fn utm_parameters_have_their_full_names() {
    let links = |utm: &str| parse(&SMALLEST.replace("[[site]]", &format!("[links]\nutm = {{ {utm} }}\n[[site]]")));
    let utm = links("medium = \"e-mail\", source = \"n\"").unwrap().links.utm;
    let query: Vec<_> = utm.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(query.join("&"), "utm_source=n&utm_medium=e-mail");
    let empty = links("term = \"\"").unwrap_err().to_string();
    assert!(empty.contains("links.utm.term: expected a value"), "{empty}");
    assert!(links("colour = \"n\"").unwrap_err().to_string().contains("colour"));
}

#[test]
fn a_secret_is_read_where_it_is_kept_and_nowhere_open() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let token = Config::parse(&folder.path().join("proxy.toml"), SMALLEST).unwrap().admin.token;
    let missing = token.read().unwrap_err().to_string();
    assert!(missing.contains("proxy.toml:5: admin.token: cannot read the secret file"), "{missing}");
    let path = folder.path().join("data/admin-token");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(&path, "s3cret\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(token.read().unwrap_err().to_string().contains("mode 0644"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(token.read().unwrap().as_str(), "s3cret");
    let weak = token.read_strong().unwrap_err().to_string();
    assert!(weak.contains("proxy.toml:5: admin.token: expected 16 or more") && !weak.contains("s3cret"), "{weak}");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    assert!(token.read_strong().is_ok());
}

#[test]
fn a_sister_account_without_a_site_lives_on_its_integrations() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.site_of_account("1234"), Some(0));
    assert_eq!(config.site_of_account("1235"), Some(0));
    assert_eq!(config.site_of_account("9999"), None);
}

#[test]
fn every_domain_over_tls_has_a_certificate_from_somewhere() {
    let front = |edge: &str| {
        let edge = format!("http_listen = [\"127.0.0.1:80\"]\n{edge}\n[admin]");
        parse(&SMALLEST.replace("http://127.0.0.1:8080/", "https://click.example").replace("[admin]", &edge))
    };
    let files = |name: &str| format!("certificate = \"{name}.pem\"\nprivate_key = \"{name}-key.pem\"\n");
    let two = "[[edge.domain]]\nbase_url = \"https://two.example:8443\"\n";
    let acme = "[edge.acme]\ndomains = [\"two.example\"]\n";
    let from = |config: &Config| -> Vec<String> {
        let shown = |from| match from {
            CertificateOf::Acme => "acme".to_owned(),
            CertificateOf::Files(files) => files.certificate.value.display().to_string(),
        };
        config.edge.certificates().map(|(_, host, from)| format!("{host}: {}", shown(from))).collect()
    };
    let config = front(&format!("[edge.tls]\n{}{two}", files("all"))).unwrap();
    assert_eq!(from(&config), ["click.example: /etc/reaid/all.pem", "two.example: /etc/reaid/all.pem"]);
    let config = front(&format!("[edge.tls]\n{}{acme}{two}", files("all"))).unwrap();
    assert_eq!(from(&config), ["click.example: /etc/reaid/all.pem", "two.example: acme"]);
    let config = front(&format!("[edge.tls]\n{}{acme}{two}[edge.domain.tls]\n{}", files("all"), files("own"))).unwrap();
    assert_eq!(from(&config), ["click.example: /etc/reaid/all.pem", "two.example: /etc/reaid/own.pem"]);
    assert_eq!(config.edge.acme.unwrap().path, Path::new("/etc/reaid/data/acme"));
    for (edge, says) in [
        (format!("{acme}{two}"), "proxy.toml:3: edge.base_url: expected a certificate for it"),
        (format!("[edge.tls]\n{}{acme}", files("all")), "edge.acme.domains: expected the host of a click domain"),
        ("hsts = { max_age = \"2y\" }\ncolour = 1".to_owned(), "unknown field `colour`"),
    ] {
        let error = front(&edge).unwrap_err().to_string();
        assert!(error.contains(says), "{error}\nshould say {says}");
    }
    let config =
        front(&format!("hsts = {{ max_age = \"365d\", include_subdomains = true }}\n[edge.tls]\n{}", files("a")));
    assert_eq!(config.unwrap().edge.hsts.as_deref(), Some("max-age=31536000; includeSubDomains"));
}
