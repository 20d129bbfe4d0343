//! Rules: conditions, actions, priorities.

use super::Account;

struct Fixture {
    account: Account,
    listener: String,
}

impl Fixture {
    fn new() -> Self {
        let mut account = Account::new();
        let lb = account.load_balancer("shop");
        let listener = account.listener(&lb, 80);
        Self { account, listener }
    }

    fn form(&self, priority: u32, rest: &str) -> String {
        format!("ListenerArn={}&Priority={priority}&{rest}", self.listener)
    }

    fn refused(&mut self, rest: &str) -> (String, String) {
        let form = self.form(1, rest);
        self.account.refused("CreateRule", &form)
    }

    fn rule(&mut self, priority: u32) -> String {
        let form = self.form(priority, &format!("{PATH}&{FIXED}"));
        self.account.elb("CreateRule", &form).text("Rules.0.RuleArn")
    }

    fn priorities(&mut self) -> Vec<String> {
        let form = format!("ListenerArn={}", self.listener);
        self.account.elb("DescribeRules", &form).column("Rules", "Priority")
    }
}

const PATH: &str = "Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/x";
const FIXED: &str =
    "Actions.member.1.Type=fixed-response&Actions.member.1.FixedResponseConfig.StatusCode=200";

#[test]
fn bad_conditions_are_refused_in_the_words_of_aws() {
    let mut fixture = Fixture::new();
    let long = format!("Field=host-header&HostHeaderConfig.Values.member.1=a.{}", "b".repeat(127));
    let six = "Field=path-pattern&PathPatternConfig.Values.member.1=/1&PathPatternConfig.Values.member.2=/2\
               &PathPatternConfig.Values.member.3=/3&PathPatternConfig.Values.member.4=/4\
               &PathPatternConfig.Values.member.5=/5&PathPatternConfig.Values.member.6=/6";
    let wild = "Field=path-pattern&Values.member.1=/*/*/*/*/*/*/*";
    let rows = [
        (six, "A rule can only have '5' condition values and regex values"),
        (wild, "A rule can only have '6' condition wildcards"),
        (
            "Field=host-header&Values.member.1=localhost",
            "Condition value 'localhost' contains a character that is not valid",
        ),
        (
            "Field=host-header&Values.member.1=a.example.c0m",
            "contains a character that is not valid",
        ),
        (
            "Field=http-request-method&HttpRequestMethodConfig.Values.member.1=get",
            "Condition value 'get' contains a character that is not valid",
        ),
        (&long, "Condition value for 'host-header' cannot contain more than 128 characters"),
        (
            "Field=x&Values.member.1=y",
            "Condition field 'x' must be one of 'http-header,http-request-method,host-header,query-string,source-ip,path-pattern'",
        ),
        (
            "Field=path-pattern",
            "For conditions of type 'path-pattern', you must specify the following fields: 'Values or RegexValues or PathPatternConfig'",
        ),
        (
            "Field=path-pattern&PathPatternConfig.Values.member.1=/a&PathPatternConfig.RegexValues.member.1=b",
            "You must provide exactly one of the following: ['Values' 'RegexValues'] for config of type 'PathPatternConfig'",
        ),
        (
            "Field=host-header&Values.member.1=a.com&HostHeaderConfig.Values.member.1=a.com",
            "You cannot provide both Values and 'HostHeaderConfig' for a condition of type 'host-header'",
        ),
        (
            "Field=http-header&HttpHeaderConfig.HttpHeaderName=Host&HttpHeaderConfig.Values.member.1=a",
            "You cannot specify 'host' as an HTTP header name",
        ),
        (
            "Field=source-ip&SourceIpConfig.Values.member.1=10.0.0.1",
            "The specified value '10.0.0.1' is not a valid CIDR block",
        ),
        (
            "Field=source-ip&SourceIpConfig.Values.member.1=255.255.255.255/32",
            "not a valid CIDR block",
        ),
        ("Field=path-pattern&RegexValues.member.1=(", "The regular expression '(' is not valid"),
        ("Field=path-pattern&Values.member.1=/a b", "contains a character that is not valid"),
        ("Field=query-string", "QueryStringConfig"),
    ];
    for (condition, text) in rows {
        let condition: Vec<_> =
            condition.split('&').map(|pair| format!("Conditions.member.1.{pair}")).collect();
        let (code, message) = fixture.refused(&format!("{}&{FIXED}", condition.join("&")));
        assert_eq!(code, "ValidationError", "{message}");
        assert!(message.contains(text), "{condition:?}: {message}");
    }
    let (_, message) = fixture.refused(FIXED);
    assert_eq!(message, "A condition must be specified");
    let twice = "Conditions.member.1.Field=host-header&Conditions.member.1.Values.member.1=a.com\
                 &Conditions.member.2.Field=host-header&Conditions.member.2.Values.member.1=b.com";
    let (_, message) = fixture.refused(&format!("{twice}&{FIXED}"));
    assert_eq!(message, "A rule can only have one 'host-header' condition");
}

