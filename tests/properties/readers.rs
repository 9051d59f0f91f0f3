//! The fast reader of what kubectl prints against the full reader, on dumps that were tampered with.

use super::clusters::Random;
use kubereach::diagnostic::{Code, Severity};
use kubereach::manifest::{
    Digest, Known, Loaded, Readers, digest, load_text, load_text_by, load_texts,
};
use rayon::prelude::*;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A list as `kubectl get -o yaml` prints it. Lines that end with ` ~` are in parts that the fast
/// reader passes over; the mark is taken off.
const YAML: &str = include_str!("dump.yaml.txt");
/// The same of `-o json`.
const JSON: &str = include_str!("dump.json.txt");
/// The same of objects as they are kept in a repository: no server has stored them, so the fast reader passes
/// over nothing.
const KEPT: &str = include_str!("kept.yaml.txt");

/// [`KEPT`] as `-o json` prints it.
fn kept_json() -> String {
    let value: serde_json::Value = serde_yaml::from_str(KEPT).expect("it is YAML");
    let mut out = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut to = serde_json::Serializer::with_formatter(&mut out, form);
    serde::Serialize::serialize(&value, &mut to).expect("it is JSON");
    String::from_utf8(out).expect("it is text") + "\n"
}

/// What dumps do not hold, and YAML gives a meaning to.
const SNIPPETS: [&str; 40] = [
    "\"", "'", "{", "}", "[", "]", "&a ", "*a", "!!str ", "!!int ", "|", ">", "|2", "#", " #",
    "- ", "? ", ": ", ":", ",", "\t", "\r", "é", "\u{85}", "\u{2028}", "<<: ", "null", "~", "yes",
    "0x1f", "1e3", "010", "-", "---\n", "...\n", "\\", "\\\"", "%", "@", " ",
];

/// Lines that may be put anywhere, with any indentation.
const LINES: [&str; 22] = [
    "hostNetwork: true",
    "name: evil",
    "podSelector: {}",
    "- Egress",
    "key: |",
    "key: \"open",
    "key: 'open",
    "key: [1,",
    "key: {a: b",
    "text",
    "",
    "# comment",
    "apiVersion: v1",
    "kind: Pod",
    "spec:",
    "uid: x",
    "podIP: 1.2.3.4",
    "- name: y",
    "key: &a x",
    "key: *a",
    "labels:",
    "x: y: z",
];

/// The objects of [`KEPT`] as documents of their own.
fn documents() -> String {
    let items = KEPT.lines().skip(2).take_while(|line| !line.starts_with("kind: "));
    let lines = items.map(|line| match line.strip_prefix("- ") {
        Some(first) => format!("---\n{first}\n"),
        None => format!("{}\n", line.strip_prefix("  ").unwrap_or(line)),
    });
    lines.collect()
}

struct Dump {
    lines: Vec<(String, bool)>,
}

impl Dump {
    fn new(text: &str) -> Self {
        let lines = text.lines().map(|line| match line.strip_suffix(" ~") {
            Some(line) => (line.to_owned(), true),
            None => (line.to_owned(), false),
        });
        Self { lines: lines.collect() }
    }

    fn text(&self) -> String {
        self.lines.iter().flat_map(|(line, _)| [line.as_str(), "\n"]).collect()
    }

    /// The neighbourhood of what is not as it was.
    fn changes(&self, base: &str) -> String {
        let base = Dump::new(base).lines;
        let odd = |at: usize| {
            base.get(at).map(|(line, _)| line) != self.lines.get(at).map(|(line, _)| line)
        };
        let first = (0..self.lines.len()).find(|&at| odd(at)).unwrap_or(0);
        let shown = self.lines.iter().enumerate().skip(first.saturating_sub(4)).take(12);
        let lines: Vec<String> =
            shown.map(|(at, (line, _))| format!("{}: {line:?}", at + 1)).collect();
        lines.join("\n")
    }

