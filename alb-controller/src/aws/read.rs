//! AWS's shapes as ours.

use super::{arns::Arns, authentication};
use aws_sdk_elasticloadbalancingv2::types as elb;
use edgeway_alb_core::{
    Key,
    readiness::Fitness,
    rule::{
        Action, Authentication, Condition, FixedResponse, Forward, Patterns, QueryPair, Redirect,
        Rewrite, Rule, Share, TargetGroupRef, Transform,
    },
    stack::{IpAddressType, Scheme},
    tags::Tags,
    target::{
        HealthCheck, IpFamily, Matcher, Protocol, TargetGroupKind, TargetId, TargetType, Version,
    },
};

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// A number that is not negative.
pub(super) fn number<T: TryFrom<i32> + Default>(number: Option<i32>) -> T {
    number.and_then(|number| T::try_from(number).ok()).unwrap_or_default()
}

pub(super) fn scheme(balancer: &elb::LoadBalancer) -> Scheme {
    let word = balancer.scheme().map(elb::LoadBalancerSchemeEnum::as_str);
    word.and_then(Scheme::parse).unwrap_or(Scheme::InternetFacing)
}

pub(super) fn ip_address_type(balancer: &elb::LoadBalancer) -> IpAddressType {
    let word = balancer.ip_address_type().map(elb::IpAddressType::as_str);
    word.and_then(IpAddressType::parse).unwrap_or(IpAddressType::Ipv4)
}

pub(super) fn protocol(protocol: Option<&elb::ProtocolEnum>) -> Option<Protocol> {
    Protocol::parse(protocol?.as_str())
}

/// What cannot change about a group; nothing if it is not of a kind that we make.
pub(super) fn kind(group: &elb::TargetGroup) -> Option<TargetGroupKind> {
    Some(TargetGroupKind {
        target_type: TargetType::parse(group.target_type()?.as_str())?,
        protocol: protocol(group.protocol())?,
        version: group.protocol_version().and_then(Version::parse).unwrap_or(Version::Http1),
        port: number(group.port()),
        family: group
            .ip_address_type()
            .and_then(|family| IpFamily::parse(family.as_str()))
            .unwrap_or(IpFamily::V4),
        control_port: group.target_control_port().and_then(|port| u16::try_from(port).ok()),
    })
}

