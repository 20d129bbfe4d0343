//! The gateway's access log, as one readable line per request.

use serde::Deserialize;
use std::{
    fmt,
    io::{self, Write},
};

/// Takes lines of JSON and logs what they say.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// A line that is not complete yet.
    rest: Vec<u8>,
}

/// What is told of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    method: Option<String>,
    authority: Option<String>,
    path: Option<String>,
    response_code: u16,
    response_flags: Option<String>,
    duration: u64,
    upstream_cluster: Option<String>,
    upstream_host: Option<String>,
}

impl Write for Requests {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            tell(&line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tell(line: &[u8]) {
    match serde_json::from_slice::<Entry>(line) {
        Ok(entry) if entry.response_code >= 500 => tracing::warn!(target: "access", "{entry}"),
        Ok(entry) => tracing::info!(target: "access", "{entry}"),
        Err(_) => tracing::info!(target: "access", "{}", String::from_utf8_lossy(line).trim_end()),
    }
}

/// `200 GET a.example.com/x 3ms reviews.default v1 at 127.0.0.1:40001`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let method = self.method.as_deref().unwrap_or("?");
        let (authority, path) = (text(&self.authority), text(&self.path));
        write!(f, "{} {method} {authority}{path} {}ms", self.response_code, self.duration)?;
        if let Some(cluster) = &self.upstream_cluster {
            write!(f, " to {}", short(cluster))?;
        }
        if let Some(host) = &self.upstream_host {
            write!(f, " at {host}")?;
        }
        match self.response_flags.as_deref() {
            None | Some("" | "-") => Ok(()),
            Some(flags) => write!(f, " [{flags}]"),
        }
    }
}

/// `reviews.default:9080 v1` for `outbound|9080|v1|reviews.default.svc.cluster.local`.
fn short(cluster: &str) -> String {
    let mut parts = cluster.split('|').skip(1);
    let (Some(port), Some(subset), Some(host)) = (parts.next(), parts.next(), parts.next()) else {
        return cluster.to_owned();
    };
    let name = host.strip_suffix(".svc.cluster.local").unwrap_or(host);
    let gap = if subset.is_empty() { "" } else { " " };
    format!("{name}:{port}{gap}{subset}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{log, output::tests::console};

    #[test]
    fn a_line_of_json_becomes_a_line_for_people_however_it_is_cut() {
        let (console, out, _) = console();
        let subscriber = log::subscriber(console.out, None).unwrap();
        let lines = concat!(
            r#"{"method":"GET","authority":"a.com","path":"/x?y","response_code":200,"duration":3,"#,
            r#""response_flags":"-","upstream_cluster":"outbound|80|v1|r.default.svc.cluster.local","#,
            r#""upstream_host":"127.0.0.1:4001"}"#,
            "\n",
            r#"{"method":"GET","authority":"b.com","path":"/","response_code":404,"duration":0,"#,
            r#""response_flags":"NR"}"#,
            "\nno json\n",
        );
        tracing::subscriber::with_default(subscriber, || {
            let mut requests = Requests::default();
            for piece in lines.as_bytes().chunks(50) {
                requests.write_all(piece).unwrap();
            }
        });
        let text = out.text();
        let told: Vec<&str> = text.lines().map(|line| &line[9..]).collect();
        assert_eq!(
            told,
            [
                "request    200 GET a.com/x?y 3ms to r.default:80 v1 at 127.0.0.1:4001",
                "request    404 GET b.com/ 0ms [NR]",
                "request    no json",
            ]
        );
    }
}