    /// Changes something; whether that was in a part that is passed over.
    fn tamper(&mut self, r: &mut Random) -> bool {
        let at = r.below(self.lines.len());
        // What is indented further belongs to the line above.
        let over = |at: usize, lines: &[(String, bool)]| lines[at].1 || at > 0 && lines[at - 1].1;
        let passed_over = over(at, &self.lines);
        match r.below(9) {
            0 => {
                self.lines.remove(at);
            }
            1 => self.lines.insert(at, self.lines[at].clone()),
            2 => {
                let indent = " ".repeat(r.below(8) * 2);
                let line = LINES[r.below(LINES.len())];
                self.lines.insert(at, (format!("{indent}{line}"), passed_over));
            }
            3 => {
                let other = r.below(self.lines.len());
                let both = passed_over || over(other, &self.lines);
                self.lines.swap(at, other);
                return both;
            }
            4 => {
                let spaces = " ".repeat(1 + r.below(3));
                self.lines[at].0.insert_str(0, &spaces);
            }
            5 => {
                let line = &self.lines[at].0;
                self.lines[at].0 = line.chars().skip(r.below(4)).collect();
            }
            _ => {
                let mut line: Vec<char> = self.lines[at].0.chars().collect();
                let place = r.below(line.len() + 1);
                let end = (place + r.below(2)).min(line.len());
                line.splice(place..end, SNIPPETS[r.below(SNIPPETS.len())].chars());
                self.lines[at].0 = line.into_iter().collect();
            }
        }
        passed_over
    }
}

/// All that was read, in words.
fn said(mut loaded: Loaded) -> String {
    let mut digests = Vec::new();
    for resource in &loaded.resources {
        digests.push(digest(&loaded.sources, resource.meta()));
    }
    for (resource, value) in loaded.resources.iter_mut().zip(digests) {
        resource.meta_mut().digest = Digest::Known(value);
    }
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}",
        loaded.resources, loaded.set_aside, loaded.clues, loaded.diagnostics
    )
}

fn first_difference(a: &str, b: &str) -> String {
    let differ = a.lines().zip(b.lines()).position(|(a, b)| a != b).unwrap_or(0);
    let around = |text: &str| {
        let lines: Vec<&str> = text.lines().skip(differ.saturating_sub(6)).take(14).collect();
        lines.join("\n")
    };
    format!("full:\n{}\n\nboth:\n{}", around(a), around(b))
}

#[test]
fn what_kubectl_prints_is_read_alike() {
    for text in [YAML, JSON, KEPT, &kept_json()] {
        let text = Dump::new(text).text();
        let full = load_text_by(Readers::Full, "dump", text.as_bytes());
        assert_eq!(full.diagnostics, [], "the dump itself is clean");
        let (full, both) = (said(full), said(load_text_by(Readers::Both, "dump", text.as_bytes())));
        assert!(full == both, "{}", first_difference(&full, &both));
    }
}

/// Words in place of others.
const WORDS: [&str; 34] = [
    "",
    "x",
    "web-2",
    "node-2.example",
    "UPPER",
    "a_b",
    "10.0.0.9",
    "fd00::1",
    "10.0.0.300",
    "12",
    "010",
    "0x1f",
    "1e3",
    "1.5",
    "-1",
    "99999",
    "true",
    "null",
    "~",
    "yes",
    "-",
    "---",
    "a:",
    ":a",
    "/x",
    ".x",
    "=",
    "Failed",
    "Pod",
    "a b",
    "a\"b",
    "a'b",
    "2026-01-02T03:04:05Z",
    "kubernetes.io/x",
];

