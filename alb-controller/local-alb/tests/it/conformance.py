"""Calls every operation with boto3 and looks at what boto3 made of the replies.

usage: conformance.py ENDPOINT TARGET-PORT FOLDER-WITH-cert.pem-AND-key.pem
"""
import datetime
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, target_port, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="eu-west-1", aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(retries={"max_attempts": 1}))


elb, ec2, acm, sts, rgt = (client(s) for s in ("elbv2", "ec2", "acm", "sts", "resourcegroupstaggingapi"))


def check(value, expected, what=""):
    assert value == expected, f"{what}: {value!r} is not {expected!r}"


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        check(error.response["Error"]["Code"], code, str(error))
        assert error.response["Error"]["Message"]
        assert error.response["ResponseMetadata"]["RequestId"]
        check(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return error.response["Error"]["Message"]
    raise AssertionError(f"{arguments} was not refused with {code}")


# --- who and where
check(sts.get_caller_identity()["Account"], "000000000000")
vpc = ec2.describe_vpcs()["Vpcs"][0]
check(vpc["IsDefault"], True)
zones = ec2.describe_availability_zones(Filters=[{"Name": "state", "Values": ["available"]}])
check([z["ZoneName"] for z in zones["AvailabilityZones"]], ["eu-west-1a", "eu-west-1b", "eu-west-1c"])
subnets = ec2.describe_subnets(Filters=[
    {"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "tag:kubernetes.io/role/elb", "Values": ["1", ""]}])["Subnets"]
check(len(subnets), 3)
assert subnets[0]["AvailableIpAddressCount"] > 8
check({t["Key"] for t in subnets[0]["Tags"]}, {"Name", "kubernetes.io/role/elb", "kubernetes.io/role/internal-elb"})
routes = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["RouteTables"]
check(routes[0]["Associations"][0]["Main"], True)
instance = ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"])["Reservations"][0]["Instances"][0]
check(instance["State"]["Name"], "running")
check(instance["NetworkInterfaces"][0]["Groups"][0]["GroupName"], "default")

# --- security groups
group = ec2.create_security_group(
    GroupName="k8s-shop", Description="for the shop", VpcId=vpc["VpcId"],
    TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "elbv2.k8s.aws/cluster", "Value": "local"}]}])
sg = group["GroupId"]
check(group["Tags"][0]["Value"], "local")
permissions = [
    {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
     "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "anywhere"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-10ca1def", "Description": "nodes"}]},
    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": "pl-1"}]},
]
rules = ec2.authorize_security_group_ingress(GroupId=sg, IpPermissions=permissions)
check(rules["Return"], True)
check(len(rules["SecurityGroupRules"]), 4)
refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=sg, IpPermissions=permissions[:1])
seen = ec2.describe_security_groups(Filters=[{"Name": "tag:elbv2.k8s.aws/cluster", "Values": ["local"]}])["SecurityGroups"]
check(len(seen), 1)
by_port = {p.get("FromPort"): p for p in seen[0]["IpPermissions"]}
check(by_port[80]["IpRanges"], [{"CidrIp": "0.0.0.0/0", "Description": "anywhere"}])
check(by_port[80]["Ipv6Ranges"], [{"CidrIpv6": "::/0"}])
check(by_port[None]["UserIdGroupPairs"][0]["GroupId"], "sg-10ca1def")
check(by_port[443]["PrefixListIds"], [{"PrefixListId": "pl-1"}])
gone = ec2.revoke_security_group_ingress(GroupId=sg, IpPermissions=permissions[1:])
check(len(gone["RevokedSecurityGroupRules"]), 2)
refused("InvalidPermission.NotFound", ec2.revoke_security_group_ingress, GroupId=sg, IpPermissions=permissions[1:])
ec2.create_tags(Resources=[sg], Tags=[{"Key": "a", "Value": "1"}])
ec2.delete_tags(Resources=[sg], Tags=[{"Key": "a"}])
refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=["sg-0"])

# --- certificates
requested = acm.request_certificate(DomainName="*.example.com", SubjectAlternativeNames=["example.com"])["CertificateArn"]
imported = acm.import_certificate(
    Certificate=open(f"{folder}/cert.pem", "rb").read(), PrivateKey=open(f"{folder}/key.pem", "rb").read(),
    Tags=[{"Key": "team", "Value": "x"}])["CertificateArn"]
