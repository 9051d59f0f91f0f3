//! Pictures are right: nothing of a list is lost in any of them, at any level.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests, which say what they found"
)]

mod common;

use boon::{Compiler, Schemas};
use common::{expected, root, scenarios};
use kubereach::analysis::{
    Endpoint, Engines, Filter, Link, Listing, Options, Picture, Reason, View, World, blast_radius,
    can, diff, list, listed_policies, resolve_endpoint,
};
use kubereach::enforcement::Cni;
use kubereach::engine::Model;
use kubereach::manifest::{InputPath, load};
use kubereach::net::Family;
use kubereach::render::{self, Drawing, Frame, Place, Why};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn world(folder: &Path, cni: Option<&str>) -> World {
    let loaded = load(&[InputPath::Path(folder.to_path_buf())], &mut std::io::empty());
    let cni = cni.map(|name| Cni::parse(name).unwrap_or_else(|e| panic!("{e}")));
    World::new(loaded, expected(folder).options(cni))
}

fn listing(world: &World) -> Listing {
    let policies = listed_policies(world);
    let model = Model::new(&world.cluster, &policies);
    list(world, &model, &Filter::default())
}

fn drawing<'w>(world: &'w World, listing: &'w Listing) -> Drawing<'w> {
    let frame = Frame { title: "it".into(), subtitle: render::enforced(world), ..Frame::default() };
    Drawing { world, listing: Some(listing), frame }
}

/// The worlds that pictures are tried on.
fn each(mut with: impl FnMut(&str, &World, &Listing)) {
    for folder in scenarios() {
        for cni in [None, Some("flannel"), Some("cilium@1.18"), Some("unknown")] {
            let world = world(&folder, cni);
            let listing = listing(&world);
            with(&format!("{} {cni:?}", folder.display()), &world, &listing);
        }
    }
}

#[test]
fn no_connection_is_lost_at_any_level() {
    let (mut joined, mut links) = (0, 0);
    each(|about, world, listing| {
        let whole = Picture::new(world, listing, None);
        let all: BTreeSet<usize> = (0..listing.rows.len()).collect();
        let classes = whole.collapsed();
        let spaces = whole.namespaces();
        for (name, picture) in [
            ("whole", &whole),
            ("classes", &classes),
            ("ordered", &classes.ordered()),
            ("namespaces", &spaces),
            ("classes of namespaces", &spaces.collapsed()),
            ("page", &whole.base()),
        ] {
            let drawn: BTreeSet<usize> =
                picture.links.iter().flat_map(|link| link.rows.iter().copied()).collect();
            assert_eq!(drawn, all, "{about}: {name}");
            assert_eq!(picture.workloads(), whole.workloads(), "{about}: {name}");
            assert_eq!(picture.connections, listing.rows.len(), "{about}: {name}");
        }
        // What is said of a class is said of each pair of its members, and of no other.
        assert_eq!(
            classes.links.iter().map(|link| link.pairs).sum::<usize>(),
            whole.links.len(),
            "{about}"
        );
        let of = |picture: &Picture| -> BTreeSet<(String, String, String)> {
            let expand = |link: &Link| {
                let [from, to] = [link.source, link.destination].map(|at| {
                    let end = &picture.ends[at];
                    if end.is_inside() { end.members.clone() } else { vec!["outside".into()] }
                });
                let label = link.label();
                let pairs = from
                    .into_iter()
                    .flat_map(move |from| to.clone().into_iter().map(move |to| (from.clone(), to)));
                pairs.map(move |(from, to)| (from, to, label.clone())).collect::<Vec<_>>()
            };
            picture.links.iter().flat_map(expand).collect()
        };
        assert_eq!(of(&classes), of(&whole), "{about}");
        joined += whole.ends.len() - classes.ends.len();
        links += whole.links.len();
    });
    println!("{links} links; {joined} ends joined");
    assert!(joined > 400 && links > 2_000, "{joined} {links}");
}

