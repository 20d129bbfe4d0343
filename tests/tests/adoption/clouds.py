"""AWS as the AWS Load Balancer Controller leaves it, and a look at it by somebody else's client."""

import json
import sys

import boto3

what, url, argument = sys.argv[1], sys.argv[2], sys.argv[3]
ec2 = boto3.client("ec2", endpoint_url=url, region_name="us-east-1")
elb = boto3.client("elbv2", endpoint_url=url, region_name="us-east-1")


def pairs(*maps):
    return [{"Key": k, "Value": v} for m in maps for k, v in m.items()]


def make(wish):
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"] if s["VpcId"] == vpc][:3]
    ec2.create_tags(Resources=subnets, Tags=pairs({"kubernetes.io/role/internal-elb": "1"}))
    guards = []
    for group in wish["securityGroups"]:
        made = ec2.create_security_group(GroupName=group["name"], Description=group["description"], VpcId=vpc)["GroupId"]
        ec2.create_tags(Resources=[made], Tags=pairs({} if group.get("shared") else wish["tags"], group["tags"]))
        for port in group["ports"]:
            everybody = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[everybody])
        guards.append(made)
    group = wish["targetGroup"]
    targets = elb.create_target_group(
        Name=group["name"], Protocol=group["protocol"], ProtocolVersion="HTTP1", Port=group["port"], VpcId=vpc, TargetType="ip",
        HealthCheckProtocol=group["protocol"], HealthCheckPort="traffic-port", HealthCheckPath="/", HealthCheckIntervalSeconds=15,
        HealthCheckTimeoutSeconds=5, HealthyThresholdCount=2, UnhealthyThresholdCount=2, Matcher={"HttpCode": "200"},
        Tags=pairs(wish["tags"], group["tags"]))["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": t, "Port": group["port"]} for t in group["targets"]])
    own = wish["loadBalancer"]
    balancer = elb.create_load_balancer(
        Name=own["name"], Scheme=own["scheme"], Type="application", IpAddressType="ipv4", Subnets=subnets, SecurityGroups=guards,
        Tags=pairs(wish["tags"], own["tags"]))["LoadBalancers"][0]["LoadBalancerArn"]
    nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}
    listener = elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=wish["listener"]["port"], DefaultActions=[nothing],
        Tags=pairs(wish["tags"], wish["listener"]["tags"]))["Listeners"][0]["ListenerArn"]
    for rule in wish["rules"]:
        conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": [rule["host"]]}},
                      {"Field": "path-pattern", "PathPatternConfig": {"Values": rule["path"]}}]
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": targets, "Weight": 1}]}}
        elb.create_rule(ListenerArn=listener, Priority=rule["priority"], Conditions=conditions, Actions=[forward],
                        Tags=pairs(wish["tags"], rule["tags"]))
    print(vpc)


def look():
    """Everything that stands, with its tags, in an order that does not change."""
    def tagged(arn):
        return {t["Key"]: t["Value"] for t in elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]}
    out = {}
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        if group["GroupName"] != "default":
            out[group["GroupName"]] = [group["IpPermissions"], {t["Key"]: t["Value"] for t in group.get("Tags", [])}]
    for group in elb.describe_target_groups()["TargetGroups"]:
        arn = group["TargetGroupArn"]
        health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        out[group["TargetGroupName"]] = [group, sorted(t["Target"]["Id"] for t in health), tagged(arn)]
    for balancer in elb.describe_load_balancers()["LoadBalancers"]:
        out[balancer["LoadBalancerName"]] = [balancer, tagged(balancer["LoadBalancerArn"])]
        for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            arn = listener["ListenerArn"]
            out[f"listener {listener['Port']}"] = [listener, tagged(arn)]
            for rule in elb.describe_rules(ListenerArn=arn)["Rules"]:
                if not rule["IsDefault"]:
                    out[f"rule {listener['Port']}:{rule['Priority']}"] = [rule, tagged(rule["RuleArn"])]
    print(json.dumps(out, sort_keys=True, default=str))


def take_back(name):
    """What that controller does first where it finds a tag that it does not know."""
    balancer = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
    elb.remove_tags(ResourceArns=[balancer], TagKeys=["edgeway.dev/controller"])


{"make": lambda: make(json.load(open(argument))), "look": look, "take-back": lambda: take_back(argument)}[what]()
