//! HTTP/1.1: the two sides of an exchange.
//!
//! From endpoints, whatever is not the plainest of responses is read by pingora-core's session. From
//! clients, whom nobody can trust to frame their messages, heads and bodies are read by what is
//! stricter than its parser.

mod body;
mod client;
mod plain;
mod server;
mod wire;

pub(super) use body::{Decoded, Decoder};
pub(super) use client::Client;
pub(crate) use plain::{Plain, take as take_plain};
pub(super) use server::Server;
pub(super) use wire::head as write_head;

use super::message::Fault;
use pingora_error::{BError, ErrorType};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The outcome of a future that cannot have to wait: what sessions write goes nowhere.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn fault(error: &BError) -> Fault {
    let gone = matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError);
    if gone { Fault::Gone } else { Fault::Protocol }
}
