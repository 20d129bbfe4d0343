//! One line for each request, in the format of AWS's access logs.
//!
//! It goes to the log under its own target, `edgeway_local_alb::access`, at level debug.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::SystemTime;

use tokio::time::Instant;

use super::body::Activity;
use super::desync::Class;
use super::headers::{Peer, TlsFacts};
use crate::wire::time::micros;
use std::sync::Arc;

/// What is known about a request; written down when it ends.
#[derive(Debug)]
pub(crate) struct Record {
    started: SystemTime,
    clock: Instant,
    peer: Peer,
    tls: Option<TlsFacts>,
    http2: bool,
    activity: Option<Arc<Activity>>,
    sent: u64,
    /// When the target began, and when it answered.
    asked: Option<Instant>,
    answered: Option<Instant>,
    /// `app/NAME/ID` of the load balancer.
    pub(crate) load_balancer: String,
    /// Method, URL and version, as they were sent.
    pub(crate) request: String,
    pub(crate) user_agent: String,
    pub(crate) trace_id: String,
    pub(crate) host: String,
    /// 0 for the default rule, -1 where no rule was reached.
    pub(crate) priority: i64,
    /// What was done, in its order.
    pub(crate) actions: Vec<&'static str>,
    /// Why the load balancer could not go on, in AWS's word.
    pub(crate) error: Option<&'static str>,
    pub(crate) redirect: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) target: Option<SocketAddr>,
    pub(crate) upgraded: bool,
    /// How dangerous the request is.
    pub(crate) class: Class,
    /// Nothing if the client left before there was an answer.
    pub(crate) status: Option<u16>,
    pub(crate) target_status: Option<u16>,
}

impl Record {
    /// A request that has just arrived.
    pub(crate) fn new(now: SystemTime, peer: Peer, tls: Option<TlsFacts>, http2: bool) -> Self {
        Self {
            started: now,
            clock: Instant::now(),
            peer,
            tls,
            http2,
            activity: None,
            sent: 0,
            asked: None,
            answered: None,
            load_balancer: String::new(),
            request: String::new(),
            user_agent: String::new(),
            trace_id: String::new(),
            host: String::new(),
            priority: -1,
            actions: Vec::new(),
            error: None,
            redirect: None,
            group: None,
            target: None,
            upgraded: false,
            class: Class::Compliant,
            status: None,
            target_status: None,
        }
    }

    /// A target is asked now.
    pub(crate) fn asking(&mut self, target: SocketAddr, activity: &Arc<Activity>) {
        self.target = Some(target);
        self.asked = Some(Instant::now());
        self.activity = Some(Arc::clone(activity));
    }

    /// The target answered just now.
    pub(crate) fn answered(&mut self, status: u16) {
        self.answered = Some(Instant::now());
        self.target_status = Some(status);
    }

    /// So many bytes went to the client.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    fn kind(&self) -> &'static str {
        match (self.upgraded, self.http2, self.tls.is_some()) {
            (true, _, true) => "wss",
            (true, _, false) => "ws",
            (false, true, _) => "h2",
            (false, false, true) => "https",
            (false, false, false) => "http",
        }
    }

    /// Seconds spent before, in and after the target; -1 where it was not reached.
    fn times(&self) -> [f64; 3] {
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        match (self.asked, self.answered) {
            (Some(asked), Some(answered)) => [
                seconds(self.clock, asked),
                seconds(asked, answered),
                answered.elapsed().as_secs_f64(),
            ],
            (Some(asked), None) => [seconds(self.clock, asked), -1.0, -1.0],
            (None, _) => [-1.0; 3],
        }
    }

    fn line(&self, now: SystemTime) -> String {
        const MISSING: &str = "-";
        let text = |value: Option<String>| value.unwrap_or_else(|| MISSING.to_owned());
        let code = |value: Option<u16>| text(value.map(|code| code.to_string()));
        let target = text(self.target.map(|target| target.to_string()));
        let (class, reason) = self.class.names();
        let [before, within, after] = self.times();
        let tls = self.tls.as_ref();
        let mut line = format!("{} {} {}", self.kind(), micros(now), self.load_balancer);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " {}:{} {target} {before:.3} {within:.3} {after:.3} {} {} {} {} \"{}\" \"{}\" {} {} {}",
            self.peer.address,
            self.peer.port,
            self.status.unwrap_or(460),
            code(self.target_status),
            self.activity.as_ref().map_or(0, |activity| activity.bytes()),
            self.sent,
            quoted(&self.request),
            quoted(&self.user_agent),
            tls.map_or(MISSING, |tls| tls.cipher.as_str()),
            tls.map_or(MISSING, |tls| tls.version),
            self.group.as_deref().unwrap_or(MISSING),
        );
        let _ = write!(
            line,
            " \"{}\" \"{}\" \"-\" {} {} \"{}\" \"{}\" \"{}\" \"{target}\" \"{}\" \"{class}\" \"{reason}\" - \"-\" \"-\" \"-\"",
            quoted(&self.trace_id),
            quoted(&self.host),
            self.priority,
            micros(self.started),
            if self.actions.is_empty() { MISSING.to_owned() } else { self.actions.join(",") },
            quoted(self.redirect.as_deref().unwrap_or(MISSING)),
            self.error.unwrap_or(MISSING),
            code(self.target_status),
        );
        line
    }
}

/// Quotes and control characters, so that one request stays one line of fixed fields.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\x22"),
            '\\' => out.push_str("\\x5C"),
            _ if letter.is_control() => out.extend(letter.escape_default()),
            _ => out.push(letter),
        }
    }
    out
}

impl Drop for Record {
    fn drop(&mut self) {
        if tracing::enabled!(target: "edgeway_local_alb::access", tracing::Level::DEBUG) {
            let line = self.line(SystemTime::now());
            tracing::debug!(target: "edgeway_local_alb::access", "{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_of_aws_in_their_order() {
        let peer = Peer { address: [192, 0, 2, 1].into(), port: 4321 };
        let mut record = Record::new(SystemTime::UNIX_EPOCH, peer, None, false);
        record.load_balancer = "app/shop/1".into();
        record.request = "GET http://h:80/a\"b HTTP/1.1".into();
        record.user_agent = "curl\n".into();
        record.status = Some(503);
        record.priority = 7;
        record.actions = vec!["authenticate", "forward"];
        record.error = Some("AuthInvalidIdToken");
        let line = record.line(SystemTime::UNIX_EPOCH);
        // Quoted fields may hold spaces; count them as one.
        let fields = line.split('"').enumerate().fold(0, |count, (index, part)| {
            if index % 2 == 1 { count + 1 } else { count + part.split_whitespace().count() }
        });
        assert_eq!(fields, 33, "{line}");
        assert!(line.starts_with(
            "http 1970-01-01T00:00:00.000000Z app/shop/1 192.0.2.1:4321 - -1.000 -1.000 -1.000 503 - 0 0 \
             \"GET http://h:80/a\\x22b HTTP/1.1\" \"curl\\n\" - - -"
        ), "{line}");
        let acted =
            " 7 1970-01-01T00:00:00.000000Z \"authenticate,forward\" \"-\" \"AuthInvalidIdToken\"";
        assert!(line.contains(acted), "{line}");
    }
}
