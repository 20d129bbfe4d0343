//! What pingora-core wants of a stream, most of which it need not know of ours.

use super::Io;
use async_trait::async_trait;
use pingora_core::protocols::{
    self, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use std::{os::fd::AsRawFd, sync::Arc};

#[async_trait]
impl protocols::Shutdown for Io {
    async fn shutdown(&mut self) {
        self.conn.finish();
    }
}

impl UniqueID for Io {
    fn id(&self) -> UniqueIDType {
        self.socket.as_ref().as_raw_fd()
    }
}

impl Ssl for Io {}

impl GetTimingDigest for Io {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Io {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Io {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[async_trait]
impl Peek for Io {}