/// The places of links that a picture shows: `data-e="e3 e7"`.
fn shown_links(svg: &str) -> BTreeSet<String> {
    let parts = svg.split("data-e=\"").skip(1);
    let ids = parts.filter_map(|part| part.split('"').next());
    ids.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[test]
fn every_link_is_in_the_picture_and_the_same_bytes_come_out_twice() {
    let mut drawn = 0;
    each(|about, world, listing| {
        let picture = Picture::new(world, listing, None);
        let drawing = drawing(world, listing);
        for wish in [None, Some(View::Matrix), Some(View::Overview), Some(View::Workloads)] {
            let shown = picture.shown(wish);
            let svg = render::picture_svg(&drawing, &shown);
            let links = shown_links(&svg);
            assert_eq!(links.len(), shown.picture.links.len(), "{about}: {wish:?}");
            assert_eq!(svg, render::picture_svg(&drawing, &picture.shown(wish)), "{about}");
            let says = format!("{0} of {0} connections drawn", listing.rows.len());
            assert!(svg.contains(&says), "{about}: {wish:?} does not say how much it shows");
            // Nothing runs, and nothing is fetched.
            for word in ["<script", "http://", "https://", "onload", "@import", "<image"] {
                let own = svg.replace("http://www.w3.org/2000/svg", "");
                assert!(!own.contains(word), "{about}: `{word}`");
            }
            drawn += links.len();
        }
    });
    assert!(drawn > 5_000, "{drawn}");
}

#[test]
fn node_link_data_is_as_its_schema_says() {
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(render::GRAPH_SCHEMA).expect("a schema");
    compiler.add_resource("graph.json", schema).unwrap_or_else(|e| panic!("{e}"));
    let mut schemas = Schemas::new();
    let schema = compiler.compile("graph.json", &mut schemas).unwrap_or_else(|e| panic!("{e:#}"));
    each(|about, world, listing| {
        let picture = Picture::new(world, listing, None);
        let drawing = drawing(world, listing);
        for wish in [None, Some(View::Matrix), Some(View::Overview)] {
            let value = render::picture_json(&drawing, &picture, wish);
            schemas.validate(&value, schema).unwrap_or_else(|e| panic!("{about}: {e:#}"));
        }
    });
}

#[test]
fn mermaid_stays_in_githubs_limits() {
    each(|about, world, listing| {
        let picture = Picture::new(world, listing, None);
        let text = render::mermaid(&drawing(world, listing), &picture, None);
        let edges = text.lines().filter(|line| line.contains("-->") || line.contains("-.->"));
        assert!(edges.count() <= 500 && text.len() < 50_000, "{about}");
        assert!(text.starts_with("flowchart LR\n"), "{about}");
    });
}

/// One hop is what `can` says that is allowed, or may be.
#[test]
fn one_hop_is_what_can_says() {
    let mut asked = 0;
    for folder in scenarios() {
        let world = world(&folder, None);
        let listing = listing(&world);
        let picture = Picture::new(&world, &listing, None);
        let engines = Engines::new(&world);
        let cluster = &world.cluster;
        let names: Vec<String> = cluster
            .workload_ids()
            .filter(|&id| {
                // A pod on its node's network always reaches its node's pods, which rows do not say; and of
                // workloads whose pods differ some are reached and some are not.
                let pods = &cluster.workload(id).pods;
                !pods.is_empty() && pods.iter().all(|&pod| !cluster.pod(pod).host_network)
            })
            .map(|id| cluster.workload_name(id))
            .collect();
        for from in &names {
            let source = resolve_endpoint(&world, from).unwrap_or_else(|e| panic!("{e}"));
            let radius = blast_radius(&picture, &source, Some(1));
            for to in names.iter().filter(|to| *to != from) {
                let destination = resolve_endpoint(&world, to).unwrap_or_else(|e| panic!("{e}"));
                let reached = radius.reached.iter().any(|own| {
                    let end = &picture.ends[own.end];
                    end.full_name() == *to || end.full_name().starts_with(&format!("{to} ("))
                });
                // Over either family; one hop takes any.
                let open = [None, Some(Family::V4), Some(Family::V6)].into_iter().any(|family| {
                    let source = Endpoint { family, ..source.clone() };
                    let answer = can(&world, &engines, &source, &destination, &[])
                        .unwrap_or_else(|e| panic!("{from} {to}: {e}"));
                    answer
                        .groups
                        .iter()
                        .any(|own| !own.allowed.is_empty() || !own.unknown.is_empty())
                });
                assert_eq!(reached, open, "{}: {from} {to}", folder.display());
                asked += 1;
            }
        }
    }
    assert!(asked > 3_000, "{asked}");
}

/// Pods of one manifest text.
fn of_text(text: &str) -> World {
    let loaded = load(&[InputPath::Stdin], &mut text.as_bytes());
    World::new(loaded, Options { as_declared: true, ..Options::default() })
}

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: free, namespace: x, labels: {app: free}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: x, labels: {app: web}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: x}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 80}]}]
  egress: [{to: [{podSelector: {matchLabels: {app: free}}}]}]
