//! The attribute tables: which keys a load balancer, target group or listener has, their defaults
//! and the values they take.

use std::collections::BTreeMap;

use crate::error::{AwsError, Code};

/// Attributes that were set; whatever is absent has its default.
pub(crate) type Set = BTreeMap<String, String>;

/// The values that an attribute takes.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, or zero where the second part says so.
    Number(u32, u32),
    /// Zero, or a number within bounds.
    ZeroOr(u32, u32),
    /// `off`, or a number within bounds.
    OffOr(u32, u32),
    /// One of these words; the noun is AWS's own for its message.
    Word(&'static str, &'static [&'static str]),
    /// Any text up to a length.
    Text(usize),
    /// This value only.
    Always(&'static str),
}

/// One attribute: key, default, values.
#[derive(Debug)]
pub(crate) struct Attribute(&'static str, &'static str, Range);

/// A kind of resource that has attributes.
#[derive(Debug)]
pub(crate) struct Kind {
    noun: &'static str,
    table: &'static [Attribute],
}

use Range::{Always, Flag, Number, OffOr, Text, Word, ZeroOr};

/// Attributes of an application load balancer.
pub(crate) static LOAD_BALANCER: Kind = Kind {
    noun: "Load balancer",
    table: &[
        Attribute("access_logs.s3.bucket", "", Text(255)),
        Attribute("access_logs.s3.enabled", "false", Flag),
        Attribute("access_logs.s3.prefix", "", Text(255)),
        Attribute("client_keep_alive.seconds", "3600", Number(60, 604_800)),
        Attribute("connection_logs.s3.bucket", "", Text(255)),
        Attribute("connection_logs.s3.enabled", "false", Flag),
        Attribute("connection_logs.s3.prefix", "", Text(255)),
        Attribute("deletion_protection.enabled", "false", Flag),
        Attribute("health_check_logs.s3.bucket", "", Text(255)),
        Attribute("health_check_logs.s3.enabled", "false", Flag),
        Attribute("health_check_logs.s3.prefix", "", Text(255)),
        Attribute("idle_timeout.timeout_seconds", "60", Number(1, 4000)),
        Attribute("ipv6.deny_all_igw_traffic", "false", Flag),
        Attribute("load_balancing.cross_zone.enabled", "true", Always("true")),
        Attribute(
            "routing.http.desync_mitigation_mode",
            "defensive",
            Word("Desync mitigation mode", &["monitor", "defensive", "strictest"]),
        ),
        Attribute("routing.http.drop_invalid_header_fields.enabled", "false", Flag),
        Attribute("routing.http.preserve_host_header.enabled", "false", Flag),
        Attribute("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Flag),
        Attribute("routing.http.xff_client_port.enabled", "false", Flag),
        Attribute(
            "routing.http.xff_header_processing.mode",
            "append",
            Word("XFF header processing mode", &["append", "preserve", "remove"]),
        ),
        Attribute("routing.http2.enabled", "true", Flag),
        Attribute("waf.fail_open.enabled", "false", Flag),
        Attribute("zonal_shift.config.enabled", "false", Flag),
    ],
};

/// Attributes of a target group of instances or addresses.
pub(crate) static TARGET_GROUP: Kind = Kind {
    noun: "Target group",
    table: &[
        Attribute("deregistration_delay.timeout_seconds", "300", Number(0, 3600)),
        Attribute(
            "load_balancing.algorithm.anomaly_mitigation",
            "off",
            Word("Anomaly mitigation", &["on", "off"]),
        ),
        Attribute(
            "load_balancing.algorithm.type",
            "round_robin",
            Word(
                "Load balancer algorithm",
                &["round_robin", "weighted_random", "least_outstanding_requests"],
            ),
        ),
        Attribute(
            "load_balancing.cross_zone.enabled",
            "use_load_balancer_configuration",
            Word("Cross zone", &["true", "false", "use_load_balancer_configuration"]),
        ),
        Attribute("slow_start.duration_seconds", "0", ZeroOr(30, 900)),
        Attribute("stickiness.app_cookie.cookie_name", "", Text(256)),
        Attribute("stickiness.app_cookie.duration_seconds", "86400", Number(1, 604_800)),
        Attribute("stickiness.enabled", "false", Flag),
        Attribute("stickiness.lb_cookie.duration_seconds", "86400", Number(1, 604_800)),
        Attribute(
            "stickiness.type",
            "lb_cookie",
            Word("Stickiness type", &["lb_cookie", "app_cookie"]),
        ),
        Attribute(
            "target_group_health.dns_failover.minimum_healthy_targets.count",
            "1",
            OffOr(1, 1000),
        ),
        Attribute(
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "off",
            OffOr(1, 100),
        ),
        Attribute(
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "1",
            Number(1, 1000),
        ),
        Attribute(
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
            "off",
            OffOr(1, 100),
        ),
    ],
};

const HEADER: Range = Text(1024);

/// Attributes of a listener.
pub(crate) static LISTENER: Kind = Kind {
    noun: "Listener",
    table: &[
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert.header_name",
            "X-Amzn-Mtls-Clientcert",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name",
            "X-Amzn-Mtls-Clientcert-Issuer",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name",
            "X-Amzn-Mtls-Clientcert-Leaf",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name",
            "X-Amzn-Mtls-Clientcert-Serial-Number",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert_subject.header_name",
            "X-Amzn-Mtls-Clientcert-Subject",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_mtls_clientcert_validity.header_name",
            "X-Amzn-Mtls-Clientcert-Validity",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_tls_cipher_suite.header_name",
            "X-Amzn-Tls-Cipher-Suite",
            HEADER,
        ),
        Attribute(
            "routing.http.request.x_amzn_tls_version.header_name",
            "X-Amzn-Tls-Version",
            HEADER,
        ),
        Attribute(
            "routing.http.response.access_control_allow_credentials.header_value",
            "",
            HEADER,
        ),
        Attribute("routing.http.response.access_control_allow_headers.header_value", "", HEADER),
        Attribute("routing.http.response.access_control_allow_methods.header_value", "", HEADER),
        Attribute("routing.http.response.access_control_allow_origin.header_value", "", HEADER),
        Attribute("routing.http.response.access_control_expose_headers.header_value", "", HEADER),
        Attribute("routing.http.response.access_control_max_age.header_value", "", HEADER),
        Attribute("routing.http.response.content_security_policy.header_value", "", HEADER),
        Attribute("routing.http.response.server.enabled", "true", Flag),
        Attribute("routing.http.response.strict_transport_security.header_value", "", HEADER),
        Attribute("routing.http.response.x_content_type_options.header_value", "", HEADER),
        Attribute("routing.http.response.x_frame_options.header_value", "", HEADER),
    ],
};

impl Kind {
    /// What AWS's messages call the resource.
    pub(crate) const fn noun(&self) -> &'static str {
        self.noun
    }

    /// Every attribute with the value it has now, in the order of the keys.
    pub(crate) fn listed<'a>(
        &'a self,
        set: &'a Set,
    ) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.table.iter().map(|Attribute(key, default, _)| {
            (*key, set.get(*key).map_or(*default, String::as_str))
        })
    }

    /// The value an attribute has now.
    pub(crate) fn value<'a>(&self, set: &'a Set, key: &str) -> &'a str {
        set.get(key).map_or_else(
            || self.find(key).map_or("", |Attribute(_, default, _)| *default),
            String::as_str,
        )
    }

    /// Whether a flag is on now.
    pub(crate) fn flag(&self, set: &Set, key: &str) -> bool {
        self.value(set, key) == "true"
    }

    /// The number an attribute has now; zero for `off`.
    pub(crate) fn number(&self, set: &Set, key: &str) -> u32 {
        self.value(set, key).parse().unwrap_or_default()
    }

    fn find(&self, key: &str) -> Option<&'static Attribute> {
        self.table.iter().find(|Attribute(known, ..)| *known == key)
    }

    /// Checks one new value.
    pub(crate) fn check(&self, key: &str, value: &str) -> Result<(), AwsError> {
        let noun = self.noun;
        let Some(Attribute(_, _, range)) = self.find(key) else {
            return Err(AwsError::new(
                Code::InvalidConfigurationRequest,
                format!("{noun} attribute key '{key}' is not recognized"),
            ));
        };
        range.check(key, value).map_err(AwsError::validation)
    }
}

