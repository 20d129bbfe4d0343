//! Clouds to test against, and a look at them that does not go through the controller.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, HostHeaderConditionConfig, HttpRequestMethodConditionConfig,
    PathPatternConditionConfig, RuleCondition,
};
use edgeway_alb_controller::{
    Config,
    aws::{Access, Connection, Rates},
};
use edgeway_alb_core::Settings;
use edgeway_gateway::lease::Tenure;
use edgeway_local_alb::{LocalAlb, PortMapping};
use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio_util::sync::{CancellationToken, DropGuard};

const REGION: &str = "eu-central-1";

/// Something that answers like AWS.
pub(crate) struct Cloud {
    pub(crate) name: &'static str,
    pub(crate) config: Config,
    balancing: aws_sdk_elasticloadbalancingv2::Client,
    network: aws_sdk_ec2::Client,
    #[expect(dead_code, reason = "is there to be dropped")]
    stop: Stop,
}

/// Ends the cloud with the test.
enum Stop {
    Token { _guard: DropGuard },
    Process(Child),
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Self::Process(child) = self {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

async fn clients(url: &str) -> (aws_sdk_elasticloadbalancingv2::Client, aws_sdk_ec2::Client) {
    let credentials = aws_sdk_ec2::config::Credentials::new("test", "test", None, None, "test");
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(credentials)
        .load()
        .await;
    (aws_sdk_elasticloadbalancingv2::Client::new(&config), aws_sdk_ec2::Client::new(&config))
}

fn config(url: &str, vpc: &str) -> Config {
    let access = Access::Fixed { key: "test".into(), secret: "test".into() };
    Config {
        settings: Settings::new("test", vpc),
        connection: Connection {
            region: REGION.into(),
            endpoint: Some(url.into()),
            access,
            rates: Rates::Unlimited,
            memory: None,
        },
        resync: None,
        tenure: Tenure::always(),
    }
}

/// Our own.
pub(crate) async fn local() -> Cloud {
    let token = CancellationToken::new();
    let settings = edgeway_local_alb::Config {
        api: (Ipv4Addr::LOCALHOST, 0).into(),
        ports: PortMapping::Free,
        region: REGION.into(),
        ..edgeway_local_alb::Config::default()
    };
    let vpc = settings.vpc.clone();
    let running = LocalAlb::start(settings, token.clone()).await.unwrap();
    let url = format!("http://{}", running.api);
    let (balancing, network) = clients(&url).await;
    let stop = Stop::Token { _guard: token.drop_guard() };
    let cloud = Cloud { name: "local-alb", config: config(&url, &vpc), balancing, network, stop };
    cloud.import_certificate().await;
    cloud
}

/// Somebody else's; nothing where it is not installed.
pub(crate) async fn moto() -> Option<Cloud> {
    let probe = Command::new("python3").args(["-c", "import moto.server"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine's Python has no moto");
        return None;
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let child = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stop = Stop::Process(child);
    for _ in 0..300 {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let url = format!("http://127.0.0.1:{port}");
    let (balancing, network) = clients(&url).await;
    let vpc = vpc(&network).await;
    let cloud = Cloud { name: "moto", config: config(&url, &vpc), balancing, network, stop };
    cloud.import_certificate().await;
    Some(cloud)
}

/// A VPC with subnets in two zones, tagged for load balancers.
async fn vpc(network: &aws_sdk_ec2::Client) -> String {
    let made = network.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    let vpc = made.vpc().unwrap().vpc_id().unwrap().to_owned();
    for (zone, range) in [("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")] {
        let subnet = network
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block(range)
            .availability_zone(format!("{REGION}{zone}"))
            .send()
            .await
            .unwrap();
        let id = subnet.subnet().unwrap().subnet_id().unwrap().to_owned();
        let tag = aws_sdk_ec2::types::Tag::builder().key("kubernetes.io/role/elb").value("1");
        network.create_tags().resources(id).tags(tag.build()).send().await.unwrap();
    }
    vpc
}

impl Cloud {
    /// A certificate that the controller finds by its name.
    async fn import_certificate(&self) {
        let url = self.config.connection.endpoint.as_deref().unwrap();
        let credentials = aws_sdk_acm::config::Credentials::new("test", "test", None, None, "test");
        let config = aws_sdk_acm::Config::builder()
            .behavior_version(aws_sdk_acm::config::BehaviorVersion::latest())
            .region(aws_sdk_acm::config::Region::new(REGION))
            .endpoint_url(url)
            .credentials_provider(credentials)
            .build();
        // moto lists the common name alone.
        let mut wish = rcgen::CertificateParams::new(["shop.example.com".to_owned()]).unwrap();
        wish.distinguished_name.push(rcgen::DnType::CommonName, "shop.example.com");
        let key = rcgen::KeyPair::generate().unwrap();
        let made = wish.self_signed(&key).unwrap();
        aws_sdk_acm::Client::from_conf(config)
            .import_certificate()
            .certificate(aws_sdk_acm::primitives::Blob::new(pem("CERTIFICATE", made.der())))
            .private_key(aws_sdk_acm::primitives::Blob::new(pem(
                "PRIVATE KEY",
                key.serialized_der(),
            )))
            .send()
            .await
            .unwrap();
    }

    async fn listeners(&self) -> Vec<(String, u16)> {
        let mut found = Vec::new();
        let balancers = self.balancing.describe_load_balancers().send().await.unwrap();
        for balancer in balancers.load_balancers() {
            let arn = balancer.load_balancer_arn().unwrap();
            let listeners =
                self.balancing.describe_listeners().load_balancer_arn(arn).send().await.unwrap();
            for listener in listeners.listeners() {
                let port = u16::try_from(listener.port().unwrap()).unwrap();
                found.push((listener.listener_arn().unwrap().to_owned(), port));
            }
        }
        found.sort_by_key(|(_, port)| *port);
        found
    }

    /// All rules as text, by port as text, and in their order.
    pub(crate) async fn rules(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut listeners = self.listeners().await;
        listeners.sort_by_key(|(_, port)| port.to_string());
        for (arn, port) in listeners {
            let rules = self.balancing.describe_rules().listener_arn(arn).send().await.unwrap();
            let mut rules = rules.rules().to_vec();
            rules.sort_by_key(|rule| rule.priority().unwrap().parse::<u32>().unwrap_or(0));
            for rule in &rules {
                let action = action(&rule.actions()[0]);
                if rule.is_default() == Some(true) {
                    texts.push(format!("{port} default: {action}"));
                } else {
                    let conditions: Vec<_> = rule.conditions().iter().map(condition).collect();
                    texts.push(format!("{port}: {} -> {action}", conditions.join(" & ")));
                }
            }
        }
        texts
    }

    /// Priorities of the rules of a listener.
    pub(crate) async fn priorities(&self, port: u16) -> Vec<u32> {
        let listeners = self.listeners().await;
        let (arn, _) = listeners.iter().find(|(_, own)| *own == port).unwrap();
        let rules = self.balancing.describe_rules().listener_arn(arn).send().await.unwrap();
        rules.rules().iter().filter_map(|rule| rule.priority()?.parse().ok()).collect()
    }

    /// A load balancer that is nobody's, with a listener on port 80 and a rule.
    pub(crate) async fn add_balancer(&self, name: &str) {
        let subnets = self.network.describe_subnets().send().await.unwrap();
        let in_vpc = |vpc: Option<&str>| vpc == Some(self.config.settings.vpc.as_str());
        let subnets = subnets.subnets().iter().filter(|it| in_vpc(it.vpc_id()));
        let subnets = subnets.filter_map(|it| it.subnet_id()).take(2).map(str::to_owned).collect();
        let made = self.balancing.create_load_balancer().name(name).set_subnets(Some(subnets));
        let made = made.send().await.unwrap();
        let fixed = aws_sdk_elasticloadbalancingv2::types::FixedResponseActionConfig::builder();
        let action = Action::builder()
            .r#type("fixed-response".into())
            .fixed_response_config(fixed.status_code("404").build());
        let call = self.balancing.create_listener().port(80).protocol("HTTP".into());
        let arn = made.load_balancers()[0].load_balancer_arn().unwrap();
        call.load_balancer_arn(arn).default_actions(action.build()).send().await.unwrap();
        self.add_foreign_rule(150).await;
    }

    /// Points the listener of one load balancer to the target group whose name begins so.
    pub(crate) async fn send_to(&self, balancer: &str, group: &str) {
        let groups = self.balancing.describe_target_groups().send().await.unwrap();
        let named = |name: Option<&str>| name.is_some_and(|name| name.starts_with(group));
        let group = groups.target_groups().iter().find(|it| named(it.target_group_name()));
        let group = group.unwrap().target_group_arn().unwrap();
        let found = self.balancing.describe_load_balancers().names(balancer).send().await.unwrap();
        let arn = found.load_balancers()[0].load_balancer_arn().unwrap();
        let found =
            self.balancing.describe_listeners().load_balancer_arn(arn).send().await.unwrap();
        let arn = found.listeners()[0].listener_arn().unwrap();
        let action = Action::builder().r#type("forward".into()).target_group_arn(group).build();
        let call = self.balancing.modify_listener().listener_arn(arn);
        call.default_actions(action).send().await.unwrap();
    }

    /// A rule that nobody knows of.
    pub(crate) async fn add_foreign_rule(&self, priority: i32) {
        let (arn, _) = self.listeners().await.remove(0);
        let host = aws_sdk_elasticloadbalancingv2::types::HostHeaderConditionConfig::builder();
        let condition = RuleCondition::builder()
            .field("host-header")
            .host_header_config(host.values("foreign.example.com").build());
        let fixed = aws_sdk_elasticloadbalancingv2::types::FixedResponseActionConfig::builder();
        let action = Action::builder()
            .r#type("fixed-response".into())
            .fixed_response_config(fixed.status_code("200").build());
        let call = self.balancing.create_rule().listener_arn(arn).priority(priority);
        call.conditions(condition.build()).actions(action.build()).send().await.unwrap();
    }

    /// Makes a target group that is nobody's, with a target of somebody.
    pub(crate) async fn add_group(&self, name: &str, target: &str) {
        let vpc = &self.config.settings.vpc;
        let call = self.balancing.create_target_group().name(name).vpc_id(vpc).port(80);
        let made = call.protocol("HTTP".into()).target_type("ip".into()).send().await.unwrap();
        let arn = made.target_groups()[0].target_group_arn().unwrap();
        let target = aws_sdk_elasticloadbalancingv2::types::TargetDescription::builder()
            .id(target)
            .port(8080);
        let call = self.balancing.register_targets().target_group_arn(arn);
        call.targets(target.build()).send().await.unwrap();
    }

    /// Registered targets of the group whose name begins so.
    pub(crate) async fn targets(&self, prefix: &str) -> Vec<String> {
        let groups = self.balancing.describe_target_groups().send().await.unwrap();
        let group = groups
            .target_groups()
            .iter()
            .find(|group| group.target_group_name().unwrap().starts_with(prefix))
            .unwrap();
        let health = self
            .balancing
            .describe_target_health()
            .target_group_arn(group.target_group_arn().unwrap())
            .send()
            .await
            .unwrap();
        let mut targets: Vec<String> = health
            .target_health_descriptions()
            .iter()
            .filter(|d| {
                d.target_health()
                    .and_then(|h| h.reason())
                    .is_none_or(|r| r.as_str() != "Target.NotRegistered")
            })
            .map(|d| d.target().unwrap())
            .map(|target| format!("{}:{}", target.id().unwrap(), target.port().unwrap()))
            .collect();
        targets.sort();
        targets
    }

    /// Whatever the controller has made and not taken away.
    pub(crate) async fn left_over(&self) -> Vec<String> {
        let balancers = self.balancing.describe_load_balancers().send().await.unwrap();
        let balancers = balancers.load_balancers().iter().filter_map(|b| b.load_balancer_name());
        let groups = self.balancing.describe_target_groups().send().await.unwrap();
        let groups = groups.target_groups().iter().filter_map(|g| g.target_group_name());
        let guards = self.network.describe_security_groups().send().await.unwrap();
        let guards = guards.security_groups().iter().filter_map(|g| g.group_name());
        let guards = guards.filter(|name| name.starts_with("k8s-"));
        balancers.chain(groups).chain(guards).map(str::to_owned).collect()
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

/// `k8s-app-web-0123456789` is `app-web`.
fn group_name(arn: &str) -> String {
    let name = arn.rsplit('/').nth(1).unwrap_or(arn);
    name.trim_start_matches("k8s-").rsplit_once('-').map_or(name, |(stem, _)| stem).to_owned()
}

fn action(action: &Action) -> String {
    if let Some(fixed) = action.fixed_response_config() {
        return format!("fixed-response {}", fixed.status_code().unwrap_or_default());
    }
    if let Some(redirect) = action.redirect_config() {
        let status = redirect.status_code().unwrap().as_str().trim_start_matches("HTTP_");
        return format!("redirect {status} {}", redirect.host().unwrap_or("#{host}"));
    }
    let groups = action.forward_config().unwrap().target_groups();
    let many = groups.len() > 1;
    let mut shares: Vec<String> = groups
        .iter()
        .map(|group| {
            let name = group_name(group.target_group_arn().unwrap());
            if many { format!("{name} {}", group.weight().unwrap_or(1)) } else { name }
        })
        .collect();
    shares.sort();
    format!("forward {}", shares.join(", "))
}

fn condition(condition: &RuleCondition) -> String {
    let host = condition.host_header_config().map(HostHeaderConditionConfig::values);
    let path = condition.path_pattern_config().map(PathPatternConditionConfig::values);
    let method =
        condition.http_request_method_config().map(HttpRequestMethodConditionConfig::values);
    let values = host.or(path).or(method).unwrap_or_else(|| condition.values());
    values.join(",")
}