";

/// What is open by default is open to what is outside as well, in pictures and on ways.
#[test]
fn open_by_default_is_open_to_the_outside() {
    let world = of_text(PODS);
    let listing = listing(&world);
    let picture = Picture::new(&world, &listing, None);
    let reached = |name: &str, hops: usize| -> BTreeSet<String> {
        let source = resolve_endpoint(&world, name).unwrap_or_else(|e| panic!("{e}"));
        let found = blast_radius(&picture, &source, None);
        let own = found.reached.iter().filter(|own| own.hops == hops);
        own.map(|own| picture.ends[own.end].full_name()).collect()
    };
    assert_eq!(reached("x/free", 1).len(), 2, "{:?}", reached("x/free", 1));
    assert!(reached("x/web", 1).contains("x/po/free"));
    assert!(reached("x/web", 2).contains("203.0.113.0/24"), "{:?}", reached("x/web", 2));
    let both = ["x/po/free", "x/po/web"].map(str::to_owned).into();
    assert_eq!(reached("203.0.113.9", 1), both);
    let svg = render::picture_svg(&drawing(&world, &listing), &picture.shown(Some(View::Matrix)));
    for pair in ["x/po/free → 203.0.113.0/24: every port", "203.0.113.0/24 → x/po/free: every port"]
    {
        assert!(svg.contains(pair), "{pair}");
    }
}

/// Changes that are not the same are not drawn as one, and none hides another of the same ends.
#[test]
fn every_change_is_drawn() {
    let after = of_text(PODS);
    let before =
        of_text(&PODS.replace("port: 80", "port: 443").replace("app: free}}}]", "app: web}}}]"));
    for (old, new) in [(&before, &after), (&after, &before)] {
        let found = diff(old, new);
        let whole = Picture::of_diff(&found);
        let drawn = whole.collapsed();
        let rows: BTreeSet<usize> =
            drawn.links.iter().flat_map(|link| link.rows.iter().copied()).collect();
        assert_eq!(rows.len(), found.rows.len());
        for link in &drawn.links {
            for &row in &link.rows {
                let row = &found.rows[row];
                assert_eq!(link.verdict.allowed, row.after.allowed);
                let (turn, was) = link.turn.as_ref().expect("a change");
                assert_eq!((*turn, was), (row.turn(), &row.before.allowed));
            }
        }
    }
}

/// "1 of 3 pairs" of two namespaces is that, however many namespaces are drawn as one.
#[test]
fn pairs_of_namespaces_are_added_up() {
    let mut joined = 0;
    each(|about, world, listing| {
        let spaces = Picture::new(world, listing, None).namespaces();
        let classes = spaces.collapsed();
        let total = |picture: &Picture| -> (usize, usize) {
            let sum = |of: fn(&Link) -> usize| picture.links.iter().map(of).sum();
            (sum(|link| link.pairs), sum(|link| link.of))
        };
        assert_eq!(total(&spaces), total(&classes), "{about}");
        joined += spaces.ends.len() - classes.ends.len();
    });
    assert!(joined > 50, "{joined}");
}

fn chromium(page: &Path, hash: &str) -> Option<Output> {
    let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|own| own.status.success())
    })?;
    let address = format!("file://{}#{hash}", page.display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=4000",
        "--dump-dom",
    ];
    Some(Command::new(program).args(arguments).arg(address).output().expect("a browser runs"))
}

fn page_of_the_shop(title: &str) -> (PathBuf, String) {
    let world = world(&root().join("scenarios/shop"), Some("calico"));
    let listing = listing(&world);
    let base = Picture::new(&world, &listing, None).base();
    let reasons = base.reasons(&world, &listing);
    let of = |own: &Vec<Reason>| own.iter().map(|reason| Why::of(&world, reason)).collect();
    let reasons: Vec<Vec<Why>> = reasons.iter().map(of).collect();
    let mut drawing = drawing(&world, &listing);
    drawing.frame.title = title.into();
    let arguments = ["-f".to_owned(), "scenarios/shop".to_owned()];
    let page = render::page(&drawing, &base, &reasons, &arguments, None);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shop.html");
    fs::write(&path, &page).expect("a page");
    (path, page)
}