#[test]
fn bad_actions_are_refused_in_the_words_of_aws() {
    let mut fixture = Fixture::new();
    let (a, b) = (fixture.account.group("a"), fixture.account.group("b"));
    let groups = (1..=6)
        .map(|n| format!("ForwardConfig.TargetGroups.member.{n}.TargetGroupArn={a}{n}"))
        .collect::<Vec<_>>()
        .join("&1.");
    let rows = [
        ("1.Type=redirect&1.Order=1&1.RedirectConfig.StatusCode=HTTP_301&1.RedirectConfig.Port=1&2.Type=fixed-response&2.Order=2&2.FixedResponseConfig.StatusCode=200".to_owned(), "ValidationError", "Action types 'redirect,fixed-response' cannot be specified together"),
        ("1.Type=fixed-response&1.FixedResponseConfig.StatusCode=200&2.Type=redirect&2.RedirectConfig.StatusCode=HTTP_301".into(), "ValidationError", "When you specify multiple actions, you must specify an order for each action"),
        (format!("1.Type=forward&1.Order=1&1.TargetGroupArn={a}&2.Type=jwt-validation&2.Order=2&2.JwtValidationConfig.Issuer=i&2.JwtValidationConfig.JwksEndpoint=j"), "ValidationError", "An action of type 'forward' must have a higher order than all other actions"),
        (format!("1.Type=forward&1.{groups}"), "ValidationError", "You cannot specify more than 5 target groups per action"),
        (format!("1.Type=forward&1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={a}&1.ForwardConfig.TargetGroups.member.1.Weight=0"), "ValidationError", "The weight for the target group must be between 1 and 999, inclusive"),
        (format!("1.Type=forward&1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={a}&1.ForwardConfig.TargetGroups.member.2.TargetGroupArn={b}&1.ForwardConfig.TargetGroups.member.2.Weight=1000"), "ValidationError", "between 0 and 999, inclusive"),
        (format!("1.Type=forward&1.TargetGroupArn={a}&1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={b}"), "ValidationError", "You can specify both a target group list and a top-level target group ARN only if the ARNs match"),
        (format!("1.Type=forward&1.ForwardConfig.TargetGroups.member.1.TargetGroupArn={a}&1.ForwardConfig.TargetGroupStickinessConfig.Enabled=true"), "ValidationError", "You must provide a duration when enabling target group stickiness"),
        ("1.Type=forward&1.TargetGroupArn=arn:none".into(), "TargetGroupNotFound", "Target groups 'arn:none' not found"),
        ("1.Type=redirect&1.RedirectConfig.StatusCode=HTTP_301".into(), "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop."),
        ("1.Type=redirect&1.RedirectConfig.StatusCode=HTTP_301&1.RedirectConfig.Port=80&1.RedirectConfig.Protocol=HTTP".into(), "InvalidLoadBalancerAction", "creates a loop"),
        ("1.Type=redirect&1.RedirectConfig.StatusCode=HTTP_303&1.RedirectConfig.Port=1".into(), "ValidationError", "HTTP_301, HTTP_302"),
        ("1.Type=redirect&1.RedirectConfig.StatusCode=HTTP_301&1.RedirectConfig.Path=x".into(), "ValidationError", "must begin with '/'"),
        ("1.Type=fixed-response&1.FixedResponseConfig.StatusCode=302".into(), "ValidationError", "must be 2XX, 4XX or 5XX"),
        ("1.Type=fixed-response&1.FixedResponseConfig.StatusCode=200&1.FixedResponseConfig.ContentType=text/xml".into(), "ValidationError", "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css', 'text/plain'."),
        (format!("1.Type=fixed-response&1.FixedResponseConfig.StatusCode=200&1.FixedResponseConfig.MessageBody={}", "x".repeat(1025)), "ValidationError", "1024"),
        ("1.Type=authenticate-cognito&1.Order=1&1.AuthenticateCognitoConfig.UserPoolArn=a&1.AuthenticateCognitoConfig.UserPoolClientId=b&1.AuthenticateCognitoConfig.UserPoolDomain=c&2.Order=2&2.Type=fixed-response&2.FixedResponseConfig.StatusCode=200".into(), "InvalidLoadBalancerAction", "Actions of type 'authenticate-cognito' are supported only on HTTPS listeners"),
        ("1.Type=nonsense".into(), "ValidationError", "enum value set"),
    ];
    for (actions, code, text) in rows {
        let actions: Vec<_> =
            actions.split('&').map(|pair| format!("Actions.member.{pair}")).collect();
        let (got, message) = fixture.refused(&format!("{PATH}&{}", actions.join("&")));
        assert_eq!(got, code, "{actions:?}: {message}");
        assert!(message.contains(text), "{actions:?}: {message}");
    }
}

