//! A local load balancer in this process, targets that do as they are told, and a client that
//! shows every byte.

use std::net::SocketAddr;
use std::time::Duration;

use edgeway_local_alb::{Config, LocalAlb, PortMapping, Running};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// The parameters of two subnets in two zones.
pub(crate) const SUBNETS: &str =
    "Subnets.member.1=subnet-10ca1a1a&Subnets.member.2=subnet-10ca1a1b";

/// A running load balancer.
pub(crate) struct Alb {
    pub(crate) running: Running,
    pub(crate) shutdown: CancellationToken,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let fits = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fits.map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer but {text:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Alb {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A load balancer whose settings were changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            api: SocketAddr::from(([127, 0, 0, 1], 0)),
            ports: PortMapping::Free,
            health_interval_cap: Some(Duration::from_millis(50)),
            seed: Some(1),
            ..Config::default()
        };
        change(&mut config);
        let shutdown = CancellationToken::new();
        let running = LocalAlb::start(config, shutdown.clone()).await.unwrap();
        Self { running, shutdown }
    }

    /// A call of load balancing: status and XML.
    pub(crate) async fn call(&self, action: &str, form: &str) -> (u16, String) {
        let body = format!("Action={action}&Version=2015-12-01&{form}");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = send(self.running.api, &request).await;
        (answer.status, answer.body)
    }

    /// A call that succeeds.
    pub(crate) async fn done(&self, action: &str, form: &str) -> String {
        let (status, xml) = self.call(action, form).await;
        assert_eq!(status, 200, "{action} {form}: {xml}");
        xml
    }

    pub(crate) async fn load_balancer(&self, name: &str) -> String {
        let xml = self.done("CreateLoadBalancer", &format!("Name={name}&{SUBNETS}")).await;
        element(&xml, "LoadBalancerArn")
    }

    /// A listener with these default actions.
    pub(crate) async fn listener(&self, lb: &str, port: u16, actions: &str) -> String {
        let actions = numbered("DefaultActions.member", actions);
        let form = format!("LoadBalancerArn={lb}&Protocol=HTTP&Port={port}{actions}");
        element(&self.done("CreateListener", &form).await, "ListenerArn")
    }

    pub(crate) async fn rule(
        &self,
        listener: &str,
        priority: u32,
        conditions: &str,
        actions: &str,
    ) -> String {
        let form = format!(
            "ListenerArn={listener}&Priority={priority}{}{}",
            numbered("Conditions.member", conditions),
            numbered("Actions.member", actions)
        );
        element(&self.done("CreateRule", &form).await, "RuleArn")
    }

    /// A target group; `more` are further parameters.
    pub(crate) async fn group(&self, name: &str, more: &str) -> String {
        let form =
            format!("Name={name}&Protocol=HTTP&Port=80&VpcId=vpc-10ca1a1b&TargetType=ip&{more}");
        element(&self.done("CreateTargetGroup", &form).await, "TargetGroupArn")
    }

    pub(crate) async fn register(&self, group: &str, target: SocketAddr) {
        self.done("RegisterTargets", &one_target(group, target)).await;
    }

    pub(crate) async fn deregister(&self, group: &str, target: SocketAddr) {
        self.done("DeregisterTargets", &one_target(group, target)).await;
    }

    pub(crate) async fn attribute(&self, arn: &str, key: &str, value: &str) {
        let kind = if arn.contains(":targetgroup/") {
            "TargetGroup"
        } else if arn.contains(":listener/") {
            "Listener"
        } else {
            "LoadBalancer"
        };
        let form = format!(
            "{kind}Arn={arn}&Attributes.member.1.Key={key}&Attributes.member.1.Value={value}"
        );
        self.done(&format!("Modify{kind}Attributes"), &form).await;
    }

    /// The state of the first target of a group.
    pub(crate) async fn state(&self, group: &str) -> String {
        let xml = self.done("DescribeTargetHealth", &format!("TargetGroupArn={group}")).await;
        if xml.contains("<TargetHealth>") {
            let health = element(&xml, "TargetHealth");
            element(&format!("{health}</x>"), "State")
        } else {
            "none".to_owned()
        }
    }

    /// Waits for a state of the first target of a group.
    pub(crate) async fn until(&self, group: &str, state: &str) {
        for _ in 0..500 {
            if self.state(group).await == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the target is {} and not {state}", self.state(group).await);
    }

    /// A load balancer `shop` whose listener 80 forwards to a group of one healthy target.
    pub(crate) async fn shop(&self, target: SocketAddr) -> Shop {
        let lb = self.load_balancer("shop").await;
        let group = self.group("web", "").await;
        self.register(&group, target).await;
        let listener =
            self.listener(&lb, 80, &format!("1.Type=forward&1.TargetGroupArn={group}")).await;
        self.until(&group, "healthy").await;
        let address = self.running.address_of("shop", 80).unwrap();
        Shop { lb, group, listener, address }
    }
}

/// What [`Alb::shop`] makes.
pub(crate) struct Shop {
    pub(crate) lb: String,
    pub(crate) group: String,
    pub(crate) listener: String,
    pub(crate) address: SocketAddr,
}

fn one_target(group: &str, target: SocketAddr) -> String {
    format!(
        "TargetGroupArn={group}&Targets.member.1.Id={}&Targets.member.1.Port={}",
        target.ip(),
        target.port()
    )
}

fn numbered(list: &str, pairs: &str) -> String {
    pairs.split('&').map(|pair| format!("&{list}.{pair}")).collect::<Vec<_>>().concat()
}

/// The content of the first element of a name.
pub(crate) fn element(xml: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = xml.find(&open).unwrap_or_else(|| panic!("no {name} in {xml}")) + open.len();
    let to = xml[from..].find(&close).map_or(xml.len(), |at| from + at);
    xml[from..to].to_owned()
}

/// Sends bytes and reads until the other side closes; the request should ask for that.
pub(crate) async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A connection that is cut ends the answer too.
    let _ = stream.read_to_end(&mut bytes).await;
    Answer::parse(&bytes)
}

/// A plain GET.
pub(crate) async fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    send(address, &request).await
}