#[test]
fn the_page_is_one_file_that_runs_nothing_else() {
    let (_, page) = page_of_the_shop("</script><b>{{script}}");
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    assert!(page.contains("&lt;/script&gt;&lt;b&gt;{{script}}"), "the title is text");
    assert!(!page.contains("</script><b>"), "the title is text in the data, too");
    for word in [" src=", "href=\"http", "@import", " onclick", " style="] {
        assert!(!page.contains(word), "`{word}`");
    }
    let script = page.split("<script type=\"module\">").nth(1).expect("a script");
    let script = script.split("</script>").next().expect("its end");
    assert!(script.len() < 30_720, "the script has {} bytes", script.len());
}

/// In a real browser: a link of the address opens a connection with its rules, a filter counts, nothing is refused.
#[test]
fn the_page_works_in_a_browser() {
    let (path, page) = page_of_the_shop("The shop");
    // The API reaches the database: that connection's place.
    let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
    let data: serde_json::Value =
        serde_json::from_str(data.expect("data")).expect("data that can be read");
    let node = |name: &str| {
        let nodes = data["nodes"].as_array().expect("nodes");
        let own = nodes.iter().find(|node| node["label"] == name);
        own.and_then(|node| node["id"].as_str()).expect(name).to_owned()
    };
    let (api, database) = (node("shop/deploy/api"), node("shop/sts/db"));
    let edges = data["edges"].as_array().expect("edges");
    let edge = edges.iter().find(|edge| edge["source"] == *api && edge["target"] == *database);
    let id = edge.and_then(|edge| edge["id"].as_str()).expect("the connection");
    let Some(found) = chromium(&path, &format!("view=matrix&sel={id}")) else {
        println!("skipped: there is no Chromium on this machine");
        return;
    };
    let (dom, log) =
        (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let detail = dom.split("id=\"detail\"").nth(1).expect("details");
    for text in ["db-from-api, rule 1", "policies.yaml:274", "tcp/5432", "api-egress, rule 2"] {
        assert!(detail.contains(text), "no `{text}` in the details of {id}");
    }
    assert!(
        dom.contains("kubereach explain -f scenarios/shop shop/deploy/api shop/sts/db --port 5432")
    );
    let filtered = chromium(&path, "ns=payments&port=8443").expect("a browser");
    let dom = String::from_utf8_lossy(&filtered.stdout);
    let count = dom.split("id=\"count\"").nth(1).and_then(|rest| rest.split('<').next());
    let count = count.expect("a count");
    assert!(count.contains(&format!("1 of {} connections", edges.len())), "{count}");
}

#[test]
fn a_picture_stands_alone_or_in_a_page() {
    let world = world(&root().join("scenarios/shop"), Some("calico"));
    let listing = listing(&world);
    let picture = Picture::new(&world, &listing, None);
    let mut drawing = drawing(&world, &listing);
    let shown = picture.shown(Some(View::Matrix));
    let alone = render::picture_svg(&drawing, &shown);
    assert!(alone.contains("<title>it</title>") && alone.contains("prefers-color-scheme:dark"));
    drawing.frame.place = Place::Page;
    let inside = render::picture_svg(&drawing, &shown);
    assert!(!inside.contains("<style>") && inside.contains("<desc>"));
    drawing.frame.place = Place::Light;
    assert!(!render::picture_svg(&drawing, &shown).contains("@media"));
}

/// With the feature a picture is dots as well, the same ones everywhere.
#[cfg(feature = "png")]
#[test]
fn dots_are_as_large_as_the_picture_and_the_same_twice() {
    let world = world(&root().join("scenarios/shop"), Some("calico"));
    let listing = listing(&world);
    let mut drawing = drawing(&world, &listing);
    drawing.frame.place = Place::Light;
    let shown = Picture::new(&world, &listing, None).shown(Some(View::Matrix));
    let svg = render::picture_svg(&drawing, &shown);
    let dots = render::png(&svg).unwrap_or_else(|e| panic!("{e}"));
    assert!(dots.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(render::png(&svg).as_ref(), Ok(&dots));
    // The header holds width and height, two dots for each unit.
    let side = |at: usize| u32::from_be_bytes(dots[at..at + 4].try_into().expect("four bytes"));
    let unit = |name: &str| -> f64 {
        let text = svg.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        text.and_then(|text| text.parse().ok()).expect("a number")
    };
    for (at, name) in [(16, "width"), (20, "height")] {
        assert!((f64::from(side(at)) - 2.0 * unit(name)).abs() < 3.0, "{name}: {}", side(at));
    }
}
