//! Our shapes as AWS's.

use crate::aws::{arns::Arns, authentication, error::CloudError};
use aws_sdk_elasticloadbalancingv2::types as elb;
use edgeway_alb_core::{
    Key,
    pairs::Pairs,
    rule::{
        Action, Authentication, Condition, FixedResponse, Forward, Patterns, QueryPair, Redirect,
        Rewrite, Share, TargetGroupRef, Transform,
    },
    tags::Tags,
    target::{Matcher, TargetId},
};

pub(super) fn tags(tags: &Tags) -> Vec<elb::Tag> {
    // A key is always there, so that building cannot fail.
    tags.iter().map(|(key, value)| elb::Tag::builder().key(key).value(value).build()).collect()
}

pub(super) fn matcher(matcher: &Matcher) -> elb::Matcher {
    match matcher {
        Matcher::Http(codes) => elb::Matcher::builder().http_code(codes).build(),
        Matcher::Grpc(codes) => elb::Matcher::builder().grpc_code(codes).build(),
    }
}

pub(super) fn target(target: &TargetId, zone: Option<&str>) -> elb::TargetDescription {
    elb::TargetDescription::builder()
        .id(&target.id)
        .port(i32::from(target.port))
        .set_availability_zone(zone.map(str::to_owned))
        .build()
}

pub(super) fn certificate(arn: &str) -> elb::Certificate {
    elb::Certificate::builder().certificate_arn(arn).build()
}

/// Attributes in lots that one call takes.
pub(super) fn lots(attributes: &Pairs) -> Vec<Vec<(String, String)>> {
    const LOT: usize = 20;
    let pairs: Vec<_> = attributes.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    pairs.chunks(LOT).map(<[_]>::to_vec).collect()
}

/// What a client must show, and then the action.
pub(super) fn actions(
    login: Option<&Authentication>,
    act: &Action,
    arns: &Arns,
) -> Result<Vec<elb::Action>, CloudError> {
    let first = login.map(authentication::write);
    let order = if first.is_some() { 2 } else { 1 };
    Ok(first.into_iter().chain([action(act, order, arns)?]).collect())
}

fn action(action: &Action, order: i32, arns: &Arns) -> Result<elb::Action, CloudError> {
    let build = elb::Action::builder().order(order);
    Ok(match action {
        Action::Forward(config) => build
            .r#type(elb::ActionTypeEnum::Forward)
            .forward_config(forward(config, arns)?)
            .build(),
        Action::Redirect(config) => {
            build.r#type(elb::ActionTypeEnum::Redirect).redirect_config(redirect(config)).build()
        }
        Action::Fixed(config) => build
            .r#type(elb::ActionTypeEnum::FixedResponse)
            .fixed_response_config(fixed(config))
            .build(),
        Action::Unknown(kind) => {
            return Err(CloudError::Unknown(format!("actions of type {kind}")));
        }
    })
}

fn forward(forward: &Forward, arns: &Arns) -> Result<elb::ForwardActionConfig, CloudError> {
    let mut build = elb::ForwardActionConfig::builder();
    for Share { group, weight } in &forward.shares {
        let arn = match group {
            TargetGroupRef::Ours(name) => arns.of(&Key::TargetGroup(name.clone()))?,
            TargetGroupRef::Foreign(arn) => arn.clone(),
        };
        let share =
            elb::TargetGroupTuple::builder().target_group_arn(arn).weight(i32::from(*weight));
        build = build.target_groups(share.build());
    }
    let seconds = forward.stickiness.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
    let sticky = seconds.map(|seconds| {
        elb::TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(seconds).build()
    });
    Ok(build.set_target_group_stickiness_config(sticky).build())
}

fn redirect(redirect: &Redirect) -> elb::RedirectActionConfig {
    let Redirect { protocol, host, port, path, query, status } = redirect;
    elb::RedirectActionConfig::builder()
        .protocol(protocol)
        .host(host)
        .port(port)
        .path(path)
        .query(query)
        .status_code(elb::RedirectActionStatusCodeEnum::from(status.as_str()))
        .build()
}

fn fixed(fixed: &FixedResponse) -> elb::FixedResponseActionConfig {
    let FixedResponse { status, content_type, body } = fixed;
    elb::FixedResponseActionConfig::builder()
        .status_code(status)
        .set_content_type(content_type.clone())
        .set_message_body(body.clone())
        .build()
}

/// Texts and regular expressions; one of them is absent.
fn halves(patterns: &Patterns) -> (Option<Vec<String>>, Option<Vec<String>>) {
    match patterns {
        Patterns::Text(values) => (Some(values.clone()), None),
        Patterns::Regex(values) => (None, Some(values.clone())),
    }
}

pub(super) fn condition(condition: &Condition) -> elb::RuleCondition {
    let build = elb::RuleCondition::builder();
    match condition {
        Condition::Host(patterns) => {
            let (values, regexes) = halves(patterns);
            let config = elb::HostHeaderConditionConfig::builder();
            let config = config.set_values(values).set_regex_values(regexes).build();
            build.field("host-header").host_header_config(config)
        }
        Condition::Path(patterns) => {
            let (values, regexes) = halves(patterns);
            let config = elb::PathPatternConditionConfig::builder();
            let config = config.set_values(values).set_regex_values(regexes).build();
            build.field("path-pattern").path_pattern_config(config)
        }
        Condition::Header { name, values } => {
            let (values, regexes) = halves(values);
            let config = elb::HttpHeaderConditionConfig::builder().http_header_name(name);
            let config = config.set_values(values).set_regex_values(regexes).build();
            build.field("http-header").http_header_config(config)
        }
        Condition::Method(values) => {
            let config = elb::HttpRequestMethodConditionConfig::builder();
            let config = config.set_values(Some(values.clone())).build();
            build.field("http-request-method").http_request_method_config(config)
        }
        Condition::Query(pairs) => {
            let pair = |QueryPair { key, value }: &QueryPair| {
                let build = elb::QueryStringKeyValuePair::builder();
                build.set_key(key.clone()).value(value).build()
            };
            let config = elb::QueryStringConditionConfig::builder();
            let config = config.set_values(Some(pairs.iter().map(pair).collect())).build();
            build.field("query-string").query_string_config(config)
        }
        Condition::SourceIp(values) => {
            let config = elb::SourceIpConditionConfig::builder();
            let config = config.set_values(Some(values.clone())).build();
            build.field("source-ip").source_ip_config(config)
        }
    }
    .build()
}

pub(super) fn transform(transform: &Transform) -> elb::RuleTransform {
    let rewrites = |rewrites: &[Rewrite]| {
        let rewrite = |Rewrite { regex, replace }: &Rewrite| {
            elb::RewriteConfig::builder().regex(regex).replace(replace).build()
        };
        Some(rewrites.iter().map(rewrite).collect::<Vec<_>>())
    };
    // Only the type is required, and it is there.
    let build = elb::RuleTransform::builder();
    match transform {
        Transform::Url(all) => {
            let config = elb::UrlRewriteConfig::builder().set_rewrites(rewrites(all)).build();
            build.r#type(elb::TransformTypeEnum::UrlRewrite).url_rewrite_config(config)
        }
        Transform::Host(all) => {
            let config =
                elb::HostHeaderRewriteConfig::builder().set_rewrites(rewrites(all)).build();
            build
                .r#type(elb::TransformTypeEnum::HostHeaderRewrite)
                .host_header_rewrite_config(config)
        }
    }
    .build()
}
