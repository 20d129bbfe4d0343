//! How a client begins: in plain text, or with TLS and then for which host. Bytes in, no connection.

use rustls::server::Acceptor;

/// A greeting larger than this is none.
const LARGEST: usize = 64 * 1024;

/// First byte of a TLS connection.
const HANDSHAKE: u8 = 22;

/// What the mesh's proxies offer to speak with one another.
const OF_MESH: &[&[u8]] =
    &[b"istio-peer-exchange", b"istio", b"istio-http/1.0", b"istio-http/1.1", b"istio-h2"];

/// How a client begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls(Hello),
    /// In no way that we understand.
    None,
}

/// What a client says of itself in its TLS greeting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The host that it wants.
    pub name: Option<String>,
    /// What it would speak inside.
    pub protocols: Option<Vec<Vec<u8>>>,
}

impl Hello {
    /// Whether it comes from the mesh's own proxies, by what it would speak.
    pub fn is_of_mesh(&self) -> bool {
        let mut protocols = self.protocols.iter().flatten();
        protocols.any(|protocol| OF_MESH.contains(&protocol.as_slice()))
    }
}

/// Looks at the first bytes of a connection without using them up.
#[derive(Default)]
pub struct Peek {
    acceptor: Acceptor,
    fed: usize,
}

impl Peek {
    /// How the client begins, once `bytes`, which only grow between calls, tell; `None` before.
    pub fn advance(&mut self, bytes: &[u8]) -> Option<Greeting> {
        match bytes.first() {
            None => return None,
            Some(&HANDSHAKE) => {}
            Some(_) => return Some(Greeting::Plain),
        }
        if bytes.len() > LARGEST {
            return Some(Greeting::None);
        }
        while let Some(mut rest) = bytes.get(self.fed..).filter(|rest| !rest.is_empty()) {
            match self.acceptor.read_tls(&mut rest) {
                Ok(taken) if taken > 0 => self.fed += taken,
                Ok(_) | Err(_) => return Some(Greeting::None),
            }
            match self.acceptor.accept() {
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let protocols = hello.alpn().map(|all| all.map(<[u8]>::to_vec).collect());
                    let name = hello.server_name().map(str::to_owned);
                    return Some(Greeting::Tls(Hello { name, protocols }));
                }
                Ok(None) => {}
                Err(_) => return Some(Greeting::None),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_and_nonsense_are_told_at_once() {
        let first = |bytes: &[u8]| Peek::default().advance(bytes);
        assert_eq!(first(b""), None);
        assert_eq!(first(b"G"), Some(Greeting::Plain));
        assert_eq!(first(b"\x16"), None);
        assert_eq!(first(b"\x16\x03\x01\x00\x05hello"), Some(Greeting::None));
        // A handshake message that never ends.
        let mut endless = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff".to_vec();
        endless.resize(LARGEST + 1, 0);
        assert_eq!(first(&endless), Some(Greeting::None));
    }
}