listed = acm.list_certificates(CertificateStatuses=["ISSUED"], Includes={"keyTypes": ["RSA_2048", "EC_prime256v1"]})
check({c["CertificateArn"] for c in listed["CertificateSummaryList"]}, {requested, imported})
details = acm.describe_certificate(CertificateArn=imported)["Certificate"]
check((details["Type"], details["Status"], details["DomainName"]), ("IMPORTED", "ISSUED", "imported.example.com"))
assert isinstance(details["ImportedAt"], datetime.datetime)
acm.add_tags_to_certificate(CertificateArn=imported, Tags=[{"Key": "env", "Value": "y"}])
check({t["Key"] for t in acm.list_tags_for_certificate(CertificateArn=imported)["Tags"]}, {"team", "env"})
refused("ResourceNotFoundException", acm.describe_certificate, CertificateArn=requested[:-1] + "x")

# --- load balancer
wanted = dict(
    Name="shop", Subnets=[s["SubnetId"] for s in subnets[:2]], SecurityGroups=[sg], Scheme="internal",
    Tags=[{"Key": "ingress.k8s.aws/stack", "Value": "ns/shop"}])
lb = elb.create_load_balancer(**wanted)["LoadBalancers"][0]
arn = lb["LoadBalancerArn"]
check(lb["State"]["Code"], "provisioning")
assert isinstance(lb["CreatedTime"], datetime.datetime)
assert lb["DNSName"].startswith("internal-shop-"), lb["DNSName"]
check(elb.create_load_balancer(**wanted)["LoadBalancers"][0]["LoadBalancerArn"], arn)
refused("DuplicateLoadBalancerName", elb.create_load_balancer, **{**wanted, "Scheme": "internet-facing"})
elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn])
check(elb.describe_load_balancers(Names=["shop"])["LoadBalancers"][0]["State"]["Code"], "active")
refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["none"])
for name in ("b", "c", "d"):
    elb.create_load_balancer(Name=name, Subnets=wanted["Subnets"])
pages = elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2})
check([[x["LoadBalancerName"] for x in p["LoadBalancers"]] for p in pages], [["b", "c"], ["d", "shop"]])
attributes = elb.modify_load_balancer_attributes(
    LoadBalancerArn=arn, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "120"}])["Attributes"]
attributes = {a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]}
check((attributes["idle_timeout.timeout_seconds"], attributes["ipv6.deny_all_igw_traffic"]), ("120", "true"))
refused("InvalidConfigurationRequest", elb.modify_load_balancer_attributes, LoadBalancerArn=arn,
        Attributes=[{"Key": "nonsense", "Value": "1"}])
check(len(elb.set_subnets(LoadBalancerArn=arn, Subnets=[s["SubnetId"] for s in subnets])["AvailabilityZones"]), 3)
check(elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[sg, "sg-10ca1def"])["SecurityGroupIds"], [sg, "sg-10ca1def"])
check(elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="dualstack")["IpAddressType"], "dualstack")
# Only what is public takes addresses out of a pool; tests/api/settings.yaml has one that is.
refused("InvalidConfigurationRequest", elb.modify_ip_pools, LoadBalancerArn=arn,
        IpamPools={"Ipv4IpamPoolId": "ipam-pool-1"})
capacity = elb.modify_capacity_reservation(LoadBalancerArn=arn, MinimumLoadBalancerCapacity={"CapacityUnits": 100})
check(capacity["MinimumLoadBalancerCapacity"]["CapacityUnits"], 100)
check(elb.describe_capacity_reservation(LoadBalancerArn=arn)["CapacityReservationState"][0]["State"]["Code"], "provisioned")
interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["ELB app/shop/*"]}])["NetworkInterfaces"]
check(len(interfaces), 3)
refused("DependencyViolation", ec2.delete_security_group, GroupId=sg)

# --- target groups
settings = dict(
    Name="web", Protocol="HTTP", Port=8080, VpcId=vpc["VpcId"], TargetType="ip", HealthCheckPath="/health",
    HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, Matcher={"HttpCode": "200-299"},
    Tags=[{"Key": "ingress.k8s.aws/stack", "Value": "ns/shop"}])