impl Dump {
    /// Puts a few pods like it before each pod: other words here and there, other names mostly.
    fn replicate(&mut self, r: &mut Random) -> bool {
        let starts = |line: &str| line.starts_with("- ") || line == "        {";
        let mut passed_over = false;
        let mut lines = Vec::new();
        let mut rest = std::mem::take(&mut self.lines).into_iter().peekable();
        while let Some(first) = rest.next() {
            let mut item = vec![first];
            if starts(&item[0].0) {
                let ends = |line: &str| starts(line) || line == "kind: List" || line == "    ],";
                while let Some(line) = rest.next_if(|(line, _)| !ends(line)) {
                    item.push(line);
                }
            }
            let kinds = ["  kind: Pod", "            \"kind\": \"Pod\","];
            if item.iter().any(|(line, _)| kinds.contains(&line.as_str())) {
                // Not all servers print lists of addresses.
                if let Some(list) = item.iter().position(|(line, _)| line == "    podIPs:") {
                    let ends = |(line, _): &(String, bool)| !line.starts_with("    - ");
                    let length = item[list + 1..].iter().position(ends).unwrap_or(0);
                    if r.below(3) == 0 {
                        item.drain(list..=list + length);
                    }
                }
                for number in 0..r.below(4) {
                    let (copy, over) = replica(&item, number, r);
                    passed_over |= over;
                    lines.extend(copy);
                }
            }
            lines.extend(item);
        }
        self.lines = lines;
        passed_over
    }
}

/// A pod like another one; whether it is otherwise where nothing counts.
fn replica(item: &[(String, bool)], number: usize, r: &mut Random) -> (Vec<(String, bool)>, bool) {
    let mut copy = item.to_vec();
    let mut passed_over = false;
    if let Some((last, _)) = copy.last_mut().filter(|(line, _)| line == "        }") {
        last.push(',');
    }
    if r.below(8) > 0 {
        for (line, _) in &mut copy {
            *line = line.replace("-mkrkh", &format!("-mkrk{number}"));
        }
    }
    for _ in 0..r.below(7) {
        // Where words count that may differ.
        let at = mostly(&copy, r, |line| {
            let line = line.trim_start_matches([' ', '-', '"']);
            let keys = ["name", "nodeName", "uid", "podIP", "hostIP", "ip"];
            keys.iter().any(|key| line.starts_with(key))
        });
        let (line, counts_not) = &mut copy[at];
        passed_over |= swap_word(line, r) && *counts_not;
    }
    if r.below(3) == 0 {
        // Numbers that end a collection.
        let at = mostly(&copy, r, |line| line.ends_with(|c: char| c.is_ascii_digit()));
        passed_over |= copy[at].1;
        resize(&mut copy, at, r);
    }
    (copy, passed_over)
}

/// The place of a line, mostly of one of these.
fn mostly(lines: &[(String, bool)], r: &mut Random, wanted: impl Fn(&str) -> bool) -> usize {
    let any = r.below(lines.len());
    let of_these: Vec<usize> = (0..lines.len()).filter(|&at| wanted(&lines[at].0)).collect();
    *of_these.get(r.below(2 * of_these.len() + 1)).unwrap_or(&any)
}

/// Takes a scalar out of a collection, or puts one into it: in JSON commas stand between them.
fn resize(lines: &mut Vec<(String, bool)>, at: usize, r: &mut Random) {
    let (line, passed_over) = lines[at].clone();
    let is_last = !line.ends_with(',');
    let scalar = line.trim_end_matches(',');
    if scalar.ends_with(['{', '}', '[', ']', ':', '|']) {
        return;
    }
    if r.below(2) == 0 {
        lines.remove(at);
        let before = at.checked_sub(1).and_then(|before| lines.get_mut(before));
        if let Some((before, _)) = before.filter(|_| is_last) {
            before.truncate(before.trim_end_matches(',').len());
        }
        return;
    }
    let json = line.trim_start().starts_with('"') || line.trim_start().parse::<u32>().is_ok();
    let indent = &line[..line.len() - line.trim_start().len()];
    let added = match (scalar.split_once("\": "), scalar.split_once(": ")) {
        (Some(_), _) => format!("{indent}\"zzz\": 5"),
        (None, Some(_)) => format!("{indent}zzz: 5"),
        (None, None) => scalar.to_owned(),
    };
    if json && is_last {
        lines[at].0.push(',');
    }
    let comma = if json && !is_last { "," } else { "" };
    lines.insert(at + 1, (added + comma, passed_over));
}

