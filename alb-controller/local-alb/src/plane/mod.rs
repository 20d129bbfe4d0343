//! The data plane: sockets, rules at work, targets and their health.
//!
//! It reads one immutable [`table`](table::Table) and never the account itself.

pub(crate) mod access;
pub(crate) mod body;
pub(crate) mod checks;
pub(crate) mod clients;
pub(crate) mod connection;
pub(crate) mod cookies;
pub(crate) mod desync;
pub(crate) mod evaluate;
pub(crate) mod exchange;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod identity;
pub(crate) mod listen;
pub(crate) mod live;
pub(crate) mod mutual;
pub(crate) mod pages;
pub(crate) mod pick;
pub(crate) mod probe;
pub(crate) mod redirect;
pub(crate) mod rewrite;
pub(crate) mod table;
pub(crate) mod tap;
pub(crate) mod tls;
pub(crate) mod trace;
pub(crate) mod upgrade;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use clients::Clients;
use identity::{Identities, Unready};
use live::Live;
use table::Table;
use tls::Certificates;

/// What every connection of the data plane shares.
#[derive(Debug)]
pub(crate) struct Plane {
    /// The one table; a request loads it once and keeps what it loaded.
    pub(crate) table: ArcSwap<Table>,
    /// Counts that outlive tables.
    pub(crate) live: Live,
    /// Connections to targets.
    pub(crate) clients: Clients,
    /// Who clients are.
    pub(crate) identities: Identities,
    /// Certificates with their keys, as listeners present them.
    pub(crate) certificates: Certificates,
    /// Tells when whatever is still under way has to end.
    pub(crate) halt: CancellationToken,
}

impl Plane {
    /// `cognito` is the URL that answers in place of every user pool.
    pub(crate) fn new(cognito: Option<String>) -> Result<Self, Unready> {
        Ok(Self {
            table: ArcSwap::from_pointee(Table::default()),
            live: Live::default(),
            clients: Clients::new()?,
            identities: Identities::new(cognito)?,
            certificates: Certificates::default(),
            halt: CancellationToken::new(),
        })
    }
}