tg = elb.create_target_group(**settings)["TargetGroups"][0]
web = tg["TargetGroupArn"]
check((tg["HealthCheckEnabled"], tg["HealthCheckPort"], tg["Matcher"], tg["LoadBalancerArns"]),
      (True, "traffic-port", {"HttpCode": "200-299"}, []))
check(elb.create_target_group(**settings)["TargetGroups"][0]["TargetGroupArn"], web)
refused("DuplicateTargetGroupName", elb.create_target_group, **{**settings, "Port": 81})
canary = elb.create_target_group(**{**settings, "Name": "canary"})["TargetGroups"][0]["TargetGroupArn"]
grpc = elb.create_target_group(Name="grpc", Protocol="HTTP", ProtocolVersion="GRPC", Port=1, VpcId=vpc["VpcId"])
check(grpc["TargetGroups"][0]["Matcher"], {"GrpcCode": "12"})
check(elb.modify_target_group(TargetGroupArn=web, HealthCheckPath="/")["TargetGroups"][0]["HealthCheckPath"], "/")
elb.modify_target_group_attributes(TargetGroupArn=web, Attributes=[
    {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}])
attributes = {a["Key"]: a["Value"] for a in elb.describe_target_group_attributes(TargetGroupArn=web)["Attributes"]}
check((attributes["deregistration_delay.timeout_seconds"], attributes["stickiness.enabled"]), ("1", "false"))
check([len(p["TargetGroups"]) for p in elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2})], [2, 1])
targets = [{"Id": "127.0.0.1", "Port": target_port}, {"Id": "10.0.0.9"}]
elb.register_targets(TargetGroupArn=web, Targets=targets)
health = elb.describe_target_health(TargetGroupArn=web, Include=["All"])["TargetHealthDescriptions"]
check([h["TargetHealth"]["Reason"] for h in health], ["Target.NotInUse"] * 2)
check(health[0]["Target"], {"Id": "10.0.0.9", "Port": 8080, "AvailabilityZone": "eu-west-1a"})
check(health[0]["AnomalyDetection"]["Result"], "normal")
refused("InvalidTarget", elb.register_targets, TargetGroupArn=web, Targets=[{"Id": "8.8.8.8", "AvailabilityZone": "all"}])

