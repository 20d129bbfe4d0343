"""The same routes for each proxy: what it reads, and how it is started.

Every function takes a `World` and a folder of its own, and gives a command line with a port for plain text
and one for TLS; nothing where this machine does not have the program. Each proxy runs two threads, ends
TLS with HTTP/2 and session tickets, balances by fewest requests, keeps connections to the backends, and
counts what it counts by default. Where it can be told to log one request of a hundred, it does.
"""
import json
import os

from machine import find, free_port

HOST = "shop.example.com"


class World:
    """What all proxies have before and behind them."""

    def __init__(self, folder, backends, grpc, hosts, routes):
        self.folder, self.backends, self.grpc = folder, backends, grpc
        self.hosts = [f"app{at}.example.com" for at in range(hosts)]
        self.prefixes = [f"/r{at}/" for at in range(routes)]

    def file(self, name):
        return os.path.join(self.folder, name)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def edgeway(world, folder):
    program = os.environ.get("GATEWAY") or find("edgeway-gateway")
    if not program:
        return None
    http, https, offset = free_port(), free_port(), 0
    indent = lambda name: "".join("    " + line for line in open(world.file(name), encoding="ascii"))
    documents = [f"""apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - {{port: {{number: {http}, name: http, protocol: HTTP}}, hosts: ["*"]}}
  - {{port: {{number: {https}, name: https, protocol: HTTPS}}, hosts: ["*"], tls: {{mode: SIMPLE, credentialName: edge}}}}
""", f"""apiVersion: v1
kind: Secret
metadata: {{name: edge, namespace: istio-system}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{indent("cert.pem")}  tls.key: |
{indent("key.pem")}"""]
    for name, protocol, ports in (("plain", "http", world.backends), ("calls", "grpc", world.grpc)):
        endpoints = "".join(f"  - {{address: 127.0.0.1, ports: {{{protocol}: {port}}}}}\n" for port in ports)
        documents.append(f"""apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: istio-system}}
spec:
  hosts: [{name}.bench.test]
  resolution: STATIC
  ports: [{{number: 80, name: {protocol}, protocol: {protocol.upper()}}}]
  endpoints:
{endpoints}""")

    def rule(match, to="plain"):
        return f"  - match: [{match}]\n    route: [{{destination: {{host: {to}.bench.test}}}}]\n"

    def service(name, host, rules):
        documents.append(f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: istio-system}}
spec:
  hosts: [{host}]
  gateways: [edge]
  http:
{"".join(rules)}""")

    prefix = lambda path, to="plain": rule(f"{{uri: {{prefix: {path}}}}}", to)
    for at, host in enumerate(world.hosts):
        service(f"app{at}", host, [prefix(f"/svc{at}/"), prefix("/api/"), prefix("/")])
    service("shop", HOST, [*map(prefix, world.prefixes), prefix("/grpc.", "calls"),
                           rule("{headers: {x-canary: {exact: 'yes'}}}"), rule("{uri: {exact: /login}}"),
                           prefix("/api/"), prefix("/")])
    os.mkdir(os.path.join(folder, "manifests"))
    write(os.path.join(folder, "manifests"), "all.yaml", "---\n".join(documents))
    ports = [str(free_port()) for _ in range(3)]
    return [program, "--source", f"files:{folder}/manifests", "--bind", "127.0.0.1", "--port-offset", str(offset),
            "--workers", "2", "--access-log", "0.01", "--status-port", ports[0], "--metrics-port", ports[1],
            "--admin-port", ports[2]], http, https


def envoy(world, folder):
    program = find("envoy")
    if not program:
        return None
    http, https, admin = free_port(), free_port(), free_port()
    types = "type.googleapis.com/envoy.extensions."
    to = lambda match, cluster="plain": {"match": match, "route": {"cluster": cluster, "timeout": "0s"}}
    prefix = lambda path, cluster="plain": to({"prefix": path}, cluster)
    hosts = [{"name": host, "domains": [host], "routes": [prefix(f"/svc{at}/"), prefix("/api/"), prefix("/")]}
             for at, host in enumerate(world.hosts)]
    canary = {"prefix": "/", "headers": [{"name": "x-canary", "string_match": {"exact": "yes"}}]}
    hosts.append({"name": "shop", "domains": [HOST, HOST + ":*"], "routes": [
        *map(prefix, world.prefixes), prefix("/grpc.", "calls"), to(canary), to({"path": "/login"}),
        prefix("/api/"), prefix("/")]})
    log = {"name": "file", "filter": {"runtime_filter": {"runtime_key": "log", "percent_sampled": {"numerator": 1}}},
           "typed_config": {"@type": types + "access_loggers.file.v3.FileAccessLog", "path": f"{folder}/access.log"}}
    manager = {"name": "http", "typed_config": {
        "@type": types + "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
        "use_remote_address": True, "normalize_path": True, "access_log": [log],
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [{"name": "router", "typed_config": {"@type": types + "filters.http.router.v3.Router"}}]}}
    tls = {"name": "tls", "typed_config": {
        "@type": types + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [{
                "certificate_chain": {"filename": world.file("cert.pem")},
                "private_key": {"filename": world.file("key.pem")}}]}}}

    def listener(port, **more):
        return {"name": str(port), "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [manager], **more}]}

    def cluster(name, ports, **more):
        endpoints = [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
                     for port in ports]
        most = {name: 100000 for name in ("max_connections", "max_requests", "max_pending_requests")}
        return {"name": name, "type": "STATIC", "lb_policy": "LEAST_REQUEST", **more,
                "circuit_breakers": {"thresholds": [most]},
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}}

    http2 = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": types + "upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}}
    config = {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
              "static_resources": {"listeners": [listener(http), listener(https, transport_socket=tls)],
                                   "clusters": [cluster("plain", world.backends),
                                                cluster("calls", world.grpc, **http2)]}}
    path = write(folder, "envoy.json", json.dumps(config))
    return [program, "-c", path, "--concurrency", "2", "-l", "error", "--use-dynamic-base-id"], http, https


def nginx(world, folder):
    program = find("nginx")
    if not program:
        return None
    http, https = free_port(), free_port()
    go = "{ proxy_pass http://plain; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host; }"
    listen = f"listen 127.0.0.1:{http} backlog=4096; listen 127.0.0.1:{https} ssl http2 backlog=4096;"
    servers = [f"server {{ {listen if not at else listen.replace(' backlog=4096', '')} server_name {host}; "
               f"location /svc{at}/ {go} location /api/ {go} location / {go} }}" for at, host in enumerate(world.hosts)]
    locations = " ".join(f"location {path} {go}" for path in [*world.prefixes, "= /login", "/api/", "/"])
    servers.append(f"server {{ {listen.replace(' backlog=4096', '')} server_name {HOST}; {locations} "
                   "location /grpc. { grpc_pass grpc://calls; } }")
    pool = lambda name, ports: (f"upstream {name} {{ least_conn; {' '.join(f'server 127.0.0.1:{port} max_fails=0;' for port in ports)} "
                                "keepalive 256; keepalive_requests 100000000; }")
    path = write(folder, "nginx.conf", f"""worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