pub(super) fn health_check(group: &elb::TargetGroup) -> HealthCheck {
    let matcher = group.matcher();
    let grpc = matcher.and_then(|matcher| matcher.grpc_code());
    let http = matcher.and_then(|matcher| matcher.http_code());
    HealthCheck {
        protocol: protocol(group.health_check_protocol()).unwrap_or(Protocol::Http),
        port: text(group.health_check_port()),
        path: text(group.health_check_path()),
        interval: number(group.health_check_interval_seconds()),
        timeout: number(group.health_check_timeout_seconds()),
        healthy: number(group.healthy_threshold_count()),
        unhealthy: number(group.unhealthy_threshold_count()),
        matcher: grpc
            .map_or_else(|| Matcher::Http(text(http)), |codes| Matcher::Grpc(codes.to_owned())),
    }
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetState {
    /// It is sent requests.
    Well,
    /// It is on its way out.
    Leaves,
    /// It is sent none, at least now.
    Ill,
}

/// A target and how it is; nothing if it is not registered.
pub(super) fn target(
    description: &elb::TargetHealthDescription,
) -> Option<(TargetId, Option<String>, TargetState)> {
    let target = description.target()?;
    let health = description.target_health();
    let state = health.and_then(|health| health.state()).map(elb::TargetHealthStateEnum::as_str);
    let reason = health.and_then(|health| health.reason()).map(elb::TargetHealthReasonEnum::as_str);
    if reason == Some("Target.NotRegistered") {
        return None;
    }
    let id = TargetId { id: text(target.id()), port: number(target.port()) };
    let zone = target.availability_zone().map(str::to_owned);
    let condition = match state {
        Some("healthy") => TargetState::Well,
        Some("draining") => TargetState::Leaves,
        Some(_) | None => TargetState::Ill,
    };
    Some((id, zone, condition))
}

/// How a load balancer finds a target; nothing if it is not registered.
pub(super) fn fitness(description: &elb::TargetHealthDescription) -> Option<(TargetId, Fitness)> {
    let (id, _, state) = target(description)?;
    let health = description.target_health();
    let word = health.and_then(|health| health.reason()).map(elb::TargetHealthReasonEnum::as_str);
    let fitness = match (state, word) {
        (TargetState::Well, _) => Fitness::Well,
        (TargetState::Ill, Some("Target.NotInUse")) => Fitness::Unasked,
        (TargetState::Ill | TargetState::Leaves, _) => {
            let said = health.and_then(|health| health.description());
            Fitness::Ill(text(word), said.or(word).unwrap_or("it is not healthy yet").to_owned())
        }
    };
    Some((id, fitness))
}

/// A rule with the tags that were asked for apart.
pub(super) fn rule(rule: &elb::Rule, tags: Tags, arns: &Arns) -> Rule {
    let (authentication, action) = actions(rule.actions(), arns);
    Rule {
        conditions: rule.conditions().iter().filter_map(condition).collect(),
        authentication,
        action,
        transforms: rule.transforms().iter().filter_map(transform).collect(),
        tags,
    }
}

fn patterns(values: &[String], regexes: &[String]) -> Patterns {
    if regexes.is_empty() {
        Patterns::Text(values.to_vec())
    } else {
        Patterns::Regex(regexes.to_vec())
    }
}

/// A condition may come in the form of its own field, in the old form, or in both.
fn condition(condition: &elb::RuleCondition) -> Option<Condition> {
    let old = || patterns(condition.values(), condition.regex_values());
    match condition.field()? {
        "host-header" => Some(Condition::Host(match condition.host_header_config() {
            Some(config) => patterns(config.values(), config.regex_values()),
            None => old(),
        })),
        "path-pattern" => Some(Condition::Path(match condition.path_pattern_config() {
            Some(config) => patterns(config.values(), config.regex_values()),
            None => old(),
        })),
        "http-header" => {
            let config = condition.http_header_config()?;
            let values = patterns(config.values(), config.regex_values());
            Some(Condition::Header { name: text(config.http_header_name()), values })
        }
        "http-request-method" => {
            Some(Condition::Method(condition.http_request_method_config()?.values().to_vec()))
        }
        "query-string" => {
            let pairs = condition.query_string_config()?.values().iter();
            let pair = |pair: &elb::QueryStringKeyValuePair| QueryPair {
                key: pair.key().map(str::to_owned),
                value: text(pair.value()),
            };
            Some(Condition::Query(pairs.map(pair).collect()))
        }
        "source-ip" => Some(Condition::SourceIp(condition.source_ip_config()?.values().to_vec())),
        _ => None,
    }
}

/// What a client must show, and the one action after that.
pub(super) fn actions(actions: &[elb::Action], arns: &Arns) -> (Option<Authentication>, Action) {
    let authentication = actions.iter().find_map(authentication::read);
    let rest = actions.iter().filter(|action| authentication::read(action).is_none());
    (authentication, action(&rest.cloned().collect::<Vec<_>>(), arns))
}

/// The one action, if it is of a kind that we make.
fn action(actions: &[elb::Action], arns: &Arns) -> Action {
    let [action] = actions else {
        let kinds: Vec<&str> = actions.iter().filter_map(|a| Some(a.r#type()?.as_str())).collect();
        return Action::Unknown(kinds.join("+"));
    };
    let kind = action.r#type().map_or("nothing", elb::ActionTypeEnum::as_str);
    let known = match kind {
        "forward" => Some(Action::Forward(forward(action, arns))),
        "redirect" => action.redirect_config().map(redirect),
        "fixed-response" => action.fixed_response_config().map(fixed),
        _ => None,
    };
    known.unwrap_or_else(|| Action::Unknown(kind.to_owned()))
}

fn forward(action: &elb::Action, arns: &Arns) -> Forward {
    let reference = |arn: &str| match arns.key(arn) {
        Some(Key::TargetGroup(name)) => TargetGroupRef::Ours(name.clone()),
        _ => TargetGroupRef::Foreign(arn.to_owned()),
    };
    let groups =
        action.forward_config().map(elb::ForwardActionConfig::target_groups).unwrap_or_default();
    let mut shares: Vec<Share> = groups
        .iter()
        .filter_map(|tuple| {
            let weight = tuple.weight().and_then(|weight| u16::try_from(weight).ok()).unwrap_or(1);
            Some(Share { group: reference(tuple.target_group_arn()?), weight })
        })
        .collect();
    if let (true, Some(arn)) = (shares.is_empty(), action.target_group_arn()) {
        shares.push(Share { group: reference(arn), weight: 1 });
    }
    let sticky = action.forward_config().and_then(|config| config.target_group_stickiness_config());
    let sticky = sticky.filter(|sticky| sticky.enabled() == Some(true));
    Forward { shares, stickiness: sticky.map(|sticky| number(sticky.duration_seconds())) }
}

/// Fields that AWS leaves out mean: as it was.
fn redirect(config: &elb::RedirectActionConfig) -> Action {
    let same = Redirect::default();
    let or = |given: Option<&str>, same: String| given.map_or(same, str::to_owned);
    Action::Redirect(Redirect {
        protocol: or(config.protocol(), same.protocol),
        host: or(config.host(), same.host),
        port: or(config.port(), same.port),
        path: or(config.path(), same.path),
        query: or(config.query(), same.query),
        status: config.status_code().map(|code| code.as_str().to_owned()).unwrap_or(same.status),
    })
}

fn fixed(config: &elb::FixedResponseActionConfig) -> Action {
    let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Action::Fixed(FixedResponse {
        status: text(config.status_code()),
        content_type: some(config.content_type()),
        body: some(config.message_body()),
    })
}

fn transform(transform: &elb::RuleTransform) -> Option<Transform> {
    let rewrites = |rewrites: &[elb::RewriteConfig]| {
        let rewrite =
            |r: &elb::RewriteConfig| Rewrite { regex: text(r.regex()), replace: text(r.replace()) };
        rewrites.iter().map(rewrite).collect()
    };
    match transform.r#type()?.as_str() {
        "url-rewrite" => Some(Transform::Url(rewrites(transform.url_rewrite_config()?.rewrites()))),
        "host-header-rewrite" => {
            Some(Transform::Host(rewrites(transform.host_header_rewrite_config()?.rewrites())))
        }
        _ => None,
    }
}
