//! What stands before several gateways, as a load balancer of connections does: it asks each whether
//! it is ready, and gives new connections to those that are.

use edgeway_tests::{Ask, Gateway};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
    time::sleep,
};

/// How often a gateway is asked.
const INTERVAL: Duration = Duration::from_millis(100);

struct Target {
    address: SocketAddr,
    ready: AtomicBool,
}

pub(crate) struct Balancer {
    address: SocketAddr,
    /// Which listener of a gateway it goes to.
    listener: fn(&Gateway) -> SocketAddr,
    targets: Arc<Mutex<Vec<Arc<Target>>>>,
}

impl Balancer {
    pub(crate) async fn start(listener: fn(&Gateway) -> SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let targets: Arc<Mutex<Vec<Arc<Target>>>> = Arc::default();
        let turn = AtomicUsize::new(0);
        let known = Arc::clone(&targets);
        tokio::spawn(async move {
            while let Ok((client, _)) = socket.accept().await {
                let ready: Vec<_> = {
                    let targets = known.lock().unwrap();
                    let ready = targets.iter().filter(|it| it.ready.load(Ordering::SeqCst));
                    ready.map(|target| target.address).collect()
                };
                let at = ready[turn.fetch_add(1, Ordering::SeqCst) % ready.len()];
                tokio::spawn(carry(client, at));
            }
        });
        Self { address, listener, targets }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes a gateway that is ready, for as long as it is.
    pub(crate) fn add(&self, gateway: &Gateway) {
        let target =
            Arc::new(Target { address: (self.listener)(gateway), ready: AtomicBool::new(true) });
        self.targets.lock().unwrap().push(Arc::clone(&target));
        let url = gateway.status("/healthz/ready");
        tokio::spawn(async move {
            while target.ready.load(Ordering::SeqCst) {
                sleep(INTERVAL).await;
                let ask = Ask::get(url.clone());
                let answer = spawn_blocking(move || ask.send()).await.unwrap();
                let ready = answer.is_ok_and(|answer| answer.status == 200);
                target.ready.store(ready, Ordering::SeqCst);
            }
        });
    }
}

async fn carry(mut client: TcpStream, at: SocketAddr) -> std::io::Result<()> {
    let mut gateway = TcpStream::connect(at).await?;
    client.set_nodelay(true)?;
    gateway.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut gateway).await.map(drop)
}