# --- listeners
forward = [{"Type": "forward", "ForwardConfig": {
    "TargetGroups": [{"TargetGroupArn": web, "Weight": 90}, {"TargetGroupArn": canary, "Weight": 10}],
    "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}}]
http = elb.create_listener(
    LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward, Tags=[{"Key": "k", "Value": "v"}])["Listeners"][0]
check(http["DefaultActions"][0]["ForwardConfig"], forward[0]["ForwardConfig"])
assert "TargetGroupArn" not in http["DefaultActions"][0] and "SslPolicy" not in http, http
https = elb.create_listener(
    LoadBalancerArn=arn, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": requested}],
    SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06", MutualAuthentication={"Mode": "passthrough"},
    DefaultActions=[{"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
        "Issuer": "https://i", "AuthorizationEndpoint": "https://i/a", "TokenEndpoint": "https://i/t",
        "UserInfoEndpoint": "https://i/u", "ClientId": "id", "ClientSecret": "hush",
        "AuthenticationRequestExtraParams": {"display": "page", "prompt": "login"}}},
        {"Type": "forward", "Order": 2, "TargetGroupArn": web}])["Listeners"][0]
oidc = https["DefaultActions"][0]["AuthenticateOidcConfig"]
check((oidc["SessionTimeout"], oidc["AuthenticationRequestExtraParams"]), (604800, {"display": "page", "prompt": "login"}))
assert "ClientSecret" not in oidc, oidc
check(https["MutualAuthentication"], {"Mode": "passthrough"})
check(https["DefaultActions"][1]["TargetGroupArn"], web)
refused("DuplicateListener", elb.create_listener, LoadBalancerArn=arn, Protocol="HTTP", Port=443, DefaultActions=forward)
elb.add_listener_certificates(ListenerArn=https["ListenerArn"], Certificates=[{"CertificateArn": imported}])
certificates = elb.describe_listener_certificates(ListenerArn=https["ListenerArn"])["Certificates"]
check([c["IsDefault"] for c in certificates], [True, False])
refused("ResourceInUseException", acm.delete_certificate, CertificateArn=imported)
elb.remove_listener_certificates(ListenerArn=https["ListenerArn"], Certificates=[{"CertificateArn": imported}])
elb.modify_listener_attributes(ListenerArn=http["ListenerArn"], Attributes=[
    {"Key": "routing.http.response.server.enabled", "Value": "false"}])
attributes = elb.describe_listener_attributes(ListenerArn=http["ListenerArn"])["Attributes"]
check({a["Key"]: a["Value"] for a in attributes}["routing.http.response.server.enabled"], "false")
check(len(elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]), 2)
check(elb.modify_listener(ListenerArn=https["ListenerArn"], Port=8443)["Listeners"][0]["Port"], 8443)

# --- rules
conditions = [
    {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com"]}},
    {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/api/"]}},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Env", "Values": ["canary"]}},
    {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
]
rule = elb.create_rule(
    ListenerArn=http["ListenerArn"], Priority=10, Conditions=conditions, Tags=[{"Key": "k", "Value": "v"}],
    Actions=[{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}],
    Transforms=[{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a", "Replace": "/b"}]}}])["Rules"][0]
check(rule["Conditions"][0]["Values"], ["a.example.com"])
check(rule["Conditions"][1]["RegexValues"], ["^/api/"])
for sent, got in zip(conditions, rule["Conditions"]):
    for key, value in sent.items():
        check(got[key], value, key)
check(rule["Actions"][0]["RedirectConfig"], {
    "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}", "StatusCode": "HTTP_301"})
check(rule["Transforms"][0]["UrlRewriteConfig"]["Rewrites"], [{"Regex": "^/a", "Replace": "/b"}])
claims = [{"Format": "string-array", "Name": "groups", "Values": ["ops", "dev"]}]
steps = lambda claims: [
    {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {
        "JwksEndpoint": "https://i/keys", "Issuer": "https://i", "AdditionalClaims": claims}},
    {"Type": "forward", "Order": 2, "TargetGroupArn": web}]
token = dict(ListenerArn=https["ListenerArn"], Priority=30, Conditions=[{"Field": "path-pattern", "Values": ["/api"]}])
checked = elb.create_rule(**token, Actions=steps(claims))["Rules"][0]
check(checked["Actions"][0]["JwtValidationConfig"]["AdditionalClaims"], claims)
for bad in ({"Name": "exp"}, {"Values": ["x"] * 11}, {"Values": ["x" * 257]}, {"Format": "space-separated-values", "Values": ["a b"]}):
    refused("ValidationError", elb.modify_rule, RuleArn=checked["RuleArn"], Actions=steps([claims[0] | bad]))
elb.delete_rule(RuleArn=checked["RuleArn"])
known = {key: value for key, value in oidc.items() if key != "UseExistingClientSecret"} | {"UseExistingClientSecret": True}
elb.modify_listener(ListenerArn=https["ListenerArn"], DefaultActions=[
    {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": known}, https["DefaultActions"][1]])
method = elb.create_rule(
    ListenerArn=http["ListenerArn"], Priority=20,
    Conditions=[{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}}],
    Actions=[{"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "503", "ContentType": "text/html", "MessageBody": "<p>1 & 2\r\n\"ä\"</p>"}}])["Rules"][0]
check(method["Actions"][0]["FixedResponseConfig"]["MessageBody"], "<p>1 & 2\r\n\"ä\"</p>")
refused("PriorityInUse", elb.create_rule, ListenerArn=http["ListenerArn"], Priority=10,
        Conditions=conditions[:1], Actions=[{"Type": "forward", "TargetGroupArn": web}])
swapped = elb.set_rule_priorities(RulePriorities=[
    {"RuleArn": rule["RuleArn"], "Priority": 20}, {"RuleArn": method["RuleArn"], "Priority": 10}])["Rules"]
check({r["RuleArn"]: r["Priority"] for r in swapped}, {rule["RuleArn"]: "20", method["RuleArn"]: "10"})
pages = elb.get_paginator("describe_rules").paginate(ListenerArn=http["ListenerArn"], PaginationConfig={"PageSize": 2})
check([[r["Priority"] for r in p["Rules"]] for p in pages], [["10", "20"], ["default"]])
changed = elb.modify_rule(RuleArn=rule["RuleArn"], ResetTransforms=True)["Rules"][0]
check((changed["Transforms"], len(changed["Conditions"])), ([], 5))
refused("OperationNotPermitted", elb.delete_rule, RuleArn=next(
    r["RuleArn"] for r in elb.describe_rules(ListenerArn=http["ListenerArn"])["Rules"] if r["IsDefault"]))
elb.delete_rule(RuleArn=method["RuleArn"])
refused("RuleNotFound", elb.delete_rule, RuleArn=method["RuleArn"])

# --- health, once there is a listener
elb.get_waiter("target_in_service").wait(
    TargetGroupArn=web, Targets=targets[:1], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=web)
elb.deregister_targets(TargetGroupArn=web, Targets=targets[:1])
states = {h["Target"]["Id"]: h["TargetHealth"]["State"]
          for h in elb.describe_target_health(TargetGroupArn=web)["TargetHealthDescriptions"]}
check(states["127.0.0.1"], "draining")
elb.get_waiter("target_deregistered").wait(
    TargetGroupArn=web, Targets=targets[:1], WaiterConfig={"Delay": 1, "MaxAttempts": 20})

# --- tags
elb.add_tags(ResourceArns=[arn, rule["RuleArn"]], Tags=[{"Key": "more", "Value": "yes"}])
elb.remove_tags(ResourceArns=[rule["RuleArn"]], TagKeys=["k"])
tags = {d["ResourceArn"]: {t["Key"] for t in d["Tags"]}
        for d in elb.describe_tags(ResourceArns=[arn, rule["RuleArn"]])["TagDescriptions"]}
check(tags, {arn: {"ingress.k8s.aws/stack", "more"}, rule["RuleArn"]: {"more"}})
found = rgt.get_paginator("get_resources").paginate(
    TagFilters=[{"Key": "ingress.k8s.aws/stack", "Values": ["ns/shop"]}], ResourceTypeFilters=["elasticloadbalancing"],
    PaginationConfig={"PageSize": 2})
check(sorted(r["ResourceARN"] for p in found for r in p["ResourceTagMappingList"]), sorted([arn, web, canary]))

# --- limits and the rest
limits = {x["Name"]: x["Max"] for x in elb.describe_account_limits()["Limits"]}
check(limits["rules-per-application-load-balancer"], "100")
policies = elb.describe_ssl_policies(Names=["ELBSecurityPolicy-2016-08"])["SslPolicies"]
check(policies[0]["SupportedLoadBalancerTypes"], ["application", "network"])
assert policies[0]["Ciphers"][0]["Priority"] == 1
for service in ("wafv2", "waf-regional", "shield"):
    other = client(service)
    if service == "shield":
        check(other.get_subscription_state()["SubscriptionState"], "INACTIVE")
        refused("ResourceNotFoundException", other.create_protection, Name="x", ResourceArn=arn)
        other.create_subscription()
        check(other.get_subscription_state()["SubscriptionState"], "ACTIVE")
        refused("ResourceNotFoundException", other.describe_protection, ResourceArn=arn)
        protection = other.create_protection(Name="x", ResourceArn=arn)["ProtectionId"]
        refused("ResourceAlreadyExistsException", other.create_protection, Name="y", ResourceArn=arn)
        check(other.describe_protection(ResourceArn=arn)["Protection"], {"Id": protection, "Name": "x", "ResourceArn": arn})
        other.delete_protection(ProtectionId=protection)
        refused("ResourceNotFoundException", other.describe_protection, ProtectionId=protection)
    else:
        assert "WebACL" not in other.get_web_acl_for_resource(ResourceArn=arn)
        other.disassociate_web_acl(ResourceArn=arn)
        if service == "wafv2":
            check(other.list_web_acls(Scope="REGIONAL")["WebACLs"], [])
            refused("WAFNonexistentItemException", other.associate_web_acl, ResourceArn=arn, WebACLArn=arn)
            metrics = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "all"}
            rules = dict(Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=metrics)
            acl = other.create_web_acl(Name="all", **rules)["Summary"]
            refused("WAFDuplicateItemException", other.create_web_acl, Name="all", **rules)
            check(other.list_web_acls(Scope="REGIONAL")["WebACLs"], [acl])
            other.associate_web_acl(ResourceArn=arn, WebACLArn=acl["ARN"])
            check(other.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["ARN"], acl["ARN"])
            check(other.list_resources_for_web_acl(WebACLArn=acl["ARN"])["ResourceArns"], [arn])
            named = dict(Name="all", Scope="REGIONAL", Id=acl["Id"])
            refused("WAFAssociatedItemException", other.delete_web_acl, LockToken=acl["LockToken"], **named)
            other.disassociate_web_acl(ResourceArn=arn)
            assert "WebACL" not in other.get_web_acl_for_resource(ResourceArn=arn)
            refused("WAFOptimisticLockException", other.delete_web_acl, LockToken=acl["Id"], **named)
            other.delete_web_acl(LockToken=acl["LockToken"], **named)

# --- trust stores
bundle = dict(CaCertificatesBundleS3Bucket="bucket", CaCertificatesBundleS3Key="ca.pem")
store = elb.create_trust_store(Name="clients", Tags=[{"Key": "a", "Value": "b"}], **bundle)["TrustStores"][0]
check({k: store[k] for k in store if k != "TrustStoreArn"},
      {"Name": "clients", "Status": "ACTIVE", "NumberOfCaCertificates": 1, "TotalRevokedEntries": 0})
store = store["TrustStoreArn"]
refused("DuplicateTrustStoreName", elb.create_trust_store, Name="clients", **bundle)
refused("CaCertificatesBundleNotFound", elb.modify_trust_store, TrustStoreArn=store, CaCertificatesBundleS3Bucket="b", CaCertificatesBundleS3Key="k")
check(elb.modify_trust_store(TrustStoreArn=store, **bundle)["TrustStores"][0]["TrustStoreArn"], store)
check(elb.describe_trust_stores(Names=["clients"])["TrustStores"][0]["TrustStoreArn"], store)
refused("TrustStoreNotFound", elb.describe_trust_stores, TrustStoreArns=[store + "x"])
check(elb.describe_tags(ResourceArns=[store])["TagDescriptions"][0]["Tags"], [{"Key": "a", "Value": "b"}])
revoked = elb.add_trust_store_revocations(TrustStoreArn=store, RevocationContents=[
    {"S3Bucket": "bucket", "S3Key": "revoked.crl", "RevocationType": "CRL"}])["TrustStoreRevocations"][0]
check((revoked["RevocationType"], revoked["NumberOfRevokedEntries"]), ("CRL", 1))
check(elb.describe_trust_store_revocations(TrustStoreArn=store)["TrustStoreRevocations"], [revoked])
check(elb.describe_trust_stores()["TrustStores"][0]["TotalRevokedEntries"], 1)
elb.remove_trust_store_revocations(TrustStoreArn=store, RevocationIds=[revoked["RevocationId"]])
refused("RevocationIdNotFound", elb.remove_trust_store_revocations, TrustStoreArn=store, RevocationIds=[revoked["RevocationId"]])
check(elb.describe_trust_store_associations(TrustStoreArn=store)["TrustStoreAssociations"], [])
verify = {"Mode": "verify", "TrustStoreArn": store, "IgnoreClientCertificateExpiry": True, "AdvertiseTrustStoreCaNames": "on"}
mutual = elb.modify_listener(ListenerArn=https["ListenerArn"], MutualAuthentication=verify)["Listeners"][0]["MutualAuthentication"]
check(mutual, {**verify, "TrustStoreAssociationStatus": "active"})
refused("TrustStoreInUse", elb.delete_trust_store, TrustStoreArn=store)
elb.modify_listener(ListenerArn=https["ListenerArn"], MutualAuthentication={"Mode": "off"})
elb.delete_trust_store(TrustStoreArn=store)
check(elb.describe_trust_stores()["TrustStores"], [])

# --- away with it
elb.delete_listener(ListenerArn=https["ListenerArn"])
elb.delete_load_balancer(LoadBalancerArn=arn)
elb.delete_load_balancer(LoadBalancerArn=arn)
elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[arn], WaiterConfig={"Delay": 1})
for each in (web, canary):
    elb.delete_target_group(TargetGroupArn=each)
ec2.delete_security_group(GroupId=sg)
acm.delete_certificate(CertificateArn=requested)

print("done")