#[test]
fn replies_fill_in_what_was_left_out() {
    let mut fixture = Fixture::new();
    let group = fixture.account.group("a");
    let form = fixture.form(5, &format!(
        "Conditions.member.1.Field=host-header&Conditions.member.1.HostHeaderConfig.Values.member.1=a.example.com\
         &Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={group}"
    ));
    let made = fixture.account.elb("CreateRule", &form);
    let rule = |field: &str| made.text(&format!("Rules.0.{field}"));
    assert_eq!(rule("Priority"), "5");
    assert_eq!(rule("IsDefault"), "false");
    assert_eq!(rule("Conditions.0.Values.0"), "a.example.com");
    assert_eq!(rule("Conditions.0.HostHeaderConfig.Values.0"), "a.example.com");
    assert_eq!(rule("Actions.0.TargetGroupArn"), group);
    assert_eq!(rule("Actions.0.Order"), "1");
    assert_eq!(rule("Actions.0.ForwardConfig.TargetGroups.0.Weight"), "1");
    assert_eq!(rule("Actions.0.ForwardConfig.TargetGroupStickinessConfig.Enabled"), "false");
    let form = fixture.form(6, &format!(
        "{PATH}&Actions.member.1.Type=redirect&Actions.member.1.RedirectConfig.StatusCode=HTTP_302&Actions.member.1.RedirectConfig.Host=b.example.com"
    ));
    let made = fixture.account.elb("CreateRule", &form);
    let redirect = |field: &str| made.text(&format!("Rules.0.Actions.0.RedirectConfig.{field}"));
    let fields = ["Protocol", "Host", "Port", "Path", "Query", "StatusCode"].map(redirect);
    assert_eq!(
        fields,
        ["#{protocol}", "b.example.com", "#{port}", "/#{path}", "#{query}", "HTTP_302"]
    );
}

