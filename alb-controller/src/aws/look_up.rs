//! What wishes depend on: subnets, addresses, security groups, instances, certificates.

use super::{calls::Call, client::Aws, error::CloudError, read};
use aws_sdk_acm::types::{CertificateStatus, CertificateType, Filters, KeyAlgorithm};
use aws_sdk_ec2::types::{self as ec2, Filter, RouteTable};
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerTypeEnum, TargetGroup};
use edgeway_alb_core::{
    Lookups, Needs,
    limits::Limits,
    settings::{BoundGroup, Certificate, GroupTags, Host, Interface, Subnet},
    target::{IpFamily, TargetType},
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// How many instances are asked about at once.
const INSTANCES: usize = 200;

/// Finds it all.
pub(super) async fn look_up(aws: &Aws, needs: &Needs) -> Result<Lookups, CloudError> {
    if !needs.anything {
        return Ok(Lookups::default());
    }
    let groups = aws.security_groups().await?;
    let groups = groups.iter().map(|group| GroupTags {
        id: group.group_id().unwrap_or_default().to_owned(),
        tags: tags(group.tags()),
    });
    let certificates = if needs.certificates { Some(certificates(aws).await?) } else { None };
    let target_groups = if needs.target_groups.is_empty() {
        BTreeMap::new()
    } else {
        let all = aws.target_groups().await?;
        let named = all.iter().filter_map(|group| {
            let name =
                group.target_group_name().filter(|name| needs.target_groups.contains(*name))?;
            Some((name.to_owned(), group.target_group_arn()?.to_owned()))
        });
        named.collect()
    };
    Ok(Lookups {
        refused: BTreeSet::new(),
        subnets: Some(subnets(aws).await?),
        certificates,
        security_groups: Some(groups.collect()),
        vpc_ranges: vpc_ranges(aws).await?,
        instances: instances(aws, &needs.instances).await?,
        target_groups: Some(target_groups),
        bound_groups: if needs.bindings { Some(bound_groups(aws).await?) } else { None },
        limits: limits(aws).await?,
        hosts: if needs.hosts.is_empty() { None } else { Some(hosts(aws, &needs.hosts).await?) },
        trust_stores: Some(found(aws.trust_stores(&needs.trust_stores).await)?),
        web_acls: if needs.web_acls { Some(found(aws.web_acls_by_name().await)?) } else { None },
    })
}

/// Load balancers of the VPC that are asked for by name or ARN.
async fn hosts(aws: &Aws, wanted: &BTreeSet<String>) -> Result<BTreeMap<String, Host>, CloudError> {
    let mut found = BTreeMap::new();
    for balancer in aws.load_balancers().await? {
        let (Some(name), Some(arn)) = (balancer.load_balancer_name(), balancer.load_balancer_arn())
        else {
            continue;
        };
        let is_alb = balancer.r#type().is_none_or(|it| *it == LoadBalancerTypeEnum::Application);
        if !is_alb || balancer.vpc_id() != Some(aws.settings.vpc.as_str()) {
            continue;
        }
        for asked in [name, arn].into_iter().filter(|asked| wanted.contains(*asked)) {
            let host = Host {
                name: name.to_owned(),
                scheme: read::scheme(&balancer),
                ip_address_type: read::ip_address_type(&balancer),
                guards: balancer.security_groups().to_vec(),
            };
            found.insert(asked.to_owned(), host);
        }
    }
    Ok(found)
}

/// All target groups, for those who bind one of them.
async fn bound_groups(aws: &Aws) -> Result<Vec<BoundGroup>, CloudError> {
    let all = aws.target_groups().await?;
    let group = |group: &TargetGroup| {
        let family = group.ip_address_type().and_then(|family| IpFamily::parse(family.as_str()));
        Some(BoundGroup {
            arn: group.target_group_arn()?.to_owned(),
            name: group.target_group_name()?.to_owned(),
            target_type: TargetType::parse(group.target_type()?.as_str())?,
            family: family.unwrap_or(IpFamily::V4),
        })
    };
    Ok(all.iter().filter_map(group).collect())
}

/// What the account allows; as usual, where we may not ask.
async fn limits(aws: &Aws) -> Result<Limits, CloudError> {
    let mut limits = Limits::default();
    let answer = aws
        .call(Call::DescribeAccountLimits, || aws.balancing.describe_account_limits().send())
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(CloudError::Denied { .. } | CloudError::Refused { .. }) => return Ok(limits),
        Err(error) => return Err(error),
    };
    for limit in answer.limits() {
        if let (Some(name), Some(Ok(most))) = (limit.name(), limit.max().map(str::parse)) {
            limits.learn(name, most);
        }
    }
    Ok(limits)
}

