//! Sets of keys of providers (RFC 7517), fetched where they are and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::provider::Failure;
use super::token::{Key, Listed, Token};
use super::web::{Silence, Web};

/// The largest set of keys, and the most keys of one.
const LARGEST: usize = 150 * 1024;
const MOST: usize = 10;
/// How long a set is kept; AWS does not say.
const KEPT: Duration = Duration::from_secs(300);
/// How long a set is kept that does not have the key asked for: it may have been replaced.
const KEPT_WITHOUT: Duration = Duration::from_secs(5);

/// The sets of keys that were fetched, by their URL.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    keys: Arc<[Key]>,
    since: Instant,
}

#[derive(Deserialize)]
struct Sets {
    keys: Vec<Value>,
}

impl Keys {
    /// The keys at a URL, of which one should be that of the token.
    pub(crate) async fn at(
        &self,
        web: &Web,
        url: &str,
        token: &Token<'_>,
    ) -> Result<Arc<[Key]>, Failure> {
        let known = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get(url).cloned()
        };
        if let Some(Kept { keys, since }) = known
            && is_fresh(since.elapsed(), token.knows(&keys))
        {
            return Ok(keys);
        }
        let keys = fetch(web, url).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(url.to_owned(), Kept { keys: Arc::clone(&keys), since: Instant::now() });
        Ok(keys)
    }
}

fn is_fresh(age: Duration, has_key: bool) -> bool {
    age < if has_key { KEPT } else { KEPT_WITHOUT }
}

async fn fetch(web: &Web, url: &str) -> Result<Arc<[Key]>, Failure> {
    let answered = match Request::get(url).body(Full::<Bytes>::default()) {
        Ok(request) => web.ask(request, LARGEST).await,
        Err(why) => Err(Silence::Broken(why.to_string())),
    };
    let told = |status, what: &str| {
        tracing::warn!(url, "no set of keys: {what}");
        Failure { status, why: (status == 500).then_some("JWKSRequestTimeout") }
    };
    match answered {
        Err(why @ (Silence::Timeout | Silence::Broken(_))) => Err(told(500, &why.to_string())),
        Err(why @ Silence::TooLarge) => Err(told(562, &why.to_string())),
        Ok((StatusCode::OK, body)) => read(&body).map_err(|what| told(562, &what)),
        Ok((status, _)) => Err(told(562, &format!("the answer is {status}"))),
    }
}

/// The usable keys of a set; of the others we know nothing, as RFC 7517 (5) has it.
fn read(body: &[u8]) -> Result<Arc<[Key]>, String> {
    let Sets { keys } = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    if keys.len() > MOST {
        return Err(format!("it has {} keys, and {MOST} are allowed", keys.len()));
    }
    let listed = keys.into_iter().filter_map(|key| serde_json::from_value::<Listed>(key).ok());
    Ok(listed.filter_map(Listed::key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_asked_for_again_when_it_is_old_or_lacks_a_key() {
        let rows = [
            (4, true, true),
            (299, true, true),
            (300, true, false),
            (4, false, true),
            (5, false, false),
        ];
        for (seconds, has_key, expected) in rows {
            let fresh = is_fresh(Duration::from_secs(seconds), has_key);
            assert_eq!(fresh, expected, "{seconds} s, {has_key}");
        }
    }

    #[test]
    fn a_set_has_at_most_ten_keys_of_any_kind() {
        let set = |count: usize| serde_json::json!({"keys": vec![serde_json::json!({"kty": "EC"}); count]});
        assert_eq!(read(set(10).to_string().as_bytes()).unwrap().len(), 0);
        assert!(read(set(11).to_string().as_bytes()).unwrap_err().contains("11 keys"));
        assert!(read(b"{}").is_err() && read(b"nonsense").is_err());
    }
}
