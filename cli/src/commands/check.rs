//! `edgeway check`.

use crate::{
    input::Manifests,
    offline::Reading,
    output::{Console, Output, Tone},
};
use anyhow::Context;
use edgeway_api::{Problem, Severity};
use std::process::ExitCode;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// Only what is wrong with objects of this namespace; files and cluster-wide objects always count
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// All namespaces, as is the default
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Print what a code means, with an example and how it is mended, and read no manifests
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

/// Code and text of each page of `docs/problems`.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/problems.rs"));

/// Prints what is wrong; the exit code is 1 if something does not work.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    if let Some(code) = &args.explain {
        let page = page(code)
            .with_context(|| format!("no problem has the code `{code}`; {}", similar(code)))?;
        console.out.line(page.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut problems = Reading::new(args.manifests.read()?).problems();
    problems.retain(|problem| args.is_about(problem));
    match args.output {
        Format::Json => console.out.json(&problems)?,
        Format::Table => {
            for problem in &problems {
                print(problem, &console.out)?;
            }
            console.out.line(summary(problems.iter()))?;
            if let Some(Problem { code, .. }) = problems.first() {
                let hint = format!("`edgeway check --explain {code}` tells more of a problem");
                console.err.line(console.err.paint(Tone::Faint, hint))?;
            }
        }
    }
    let bad = problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Args {
    fn is_about(&self, problem: &Problem) -> bool {
        let namespace = problem.object.namespace.as_str();
        self.namespace.as_deref().is_none_or(|wanted| namespace.is_empty() || namespace == wanted)
    }
}

/// The page of a code, which may be written in brackets, as problems are printed.
fn page(code: &str) -> Option<&'static str> {
    let code = code.trim_matches(['[', ']']);
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

/// Codes that share a word with `code`; all of them, if there are none.
fn similar(code: &str) -> String {
    let words: Vec<&str> = code.split('-').filter(|word| word.len() > 2).collect();
    let shares = |known: &&str| known.split('-').any(|word| words.contains(&word));
    let all = || PAGES.iter().map(|(known, _)| *known);
    let some: Vec<&str> = all().filter(shares).collect();
    let codes = if some.is_empty() { all().collect() } else { some };
    format!("there are: {}", codes.join(", "))
}

/// The place first, as compilers do, so that editors can jump there.
fn print(problem: &Problem, out: &Output) -> std::io::Result<()> {
    let Problem { object, field, code, severity, message, advice, origin } = problem;
    let (tone, word) = match severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Warn, "warning"),
    };
    let place = if origin.is_empty() { String::new() } else { format!("{origin}: ") };
    let severity = out.paint(tone, format!("{word}[{code}]"));
    let object = out.paint(Tone::Strong, object);
    out.line(format!("{place}{severity} {object} {field}"))?;
    out.line(format!("    {message}"))?;
    if advice.is_empty() {
        return Ok(());
    }
    out.line(format!("    {}", out.paint(Tone::Faint, advice)))
}

fn summary<'p>(problems: impl Iterator<Item = &'p Problem>) -> String {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        problems.partition(|problem| problem.severity == Severity::Error);
    let count = |many: usize, one: &str| match many {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    };
    match (errors.len(), warnings.len()) {
        (0, 0) => "no problems".to_owned(),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;
    use serde_json::Value;
    use std::{fs, process::ExitCode};

    const BAD: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateways: [front]
  http: [{route: [{destination: {host: nowhere}}]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example.com]}]
";

    fn check(text: &str, more: &[&str]) -> (ExitCode, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, text).unwrap();
        let mut line = vec!["edgeway", "check", "-f", file.to_str().unwrap()];
        line.extend(more);
        let (console, out, _) = console();
        let code = commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
        (code, out.text())
    }

    #[test]
    fn an_error_is_told_with_place_and_advice_and_fails() {
        let (code, text) = check(BAD, &[]);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(text.contains("a.yaml:2: error["), "{text}");
        assert!(text.contains("VirtualService shop/broken spec.http[0]"), "{text}");
        assert!(text.contains("nowhere"), "{text}");
        assert!(text.ends_with("1 error, 0 warnings\n"), "{text}");
    }

    #[test]
    fn a_code_is_explained_without_manifests() {
        let explain = |code: &str| {
            let (console, out, _) = console();
            let line = ["edgeway", "check", "--explain", code];
            let code = commands::run(Cli::try_parse_from(line).unwrap(), &console);
            (code, out.text())
        };
        for code in ["destination-not-found", "[destination-not-found]"] {
            let (exit, text) = explain(code);
            assert_eq!(exit.unwrap(), ExitCode::SUCCESS);
            assert!(text.starts_with("# destination-not-found\n"), "{text}");
            assert!(text.contains("## Fix"), "{text}");
        }
        let (exit, _) = explain("destination-lost");
        let error = exit.unwrap_err().to_string();
        assert!(error.contains("destination-not-visible"), "{error}");
        assert!(!error.contains("tls-version"), "{error}");
        assert!(Cli::try_parse_from(["edgeway", "check", "--explain", "a", "-f", "b"]).is_err());
    }

    #[test]
    fn scripts_get_one_entry_per_problem() {
        let (code, text) = check(BAD, &["-o", "json"]);
        assert_eq!(code, ExitCode::FAILURE);
        let problems: Value = serde_json::from_str(&text).unwrap();
        let [problem] = problems.as_array().unwrap().as_slice() else { panic!("{text}") };
        assert_eq!(problem["severity"], "error");
        assert_eq!(problem["object"], "VirtualService shop/broken");
        for field in ["code", "field", "message", "advice"] {
            assert_ne!(problem[field].as_str().unwrap(), "", "{field}");
        }
    }

    #[test]
    fn another_namespace_is_no_concern() {
        let (code, text) = check(BAD, &["-n", "other", "-o", "json"]);
        assert_eq!((code, text.trim()), (ExitCode::SUCCESS, "[]"));
    }

    #[test]
    fn nothing_wrong_is_said_in_words() {
        let (code, text) = check("", &[]);
        assert_eq!((code, text.as_str()), (ExitCode::SUCCESS, "no problems\n"));
    }
}