#[test]
fn a_client_secret_is_never_given_back() {
    let mut account = Account::new();
    let lb = account.load_balancer("shop");
    let certificate = account
        .json(
            crate::wire::Service::Acm,
            "RequestCertificate",
            serde_json::json!({"DomainName": "a.com"}),
        )
        .unwrap()["CertificateArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = format!(
        "LoadBalancerArn={lb}&Protocol=HTTPS&Port=443&Certificates.member.1.CertificateArn={certificate}\
         &DefaultActions.member.1.Type=authenticate-oidc&DefaultActions.member.1.Order=1\
         &DefaultActions.member.1.AuthenticateOidcConfig.Issuer=https://i\
         &DefaultActions.member.1.AuthenticateOidcConfig.AuthorizationEndpoint=https://i/a\
         &DefaultActions.member.1.AuthenticateOidcConfig.TokenEndpoint=https://i/t\
         &DefaultActions.member.1.AuthenticateOidcConfig.UserInfoEndpoint=https://i/u\
         &DefaultActions.member.1.AuthenticateOidcConfig.ClientId=id\
         &DefaultActions.member.1.AuthenticateOidcConfig.ClientSecret=hush\
         &DefaultActions.member.2.Type=fixed-response&DefaultActions.member.2.Order=2\
         &DefaultActions.member.2.FixedResponseConfig.StatusCode=200"
    );
    let without = form.replace(".ClientSecret=hush", ".UseExistingClientSecret=true");
    assert_eq!(
        account.refused("CreateListener", &without).0,
        "ValidationError",
        "there is none yet"
    );
    let made = account.elb("CreateListener", &form);
    let oidc = "Listeners.0.DefaultActions.0.AuthenticateOidcConfig";
    let listener = made.text("Listeners.0.ListenerArn");
    let change =
        without.split_once("&Certificates").unwrap().1.split_once("&DefaultActions").unwrap().1;
    let change = format!("ListenerArn={listener}&DefaultActions{change}");
    account.elb("ModifyListener", &change);
    let unsaid = change.replace("UseExistingClientSecret=true", "Scope=openid");
    assert_eq!(account.refused("ModifyListener", &unsaid).0, "ValidationError");
    assert_eq!(made.text(&format!("{oidc}.Scope")), "openid");
    assert_eq!(made.text(&format!("{oidc}.SessionTimeout")), "604800");
    assert!(!format!("{made:?} {:?}", account.world).contains("hush"));
}

#[test]
fn a_priority_is_given_once_and_the_list_is_in_its_order() {
    let mut fixture = Fixture::new();
    fixture.rule(20);
    fixture.rule(10);
    assert_eq!(fixture.priorities(), ["10", "20", "default"]);
    let form = fixture.form(10, &format!("{PATH}&{FIXED}"));
    let refused = fixture.account.refused("CreateRule", &form);
    assert_eq!(refused, ("PriorityInUse".into(), "Priority '10' is currently in use".into()));
    for priority in [0, 50_001] {
        let form = fixture.form(priority, &format!("{PATH}&{FIXED}"));
        assert_eq!(fixture.account.refused("CreateRule", &form).0, "ValidationError");
    }
}

#[test]
fn priorities_swap_in_one_call_and_conflicts_change_nothing() {
    let mut fixture = Fixture::new();
    let rules = [10, 20, 30].map(|priority| fixture.rule(priority));
    let pairs = |list: &[(usize, u32)]| {
        let pair = |(n, (rule, priority)): (usize, &(usize, u32))| {
            format!(
                "RulePriorities.member.{0}.RuleArn={1}&RulePriorities.member.{0}.Priority={priority}",
                n + 1,
                rules[*rule]
            )
        };
        list.iter().enumerate().map(pair).collect::<Vec<_>>().join("&")
    };
    fixture.account.elb("SetRulePriorities", &pairs(&[(0, 20), (1, 30), (2, 10)]));
    let form = format!("ListenerArn={}", fixture.listener);
    let arns = fixture.account.elb("DescribeRules", &form).column("Rules", "RuleArn");
    assert_eq!(arns[..3], [rules[2].clone(), rules[0].clone(), rules[1].clone()]);
    let (code, _) = fixture.account.refused("SetRulePriorities", &pairs(&[(0, 30)]));
    assert_eq!(code, "PriorityInUse");
    let (code, _) = fixture.account.refused("SetRulePriorities", &pairs(&[(0, 5), (1, 5)]));
    assert_eq!(code, "ValidationError");
    assert_eq!(fixture.priorities(), ["10", "20", "30", "default"]);
    let unknown = "RulePriorities.member.1.RuleArn=arn:none&RulePriorities.member.1.Priority=1";
    assert_eq!(fixture.account.refused("SetRulePriorities", unknown).0, "RuleNotFound");
}

