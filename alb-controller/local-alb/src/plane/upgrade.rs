//! Connections that changed their protocol, such as `WebSocket`s: bytes both ways until one side
//! ends, nothing passes for the idle timeout, or the target has to go.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::access::Record;
use super::body::Activity;
use super::live::InFlight;

/// Joins the two sides once both have changed.
pub(crate) async fn join(
    client: OnUpgrade,
    target: OnUpgrade,
    idle: Duration,
    in_flight: InFlight,
    record: Record,
) {
    let (Ok(client), Ok(target)) = tokio::join!(client, target) else { return };
    let (client_read, client_write) = tokio::io::split(TokioIo::new(client));
    let (target_read, target_write) = tokio::io::split(TokioIo::new(target));
    let activity = Activity::new();
    let cut = in_flight.cut();
    let up = copy(client_read, target_write, &activity);
    let down = copy(target_read, client_write, &activity);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        () = activity.quiet_for(idle) => {}
        () = cut.cancelled() => {}
    }
    drop(record);
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    activity: &Arc<Activity>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        activity.touch();
        let Some(bytes) = buffer.get(..read) else { break };
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    // The other direction may still have something to say.
    let _ = to.shutdown().await;
}
