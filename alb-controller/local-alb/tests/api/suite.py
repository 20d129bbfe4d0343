"""Makes the calls of every case with boto3 and prints a line for each that was answered otherwise than written.

usage: suite.py ENDPOINT NAME-OF-THE-CLOUD

A case is a file beside this one: a list of calls with `service` (elbv2 if absent), `action`, `with` (parameters in the
API's names), and `reply` (what the reply has at least; lists have as many members) or `error` (its code). `keep` names
values of a reply for later calls, which write `${name}`. A key with a cloud's name says where and why that cloud answers
otherwise: a text for a call that fails where it should not, or the other way round, or with another code; a mapping from
fields (`Rules.0.Priority`) to texts for a reply in which these fields differ, and no other. What is listed has to differ,
or that is a difference as well. Every action that the controller's policy allows is called, and not only to be refused.
"""
import json
import pathlib
import re
import sys

import boto3
import yaml
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

endpoint, cloud = sys.argv[1:]
HERE = pathlib.Path(__file__).resolve().parent
POLICY = HERE.parents[3] / "deploy/iam-policy.json"
# What a policy allows and no call is named after: it goes with the association of web ACLs.
NO_CALL = {"SetWebAcl"}
# The key of a difference that is not in a field.
OUTCOME = ""


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(retries={"max_attempts": 1}))


def fill(value, kept):
    if isinstance(value, dict):
        return {key: fill(each, kept) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, kept) for each in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda name: kept[name[1]], value)
    return value


def differences(wanted, found, at=()):
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from differences(value, found.get(key), (*at, key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (value, other) in enumerate(zip(wanted, found)):
            yield from differences(value, other, (*at, str(place)))
    elif wanted != found:
        yield ".".join(at), f"is {found!r}, not {wanted!r}"


def at(reply, path):
    for part in path.split("."):
        reply = reply[int(part)] if part.isdigit() else reply[part]
    return reply


def look(call, clients, kept):
    """Where the cloud answered otherwise than the call says, and how."""
    service = call.get("service", "elbv2")
    wanted = call.get("error")
    try:
        if service not in clients:
            clients[service] = client(service)
        reply = getattr(clients[service], xform_name(call["action"]))(**fill(call.get("with", {}), kept))
        kept.update({name: at(reply, path) for name, path in call.get("keep", {}).items()})
        reads = fill(call.get("reply", {}), kept)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return {} if code == wanted else {OUTCOME: f"{error}, not {wanted or 'a reply'}"}
    except (BotoCoreError, ResponseParserError, KeyError, IndexError) as error:
        return {OUTCOME: f"{type(error).__name__}: {error}"}
    if wanted:
        return {OUTCOME: f"a reply, not {wanted}"}
    return dict(differences(reads, reply))


def surprises(found, listed):
    """What differs and is not listed, and what is listed and does not differ."""
    listed = listed if isinstance(listed, dict) else {OUTCOME: listed} if listed else {}
    for field, how in found.items():
        if field not in listed:
            yield f"{field} {how}".strip()
    for field, why in listed.items():
        if field not in found:
            yield f"{field} no longer differs, though listed: {why}".strip()


def uncalled(called):
    """Actions of the policy that no case calls for a reply."""
    policy = json.loads(POLICY.read_text())
    allowed = {name.split(":")[1] for part in policy["Statement"] for name in part["Action"]}
    return sorted(allowed - called - NO_CALL)


def main():
    clients, failed, called, seen = {}, False, set(), 0
    for file in sorted(HERE.glob("*.yaml")):
        kept = {}
        for place, call in enumerate(yaml.safe_load(file.read_text()), 1):
            seen += 1
            if "error" not in call:
                called.add(call["action"])
            for line in surprises(look(call, clients, kept), call.get(cloud)):
                failed = True
                print(f"{cloud}: {file.name} call {place} {call['action']}: {line}")
    for action in uncalled(called):
        failed = True
        print(f"no case calls {action} for a reply")
    print(f"{cloud}: {seen} calls")
    return failed or seen == 0


sys.exit(main())
