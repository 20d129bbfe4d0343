//! `CreateTrustStore`, `DescribeTrustStores`, `ModifyTrustStore`, `DeleteTrustStore`,
//! `DescribeTrustStoreAssociations`.

use super::Outcome;
use super::page::page;
use super::shapes::check_name;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::ids::Arn;
use crate::state::tags;
use crate::state::trust::{Authorities, TrustStore, authorities};
use crate::wire::{Call, Fields};

pub(crate) fn create(region: &mut Region, call: &Call<'_>) -> Outcome {
    let name = call.params.required("Name")?;
    check_name("Trust store", name)?;
    if region.trust_stores.values().any(|store| store.name == name) {
        let text = format!("A trust store with the name '{name}' already exists");
        return Err(AwsError::new(Code::DuplicateTrustStoreName, text));
    }
    let most = region.config.limits.trust_stores;
    if region.trust_stores.len() >= most {
        let text = format!("The maximum number of trust stores has been reached: '{most}'");
        return Err(AwsError::new(Code::TooManyTrustStores, text));
    }
    let authorities = bundle(call)?;
    let tags = tags::read(&call.params, "Tags")?;
    tags::limit(&tags, region.config.limits.tags)?;
    let id = region.ids.hex(16);
    let arn = region.arn("elasticloadbalancing", &format!("truststore/{name}/{id}"));
    let store = TrustStore {
        arn: arn.clone(),
        name: name.to_owned(),
        authorities,
        revocations: std::collections::BTreeMap::new(),
    };
    let reply = reply([&store]);
    region.tags.insert(arn.to_string(), tags);
    region.trust_stores.insert(arn, store);
    Ok(reply.into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let (arns, names) = (call.params.list("TrustStoreArns"), call.params.list("Names"));
    let found: Vec<&TrustStore> = if !arns.is_empty() {
        arns.iter().map(|arn| region.trust_store(arn)).collect::<Result<_, _>>()?
    } else if !names.is_empty() {
        let find = |name: &&str| region.trust_stores.values().find(|store| store.name == *name);
        let found = names.iter().map(|name| find(name).ok_or_else(|| not_found(name)));
        found.collect::<Result<_, _>>()?
    } else {
        region.trust_stores.values().collect()
    };
    let keyed = found.into_iter().map(|store| (store.arn.to_string(), store)).collect();
    let page = page(keyed, &call.params)?;
    Ok(reply(page.items).maybe("NextMarker", page.next).into())
}

pub(crate) fn modify(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = call.params.required("TrustStoreArn")?;
    region.trust_store(arn)?;
    let authorities = bundle(call)?;
    let store = region.trust_store_mut(arn)?;
    store.authorities = authorities;
    Ok(reply([&*store]).into())
}

pub(crate) fn delete(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = region.trust_store(call.params.required("TrustStoreArn")?)?.arn.clone();
    if users(region, &arn).next().is_some() {
        let text = format!("Trust store '{arn}' is currently in use by a listener");
        return Err(AwsError::new(Code::TrustStoreInUse, text));
    }
    region.trust_stores.remove(&arn);
    region.forget_tags([&arn]);
    Ok(Fields::new().into())
}

pub(crate) fn associations(region: &Region, call: &Call<'_>) -> Outcome {
    let store = region.trust_store(call.params.required("TrustStoreArn")?)?;
    let keyed = users(region, &store.arn).map(|arn| (arn.to_string(), arn)).collect();
    let page = page(keyed, &call.params)?;
    let shapes = page.items.into_iter().map(|arn| Fields::new().text("ResourceArn", arn));
    Ok(Fields::new().list("TrustStoreAssociations", shapes).maybe("NextMarker", page.next).into())
}

/// Listeners that go by a trust store.
fn users<'r>(region: &'r Region, store: &'r Arn) -> impl Iterator<Item = &'r Arn> {
    let uses = move |mutual: &crate::state::load_balancer::Mutual| {
        mutual.trust_store.as_ref() == Some(store)
    };
    let listeners = region.listeners.values();
    listeners.filter(move |it| it.mutual.as_ref().is_some_and(uses)).map(|it| &it.arn)
}

/// The authorities in the object that a call names.
fn bundle(call: &Call<'_>) -> Result<Authorities, AwsError> {
    let bucket = call.params.required("CaCertificatesBundleS3Bucket")?;
    let key = call.params.required("CaCertificatesBundleS3Key")?;
    let object = call.object(bucket, key).ok_or_else(|| {
        let text = format!(
            "The CA certificates bundle 's3://{bucket}/{key}' was not found; local buckets are the folders of --s3-dir"
        );
        AwsError::new(Code::CaCertificatesBundleNotFound, text)
    })?;
    authorities(object).map_err(|why| AwsError::new(Code::InvalidCaCertificatesBundle, why))
}

fn not_found(name: &str) -> AwsError {
    AwsError::new(Code::TrustStoreNotFound, format!("Trust store '{name}' not found"))
}

fn reply<'a>(stores: impl IntoIterator<Item = &'a TrustStore>) -> Fields {
    Fields::new().list("TrustStores", stores.into_iter().map(shape))
}

fn shape(store: &TrustStore) -> Fields {
    let revoked: usize = store.revocations.values().map(|list| list.entries).sum();
    Fields::new()
        .text("Name", &store.name)
        .text("TrustStoreArn", &store.arn)
        .text("Status", "ACTIVE")
        .text("NumberOfCaCertificates", store.authorities.len())
        .text("TotalRevokedEntries", revoked)
}
