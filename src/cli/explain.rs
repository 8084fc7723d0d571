//! `tailwater explain`: asks a running instance why a trace is there or not.

use std::time::Duration;

use clap::{Args, ValueEnum};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Colour, ConfigArguments, Exit, Terminal, terminal};

use crate::model::TraceId;

/// Where the `admin` extension listens unless its config says otherwise.
const ENDPOINT: &str = "localhost:13134";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// As the instance answers it.
    Json,
}

/// Arguments of the sub-command.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit codes:\n    0  the decision is printed\n    1  no decision on this trace is remembered\n    \
                        2  the id is none, or nobody answers"
)]
pub struct Arguments {
    /// The trace id: 32 hex digits, dashes do not matter
    #[arg(value_name = "TRACE_ID")]
    trace_id: String,
    /// Where the admin extension listens, host:port; otherwise from --config, else localhost:13134
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value = "text")]
    output: Format,
}

/// Asks and prints.
pub fn run(arguments: &Arguments, config: &ConfigArguments, terminal: &mut Terminal<'_>) -> Exit {
    let text: String = arguments.trace_id.trim().chars().filter(|digit| *digit != '-').collect();
    let id = match TraceId::parse(&text) {
        Ok(id) => id,
        Err(error) => {
            terminal.complain(&format!("{:?} is not a trace id: {error}\n", arguments.trace_id));
            return Exit::Usage;
        }
    };
    let endpoint = arguments.endpoint.clone().or_else(|| configured(config)).unwrap_or_else(|| ENDPOINT.to_owned());
    let endpoint = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let (status, body) = match ask(endpoint, id) {
        Ok(answer) => answer,
        Err(error) => {
            terminal.complain(&unreachable(endpoint, &error));
            return Exit::Usage;
        }
    };
    let Ok(answer) = serde_json::from_slice::<Value>(&body) else {
        terminal.complain(&format!(
            "{endpoint} answered {status} with something that is not JSON; is it the admin extension?\n"
        ));
        return Exit::Usage;
    };
    let printed = match arguments.output {
        Format::Json => terminal.print(&json_of(&answer)),
        Format::Text if status == 200 => terminal.print(&text_of(&answer, terminal::wants_colour_out(Colour::Auto))),
        Format::Text => {
            let reason = answer["error"].as_str().unwrap_or("no reason was given");
            terminal.complain(&format!("{}\n", terminal::plain(reason)));
            Exit::Ok
        }
    };
    match status {
        200 => printed,
        404 => Exit::Failure,
        _ => Exit::Usage,
    }
}

/// The endpoint of the first `admin` extension of the config that the command line names.
fn configured(config: &ConfigArguments) -> Option<String> {
    if config.sources.is_empty() {
        return None;
    }
    let root = super::load(config).root?;
    let extensions = root.entry("extensions")?;
    let crate::config::Value::Map(entries) = &extensions.value else { return None };
    let (_, _, admin) = entries.iter().find(|(key, ..)| key.split('/').next().map(str::trim) == Some("admin"))?;
    match &admin.entry("endpoint")?.value {
        crate::config::Value::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    }
}

fn unreachable(endpoint: &str, error: &str) -> String {
    format!(
        "cannot ask {endpoint}: {error}\n\nA running instance answers when its config has\n\n  extensions:\n    admin:\n      \
         endpoint: {ENDPOINT}\n  service:\n    extensions: [admin]\n\nGive --endpoint or --config when it listens elsewhere.\n"
    )
}

/// Status and body of the instance's answer.
fn ask(endpoint: &str, id: TraceId) -> Result<(u16, Bytes), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        match tokio::time::timeout(PATIENCE, get(endpoint, &format!("/v1/traces/{id}"))).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    })
}

async fn get(endpoint: &str, path: &str) -> Result<(u16, Bytes), String> {
    let stream = TcpStream::connect(endpoint).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the runtime.
    tokio::spawn(connection);
    let request = hyper::Request::get(path).header("host", endpoint).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}

/// The answer as JSON that cannot steer a terminal: the encoder escapes what ASCII calls control
/// characters, and leaves those of Latin-1.
fn json_of(answer: &Value) -> String {
    let steers = |letter: char| letter.is_control() && letter != '\n';
    let mut text = String::new();
    for piece in format!("{answer:#}\n").split_inclusive(steers) {
        match piece.char_indices().next_back().filter(|(_, letter)| steers(*letter)) {
            Some((at, letter)) => text.push_str(&format!("{}\\u{:04x}", &piece[..at], u32::from(letter))),
            None => text.push_str(piece),
        }
    }
    text
}

/// What people read: the sentence, and the facts behind it.
fn text_of(answer: &Value, colour: bool) -> String {
    let mut text = String::new();
    for decision in answer["decisions"].as_array().into_iter().flatten() {
        let word = |key: &str| terminal::plain(decision[key].as_str().unwrap_or("")).into_owned();
        let explanation = word("explanation");
        let (head, rest) = explanation.split_once(':').unwrap_or((explanation.as_str(), ""));
        let paint = if decision["outcome"] == "sampled" { "\u{1b}[1;32m" } else { "\u{1b}[1;33m" };
        let head = if colour { format!("{paint}{head}\u{1b}[0m") } else { head.to_owned() };
        let colon = if rest.is_empty() { "" } else { ":" };
        text.push_str(&format!("{} in {}\n  {head}{colon}{rest}\n", word_of(&answer["trace_id"]), word("processor")));
        for (name, value) in facts(decision) {
            text.push_str(&format!("  {name:<10} {value}\n"));
        }
    }
    text
}

