"""Makes the calls of every case with boto3 and prints a line for each that was answered otherwise than written.

usage: suite.py ENDPOINT NAME-OF-THE-CLOUD

A case is a file beside this one: a list of calls with `service` (elbv2 if absent), `action`, `with` (parameters in the
API's names), and `reply` (what the reply has at least; lists have as many members) or `error` (its code). `keep` names
values of a reply for later calls, which write `${name}`. A key with a cloud's name says why that cloud answers otherwise;
it has to, or that is a difference as well.
"""
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


def differences(wanted, found, at="reply"):
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from differences(value, found.get(key), f"{at}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (value, other) in enumerate(zip(wanted, found)):
            yield from differences(value, other, f"{at}.{place}")
    elif wanted != found:
        yield f"{at} is {found!r}, not {wanted!r}"


def at(reply, path):
    for part in path.split("."):
        reply = reply[int(part)] if part.isdigit() else reply[part]
    return reply


def look(call, clients, kept):
    """What the cloud answered otherwise than the call says."""
    service = call.get("service", "elbv2")
    wanted = call.get("error")
    try:
        if service not in clients:
            clients[service] = client(service)
        reply = getattr(clients[service], xform_name(call["action"]))(**fill(call.get("with", {}), kept))
        kept.update({name: at(reply, path) for name, path in call.get("keep", {}).items()})
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return [] if code == wanted else [f"{error}, not {wanted or 'a reply'}"]
    except (BotoCoreError, ResponseParserError, KeyError, IndexError) as error:
        return [f"{type(error).__name__}: {error}"]
    if wanted:
        return [f"a reply, not {wanted}"]
    return list(differences(fill(call.get("reply", {}), kept), reply))


def main():
    clients, failed, seen = {}, False, 0
    for file in sorted(pathlib.Path(__file__).parent.glob("*.yaml")):
        kept = {}
        for place, call in enumerate(yaml.safe_load(file.read_text()), 1):
            seen += 1
            found = look(call, clients, kept)
            if cloud in call:
                found = [] if found else [f"no longer differs, though listed: {call[cloud]}"]
            for line in found:
                failed = True
                print(f"{cloud}: {file.name} call {place} {call['action']}: {line}")
    print(f"{cloud}: {seen} calls")
    return failed or seen == 0


sys.exit(main())
