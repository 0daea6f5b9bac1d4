//! A temporary folder with everything a program of ours starts from: `proxy.toml`, the keyring of the
//! published vectors, and the admin token.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reaid::app::{Setup, keyring};
use reaid::identity::{EmailAddress, Key, KeyId, Keyring, Secret};
use reaid::store::Store;
use tempfile::TempDir;

use super::{JANE, JANE_ADDRESS, JANE_ELSEWHERE, JANE_KEY_2, logs};

/// What admin requests carry.
pub(crate) const ADMIN_TOKEN: &str = "an-admin-token-of-the-tests";

/// What webhooks carry.
pub(crate) const HOOK_SECRET: &str = "a-hook-secret-of-the-tests";

/// What whoever asks for REAIDs carries.
pub(crate) const IDS_KEY: &str = "a-get-or-create-key-of-the-tests";

/// The `Host` of clicks, and where links begin.
pub(crate) const CLICK_HOST: &str = "click.example";

/// What `proxy.toml` says beside the smallest that works: lines of TOML for each table. By default
/// nothing is delivered and links lead to `shop.example` and its subdomains.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: String,
    pub(crate) base_url: String,
    pub(crate) edge: String,
    pub(crate) admin_listen: String,
    pub(crate) admin: String,
    pub(crate) store: String,
    pub(crate) links: String,
    pub(crate) raptor: String,
    pub(crate) integration: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) site: String,
    /// More tables, at the end of the file.
    pub(crate) more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            base_url: format!("http://{CLICK_HOST}"),
            edge: String::new(),
            admin_listen: "127.0.0.1:0".to_owned(),
            admin: String::new(),
            store: String::new(),
            links: String::new(),
            raptor: "deliver = \"off\"".to_owned(),
            integration: String::new(),
            hosts: vec!["shop.example".to_owned(), "*.shop.example".to_owned()],
            site: String::new(),
            more: String::new(),
        }
    }
}

impl Settings {
    /// Events go to Raptor at `base`, as in `http://127.0.0.1:8090`.
    pub(crate) fn delivering_to(base: &str) -> Self {
        Self { raptor: format!("tracking_url = \"{base}\""), ..Self::default() }
    }

    /// The integration syncs with the sandbox's Actito at `base`.
    pub(crate) fn syncing_with(mut self, base: &str) -> Self {
        self.integration += &format!(
            "\nactito = {{ api_endpoint = \"{base}\", entity = \"shop\", api_key = {{ file = \"data/actito-key\" }}, \
             profile_table = \"Customers\", profile_table_id = \"31\", calls_per_minute = 100000 }}\n"
        );
        self
    }

    /// The integration takes webhooks and gives REAIDs.
    pub(crate) fn asked(mut self) -> Self {
        self.integration += "\nwebhook_secret = { file = \"data/hook-secret\" }\n\
                             get_or_create_key = { file = \"data/ids-key\" }\n";
        self
    }

    /// `proxy.toml`.
    pub(crate) fn to_toml(&self) -> String {
        let Self { listen, base_url, edge, admin_listen, admin, store, links, raptor, integration, hosts, site, more } =
            self;
        format!(
            r#"[edge]
listen = ["{listen}"]
base_url = "{base_url}"
{edge}
[admin]
listen = "{admin_listen}"
token = {{ file = "data/admin-token" }}
{admin}
[keys]
path = "data/keyring.toml"
[store]
path = "data/reaid.db"
{store}
[links]
{links}
[raptor]
{raptor}
[[integration]]
name = "shop"
accounts = ["1234", "1235"]
{integration}
[[site]]
account = "1234"
hosts = {hosts:?}
integration = "shop"
{site}
{more}
"#
        )
    }
}

/// The folder; removed when dropped.
#[derive(Debug)]
pub(crate) struct House {
    folder: TempDir,
}

impl House {
    /// Furnished, with the keyring of the published vectors.
    pub(crate) fn new(settings: &Settings) -> Self {
        let house = Self::without_keyring(settings);
        house.put_keyring(&vectors_keyring());
        house
    }

    /// Furnished, but without a keyring.
    pub(crate) fn without_keyring(settings: &Settings) -> Self {
        for identity in [JANE_ADDRESS, JANE, JANE_ELSEWHERE, JANE_KEY_2, ADMIN_TOKEN, HOOK_SECRET, IDS_KEY] {
            logs::must_not_hold(identity);
        }
        let house = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(house.path("data")).unwrap();
        house.write_secret("data/admin-token", ADMIN_TOKEN);
        house.write_secret("data/actito-key", "sandbox-key");
        house.write_secret("data/hook-secret", HOOK_SECRET);
        house.write_secret("data/ids-key", IDS_KEY);
        house.configure(settings);
        house
    }

    /// Writes `proxy.toml` anew.
    pub(crate) fn configure(&self, settings: &Settings) {
        fs::write(self.config(), settings.to_toml()).unwrap();
    }

    /// Writes the keyring, in the place of whatever is there.
    pub(crate) fn put_keyring(&self, ring: &Keyring) {
        keyring::replace(&self.path("data/keyring.toml"), ring).unwrap();
    }

    /// Writes a file that its owner alone can read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `proxy.toml`.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("proxy.toml")
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path("data/reaid.db")
    }

    /// What a server starts from.
    pub(crate) fn setup(&self) -> (Setup, Store) {
        Setup::load_with_store(&self.config()).unwrap()
    }
}

/// The REAID of an address in this setup's integration `shop`; neither may ever be logged.
pub(crate) fn mint(setup: &Setup, address: &str) -> String {
    let digest = EmailAddress::parse(address).unwrap().digest();
    let reaid = setup.identities("shop").unwrap().mint(&digest).as_str().to_owned();
    logs::must_not_hold(address);
    logs::must_not_hold(&reaid);
    reaid
}

/// Key 1 = bytes 00…1f, active; key 2 = bytes 20…3f.
pub(crate) fn vectors_keyring() -> Keyring {
    let first = KeyId::new(1).unwrap();
    Keyring::new(first, first, vec![vectors_key(1), vectors_key(2)], Some(Secret::from_bytes([9; 32]))).unwrap()
}

/// Key `id`, continuing the published row: 32 bytes from `32 * (id - 1)` on.
pub(crate) fn vectors_key(id: u8) -> Key {
    let secret = std::array::from_fn(|at| (id - 1) * 32 + u8::try_from(at).unwrap());
    Key { id: KeyId::new(id).unwrap(), secret: Secret::from_bytes(secret), created: None, retired: None }
}
