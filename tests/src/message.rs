//! HTTP/1.1 messages as they stand on the wire, for clients and backends that must see every byte.

use std::io::{self, BufRead, Read};

/// A request or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line.
    pub first: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without its framing.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads the next one; `None` if the connection ends before it begins.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::read_head(reader)? else { return Ok(None) };
        if message.header("transfer-encoding").is_some() {
            while let Some(chunk) = chunk(reader)? {
                message.body.extend(chunk);
            }
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            message.body = exactly(reader, length)?;
        }
        Ok(Some(message))
    }

    /// Reads the next head, as of an answer that has no body.
    pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let first = line(reader)?;
        if first.is_empty() {
            return Ok(None);
        }
        let mut headers = Vec::new();
        while let Some((name, value)) = line(reader)?.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Some(Self { first, headers, body: Vec::new() }))
    }

    /// The values of a header, joined by commas; `None` if it is not there.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(own, _)| own == name);
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// A word of the first line, from 0.
    pub fn word(&self, position: usize) -> &str {
        self.first.split(' ').nth(position).unwrap_or_default()
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn exactly(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The next chunk; `None` after the last.
fn chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let length = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
    if length == 0 {
        while !line(reader)?.is_empty() {}
        return Ok(None);
    }
    let bytes = exactly(reader, length)?;
    line(reader)?;
    Ok(Some(bytes))
}
