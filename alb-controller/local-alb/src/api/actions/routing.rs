//! The actions that answer a request: forward, redirect, fixed response.

use crate::error::AwsError;
use crate::state::ids::Arn;
use crate::state::rule::{Fixed, Forward, Redirect, WeightedGroup};
use crate::wire::Params;

pub(super) fn forward(params: &Params<'_>) -> Result<Forward, AwsError> {
    let top = params.text("TargetGroupArn");
    let config = params.structure("ForwardConfig");
    let mut groups = Vec::new();
    for group in config.structures("TargetGroups") {
        let arn = Arn::from(group.required("TargetGroupArn")?);
        let weight = group.number("Weight", 0, u32::MAX)?.unwrap_or(1);
        groups.push(WeightedGroup { arn, weight });
    }
    match (top, groups.as_slice()) {
        (Some(top), []) => groups.push(WeightedGroup { arn: top.into(), weight: 1 }),
        (Some(top), [only]) if only.arn.as_str() == top => {}
        (Some(_), _) => {
            return Err(AwsError::validation(
                "You can specify both a target group list and a top-level target group ARN only if the ARNs match",
            ));
        }
        (None, []) => {
            return Err(AwsError::validation(
                "For actions of type 'forward', you must specify the following fields: 'TargetGroupArn or ForwardConfig'",
            ));
        }
        (None, _) => {}
    }
    let lowest = u32::from(groups.len() == 1);
    if groups.iter().any(|group| group.weight < lowest || group.weight > 999) {
        return Err(AwsError::validation(format!(
            "The weight for the target group must be between {lowest} and 999, inclusive"
        )));
    }
    let sticky = config.structure("TargetGroupStickinessConfig");
    let seconds = sticky.number("DurationSeconds", 1, 604_800)?;
    let stickiness = match (sticky.boolean("Enabled")?.unwrap_or(false), seconds) {
        (true, None) => {
            return Err(AwsError::validation(
                "You must provide a duration when enabling target group stickiness",
            ));
        }
        (true, seconds) => seconds,
        (false, _) => None,
    };
    Ok(Forward { groups, stickiness })
}

pub(super) fn redirect(params: &Params<'_>) -> Result<Redirect, AwsError> {
    let status = params
        .word("StatusCode", &["HTTP_301", "HTTP_302"])?
        .ok_or_else(|| params.missing("StatusCode"))?;
    let part = |field: &str, default: &str| params.text(field).unwrap_or(default).to_owned();
    let redirect = Redirect {
        protocol: part("Protocol", "#{protocol}"),
        host: part("Host", "#{host}"),
        port: part("Port", "#{port}"),
        path: part("Path", "/#{path}"),
        query: part("Query", "#{query}"),
        permanent: status == "HTTP_301",
    };
    if !["HTTP", "HTTPS", "#{protocol}"].contains(&redirect.protocol.as_str()) {
        let text =
            format!("Redirect protocol '{}' must be one of 'HTTP, HTTPS'", redirect.protocol);
        return Err(AwsError::validation(text));
    }
    if redirect.port != "#{port}" && !redirect.port.parse().is_ok_and(|port: u16| port > 0) {
        let text = format!("Redirect port '{}' must be from 1 to 65535", redirect.port);
        return Err(AwsError::validation(text));
    }
    if !redirect.path.starts_with('/') {
        let text = format!("Redirect path '{}' must begin with '/'", redirect.path);
        return Err(AwsError::validation(text));
    }
    for (name, value) in
        [("host", &redirect.host), ("path", &redirect.path), ("query", &redirect.query)]
    {
        let bytes_fit = value.len() <= 128 && value.bytes().all(|byte| byte.is_ascii_graphic());
        if !bytes_fit {
            let text = format!("Redirect {name} '{value}' must be printable and at most 128 long");
            return Err(AwsError::validation(text));
        }
    }
    Ok(redirect)
}

pub(super) fn fixed(params: &Params<'_>) -> Result<Fixed, AwsError> {
    const CONTENT_TYPES: [&str; 5] =
        ["text/html", "application/json", "application/javascript", "text/css", "text/plain"];
    let status = params.required("StatusCode")?;
    let code = status.parse::<u16>().ok().filter(|_| status.len() == 3);
    let Some(code) = code.filter(|code| matches!(code / 100, 2 | 4 | 5)) else {
        let text = format!("The StatusCode '{status}' must be 2XX, 4XX or 5XX");
        return Err(AwsError::validation(text));
    };
    let content_type = params.text("ContentType").filter(|text| !text.is_empty());
    if content_type.is_some_and(|text| !CONTENT_TYPES.contains(&text)) {
        let list = CONTENT_TYPES.map(|name| format!("'{name}'")).join(", ");
        return Err(AwsError::validation(format!("The ContentType must be one of:{list}.")));
    }
    let body = params.text("MessageBody");
    if body.is_some_and(|body| body.len() > 1024) {
        let text = "The MessageBody cannot be longer than 1024 bytes";
        return Err(AwsError::validation(text));
    }
    Ok(Fixed {
        status: code,
        content_type: content_type.map(str::to_owned),
        body: body.map(str::to_owned),
    })
}
