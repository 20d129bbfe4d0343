//! One thread that serves: its own runtime, its own sockets, nothing shared with its siblings but
//! the table.

use crate::{
    access::Lines,
    chance::Chance,
    context::{Clients, Context, Phase, Port, Seldom, Settings},
    live::{Live, Registry},
    proxy,
    tls::Prepared,
    view::{Reporter, Serving, View},
};
use edgeway_core::{
    id::ListenerId,
    table::{Listener, ProxyHeader, Table},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{self, SocketAddr},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, oneshot},
    task::{LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, sleep},
};

/// How often unused connections are looked at and log lines handed over.
const TICK: Duration = Duration::from_millis(250);

/// Pause after an accept that failed, which happens when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// This table is in force, with this TLS.
    Table(Arc<Table>, Prepared),
    /// Accept on this socket for a listener of the table.
    Listen(ListenerId, net::TcpListener),
    /// Accept no more on a listener; end its unused connections after a grace.
    Close(ListenerId, Duration),
    /// Make visible what was counted, and confirm.
    Flush(oneshot::Sender<()>),
    /// Ask clients to go elsewhere.
    Drain,
    /// Accept no more at all, end unused connections, and stop when none is left.
    Stop,
    /// Stop at once.
    Abort,
}

/// A worker, seen from outside. Dropping it stops the worker at once.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
    stopped: oneshot::Receiver<()>,
}

/// Tells a worker.
pub(crate) type Commands = mpsc::UnboundedSender<Command>;

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(
        index: usize,
        settings: Settings,
        reporter: Reporter,
        access: Lines,
        registry: Arc<Registry>,
    ) -> std::io::Result<Self> {
        let (commands, orders) = mpsc::unbounded_channel();
        let (stopping, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread =
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                let context = Context {
                    settings,
                    chance: Chance::new(),
                    reporter,
                    access,
                    live: RefCell::new(Live::new(registry)),
                    phase: Cell::default(),
                    clients: Clients::default(),
                    copies: Rc::default(),
                    seldom: Seldom::default(),
                };
                let serving = Desk::new(Rc::new(context)).run(orders);
                LocalSet::new().block_on(&runtime, serving);
                let _ = stopping.send(());
            })?;
        Ok(Self { commands, thread, stopped })
    }

    /// Where to tell it.
    pub(crate) fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Returns when it has stopped by itself, which it does after [`Command::Stop`].
    pub(crate) async fn stopped(&mut self) {
        // An error means that the thread ended without a word: it has stopped, too.
        let _ = (&mut self.stopped).await;
    }

    /// Waits for the thread.
    pub(crate) fn join(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
}

/// What a worker keeps at hand.
struct Desk {
    context: Rc<Context>,
    table: Arc<Table>,
    tls: Prepared,
    view: Rc<View>,
    ports: HashMap<ListenerId, Open>,
    stopping: bool,
}

/// A listener that accepts.
struct Open {
    port: Rc<Port>,
    close: Rc<Notify>,
}

impl Desk {
    fn new(context: Rc<Context>) -> Self {
        Self {
            context,
            table: Arc::default(),
            tls: Prepared::default(),
            view: Rc::new(View::empty()),
            ports: HashMap::new(),
            stopping: false,
        }
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Command>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let context = Rc::clone(&self.context);
        let mut was_short = false;
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Command::Abort) | None => break,
                    Some(order) => self.obey(order),
                },
                _ = tick.tick() => {
                    let now = Instant::now();
                    context.live.borrow().sweep(now);
                    self.view.sweep(now);
                    context.access.hand_over();
                    let short = context.settings.load.memory.is_short();
                    if short && !was_short {
                        // Those that wait for nothing can come again later.
                        context.clients.close_idle(None);
                    }
                    was_short = short;
                }
                () = context.clients.empty(), if self.stopping => break,
            }
        }
        self.view.flush();
        context.access.hand_over();
    }

    fn obey(&mut self, order: Command) {
        match order {
            Command::Table(table, tls) => self.put_in_force(table, tls),
            Command::Listen(id, socket) => self.listen(id, socket),
            Command::Close(id, grace) => self.close(id, grace),
            Command::Flush(done) => {
                self.view.flush();
                self.context.access.hand_over();
                let _ = done.send(());
            }
            Command::Drain => self.context.phase.set(Phase::Draining),
            Command::Stop => {
                self.stopping = true;
                self.context.phase.set(Phase::Closing);
                self.ports.drain().for_each(|(_, open)| open.close.notify_one());
                self.context.clients.close_idle(None);
            }
            // Ends the loop before it gets here.
            Command::Abort => {}
        }
    }

    fn put_in_force(&mut self, table: Arc<Table>, tls: Prepared) {
        self.tls = tls;
        let mut live = self.context.live.borrow_mut();
        self.view =
            Rc::new(View::new(&table, &self.tls, &mut live, &self.view, &self.context.chance));
        for (id, open) in &self.ports {
            if let Some(listener) = table.listener(*id) {
                open.port.serving.replace(self.serving(listener));
                open.port.proxy_header.set(self.proxy_header(listener));
            }
        }
        self.table = table;
        live.forget_unused();
    }

    fn serving(&self, listener: &Arc<Listener>) -> Rc<Serving> {
        let tls = self.tls.servers(listener.id);
        Rc::new(Serving { view: Rc::clone(&self.view), listener: Arc::clone(listener), tls })
    }

    /// What manifests say counts before what was said at the start.
    fn proxy_header(&self, listener: &Listener) -> ProxyHeader {
        let at_start = || self.context.settings.edge.proxy_protocol.at(listener.id.port);
        listener.proxy_header.or_else(at_start).unwrap_or(ProxyHeader::Off)
    }

    fn listen(&mut self, id: ListenerId, socket: net::TcpListener) {
        let Some(listener) = self.table.listener(id) else { return };
        let socket = match TcpListener::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(port = id.port, %error, "cannot accept on a socket");
                return;
            }
        };
        let port = Rc::new(Port {
            serving: RefCell::new(self.serving(listener)),
            phase: Cell::default(),
            proxy_header: Cell::new(self.proxy_header(listener)),
        });
        let close = Rc::new(Notify::new());
        let context = Rc::clone(&self.context);
        context.clients.begin_accepting();
        spawn_local(accept(socket, Rc::clone(&port), Rc::clone(&close), context));
        self.ports.insert(id, Open { port, close });
    }

    fn close(&mut self, id: ListenerId, grace: Duration) {
        let Some(Open { port, close }) = self.ports.remove(&id) else { return };
        close.notify_one();
        port.phase.set(Phase::Draining);
        let context = Rc::clone(&self.context);
        spawn_local(async move {
            sleep(grace).await;
            port.phase.set(Phase::Closing);
            context.clients.close_idle(Some(&port));
        });
    }
}

async fn accept(socket: TcpListener, port: Rc<Port>, close: Rc<Notify>, context: Rc<Context>) {
    let begin = |stream: TcpStream, peer: SocketAddr| {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        spawn_local(proxy::serve(stream, peer, Rc::clone(&port), Rc::clone(&context)));
    };
    loop {
        tokio::select! {
            biased;
            () = close.notified() => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => begin(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Clients whose connections wait in the queue were told that they are connected.
    if let Ok(socket) = socket.into_std() {
        while let Ok((stream, peer)) = socket.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                begin(stream, peer);
            }
        }
    }
    // Behind the connections that were begun just now.
    tokio::task::yield_now().await;
    context.clients.end_accepting();
}
