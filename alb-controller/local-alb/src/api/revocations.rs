//! `AddTrustStoreRevocations`, `DescribeTrustStoreRevocations`, `RemoveTrustStoreRevocations`.

use super::Outcome;
use super::page::page;
use crate::error::{AwsError, Code};
use crate::state::Region;
use crate::state::ids::Arn;
use crate::state::trust::{Revocations, revocations};
use crate::wire::{Call, Fields};

pub(crate) fn add(region: &mut Region, call: &Call<'_>) -> Outcome {
    let arn = region.trust_store(call.params.required("TrustStoreArn")?)?.arn.clone();
    let mut shapes = Vec::new();
    for content in call.params.structures("RevocationContents") {
        let (bucket, key) = (content.required("S3Bucket")?, content.required("S3Key")?);
        content.word("RevocationType", &["CRL"])?;
        let object = call.object(bucket, key).ok_or_else(|| {
            let text = format!("The revocation list 's3://{bucket}/{key}' was not found");
            AwsError::new(Code::RevocationContentNotFound, text)
        })?;
        let list = revocations(object)
            .map_err(|why| AwsError::new(Code::InvalidRevocationContent, why))?;
        let id = region.next_serial();
        shapes.push(shape(&arn, id, &list));
        region.trust_store_mut(arn.as_str())?.revocations.insert(id, list);
    }
    if shapes.is_empty() {
        return Err(call.params.missing("RevocationContents"));
    }
    Ok(Fields::new().list("TrustStoreRevocations", shapes).into())
}

pub(crate) fn describe(region: &Region, call: &Call<'_>) -> Outcome {
    let store = region.trust_store(call.params.required("TrustStoreArn")?)?;
    let ids = call.params.list("RevocationIds");
    if let Some(unknown) = ids.iter().find(|id| !known(store.revocations.keys(), id)) {
        return Err(not_found(unknown));
    }
    let wanted = |id: &u64| ids.is_empty() || ids.contains(&id.to_string().as_str());
    let lists = store.revocations.iter().filter(|(id, _)| wanted(id));
    let keyed = lists.map(|(id, list)| (id.to_string(), shape(&store.arn, *id, list))).collect();
    let page = page(keyed, &call.params)?;
    Ok(Fields::new()
        .list("TrustStoreRevocations", page.items)
        .maybe("NextMarker", page.next)
        .into())
}

pub(crate) fn remove(region: &mut Region, call: &Call<'_>) -> Outcome {
    let store = region.trust_store_mut(call.params.required("TrustStoreArn")?)?;
    let ids = call.params.list("RevocationIds");
    if ids.is_empty() {
        return Err(call.params.missing("RevocationIds"));
    }
    if let Some(unknown) = ids.iter().find(|id| !known(store.revocations.keys(), id)) {
        return Err(not_found(unknown));
    }
    store.revocations.retain(|id, _| !ids.contains(&id.to_string().as_str()));
    Ok(Fields::new().into())
}

fn known<'a>(mut ids: impl Iterator<Item = &'a u64>, id: &str) -> bool {
    id.parse::<u64>().is_ok_and(|id| ids.any(|known| *known == id))
}

fn not_found(id: &str) -> AwsError {
    AwsError::new(Code::RevocationIdNotFound, format!("Revocation '{id}' not found"))
}

fn shape(store: &Arn, id: u64, list: &Revocations) -> Fields {
    Fields::new()
        .text("TrustStoreArn", store)
        .text("RevocationId", id)
        .text("RevocationType", "CRL")
        .text("NumberOfRevokedEntries", list.entries)
}
