//! A DNS server that says what it is told to, and counts what it is asked.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{net::UdpSocket, sync::watch, task::JoinHandle};

/// What is said about a name.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// That it could not find out.
    Failure,
}

/// Runs until dropped. Of names it was not told it says that they do not exist.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<HashMap<String, Say>>>,
    asked: watch::Sender<HashMap<String, usize>>,
    task: JoinHandle<()>,
}

impl Dns {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::<Mutex<HashMap<String, Say>>>::default();
        let asked = watch::Sender::new(HashMap::new());
        let (said, count) = (Arc::clone(&zone), asked.clone());
        let task = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Question::read(&buffer[..length]);
                let say = said.lock().unwrap().get(&question.name).cloned();
                count.send_modify(|all| *all.entry(question.name.clone()).or_default() += 1);
                socket.send_to(&question.answer(say.as_ref()), peer).await.unwrap();
            }
        });
        Self { address, zone, asked, task }
    }

    pub(crate) fn say(&self, name: &str, say: Say) {
        self.zone.lock().unwrap().insert(name.to_owned(), say);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.zone.lock().unwrap().remove(name);
    }

    /// How often it was asked for a name, both families counted.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.asked.borrow().get(name).copied().unwrap_or_default()
    }

    /// Returns when it has been asked so often.
    pub(crate) async fn asked_again(&self, name: &str, times: usize) {
        let enough = self.asked(name) + times;
        let mut asked = self.asked.subscribe();
        asked.wait_for(|all| all.get(name).is_some_and(|count| *count >= enough)).await.unwrap();
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// As it was written, to be repeated.
    raw: Vec<u8>,
}

impl Question {
    fn read(packet: &[u8]) -> Self {
        let (mut at, mut labels) = (12, Vec::new());
        while packet[at] > 0 {
            let end = at + 1 + usize::from(packet[at]);
            labels.push(String::from_utf8_lossy(&packet[at + 1..end]).to_lowercase());
            at = end;
        }
        Self {
            id: [packet[0], packet[1]],
            name: labels.join("."),
            kind: u16::from_be_bytes([packet[at + 1], packet[at + 2]]),
            raw: packet[12..at + 5].to_vec(),
        }
    }

    fn answer(&self, say: Option<&Say>) -> Vec<u8> {
        let (code, records, ttl) = match say {
            Some(Say::Addresses(all, ttl)) => {
                let family = |address: &&IpAddr| (self.kind == 1) == address.is_ipv4();
                (0, all.iter().filter(family).collect(), *ttl)
            }
            Some(Say::Failure) => (2, Vec::new(), 0),
            None => (3, Vec::new(), 0),
        };
        let count = u8::try_from(records.len()).unwrap();
        let mut packet = self.id.to_vec();
        packet.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        packet.extend(&self.raw);
        for address in records {
            let data = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            // The name is the question's.
            packet.extend([0xc0, 12]);
            packet.extend(self.kind.to_be_bytes());
            packet.extend([0, 1]);
            packet.extend(ttl.to_be_bytes());
            packet.extend([0, u8::try_from(data.len()).unwrap()]);
            packet.extend(data);
        }
        packet
    }
}
