//! Certificates: imported with their key, or requested and then issued at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Outcome;
use super::page::{Page, slice};
use super::shapes::{epoch, json_tag_list};
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::certificate::{Certificate, Material};
use crate::state::tags::{self, Tags};
use crate::wire::Call;

pub(crate) fn list(region: &Region, call: &Call<'_>) -> Outcome {
    let strings = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let statuses = strings(call.json.get("CertificateStatuses"));
    let mut types = strings(call.json.pointer("/Includes/keyTypes"));
    if types.is_empty() {
        types = ["RSA_1024", "RSA_2048"].map(str::to_owned).to_vec();
    }
    let issued = statuses.is_empty() || statuses.iter().any(|status| status == "ISSUED");
    let found = region.certificates.values().filter(|c| issued && types.contains(&c.key_algorithm));
    let keyed = found.map(|c| (c.arn.to_string(), summary(region, c))).collect();
    let size = call.json["MaxItems"].as_u64().and_then(|size| usize::try_from(size).ok());
    let page = slice(keyed, call.json["NextToken"].as_str(), size.unwrap_or(1000).clamp(1, 1000))
        .ok_or_else(|| invalid("The NextToken is not one of the last reply"))?;
    let Page { items, next } = page;
    Ok(match next {
        Some(next) => json!({"CertificateSummaryList": items, "NextToken": next}),
        None => json!({"CertificateSummaryList": items}),
    }
    .into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let certificate = named(region, call)?;
    let Certificate { arn, domains, key_algorithm, created, material } = certificate;
    let imported = material.is_some();
    let shape = json!({
        "CertificateArn": arn.as_str(),
        "DomainName": domains.first(),
        "SubjectAlternativeNames": domains,
        "Status": "ISSUED",
        "Type": if imported { "IMPORTED" } else { "AMAZON_ISSUED" },
        "KeyAlgorithm": key_algorithm.replace("RSA_", "RSA-"),
        "CreatedAt": epoch(*created),
        (if imported { "ImportedAt" } else { "IssuedAt" }): epoch(*created),
        "InUseBy": users(region, certificate),
    });
    Ok(json!({"Certificate": shape}).into())
}

pub(crate) fn request(region: &mut Region, call: &Call<'_>) -> Outcome {
    let main = text(call, "DomainName")?;
    let mut domains = vec![main.to_owned()];
    for name in call.json["SubjectAlternativeNames"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !domains.iter().any(|known| known == name) {
            domains.push(name.to_owned());
        }
    }
    if let Some(bad) = domains.iter().find(|name| !is_domain(name)) {
        return Err(invalid(&format!("'{bad}' is not a domain name")));
    }
    let tags = read_tags(call)?;
    let algorithm = call.json["KeyAlgorithm"].as_str().unwrap_or("RSA_2048").to_owned();
    let arn = add(region, call, domains, algorithm, None);
    region.tags.insert(arn.clone(), tags);
    Ok(json!({"CertificateArn": arn}).into())
}

pub(crate) fn import(region: &mut Region, call: &Call<'_>) -> Outcome {
    let blob = |field: &str| -> Result<Vec<u8>, AwsError> {
        let encoded = call.json[field].as_str().unwrap_or_default();
        STANDARD.decode(encoded).map_err(|_| invalid(&format!("{field} is not base64")))
    };
    let (pem, chain, key) = (blob("Certificate")?, blob("CertificateChain")?, blob("PrivateKey")?);
    let pems = [pem.as_slice(), chain.as_slice()].join(&b'\n');
    let (material, domains, algorithm) =
        Material::from_pem(&pems, &key).map_err(|why| invalid(&why))?;
    let tags = read_tags(call)?;
    if let Some(arn) = call.json["CertificateArn"].as_str() {
        if !tags.is_empty() {
            return Err(invalid("Tags cannot be given when a certificate is imported again"));
        }
        let certificate = region.certificates.get_mut(arn).ok_or_else(|| not_found(arn))?;
        certificate.material = Some(material);
        certificate.domains = domains;
        algorithm.clone_into(&mut certificate.key_algorithm);
        return Ok(json!({"CertificateArn": arn}).into());
    }
    let arn = add(region, call, domains, algorithm.to_owned(), Some(material));
    region.tags.insert(arn.clone(), tags);
    Ok(json!({"CertificateArn": arn}).into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let certificate = named(region, call)?;
    if let [user, ..] = users(region, certificate).as_slice() {
        let text = format!("Certificate {} is in use by {user}", certificate.arn);
        return Err(AwsError::new(Code::ResourceInUseException, text));
    }
    let arn = certificate.arn.clone();
    region.certificates.remove(&arn);
    region.forget_tags([&arn]);
    Ok(json!({}).into())
}

pub(crate) fn list_tags(region: &Region, call: &Call<'_>) -> Outcome {
    let arn = named(region, call)?.arn.as_str();
    Ok(json!({"Tags": json_tag_list(region.tags.get(arn))}).into())
}

pub(crate) fn add_tags(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = named(region, call)?.arn.to_string();
    let given = read_tags(call)?;
    let most = region.config.limits.tags;
    let tags = region.tags.or_default(arn);
    tags.extend(given);
    tags::limit(tags, most)?;
    Ok(json!({}).into())
}

fn add(
    region: &mut Region,
    call: &Call<'_>,
    domains: Vec<String>,
    key_algorithm: String,
    material: Option<Material>,
) -> String {
    let id = region.ids.uuid();
    let arn = region.arn("acm", &format!("certificate/{id}"));
    let certificate =
        Certificate { arn: arn.clone(), domains, key_algorithm, created: call.now, material };
    region.certificates.insert(arn.clone(), certificate);
    arn.to_string()
}

fn named<'a>(region: &'a Region, call: &Call<'_>) -> Result<&'a Certificate, AwsError> {
    let arn = text(call, "CertificateArn")?;
    region.certificates.get(arn).ok_or_else(|| not_found(arn))
}

fn text<'a>(call: &Call<'a>, field: &str) -> Result<&'a str, AwsError> {
    call.json[field].as_str().ok_or_else(|| invalid(&format!("{field} must be given")))
}

