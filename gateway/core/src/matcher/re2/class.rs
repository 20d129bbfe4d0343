//! Bracketed classes, as RE2 reads them: an inner `[`, `&&`, `~~` and `--` are plain characters.

use super::{
    BadRegex,
    escape::{character, set},
    translate::Reader,
};

/// The names of `[:name:]`; they mean the same in the crate.
const NAMED: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Reads a class whose `[` is read already.
pub(super) fn class(reader: &mut Reader<'_>) -> Result<(), BadRegex> {
    reader.out.push('[');
    if reader.takes("^") {
        reader.out.push('^');
    }
    let mut first = true;
    loop {
        if !first && reader.takes("]") {
            reader.out.push(']');
            return Ok(());
        }
        first = false;
        if reader.rest.starts_with("[:") && named(reader)? {
            continue;
        }
        if let Some(after) = reader.rest.strip_prefix('\\') {
            let before = std::mem::replace(&mut reader.rest, after);
            if let Some(set) = set(reader)? {
                reader.out.push_str(&set);
                continue;
            }
            reader.rest = before;
        }
        range(reader)?;
    }
}

/// `[:alpha:]` or `[:^alpha:]`; a `[:` that no `:]` ends is two characters.
fn named(reader: &mut Reader<'_>) -> Result<bool, BadRegex> {
    let Some((text, after)) = reader.rest.get(2..).and_then(|rest| rest.split_once(":]")) else {
        return Ok(false);
    };
    if !NAMED.contains(&text.strip_prefix('^').unwrap_or(text)) {
        return Err(BadRegex(format!("`[:{text}:]` is no class")));
    }
    reader.out.extend(["[:", text, ":]"]);
    reader.rest = after;
    Ok(true)
}

/// One character, or two with a `-` between them.
fn range(reader: &mut Reader<'_>) -> Result<(), BadRegex> {
    let low = one(reader)?;
    write(low, reader);
    let follows = reader.rest.strip_prefix('-').is_some_and(|after| !after.starts_with(']'));
    if follows && reader.rest.len() > 1 {
        reader.next();
        let high = one(reader)?;
        if high < low {
            return Err(BadRegex(format!("invalid range `{low}-{high}`")));
        }
        reader.out.push('-');
        write(high, reader);
    }
    Ok(())
}

fn one(reader: &mut Reader<'_>) -> Result<char, BadRegex> {
    match reader.next() {
        None => Err(BadRegex("missing closing ]".into())),
        Some('\\') => character(reader),
        Some(c) => Ok(c),
    }
}

/// Nothing that is written like this has a meaning of its own.
fn write(c: char, reader: &mut Reader<'_>) {
    if c.is_ascii_alphanumeric() {
        reader.out.push(c);
    } else {
        let code = format!("\\x{{{:X}}}", u32::from(c));
        reader.out.push_str(&code);
    }
}
