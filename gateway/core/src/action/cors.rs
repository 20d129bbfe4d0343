//! Cross-origin requests, as Envoy's filter answers and marks them.

use crate::matcher::Text;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN,
    },
};
use serde::Serialize;

/// `corsPolicy`: lists are joined into header values once.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Origins that may ask.
    pub origins: Vec<Text>,
    /// `access-control-allow-methods`; `*` gives back what a preflight asks for.
    #[serde(skip)]
    pub methods: Option<HeaderValue>,
    /// `access-control-allow-headers`; `*` gives back what a preflight asks for.
    #[serde(skip)]
    pub headers: Option<HeaderValue>,
    /// `access-control-expose-headers`.
    #[serde(skip)]
    pub expose: Option<HeaderValue>,
    /// `access-control-max-age`, in seconds.
    #[serde(skip)]
    pub max_age: Option<HeaderValue>,
    /// Whether cookies may be sent along.
    pub credentials: bool,
    /// Preflights of other origins are answered here, without allowing them.
    pub ignore_unmatched: bool,
}

/// What becomes of a request under a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it has no origin, or one that the backend may judge.
    Pass,
    /// It goes on; these headers replace the backend's.
    Mark(Vec<(HeaderName, HeaderValue)>),
    /// It is a preflight: 200, no body, these headers.
    Answer(Vec<(HeaderName, HeaderValue)>),
}

impl Cors {
    /// Judges a request. Several `Origin` lines are nobody's.
    pub fn judge(&self, method: &str, headers: &HeaderMap) -> Verdict {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return Verdict::Pass };
        let allowed = self.origins.iter().any(|text| text.matches_bytes(origin.as_bytes()));
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let preflight = asked.filter(|asked| method == "OPTIONS" && !asked.is_empty());
        match (preflight, allowed) {
            (Some(asked), true) => Verdict::Answer(self.answer(Some(origin), asked, headers)),
            (Some(asked), false) if self.ignore_unmatched => {
                Verdict::Answer(self.answer(None, asked, headers))
            }
            (_, false) => Verdict::Pass,
            (None, true) => Verdict::Mark(self.mark(Some(origin))),
        }
    }

    fn mark(&self, origin: Option<&HeaderValue>) -> Vec<(HeaderName, HeaderValue)> {
        let mut marks = Vec::with_capacity(3);
        marks.extend(origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())));
        if self.credentials {
            marks.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        marks.extend(self.expose.clone().map(|expose| (ACCESS_CONTROL_EXPOSE_HEADERS, expose)));
        marks
    }

    fn answer(
        &self,
        origin: Option<&HeaderValue>,
        asked: &HeaderValue,
        headers: &HeaderMap,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let nothing = HeaderValue::from_static("");
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or(&nothing);
        let mut answer = self.mark(origin);
        let lists = [
            (ACCESS_CONTROL_ALLOW_METHODS, &self.methods, asked),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.headers, wanted),
        ];
        for (name, list, reflected) in lists {
            answer
                .extend(list.as_ref().map(|list| {
                    (name, if list == "*" { reflected.clone() } else { list.clone() })
                }));
        }
        answer.extend(self.max_age.clone().map(|age| (ACCESS_CONTROL_MAX_AGE, age)));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Cors {
        Cors {
            origins: vec![Text::Exact("https://ok.org".into())],
            methods: Some(HeaderValue::from_static("GET,POST")),
            headers: Some(HeaderValue::from_static("*")),
            expose: Some(HeaderValue::from_static("x-exp")),
            max_age: Some(HeaderValue::from_static("86400")),
            credentials: true,
            ignore_unmatched: false,
        }
    }

    fn judged(policy: &Cors, method: &str, headers: &[(HeaderName, &'static str)]) -> String {
        let headers: HeaderMap =
            headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect();
        let shown = |list: Vec<(HeaderName, HeaderValue)>| {
            let pairs = list.iter().map(|(name, value)| {
                format!(
                    "{}={}",
                    name.as_str().trim_start_matches("access-control-"),
                    value.to_str().unwrap()
                )
            });
            pairs.collect::<Vec<_>>().join(" ")
        };
        match policy.judge(method, &headers) {
            Verdict::Pass => "pass".into(),
            Verdict::Mark(list) => format!("mark {}", shown(list)),
            Verdict::Answer(list) => format!("answer {}", shown(list)),
        }
    }

    #[test]
    fn origins_are_judged_as_envoy_judges_them() {
        let ok = (ORIGIN, "https://ok.org");
        let bad = (ORIGIN, "https://bad.org");
        let asks = (ACCESS_CONTROL_REQUEST_METHOD, "DELETE");
        let wants = (ACCESS_CONTROL_REQUEST_HEADERS, "x-other");
        let marks = "allow-origin=https://ok.org allow-credentials=true expose-headers=x-exp";
        let policy = policy();
        for (method, headers, expected) in [
            ("GET", vec![], "pass".to_owned()),
            ("GET", vec![ok.clone()], format!("mark {marks}")),
            ("GET", vec![bad.clone()], "pass".into()),
            ("OPTIONS", vec![ok.clone()], format!("mark {marks}")),
            (
                "OPTIONS",
                vec![ok.clone(), asks.clone(), wants],
                format!(
                    "answer {marks} allow-methods=GET,POST allow-headers=x-other max-age=86400"
                ),
            ),
            ("OPTIONS", vec![bad.clone(), asks.clone()], "pass".into()),
        ] {
            assert_eq!(judged(&policy, method, &headers), expected, "{method} {headers:?}");
        }
        let ignoring = Cors { ignore_unmatched: true, ..policy };
        assert_eq!(
            judged(&ignoring, "OPTIONS", &[bad, asks]),
            "answer allow-credentials=true expose-headers=x-exp allow-methods=GET,POST allow-headers= max-age=86400"
        );
    }

    #[test]
    fn two_origins_are_nobodys() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, HeaderValue::from_static("https://ok.org"));
        headers.append(ORIGIN, HeaderValue::from_static("https://ok.org"));
        assert_eq!(policy().judge("GET", &headers), Verdict::Pass);
    }
}
