//! `outlierDetection`: when endpoints are taken out.

use super::policy::time;
use crate::cluster::Outlier;
use edgeway_api::destination_rule::OutlierDetection;

/// What was written, with Istio's defaults. `consecutiveErrors` is long without effect there.
pub(super) fn outlier(detection: &OutlierDetection) -> Outlier {
    let default = Outlier::default();
    let base = time(detection.base_ejection_time.as_ref()).unwrap_or(default.base_ejection);
    let split = detection.split_external_local_origin_errors == Some(true);
    let local = detection.consecutive_local_origin_failures.filter(|count| *count > 0);
    let percent = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let statuses = detection.outlier_detection_http_error_codes.iter();
    Outlier {
        consecutive_errors: match detection.consecutive_5xx_errors {
            None => default.consecutive_errors,
            Some(0) => None,
            given => given,
        },
        consecutive_gateway_errors: detection.consecutive_gateway_errors.filter(|it| *it > 0),
        consecutive_local_errors: split.then_some(local.unwrap_or(LOCAL_ERRORS)),
        error_statuses: statuses.filter_map(|status| u16::try_from(*status).ok()).collect(),
        interval: time(detection.interval.as_ref()).unwrap_or(default.interval),
        base_ejection: base,
        max_ejection: default.max_ejection.max(base),
        max_ejection_percent: percent(detection.max_ejection_percent)
            .filter(|it| *it > 0)
            .unwrap_or(default.max_ejection_percent)
            .min(100),
        panic_percent: percent(detection.min_health_percent).unwrap_or(0).min(100),
    }
}

/// Envoy's number of connections that may fail in a row where they are counted apart.
const LOCAL_ERRORS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(text: &str) -> Outlier {
        outlier(&serde_saphyr::from_str(text).unwrap())
    }

    #[test]
    fn what_is_not_said_is_istios_default() {
        assert_eq!(read("{}"), Outlier::default());
        assert_eq!(read("{consecutiveErrors: 1, maxEjectionPercent: 0}"), Outlier::default());
    }

    #[test]
    fn zero_switches_detectors_off() {
        let off = read("{consecutive5xxErrors: 0, consecutiveGatewayErrors: 0}");
        assert_eq!((off.consecutive_errors, off.consecutive_gateway_errors), (None, None));
    }

    #[test]
    fn failures_to_connect_are_counted_apart_only_where_asked() {
        for (text, expected) in [
            ("{consecutiveLocalOriginFailures: 3}", None),
            ("{splitExternalLocalOriginErrors: true}", Some(5)),
            ("{splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 3}", Some(3)),
            ("{splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 0}", Some(5)),
        ] {
            assert_eq!(read(text).consecutive_local_errors, expected, "{text}");
        }
    }

    #[test]
    fn all_else_is_taken_over() {
        let found = read(
            "{consecutive5xxErrors: 1, consecutiveGatewayErrors: 2, interval: 1s, \
             outlierDetectionHttpErrorCodes: [404, 500], baseEjectionTime: 400s, \
             maxEjectionPercent: 50, minHealthPercent: 30}",
        );
        let expected = Outlier {
            consecutive_errors: Some(1),
            consecutive_gateway_errors: Some(2),
            consecutive_local_errors: None,
            error_statuses: vec![404, 500],
            interval: Duration::from_secs(1),
            base_ejection: Duration::from_secs(400),
            max_ejection: Duration::from_secs(400),
            max_ejection_percent: 50,
            panic_percent: 30,
        };
        assert_eq!(found, expected);
    }
}
