//! The services, their protocols, and how a reply or a refusal is wrapped in each.

use serde_json::json;

use super::Reply;
use super::doc::{Dialect, Doc, Fields, escape};
use crate::error::{AwsError, Code};

/// A service of AWS of which we answer something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    LoadBalancing,
    Ec2,
    Sts,
    Acm,
    Tagging,
    Waf,
    WafRegional,
    Shield,
}

/// A finished answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// The code of a refusal.
    pub(crate) error: Option<&'static str>,
    pub(crate) body: String,
}

impl Service {
    /// The service with this name in a signature.
    pub(crate) fn signed_as(name: &str) -> Option<Self> {
        match name {
            "elasticloadbalancing" => Some(Self::LoadBalancing),
            "ec2" => Some(Self::Ec2),
            "sts" => Some(Self::Sts),
            _ => None,
        }
    }

    /// The Query service with this API version.
    pub(crate) fn with_version(version: &str) -> Option<Self> {
        match version {
            "2015-12-01" => Some(Self::LoadBalancing),
            "2016-11-15" => Some(Self::Ec2),
            "2011-06-15" => Some(Self::Sts),
            _ => None,
        }
    }

    /// The JSON service whose operations have this prefix in `X-Amz-Target`.
    pub(crate) fn targeted(prefix: &str) -> Option<Self> {
        match prefix {
            "CertificateManager" => Some(Self::Acm),
            "ResourceGroupsTaggingAPI_20170126" => Some(Self::Tagging),
            "AWSWAF_20190729" => Some(Self::Waf),
            "AWSWAF_Regional_20161128" => Some(Self::WafRegional),
            "AWSShield_20160616" => Some(Self::Shield),
            _ => None,
        }
    }

    /// What a caller is told that asks too often.
    pub(crate) const fn throttling(self) -> Code {
        match self {
            Self::LoadBalancing | Self::Sts => Code::Throttling,
            Self::Ec2 => Code::RequestLimitExceeded,
            Self::Acm | Self::Tagging | Self::Waf | Self::WafRegional | Self::Shield => {
                Code::ThrottlingException
            }
        }
    }

    /// The name of the service for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LoadBalancing => "elasticloadbalancing",
            Self::Ec2 => "ec2",
            Self::Sts => "sts",
            Self::Acm => "acm",
            Self::Tagging => "tagging",
            Self::Waf => "wafv2",
            Self::WafRegional => "waf-regional",
            Self::Shield => "shield",
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::LoadBalancing
            | Self::Acm
            | Self::Tagging
            | Self::Waf
            | Self::WafRegional
            | Self::Shield => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        }
    }

    /// Wraps what an operation gave.
    pub(crate) fn answer(
        self,
        action: &str,
        result: Result<Reply, AwsError>,
        request_id: &str,
    ) -> Answer {
        match result {
            Ok(Reply::Json(value)) => {
                Answer { status: 200, content_type: JSON, error: None, body: value.to_string() }
            }
            Ok(Reply::Xml(fields)) => Answer {
                status: 200,
                content_type: XML,
                error: None,
                body: self.success(action, fields, request_id),
            },
            Err(error) => self.refusal(&error, request_id),
        }
    }

    fn success(self, action: &str, fields: Fields, request_id: &str) -> String {
        let (inner, dialect) = match self {
            Self::Ec2 => (Doc::from(fields), Dialect::Item),
            Self::LoadBalancing
            | Self::Sts
            | Self::Acm
            | Self::Tagging
            | Self::Waf
            | Self::WafRegional
            | Self::Shield => (Doc::from(fields), Dialect::Member),
        };
        let mut out = String::from(DECLARATION);
        let open = format!("<{action}Response xmlns=\"{}\">", self.namespace());
        out.push_str(&open);
        if dialect == Dialect::Item {
            out.extend(["<requestId>", request_id, "</requestId>"]);
            inner.write(dialect, &mut out);
        } else {
            out.extend(["<", action, "Result>"]);
            inner.write(dialect, &mut out);
            out.extend(["</", action, "Result><ResponseMetadata><RequestId>", request_id]);
            out.push_str("</RequestId></ResponseMetadata>");
        }
        out.extend(["</", action, "Response>"]);
        out
    }

    fn refusal(self, error: &AwsError, request_id: &str) -> Answer {
        let code = error.code.name();
        let mut message = String::new();
        escape(&error.message, &mut message);
        let error_xml = format!("<Code>{code}</Code><Message>{message}</Message>");
        let (content_type, body) = match self {
            Self::Ec2 => (
                XML,
                format!(
                    "{DECLARATION}<Response><Errors><Error>{error_xml}</Error></Errors>\
                     <RequestID>{request_id}</RequestID></Response>"
                ),
            ),
            Self::LoadBalancing | Self::Sts => (
                XML,
                format!(
                    "{DECLARATION}<ErrorResponse xmlns=\"{}\"><Error><Type>Sender</Type>{error_xml}\
                     </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                    self.namespace()
                ),
            ),
            Self::Acm | Self::Tagging | Self::Waf | Self::WafRegional | Self::Shield => {
                (JSON, json!({"__type": code, "message": error.message}).to_string())
            }
        };
        Answer { status: error.code.status(), content_type, error: Some(code), body }
    }
}

const XML: &str = "text/xml";
const JSON: &str = "application/x-amz-json-1.1";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn each_protocol_wraps_in_its_own_way() {
        let reply = || Ok(Reply::Xml(Fields::new().texts("Names", ["a"])));
        let body = Service::LoadBalancing.answer("DescribeX", reply(), "r-1").body;
        assert!(
            body.contains("<DescribeXResult><Names><member>a</member></Names></DescribeXResult>")
        );
        assert!(body.contains("<ResponseMetadata><RequestId>r-1</RequestId>"));
        let body = Service::Ec2.answer("DescribeX", reply(), "r-1").body;
        assert!(body.contains("<requestId>r-1</requestId><Names><item>a</item></Names>"), "{body}");
    }

    #[test]
    fn a_refusal_has_code_message_and_status() {
        let error = || Err(AwsError::new(Code::RuleNotFound, "no <rule>"));
        let answer = Service::LoadBalancing.answer("X", error(), "r");
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(
            "<Error><Type>Sender</Type><Code>RuleNotFound</Code><Message>no &lt;rule&gt;</Message></Error>"
        ));
        assert!(Service::Ec2.answer("X", error(), "r").body.contains("<Errors><Error><Code>"));
        let json = Service::Acm.answer("X", error(), "r");
        assert_eq!(json.body, r#"{"__type":"RuleNotFound","message":"no <rule>"}"#);
    }
}
