//! `X-Amzn-Trace-Id`: made where it is missing, continued where a client sent one.

use std::time::SystemTime;

/// The longest value that is continued.
const LONGEST: usize = 7 * 1024;

/// The trace id to send to a target; `random` makes it unique.
pub(crate) fn trace_id(sent: Option<&str>, now: SystemTime, random: u128) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let own = format!("1-{:08x}-{:024x}", seconds & 0xffff_ffff, random & ((1 << 96) - 1));
    let Some(sent) = sent.filter(|sent| sent.len() <= LONGEST) else {
        return format!("Root={own}");
    };
    let fields = sent.split(';').map(str::trim).filter(|field| !field.is_empty());
    let (selves, others): (Vec<_>, Vec<_>) = fields.partition(|field| field.starts_with("Self="));
    drop(selves);
    let prefix =
        if others.iter().any(|field| field.starts_with("Root=")) { "Self" } else { "Root" };
    let mut value = format!("{prefix}={own}");
    for field in others {
        value.push(';');
        value.push_str(field);
    }
    value
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_root_is_kept_and_a_self_replaced() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(0x5759_e988);
        let own = "1-5759e988-000000000000000000000007";
        let rows = [
            (None, format!("Root={own}")),
            (Some(""), format!("Root={own}")),
            (Some("Root=1-a-b"), format!("Self={own};Root=1-a-b")),
            (Some("Self=1-x-y;Root=1-a-b;Sampled=1"), format!("Self={own};Root=1-a-b;Sampled=1")),
            (Some("CalledFrom=app"), format!("Root={own};CalledFrom=app")),
        ];
        for (sent, expected) in rows {
            assert_eq!(trace_id(sent, now, 7), expected, "{sent:?}");
        }
        let long = format!("Root=1-a-b;x={}", "y".repeat(LONGEST));
        assert_eq!(trace_id(Some(&long), now, 7), format!("Root={own}"));
    }
}
