//! Which service, region and operation a received request is for.
//!
//! Any signature is accepted, and none too: the signature only tells the service and the region.

use http::request::Parts;
use serde_json::Value;

use super::query::Query;
use super::{Request, Service};
use crate::bucket::Objects;
use crate::error::{AwsError, Code};

/// A request that could not be understood, in the protocol it seems to be in.
pub(crate) type Misread = (Service, AwsError);

/// Reads a request.
pub(crate) fn receive(
    parts: &Parts,
    body: &[u8],
    default_region: &str,
) -> Result<Request, Misread> {
    let in_url = Query::decode(parts.uri.query().unwrap_or_default().as_bytes());
    let authorization = header(parts, "authorization").unwrap_or_default();
    let signed = scope(authorization)
        .or_else(|| in_url.root().text("X-Amz-Credential").and_then(fields_of_scope));
    let region = signed.map(|(region, _)| region).filter(|region| is_region(region));
    let region = region.unwrap_or(default_region).to_owned();
    if let Some(target) = header(parts, "x-amz-target") {
        return targeted(target, body, region);
    }
    let query = if body.is_empty() { in_url.clone() } else { Query::decode(body) };
    let root = query.root();
    let version = root.text("Version");
    let service = version
        .and_then(Service::with_version)
        .or_else(|| signed.and_then(|(_, service)| Service::signed_as(service)))
        .unwrap_or(Service::LoadBalancing);
    let Some(action) = root.text("Action").filter(|action| is_name(action)) else {
        let text = "The request must contain the parameter Action";
        return Err((service, AwsError::new(Code::MissingAction, text)));
    };
    if version.is_some_and(|version| Service::with_version(version).is_none()) {
        let text = format!(
            "Could not find operation {action} for version {}",
            version.unwrap_or_default()
        );
        return Err((service, AwsError::new(Code::InvalidAction, text)));
    }
    let action = action.to_owned();
    Ok(Request { service, action, region, query, json: Value::Null, objects: Objects::new() })
}

fn targeted(target: &str, body: &[u8], region: String) -> Result<Request, Misread> {
    let (prefix, action) = target.split_once('.').unwrap_or((target, ""));
    let Some(service) = Service::targeted(prefix) else {
        let text = format!("'{prefix}' is not a service that this endpoint answers for");
        return Err((Service::Acm, AwsError::new(Code::UnknownOperation, text)));
    };
    let body = if body.is_empty() { b"{}" } else { body };
    let json = serde_json::from_slice(body).map_err(|why| {
        (service, AwsError::new(Code::SerializationError, format!("The body is not JSON: {why}")))
    })?;
    Ok(Request {
        service,
        action: action.to_owned(),
        region,
        query: Query::default(),
        json,
        objects: Objects::new(),
    })
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Region and service of an `Authorization` header of signature version 4.
fn scope(authorization: &str) -> Option<(&str, &str)> {
    let (_, rest) = authorization.split_once("Credential=")?;
    fields_of_scope(rest.split([',', ' ']).next()?)
}

/// Region and service of `KEY/DATE/REGION/SERVICE/aws4_request`; the key may hold slashes.
fn fields_of_scope(credential: &str) -> Option<(&str, &str)> {
    let mut fields = credential.rsplit('/');
    let (_end, service, region) = (fields.next()?, fields.next()?, fields.next()?);
    Some((region, service))
}

fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[(&str, &str)], uri: &str, body: &str) -> Result<Request, Misread> {
        let mut request = http::Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        receive(&parts, body.as_bytes(), "us-east-1")
    }

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-3/ec2/aws4_request, \
                          SignedHeaders=host, Signature=0";

    #[test]
    fn the_signature_tells_service_and_region() {
        let request = read(&[("authorization", SIGNED)], "/", "Action=DescribeVpcs").unwrap();
        assert_eq!((request.service, request.region.as_str()), (Service::Ec2, "eu-west-3"));
        let unsigned = read(&[], "/", "Action=DescribeVpcs&Version=2016-11-15").unwrap();
        assert_eq!((unsigned.service, unsigned.region.as_str()), (Service::Ec2, "us-east-1"));
    }

    #[test]
    fn a_query_may_be_in_the_url() {
        let uri = "/?Action=GetCallerIdentity&Version=2011-06-15\
                   &X-Amz-Credential=A%2F20260101%2Feu-west-1%2Fsts%2Faws4_request";
        let request = read(&[], uri, "").unwrap();
        assert_eq!((request.service, request.region.as_str()), (Service::Sts, "eu-west-1"));
    }

    #[test]
    fn a_target_header_means_json() {
        let target = [("x-amz-target", "CertificateManager.ListCertificates")];
        let request = read(&target, "/", r#"{"MaxItems":1}"#).unwrap();
        assert_eq!((request.service, request.action.as_str()), (Service::Acm, "ListCertificates"));
        assert_eq!(request.json["MaxItems"], 1);
        let (_, error) = read(&target, "/", "{").unwrap_err();
        assert_eq!(error.code, Code::SerializationError);
        let (_, error) = read(&[("x-amz-target", "Logs_1.Put")], "/", "{}").unwrap_err();
        assert_eq!(error.code, Code::UnknownOperation);
    }

    #[test]
    fn what_is_not_a_call_is_refused() {
        let (_, error) = read(&[], "/", "").unwrap_err();
        assert_eq!(error.code, Code::MissingAction);
        let (_, error) = read(&[], "/", "Action=<x>").unwrap_err();
        assert_eq!(error.code, Code::MissingAction);
        let (_, error) =
            read(&[], "/", "Action=DescribeLoadBalancers&Version=2012-06-01").unwrap_err();
        assert_eq!(error.code, Code::InvalidAction);
    }

    proptest! {
        #[test]
        fn no_header_or_body_makes_it_panic(authorization in "\\PC{0,60}", body: Vec<u8>) {
            let mut parts = http::Request::new(()).into_parts().0;
            if let Ok(value) = authorization.parse() {
                parts.headers.insert("authorization", value);
            }
            let _ = receive(&parts, &body, "us-east-1");
        }
    }
}
