//! What keeps a watch from telling, and who can mend it.

use super::feed::Feed;
use edgeway_api::{ObjectRef, Problem};

/// What keeps a watch from telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A role is missing. The API server says which: verb, resource, namespace.
    Forbidden(String),
    /// It is tried again, and may be better then.
    Unreachable(String),
}

/// Why a watch stands still.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody listens any more.
    Deaf,
    /// What was known is too old to go on from.
    Expired,
    /// There is no such kind here, at least now.
    NotServed,
    /// The API server is too old to stream what there is.
    CannotStream,
    /// It is tried again after a while.
    Trouble(Trouble),
}

/// Stands for the API server in problems.
const SERVER: &str = "ApiServer";

impl Trouble {
    /// In the API server's words, or those of the way there.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Forbidden(text) | Self::Unreachable(text) => text,
        }
    }

    /// What users should mend; what mends itself is none of it.
    pub(super) fn problem(&self, feed: &Feed) -> Option<Problem> {
        let Self::Forbidden(message) = self else { return None };
        let object = ObjectRef::new(SERVER, "", "kube");
        let advice = format!("grant the verbs list and watch on {feed} to whom this runs as");
        Some(
            Problem::error(object, feed.to_string(), "permission-missing")
                .message(message.clone())
                .advice(advice),
        )
    }
}

impl Stop {
    /// What an error of the client's means; `is_stream` if a stream was asked for.
    pub(super) fn of(error: &kube::Error, is_stream: bool) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Trouble(Trouble::Unreachable(chain(error)));
        };
        Self::of_status(status.code, &status.message, is_stream)
    }

    /// What a status of the API server's means.
    pub(super) fn of_status(code: u16, message: &str, is_stream: bool) -> Self {
        match code {
            410 => Self::Expired,
            404 => Self::NotServed,
            400 | 422 if is_stream => Self::CannotStream,
            403 => Self::Trouble(Trouble::Forbidden(message.to_owned())),
            _ => Self::Trouble(Trouble::Unreachable(format!("{code}: {message}"))),
        }
    }

    /// A connection that failed, or a text that cannot be read.
    pub(super) fn lost(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Trouble(Trouble::Unreachable(chain(error)))
    }

    /// Nothing came in time.
    pub(super) fn late() -> Self {
        Self::Trouble(Trouble::Unreachable("it does not answer in time".into()))
    }
}

/// An error and what is behind it, without what is said twice.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Feed, Stop, Trouble};

    #[test]
    fn what_the_server_says_is_understood() {
        let of = |code, is_stream| Stop::of_status(code, "m", is_stream);
        assert!(matches!(of(410, false), Stop::Expired));
        assert!(matches!(of(404, true), Stop::NotServed));
        assert!(matches!(of(422, true), Stop::CannotStream));
        assert!(matches!(of(422, false), Stop::Trouble(Trouble::Unreachable(_))));
        assert!(matches!(of(503, true), Stop::Trouble(Trouble::Unreachable(_))));
        assert!(matches!(of(403, true), Stop::Trouble(Trouble::Forbidden(_))));
    }

    #[test]
    fn a_missing_role_is_a_problem_and_an_outage_is_none() {
        let feed = Feed::secret("edge", "tls");
        let problem = Trouble::Forbidden("secrets \"tls\" is forbidden".into()).problem(&feed);
        assert_eq!(
            problem.unwrap().to_string(),
            "error [permission-missing] ApiServer kube secrets `tls` in namespace edge: secrets \
             \"tls\" is forbidden; grant the verbs list and watch on secrets `tls` in namespace \
             edge to whom this runs as"
        );
        assert_eq!(Trouble::Unreachable("gone".into()).problem(&feed), None);
    }
}
