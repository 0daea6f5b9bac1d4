//! How Actito's URLs are built: endpoint, category where the style asks for it, segments.

use url::Url;

use crate::config::{self, UrlStyle};

/// Where tokens are given: the one URL without a category in either style.
pub(super) fn token_url(actito: &config::Actito) -> Url {
    append(&actito.api_endpoint, &["auth", "token"])
}

/// The URL of a call: the category first where the style asks for it, then `segments`, escaped.
pub(super) fn url_under(actito: &config::Actito, category: &str, segments: &[&str]) -> Url {
    let base = match actito.url_style {
        UrlStyle::Prefixed => append(&actito.api_endpoint, &[category]),
        UrlStyle::Plain => actito.api_endpoint.clone(),
    };
    append(&base, segments)
}

fn append(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // An http(s) URL can always have a path; anything else never passed the configuration.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Settings as an operator writes them, with the defaults.
#[cfg(test)]
pub(super) fn test_settings() -> config::Actito {
    let text = r#"
        edge = { listen = ["127.0.0.1:8080"], base_url = "http://127.0.0.1:8080" }
        admin = { token = { env = "ADMIN_TOKEN" } }
        keys = { path = "keyring.toml" }
        store = { path = "reaid.db" }
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        [integration.actito]
        api_endpoint = "api3"
        entity = "the shop"
        email = "crm@shop.example"
        api_key = { env = "ACTITO_API_KEY" }
        profile_table = "Customers"
        profile_table_id = "31"
        email_attribute = "emailAddress"
        reaid_attribute = "reaid"
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
    "#;
    let config = config::Config::parse(std::path::Path::new("proxy.toml"), text).unwrap();
    config.integrations[0].actito.clone().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_given_without_a_category_in_either_style() {
        let mut actito = test_settings();
        for style in [UrlStyle::Prefixed, UrlStyle::Plain] {
            actito.url_style = style;
            assert_eq!(token_url(&actito).as_str(), "https://api3.actito.com/auth/token");
        }
    }

    #[test]
    fn an_endpoint_with_a_path_keeps_it() {
        let mut actito = test_settings();
        for endpoint in ["http://127.0.0.1:9/actito", "http://127.0.0.1:9/actito/"] {
            actito.api_endpoint = endpoint.parse().unwrap();
            assert_eq!(token_url(&actito).as_str(), "http://127.0.0.1:9/actito/auth/token");
        }
    }
}
