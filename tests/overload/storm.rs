//! A server that is kept short of processor time, and more clicks than it can answer.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};

use crate::support::house::CLICK_HOST;
use crate::support::program::program;
use crate::support::server::metrics;
use crate::support::{CAMPAIGN_TOKEN, House, JANE, Serving, Settings, client};

/// The server's core, and its neighbour's; clients have the others.
const CORE: &str = "1";

/// The clients' core.
const CLIENTS: &str = "0";

/// How nice the server is: beside a neighbour that is not, it gets about a fifth. (Less than nothing for both would
/// put them before the threads of the system that carry their packets.)
const NICE: &str = "7";

/// An answer after this is none that anybody waited for: more than the queue in the kernel takes at a peak of 3,000 a second,
/// and no longer than a process may have connections for (20,000).
const GOOD_WITHIN: Duration = Duration::from_millis(1500);

/// How late a click may come.
const LATE: Duration = Duration::from_millis(100);

/// Clicks under way at once, while the peak is looked for.
const AT_ONCE: usize = 64;

/// What became of a storm.
pub(crate) struct Storm {
    /// Clicks a second that landed in time.
    pub(crate) good: f64,
    /// Those, for each second of a processor that the server had.
    pub(crate) good_by_cpu: f64,
    /// The longest wait for an answer of the admin listener.
    pub(crate) admin: Duration,
    /// The most memory that the server had, in KiB.
    pub(crate) memory: u64,
    /// The highest grade that was seen.
    pub(crate) grade: f64,
}

/// The server and its neighbour.
pub(crate) struct Victim {
    serving: Option<Serving>,
    neighbour: Child,
    _house: House,
}

impl Victim {
    /// None, with a notice, where there is no second core to spare.
    pub(crate) fn start() -> Option<Self> {
        if std::thread::available_parallelism().unwrap().get() < 2 {
            eprintln!("skipped: one core alone cannot hold a server, its neighbour and its clients");
            return None;
        }
        let house = House::new(&Settings::default());
        let mut command = Command::new("nice");
        command.args(["-n", NICE, "taskset", "-c", CORE]).arg(program()).arg("serve");
        command.current_dir(house.folder()).env("REAID_LOG", "info");
        let serving = Serving::spawn(command);
        let spin = ["-c", CORE, "sh", "-c", "while :; do :; done"];
        // Clients must not stand in line behind the neighbour.
        let own = std::process::id().to_string();
        let pinned = Command::new("taskset").args(["-a", "-c", "-p", CLIENTS, &own]).stdout(Stdio::null()).status();
        assert!(pinned.unwrap().success());
        let neighbour = Command::new("taskset").args(spin).stdin(Stdio::null()).spawn().unwrap();
        Some(Self { serving: Some(serving), neighbour, _house: house })
    }

    fn serving(&self) -> &Serving {
        self.serving.as_ref().unwrap()
    }

    /// Clicks a second, and for each second of a processor, when the next one comes as soon as one is answered.
    pub(crate) async fn peak(&self, length: Duration) -> (f64, f64) {
        let cpu = cpu_seconds(self.serving().pid());
        let (end, edge, request) = (Instant::now() + length, self.serving().edge, request());
        let clients = (0..AT_ONCE).map(|_| {
            let request = request.clone();
            tokio::spawn(async move {
                let mut landed = 0u32;
                while Instant::now() < end {
                    landed += u32::from(click(edge, &request).await);
                }
                landed
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut landed = 0;
        for client in clients {
            landed += client.await.unwrap();
        }
        let cpu = cpu_seconds(self.serving().pid()) - cpu;
        (f64::from(landed) / length.as_secs_f64(), f64::from(landed) / cpu)
    }

    /// So many clicks a second, whatever becomes of those before.
    pub(crate) async fn storm(&self, rate: f64, length: Duration) -> Storm {
        let cpu = cpu_seconds(self.serving().pid());
        let (begun, edge, good) = (Instant::now(), self.serving().edge, Arc::new(AtomicU64::new(0)));
        let watching = tokio::spawn(watch(self.serving().admin, self.serving().pid(), begun + length));
        let (request, mut sent) = (request(), 0.0);
        while begun.elapsed() < length {
            let due = rate * begun.elapsed().as_secs_f64();
            // What was missed because the clients themselves had no processor does not come all at once.
            sent = f64::max(sent, due - rate * LATE.as_secs_f64());
            while sent < due {
                sent += 1.0;
                let (good, request) = (good.clone(), request.clone());
                tokio::spawn(async move {
                    if timeout(GOOD_WITHIN, click(edge, &request)).await.unwrap_or(false) {
                        good.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            sleep(Duration::from_millis(5)).await;
        }
        let (good, cpu) = (good.load(Ordering::Relaxed) as f64, cpu_seconds(self.serving().pid()) - cpu);
        let (good, good_by_cpu) = (good / begun.elapsed().as_secs_f64(), good / cpu);
        let (admin, memory, grade) = watching.await.unwrap();
        Storm { good, good_by_cpu, admin, memory, grade }
    }

    /// The server's memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        memory(self.serving().pid())
    }

    /// Waits for an ordinary answer in ordinary time, and for calm.
    pub(crate) async fn is_calm_within(&self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let begun = Instant::now();
            let landed = timeout(limit, click(self.serving().edge, &request())).await.unwrap_or(false);
            let quick = landed && begun.elapsed() < Duration::from_millis(200);
            if quick && metrics(self.serving().admin).await.get("reaid_overload_grade") == 0.0 {
                return;
            }
            assert!(Instant::now() < end, "not calm within {limit:?}");
            sleep_until((Instant::now() + Duration::from_millis(100)).into()).await;
        }
    }

    /// Stops it, which must go well.
    pub(crate) fn end(mut self) {
        assert_eq!(self.serving.take().unwrap().terminate(), 0);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It spins until it is told not to.
        let _ = self.neighbour.kill();
        let _ = self.neighbour.wait();
    }
}

/// One click by a connection of its own: whether it landed. As little work as it can be, because there are many.
async fn click(edge: SocketAddr, request: &[u8]) -> bool {
    let clicked = async {
        let mut stream = TcpStream::connect(edge).await?;
        // Closed at once, so that the system does not run out of ports.
        stream.set_zero_linger()?;
        stream.write_all(request).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        std::io::Result::Ok(status.ends_with(b"302"))
    };
    clicked.await.unwrap_or(false)
}

fn request() -> Arc<[u8]> {
    let target = format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}");
    client::get(CLICK_HOST, &target, "Connection: close\r\n").into_bytes().into()
}

/// The longest answer of the admin listener, the most memory, and the highest grade, until `end`.
async fn watch(admin: SocketAddr, pid: u32, end: Instant) -> (Duration, u64, f64) {
    let (mut longest, mut most, mut highest) = (Duration::ZERO, 0, 0.0f64);
    while Instant::now() < end {
        let begun = Instant::now();
        let metrics = metrics(admin).await;
        longest = longest.max(begun.elapsed());
        highest = highest.max(metrics.get("reaid_overload_grade"));
        most = most.max(memory(pid));
        sleep(Duration::from_millis(200)).await;
    }
    (longest, most, highest)
}

fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Seconds of a processor that a process had, in hundredths.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<f64> = stat.rsplit(") ").next().unwrap().split(' ').filter_map(|it| it.parse().ok()).collect();
    // Of the fields behind the name, the first is a letter; user and system time are the 12th and 13th.
    (fields[10] + fields[11]) / 100.0
}
