//! `metawrk init`: writes a commented experiment file for a system that runs already.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::docker::Engine;
use crate::load::LoadSettings;
use crate::load::one_request::{plan_one_request, send_one_request};
use crate::out::say;
use crate::record::{Outcome, RequestRecord};
use crate::target::Target;

const AFTER_HELP: &str = "\
Examples:
  metawrk init --url http://127.0.0.1:8080/orders
  metawrk init --url http://127.0.0.1:8080/ --docker --out shop.toml

Exit codes:
  0    the file is written
  1    error or invalid usage, or the file exists";

/// The system to experiment on.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// URL that the load asks for. One request is sent to it
    #[arg(long, value_name = "URL")]
    url: String,

    /// Name containers of the Docker engine for the fault and the monitors
    #[arg(long)]
    docker: bool,

    /// File to write. An existing file is not changed
    #[arg(long, value_name = "FILE", default_value = "experiment.toml")]
    out: PathBuf,
}

/// What was found.
#[derive(Debug)]
struct Found {
    target: Target,
    /// How the target answered: one sentence.
    answer: String,
    /// The containers that run, by their names in an experiment file; `None` without `--docker`.
    containers: Option<Vec<String>>,
}

/// Sends a request, looks for containers if that is wanted, and writes the file.
///
/// # Errors
/// If the URL is invalid, the engine does not answer, or the file exists or cannot be written.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let target = Target::parse(&args.url)?;
    let found = Found {
        answer: describe_answer(&args.url)?,
        containers: args.docker.then(find_containers).transpose()?,
        target,
    };
    let (file, path) = (&args.out, args.out.display());
    match OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut file) => {
            file.write_all(experiment_text(&found).as_bytes()).with_context(|| format!("cannot write {path}"))?
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{path} exists already, and was not changed. Write to another file with --out.")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {path}")),
    }
    say(&format!(
        "{} {}\n\nNext:\n  metawrk check {path}         check the prerequisites\n  \
         metawrk experiment {path}    run it: about two minutes\n",
        args.url, found.answer
    ))?;
    say(&format!("\nWritten to {path}.\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Sends one request.
fn describe_answer(url: &str) -> anyhow::Result<String> {
    let plan = plan_one_request(LoadSettings::new(url, 1.0))?;
    Ok(match send_one_request(plan) {
        Ok(record) => answer_text(record.as_ref()),
        Err(error) => format!("could not be reached: {error}."),
    })
}

fn answer_text(record: Option<&RequestRecord>) -> String {
    match record.map(|record| (record, record.outcome())) {
        Some((record, Some(Outcome::Answered))) => {
            let took = record.service_time().unwrap_or_default().as_secs_f64() * 1e3;
            let hint =
                if record.status < 400 { "" } else { " A good answer has a status below 400: correct the URL first." };
            format!("answered with status {} after {took:.1} ms.{hint}", record.status)
        }
        _ => "gave no answer.".to_owned(),
    }
}

/// The containers that run: compose services by their names.
fn find_containers() -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let containers = runtime.block_on(async { Engine::connect().await?.containers().await })?;
    let running = containers.into_iter().filter(|container| container.running);
    let mut names: Vec<String> = running.map(|container| container.service.unwrap_or(container.name)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Parts of names of what a service usually depends on.
const DEPENDENCIES: [&str; 9] = ["db", "mongo", "postgres", "mysql", "maria", "redis", "cache", "storage", "sql"];
/// The most monitors that are written.
const MAX_MONITORS: usize = 4;

/// The container that the system probably depends on.
fn choose_container(names: &[String]) -> Option<&String> {
    let is_dependency = |name: &&String| DEPENDENCIES.iter().any(|part| name.to_lowercase().contains(part));
    names.iter().find(is_dependency).or(names.first())
}

/// The text of the file.
fn experiment_text(found: &Found) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let Found { target, answer, containers } = found;
    // A line break would end the comment.
    let answer = answer.replace(char::is_control, " ");
    let (url, name) = (quoted(&target.url), quoted(&target.host));
    let engine = if containers.is_some() {
        "engine = \"docker\""
    } else {
        "# engine = \"docker\"     # For faults on containers"
    };
    let chosen = containers.as_ref().and_then(|names| choose_container(names));
    let fault = match chosen {
        Some(container) => format!(
            "[[fault]]\nkind = \"pause\"            # The container stands still, and its connections hang\ncontainer = {}\n\
             for = \"10s\"\n# Running: {}\n",
            quoted(container),
            containers.iter().flatten().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
        ),
        None => "[[fault]]\nkind = \"surge\"            # Four times the load. It works on every system\nfactor = 4\nfor = \"10s\"\n"
            .to_owned(),
    };
    let monitor = |name: &String| format!("\n[[monitor]]\nkind = \"container\"\ncontainer = {}\n", quoted(name));
    let monitors: String = containers.iter().flatten().take(MAX_MONITORS).map(monitor).collect();
    format!(
        "# An experiment on a system that runs already, written by `metawrk init`. The URL {answer}\n\
         #\n\
         #   metawrk check FILE         Check the prerequisites\n\
         #   metawrk experiment FILE    Run it. --rate, --outage and other options replace settings of this file\n\
         #   metawrk search rate FILE   Find the highest rate that the system carries\n\
         \n\
         name = {name}\n\
         \n\
         [target]\n\
         url = {url}\n\
         {engine}\n\
         \n\
         [load]\n\
         rate = 50                 # Requests/s. Choose what the system carries without trouble\n\
         arrivals = \"exp\"          # Random gaps, like independent users. \"fixed\" as in wrk2\n\
         when-busy = \"open\"        # A request that finds no idle connection opens one\n\
         # timeout = \"2s\"          # The client gives up after this time ...\n\
         # retries = {{ count = 2, backoff = \"100ms\" }}    # ... and tries again\n\
         # method = \"POST\"\n\
         # body = '{{\"a\": 1}}'\n\
         # headers = {{ \"Content-Type\" = \"application/json\" }}\n\
         # script = \"requests.lua\" # Requests that a Lua script of wrk makes\n\
         \n\
         [verdict]\n\
         # slo = \"1s\"              # The longest response time of a good answer\n\
         \n\
         {fault}\
         #\n\
         # A fault by your own commands:\n\
         # kind = \"command\"\n\
         # apply = \"systemctl stop my-database\"\n\
         # undo = \"systemctl start my-database\"\n\
         # verify = \"! systemctl is-active --quiet my-database\"\n\
         #\n\
         # A proxy between two programs, which the calling one must use instead of `to`:\n\
         # kind = \"proxy\"\n\
         # listen = \"127.0.0.1:15432\"\n\
         # to = \"127.0.0.1:5432\"\n\
         # delay = \"200ms\"         # Or cut = \"hang\", cut = \"reset\", loss = 0.1, bandwidth = \"100KiB\"\n\
         {monitors}\
         \n\
         # [[monitor]]               # Memory and CPU time of a program of this machine\n\
         # kind = \"process\"\n\
         # unit = \"nginx\"           # A systemd unit. Or process = \"my-service\", or pid = 4242\n\
         \n\
         # [[threshold]]             # The exit code is 4 if this holds at the end\n\
         # fail-if = \"p99>2s\"\n"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::ExperimentPlan;
    use crate::plan::config::{Overrides, parse};

    fn found(url: &str, containers: Option<&[&str]>) -> Found {
        let containers = containers.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let answer = "answered with status 200 after 3.2 ms.".to_owned();
        Found { target: Target::parse(url).unwrap(), answer, containers }
    }

    fn plan(text: &str) -> ExperimentPlan {
        parse(text, "x.toml", Path::new(""), &Overrides::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn the_file_is_an_experiment() {
        let text = experiment_text(&found("http://localhost:8080/a?b=\"c\\d", None));
        let plan = plan(&text);
        assert_eq!((plan.name(), plan.faults()[0].spec.kind()), ("localhost", "surge"));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn with_docker_the_fault_is_on_a_container() {
        let plan = plan(&experiment_text(&found("http://localhost/", Some(&["api", "orders-db", "web"]))));
        assert_eq!((plan.faults()[0].spec.label().as_str(), plan.monitors().len()), ("pause orders-db", 3));
        // None runs.
        let text = experiment_text(&found("http://localhost/", Some(&[])));
        assert_eq!(
            parse(&text, "x.toml", Path::new(""), &Overrides::default()).unwrap().faults()[0].spec.kind(),
            "surge"
        );
    }
}
