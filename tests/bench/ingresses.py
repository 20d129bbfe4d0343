"""The objects of the ALB controller's benchmark: groups of Ingresses, their Services, endpoints and pods."""
import os
import time

CLASS = """apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: alb}
spec: {controller: ingress.k8s.aws/alb}
"""


def endpoints(group, member, count, place):
    """The EndpointSlice of a member, and its pods."""
    number = group * 20 + member
    listed = ", ".join(f"{{addresses: [{place[0]}.{100 + number // 250}.{number % 250}.{n + 1}], conditions: {{ready: true}}, "
                       f"targetRef: {{kind: Pod, name: s{member}-{n}}}}}" for n in range(count))
    pods = "".join(f"""---
apiVersion: v1
kind: Pod
metadata: {{name: s{member}-{n}, namespace: bg{group:02}}}
status: {{phase: Running, conditions: [{{type: ContainersReady, status: 'True'}}, {{type: Ready, status: 'True'}}]}}
""" for n in range(count))
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: s{member}-1, namespace: bg{group:02}, labels: {{kubernetes.io/service-name: s{member}}}}}
addressType: IPv4
ports: [{{port: {place[1]}}}]
endpoints: [{listed}]
{pods}"""


# The same where the class names a gateway, and that gateway.
THIN = CLASS.replace("{name: alb}", "{name: alb, annotations: {edgeway.dev/gateway: edge/gateway}}") + """---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: edge}
spec: {type: ClusterIP, clusterIP: 10.0.0.8, ports: [{port: 80, targetPort: 8080}]}
"""


def gateway(place):
    """The EndpointSlice of a gateway with two pods, and these."""
    listed = ", ".join(f"{{addresses: [{place[0]}.90.0.{n + 1}], conditions: {{ready: true}}, "
                       f"targetRef: {{kind: Pod, name: gateway-{n}}}}}" for n in range(2))
    pods = "".join(f"""---
apiVersion: v1
kind: Pod
metadata: {{name: gateway-{n}, namespace: edge}}
status: {{phase: Running, conditions: [{{type: ContainersReady, status: 'True'}}, {{type: Ready, status: 'True'}}]}}
""" for n in range(2))
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: gateway-1, namespace: edge, labels: {{kubernetes.io/service-name: gateway}}}}
addressType: IPv4
ports: [{{port: {place[1]}}}]
endpoints: [{listed}]
{pods}"""


def member(group, number, paths=("/a", "/b"), note=""):
    """An Ingress and its Service."""
    listed = "\n".join(f"      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: s{number}, "
                       "port: {number: 80}}}}" for path in paths)
    return f"""apiVersion: v1
kind: Service
metadata: {{name: s{number}, namespace: bg{group:02}}}
spec: {{type: ClusterIP, clusterIP: 10.0.0.9, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: i{number:02}
  namespace: bg{group:02}
  annotations:
    alb.ingress.kubernetes.io/group.name: g{group:02}
    alb.ingress.kubernetes.io/group.order: '{number}'
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/scheme: internal
{note}spec:
  ingressClassName: alb
  rules:
  - host: h{number}.g{group}.example.com
    http:
      paths:
{listed}
"""


def put(folder, name, text):
    """Replaces a file at once; tells when."""
    new = os.path.join(folder, "." + name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(new, os.path.join(folder, name))
    return time.monotonic()


def write(folder, groups, members, place):
    """All objects: a file for each member, and one for its endpoints."""
    put(folder, "class.yaml", CLASS)
    for group in range(groups):
        for number in range(members):
            put(folder, f"g{group:02}-{number:02}.yaml", member(group, number))
            put(folder, f"g{group:02}-{number:02}-endpoints.yaml", endpoints(group, number, 2, place))