split_clients $request_id $logged {{ 1% 1; * 0; }}
access_log {folder}/access.log combined buffer=64k if=$logged;
server_names_hash_max_size 16384; server_names_hash_bucket_size 128;
keepalive_requests 100000000; keepalive_timeout 600s; http2_max_concurrent_streams 1024;
client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
ssl_certificate {world.file("cert.pem")}; ssl_certificate_key {world.file("key.pem")}; ssl_protocols TLSv1.2 TLSv1.3;
{pool("plain", world.backends)}
{pool("calls", world.grpc)}
{chr(10).join(servers)}
}}
""")
    return [program, "-c", path, "-p", folder, "-e", f"{folder}/error.log"], http, https


def haproxy(world, folder):
    program = find("haproxy")
    if not program:
        return None
    http, https = free_port(), free_port()
    hosts = write(folder, "hosts.map", "".join(f"{host} plain\n" for host in [*world.hosts, HOST]))
    paths = write(folder, "paths.map", "".join(f"{path} plain\n" for path in [*world.prefixes, "/"]) + "/grpc. calls\n")
    servers = lambda ports, more="": "".join(f"  server s{port} 127.0.0.1:{port}{more}\n" for port in ports)
    path = write(folder, "haproxy.cfg", f"""global
  nbthread 2
  maxconn 6000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {world.file("both.pem")} alpn h2,http/1.1
  option forwardfor
  http-request set-var(txn.host) req.hdr(host),field(1,:),lower,map({hosts})
  use_backend %[path,map_beg({paths})] if {{ var(txn.host) -m found }}
backend plain
  balance leastconn
{servers(world.backends)}backend calls
  balance leastconn
{servers(world.grpc, " proto h2")}""")
    return [program, "-db", "-f", path], http, https


def traefik(world, folder):
    program = find("traefik")
    if not program:
        return None
    http, https = free_port(), free_port()
    routers = {}

    def add(name, rule, service="plain", priority=0):
        router = {"rule": rule, "service": service, **({"priority": priority} if priority else {})}
        routers[name] = {**router, "entryPoints": ["web"]}
        routers[name + "-tls"] = {**router, "entryPoints": ["secure"], "tls": {}}

    for at, host in enumerate(world.hosts):
        add(f"app{at}", f"Host(`{host}`)")
    for at, path in enumerate(world.prefixes):
        add(f"r{at}", f"Host(`{HOST}`) && PathPrefix(`{path}`)")
    add("calls", f"Host(`{HOST}`) && PathPrefix(`/grpc.`)", "calls", 1000)
    add("shop", f"Host(`{HOST}`)")
    balance = lambda scheme, ports: {"loadBalancer": {"servers": [{"url": f"{scheme}://127.0.0.1:{port}"} for port in ports]}}
    dynamic = write(folder, "dynamic.json", json.dumps({
        "tls": {"certificates": [{"certFile": world.file("cert.pem"), "keyFile": world.file("key.pem")}]},
        "http": {"routers": routers, "services": {"plain": balance("http", world.backends),
                                                  "calls": balance("h2c", world.grpc)}}}))
    static = write(folder, "static.json", json.dumps({
        "entryPoints": {"web": {"address": f"127.0.0.1:{http}"}, "secure": {"address": f"127.0.0.1:{https}"}},
        "log": {"level": "ERROR"}, "serversTransport": {"maxIdleConnsPerHost": 256},
        "providers": {"file": {"filename": dynamic}}, "global": {"checkNewVersion": False, "sendAnonymousUsage": False}}))
    os.replace(static, static + ".yml")
    os.replace(dynamic, dynamic + ".yml")
    text = open(static + ".yml", encoding="utf-8").read().replace(json.dumps(dynamic), json.dumps(dynamic + ".yml"))
    write(folder, "static.json.yml", text)
    return ["env", "GOMAXPROCS=2", program, f"--configFile={static}.yml"], http, https


ALL = {"edgeway": edgeway, "envoy": envoy, "nginx": nginx, "haproxy": haproxy, "traefik": traefik}