#[test]
fn the_default_rule_is_changed_only_through_its_listener() {
    let mut fixture = Fixture::new();
    let form = format!("ListenerArn={}", fixture.listener);
    let arn = fixture.account.elb("DescribeRules", &form).text("Rules.0.RuleArn");
    for (action, rest) in [
        ("DeleteRule", String::new()),
        ("ModifyRule", format!("&{FIXED}")),
        ("SetRulePriorities", String::new()),
    ] {
        let form = match action {
            "SetRulePriorities" => {
                format!("RulePriorities.member.1.RuleArn={arn}&RulePriorities.member.1.Priority=3")
            }
            _ => format!("RuleArn={arn}{rest}"),
        };
        assert_eq!(fixture.account.refused(action, &form).0, "OperationNotPermitted", "{action}");
    }
}

#[test]
fn modifying_replaces_only_the_lists_that_are_given() {
    let mut fixture = Fixture::new();
    let arn = fixture.rule(1);
    let transform = "Transforms.member.1.Type=url-rewrite&Transforms.member.1.UrlRewriteConfig.Rewrites.member.1.Regex=^/x\
                     &Transforms.member.1.UrlRewriteConfig.Rewrites.member.1.Replace=/y";
    let changed = fixture.account.elb("ModifyRule", &format!("RuleArn={arn}&{transform}"));
    assert_eq!(changed.text("Rules.0.Conditions.0.Values.0"), "/x");
    assert_eq!(changed.text("Rules.0.Transforms.0.UrlRewriteConfig.Rewrites.0.Replace"), "/y");
    let both = format!("RuleArn={arn}&ResetTransforms=true&{transform}");
    assert_eq!(fixture.account.refused("ModifyRule", &both).0, "ValidationError");
    let reset = fixture.account.elb("ModifyRule", &format!("RuleArn={arn}&ResetTransforms=true"));
    assert_eq!(reset.count("Rules.0.Transforms"), 0);
    fixture.account.elb("DeleteRule", &format!("RuleArn={arn}"));
    let (code, _) = fixture.account.refused("DeleteRule", &format!("RuleArn={arn}"));
    assert_eq!(code, "RuleNotFound");
}

#[test]
fn the_quotas_of_rules_and_target_groups_hold() {
    let mut fixture = Fixture::new();
    fixture.account = Account::with(|config| {
        config.limits.rules = 2;
        config.limits.target_groups_per_load_balancer = 1;
    });
    let lb = fixture.account.load_balancer("shop");
    fixture.listener = fixture.account.listener(&lb, 80);
    let forward = |arn: &str| {
        format!("{PATH}&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={arn}")
    };
    let (a, b) = (fixture.account.group("a"), fixture.account.group("b"));
    let form = fixture.form(1, &forward(&a));
    fixture.account.elb("CreateRule", &form);
    let form = fixture.form(2, &forward(&b));
    let (code, _) = fixture.account.refused("CreateRule", &form);
    assert_eq!(code, "TooManyUniqueTargetGroupsPerLoadBalancer");
    fixture.rule(2);
    let form = fixture.form(3, &format!("{PATH}&{FIXED}"));
    assert_eq!(fixture.account.refused("CreateRule", &form).0, "TooManyRules");
}

#[test]
fn a_target_group_serves_one_load_balancer_and_one_protocol_family() {
    let mut fixture = Fixture::new();
    let group = fixture.account.group("a");
    let forward = format!("{PATH}&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn=");
    let form = fixture.form(1, &format!("{forward}{group}"));
    fixture.account.elb("CreateRule", &form);
    let other = fixture.account.load_balancer("other");
    fixture.listener = fixture.account.listener(&other, 80);
    let form = fixture.form(1, &format!("{forward}{group}"));
    assert_eq!(fixture.account.refused("CreateRule", &form).0, "TargetGroupAssociationLimit");
    let grpc = "Name=g&Protocol=HTTP&Port=80&VpcId=vpc-10ca1a1b&TargetType=ip&ProtocolVersion=GRPC";
    let grpc = fixture.account.elb("CreateTargetGroup", grpc).text("TargetGroups.0.TargetGroupArn");
    let form = fixture.form(1, &format!("{forward}{grpc}"));
    assert_eq!(fixture.account.refused("CreateRule", &form).0, "IncompatibleProtocols");
}
