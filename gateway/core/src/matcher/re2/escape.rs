//! What a backslash means to RE2, outside of classes and inside.

use super::{BadRegex, translate::Reader};

/// The largest code point.
const LAST: u32 = 0x0010_FFFF;

/// General categories of Unicode; of other names only scripts' are known to RE2.
const CATEGORIES: &[&str] = &[
    "Any", "C", "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
    "Z", "Zl", "Zp", "Zs",
];

/// Reads what follows a backslash outside of a class.
pub(super) fn escape(reader: &mut Reader<'_>) -> Result<(), BadRegex> {
    let anchors = [("b", "(?-u:\\b)"), ("B", "(?-u:\\B)"), ("A", "\\A"), ("z", "\\z")];
    if let Some((_, written)) = anchors.into_iter().find(|(text, _)| reader.takes(text)) {
        reader.out.push_str(written);
        return Ok(());
    }
    if let Some(set) = set(reader)? {
        reader.out.push_str(&set);
        return Ok(());
    }
    let c = character(reader)?;
    reader.literal(c);
    Ok(())
}

/// `\d`, `\pL` and the like, as a class of the crate's; `None` if something else follows.
pub(super) fn set(reader: &mut Reader<'_>) -> Result<Option<String>, BadRegex> {
    let named = [
        ("d", "[0-9]"),
        ("D", "[^0-9]"),
        ("w", "[0-9A-Za-z_]"),
        ("W", "[^0-9A-Za-z_]"),
        ("s", "[\\t\\n\\x0C\\r ]"),
        ("S", "[^\\t\\n\\x0C\\r ]"),
    ];
    if let Some((_, written)) = named.into_iter().find(|(text, _)| reader.takes(text)) {
        return Ok(Some(written.to_owned()));
    }
    let negated = match reader.rest.chars().next() {
        Some('p') => false,
        Some('P') => true,
        _ => return Ok(None),
    };
    reader.next();
    let unknown = || BadRegex("invalid character class".into());
    let name = if reader.takes("{") {
        reader.until("}").ok_or_else(unknown)?
    } else {
        let (letter, after) = reader.rest.split_at_checked(1).ok_or_else(unknown)?;
        reader.rest = after;
        letter
    };
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, !negated),
        None => (name, negated),
    };
    // Scripts have long names with a capital, and the crate knows them.
    let script = name.len() > 2
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let property = if CATEGORIES.contains(&name) {
        format!("{{{name}}}")
    } else if script {
        format!("{{Script={name}}}")
    } else {
        return Err(unknown());
    };
    Ok(Some(format!("\\{}{property}", if negated { 'P' } else { 'p' })))
}

/// Reads an escape that stands for one character.
pub(super) fn character(reader: &mut Reader<'_>) -> Result<char, BadRegex> {
    let Some(c) = reader.next() else { return Err(BadRegex("trailing backslash".into())) };
    let octal = |c: char| c.is_digit(8);
    Ok(match c {
        'a' => '\x07',
        'f' => '\x0C',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0B',
        'x' => hexadecimal(reader)?,
        '1'..='7' if !reader.rest.starts_with(octal) => {
            return Err(BadRegex("back-references are not supported".into()));
        }
        '0'..='7' => {
            let mut value = c.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                if let Some(digit) = reader.rest.chars().next().and_then(|c| c.to_digit(8)) {
                    value = value * 8 + digit;
                    reader.next();
                }
            }
            code_point(value)?
        }
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
        other => return Err(BadRegex(format!("invalid escape `\\{other}`"))),
    })
}

/// `\x41` or `\x{41}`.
fn hexadecimal(reader: &mut Reader<'_>) -> Result<char, BadRegex> {
    let invalid = || BadRegex("invalid escape `\\x`".into());
    let digits = if reader.takes("{") {
        reader.until("}").ok_or_else(invalid)?
    } else {
        let (digits, after) = reader.rest.split_at_checked(2).ok_or_else(invalid)?;
        reader.rest = after;
        digits
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
    code_point(value.ok_or_else(invalid)?)
}

fn code_point(value: u32) -> Result<char, BadRegex> {
    let known = char::from_u32(value).filter(|_| value <= LAST);
    known.ok_or_else(|| BadRegex(format!("{value:#x} is no character")))
}
