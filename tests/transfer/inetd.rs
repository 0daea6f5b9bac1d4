//! Starts a server for each connection, as inetd does: the port is the test's own, and nothing is to be waited for.
//! The connection goes through the test, which counts its bytes and may cut it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What starts one server, for one connection.
type Start = Box<dyn Fn() -> Command + Send>;

/// A port with a server behind it, until it is dropped.
pub(crate) struct Inetd {
    pub(crate) port: u16,
    wires: Arc<Wires>,
    accepting: Option<JoinHandle<()>>,
}

/// What goes through the connections.
#[derive(Default)]
struct Wires {
    closing: AtomicBool,
    connections: AtomicU64,
    /// Bytes of all clients so far.
    sent: AtomicU64,
    /// Connections are cut when they have sent so much.
    cut_at: AtomicU64,
    /// How many more are cut.
    cuts: AtomicU64,
    /// Whether they are only silent then: neither side sees an end.
    silent: AtomicBool,
    servers: Mutex<Vec<Child>>,
}

impl Inetd {
    pub(crate) fn new(start: impl Fn() -> Command + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, wires) = (listener.local_addr().unwrap().port(), Arc::new(Wires::default()));
        let (shared, start): (_, Start) = (wires.clone(), Box::new(start));
        let accepting = thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                if shared.closing.load(Ordering::SeqCst) {
                    return;
                }
                shared.connect(client, start());
            }
        });
        Self { port, wires, accepting: Some(accepting) }
    }

    /// Cuts so many of the next connections, each after so many bytes of the client.
    pub(crate) fn cut(&self, connections: u64, after: u64) {
        self.wires.cut_at.store(after, Ordering::SeqCst);
        self.wires.cuts.store(connections, Ordering::SeqCst);
        self.wires.silent.store(false, Ordering::SeqCst);
    }

    /// Of the next connection nothing more arrives after so many bytes of the client.
    pub(crate) fn silence(&self, after: u64) {
        self.cut(1, after);
        self.wires.silent.store(true, Ordering::SeqCst);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.wires.connections.load(Ordering::SeqCst)
    }

    /// Bytes that clients sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.wires.sent.load(Ordering::SeqCst)
    }

    /// Ends every server that runs, as a power failure would.
    pub(crate) fn kill(&self) {
        for mut server in self.wires.servers.lock().unwrap().drain(..) {
            // What it started goes with it. It may have ended by itself.
            let group = format!("-{}", server.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
            server.wait().unwrap();
        }
    }
}

impl Drop for Inetd {
    fn drop(&mut self) {
        self.wires.closing.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.accepting.take().map(JoinHandle::join));
        self.kill();
    }
}

impl Wires {
    fn connect(self: &Arc<Self>, client: TcpStream, mut server: Command) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let (near, far) = pair();
        let output = OwnedFd::from(far.try_clone().unwrap());
        server.stdin(Stdio::from(OwnedFd::from(far))).stdout(Stdio::from(output)).stderr(Stdio::null());
        self.servers.lock().unwrap().push(server.process_group(0).spawn().unwrap());
        // It holds copies of the server's end.
        drop(server);
        let (to, from) = ((client.try_clone().unwrap(), near.try_clone().unwrap()), (near, client));
        let wires = self.clone();
        thread::spawn(move || wires.carry(to.0, to.1));
        thread::spawn(move || answer(from.0, from.1));
    }

    /// From the client to the server.
    fn carry(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut buffer, mut carried) = (vec![0; 16 << 10], 0);
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            carried += read as u64;
            self.sent.fetch_add(read as u64, Ordering::SeqCst);
            let is_over = carried > self.cut_at.load(Ordering::SeqCst);
            if is_over && self.cuts.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                match self.silent.load(Ordering::SeqCst) {
                    true => drop(std::io::copy(&mut client, &mut std::io::sink())),
                    false => drop(client.shutdown(Shutdown::Both)),
                }
                break;
            }
            if server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(server.shutdown(Shutdown::Both));
    }
}

/// From the server to the client.
fn answer(mut server: TcpStream, mut client: TcpStream) {
    drop(std::io::copy(&mut server, &mut client));
    drop(client.shutdown(Shutdown::Both));
}

/// Both ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Where a program is; none as [`lacks`] says.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where servers are is not in everybody's path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|it| it.is_file());
    if found.is_none() {
        lacks(program);
    }
    found
}

/// Says that a test does nothing because this cannot be had; fails where `REAID_REQUIRE_SERVERS` says that it can.
pub(crate) fn lacks(what: &str) {
    let required = std::env::var("REAID_REQUIRE_SERVERS").unwrap_or_default();
    assert!(required != "1" && required.split(' ').all(|it| it != what), "{what} is required, and not to be had");
    // Of a test that passes nothing is shown that is printed in the usual way.
    let test = thread::current().name().unwrap_or_default().to_owned();
    drop(writeln!(std::io::stderr(), "skipped: {test}: no {what}"));
}
