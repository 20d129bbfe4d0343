//! `edgeway explain`.

use crate::{
    explain::{Ask, Explainer, Explanation, Question, story},
    input::Manifests,
    offline::Reading,
    output::Console,
};
use anyhow::Context;
use serde_json::json;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The URL to explain
    #[arg(required_unless_present = "requests", conflicts_with = "requests")]
    url: Option<String>,
    /// The method
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,
    /// A header field; may be given several times, and a host wins over the URL's
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Many requests, a line of JSON each (`-` for standard input); so are the answers
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    #[command(flatten)]
    manifests: Manifests,
    /// The client's address
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    client: IpAddr,
    /// Where the request is sent; the ALB, if the manifests describe one
    #[arg(long, value_enum)]
    via: Option<Via>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Via {
    Alb,
    Gateway,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Prints what happens to one request or to many.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<ExitCode> {
    let reading = Reading::new(args.manifests.read()?);
    let explainer = Explainer {
        objects: &reading.objects,
        table: &reading.compiled.table,
        role: &reading.role,
        albs: Some(&reading.desired).filter(|_| args.via != Some(Via::Gateway)),
        client: args.client,
    };
    match (&args.requests, &args.url) {
        (Some(file), _) => many(file, &explainer, console),
        (None, url) => {
            let ask = Ask {
                url: url.clone().unwrap_or_default(),
                method: args.method.clone(),
                headers: args.headers.clone(),
                ..Ask::default()
            };
            let question = Question::new(ask)?;
            let explanation = explainer.explain(&question);
            print(args.output, &question, &explanation, console)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print(
    format: Format,
    question: &Question,
    explanation: &Explanation,
    console: &Console,
) -> std::io::Result<()> {
    match format {
        Format::Json => console.out.json(&explanation.answer),
        Format::Text => console.out.line(story(question, explanation, console.out.is_coloured())),
    }
}

/// One line in, one line out; a line that cannot be asked gets an `error`, and the exit code says so.
fn many(file: &Path, explainer: &Explainer<'_>, console: &Console) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let text = read(file)?;
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let question = serde_json::from_str::<Ask>(line)
            .map_err(anyhow::Error::from)
            .and_then(|ask| Ok(Question::new(ask)?));
        match question {
            Ok(question) => console.out.json_line(&explainer.explain(&question).answer)?,
            Err(error) => {
                code = ExitCode::FAILURE;
                console.out.json_line(&json!({"error": format!("line {number}: {error}")}))?;
            }
        }
    }
    Ok(code)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("standard input cannot be read");
    }
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a header is written 'NAME: VALUE'".into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{args::Cli, commands, output::tests::console};
    use clap::Parser;
    use serde_json::Value;
    use std::{fs, process::ExitCode};

    const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hello");

    #[test]
    fn a_url_is_explained_in_words_and_as_json() {
        let ask = |more: &[&str]| {
            let mut line = vec!["edgeway", "explain", "http://a.com/x", "-f", HELLO];
            line.extend(more);
            let (console, out, _) = console();
            commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
            out.text()
        };
        assert!(ask(&["-X", "POST"]).starts_with("POST http://a.com/x\n"));
        let json: Value = serde_json::from_str(&ask(&["-o", "json"])).unwrap();
        assert_eq!(json["virtualService"], "default/hello");
        assert_eq!(json["upstream"]["authority"], "a.com");
        let json: Value = serde_json::from_str(&ask(&["-o", "json", "-H", "Host: b.com"])).unwrap();
        assert_eq!(json["upstream"]["authority"], "b.com");
    }

    #[test]
    fn many_requests_are_answered_line_by_line_even_bad_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requests.jsonl");
        let lines = "{\"url\": \"http://a.com/x\"}\n\n{\"url\": 1}\n{\"url\": \"ftp://a.com\"}\n";
        fs::write(&file, lines).unwrap();
        let line = ["edgeway", "explain", "--requests", file.to_str().unwrap(), "-f", HELLO];
        let (console, out, _) = console();
        let code = commands::run(Cli::try_parse_from(line).unwrap(), &console).unwrap();
        assert_eq!(code, ExitCode::FAILURE);
        let answers: Vec<Value> =
            out.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers[0]["virtualService"], "default/hello");
        assert!(answers[1]["error"].as_str().unwrap().starts_with("line 3: "), "{answers:?}");
        assert!(answers[2]["error"].as_str().unwrap().starts_with("line 4: "), "{answers:?}");
        assert_eq!(answers.len(), 3);
    }

    #[test]
    fn a_command_line_asks_for_one_thing() {
        for line in [
            &["edgeway", "explain", "-f", HELLO][..],
            &["edgeway", "explain", "http://a", "--requests", "r", "-f", HELLO],
            &["edgeway", "explain", "http://a"],
            &["edgeway", "explain", "http://a", "-f", HELLO, "-H", "nothing"],
        ] {
            assert!(Cli::try_parse_from(line).is_err(), "{line:?}");
        }
    }
}