/// Puts another word in place of one; whether there is one.
fn swap_word(line: &mut String, r: &mut Random) -> bool {
    let of_word = |c: char| c.is_ascii_alphanumeric() || "_./@+=:-".contains(c);
    let starts: Vec<usize> = (0..line.len())
        .filter(|&at| line.is_char_boundary(at) && line[at..].starts_with(of_word))
        .filter(|&at| !line[..at].ends_with(of_word))
        .collect();
    // The value is the last one.
    let Some(&start) =
        (if r.below(3) > 0 { starts.last() } else { starts.get(r.below(starts.len().max(1))) })
    else {
        return false;
    };
    let length = line[start..].find(|c| !of_word(c)).unwrap_or(line.len() - start);
    let keep = [0, 0, length / 2][r.below(3)];
    let is_address = line[start..start + length].parse::<IpAddr>().is_ok();
    let word = match r.below(4) {
        0 => "",
        1 | 2 if is_address => ["10.0.0.9", "fd00::1"][r.below(2)],
        _ => WORDS[r.below(WORDS.len())],
    };
    line.replace_range(start + keep..start + length, word);
    true
}

#[test]
fn the_readers_agree() {
    let kept_json = kept_json();
    let bases = [YAML, YAML, JSON, KEPT, KEPT, &kept_json];
    let result = agree(3_000, |r| {
        let base = bases[r.below(bases.len())];
        let mut dump = Dump::new(base);
        let mut passed_over = false;
        for _ in 0..=r.below(3) {
            passed_over |= dump.tamper(r);
        }
        (dump, base, passed_over)
    });
    println!("{result}");
}

/// Pods of a workload are read by what they have in common.
#[test]
fn replicas_are_read_alike() {
    let kept_json = kept_json();
    let bases = [YAML, YAML, JSON, JSON, KEPT, &kept_json];
    let result = agree(3_000, |r| {
        let base = bases[r.below(bases.len())];
        let mut dump = Dump::new(base);
        let mut passed_over = false;
        if r.below(4) == 0 {
            passed_over |= dump.tamper(r);
        }
        passed_over |= dump.replicate(r);
        if r.below(4) == 0 {
            passed_over |= dump.tamper(r);
        }
        (dump, base, passed_over)
    });
    println!("{result}");
}

/// A number that ends its collection in one pod and not in the next is not all that differs.
#[test]
fn numbers_of_replicas_are_followed_by_what_they_are_followed_by() {
    let text = Dump::new(JSON).text();
    let start =
        text.find("        {\n            \"apiVersion\": \"v1\",\n            \"kind\": \"Pod\"");
    let start = start.expect("a pod");
    let end =
        start + text[start..].find("\n        },\n").expect("its end") + "\n        },\n".len();
    let pod = &text[start..end];
    let more = ("2000\n", "2000,\n                        2000\n");
    let longer = pod.replace(more.0, more.1).replace("-mkrkh", "-mkrk2");
    assert_ne!(longer.len(), pod.len());
    for pods in [[pod, &longer], [&longer, pod]] {
        let text = text.replace(pod, &pods.concat());
        let full = said(load_text_by(Readers::Full, "dump", text.as_bytes()));
        let both = said(load_text_by(Readers::Both, "dump", text.as_bytes()));
        assert!(full == both, "{}", first_difference(&full, &both));
    }
}