/// What we may not ask for is not there for us: whoever names it is told, and nobody else suffers.
fn found(
    answer: Result<BTreeMap<String, String>, CloudError>,
) -> Result<BTreeMap<String, String>, CloudError> {
    match answer {
        Err(error @ (CloudError::Denied { .. } | CloudError::Refused { .. })) => {
            tracing::warn!("{}", error.line());
            Ok(BTreeMap::new())
        }
        other => other,
    }
}

pub(super) fn tags<T: FromIterator<(String, String)>>(tags: &[ec2::Tag]) -> T {
    let pair =
        |tag: &ec2::Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}

pub(super) fn in_vpc(aws: &Aws) -> Filter {
    Filter::builder().name("vpc-id").values(&aws.settings.vpc).build()
}

async fn subnets(aws: &Aws) -> Result<Vec<Subnet>, CloudError> {
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = aws
            .call(Call::DescribeSubnets, || {
                aws.network
                    .describe_subnets()
                    .filters(in_vpc(aws))
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        found.extend(page.subnets().iter().map(subnet));
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let role =
        |subnet: &Subnet| subnet.tags.keys().any(|key| key.starts_with("kubernetes.io/role/"));
    if !found.iter().any(role) {
        reach(aws, &mut found).await?;
    }
    Ok(found)
}

fn subnet(subnet: &ec2::Subnet) -> Subnet {
    Subnet {
        id: subnet.subnet_id().unwrap_or_default().to_owned(),
        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        tags: tags(subnet.tags()),
        free: subnet.available_ip_address_count().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        ipv6: !subnet.ipv6_cidr_block_association_set().is_empty(),
        public: None,
    }
}

/// Notes which subnets have a way to the internet.
async fn reach(aws: &Aws, subnets: &mut [Subnet]) -> Result<(), CloudError> {
    let answer = aws
        .call(Call::DescribeRouteTables, || {
            aws.network.describe_route_tables().filters(in_vpc(aws)).send()
        })
        .await?;
    let tables = answer.route_tables();
    let main =
        tables.iter().find(|table| table.associations().iter().any(|a| a.main() == Some(true)));
    for subnet in subnets {
        let own = tables.iter().find(|table| {
            table.associations().iter().any(|a| a.subnet_id() == Some(subnet.id.as_str()))
        });
        subnet.public = Some(own.or(main).is_some_and(leads_out));
    }
    Ok(())
}

fn leads_out(table: &RouteTable) -> bool {
    let gateways = table.routes().iter().filter_map(|route| route.gateway_id());
    gateways.into_iter().any(|gateway| gateway.starts_with("igw"))
}

async fn vpc_ranges(aws: &Aws) -> Result<Vec<IpNet>, CloudError> {
    let answer = aws
        .call(Call::DescribeVpcs, || aws.network.describe_vpcs().vpc_ids(&aws.settings.vpc).send())
        .await?;
    let mut ranges = BTreeSet::new();
    for vpc in answer.vpcs() {
        ranges.extend(vpc.cidr_block());
        ranges.extend(vpc.cidr_block_association_set().iter().filter_map(|a| a.cidr_block()));
        ranges.extend(
            vpc.ipv6_cidr_block_association_set().iter().filter_map(|a| a.ipv6_cidr_block()),
        );
    }
    Ok(ranges.into_iter().filter_map(|range| range.parse().ok()).collect())
}

/// Interfaces of instances. One that is gone is not missed.
async fn instances(
    aws: &Aws,
    wanted: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<Interface>>, CloudError> {
    let mut found = BTreeMap::new();
    let wanted: Vec<&String> = wanted.iter().collect();
    for some in wanted.chunks(INSTANCES) {
        // By filter, not by id: an id that is not there would fail the whole call.
        let ids: Vec<String> = some.iter().map(|id| (*id).clone()).collect();
        let filter = Filter::builder().name("instance-id").set_values(Some(ids)).build();
        let answer = aws
            .call(Call::DescribeInstances, || {
                aws.network.describe_instances().filters(filter.clone()).send()
            })
            .await?;
        let instances = answer.reservations().iter().flat_map(ec2::Reservation::instances);
        for instance in instances {
            if let Some(id) = instance.instance_id() {
                let interfaces = instance.network_interfaces().iter().map(interface);
                found.insert(id.to_owned(), interfaces.collect());
            }
        }
    }
    Ok(found)
}

fn interface(interface: &ec2::InstanceNetworkInterface) -> Interface {
    let ipv4 = interface.private_ip_addresses().iter().filter_map(|a| a.private_ip_address());
    let ipv6 = interface.ipv6_addresses().iter().filter_map(|a| a.ipv6_address());
    let addresses = ipv4.chain(ipv6).chain(interface.private_ip_address());
    let prefixes = interface.ipv4_prefixes().iter().filter_map(|p| p.ipv4_prefix());
    let more = interface.ipv6_prefixes().iter().filter_map(|p| p.ipv6_prefix());
    Interface {
        addresses: addresses.filter_map(|address| address.parse().ok()).collect(),
        prefixes: prefixes.chain(more).filter_map(|prefix| prefix.parse().ok()).collect(),
        groups: interface.groups().iter().filter_map(|g| g.group_id()).map(str::to_owned).collect(),
        primary: interface.attachment().is_none_or(|a| a.device_index() == Some(0)),
    }
}

/// Who has issued a private certificate. That is asked only where some authorities are not believed.
async fn authority(aws: &Aws, arn: &str) -> Result<Option<String>, CloudError> {
    if aws.settings.authorities.is_empty() {
        return Ok(None);
    }
    let answer = aws
        .call(Call::DescribeCertificate, || {
            aws.certificates.describe_certificate().certificate_arn(arn).send()
        })
        .await?;
    let certificate = answer.certificate();
    Ok(certificate.and_then(|it| it.certificate_authority_arn()).map(str::to_owned))
}

/// All issued certificates, of every kind of key: without a filter AWS leaves most kinds out.
async fn certificates(aws: &Aws) -> Result<Vec<Certificate>, CloudError> {
    let kinds = KeyAlgorithm::values().iter().map(|kind| KeyAlgorithm::from(*kind)).collect();
    let filters = Filters::builder().set_key_types(Some(kinds)).build();
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = aws
            .call(Call::ListCertificates, || {
                aws.certificates
                    .list_certificates()
                    .certificate_statuses(CertificateStatus::Issued)
                    .includes(filters.clone())
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        for summary in page.certificate_summary_list() {
            let Some(arn) = summary.certificate_arn() else { continue };
            let mut names: BTreeSet<String> =
                summary.subject_alternative_name_summaries().iter().cloned().collect();
            names.extend(summary.domain_name().map(str::to_owned));
            let private = summary.r#type() == Some(&CertificateType::Private);
            let authority = if private { authority(aws, arn).await? } else { None };
            let (arn, names) = (arn.to_owned(), names.into_iter().collect());
            found.push(Certificate { arn, names, authority });
        }
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    found.sort();
    Ok(found)
}
