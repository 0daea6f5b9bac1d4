//! SIGHUP and certificate files that change: all of it is taken up, or nothing, and it is said why.

use reaid::config::Config;

use crate::support::house::CLICK_HOST;
use crate::support::program::Serving;
use crate::support::secure::{Authority, OTHER_HOST, secure_settings};
use crate::support::{Connection, House, until};

struct Running {
    authority: Authority,
    house: House,
    serving: Serving,
}

impl Running {
    async fn start() -> Self {
        let authority = Authority::new();
        let house = authority.house("");
        let (serving, house) = tokio::task::spawn_blocking(move || (Serving::start(&house), house)).await.unwrap();
        Self { authority, house, serving }
    }

    fn configure(&self, edit: impl Fn(String) -> String) {
        std::fs::write(self.house.config(), edit(secure_settings("").to_toml())).unwrap();
    }

    async fn reload(&self, says: &str) {
        let before = self.serving.logged().matches("reloaded: ").count();
        self.serving.signal("HUP");
        let said = async || (self.serving.logged().matches("reloaded: ").count() > before).then_some(());
        until("the outcome", said).await;
        let log = self.serving.logged();
        let last = log.lines().rfind(|line| line.contains("reloaded: ")).unwrap();
        assert!(last.contains(says), "{last}\nshould say {says}");
    }

    async fn fallback(&self, host: &str) -> Option<String> {
        let stream = self.authority.connect(self.serving.edge, host, &["http/1.1"]).await.ok()?;
        let answer = Connection::over(stream).get(host, "/c/nothing", "").await?;
        answer.header("location").map(str::to_owned)
    }

    /// The certificate that is shown to whoever asks for a host.
    async fn shown(&self, host: &str) -> Vec<u8> {
        let stream = self.authority.connect(self.serving.edge, host, &[]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_up_domains_and_certificates() {
    let running = Running::start().await;
    let before = running.shown(OTHER_HOST).await;
    running.authority.write(&running.house, "two", &[OTHER_HOST, "click.three.example"]);
    running.configure(|text| {
        text.replace("https://shop.example/two", "https://shop.example/zwei").replace(
            "[admin]",
            "[[edge.domain]]\nbase_url = \"https://click.three.example\"\nfallback_url = \"https://shop.example/drei\"\n\
             tls = { certificate = \"data/two.pem\", private_key = \"data/two-key.pem\" }\n[admin]",
        )
    });
    running.reload("configuration, keys and certificates are in use").await;
    assert_eq!(running.fallback(OTHER_HOST).await.unwrap(), "https://shop.example/zwei");
    assert_eq!(running.fallback("click.three.example").await.unwrap(), "https://shop.example/drei");
    assert_ne!(running.shown(OTHER_HOST).await, before);
    running.serving.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_keeps_everything_and_says_why() {
    let running = Running::start().await;
    let before = running.fallback(CLICK_HOST).await;
    let fallback = |text: &str| text.replace("https://shop.example/lost", "https://shop.example/found");
    for (edit, says) in [
        ("colour = 1\n[admin]", "unknown field `colour`"),
        ("commit_wait = \"1s\"\n[admin]", "unknown field `commit_wait`"),
        ("[[edge.domain]]\nbase_url = \"https://click.four.example\"\n[admin]", "does not name `click.four.example`"),
    ] {
        running.configure(|text| fallback(&text).replace("[admin]", edit));
        running.reload(says).await;
        assert_eq!(running.fallback(CLICK_HOST).await, before, "{edit}");
    }
    for (from, to, says) in [
        ("listen = [\"127.0.0.1:0\"]\nbase_url", "listen = [\"127.0.0.1:1\"]\nbase_url", "edge.listen"),
        ("data/reaid.db", "data/other.db", "store.path"),
        ("\"1235\"]", "\"1235\", \"1236\"]", "integration.accounts"),
    ] {
        running.configure(|text| fallback(&text).replace(from, to));
        running.reload(&format!("cannot change without a restart: {says}")).await;
        assert_eq!(running.fallback(CLICK_HOST).await, before, "{says}");
    }
    running.configure(|text| fallback(&text));
    std::fs::write(running.house.path("data/keyring.toml"), "nothing").unwrap();
    running.reload("keyring").await;
    assert_eq!(running.fallback(CLICK_HOST).await, before);
    running.serving.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_files_that_change_are_taken_up_and_broken_ones_are_not() {
    let running = Running::start().await;
    let before = running.shown(CLICK_HOST).await;
    running.house.write_secret("data/click.pem", "no certificate");
    until("the complaint", async || running.serving.logged().contains("cannot be used: those before").then_some(()))
        .await;
    assert_eq!(running.shown(CLICK_HOST).await, before);
    running.authority.write(&running.house, "click", &[CLICK_HOST]);
    until("the new certificate", async || (running.shown(CLICK_HOST).await != before).then_some(())).await;
    assert!(Config::load(&running.house.config()).is_ok());
    running.serving.terminate();
}