/// Holds the readers to each other on dumps, some of which were changed where nothing counts.
/// Returns what came of it.
fn agree<'b>(cases: u64, make: impl Fn(&mut Random) -> (Dump, &'b str, bool) + Sync) -> String {
    let cases = std::env::var("KUBEREACH_DUMPS").ok().and_then(|n| n.parse().ok()).unwrap_or(cases);
    let (equal, lenient) = (AtomicU64::new(0), AtomicU64::new(0));
    (0..cases).into_par_iter().for_each(|seed| {
        let r = &mut Random::new(seed);
        let (dump, base, passed_over) = make(r);
        let text = dump.text();
        let full = load_text_by(Readers::Full, "dump", text.as_bytes());
        let both = load_text_by(Readers::Both, "dump", text.as_bytes());
        let findings: Vec<String> = full
            .diagnostics
            .iter()
            .map(|d| {
                let place = d.primary.as_ref().map(|label| full.sources.locate(label.span).line);
                format!("{} at {place:?}", d.message)
            })
            .collect();
        // Only the full reader looks for faults where nothing counts.
        let faults = |loaded: &Loaded| {
            loaded.diagnostics.iter().any(|d| {
                d.severity == Severity::Error
                    || matches!(d.code, Code::DuplicateKey | Code::IgnoredText)
            })
        };
        let excused = passed_over && faults(&full);
        let (full, both) = (said(full), said(both));
        if excused && full != both {
            lenient.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let changes = dump.changes(base);
        assert!(
            full == both,
            "seed {seed}:\n{changes}\n{findings:#?}\n{}",
            first_difference(&full, &both)
        );
        equal.fetch_add(1, Ordering::Relaxed);
    });
    let (equal, lenient) = (equal.into_inner(), lenient.into_inner());
    assert!(lenient * 3 < cases, "too many cases say nothing");
    format!(
        "{equal} dumps read alike; in {lenient} only the full reader found a fault where nothing counts"
    )
}

/// An item that the fast reader hands over ends as the others do: by a comma, if another one follows.
#[test]
fn a_missing_comma_is_seen_before_every_item() {
    let text = kept_json();
    let joints: Vec<usize> =
        text.match_indices("        },\n        {").map(|(at, _)| at).collect();
    assert!(joints.len() > 2);
    for at in joints {
        let mut text = text.clone();
        text.remove(at + "        }".len());
        let loaded = load_text_by(Readers::Both, "dump", text.as_bytes());
        assert!(loaded.errors() > 0, "{}", &text[at.saturating_sub(80)..at + 30]);
        assert!(loaded.resources.is_empty());
    }
}

/// What is known of another text changes nothing of what is read: neither of a text that is nearly the same, nor of
/// its places, nor where the same bytes are indented otherwise, or end otherwise.
#[test]
fn what_is_known_is_read_alike() {
    let (kept_json, documents) = (kept_json(), documents());
    let bases = [YAML, JSON, KEPT, &kept_json, &documents];
    let mut known = Known::default();
    for base in bases {
        known.add(&load_text("first", Dump::new(base).text().as_bytes()));
    }
    let taken = AtomicU64::new(0);
    (0..3_000_u64).into_par_iter().for_each(|seed| {
        let r = &mut Random::new(seed);
        let mut text = Dump::new(bases[r.below(bases.len())]);
        for _ in 0..r.below(3) {
            text.tamper(r);
        }
        let mut text = text.text();
        match r.below(6) {
            // An item of a list as a document, with its indentation.
            0 => text = text.replace("\n- ", "\n---\n").replacen("items:\n- ", "---\n", 1),
            // A document as an item, without.
            1 => {
                let items = text.replace("---\n", "- ");
                text = format!("apiVersion: v1\nitems:\n{items}kind: List\nmetadata:\n  resourceVersion: \"\"\n");
            }
            // An item that does not start a line.
            2 => {
                let starts: Vec<usize> = text.match_indices("\n- api").map(|(at, _)| at).collect();
                if !starts.is_empty() {
                    text.remove(starts[r.below(starts.len())]);
                }
            }
            _ => {}
        }
        let read = |known: &Known| {
            let files = [vec![("second".into(), text.clone().into_bytes())], Vec::new()];
            load_texts(&[], &[], files, &mut std::io::empty(), known)
        };
        let (alone, beside) = (read(&Known::default()), read(&known));
        taken.fetch_add(beside.resources.len() as u64, Ordering::Relaxed);
        let (alone, beside) = (said(alone), said(beside));
        assert!(alone == beside, "seed {seed}:\n{text}\n{}", first_difference(&alone, &beside));
    });
    assert!(taken.into_inner() > 3_000);
}
