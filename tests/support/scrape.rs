//! A scrape of metrics, and a check of the text format of Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use regex::Regex;

/// An address at which nothing listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The head and the body of an answer, if the server answers.
pub fn get(address: SocketAddr, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

/// Metrics in the text format of Prometheus, checked.
pub struct Metrics {
    /// The type of each family.
    pub types: BTreeMap<String, String>,
    /// The value of each sample, by its name and labels as they are written.
    pub samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads the text. Panics if it breaks the rules of the format.
    pub fn parse(text: &str) -> Metrics {
        let comment = Regex::new(r"^# (HELP|TYPE) ([a-z_]+) (.+)$").unwrap();
        let sample = Regex::new(r#"^([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\})? (\S+)$"#).unwrap();
        let (mut helped, mut types, mut samples) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        assert!(text.ends_with('\n'), "{text}");
        for line in text.lines() {
            if let Some(found) = comment.captures(line) {
                let is_new = match &found[1] {
                    "HELP" => helped.insert(found[2].to_owned()),
                    _ => types.insert(found[2].to_owned(), found[3].to_owned()).is_none(),
                };
                assert!(is_new, "described twice: {line}");
                continue;
            }
            let found = sample.captures(line).unwrap_or_else(|| panic!("no sample: {line}"));
            let name = &found[1];
            let parts = ["_bucket", "_sum", "_count"];
            let of_histogram = parts.iter().find_map(|part| name.strip_suffix(part));
            let family = of_histogram.filter(|family| types.get(*family).is_some_and(|kind| kind == "histogram"));
            let family = family.unwrap_or(name);
            assert!(helped.contains(family) && types.contains_key(family), "not described: {line}");
            let value = found[3].parse().unwrap_or_else(|_| panic!("no number: {line}"));
            let key = format!("{name}{}", found.get(2).map_or("", |labels| labels.as_str()));
            assert!(samples.insert(key, value).is_none(), "written twice: {line}");
        }
        let metrics = Metrics { types, samples };
        metrics.check_histograms(text);
        metrics
    }

    /// The counts of buckets do not decrease, and the last one is the count of all.
    fn check_histograms(&self, text: &str) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let start = format!("{family}_bucket{{le=\"");
            let buckets: Vec<(f64, f64)> = text
                .lines()
                .filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "))
                .map(|(bound, count)| (bound.replace("+Inf", "inf").parse().unwrap(), count.parse().unwrap()))
                .collect();
            assert!(buckets.len() > 10 && buckets.is_sorted(), "{family}: {buckets:?}");
            assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{family}: {buckets:?}");
            assert_eq!(*buckets.last().unwrap(), (f64::INFINITY, self.samples[&format!("{family}_count")]), "{family}");
        }
    }

    /// The sum of all samples of a family that has no histogram.
    pub fn sum(&self, family: &str) -> f64 {
        let of_family = |key: &str| key == family || key.starts_with(&format!("{family}{{"));
        self.samples.iter().filter(|(key, _)| of_family(key)).map(|(_, value)| value).sum()
    }
}
