//! Deployments without a lost click: restarts on passed sockets, and from one process to the next.
//!
//! The short form runs with every test; `CI_LONG=1` makes it 20 restarts at 1,000 clicks a second.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use command_fds::{CommandFdExt as _, FdMapping};

use crate::clicks::{stored, terminate};
use crate::load::{Clicked, Load};
use crate::support::house::{CLICK_HOST, House};
use crate::support::program::{Serving, command};
use crate::support::secure::{Authority, OTHER_HOST, secure_settings};
use crate::support::{Settings, client, until};

struct Shop {
    authority: Arc<Authority>,
    house: House,
    /// The public, the plain and the admin listener: they stay open here, as they do in a supervisor.
    sockets: [TcpListener; 3],
    edge: SocketAddr,
}

impl Shop {
    fn open() -> Self {
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [edge, http, admin] = [0, 1, 2].map(|at: usize| sockets[at].local_addr().unwrap());
        let settings = secure_settings("commit_wait = \"1s\"");
        let settings = Settings {
            listen: edge.to_string(),
            admin_listen: admin.to_string(),
            edge: settings.edge.replace("127.0.0.1:0", &http.to_string()),
            ..settings
        };
        let (authority, house) = (Arc::new(Authority::new()), House::new(&settings));
        authority.write(&house, "click", &[CLICK_HOST]);
        authority.write(&house, "two", &[OTHER_HOST]);
        Self { authority, house, sockets, edge }
    }

    /// `reaid serve`, with the sockets passed as systemd passes them.
    fn serve(&self) -> Command {
        let mut command = command(self.house.folder(), &["serve"]);
        let mapping = |(socket, child_fd): (&TcpListener, i32)| FdMapping {
            parent_fd: socket.try_clone().unwrap().into(),
            child_fd,
        };
        command.fd_mappings(self.sockets.iter().zip(3..).map(mapping).collect()).unwrap();
        command.env("LISTEN_FDS", "3");
        command
    }

    async fn start(&self) -> Serving {
        let command = self.serve();
        tokio::task::spawn_blocking(|| Serving::spawn(command)).await.unwrap()
    }

    fn load(&self) -> Load {
        Load::start(self.authority.clone(), self.edge, if is_long() { 1000 } else { 200 })
    }

    /// Nothing failed, and whatever landed is on disk.
    fn judge(&self, clicked: &Clicked, restarts: usize) {
        eprintln!(
            "{restarts} restarts, {} clicks landed, {} asked again after a GOAWAY, the longest took {:?}",
            clicked.landed.len(),
            clicked.repeated,
            clicked.longest
        );
        assert_eq!(clicked.failed, Vec::<String>::new());
        let kept = BTreeSet::from_iter(stored(&self.house.database()));
        assert_eq!(Vec::from_iter(clicked.landed.difference(&kept)), Vec::<&String>::new());
        assert!(clicked.landed.len() > 100, "{}", clicked.landed.len());
    }
}

fn is_long() -> bool {
    std::env::var("CI_LONG").is_ok_and(|value| value == "1")
}

fn restarts() -> usize {
    if is_long() { 20 } else { 3 }
}

/// Between two restarts: time for the load to be everywhere.
async fn meanwhile() {
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_on_passed_sockets_lose_no_click() {
    let shop = Shop::open();
    let mut serving = shop.start().await;
    let load = shop.load();
    for _ in 0..restarts() {
        meanwhile().await;
        assert_eq!(terminate(serving).await, 0);
        serving = shop.start().await;
    }
    meanwhile().await;
    let clicked = load.stop().await;
    assert_eq!(terminate(serving).await, 0);
    shop.judge(&clicked, restarts());
}

/// A chain of processes, of which only the first is a child of ours.
struct Chain {
    first: Serving,
}

impl Chain {
    /// The process ids that said that they serve, in order.
    fn serving(&self) -> Vec<u64> {
        let log = self.first.logged();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let serving = lines.filter(|line| line["fields"]["message"] == "serving");
        serving.map(|line| line["fields"]["pid"].as_u64().unwrap()).collect()
    }

    fn said(&self, what: &str) -> usize {
        self.first.logged().matches(what).count()
    }

    /// Sends a signal to the last of them.
    fn signal(&self, name: &str) {
        let pid = self.serving().last().copied().unwrap();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap().success());
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // None may outlive a test that failed; most have ended long ago.
        for pid in self.serving().iter().skip(1) {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.trim() == "reaid" {
                let _ = Command::new("kill").arg("-KILL").arg(pid.to_string()).status();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_overs_from_process_to_process_lose_no_click() {
    let shop = Shop::open();
    let chain = Chain { first: shop.start().await };
    let load = shop.load();
    for round in 1..=restarts() {
        meanwhile().await;
        chain.signal("USR2");
        until("the one before to end", async || (chain.said("\"drained\"") == round).then_some(())).await;
        assert_eq!(chain.serving().len(), round + 1);
    }
    meanwhile().await;
    let clicked = load.stop().await;
    chain.signal("TERM");
    until("the last to end", async || (chain.said("\"drained\"") == restarts() + 1).then_some(())).await;
    shop.judge(&clicked, restarts());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_does_not_come_up_changes_nothing() {
    let shop = Shop::open();
    let chain = Chain { first: shop.start().await };
    let load = shop.load();
    let good = std::fs::read_to_string(shop.house.config()).unwrap();
    std::fs::write(shop.house.config(), good.replace("[admin]", "[admin]\ncolour = 1")).unwrap();
    chain.signal("USR2");
    until("the complaint", async || (chain.said("no hand-over: this process goes on") == 1).then_some(())).await;
    assert!(chain.said("unknown field `colour`") == 1, "{}", chain.first.logged());
    std::fs::write(shop.house.config(), good).unwrap();
    chain.signal("USR2");
    until("the hand-over", async || (chain.said("\"drained\"") == 1).then_some(())).await;
    assert_eq!(chain.serving().len(), 2);
    meanwhile().await;
    let clicked = load.stop().await;
    chain.signal("TERM");
    until("the last to end", async || (chain.said("\"drained\"") == 2).then_some(())).await;
    shop.judge(&clicked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_shows_in_readiness_before_anything_closes() {
    let house = House::new(&Settings { edge: "lame_duck = \"2s\"".to_owned(), ..Settings::default() });
    let serving = tokio::task::spawn_blocking(move || (Serving::start(&house), house)).await.unwrap();
    let (serving, _house) = serving;
    let (edge, admin) = (serving.edge, serving.admin);
    let ready = client::get("localhost", "/readyz", "");
    serving.signal("TERM");
    until("the stop to show", async || (client::ask(admin, ready.as_bytes()).await.status == 503).then_some(())).await;
    let health = client::ask(edge, client::get(CLICK_HOST, "/healthz", "").as_bytes()).await;
    assert_eq!((health.status, health.header("connection")), (200, None), "clicks are served as before");
    assert_eq!(tokio::task::spawn_blocking(|| serving.ended()).await.unwrap(), 0);
}

#[test]
fn a_socket_that_nobody_asked_for_is_refused() {
    let shop = Shop::open();
    let house = House::new(&Settings::default());
    let mut command = shop.serve();
    let output = command.current_dir(house.folder()).output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert!(says.contains("sockets were passed that neither edge.listen"), "{says}");
    assert!(says.contains(&shop.edge.to_string()), "{says}");
}