fn read_tags(call: &Call<'_>) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for pair in call.json["Tags"].as_array().into_iter().flatten() {
        let key = pair["Key"].as_str().unwrap_or_default();
        let value = pair["Value"].as_str().unwrap_or_default();
        tags::check(key, value).map_err(|why| invalid(&why))?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    Ok(tags)
}

fn users(region: &Region, certificate: &Certificate) -> Vec<String> {
    let mut users: Vec<String> = region
        .listeners
        .values()
        .filter(|listener| {
            listener.certificate.as_ref() == Some(&certificate.arn)
                || listener.extra_certificates.contains(&certificate.arn)
        })
        .map(|listener| listener.load_balancer.to_string())
        .collect();
    users.dedup();
    users
}

fn summary(region: &Region, certificate: &Certificate) -> Value {
    let Certificate { arn, domains, key_algorithm, created, material } = certificate;
    json!({
        "CertificateArn": arn.as_str(),
        "DomainName": domains.first(),
        "SubjectAlternativeNameSummaries": domains,
        "HasAdditionalSubjectAlternativeNames": false,
        "Status": "ISSUED",
        "Type": if material.is_some() { "IMPORTED" } else { "AMAZON_ISSUED" },
        "KeyAlgorithm": key_algorithm,
        "InUse": !users(region, certificate).is_empty(),
        "CreatedAt": epoch(*created),
    })
}

fn is_domain(name: &str) -> bool {
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (1..=253).contains(&name.len()) && rest.split('.').all(label)
}

fn invalid(text: &str) -> AwsError {
    AwsError::new(Code::ValidationException, text.to_owned())
}

fn not_found(arn: &str) -> AwsError {
    AwsError::new(Code::ResourceNotFound, format!("Could not find certificate {arn}."))
}