impl Range {
    fn check(self, key: &str, value: &str) -> Result<(), String> {
        match self {
            Flag if matches!(value, "true" | "false") => Ok(()),
            Flag => Err(format!("The value of '{key}' must be 'true' or 'false'")),
            Number(low, high) => within(key, value, low, high),
            ZeroOr(..) if value == "0" => Ok(()),
            OffOr(..) if value == "off" => Ok(()),
            ZeroOr(low, high) | OffOr(low, high) => within(key, value, low, high),
            Word(_, words) if words.contains(&value) => Ok(()),
            Word(noun, words) => Err(format!("'{noun}' must be one of [{}]", words.join(", "))),
            Text(longest) if value.chars().count() <= longest => Ok(()),
            Text(longest) => {
                Err(format!("The value of '{key}' cannot be greater than {longest} characters"))
            }
            Always(only) if value == only => Ok(()),
            Always(only) => Err(format!(
                "The value for '{key}' must always be '{only}' for an Application Load Balancer"
            )),
        }
    }
}

/// The wording "characters" for numbers is AWS's own.
fn within(key: &str, value: &str, low: u32, high: u32) -> Result<(), String> {
    match value.parse::<u32>() {
        Ok(number) if number < low => {
            Err(format!("The value of '{key}' cannot be less than {low} characters"))
        }
        Ok(number) if number > high => {
            Err(format!("The value of '{key}' cannot be greater than {high} characters"))
        }
        Ok(_) => Ok(()),
        Err(_) => Err(format!("The value of '{key}' must be a number from {low} to {high}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_that_the_attribute_takes() {
        for kind in [&LOAD_BALANCER, &TARGET_GROUP, &LISTENER] {
            for (key, default) in kind.listed(&Set::new()) {
                assert_eq!(kind.check(key, default), Ok(()), "{key}={default}");
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused_in_the_words_of_aws() {
        let rows = [
            (
                "idle_timeout.timeout_seconds",
                "4001",
                "The value of 'idle_timeout.timeout_seconds' cannot be greater than 4000 characters",
            ),
            (
                "load_balancing.cross_zone.enabled",
                "false",
                "The value for 'load_balancing.cross_zone.enabled' must always be 'true' for an Application Load Balancer",
            ),
            ("no.such.key", "1", "Load balancer attribute key 'no.such.key' is not recognized"),
            (
                "waf.fail_open.enabled",
                "yes",
                "The value of 'waf.fail_open.enabled' must be 'true' or 'false'",
            ),
        ];
        for (key, value, text) in rows {
            assert_eq!(LOAD_BALANCER.check(key, value).unwrap_err().message, text);
        }
        let text = TARGET_GROUP.check("load_balancing.algorithm.type", "x").unwrap_err().message;
        assert_eq!(
            text,
            "'Load balancer algorithm' must be one of [round_robin, weighted_random, least_outstanding_requests]"
        );
        assert!(TARGET_GROUP.check("slow_start.duration_seconds", "29").is_err());
        assert!(TARGET_GROUP.check("slow_start.duration_seconds", "30").is_ok());
    }
}
