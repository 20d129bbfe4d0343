//! `AddListenerCertificates`, `RemoveListenerCertificates`, `DescribeListenerCertificates`.

use super::Outcome;
use super::page::page;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::ids::Arn;
use crate::state::load_balancer::Protocol;
use crate::wire::{Call, Fields, Params};

pub(crate) fn add(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("ListenerArn")?;
    let certificate = only(&call.params)?;
    let listener = region.listener(arn)?;
    if listener.protocol != Protocol::Https {
        let text = "Certificates can only be added to HTTPS listeners";
        return Err(AwsError::validation(text));
    }
    region.certificate(certificate.as_str())?;
    let known = listener.extra_certificates.contains(&certificate);
    let siblings = region.listeners_of(&listener.load_balancer);
    let count: usize = siblings.iter().map(|l| l.extra_certificates.len()).sum();
    let most = region.config.limits.certificates;
    if !known && count >= most {
        let text = format!(
            "The maximum number of certificates has been reached on load balancer '{}': '{most}'",
            listener.load_balancer
        );
        return Err(AwsError::new(Code::TooManyCertificates, text));
    }
    if !known {
        region.listener_mut(arn)?.extra_certificates.push(certificate.clone());
    }
    Ok(Fields::new().list("Certificates", [shape(&certificate, false)]).into())
}

pub(crate) fn remove(region: &mut Region, call: &Call<'_>) -> Outcome {
    let listener = region.listener_mut(call.params.required("ListenerArn")?)?;
    let certificate = only(&call.params)?;
    let extra = listener.extra_certificates.contains(&certificate);
    if !extra && listener.certificate.as_ref() == Some(&certificate) {
        let text = "The default certificate of a listener cannot be removed, only replaced";
        return Err(AwsError::new(Code::OperationNotPermitted, text));
    }
    listener.extra_certificates.retain(|arn| *arn != certificate);
    Ok(Fields::new().into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let listener = region.listener(call.params.required("ListenerArn")?)?;
    let default =
        listener.certificate.iter().map(|arn| (format!("default {arn}"), shape(arn, true)));
    let extra = listener.extra_certificates.iter().map(|arn| (arn.to_string(), shape(arn, false)));
    let page = page(default.chain(extra).collect(), &call.params)?;
    Ok(Fields::new().list("Certificates", page.items).maybe("NextMarker", page.next).into())
}

/// The one certificate that a call names.
fn only(params: &Params<'_>) -> Result<Arn, AwsError> {
    let given = params.structures("Certificates");
    let [certificate] = given.as_slice() else {
        let text = format!(
            "Up to '1' certificate ARNs can be specified, but '{}' were specified",
            given.len()
        );
        return Err(if given.is_empty() {
            params.missing("Certificates")
        } else {
            AwsError::validation(text)
        });
    };
    if certificate.has("IsDefault") {
        return Err(AwsError::validation(
            "You cannot set IsDefault when adding or removing a certificate",
        ));
    }
    Ok(certificate.required("CertificateArn")?.into())
}

fn shape(arn: &Arn, default: bool) -> Fields {
    Fields::new().text("CertificateArn", arn).text("IsDefault", default)
}