fn facts(decision: &Value) -> Vec<(&'static str, String)> {
    let list = |key: &str| -> String {
        let words = decision[key].as_array().into_iter().flatten().map(word_of);
        words.collect::<Vec<_>>().join(", ")
    };
    let policies = decision["policies"].as_array().into_iter().flatten();
    let policies = policies.map(|policy| format!("{} {}", word_of(&policy["name"]), word_of(&policy["verdict"])));
    let spans = format!(
        "{}, {} bytes, {:.1} ms, status {}",
        decision["spans"],
        decision["bytes"],
        // Clocks may say that a trace ended before it began.
        decision["duration_ms"].as_f64().unwrap_or(0.0).max(0.0),
        list("statuses")
    );
    let waited = decision["waited_ms"].as_f64().unwrap_or(0.0) / 1e3;
    let mut facts = vec![
        (
            "decided",
            format!("{} by {}, after {waited:.1} s", word_of(&decision["decided"]), word_of(&decision["trigger"])),
        ),
        ("spans", spans),
        ("policies", policies.collect::<Vec<_>>().join("; ")),
    ];
    let finding = &decision["finding"];
    if let (Some(score), false) = (finding["score_ms"].as_f64(), finding.is_null()) {
        let tau = finding["tau_ms"].as_f64().map_or(String::new(), |tau| format!(", kept above {tau:.1} ms"));
        facts.push(("score", format!("{score:.1} ms of self time beyond what is usual{tau}")));
    }
    facts
}

fn word_of(value: &Value) -> String {
    terminal::plain(value.as_str().unwrap_or(&value.to_string())).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask_with(arguments: Arguments) -> (Exit, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&arguments, &ConfigArguments::default(), &mut Terminal::new(&mut out, &mut err, false));
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn arguments(trace_id: &str, endpoint: &str) -> Arguments {
        Arguments { trace_id: trace_id.to_owned(), endpoint: Some(endpoint.to_owned()), output: Format::Text }
    }

    #[test]
    fn what_is_no_id_is_refused_before_anybody_is_asked() {
        let (exit, _, err) = ask_with(arguments("abc", "127.0.0.1:1"));
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("\"abc\" is not a trace id: an id of 32 hex characters"), "{err}");
    }

    #[test]
    fn nobody_there_says_what_to_configure() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (exit, _, err) = ask_with(arguments("0AF7651916CD43DD-8448EB211C80319C", &free.to_string()));
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with(&format!("cannot ask {free}: ")) && err.contains("extensions: [admin]"), "{err}");
    }

    #[test]
    fn the_endpoint_is_found_in_the_config() {
        let at = |text: &str| {
            configured(&ConfigArguments { sources: vec![format!("yaml:{text}")], ..ConfigArguments::default() })
        };
        assert_eq!(at("{extensions: {admin/x: {endpoint: 'h:1'}}}").as_deref(), Some("h:1"));
        assert_eq!(at("{extensions: {zpages: {endpoint: 'h:1'}}}"), None);
    }

    #[test]
    fn names_of_spans_cannot_steer_the_terminal() {
        let answer = json!({"trace_id": "a\u{1b}", "decisions": [{
            "explanation": "kept: error; \u{1b}]0;x\u{7}/a\nb failed", "statuses": [],
            "policies": [{"name": "\u{9b}2J", "verdict": "sampled"}],
        }]});
        let text = text_of(&answer, false);
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
        assert_eq!(text.lines().count(), 5, "{text}");
        let named = json!({"name": "a\u{7f}b\u{9b}2J\u{1b}"});
        let written = json_of(&named);
        assert!(!written.contains(|letter: char| letter.is_control() && letter != '\n'), "{written:?}");
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), named);
    }

    #[test]
    fn text_holds_the_sentence_and_the_facts() {
        let answer = json!({"trace_id": "ab", "decisions": [{
            "processor": "tail_sampling", "outcome": "not_sampled", "explanation": "dropped: matched nothing",
            "decided": "2023-11-14T22:13:20Z", "trigger": "decision_wait", "waited_ms": 10_020.0, "spans": 3,
            "bytes": 900, "duration_ms": 480.0, "statuses": ["UNSET", "OK"],
            "policies": [{"name": "slow", "verdict": "not_sampled"}],
            "finding": {"score_ms": 4.25, "tau_ms": 20.0},
        }]});
        let wanted = "\
ab in tail_sampling
  dropped: matched nothing
  decided    2023-11-14T22:13:20Z by decision_wait, after 10.0 s
  spans      3, 900 bytes, 480.0 ms, status UNSET, OK
  policies   slow not_sampled
  score      4.2 ms of self time beyond what is usual, kept above 20.0 ms
";
        assert_eq!(text_of(&answer, false), wanted);
        assert!(text_of(&answer, true).contains("\u{1b}[1;33mdropped\u{1b}[0m: matched"));
    }
}
