//! `actions.*`, `conditions.*` and `transforms.*`: JSON of these annotations, checked.

use super::{refused, value::Expected};
use crate::{
    limits,
    rule::{Condition, FixedResponse, Patterns, QueryPair, Redirect, Rewrite, Transform},
};
use edgeway_api::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use ipnet::IpNet;
use serde::Deserialize;

/// What an `actions.*` annotation asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ActionWish {
    /// Forward to these.
    Forward(Vec<ShareWish>, Option<u32>),
    /// Send clients elsewhere.
    Redirect(Redirect),
    /// Answer.
    Fixed(FixedResponse),
}

/// One group of a forward.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShareWish {
    pub(crate) target: TargetWish,
    pub(crate) weight: u16,
}

/// Which group is meant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TargetWish {
    Arn(String),
    Name(String),
    Service(String, IntOrString),
}

/// An action as it is written. Names of fields are in small letters by now.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ActionSpec {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "targetgrouparn")]
    arn: Option<String>,
    #[serde(rename = "targetgroupname")]
    name: Option<String>,
    #[serde(rename = "fixedresponseconfig")]
    fixed: Option<FixedSpec>,
    #[serde(rename = "redirectconfig")]
    redirect: Option<RedirectSpec>,
    #[serde(rename = "forwardconfig")]
    forward: Option<ForwardSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct FixedSpec {
    #[serde(rename = "statuscode")]
    status: String,
    #[serde(rename = "contenttype")]
    content_type: Option<String>,
    #[serde(rename = "messagebody")]
    body: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RedirectSpec {
    protocol: Option<String>,
    host: Option<String>,
    port: Option<String>,
    path: Option<String>,
    query: Option<String>,
    #[serde(rename = "statuscode")]
    status: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ForwardSpec {
    #[serde(rename = "targetgroups", default)]
    groups: Vec<GroupSpec>,
    #[serde(rename = "targetgroupstickinessconfig")]
    stickiness: Option<StickinessSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct StickinessSpec {
    enabled: Option<bool>,
    #[serde(rename = "durationseconds")]
    seconds: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
struct GroupSpec {
    #[serde(rename = "targetgrouparn")]
    arn: Option<String>,
    #[serde(rename = "targetgroupname")]
    name: Option<String>,
    #[serde(rename = "servicename")]
    service: Option<String>,
    #[serde(rename = "serviceport")]
    port: Option<IntOrString>,
    weight: Option<u16>,
}

const FORM: &str = "see the documentation of this annotation for its form";

fn missing(what: &str) -> Expected {
    Expected::new(format!("{what} is missing"), FORM)
}

impl ActionSpec {
    /// What is asked for.
    pub(crate) fn wish(self) -> Result<ActionWish, Expected> {
        match self.kind.as_str() {
            "forward" => self.forward(),
            "redirect" => self.redirect.ok_or_else(|| missing("redirectConfig"))?.wish(),
            "fixed-response" => self.fixed.ok_or_else(|| missing("fixedResponseConfig"))?.wish(),
            kind => {
                let wrong = format!("there is no action of type {kind:?}");
                Err(Expected::new(wrong, "use forward, redirect or fixed-response"))
            }
        }
    }

    fn forward(self) -> Result<ActionWish, Expected> {
        let short = self.arn.map(TargetWish::Arn).or(self.name.map(TargetWish::Name));
        match (short, self.forward) {
            (Some(target), None) => {
                Ok(ActionWish::Forward(vec![ShareWish { target, weight: 1 }], None))
            }
            (None, Some(config)) => config.wish(),
            (Some(_), Some(_)) => {
                Err(Expected::new("it has a target group both short and in forwardConfig", FORM))
            }
            (None, None) => Err(missing("forwardConfig")),
        }
    }
}

impl ForwardSpec {
    fn wish(self) -> Result<ActionWish, Expected> {
        let (count, most) = (self.groups.len(), limits::GROUPS_PER_ACTION);
        if count == 0 {
            return Err(missing("targetGroups"));
        }
        if count > most {
            let wrong = format!("it has {count} target groups");
            return Err(Expected::new(wrong, format!("AWS takes at most {most}")));
        }
        let shares = self.groups.into_iter().map(|group| group.wish(count > 1));
        let shares = shares.collect::<Result<Vec<_>, _>>()?;
        let stickiness = self.stickiness.filter(|config| config.enabled == Some(true));
        let stickiness = stickiness.map(|config| match config.seconds {
            Some(seconds) if refused::STICKINESS.contains(&seconds) => Ok(seconds),
            Some(_) => {
                Err(Expected::new("durationSeconds is too short or long", "use 1 to 604800"))
            }
            None => Err(missing("durationSeconds")),
        });
        Ok(ActionWish::Forward(shares, stickiness.transpose()?))
    }
}

impl GroupSpec {
    fn wish(self, many: bool) -> Result<ShareWish, Expected> {
        let target = match (self.arn, self.name, self.service) {
            (Some(arn), None, None) => TargetWish::Arn(arn),
            (None, Some(name), None) => TargetWish::Name(name),
            (None, None, Some(service)) => {
                TargetWish::Service(service, self.port.ok_or_else(|| missing("servicePort"))?)
            }
            (None, None, None) => return Err(missing("serviceName")),
            _ => return Err(Expected::new("it has both a Service and a target group", FORM)),
        };
        let weight = match self.weight {
            // Of a lone group it means nothing, and AWS refuses 0.
            Some(0) | None if !many => 1,
            Some(weight @ 0..=999) => weight,
            Some(_) => {
                return Err(Expected::new("a weight is above 999", "weigh from 0 to 999"));
            }
            None => return Err(missing("weight, where there are several target groups,")),
        };
        Ok(ShareWish { target, weight })
    }
}

impl RedirectSpec {
    fn wish(self) -> Result<ActionWish, Expected> {
        let same = Redirect::default();
        let redirect = refused::redirect(Redirect {
            protocol: self.protocol.unwrap_or(same.protocol),
            host: self.host.unwrap_or(same.host),
            port: self.port.unwrap_or(same.port),
            path: self.path.unwrap_or(same.path),
            query: self.query.unwrap_or(same.query),
            status: self.status,
        });
        redirect.map(ActionWish::Redirect)
    }
}

impl FixedSpec {
    fn wish(self) -> Result<ActionWish, Expected> {
        let Self { status, content_type, body } = self;
        // AWS may tell of an empty one as of none, and the rule would never be as it is wished.
        let body = body.filter(|body| !body.is_empty());
        refused::fixed(FixedResponse { status, content_type, body }).map(ActionWish::Fixed)
    }
}

/// A condition as it is written.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ConditionSpec {
    #[serde(default)]
    field: String,
    #[serde(rename = "hostheaderconfig")]
    host: Option<PatternSpec>,
    #[serde(rename = "pathpatternconfig")]
    path: Option<PatternSpec>,
    #[serde(rename = "httpheaderconfig")]
    header: Option<PatternSpec>,
    #[serde(rename = "httprequestmethodconfig")]
    method: Option<ValuesSpec>,
    #[serde(rename = "querystringconfig")]
    query: Option<QuerySpec>,
    #[serde(rename = "sourceipconfig")]
    source: Option<ValuesSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct PatternSpec {
    #[serde(rename = "httpheadername")]
    name: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(rename = "regexvalues", default)]
    regexes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct ValuesSpec {
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct QuerySpec {
    #[serde(default)]
    values: Vec<PairSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct PairSpec {
    key: Option<String>,
    value: String,
}

impl ConditionSpec {
    /// The condition.
    pub(crate) fn wish(self) -> Result<Condition, Expected> {
        self.read().and_then(refused::condition)
    }

    fn read(self) -> Result<Condition, Expected> {
        match self.field.as_str() {
            "host-header" => {
                let (_, patterns) = self.host.ok_or_else(|| missing("hostHeaderConfig"))?.wish()?;
                Ok(Condition::Host(patterns))
            }
            "path-pattern" => {
                let (_, patterns) =
                    self.path.ok_or_else(|| missing("pathPatternConfig"))?.wish()?;
                Ok(Condition::Path(patterns))
            }
            "http-header" => {
                let (name, values) =
                    self.header.ok_or_else(|| missing("httpHeaderConfig"))?.wish()?;
                let name = name.ok_or_else(|| missing("httpHeaderName"))?;
                Ok(Condition::Header { name, values })
            }
            "http-request-method" => {
                let config = self.method.ok_or_else(|| missing("httpRequestMethodConfig"))?;
                Ok(Condition::Method(config.filled()?))
            }
            "query-string" => {
                let pairs = self.query.ok_or_else(|| missing("queryStringConfig"))?.values;
                if pairs.is_empty() {
                    return Err(missing("values"));
                }
                let named = |key: Option<String>| key.filter(|key| !key.is_empty());
                let pair = |PairSpec { key, value }| QueryPair { key: named(key), value };
                Ok(Condition::Query(pairs.into_iter().map(pair).collect()))
            }
            "source-ip" => {
                let ranges = self.source.ok_or_else(|| missing("sourceIPConfig"))?.filled()?;
                match ranges.iter().find(|range| range.parse::<IpNet>().is_err()) {
                    Some(bad) => Err(Expected::new(
                        format!("{bad:?} is no range of addresses"),
                        "write an address and the length of its prefix, such as 10.0.0.0/8",
                    )),
                    None => Ok(Condition::SourceIp(ranges)),
                }
            }
            field => Err(Expected::new(
                format!("there is no field {field:?}, and without it the rule would be wider"),
                "use host-header, path-pattern, http-header, http-request-method, query-string or source-ip",
            )),
        }
    }
}

impl PatternSpec {
    fn wish(self) -> Result<(Option<String>, Patterns), Expected> {
        let patterns = match (self.values.is_empty(), self.regexes.is_empty()) {
            (false, true) => Patterns::Text(self.values),
            (true, false) => Patterns::Regex(self.regexes),
            (true, true) => return Err(missing("values")),
            (false, false) => {
                return Err(Expected::new(
                    "it has both values and regexValues",
                    "give one of them",
                ));
            }
        };
        Ok((self.name, patterns))
    }
}

impl ValuesSpec {
    fn filled(self) -> Result<Vec<String>, Expected> {
        if self.values.is_empty() { Err(missing("values")) } else { Ok(self.values) }
    }
}

/// A transform as it is written.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TransformSpec {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "urlrewriteconfig")]
    url: Option<RewritesSpec>,
    #[serde(rename = "hostheaderrewriteconfig")]
    host: Option<RewritesSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct RewritesSpec {
    #[serde(default)]
    rewrites: Vec<RewriteSpec>,
}

#[derive(Clone, Debug, Deserialize)]
struct RewriteSpec {
    regex: String,
    replace: String,
}

impl TransformSpec {
    /// The transform.
    pub(crate) fn wish(self) -> Result<Transform, Expected> {
        match self.kind.as_str() {
            "url-rewrite" => {
                Ok(Transform::Url(self.url.ok_or_else(|| missing("urlRewriteConfig"))?.wish()?))
            }
            "host-header-rewrite" => {
                let config = self.host.ok_or_else(|| missing("hostHeaderRewriteConfig"))?;
                Ok(Transform::Host(config.wish()?))
            }
            kind => {
                let wrong = format!("there is no transform of type {kind:?}");
                Err(Expected::new(wrong, "use url-rewrite or host-header-rewrite"))
            }
        }
    }
}

impl RewritesSpec {
    fn wish(self) -> Result<Vec<Rewrite>, Expected> {
        if self.rewrites.is_empty() {
            return Err(missing("rewrites"));
        }
        let rewrite = |RewriteSpec { regex, replace }| Rewrite { regex, replace };
        Ok(self.rewrites.into_iter().map(rewrite).collect())
    }
}
